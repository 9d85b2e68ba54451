"""Whether a qubit is |0> at some point of a circuit, whatever its parameters are.

A reset of such a qubit does nothing.  Transpilers leave them behind: routing swaps qubits that
nothing has acted on before the reset that begins their ``initialize``, and ancillas are returned as
they were.  What led to the qubit is run on a few random values of the parameters: amplitudes are
analytic in them, so one that is zero at a random point is zero everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.operations import (
    Block,
    ControlledFlip,
    Flip,
    Operation,
    PauliRotation,
    Swap,
    acts_on,
)
from jaxqnn.circuit.start import Start

# Beyond this many qubits the answer is not looked for.
_WIDEST = 12

# What rounding may leave of an amplitude that is zero.
_ROUNDING = 1e-11

_Complexes = NDArray[np.complexfloating]


def is_zero(
    qubit: int, operations: Sequence[Operation], start: Start | None, num_columns: int
) -> bool:
    """Whether a qubit is known to be |0> after these operations.

    Args:
        qubit: Which one.
        operations: All since the circuit's beginning.
        start: The amplitudes some qubits start from.
        num_columns: How many columns the angles are over; each is taken to be independent.

    Returns:
        True if it is; False if it is not, or if too many qubits have led to it.
    """
    qubits = {qubit}
    led: list[Operation] = []
    for operation in reversed(operations):
        touched = set(acts_on(operation))
        if not touched.isdisjoint(qubits):
            qubits |= touched
            led.append(operation)
    if start is not None and not qubits.isdisjoint(start.qubits):
        qubits |= set(start.qubits)
    if len(qubits) > _WIDEST:
        return False
    # The start's qubits lead, so that its vector is the first of the labels.
    first = start.qubits if start is not None and qubits.issuperset(start.qubits) else ()
    order = (*first, *sorted(qubits.difference(first)))
    bit = {found: 1 << i for i, found in enumerate(order)}
    labels = np.arange(1 << len(order))
    one = (labels & bit[qubit]) != 0
    for seed in range(3):
        columns = np.random.default_rng(seed).uniform(-2, 2, num_columns)
        state = np.zeros(labels.size, complex)
        state[: 1 << len(first)] = _amplitudes(start, columns) if first and start else 1
        for operation in reversed(led):
            state = _applied(operation, state, labels, bit, columns)
        if np.linalg.norm(state[one]) > _ROUNDING * np.linalg.norm(state):
            return False
    return True


def _amplitudes(start: Start, columns: NDArray[np.float64]) -> _Complexes:
    return np.array(
        [
            _value(real, columns) + 1j * _value(imaginary, columns)
            for real, imaginary in zip(start.real, start.imaginary, strict=True)
        ]
    )


def _value(angle: Angle, columns: NDArray[np.float64]) -> float:
    return sum(
        coefficient * float(np.prod(columns[list(monomial)]))
        for monomial, coefficient in angle.terms.items()
    )


def _applied(
    operation: Operation,
    state: _Complexes,
    labels: NDArray[np.int64],
    bit: dict[int, int],
    columns: NDArray[np.float64],
) -> _Complexes:
    match operation:
        case PauliRotation(x, z, angle):
            half = _value(angle, columns) / 2
            flips, signs = (sum(b for q, b in bit.items() if mask >> q & 1) for mask in (x, z))
            # P = i^|x & z| X^x Z^z takes label l to l xor x.
            turned = np.where(np.bitwise_count(labels & signs) & 1, -state, state)[labels ^ flips]
            turned = 1j ** ((x & z).bit_count() % 4) * turned
            return np.cos(half) * state - 1j * np.sin(half) * turned
        case Flip(qubit):
            return state[labels ^ bit[qubit]]
        case ControlledFlip(control, target):
            return state[np.where(labels & bit[control], labels ^ bit[target], labels)]
        case Swap(a, b):
            differ = ((labels & bit[a]) != 0) != ((labels & bit[b]) != 0)
            return state[np.where(differ, labels ^ bit[a] ^ bit[b], labels)]
        case Block(qubits, matrix):
            m, n = len(qubits), len(bit)
            axes = [n - bit[q].bit_length() for q in reversed(qubits)]
            wide = np.tensordot(
                matrix.reshape((2,) * (2 * m)),
                state.reshape((2,) * n),
                axes=(list(range(m, 2 * m)), axes),
            )
            return np.moveaxis(wide, range(m), axes).reshape(-1)
