"""Inverse, powers and controls of operations that are lowered already.

Whatever a gate was lowered to, its controlled form follows operation by operation: for any number
of controls, for parameters as for numbers, and with the global phase that controls make visible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.gates import hadamard
from jaxqnn.circuit.operations import (
    Block,
    ControlledFlip,
    Flip,
    Operation,
    PauliRotation,
    Swap,
)

Lowering = tuple[list[Operation], Angle]
PhaseRule = Callable[[Angle, Sequence[int]], Lowering]

_HALF_PI = Angle.constant(np.pi / 2)
_PI = Angle.constant(np.pi)


def inverted(lowering: Lowering) -> Lowering:
    """The inverse."""
    operations, phase = lowering
    return [_inverse(operation) for operation in reversed(operations)], -phase


def _inverse(operation: Operation) -> Operation:
    match operation:
        case PauliRotation(x, z, angle):
            return PauliRotation(x, z, -angle)
        case Block(qubits, matrix):
            return Block(qubits, matrix.conj().T)
        case _:
            return operation


def repeated(lowering: Lowering, count: int) -> Lowering:
    """A whole power; a negative one repeats the inverse."""
    operations, phase = lowering if count >= 0 else inverted(lowering)
    return operations * abs(count), phase.scaled(abs(count))


def controlled(
    lowering: Lowering, controls: Sequence[int], state: int, multi_phase: PhaseRule
) -> Lowering:
    """The controlled form.

    Args:
        lowering: What is controlled, on other qubits than the controls.
        controls: Control i is closed where bit i of ``state`` is one, and open where it is zero.
        state: See controls.
        multi_phase: (angle, qubits) -> exp(i angle x1 ... xm), the one primitive that is needed.

    Returns:
        The operations and their phase.
    """
    operations, phase = lowering
    open_controls: list[Operation] = [
        Flip(qubit) for i, qubit in enumerate(controls) if not state >> i & 1
    ]
    found, total = multi_phase(phase, controls) if not phase.is_zero else ([], Angle())
    found = [*open_controls, *found]
    for operation in operations:
        inner, extra = _controlled(operation, list(controls), multi_phase)
        found += inner
        total += extra
    return [*found, *open_controls], total


def _controlled(operation: Operation, controls: list[int], multi_phase: PhaseRule) -> Lowering:
    match operation:
        case PauliRotation(x, z, angle):
            return _controlled_rotation(x, z, angle, controls, multi_phase)
        case Flip(qubit):
            return _controlled_flip(controls, qubit, multi_phase)
        case ControlledFlip(control, target):
            return _controlled_flip([*controls, control], target, multi_phase)
        case Swap(a, b):
            middle, phase = _controlled_flip([*controls, a], b, multi_phase)
            return [ControlledFlip(b, a), *middle, ControlledFlip(b, a)], phase
        case Block(qubits, matrix):
            size = matrix.shape[0] << len(controls)
            wide = np.eye(size, dtype=complex)
            wide[-matrix.shape[0] :, -matrix.shape[0] :] = matrix
            return [Block((*qubits, *controls), wide)], Angle()


def _controlled_flip(controls: list[int], target: int, multi_phase: PhaseRule) -> Lowering:
    if len(controls) == 1:
        return [ControlledFlip(controls[0], target)], Angle()
    turn, phase = multi_phase(_PI, [*controls, target])
    return [*hadamard(target), *turn, *hadamard(target)], phase


def _controlled_rotation(
    x: int, z: int, angle: Angle, controls: list[int], multi_phase: PhaseRule
) -> Lowering:
    """A rotation about Z of one qubit, controlled, between two changes of basis."""
    before, pivot, after = to_z(x, z)
    # exp(-i angle/2 Z) = exp(-i angle/2) exp(i angle x)
    first, phase = multi_phase(angle.scaled(-0.5), controls)
    second, extra = multi_phase(angle, [*controls, pivot])
    return [*before, *first, *second, *after], phase + extra


def to_z(x: int, z: int) -> tuple[list[Operation], int, list[Operation]]:
    """Operations before and after that make Z of one qubit out of a Pauli string, and that qubit.

    With p a qubit where the string P has X or Y, Q = i P Z_p is Hermitian and
    P = exp(-i pi/4 Q) Z_p exp(i pi/4 Q). A string without X is gathered by CX.
    """
    pivot = (x or z).bit_length() - 1
    if x:
        # i^w X^x Z^z with w = |x & z|; the string Q has one letter Y more or fewer than P.
        sign = -1.0 if z >> pivot & 1 else 1.0
        turn = PauliRotation(x, z ^ 1 << pivot, _HALF_PI.scaled(sign))
        return [_inverse(turn)], pivot, [turn]
    gather: list[Operation] = [
        ControlledFlip(qubit, pivot) for qubit in range(pivot) if z >> qubit & 1
    ]
    return gather, pivot, gather[::-1]
