"""How functions are compiled by Numba: with all that they call, once.

Numba optimises a function and makes machine code of it, optimises it again in each of its callers,
in theirs, and so on; and every process that compiles one C function after another does so for each
of them.  Nobody needs that of functions that only compiled functions call.  Those are *parts* here:
Numba translates them to LLVM's code and leaves them as that, and a C function links the parts it
needs and is then optimised and made machine code as one piece.  That takes a third of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from numba.core import sigutils
from numba.core.ccallback import CFunc, _CFuncCompiler
from numba.core.compiler import Compiler
from numba.core.dispatcher import _FunctionCompiler
from numba.core.registry import CPUDispatcher
from numba.core.types import unliteral

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
_OPTIONS = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
    "_nrt": False,
}

# The libraries of the parts that this process has translated, by LLVM's names of their functions.
_translated: dict[str, Any] = {}


def compiled(function: _Function) -> _Function:
    """Compiles a function that compiled functions call, for the machine at hand.

    Its machine code is part of its callers'; Python calls it by ``python_of``.
    """
    found: _Function = _Part(function)
    return found


def python_of(function: _Function) -> _Function:
    """The same function, not compiled."""
    part: Any = function
    found: _Function = part.py_func
    return found


def callback(signature: Any) -> Callable[[Callable[..., Any]], CFunc]:
    """Compiles a function that C calls, with Numba's types of its arguments and result.

    ``compile()`` makes or loads its code, and then ``address`` is where it is.
    """

    def decorate(function: Callable[..., Any]) -> CFunc:
        types = sigutils.normalize_signature(signature)
        result = CFunc(function, types, locals={}, options=_OPTIONS)
        result._compiler = _Linker(function, result._targetdescr, _OPTIONS, {}, Compiler)
        _sources.keep(result)
        return result

    return decorate


class _Part(CPUDispatcher):
    """A function that only compiled functions call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        options = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        super().__init__(function, targetoptions=options)
        self._compiler = _Translator(function, self.targetdescr, options, {}, Compiler)

    def compile(self, types: Any) -> Any:
        """Translates the part for some types; once for all values of a constant argument."""
        return super().compile(tuple(map(unliteral, types)))

    def add_overload(self, result: Any) -> None:
        """Keeps what has been translated for some types; Python could not call it."""
        self.overloads[tuple(result.signature.args)] = result


class _Translator(_FunctionCompiler):
    """Makes LLVM's code of a part, and no more."""

    def _customize_flags(self, flags: Any) -> Any:
        flags.no_compile = True
        return flags

    def _compile_core(self, args: Any, return_type: Any) -> Any:
        result = super()._compile_core(args, return_type)
        name = result.fndesc.llvm_func_name
        _translated[name] = result.library
        # Callers declare it by name and link nothing yet.
        self.targetdescr.target_context.insert_user_function(name, result.fndesc, [])
        return result._replace(entry_point=name)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leaves out Python's search for cycles, a tenth of the time: what Numba makes lives on."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Linker(_CFuncCompiler):
    """Makes LLVM's code of a C function and of all parts that it needs."""

    def _compile_core(self, args: Any, return_type: Any) -> Any:
        with _uncollected():
            result = super()._compile_core(args, return_type)
        library = result.library
        waiting, linked = list(_missing(library)), set()
        while waiting:
            name = waiting.pop()
            if name not in linked:
                linked.add(name)
                part = _translated[name]
                library._final_module.link_in(part._final_module, preserve=True)
                # Of Numba's own functions, such as ``max``, the code is complete.
                for own in part._linking_libraries:
                    library.add_linking_library(own)
                waiting.extend(_missing(part))
        for name in linked:
            function = library._final_module.get_function(name)
            # Numba's names are unique in this process only, and machine code that is loaded from
            # disk may have the same.
            function.name = f"{self.py_func.__qualname__}:{name}"
            # What is inlined everywhere needs no code of its own. Not "internal": LLVM would inline
            # whatever has one caller, and take three times as long over it.
            function.linkage = "linkonce_odr"
        return result


def _missing(library: Any) -> Iterator[str]:
    """The names of the parts that a library calls."""
    for function in library._final_module.functions:
        if function.is_declaration and function.name in _translated:
            yield function.name
