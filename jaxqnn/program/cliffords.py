"""Circuits of constant Clifford gates, computed in whole numbers.

Their states have amplitudes of one size with phases that are multiples of a quarter turn, while the
cosine of pi/4 is no floating-point number, nor is its square. So such a circuit is carried out here
on Gaussian integers, and its program starts from the result: probabilities and expectations are
then exact, in every engine and precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.operations import Block, ControlledFlip, Flip, Operation, PauliRotation, Swap

_Complexes = NDArray[np.complexfloating]

# The states of wider circuits are not written down.
_WIDEST = 12

# Cosine and sine of k pi/4; of odd k, times the root of two.
_EIGHTHS = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))


def clifford_amplitudes(
    operations: Sequence[Operation], num_qubits: int
) -> tuple[tuple[Angle, ...], Angle] | None:
    """The state of a constant Clifford circuit.

    Args:
        operations: What acts on |0...0>.
        num_qubits: On so many qubits.

    Returns:
        Real parts and then imaginary parts, up to a norm that is a power of two, and the phase in
        radians that is missing; None if a gate is no constant Clifford gate, if there are too many
        qubits, or if nothing leaves a basis state.
    """
    if num_qubits > _WIDEST or not any(
        isinstance(operation, PauliRotation) and operation.x for operation in operations
    ):
        return None
    labels = np.arange(1 << num_qubits)
    state = np.zeros(labels.size, complex)
    state[0] = 1
    for operation in operations:
        found = _applied(operation, state, labels)
        if found is None:
            return None
        # All that is not zero has one size.
        state = found / 2 if np.abs([found.real, found.imag]).max() > 1 else found
    phase = Angle()
    numbers = np.concatenate([state.real, state.imag])
    if int(np.abs(numbers).sum()).bit_length() % 2 == 0:
        # A norm that is the root of two. Times 1 + i, and a half where that is even, it is not.
        state, phase = state * (1 + 1j), Angle.constant(-math.pi / 4)
        if np.abs([state.real, state.imag]).max() > 1:
            state = state / 2
        numbers = np.concatenate([state.real, state.imag])
    return tuple(Angle.constant(number) for number in numbers.tolist()), phase


def turned(amplitudes: Sequence[Angle], phase: Angle) -> tuple[Angle, ...] | None:
    """Such amplitudes times exp(i phase), up to their norm; None if that is not exact."""
    eighths = _multiples(phase, math.pi / 4)
    if eighths is None or not all(angle.is_constant for angle in amplitudes):
        return None
    parts = np.array([angle.terms.get((), 0.0) for angle in amplitudes]).reshape(2, -1)
    cosine, sine = _EIGHTHS[eighths % 8]
    real, imaginary = cosine * parts[0] - sine * parts[1], sine * parts[0] + cosine * parts[1]
    return tuple(Angle.constant(x) for x in np.concatenate([real, imaginary]).tolist())


def _applied(
    operation: Operation, state: _Complexes, labels: NDArray[np.int64]
) -> _Complexes | None:
    match operation:
        case PauliRotation(x, z, angle):
            quarters = _multiples(angle, math.pi / 2)
            if quarters is None:
                return None
            # P = i^|x & z| X^x Z^z takes label l to l xor x.
            flipped = np.where(np.bitwise_count(labels & z) & 1, -state, state)[labels ^ x]
            cosine, sine = _EIGHTHS[quarters % 8]
            return cosine * state - sine * 1j ** ((x & z).bit_count() % 4 + 1) * flipped
        case Flip(qubit):
            return state[labels ^ 1 << qubit]
        case ControlledFlip(control, target):
            return state[labels ^ (labels >> control & 1) << target]
        case Swap(a, b):
            differ = (labels >> a ^ labels >> b) & 1
            return state[labels ^ differ << a ^ differ << b]
        case Block():
            return None


def _multiples(angle: Angle, unit: float) -> int | None:
    """How many units a constant angle is, to rounding."""
    if not angle.is_constant:
        return None
    value = angle.terms.get((), 0.0)
    count = round(value / unit)
    return count if abs(value - count * unit) <= 1e-15 * abs(value) else None
