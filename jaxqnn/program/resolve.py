"""From operations on qubits to elements on labels.

CX, SWAP and X change no amplitude, only which qubit value a label bit stands for.  Followed through
the circuit, they vanish, and every Pauli rotation becomes one of two elements on the reference
label x (the label at the start of the program):

- a phase, exp(-i angle/2 (-1)^parity(mask & x)), for a Pauli string without X;
- a real rotation, exp(angle/2 J) with (J psi)[x] = -(-1)^parity(functional & x) psi[x xor vector],
  for all others (RY is the case vector = functional = one bit).  A string with an even number of
  Y's is imaginary; a quarter turn by an anticommuting phase before and after makes it real.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

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
)
from jaxqnn.program.frames import parity

_QUARTER = Angle.constant(math.pi / 2)


@dataclass(frozen=True)
class Phase:
    """exp(-i angle/2 (-1)^parity(mask & x))."""

    mask: int
    angle: Angle


@dataclass(frozen=True)
class Rotation:
    """exp(angle/2 J(vector, functional)), real; parity(vector & functional) = 1."""

    vector: int
    functional: int
    angle: Angle


@dataclass(frozen=True, eq=False)
class Dense:
    """A constant unitary on (vector, functional) pairs, most significant matrix bit first."""

    pairs: tuple[tuple[int, int], ...]
    matrix: NDArray[np.complexfloating]


Element = Phase | Rotation | Dense


@dataclass
class Resolved:
    """What is left of a circuit once its label maps are followed through.

    Attributes:
        start: Angle of RY on each bit of |0...0>.
        elements: What happens then, in order.
        rows: Qubit q has the value parity(rows[q] & x) xor bit q of flips, at the end.
        columns: The dual basis: flipping qubit q flips the label by columns[q].
        flips: See rows.
        global_phase: In radians.
    """

    start: list[Angle]
    rows: list[int]
    columns: list[int]
    flips: int = 0
    global_phase: Angle = field(default_factory=Angle)
    elements: list[Element] = field(default_factory=list)


def resolve(
    operations: Iterable[Operation],
    num_qubits: int,
    is_per_sample: Callable[[Angle], bool],
    *,
    given: int = 0,
) -> Resolved:
    """Follows the label maps of a circuit through.

    Args:
        operations: The circuit.
        num_qubits: Its width.
        is_per_sample: Says which angles differ from sample to sample. Rotations by those become
            phases between constant rotations, since a real rotation is shared by the batch.
        given: Bits that start from given amplitudes. All others start as |0>, so that their first
            rotations make a product state, and are known to be zero until then.

    Returns:
        The elements with the final meaning of the labels.
    """
    units = [1 << i for i in range(num_qubits)]
    out = Resolved([Angle()] * num_qubits, list(units), list(units))
    # Bits of x that may be one. The others are zero, which shortens masks and frees controls.
    touched = given
    global_phases: list[Angle] = []

    def phase(mask: int, angle: Angle) -> None:
        mask &= touched
        if mask:
            out.elements.append(Phase(mask, angle))
        else:
            global_phases.append(angle.scaled(-0.5))

    def rotate(vector: int, functional: int, angle: Angle) -> None:
        nonlocal touched
        # Bits that are zero as yet add nothing to a functional. Left out, later rotations that
        # become part of the start commute with this one, before which they then act.
        fresh = vector & ~touched
        functional &= touched
        if not parity(functional & vector):
            functional |= fresh & -fresh
        touched |= vector
        if fresh == vector == functional:
            out.start[vector.bit_length() - 1] += angle
        elif is_per_sample(angle):
            # RY(t) = S RY(pi/2) RZ(t) RY(-pi/2) S^dagger
            out.elements += [
                Phase(functional, -_QUARTER),
                Rotation(vector, functional, -_QUARTER),
                Phase(functional, angle),
                Rotation(vector, functional, _QUARTER),
                Phase(functional, _QUARTER),
            ]
        else:
            out.elements.append(Rotation(vector, functional, angle))

    def pauli(operation: PauliRotation) -> None:
        vector = _combine(out.columns, operation.x)
        functional = _combine(out.rows, operation.z)
        # P = i^weight (-1)^flips X^vector Z^functional, read on labels
        sign = -1 if parity(operation.z & out.flips) else 1
        weight = (operation.x & operation.z).bit_count()
        if not vector:
            phase(functional, operation.angle.scaled(sign))
        elif weight & 1:
            rotate(
                vector, functional, operation.angle.scaled(sign * (1 if weight % 4 == 1 else -1))
            )
        else:
            qubit = operation.x.bit_length() - 1
            turn = out.rows[qubit]
            phase(turn, _QUARTER)
            rotate(
                vector,
                functional ^ turn,
                operation.angle.scaled(sign * (1 if weight % 4 == 0 else -1)),
            )
            phase(turn, -_QUARTER)

    for operation in operations:
        match operation:
            case PauliRotation():
                pauli(operation)
            case Flip(qubit):
                out.flips ^= 1 << qubit
            case ControlledFlip(control, target):
                if out.rows[control] & touched:
                    out.rows[target] ^= out.rows[control]
                    out.columns[control] ^= out.columns[target]
                out.flips ^= (out.flips >> control & 1) << target
            case Swap(a, b):
                for basis in (out.rows, out.columns):
                    basis[a], basis[b] = basis[b], basis[a]
                difference = (out.flips >> a ^ out.flips >> b) & 1
                out.flips ^= difference << a | difference << b
            case Block(qubits, matrix):
                touched |= _union(out.columns[q] for q in qubits)
                pairs = tuple((out.columns[q], out.rows[q] & touched) for q in reversed(qubits))
                flip = sum((out.flips >> q & 1) << i for i, q in enumerate(qubits))
                order = np.arange(matrix.shape[0]) ^ flip
                out.elements.append(Dense(pairs, matrix[np.ix_(order, order)]))
    out.global_phase = Angle.total(global_phases)
    return out


def _combine(basis: list[int], mask: int) -> int:
    total = 0
    while mask:
        low = mask & -mask
        total ^= basis[low.bit_length() - 1]
        mask ^= low
    return total


def _union(masks: Iterable[int]) -> int:
    total = 0
    for mask in masks:
        total |= mask
    return total
