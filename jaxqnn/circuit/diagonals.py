"""Diagonal and multiplexed gates as parities, by the Walsh-Hadamard transform.

A function of m bits is a sum of parities, f(x) = sum_S c_S (-1)^parity(S & x), with c its
Walsh-Hadamard transform; so any diagonal gate is one phase polynomial, and any multiplexed rotation
is one between two changes of basis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.modifiers import Lowering, to_z
from jaxqnn.circuit.operations import Operation, PauliRotation

# Coefficients below this, relative to the largest, are rounding of the transform.
_NEGLIGIBLE = 1e-15


def walsh_coefficients(values: ArrayLike) -> NDArray[np.float64]:
    """c_S for all S, from f(x) for all x of m bits."""
    found = np.array(values, float)
    half = 1
    while half < found.size:
        pairs = found.reshape(-1, 2, half)
        found = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
        half *= 2
    return found / found.size


def diagonal(phases: ArrayLike, qubits: Sequence[int], scale: Angle) -> Lowering:
    """exp(i scale f(x)), with f given for all values x of the qubits, the first the lowest bit."""
    coefficients = walsh_coefficients(phases)
    # A phase polynomial is written as rotations exp(-i angle/2 Z_S).
    operations = _parities(-2.0 * coefficients, qubits, 0, scale)
    return operations, scale.scaled(float(coefficients[0]))


def multiplexed_rotation(
    x: int, z: int, angles: ArrayLike, controls: Sequence[int]
) -> list[Operation]:
    """exp(-i angle(c)/2 P), with P a Pauli string and angle given for all values c of controls."""
    before, pivot, after = to_z(x, z)
    coefficients = walsh_coefficients(angles)
    one = Angle.constant(1.0)
    middle: list[Operation] = [PauliRotation(0, 1 << pivot, one.scaled(float(coefficients[0])))]
    return [*before, *middle, *_parities(coefficients, controls, 1 << pivot, one), *after]


def _parities(
    coefficients: NDArray[np.float64], qubits: Sequence[int], also: int, scale: Angle
) -> list[Operation]:
    """Z rotations of all non-empty subsets of the qubits, each with the qubits of ``also``."""
    least = _NEGLIGIBLE * float(np.max(np.abs(coefficients)))
    masks = [0]
    for qubit in qubits:
        masks += [mask | 1 << qubit for mask in masks]
    return [
        PauliRotation(0, masks[subset] | also, scale.scaled(float(coefficients[subset])))
        for subset in np.flatnonzero(np.abs(coefficients) > least)
        if subset
    ]
