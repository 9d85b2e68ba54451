"""How functions are compiled by Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compiles a function at its first call, and keeps the machine code on disk if it can.

    A product and a sum may become one instruction; NaN and infinity keep their meaning.
    """
    options = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract"},
        "no_cpython_wrapper": function.__name__ not in ("evolve", "undo", "push"),
        "no_cfunc_wrapper": True,
    }
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to write
        return njit(**options)(function)
