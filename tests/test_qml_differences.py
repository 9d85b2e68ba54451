"""Where qiskit-machine-learning itself is wrong, or gives up: the truth is written out by hand."""

from __future__ import annotations

import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qiskit.circuit.library as library
from packaging.requirements import Requirement
from packaging.version import Version
from qiskit import generate_preset_pass_manager
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit, QuantumRegister
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Operator, SparsePauliOp
from qiskit_machine_learning import QiskitMachineLearningError
from qiskit_machine_learning.circuit.library import raw_feature_vector
from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN
from scipy.linalg import expm
from versions import EVOLUTION_IS_EXACT, QML_COUNTS_TRANSPILED

import jaxqnn

pytestmark = pytest.mark.filterwarnings("ignore:.*CSC.*")

INPUTS = np.array([[0.3], [1.1]])
WEIGHT = np.array([0.5])


def _two_qubits(*registers: ClassicalRegister) -> tuple[QuantumCircuit, dict[str, Any]]:
    x, w = Parameter("x"), Parameter("w")
    circuit = QuantumCircuit(QuantumRegister(2, "q"), *registers)
    circuit.ry(x, 0)
    circuit.ry(w, 1)
    return circuit, {"input_params": [x], "weight_params": [w]}


def _two_qubit_probabilities() -> np.ndarray:
    """P(q1 q0) of two independent rotations, as (samples, 4)."""
    zero, one = np.cos(INPUTS / 2) ** 2, np.sin(INPUTS / 2) ** 2
    first = np.concatenate([zero, one], axis=1)
    second = np.array([np.cos(WEIGHT[0] / 2) ** 2, np.sin(WEIGHT[0] / 2) ** 2])
    return np.einsum("j,bi->bji", second, first).reshape(len(INPUTS), 4)


def test_registers_of_any_name_keep_the_samples_apart() -> None:
    circuit, split = _two_qubits(ClassicalRegister(2, "own"))
    circuit.measure([0, 1], [0, 1])
    ours = jaxqnn.SamplerQNN(circuit=circuit, **split).forward(INPUTS, WEIGHT)
    np.testing.assert_allclose(ours, _two_qubit_probabilities(), atol=1e-12)
    theirs = SamplerQNN(circuit=circuit, **split).forward(INPUTS, WEIGHT)
    # QML: both rows are the mean over the batch.
    np.testing.assert_allclose(theirs[0], theirs[1])
    assert np.abs(theirs - ours).max() > 0.1
    _, slopes = jaxqnn.SamplerQNN(circuit=circuit, **split).backward(INPUTS, WEIGHT)
    np.testing.assert_allclose(slopes, _slopes(), atol=1e-12)
    with pytest.raises(QiskitMachineLearningError, match="no attribute"):
        SamplerQNN(circuit=circuit, **split).backward(INPUTS, WEIGHT)


def _slopes() -> np.ndarray:
    """Their derivatives by the weight, as (samples, 4, 1)."""
    slope = np.sin(WEIGHT[0]) / 2 * np.array([-1.0, 1.0])
    first = np.concatenate([np.cos(INPUTS / 2) ** 2, np.sin(INPUTS / 2) ** 2], axis=1)
    return np.einsum("j,bi->bji", slope, first).reshape(2, 4, 1)


def _transpiled(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit on qubits 3 and 1 of a device of five."""
    transpile = generate_preset_pass_manager(
        1, backend=GenericBackendV2(5, seed=1), initial_layout=[3, 1], seed_transpiler=1
    )
    return transpile.run(circuit)


def test_sampler_networks_of_transpiled_circuits() -> None:
    circuit, split = _two_qubits()
    isa = _transpiled(circuit)
    ours, theirs = (library(circuit=isa, **split) for library in (jaxqnn.SamplerQNN, SamplerQNN))
    right = _two_qubit_probabilities()
    np.testing.assert_allclose(ours.forward(INPUTS, WEIGHT), right, atol=1e-12)
    same = np.allclose(theirs.forward(INPUTS, WEIGHT), right, atol=1e-9)
    assert same == QML_COUNTS_TRANSPILED
    np.testing.assert_allclose(ours.backward(INPUTS, WEIGHT)[1], _slopes(), atol=1e-12)
    with pytest.raises(IndexError):
        theirs.backward(INPUTS, WEIGHT)


def test_observables_of_a_transpiled_circuit_may_be_the_users() -> None:
    circuit, split = _two_qubits()
    given = {"circuit": _transpiled(circuit), "observables": SparsePauliOp("IZ"), **split}
    ours = jaxqnn.EstimatorQNN(**given).forward(INPUTS, WEIGHT)
    np.testing.assert_allclose(ours, np.cos(INPUTS), atol=1e-12)
    with pytest.raises(ValueError, match="number of qubits"):
        EstimatorQNN(**given).forward(INPUTS, WEIGHT)


def test_the_default_observable_of_a_transpiled_circuit() -> None:
    circuit, split = _two_qubits()
    isa = _transpiled(circuit)
    expected = np.cos(INPUTS) * np.cos(WEIGHT)
    ours = jaxqnn.EstimatorQNN(circuit=isa, **split).forward(INPUTS, WEIGHT)
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    theirs = EstimatorQNN(circuit=isa, **split).forward(INPUTS, WEIGHT)
    assert np.abs(theirs - expected).max() > 0.1


def test_a_parameter_in_the_global_phase_alone() -> None:
    x, w = Parameter("x"), Parameter("w")
    circuit = QuantumCircuit(1, global_phase=w)
    circuit.ry(x, 0)
    split: dict[str, Any] = {"input_params": [x], "weight_params": [w]}
    by_inputs, by_weights = jaxqnn.EstimatorQNN(
        circuit=circuit, input_gradients=True, **split
    ).backward(INPUTS, WEIGHT)
    np.testing.assert_allclose(by_inputs[:, :, 0], -np.sin(INPUTS), atol=1e-12)
    np.testing.assert_allclose(by_weights, 0, atol=1e-12)
    # A KeyError inside.
    with pytest.raises(QiskitMachineLearningError, match="Parameter"):
        EstimatorQNN(circuit=circuit, input_gradients=True, **split).backward(INPUTS, WEIGHT)


def test_an_estimator_network_with_measurements() -> None:
    circuit, split = _two_qubits()
    circuit.measure_all()
    split["observables"] = SparsePauliOp("IZ")
    ours = jaxqnn.EstimatorQNN(circuit=circuit, **split).forward(INPUTS, WEIGHT)
    np.testing.assert_allclose(ours, np.cos(INPUTS), atol=1e-12)
    with pytest.raises(Exception, match="measure"):
        EstimatorQNN(circuit=circuit, **split).forward(INPUTS, WEIGHT)


def test_the_derivative_of_an_evolution_is_that_of_its_value() -> None:
    x, w = Parameter("x"), Parameter("w")
    operator = SparsePauliOp(["XI", "ZZ", "IY"], [0.7, 0.9, 0.4])
    circuit = QuantumCircuit(2)
    circuit.ry(w, 0)
    circuit.append(library.PauliEvolutionGate(operator, x), [0, 1])
    kwargs: dict[str, Any] = {
        "circuit": circuit,
        "observables": SparsePauliOp("ZI"),
        "input_params": [x],
        "weight_params": [w],
        "input_gradients": True,
    }
    matrix = operator.to_matrix()
    start = np.kron([1, 0], [np.cos(WEIGHT[0] / 2), np.sin(WEIGHT[0] / 2)])
    measured = SparsePauliOp("ZI").to_matrix()
    expected = []
    for time in INPUTS[:, 0]:
        state = expm(-1j * time * matrix) @ start
        expected.append(2 * np.vdot(state, measured @ (-1j * matrix @ state)).real)
    by_inputs, _ = jaxqnn.EstimatorQNN(**kwargs).backward(INPUTS, WEIGHT)
    theirs, _ = EstimatorQNN(**kwargs).backward(INPUTS, WEIGHT)
    assert np.abs(theirs[:, 0, 0] - expected).max() > 0.01
    if not EVOLUTION_IS_EXACT:  # both are those of the product formula
        expected = theirs[:, 0, 0]
    np.testing.assert_allclose(by_inputs[:, 0, 0], expected, atol=1e-10)


def test_operators_are_observables_and_circuits_need_no_parameters() -> None:
    circuit, split = _two_qubits()
    operator = Operator(SparsePauliOp(["IZ", "XX"], [1.0, 0.5]))
    found = jaxqnn.EstimatorQNN(circuit=circuit, observables=operator, **split)
    expected = np.cos(INPUTS) + 0.5 * np.sin(INPUTS) * np.sin(WEIGHT)
    np.testing.assert_allclose(found.forward(INPUTS, WEIGHT), expected, atol=1e-12)
    with pytest.raises(TypeError, match="Operator"):
        EstimatorQNN(circuit=circuit, observables=operator, **split).forward(INPUTS, WEIGHT)
    constant = QuantumCircuit(1)
    constant.ry(0.4, 0)
    sampler = jaxqnn.SamplerQNN(circuit=constant)
    right = [[np.cos(0.2) ** 2, np.sin(0.2) ** 2]]
    np.testing.assert_allclose(sampler.forward(None, None), right, atol=1e-12)
    assert sampler.backward(None, None) == (None, None)
    assert not np.any(SamplerQNN(circuit=constant).forward(None, None))


def test_raw_feature_vectors_have_derivatives() -> None:
    """RY(w) turns the state (cos a, sin a) on to cos 2a' with a' = a + w/2."""
    features, w = raw_feature_vector(2), Parameter("w")
    circuit = QuantumCircuit(1)
    circuit.compose(features, inplace=True)
    circuit.ry(w, 0)
    kwargs: dict[str, Any] = {
        "circuit": circuit,
        "input_params": list(features.parameters),
        "weight_params": [w],
        "input_gradients": True,
    }
    point = np.array([[3.0, 4.0]])
    angle = 2 * np.arctan2(4, 3) + WEIGHT[0]
    ours = jaxqnn.EstimatorQNN(**kwargs)
    np.testing.assert_allclose(ours.forward(point, WEIGHT), [[np.cos(angle)]], atol=1e-12)
    by_inputs, by_weights = ours.backward(point, WEIGHT)
    # da/dx = -y/r^2 and da/dy = x/r^2
    turn = -2 * np.sin(angle) * np.array([-4.0, 3.0]) / 25
    np.testing.assert_allclose(by_inputs, turn[None, None], atol=1e-12)
    np.testing.assert_allclose(by_weights, [[[-np.sin(angle)]]], atol=1e-12)
    with pytest.raises(QiskitMachineLearningError, match="unbound"):
        EstimatorQNN(**kwargs).backward(point, WEIGHT)


@pytest.mark.parametrize("name", ["EstimatorQNN", "SamplerQNN"])
def test_what_has_no_number_is_nan_in_its_rows(name: str) -> None:
    """Of a sample that is not a number, and of an expression that has no value at a sample."""
    theirs = {"EstimatorQNN": EstimatorQNN, "SamplerQNN": SamplerQNN}[name]
    x, w = Parameter("x"), Parameter("w")
    for angle, bad in ((x, np.nan), (x.log(), 0.0)):
        circuit = QuantumCircuit(1)
        circuit.ry(angle, 0)
        circuit.ry(w, 0)
        given: dict[str, Any] = {"circuit": circuit, "input_params": [x], "weight_params": [w]}
        points = np.array([[bad], [1.1]])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*no real value", category=RuntimeWarning)
            ours = getattr(jaxqnn, name)(**given).forward(points, WEIGHT)
        assert np.isnan(ours[0]).all()
        turned = 1.1 if angle is x else np.log(1.1)
        mean = np.cos(turned + WEIGHT[0])
        right = [mean] if name == "EstimatorQNN" else [(1 + mean) / 2, (1 - mean) / 2]
        np.testing.assert_allclose(ours[1], right, atol=1e-12)
        with pytest.raises(Exception, match=r"NaN|infinite value|complex|math domain"):
            theirs(**given).forward(points, WEIGHT)


def test_the_table_names_versions_that_may_be_installed() -> None:
    """Each row says which versions of QML it holds for; one that holds for no allowed one goes."""
    project = Path(__file__).parents[1]
    bound = next(
        Requirement(line)
        for line in tomllib.loads((project / "pyproject.toml").read_text())["project"][
            "dependencies"
        ]
        if line.startswith("qiskit-machine-learning")
    ).specifier
    text = (project / "jaxqnn" / "guide" / "differences.md").read_text()
    assert f"`{','.join(sorted(map(str, bound), reverse=True))}`" in text
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    assert rows[0][-1].strip() == "of QML"
    assert len(rows) > 10
    for row in rows[1:]:
        versions = row[-1].split(",")
        assert all(Version(version.strip()) in bound for version in versions), row
