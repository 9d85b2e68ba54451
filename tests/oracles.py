"""What the tests compare with: Qiskit's ``Statevector`` on bound circuits, and differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector, random_unitary
from qiskit.quantum_info.operators.base_operator import BaseOperator

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Case:
    """A circuit with its parameters told apart."""

    circuit: QuantumCircuit
    inputs: tuple[Parameter, ...]
    weights: tuple[Parameter, ...]

    @property
    def split(self) -> dict[str, Any]:
        """The keywords that say which parameters are which."""
        return {"input_params": self.inputs, "weight_params": self.weights}

    def states(self, inputs: ArrayLike, weights: ArrayLike) -> Complexes:
        """Statevector's amplitudes, (..., 2**n), of inputs (..., P) and weights (..., W)."""
        values = joined(inputs, weights)
        flat = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
        parameters = (*self.inputs, *self.weights)
        found = [
            Statevector(
                self.circuit.assign_parameters(dict(zip(parameters, row, strict=True)))
            ).data
            for row in flat
        ]
        return np.array(found).reshape(*values.shape[:-1], 1 << self.circuit.num_qubits)

    def expectations(
        self, observables: Sequence[BaseOperator], inputs: ArrayLike, weights: ArrayLike
    ) -> Floats:
        """<psi|O|psi> with the operators' dense matrices, (..., observables)."""
        states = self.states(inputs, weights)
        matrices = np.stack([np.asarray(observable.to_matrix()) for observable in observables])
        return np.einsum("...i,oij,...j->...o", states.conj(), matrices, states).real


def joined(inputs: ArrayLike, weights: ArrayLike) -> Floats:
    """Inputs and weights in one array, leading axes broadcast."""
    x, w = np.asarray(inputs, float), np.asarray(weights, float)
    batch = np.broadcast_shapes(x.shape[:-1], w.shape[:-1])
    return np.concatenate(
        [np.broadcast_to(part, (*batch, part.shape[-1])) for part in (x, w)], axis=-1
    )


def differences(function: Callable[[Floats], Any], x: ArrayLike, step: float = 1e-5) -> Any:
    """Central differences of a function of one array, with the array's axes last."""
    x = np.asarray(x, float)
    found = []
    for index in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[index] = step
        found.append((np.asarray(function(x + unit)) - np.asarray(function(x - unit))) / (2 * step))
    stacked = np.stack(found, axis=-1)
    return stacked.reshape(*stacked.shape[:-1], *x.shape)


@lru_cache
def mixed() -> Case:
    """Three qubits and every kind of angle: shared, per sample, both at once, and phases."""
    x, w = ParameterVector("x", 3), ParameterVector("w", 4)
    circuit = QuantumCircuit(3, global_phase=w[0] - x[1])
    circuit.h([0, 1])
    circuit.rx(x[0], 2)
    circuit.rzz(x[1] * w[0], 0, 1)
    circuit.p(x[2], 1)
    circuit.cx(1, 2)
    circuit.ry(w[1] + x[0], 0)
    circuit.u(w[1], w[2], w[3], 2)
    circuit.cp(w[0], 0, 2)
    circuit.rxx(w[3], 1, 2)
    circuit.swap(0, 1)
    circuit.ry(w[2], 1)
    return Case(circuit, tuple(x), tuple(w))


@lru_cache
def atoms() -> Case:
    """Three qubits, angles that are no polynomials, of inputs, of weights and of both."""
    x, w = ParameterVector("x", 3), ParameterVector("w", 4)
    circuit = QuantumCircuit(3)
    circuit.ry(x[0].sin(), 0)
    circuit.rx((x[1] * w[0]).cos(), 1)
    circuit.cx(0, 2)
    circuit.rz(w[1].exp(), 2)
    circuit.ry(x[2] ** 3 + w[2], 2)
    circuit.crx(w[3], 2, 1)
    return Case(circuit, tuple(x), tuple(w))


@lru_cache
def one_qubit() -> Case:
    """A single qubit, all its angles."""
    x, w = Parameter("x"), Parameter("w")
    circuit = QuantumCircuit(1)
    circuit.rx(x, 0)
    circuit.rz(w, 0)
    circuit.ry(x + w, 0)
    return Case(circuit, (x,), (w,))


@lru_cache
def constant() -> Case:
    """No parameters at all; an idle qubit, and a phase."""
    circuit = QuantumCircuit(3, global_phase=0.3)
    circuit.h(2)
    circuit.cx(2, 0)
    circuit.t(0)
    circuit.ry(0.7, 2)
    return Case(circuit, (), ())


CASES = {"mixed": mixed, "atoms": atoms, "one qubit": one_qubit, "constant": constant}


def observables(num_qubits: int) -> list[SparsePauliOp]:
    """Diagonal and not, of one string and of several, with an imaginary matrix among them."""
    n = num_qubits
    return [
        SparsePauliOp("Z" * n),
        SparsePauliOp(["X" * n, "Y" + "Z" * (n - 1)], [0.5, -1.25]),
        SparsePauliOp(["I" * n, "Z" + "I" * (n - 1)], [2.0, 1.0]),
    ]


def values(case: Case, *batch: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Inputs (*batch, P) and weights (W,), seeded."""
    random = np.random.default_rng(seed)
    return (
        random.uniform(-2, 2, (*batch, len(case.inputs))),
        random.uniform(-2, 2, len(case.weights)),
    )


@lru_cache
def small() -> Case:
    """Three qubits and few gates, for what traces every layer by itself."""
    x, w = ParameterVector("x", 2), ParameterVector("w", 2)
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.rx(x[0], 1)
    circuit.rzz(x[1] * w[0], 0, 1)
    circuit.cx(1, 2)
    circuit.ry(w[1], 2)
    circuit.ry(w[0] + x[0], 0)
    return Case(circuit, tuple(x), tuple(w))


def with_blocks(num_qubits: int) -> Case:
    """Blocks of two sizes between rotations, shared phases and phases of the samples."""
    x, w = ParameterVector("x", 2), ParameterVector("w", 3)
    circuit = QuantumCircuit(num_qubits)
    circuit.h(range(num_qubits))
    circuit.rzz(x[0], 0, num_qubits - 1)
    circuit.unitary(random_unitary(8, seed=1), [0, 2, 1])
    for q in range(num_qubits):
        circuit.rx(w[q % 3] * x[q % 2], q)
        circuit.rz(w[(q + 1) % 3], q)
    circuit.unitary(random_unitary(4, seed=2), [num_qubits - 1, 0])
    circuit.ry(w[2], 0)
    return Case(circuit, tuple(x), tuple(w))
