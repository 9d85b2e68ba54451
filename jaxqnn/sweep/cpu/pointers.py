"""Addresses in functions that Numba compiles: numbers at them, atomic words, calls.

NumPy's arrays are many words each to Numba, which compiles functions that pass dozens of them for
minutes. A pointer is one word; it is indexed as an array is, and knows no length.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

_WORD = ir.IntType(64)
_KINDS = {
    types.int32: ir.IntType(32),
    types.int64: _WORD,
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
}

# What a pointer is in functions as Python reads them.
Pointer = Any


class PointerType(types.Type):
    """Numba's type of a pointer to numbers of one type."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        super().__init__(name=f"pointer({dtype})")

    @property
    def key(self) -> Any:
        """What tells two of these types apart."""
        return self.dtype


@register_model(PointerType)
class _PointerModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _KINDS[fe_type.dtype].as_pointer())


@infer_global(operator.getitem)
class _Get(AbstractTemplate):
    def generic(self, args: Any, _: Any) -> Any:
        pointer, *index = args
        if isinstance(pointer, PointerType) and isinstance(index[0], types.Integer):
            return signature(pointer.dtype, pointer, types.intp)
        return None


@lower_builtin(operator.getitem, PointerType, types.Integer)
def _lower_get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    del context, sig
    return builder.load(builder.gep(args[0], [args[1]], inbounds=True))


@infer_global(operator.setitem)
class _Set(AbstractTemplate):
    def generic(self, args: Any, _: Any) -> Any:
        pointer, index, _ = args
        if isinstance(pointer, PointerType) and isinstance(index, types.Integer):
            return signature(types.none, pointer, types.intp, pointer.dtype)
        return None


@lower_builtin(operator.setitem, PointerType, types.Integer, types.Any)
def _lower_set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    del sig
    builder.store(args[2], builder.gep(args[0], [args[1]], inbounds=True))
    return context.get_dummy_value()


def _at_address(dtype: types.Type) -> Any:
    @intrinsic
    def function(_: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

        return PointerType(dtype)(types.intp), generate

    return function


# Pointers to integers of 64 and 32 bits, and to floats of double and of single precision.
halves = _at_address(types.int32)
words = _at_address(types.int64)
numbers = _at_address(types.float64)
singles = _at_address(types.float32)


@intrinsic
def like(_: Any, pointer: Any, place: Any) -> Any:
    """A pointer to numbers of the same type, at an address or where another pointer leads."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(sig.return_type)
        if isinstance(place, PointerType):
            return builder.bitcast(args[1], kind)
        return builder.inttoptr(args[1], kind)

    own = place if isinstance(place, PointerType) else types.intp
    return pointer(pointer, own), generate


@intrinsic
def after(_: Any, pointer: Any, count: Any) -> Any:
    """The pointer that is so many numbers further."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]], inbounds=True)

    return pointer(pointer, types.intp), generate


@intrinsic
def fetch_add(_: Any, address: Any, value: Any) -> Any:
    """Adds to the word at an address, at once for all threads; returns what it was."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], _WORD.as_pointer())
        return builder.atomic_rmw("add", place, args[1], "seq_cst")

    return types.intp(types.intp, types.intp), generate


@intrinsic
def fetch(_: Any, address: Any) -> Any:
    """The word at an address, as other threads left it."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], _WORD.as_pointer())
        return builder.load_atomic(place, "seq_cst", 8)

    return types.intp(types.intp), generate


@intrinsic
def odd(_: Any, value: Any) -> Any:
    """The parity of a word's bits."""

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.and_(builder.ctpop(args[0]), _WORD(1))

    return types.intp(types.intp), generate


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
give_way = _libc("sched_yield", ir.VoidType())  # it looks at no argument
free = _libc("free", ir.VoidType())
