"""Eight numbers at once, in functions that Numba compiles.

LLVM finds vector instructions in a loop only where it can prove that arrays do not overlap, which
the steps of a statevector never let it.  Here they are asked for: ``load`` and ``store`` move eight
neighbours of a pointer, ``+``, ``-`` and ``*`` work on all of them, a plain float stands for
eight copies of itself.  LLVM maps them to whatever the processor has (AVX-512, AVX, SSE, NEON).
Vectors are of double precision; what is read from or written to single precision is
converted on the way.
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

_IR = ir.VectorType(ir.DoubleType(), LANES)
_SINGLE = ir.VectorType(ir.FloatType(), LANES)
_MASK = ir.VectorType(ir.IntType(32), LANES)

# Products and sums may become one instruction; nothing else is rearranged.
_FLAGS = ("contract",)


class _Vector(types.Type):
    """Numba's type of eight floats."""

    def __init__(self) -> None:
        super().__init__(name="float64x8")


_vector = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _IR)


def _eight_of(builder: Any, number: Any) -> Any:
    empty = ir.Constant(_IR, ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, empty, ir.Constant(_MASK, [0] * LANES))


def _define(operation: Any, instruction: str) -> None:
    """Gives an operator its meaning for two vectors, or a vector and a float."""

    @infer_global(operation)
    class Typing(AbstractTemplate):
        def generic(self, args: Any, _: Any) -> Any:
            if len(args) == 2 and _vector in args and set(args) <= {_vector, types.float64}:
                return signature(_vector, *args)
            return None

    def lower(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        both = [
            value if kind == _vector else _eight_of(builder, value)
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
    kind = _SINGLE if pointer_type.dtype == types.float32 else _IR
    return builder.bitcast(builder.gep(pointer, [index], inbounds=True), kind.as_pointer())


def _read(builder: Any, place: Any) -> Any:
    if place.type.pointee == _SINGLE:
        return builder.fpext(builder.load(place, align=4), _IR)
    return builder.load(place, align=8)


def _write(builder: Any, value: Any, place: Any) -> None:
    if place.type.pointee == _SINGLE:
        builder.store(builder.fptrunc(value, _SINGLE), place, align=4)
    else:
        builder.store(value, place, align=8)


@intrinsic
def load(_: Any, pointer: Any, index: Any) -> Any:
    """pointer[index : index + 8] of a pointer."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _read(builder, _place(builder, sig.args[0], *args))

    return _vector(pointer, types.intp), generate


@intrinsic
def store(_: Any, pointer: Any, index: Any, value: Any) -> Any:
    """pointer[index : index + 8] = value."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _write(builder, args[2], _place(builder, sig.args[0], *args[:2]))
        return context.get_dummy_value()

    return types.void(pointer, types.intp, value), generate


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
            lanes.append(_read(builder, _place(builder, kinds[0], source_, first)))
        for j, vector in enumerate(_transposed(builder, lanes)):
            place = builder.add(to_, ir.Constant(to_.type, ROW * j))
            _write(builder, vector, _place(builder, kinds[3], state_, place))
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
            rows.append(_read(builder, _place(builder, kinds[0], state_, place)))
        for lane, vector in enumerate(_transposed(builder, rows)):
            with builder.if_then(builder.icmp_signed(">", count_, count_.type(lane))):
                first = builder.add(_element(builder, at_, lane), row_)
                _write(builder, vector, _place(builder, kinds[2], out_, first))
        return context.get_dummy_value()

    return types.void(state, types.intp, out, at, types.intp, types.intp), generate


@intrinsic
def zeros(_: Any) -> Any:
    """Eight zeros."""

    def generate(*_: Any) -> Any:
        return ir.Constant(_IR, [0.0] * LANES)

    return _vector(), generate


@intrinsic
def floor(_: Any, value: Any) -> Any:
    """The largest whole numbers that are not larger."""

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_IR, [_IR])
        name = f"llvm.floor.v{LANES}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return _vector(value), generate


@intrinsic
def choose(_: Any, test: Any, value: Any, other: Any) -> Any:
    """In each lane the first value where the test is above zero, the other one elsewhere."""

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        is_above = builder.fcmp_ordered(">", args[0], ir.Constant(_IR, [0.0] * LANES))
        return builder.select(is_above, args[1], args[2])

    return _vector(test, value, other), generate


def _swapped(builder: Any, value: Any, bit: int) -> Any:
    mask = ir.Constant(_MASK, [i ^ 1 << bit for i in range(LANES)])
    return builder.shuffle_vector(value, value, mask)


@intrinsic
def exchanged(_: Any, value: Any, lanes: Any) -> Any:
    """Lane i gets what lane i xor ``lanes`` has."""

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        found, lanes = args
        for bit in range(LANE_BITS):
            is_set = builder.trunc(builder.lshr(lanes, lanes.type(bit)), ir.IntType(1))
            found = builder.select(is_set, _swapped(builder, found, bit), found)
        return found

    return _vector(value, types.intp), generate


@intrinsic
def total(_: Any, value: Any) -> Any:
    """The sum of the lanes."""

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        found = args[0]
        for bit in range(LANE_BITS):
            found = builder.fadd(found, _swapped(builder, found, bit))
        return builder.extract_element(found, ir.Constant(ir.IntType(32), 0))

    return types.float64(value), generate
