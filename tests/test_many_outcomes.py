"""Jacobians of more outcomes than parameters: those of JAX's own derivatives, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import QFTGate, efficient_su2, zz_feature_map
from qiskit.quantum_info import random_unitary
from qiskit_machine_learning.circuit.library import raw_feature_vector

import jaxqnn

Case = tuple[QuantumCircuit, list[Parameter], list[Parameter]]
X, W = ParameterVector("x", 2), ParameterVector("w", 9)
BATCH = 5


def encoded() -> Case:
    """Inputs, then weights alone."""
    features = zz_feature_map(4, reps=2)
    circuit = features.copy()
    for q in range(4):
        circuit.ry(W[q], q)
        circuit.rz(W[4 + q], q)
    circuit.ecr(0, 2)
    circuit.rzz(W[8] * W[0], 1, 3)
    circuit.rx(W[1], 2)
    return circuit, list(features.parameters), list(W)


def uploaded_again() -> Case:
    """Inputs between weights, and at the very end."""
    circuit = QuantumCircuit(4)
    for q in range(4):
        circuit.ry(W[q], q)
        circuit.rx(X[q % 2] * W[4], q)
    circuit.cx(0, 3)
    circuit.cx(1, 2)
    for q in range(4):
        circuit.ry(W[5 + q], q)
    circuit.rxx(X[0], 0, 1)
    return circuit, list(X), list(W)


def weights_first() -> Case:
    circuit = QuantumCircuit(5)
    circuit.compose(efficient_su2(5, reps=1), inplace=True)
    weights = list(circuit.parameters)
    circuit.rzz(X[0], 0, 4)
    circuit.append(QFTGate(5), range(5))
    circuit.crx(weights[3], 1, 2)
    return circuit, [X[0]], weights


def no_inputs() -> Case:
    ansatz = efficient_su2(6, reps=1)
    return ansatz, [], list(ansatz.parameters)


def no_weights() -> Case:
    features = zz_feature_map(3, reps=1)
    return features, list(features.parameters), []


def with_a_block() -> Case:
    circuit = QuantumCircuit(5)
    for q in range(5):
        circuit.ry(X[q % 2], q)
    circuit.cz(0, 1)
    circuit.unitary(random_unitary(8, seed=3), [0, 2, 4])
    for q in range(5):
        circuit.rx(W[q], q)
    circuit.unitary(random_unitary(4, seed=4), [1, 3])
    circuit.ry(W[5], 1)
    return circuit, list(X), list(W[:6])


def of_expressions() -> Case:
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    circuit.rz(X[0].sin() * W[0], 0)
    circuit.ry(W[1].exp(), 1)
    circuit.cx(0, 1)
    circuit.rx((W[1] + W[2]).cos(), 2)
    circuit.rxx(W[2], 2, 3)
    return circuit, [X[0]], list(W[:3])


def of_amplitudes() -> Case:
    start = raw_feature_vector(8)
    circuit = QuantumCircuit(4)
    circuit.compose(start, range(3), inplace=True)
    circuit.ry(W[0], 3)
    circuit.cx(3, 0)
    for q in range(4):
        circuit.ry(W[1 + q], q)
    return circuit, list(start.parameters), list(W[:5])


CASES: list[Callable[[], Case]] = [
    encoded,
    uploaded_again,
    weights_first,
    no_inputs,
    no_weights,
    with_a_block,
    of_expressions,
    of_amplitudes,
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["all", "some", "none twice"])
def test_they_are_those_of_reverse_mode(case: Callable[[], Case], kind: str) -> None:
    circuit, inputs, weights = case()
    size = 1 << circuit.num_qubits
    interpret, shape = {
        "all": (None, None),
        "some": (lambda label: label // 2, size - 1),
        "none twice": (lambda label: label, 2 * size),
    }[kind]
    keywords: dict[str, Any] = {"input_params": inputs, "weight_params": weights}
    qnn = jaxqnn.SamplerQNN(
        circuit=circuit,
        interpret=interpret,
        output_shape=shape,
        input_gradients=True,
        **keywords,
    )
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(BATCH, len(inputs))), rng.normal(size=len(weights))
    by_inputs, by_weights = qnn.backward(x if inputs else None, w)
    with jax.enable_x64(True):
        function = jaxqnn.probabilities(circuit, interpret, shape, **keywords)
        expected = jax.vmap(jax.jacrev(function, argnums=(0, 1)), in_axes=(0, None))(x, w)
    if inputs:
        np.testing.assert_allclose(by_inputs, expected[0], atol=1e-12)
    if weights:
        np.testing.assert_allclose(
            by_weights, expected[1] if inputs else expected[1][:1], atol=1e-12
        )
