"""Conditions on classical bits, as conditions on the qubits that hold them.

A cube says which value each of some qubits has, and a condition is a sum of cubes that exclude each
other.  So what is done under a condition is done once for each cube, controlled by its qubits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, Clbit
from qiskit.circuit.classical import expr, types

from jaxqnn.circuit.refusals import refuse_real_time

Cube = tuple[tuple[int, int], ...]
"""(qubit, value) in the order of the qubits."""

Condition = tuple[Cube, ...]

ALWAYS: Condition = ((),)

Holder = Callable[[Clbit], int | None]
"""The qubit that holds a classical bit; None for a bit that is zero."""

# An expression is tabulated, over the values of its bits.
_MOST_BITS = 10


def both(first: Condition, second: Condition) -> Condition:
    """Where two conditions hold."""
    joined = (_cube([*a, *b]) for a, b in product(first, second))
    return tuple(cube for cube in joined if cube is not None)


def choose(
    target: Any, groups: Sequence[Collection[int] | None], holder: Holder, where: str
) -> list[Condition]:
    """When a classical value is in each of several groups.

    Args:
        target: A bit, a register or an expression of them.
        groups: Values, no two groups with one in common; None is for all that are in no other.
        holder: See ``Holder``.
        where: Names the instruction.

    Returns:
        The condition of each group.

    Raises:
        UnsupportedCircuitError: If the expression has real-time variables, or too many bits.
    """
    if isinstance(target, Clbit | ClassicalRegister):
        bits = [holder(bit) for bit in ([target] if isinstance(target, Clbit) else target)]
        named = [value for group in groups if group is not None for value in group]

        def condition(group: Collection[int] | None) -> Condition:
            if group is None:
                return reduce(both, (_unequal(bits, value) for value in named), ALWAYS)
            return tuple(cube for value in group for cube in _equal(bits, value))

        return [condition(group) for group in groups]
    return _tabulated(target, groups, holder, where)


def _cube(pairs: Sequence[tuple[int | None, int]]) -> Cube | None:
    """The cube of some bits' values; None if they contradict each other."""
    found: dict[int, int] = {}
    for qubit, value in pairs:
        known = 0 if qubit is None else found.setdefault(qubit, value)
        if known != value:
            return None
    return tuple(sorted(found.items()))


def _equal(bits: Sequence[int | None], value: int) -> Condition:
    cube = _cube([(bit, value >> i & 1) for i, bit in enumerate(bits)])
    return () if cube is None or value >> len(bits) else (cube,)


def _unequal(bits: Sequence[int | None], value: int) -> Condition:
    """By the first bit that is another."""
    if value >> len(bits):
        return ALWAYS
    pairs = [(bit, value >> i & 1) for i, bit in enumerate(bits)]
    cubes = [_cube([*pairs[:i], (bit, 1 - wanted)]) for i, (bit, wanted) in enumerate(pairs)]
    return tuple(cube for cube in cubes if cube is not None)


def _tabulated(
    target: expr.Expr, groups: Sequence[Collection[int] | None], holder: Holder, where: str
) -> list[Condition]:
    bits = {bit: holder(bit) for bit in _bits(target, where)}
    qubits = sorted({qubit for qubit in bits.values() if qubit is not None})
    if len(qubits) > _MOST_BITS:
        refuse_real_time(where, f"decides by {len(qubits)} bits at once, and {_MOST_BITS} are most")
    group_of = {value: i for i, group in enumerate(groups) for value in group or ()}
    default = next((i for i, group in enumerate(groups) if group is None), -1)
    table = np.empty(1 << len(qubits), np.int64)
    for row in range(table.size):
        held = {qubit: row >> i & 1 for i, qubit in enumerate(qubits)}
        known = {bit: 0 if qubit is None else held[qubit] for bit, qubit in bits.items()}
        table[row] = group_of.get(evaluate(target, known, where), default)
    found: list[list[Cube]] = [[] for _ in groups]
    _split(table, qubits, (), found)
    return [tuple(cubes) for cubes in found]


def _split(
    table: NDArray[np.int64], qubits: Sequence[int], cube: Cube, found: list[list[Cube]]
) -> None:
    """Cuts a table in halves until each part is of one group."""
    if np.all(table == table[0]):
        if table[0] >= 0:
            found[table[0]].append(tuple(sorted(cube)))
        return
    for value in range(2):
        _split(table[value::2], qubits[1:], (*cube, (qubits[0], value)), found)


def _bits(node: expr.Expr, where: str) -> list[Clbit]:
    found: list[Clbit] = []
    for var in expr.iter_vars(node):
        if isinstance(var.var, Clbit):
            found.append(var.var)
        elif isinstance(var.var, ClassicalRegister):
            found += var.var
        else:
            refuse_real_time(where, f"decides by the real-time variable {var.name!r}")
    return found


_BINARY: dict[expr.Binary.Op, Callable[[int, int], int]] = {
    expr.Binary.Op.BIT_AND: lambda a, b: a & b,
    expr.Binary.Op.BIT_OR: lambda a, b: a | b,
    expr.Binary.Op.BIT_XOR: lambda a, b: a ^ b,
    expr.Binary.Op.LOGIC_AND: lambda a, b: a & b,
    expr.Binary.Op.LOGIC_OR: lambda a, b: a | b,
    expr.Binary.Op.EQUAL: lambda a, b: a == b,
    expr.Binary.Op.NOT_EQUAL: lambda a, b: a != b,
    expr.Binary.Op.LESS: lambda a, b: a < b,
    expr.Binary.Op.LESS_EQUAL: lambda a, b: a <= b,
    expr.Binary.Op.GREATER: lambda a, b: a > b,
    expr.Binary.Op.GREATER_EQUAL: lambda a, b: a >= b,
    expr.Binary.Op.SHIFT_LEFT: lambda a, b: a << b,
    expr.Binary.Op.SHIFT_RIGHT: lambda a, b: a >> b,
}


def evaluate(node: expr.Expr, bits: Mapping[Clbit, int], where: str) -> int:
    """An expression's value.

    Args:
        node: Of bits and registers.
        bits: The value of each bit.
        where: Names the instruction.

    Returns:
        A non-negative integer of the width of the expression's type.

    Raises:
        UnsupportedCircuitError: If it is made of more than operations on bits.
    """

    def refuse() -> Any:
        refuse_real_time(where, f"decides by {node}, which is no operation on bits")

    match node.type:
        case types.Bool():
            width = 1
        case types.Uint(width=width):
            pass
        case _:
            refuse()
    match node:
        case expr.Var(var=Clbit() as bit):
            return bits[bit]
        case expr.Var(var=register):
            return sum(bits[bit] << i for i, bit in enumerate(register))
        case expr.Value(value=value):
            return int(value)
        case expr.Cast(operand=operand):
            value = evaluate(operand, bits, where)
            return int(value != 0) if isinstance(node.type, types.Bool) else value % (1 << width)
        case expr.Unary(op=expr.Unary.Op.LOGIC_NOT, operand=operand):
            return 1 - evaluate(operand, bits, where)
        case expr.Unary(op=expr.Unary.Op.BIT_NOT, operand=operand):
            return ~evaluate(operand, bits, where) % (1 << width)
        case expr.Index(target=target, index=index):
            return evaluate(target, bits, where) >> evaluate(index, bits, where) & 1
        case expr.Binary(op=op, left=left, right=right) if op in _BINARY:
            sides = evaluate(left, bits, where), evaluate(right, bits, where)
            return int(_BINARY[op](*sides)) % (1 << width)
    return refuse()
