"""How functions are compiled by Numba."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core import sigutils
from numba.core.ccallback import CFunc

from jaxqnn.sweep.cpu.cache import Sources

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Every file from which compiled functions take code or constants.
_SWEEP = Path(__file__).parents[1]
SOURCES = (
    _SWEEP / "cpu",
    _SWEEP / "staging.py",
    _SWEEP / "gpu" / "launch.py",
    _SWEEP / "gpu" / "job.py",
)
_sources = Sources(*SOURCES)

# A product and a sum may become one instruction; NaN and infinity keep their meaning.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}, "_nrt": False}


def compiled(function: _Function) -> _Function:
    """Compiles a function that compiled functions call, for the machine at hand.

    Its machine code is part of its callers'.
    """
    return njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)(function)


def inlined(function: _Function) -> _Function:
    """The same for a function that becomes a part of its callers before they are compiled.

    Numba optimises every function by itself and again within each of its callers, so what is no
    loop of its own is better none.
    """
    return njit(inline="always", no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)(
        function
    )


def python_of(function: _Function) -> _Function:
    """The same function, not compiled."""
    found: _Function = function.py_func  # type: ignore[attr-defined]
    return found


def callback(signature: Any) -> Callable[[Callable[..., Any]], CFunc]:
    """The same for a function that C calls, with Numba's types of its arguments and result.

    ``compile()`` makes or loads its code, and then ``address`` is where it is.
    """

    def decorate(function: Callable[..., Any]) -> CFunc:
        types = sigutils.normalize_signature(signature)
        result = CFunc(function, types, locals={}, options={"nopython": True, **_OPTIONS})
        _sources.keep(result)
        return result

    return decorate
