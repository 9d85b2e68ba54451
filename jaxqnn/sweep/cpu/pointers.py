"""Addresses in functions that Numba compiles: arrays on them, atomic words, calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from jaxqnn.sweep.cpu.jit import compiled

Array = np.ndarray[Any, Any]

_WORD = ir.IntType(64)

# Arrays on addresses have no known length; nothing asks for it.
_ENDLESS = 1 << 40


@intrinsic
def _pointer(_: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.intp), generate


@compiled
def words(address: int, size: int = _ENDLESS) -> Array:
    """The 64-bit integers at an address."""
    return carray(_pointer(address), size, np.int64)


@compiled
def numbers(address: int, size: int = _ENDLESS) -> Array:
    """The floats of double precision at an address."""
    return carray(_pointer(address), size, np.float64)


@compiled
def singles(address: int, size: int = _ENDLESS) -> Array:
    """The floats of single precision at an address."""
    return carray(_pointer(address), size, np.float32)


@intrinsic
def fetch_add(_: Any, address: Any, value: Any) -> Any:
    """Adds to the word at an address, at once for all threads; returns what it was."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], _WORD.as_pointer())
        return builder.atomic_rmw("add", place, args[1], "seq_cst")

    return types.intp(types.intp, types.intp), generate


@intrinsic
def call(_: Any, function: Any, argument: Any) -> Any:
    """Calls the C function at an address with one word."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_WORD, [_WORD]).as_pointer()
        return builder.call(builder.inttoptr(args[0], kind), [args[1]])

    return types.intp(types.intp, types.intp), generate


def symbol(name: str) -> Any:
    """A compiled function without arguments that gives the address of a C function by name.

    Machine code on disk must not hold addresses of one process; names are looked up when it is
    loaded, among those given to ``llvmlite.binding.add_symbol``.
    """

    @intrinsic
    def function(_: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(_WORD, [_WORD])
            callee = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.ptrtoint(callee, _WORD)

        return types.intp(), generate

    return function


def _libc(name: str, result: ir.Type) -> Any:
    @intrinsic
    def function(_: Any, argument: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(result, [_WORD])
            callee = cgutils.get_or_insert_function(builder.module, kind, name)
            found = builder.call(callee, [args[0]])
            return context.get_dummy_value() if isinstance(result, ir.VoidType) else found

        kind = types.void if isinstance(result, ir.VoidType) else types.intp
        return kind(types.intp), generate

    return function


# The process's own; the address is a word here.
malloc = _libc("malloc", _WORD)
free = _libc("free", ir.VoidType())
