"""How functions are compiled by Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compiles a function that compiled functions call.

    At its first call, for the machine at hand; the machine code is kept on disk if it can be.  A
    product and a sum may become one instruction; NaN and infinity keep their meaning.
    """
    return _compiled(function, no_cpython_wrapper=True)


def callable_from_python(function: _Function) -> _Function:
    """The same for a function that Python calls."""
    return _compiled(function)


def _compiled(function: _Function, **options: Any) -> _Function:
    options |= {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract"},
        "no_cfunc_wrapper": True,
    }
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to write
        return njit(**options)(function)
