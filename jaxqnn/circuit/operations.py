"""The primitive operations every circuit is lowered to.

Three are enough: Pauli rotations, label maps that cost nothing (X, CX, SWAP), and constant dense
blocks.  Masks are integers whose bit q stands for qubit q.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jaxqnn.circuit.angles import Angle


@dataclass(frozen=True)
class PauliRotation:
    """exp(-i angle/2 P), with P = i^|x&z| X^x Z^z the Hermitian Pauli string of two masks."""

    x: int
    z: int
    angle: Angle


@dataclass(frozen=True)
class Flip:
    """X on one qubit."""

    qubit: int


@dataclass(frozen=True)
class ControlledFlip:
    """CX."""

    control: int
    target: int


@dataclass(frozen=True)
class Swap:
    """SWAP."""

    first: int
    second: int


@dataclass(frozen=True, eq=False)
class Block:
    """A constant unitary on a few qubits; ``qubits[0]`` is the matrix's least significant bit."""

    qubits: tuple[int, ...]
    matrix: NDArray[np.complexfloating]


Operation = PauliRotation | Flip | ControlledFlip | Swap | Block


def acts_on(operation: Operation) -> Iterator[int]:
    """The qubits of an operation."""
    match operation:
        case PauliRotation(x, z):
            mask = x | z
            while mask:
                low = mask & -mask
                yield low.bit_length() - 1
                mask ^= low
        case Block(qubits):
            yield from qubits
        case _:
            yield from vars(operation).values()
