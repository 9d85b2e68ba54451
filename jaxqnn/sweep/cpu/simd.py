"""Eight numbers at once, in functions that Numba compiles.

LLVM finds vector instructions in a loop only where it can prove that arrays do not overlap, which
the steps of a statevector never let it.  Here they are asked for: ``load`` and ``store`` move eight
neighbours of a pointer, ``+``, ``-`` and ``*`` work on all of them, a plain float stands for
eight copies of itself.  LLVM maps them to whatever the processor has (AVX-512, AVX, SSE, NEON).
A vector is of the precision of the numbers that it was read from. What is made of both precisions
is of double precision, and what is written is rounded to the precision of its place.
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

from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES, ROW

_MASK = ir.VectorType(ir.IntType(32), LANES)
_ELEMENTS = {types.float64: ir.DoubleType(), types.float32: ir.FloatType()}

# Products and sums may become one instruction; nothing else is rearranged.
_FLAGS = ("contract",)


class _Vector(types.Type):
    """Numba's type of eight floats of one precision."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        self.code = ir.VectorType(_ELEMENTS[dtype], LANES)
        super().__init__(name=f"{dtype}x{LANES}")

    @property
    def key(self) -> Any:
        """What tells the two types apart."""
        return self.dtype


_VECTORS = {dtype: _Vector(dtype) for dtype in _ELEMENTS}
_DOUBLE = _VECTORS[types.float64]


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, fe_type.code)


def _converted(builder: Any, value: Any, kind: Any) -> Any:
    """A vector in the precision of a type."""
    if value.type == kind.code:
        return value
    return (builder.fpext if kind == _DOUBLE else builder.fptrunc)(value, kind.code)


def _eight_of(builder: Any, number: Any, kind: Any) -> Any:
    element = kind.code.element
    if number.type != element:
        convert = builder.fpext if kind == _DOUBLE else builder.fptrunc
        number = convert(number, element)
    empty = ir.Constant(kind.code, ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, empty, ir.Constant(_MASK, [0] * LANES))


def _define(operation: Any, instruction: str) -> None:
    """Gives an operator its meaning for two vectors, or a vector and a float."""

    @infer_global(operation)
    class Typing(AbstractTemplate):
        def generic(self, args: Any, _: Any) -> Any:
            vectors = [kind for kind in args if isinstance(kind, _Vector)]
            if len(args) != 2 or not vectors:
                return None
            if not all(isinstance(kind, _Vector | types.Float) for kind in args):
                return None
            return signature(_DOUBLE if _DOUBLE in vectors else vectors[0], *args)

    def lower(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        make = {True: _converted, False: _eight_of}
        both = [
            make[isinstance(kind, _Vector)](builder, value, sig.return_type)
            for value, kind in zip(args, sig.args, strict=True)
        ]
        return getattr(builder, instruction)(*both, flags=_FLAGS)

    lower_builtin(operation, _Vector, _Vector)(lower)
    lower_builtin(operation, _Vector, types.Float)(lower)
    lower_builtin(operation, types.Float, _Vector)(lower)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")
_define(operator.truediv, "fdiv")


def _place(builder: Any, pointer_type: Any, pointer: Any, index: Any) -> Any:
    """The address of eight numbers."""
    kind = _VECTORS[pointer_type.dtype].code
    return builder.bitcast(builder.gep(pointer, [index], inbounds=True), kind.as_pointer())


def _read(builder: Any, pointer_type: Any, pointer: Any, index: Any) -> Any:
    place = _place(builder, pointer_type, pointer, index)
    return builder.load(place, align=pointer_type.dtype.bitwidth // 8)


def _write(builder: Any, value: Any, pointer_type: Any, pointer: Any, index: Any) -> None:
    place = _place(builder, pointer_type, pointer, index)
    own = _converted(builder, value, _VECTORS[pointer_type.dtype])
    builder.store(own, place, align=pointer_type.dtype.bitwidth // 8)


@intrinsic
def load(_: Any, pointer: Any, index: Any) -> Any:
    """pointer[index : index + 8] of a pointer."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _read(builder, sig.args[0], *args)

    return _VECTORS[pointer.dtype](pointer, types.intp), generate


@intrinsic
def store(_: Any, pointer: Any, index: Any, value: Any) -> Any:
    """pointer[index : index + 8] = value."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _write(builder, args[2], sig.args[0], *args[:2])
        return context.get_dummy_value()

    return types.void(pointer, types.intp, value), generate


@intrinsic
def rounded(_: Any, value: Any, pointer: Any) -> Any:
    """Eight numbers in the precision of those that a pointer leads to."""
    kind = _VECTORS[pointer.dtype]

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _converted(builder, args[0], kind)

    return kind(value, pointer), generate


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Eight vectors as the columns of a matrix, by exchanging ever larger blocks."""
    rows = list(rows)
    for step in (1, 2, 4):
        upper = [i if not i & step else LANES + i - step for i in range(LANES)]
        lower = [i + step if not i & step else LANES + i for i in range(LANES)]
        for i in range(LANES):
            if not i & step:
                pair = rows[i], rows[i + step]
                rows[i] = builder.shuffle_vector(*pair, ir.Constant(_MASK, upper))
                rows[i + step] = builder.shuffle_vector(*pair, ir.Constant(_MASK, lower))
    return rows


def _element(builder: Any, pointer: Any, index: int) -> Any:
    return builder.load(builder.gep(pointer, [ir.Constant(ir.IntType(64), index)]))


@intrinsic
def gather_rows(_: Any, source: Any, at: Any, row: Any, state: Any, to: Any) -> Any:
    """Writes eight rows of a state: lane i of row j is source[at[i] + row + j]."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kinds, (source_, at_, row_, state_, to_) = sig.args, args
        lanes = []
        for lane in range(LANES):
            first = builder.add(_element(builder, at_, lane), row_)
            lanes.append(_read(builder, kinds[0], source_, first))
        for j, vector in enumerate(_transposed(builder, lanes)):
            place = builder.add(to_, ir.Constant(to_.type, ROW * j))
            _write(builder, vector, kinds[3], state_, place)
        return context.get_dummy_value()

    return types.void(source, at, types.intp, state, types.intp), generate


@intrinsic
def scatter_rows(_: Any, state: Any, start: Any, out: Any, at: Any, row: Any, count: Any) -> Any:
    """The inverse of ``gather_rows`` for the first ``count`` lanes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kinds, (state_, start_, out_, at_, row_, count_) = sig.args, args
        rows = []
        for j in range(LANES):
            place = builder.add(start_, ir.Constant(start_.type, ROW * j))
            rows.append(_read(builder, kinds[0], state_, place))
        for lane, vector in enumerate(_transposed(builder, rows)):
            with builder.if_then(builder.icmp_signed(">", count_, count_.type(lane))):
                first = builder.add(_element(builder, at_, lane), row_)
                _write(builder, vector, kinds[2], out_, first)
        return context.get_dummy_value()

    return types.void(state, types.intp, out, at, types.intp, types.intp), generate


@intrinsic
def zeros(_: Any) -> Any:
    """Eight zeros of double precision: what sums begin with."""

    def generate(*_: Any) -> Any:
        return ir.Constant(_DOUBLE.code, [0.0] * LANES)

    return _DOUBLE(), generate


@intrinsic
def floor(_: Any, value: Any) -> Any:
    """The largest whole numbers that are not larger."""

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        code = value.code
        name = f"llvm.floor.v{LANES}f{value.dtype.bitwidth}"
        kind = ir.FunctionType(code, [code])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return value(value), generate


@intrinsic
def choose(_: Any, test: Any, value: Any, other: Any) -> Any:
    """In each lane the first value where the test is above zero, the other one elsewhere."""
    if value != other:
        return None

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        is_above = builder.fcmp_ordered(">", args[0], ir.Constant(test.code, [0.0] * LANES))
        return builder.select(is_above, args[1], args[2])

    return value(test, value, other), generate


def _swapped(builder: Any, value: Any, lanes: int) -> Any:
    mask = ir.Constant(_MASK, [i ^ lanes for i in range(LANES)])
    return builder.shuffle_vector(value, value, mask)


# What x86 calls the instruction that takes any lanes in any order, by the feature that it is of.
_PERMUTE = {
    types.float64: ("+avx512f", "llvm.x86.avx512.permvar.df.512", 64),
    types.float32: ("+avx2", "llvm.x86.avx2.permps", 32),
}


def _permuted(builder: Any, value: Any, lanes: Any, name: str, bits: int) -> Any:
    indices = ir.VectorType(ir.IntType(bits), LANES)
    own = lanes if bits == lanes.type.width else builder.trunc(lanes, indices.element)
    empty = ir.Constant(indices, ir.Undefined)
    first = builder.insert_element(empty, own, ir.Constant(ir.IntType(32), 0))
    whole = builder.shuffle_vector(first, empty, ir.Constant(_MASK, [0] * LANES))
    order = builder.xor(whole, ir.Constant(indices, list(range(LANES))))
    kind = ir.FunctionType(value.type, [value.type, indices])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [value, order])


@intrinsic
def exchanged(_: Any, value: Any, lanes: Any) -> Any:
    """Lane i gets what lane i xor ``lanes`` has."""
    feature, name, bits = _PERMUTE[value.dtype]

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found, lanes = args
        # Of the processor that is compiled for: a user may ask Numba for less than there is.
        if feature in context.codegen().magic_tuple()[2].split(","):
            return _permuted(builder, found, lanes, name, bits)
        for bit in range(LANE_BITS):
            is_set = builder.trunc(builder.lshr(lanes, lanes.type(bit)), ir.IntType(1))
            found = builder.select(is_set, _swapped(builder, found, 1 << bit), found)
        return found

    return value(value, types.intp), generate


@intrinsic
def total(_: Any, value: Any) -> Any:
    """The sum of the lanes, of double precision."""

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        found = _converted(builder, args[0], _DOUBLE)
        for bit in range(LANE_BITS):
            found = builder.fadd(found, _swapped(builder, found, 1 << bit))
        return builder.extract_element(found, ir.Constant(ir.IntType(32), 0))

    return types.float64(value), generate
