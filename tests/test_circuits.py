"""Whole circuits: amplitude encoding, evolutions, controlled gates, files."""

from __future__ import annotations

import io
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import qiskit.circuit.library as library
from comparing import assert_all_close
from complex_step import derivatives
from numpy.typing import ArrayLike, NDArray
from oracles import Case, differences
from qiskit import qasm2, qasm3, qpy
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from qiskit_machine_learning.circuit.library import raw_feature_vector
from scipy.linalg import expm
from versions import EVOLUTION_IS_EXACT

import jaxqnn
from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Expectation, Probabilities, State

pytestmark = pytest.mark.filterwarnings("ignore:.*CSC.*", "ignore:.*is deprecated.*")

OBSERVABLES = [SparsePauliOp("XZY"), SparsePauliOp(["ZZZ", "IIX"], [0.5, 1.5])]


def _raw() -> Case:
    """Amplitudes on two of three qubits, out of order, and a trained circuit after them."""
    features, weights = raw_feature_vector(4), ParameterVector("w", 3)
    circuit = QuantumCircuit(3)
    circuit.ry(weights[0], 1)
    circuit.compose(features, [2, 0], inplace=True)
    circuit.cx(2, 1)
    circuit.rx(weights[1], 0)
    circuit.crz(weights[2], 0, 1)
    circuit.h(2)
    return Case(circuit, tuple(features.parameters), tuple(weights))


FEATURES = np.array([[0.5, -2.0, 1.0, 0.25], [1.0, 0.0, 0.0, -3.0], [0.1, 0.2, 0.3, 0.4]])
WEIGHTS = np.array([0.7, -0.4, 1.2])


def test_amplitude_encoding_values_and_derivatives() -> None:
    case = _raw()
    network = jaxqnn.EstimatorQNN(
        circuit=case.circuit, observables=OBSERVABLES, input_gradients=True, **case.split
    )
    found = network.forward(FEATURES, WEIGHTS)
    by_inputs, by_weights = network.backward(FEATURES, WEIGHTS)
    for row, value, *slopes in zip(FEATURES, found, by_inputs, by_weights, strict=True):
        expected, of_both = derivatives(case, OBSERVABLES, row, WEIGHTS)
        np.testing.assert_allclose(value, expected, atol=1e-12)
        np.testing.assert_allclose(np.concatenate(slopes, axis=-1), of_both, atol=1e-9)
    output, pullback = network.vjp(FEATURES, WEIGHTS)
    cotangent = np.arange(output.size).reshape(output.shape) - 2.0
    products = (
        np.einsum("bo,bop->bp", cotangent, by_inputs),
        np.einsum("bo,bop->p", cotangent, by_weights),
    )
    assert_all_close(pullback(cotangent), products, atol=1e-12)


def test_a_vector_of_zeros_is_a_clear_error() -> None:
    case = _raw()
    network = jaxqnn.EstimatorQNN(circuit=case.circuit, **case.split)
    features = np.concatenate([FEATURES, np.zeros((1, 4))])
    with pytest.raises(jaxqnn.JaxQNNError, match=r"amplitudes of sample 3 .* all zero"):
        network.forward(features, WEIGHTS)
    with pytest.raises(jaxqnn.JaxQNNError, match="all zero"):
        network.backward(features, WEIGHTS)
    assert np.all(np.isnan(network.apply(np.zeros(4), WEIGHTS)))


def test_amplitudes_that_are_expressions_of_weights() -> None:
    a, b = Parameter("a"), Parameter("b")
    features = raw_feature_vector(2)
    circuit = QuantumCircuit(2)
    values = dict(zip(features.parameters, (a.cos() * b, 2 * a * b), strict=True))
    circuit.compose(features.assign_parameters(values), [1], inplace=True)
    circuit.ry(a, 0)
    evaluator = Evaluator(circuit, Expectation(SparsePauliOp("ZZ")), [], [a, b])

    def expected(p: np.ndarray) -> float:
        first, second = np.cos(p[0]) * p[1], 2 * p[0] * p[1]
        return float((first**2 - second**2) / (first**2 + second**2) * np.cos(p[0]))

    point = np.array([0.4, 1.7])
    none = np.zeros((1, 0))
    assert evaluator.value(none, point)[0, 0] == pytest.approx(expected(point), abs=1e-12)
    _, slope = evaluator.jacobian(none, point)
    assert slope is not None
    np.testing.assert_allclose(slope[0, 0], differences(expected, point), atol=1e-8)


def test_two_vectors_of_amplitudes_are_one_product() -> None:
    features = raw_feature_vector(4)
    circuit = QuantumCircuit(4)
    circuit.compose(features, [3, 1], inplace=True)
    circuit.initialize([0.6, 0.48j, 0, 0.64], [0, 2])
    evaluator = Evaluator(circuit, State(), list(features.parameters), [])
    found = evaluator.value(FEATURES[:1], [])[0]
    expected = QuantumCircuit(4)
    expected.prepare_state((FEATURES[0] / np.linalg.norm(FEATURES[0])).tolist(), [3, 1])
    expected.prepare_state([0.6, 0.48j, 0, 0.64], [0, 2])
    np.testing.assert_allclose(found[:16] + 1j * found[16:], Statevector(expected), atol=1e-9)


@pytest.mark.parametrize("as_input", [True, False])
def test_evolution_is_exact_and_so_is_its_derivative(as_input: bool) -> None:
    """d/dt exp(-i t H) = -i H exp(-i t H), for terms that do not commute.

    Qiskit's older gate is a product formula; then it is that, and its derivative.
    """
    operator = SparsePauliOp(["XXI", "ZZI", "IYY", "IIZ"], [0.7, -0.9, 0.4, 1.1])
    time = Parameter("t")
    circuit = QuantumCircuit(3)
    circuit.append(library.PauliEvolutionGate(operator, 2 * time + 0.3), [2, 0, 1])
    order = [2, 0, 1]
    evaluator = Evaluator(circuit, State(), [time] if as_input else [], [] if as_input else [time])
    point = (np.array([[0.8]]), np.zeros(0)) if as_input else (np.zeros((1, 0)), np.array([0.8]))

    def of_qiskit(time: ArrayLike) -> NDArray[np.complex128]:
        gate = library.PauliEvolutionGate(operator, 2 * float(np.ravel(time)[0]) + 0.3)
        return np.asarray(Operator(gate).data)[:, 0]

    matrix = operator.to_matrix()
    exact = expm(-1j * 1.9 * matrix)[:, 0]
    assert np.allclose(of_qiskit(0.8), exact) == EVOLUTION_IS_EXACT
    if EVOLUTION_IS_EXACT:
        evolved, moving, tolerance = exact, -2j * matrix @ exact, 1e-10
    else:
        evolved, moving, tolerance = of_qiskit(0.8), differences(of_qiskit, 0.8), 1e-8
    labels = np.arange(8)
    moved = sum((labels >> i & 1) << qubit for i, qubit in enumerate(order))
    slope = evaluator.jacobian(*point)[not as_input]
    assert slope is not None
    for found, expected, atol in (
        (evaluator.value(*point)[0], evolved, 1e-10),
        (slope[0, :, 0], moving, tolerance),
    ):
        np.testing.assert_allclose(found[moved] + 1j * found[8 + moved], expected, atol=atol)


def assert_values_and_derivatives(circuit: QuantumCircuit, weights: np.ndarray) -> None:
    """Of a circuit on three qubits, all of whose parameters are weights."""
    case = Case(circuit, (), tuple(circuit.parameters))
    none = np.zeros((1, 0))
    evaluator = Evaluator(circuit, Expectation(OBSERVABLES), [], case.weights)

    def expected(w: np.ndarray) -> np.ndarray:
        return case.expectations(OBSERVABLES, none, w)[0]

    np.testing.assert_allclose(evaluator.value(none, weights)[0], expected(weights), atol=1e-10)
    _, found = evaluator.jacobian(none, weights)
    assert found is not None
    np.testing.assert_allclose(found[0], differences(expected, weights), atol=1e-7)


def test_a_controlled_circuit() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    body = library.real_amplitudes(2, reps=1).to_gate()
    circuit.append(body.control(1, annotated=True), [0, 1, 2])
    circuit.h(0)
    assert_values_and_derivatives(circuit, np.random.default_rng(5).uniform(-1, 1, 4))


def test_bound_parameters_of_a_controlled_gate_are_up_to_date() -> None:
    """Qiskit leaves the base gate of a controlled gate as it was when it binds parameters."""
    a, b = Parameter("a"), Parameter("b")
    body = QuantumCircuit(1, name="body", global_phase=a)
    body.rx(a, 0)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.append(body.to_gate().control(1, annotated=False), [0, 1])
    circuit = circuit.assign_parameters({a: 2 * b})
    evaluator = Evaluator(circuit, Expectation(SparsePauliOp("ZX")), [], [b])
    # The control keeps <X> of the overlap: Re e^(-i a) <Z RX(a)> on |0>.
    state = Statevector(circuit.assign_parameters({b: 0.35}))
    found = evaluator.value(np.zeros((1, 0)), [0.35])[0, 0]
    assert found == pytest.approx(state.expectation_value(SparsePauliOp("ZX")).real, abs=1e-12)


@pytest.mark.parametrize("form", ["qasm2", "qasm3", "qpy"])
def test_circuits_from_files(form: str, tmp_path: Path) -> None:
    circuit = QuantumCircuit(3, 2)
    circuit.rx(Parameter("x") if form == "qpy" else 0.1, 0)
    circuit.cry(0.4, 0, 2)
    circuit.ccx(0, 2, 1)
    circuit.barrier()
    circuit.measure([2, 0], [0, 1])
    if form == "qasm2":
        loaded = qasm2.loads(
            qasm2.dumps(circuit), custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS
        )
    elif form == "qasm3":
        loaded = qasm3.loads(qasm3.dumps(circuit))
    else:
        buffer = io.BytesIO()
        qpy.dump(circuit, buffer)
        buffer.seek(0)
        (loaded,) = qpy.load(buffer)
    found = jaxqnn.probabilities(loaded)(jnp.full(loaded.num_parameters, 0.1))
    bound = loaded.assign_parameters([0.1] * loaded.num_parameters)
    expected = Statevector(bound.remove_final_measurements(inplace=False)).probabilities([2, 0])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def _of_everything() -> QuantumCircuit:
    """Instructions that a QPY file keeps as they are, and a parameter in each kind of place."""
    a, x = Parameter("a"), ParameterVector("x", 11)
    circuit = QuantumCircuit(3, global_phase=a)
    circuit.rx(a, 0)
    circuit.append(library.PauliEvolutionGate(SparsePauliOp(["XX", "ZI"]), x[10] * a), [0, 2])
    circuit.append(library.RYGate(x[2]).control(1, ctrl_state=0, annotated=True), [1, 2])
    circuit.append(library.UCRYGate([0.1, 0.2]), [0, 1])
    circuit.append(library.DiagonalGate([1, 1j]), [2])
    circuit.rz(x[9].sin() + x[1] ** 2, 1)
    return circuit


# OpenQASM 3 with inputs, definitions of gates, and all four modifiers.
MODIFIED = """
OPENQASM 3.0;
include "stdgates.inc";
input float[64] given;
qubit[3] q;
gate turned(s) u, v { rx(s) u; ctrl @ ry(s * 2) u, v; negctrl @ x u, v; }
turned(given) q[0], q[2];
inv @ turned(given / 2) q[1], q[2];
pow(2) @ sx q[0];
"""


# Qiskit 2.0 says so of vectors of which a circuit uses a part.
@pytest.mark.filterwarnings("ignore:The ParameterVector. 'x' is not fully identical:UserWarning")
@pytest.mark.parametrize("form", ["qpy", "qasm3"])
def test_parameters_of_circuits_from_files(form: str) -> None:
    if form == "qpy":
        buffer = io.BytesIO()
        qpy.dump(_of_everything(), buffer)
        buffer.seek(0)
        (circuit,) = qpy.load(buffer)
    else:
        circuit = qasm3.loads(MODIFIED)
    assert_values_and_derivatives(circuit, np.linspace(-0.9, 1.2, circuit.num_parameters))


def test_probabilities_of_an_entangled_start() -> None:
    """A start that is not a product, read through a permutation."""
    circuit = QuantumCircuit(2)
    circuit.initialize([0.6, 0, 0, 0.8], [1, 0])
    found = Evaluator(circuit, Probabilities(), [], []).value(np.zeros((1, 0)), [])
    np.testing.assert_allclose(found, [[0.36, 0, 0, 0.64]], atol=1e-12)
