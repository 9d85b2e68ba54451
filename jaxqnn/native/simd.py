"""Eight numbers at once, in functions that Numba compiles.

LLVM finds vector instructions in a loop only where it can prove that arrays do not overlap, which
the steps of a statevector never let it.  Here they are asked for: ``load`` and ``store`` move eight
neighbours of a flat array, ``+``, ``-`` and ``*`` work on all of them, a plain float stands for
eight copies of itself.  LLVM maps them to whatever the processor has (AVX-512, AVX, SSE, NEON).
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

from jaxqnn.batches import LANES

_IR = ir.VectorType(ir.DoubleType(), LANES)
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


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index], inbounds=True), _IR.as_pointer())


@intrinsic
def load(_: Any, array: Any, index: Any) -> Any:
    """array[index : index + 8] of a flat array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_place(context, builder, sig.args[0], *args), align=8)

    return _vector(array, types.intp), generate


@intrinsic
def store(_: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + 8] = value."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _place(context, builder, sig.args[0], *args[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def zeros(_: Any) -> Any:
    """Eight zeros."""

    def generate(*_: Any) -> Any:
        return ir.Constant(_IR, [0.0] * LANES)

    return _vector(), generate


@intrinsic
def exchanged(_: Any, value: Any, bit: Any) -> Any:
    """Lane i gets what lane i xor 2^bit has; bit is 0, 1 or 2."""

    def generate(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        swaps = [
            builder.shuffle_vector(
                args[0], args[0], ir.Constant(_MASK, [i ^ 1 << bit for i in range(LANES)])
            )
            for bit in range(3)
        ]
        is_bit = [builder.icmp_signed("==", args[1], args[1].type(bit)) for bit in range(2)]
        return builder.select(is_bit[0], swaps[0], builder.select(is_bit[1], swaps[1], swaps[2]))

    return _vector(value, types.intp), generate
