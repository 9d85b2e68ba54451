"""The catalogue of errors beyond circuits and networks: meshes, memory, primitives, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import torch
from error_form import Entry, assert_raises
from network_pairs import ANSATZ, NETWORK
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit_machine_learning.circuit.library import raw_feature_vector

import jaxqnn
from jaxqnn import InvalidArgumentError, JaxQNNError, UnsupportedCircuitError
from jaxqnn.cli.files import load
from jaxqnn.figures import require_plotting
from jaxqnn.primitives.containers import ProbabilityArray

WEIGHTS = np.zeros(4)
FEATURES = raw_feature_vector(4)


def estimator(**changes: Any) -> jaxqnn.EstimatorQNN:
    return jaxqnn.EstimatorQNN(**(NETWORK | changes))


def with_shots() -> jaxqnn.EstimatorQNN:
    return estimator(estimator=StatevectorEstimator())


def mesh(*names: str) -> jax.sharding.Mesh:
    devices = np.array(jax.devices()[:1]).reshape((1,) * len(names))
    return jax.sharding.Mesh(devices, names)


def wide(num_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.h(range(num_qubits))
    return circuit


def amplitudes(vectors: int, num_qubits: int) -> QuantumCircuit:
    """Vectors of features side by side."""
    circuit = QuantumCircuit(vectors * num_qubits)
    for index in range(vectors):
        vector = raw_feature_vector(1 << num_qubits)
        renamed = ParameterVector(f"v{index}", 1 << num_qubits)
        vector = vector.assign_parameters(list(renamed))
        circuit.compose(vector, range(index * num_qubits, (index + 1) * num_qubits), inplace=True)
    return circuit


def prepared(*widths: int) -> QuantumCircuit:
    """Vectors of equal amplitudes side by side."""
    circuit = QuantumCircuit(sum(widths))
    first = 0
    for width in widths:
        vector = np.full(1 << width, 2 ** (-width / 2))
        circuit.prepare_state(vector, range(first, first + width))
        first += width
    return circuit


def limited(limit: str, call: Callable[[], Any]) -> Any:
    with jaxqnn.memory_limit(limit):
        return call()


def more_bits_than_qubits() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 2)
    circuit.x(0)
    circuit.measure(0, 1)
    return circuit


def measured_until_zero() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.measure(0, 0)
    return circuit


def sampled() -> Any:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.measure_all()
    return jaxqnn.JaxSampler().run([circuit]).result()[0]


# Name: what raises it, its class, and the words that name the place.
CATALOGUE: dict[str, Entry] = {
    # Circuits
    "features that are all zero": (
        lambda: jaxqnn.EstimatorQNN(circuit=FEATURES, input_params=FEATURES.parameters).forward(
            np.array([[1, 0, 0, 0], [0, 0, 0, 0]]), None
        ),
        InvalidArgumentError,
        ("sample 1", "all zero"),
    ),
    "amplitudes too wide together": (
        lambda: jaxqnn.statevector(prepared(11, 10)),
        UnsupportedCircuitError,
        ("Instruction 1", "qubits"),
    ),
    "vectors of features multiplied": (
        lambda: jaxqnn.statevector(amplitudes(3, 1)),
        UnsupportedCircuitError,
        ("Instruction 2", "higher power"),
    ),
    # Probabilities
    "more classical bits than qubits": (
        lambda: jaxqnn.probabilities(more_bits_than_qubits(), output_shape=2),
        JaxQNNError,
        ("Outcome 2", "(2,)"),
    ),
    # Memory
    "a state too wide for one device": (
        lambda: jaxqnn.expectation(wide(40))(np.zeros(0)),
        JaxQNNError,
        ("40 qubits",),
    ),
    "a batch that does not fit": (
        lambda: limited("100 B", lambda: estimator().forward(np.zeros(2), WEIGHTS)),
        JaxQNNError,
        ("needs about", "100 B"),
    ),
    "a limit that is no size": (
        lambda: limited("plenty", lambda: None),
        ValueError,
        ("'plenty'",),
    ),
    # Meshes
    "no mesh": (
        lambda: jaxqnn.expectation(ANSATZ, mesh="cpu"),  # type: ignore[arg-type]
        JaxQNNError,
        ("mesh", "str"),
    ),
    "a mesh without a known axis": (
        lambda: jaxqnn.expectation(ANSATZ, mesh=mesh("x", "y")),
        JaxQNNError,
        ("('x', 'y')", '"batch"', '"state"'),
    ),
    "a mesh and a device": (
        lambda: estimator(mesh=mesh("batch"), device=jax.devices()[0]),
        JaxQNNError,
        ("device", "mesh"),
    ),
    # Export
    "nothing to export": (
        lambda: jaxqnn.export(np.sin),
        JaxQNNError,
        ("ufunc",),
    ),
    "a batch of nothing": (
        lambda: jaxqnn.export(estimator(), 0),
        ValueError,
        ("batch_size", "0"),
    ),
    "export of shots": (
        lambda: jaxqnn.export(with_shots()),
        JaxQNNError,
        ("EstimatorQNN", "not exact"),
    ),
    "export of a mesh": (
        lambda: jaxqnn.export(jaxqnn.expectation(ANSATZ, mesh=mesh("batch"))),
        JaxQNNError,
        ("mesh=",),
    ),
    # Verify
    "no samples": (
        lambda: jaxqnn.verify(estimator(), samples=0),
        JaxQNNError,
        ("samples", "0"),
    ),
    "verify of shots": (
        lambda: jaxqnn.verify(with_shots()),
        JaxQNNError,
        ("StatevectorEstimator",),
    ),
    "verify with inputs of another width": (
        lambda: jaxqnn.verify(estimator(), np.zeros((2, 3))),
        JaxQNNError,
        ("input_data", "(2, 3)", "2 inputs"),
    ),
    "verify with weights left out": (
        lambda: jaxqnn.verify(estimator(), np.zeros(2), np.zeros(3)),
        JaxQNNError,
        ("weights", "3", "4"),
    ),
    # Gradients
    "precisions for other circuits": (
        lambda: jaxqnn.JaxQGT().run([ANSATZ], [WEIGHTS], precision=[0.1, 0.2]).result(),
        ValueError,
        ("precision", "2", "1"),
    ),
    # Primitives
    "a loop without an end in a sampled circuit": (
        lambda: jaxqnn.JaxSampler().run([measured_until_zero()]).result(),
        UnsupportedCircuitError,
        ("Instruction 1", "'while_loop'", "0"),
    ),
    "no registers to join": (
        lambda: sampled().join_data([]),
        ValueError,
        ("names",),
    ),
    "a register that is not there": (
        lambda: sampled().join_data(["other"]),
        ValueError,
        ("other", "meas"),
    ),
    "no distributions to join": (
        lambda: ProbabilityArray.concatenate_bits([]),
        ValueError,
        ("No containers",),
    ),
    "distributions of different results": (
        lambda: ProbabilityArray.concatenate_bits([sampled().data.meas, sampled().data.meas]),
        ValueError,
        ("different results",),
    ),
    # PyTorch
    "a tensor of another width": (
        lambda: jaxqnn.TorchConnector(estimator())(torch.zeros(5, 3)),
        JaxQNNError,
        ("(5, 3)", "2"),
    ),
    "initial weights of another number": (
        lambda: jaxqnn.TorchConnector(estimator(), np.zeros(3)),
        JaxQNNError,
        ("initial_weights", "(3,)", "4"),
    ),
    # Files
    "a file that is not there": (
        lambda: load(Path("nowhere.qpy")),
        JaxQNNError,
        ("nowhere.qpy",),
    ),
    "a picture of unknown kind": (
        lambda: require_plotting(Path("picture.gif")),
        JaxQNNError,
        ("picture.gif", ".png"),
    ),
    "a picture in no directory": (
        lambda: require_plotting(Path("nowhere/picture.png")),
        JaxQNNError,
        ("nowhere",),
    ),
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_error_names_the_place_and_the_remedy(name: str) -> None:
    assert_raises(*CATALOGUE[name])
