"""A second, plain interpreter of the layer form: NumPy, one line a rule, all labels written out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.expressions import atom_function
from jaxqnn.program.build import CircuitProgram
from jaxqnn.program.program import Program

Complexes = NDArray[np.complex128]


def final_amplitudes(program: Program, values: ArrayLike) -> Complexes:
    """The state of a program on circuit labels, its global phase included."""
    columns = _columns(program, values)

    def at(angle: Angle) -> float:
        return sum(c * float(np.prod([columns[i] for i in m])) for m, c in angle.terms.items())

    n = program.num_qubits
    labels = np.arange(1 << n)
    state = _start(program, at)
    for layer in program.layers:
        state = state[_linear(layer.label_map, labels)]
        turn = sum((at(angle) * _sign(labels & mask) for mask, angle in layer.phases), start=0.0)
        state = state * np.exp(-0.5j * turn)
        for bit, angle in zip(program.rotated.positions, layer.rotations, strict=False):
            pairs = state.reshape(-1, 2, 1 << bit)
            state = np.einsum("ij,ajb->aib", _ry(at(angle)), pairs).reshape(-1)
        if layer.block is not None:
            state = (layer.block @ state.reshape(layer.block.shape[0], -1)).reshape(-1)
    circuit_labels = np.zeros_like(labels)
    for qubit, row in enumerate(program.frame.rows):
        circuit_labels |= (_odd(labels & row) ^ (program.flips >> qubit & 1)) << qubit
    found = np.zeros(labels.size, complex)
    found[circuit_labels] = state
    return found * np.exp(1j * at(program.global_phase))


def on_circuit(built: CircuitProgram, values: ArrayLike) -> Complexes:
    """The state on all qubits of the circuit, idle ones in |0>, and on those added to it."""
    labels = np.arange(1 << built.program.num_qubits)
    scattered = np.zeros_like(labels)
    for i, qubit in enumerate(built.qubits):
        scattered |= (labels >> i & 1) << qubit
    found = np.zeros(1 << max(built.width, *(qubit + 1 for qubit in built.qubits)), complex)
    found[scattered] = final_amplitudes(built.program, values)
    return found


def _columns(program: Program, values: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(values, float)
    if not program.atoms:
        return given
    with jax.enable_x64(True):
        atoms = atom_function(program.atoms)(jnp.asarray(given))
    return np.concatenate([given, np.asarray(atoms)])


def _start(program: Program, at: object) -> Complexes:
    assert callable(at)
    product = [np.array([np.cos(at(a) / 2), np.sin(at(a) / 2)]) for a in program.start]
    product = product[program.given_bits :]
    if program.amplitudes:
        given = np.array([at(angle) for angle in program.amplitudes])
        vector = given[: given.size // 2] + 1j * given[given.size // 2 :]
        product = [vector / np.linalg.norm(vector), *product]
    # Bit 0 is the least significant, so the last factor.
    return _product(product[::-1]).reshape(-1).astype(complex)


def _product(factors: Sequence[NDArray[Any]]) -> NDArray[Any]:
    total: NDArray[Any] = np.eye(1)
    for factor in factors:
        total = np.kron(total, factor)
    return total


def _ry(angle: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(angle / 2), np.sin(angle / 2)
    return np.array([[cosine, -sine], [sine, cosine]])


def _linear(columns: Sequence[int], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    image = np.zeros_like(labels)
    for bit, column in enumerate(columns):
        image ^= (labels >> bit & 1) * column
    return image


def _odd(masked: NDArray[np.int64]) -> NDArray[np.int64]:
    return (np.bitwise_count(masked) & 1).astype(np.int64)


def _sign(masked: NDArray[np.int64]) -> NDArray[np.int64]:
    return 1 - 2 * _odd(masked)
