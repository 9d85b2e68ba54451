"""How functions are compiled by Numba."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core import sigutils
from numba.core.ccallback import CFunc

from jaxqnn import batches
from jaxqnn.native.cache import Sources

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Every file from which compiled functions take code or constants.
SOURCES = (Path(__file__).parent, Path(batches.__file__))
_sources = Sources(*SOURCES)

# A product and a sum may become one instruction; NaN and infinity keep their meaning.
_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def compiled(function: _Function) -> _Function:
    """Compiles a function that compiled functions call.

    At its first call, for the machine at hand; the machine code is kept on disk if it can be.
    """
    return _compiled(function, no_cpython_wrapper=True)


def callable_from_python(function: _Function) -> _Function:
    """The same for a function that Python calls."""
    return _compiled(function)


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


def _compiled(function: _Function, **options: Any) -> _Function:
    result = njit(no_cfunc_wrapper=True, **_OPTIONS, **options)(function)
    _sources.keep(result)
    return result
