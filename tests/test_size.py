"""Circuits of unusual size: thousands of gates, hundreds of qubits, and none at all."""

from __future__ import annotations

import time

import numpy as np
import pytest
from oracles import Case
from qiskit import generate_preset_pass_manager
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp, Statevector

import jaxqnn
from jaxqnn.circuit.expressions import Expressions
from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Expectation
from jaxqnn.program.build import build


def _deep(num_gates: int, num_qubits: int = 6, seed: int = 0) -> QuantumCircuit:
    """Rotations, entanglers and diagonal gates at random, of as many parameters as gates."""
    random = np.random.default_rng(seed)
    parameters = ParameterVector("p", num_gates)
    circuit = QuantumCircuit(num_qubits)
    for parameter in parameters:
        a, b = random.permutation(num_qubits)[:2].tolist()
        match random.integers(5):
            case 0:
                circuit.rx(parameter, a)
            case 1:
                circuit.p(parameter, a)
            case 2:
                circuit.cx(a, b)
            case 3:
                circuit.sx(a)
            case _:
                circuit.rzz(2 * parameter, a, b)
    return circuit


def _seconds(circuit: QuantumCircuit) -> float:
    """The processor's time to lower a circuit, at best."""
    found = []
    parameters = list(circuit.parameters)
    for _ in range(3):
        start = time.process_time()
        build(circuit, [], parameters)
        found.append(time.process_time() - start)
    return min(found)


def test_lowering_time_grows_with_the_number_of_gates() -> None:
    """Linear would be 8 here, quadratic 64."""
    assert _seconds(_deep(8000)) < 20 * _seconds(_deep(1000))


def test_a_deep_circuit_is_exact() -> None:
    circuit = _deep(3000)
    weights = np.random.default_rng(1).uniform(-2, 2, circuit.num_parameters)
    observable = SparsePauliOp("ZXZYIZ")
    evaluator = Evaluator(circuit, Expectation(observable), [], list(circuit.parameters))
    state = Statevector(circuit.assign_parameters(weights))
    found = evaluator.value(np.zeros((1, 0)), weights)
    np.testing.assert_allclose(found, [[state.expectation_value(observable).real]], atol=1e-10)
    _, slope = evaluator.jacobian(np.zeros((1, 0)), weights)
    assert slope is not None
    # A parameter of a Pauli rotation: half the difference a quarter turn away on each side.
    used = [item.operation for item in circuit.data]
    first = next(gate.params[0] for gate in used if gate.name == "rx")
    index = list(circuit.parameters).index(first)
    turned = []
    for quarter in (np.pi / 2, -np.pi / 2):
        shifted = weights.copy()
        shifted[index] += quarter
        state = Statevector(circuit.assign_parameters(shifted))
        turned.append(state.expectation_value(observable).real)
    assert slope[0, 0, index] == pytest.approx((turned[0] - turned[1]) / 2, abs=1e-10)


def test_expressions_that_differ_in_their_numbers_alone_share_one_shape() -> None:
    """Whole numbers and powers of ten too: each shape is one more function to trace."""
    vector = ParameterVector("v", 40)
    expressions = Expressions(tuple(vector))
    for i, parameter in enumerate(vector):
        expressions.angle(((i + 2) * parameter).sin() - 10.0 ** (-5 - i % 6) * parameter, "here")
    assert len({atom.shape for atom in expressions.atoms}) == 1


def test_a_hundred_idle_qubits() -> None:
    features, ansatz = zz_feature_map(4, reps=1), real_amplitudes(4, reps=1)
    case = Case(features.compose(ansatz), tuple(features.parameters), tuple(ansatz.parameters))
    line = [[i, i + 1] for i in range(126)]
    transpile = generate_preset_pass_manager(
        1, backend=GenericBackendV2(127, coupling_map=line, seed=1), seed_transpiler=1
    )
    isa = transpile.run(case.circuit)
    inputs, weights = np.array([[0.3, -0.8, 0.5, 1.0]]), np.linspace(-1, 1, 8)
    network = jaxqnn.SamplerQNN(circuit=isa, **case.split)
    assert network.resources(1).num_qubits == 4
    probabilities = np.abs(case.states(inputs, weights)) ** 2
    np.testing.assert_allclose(network.forward(inputs, weights), probabilities, atol=1e-10)
    measured = isa.copy()
    measured.measure_all()
    parity = jaxqnn.SamplerQNN(
        circuit=measured, interpret=lambda i: i.bit_count() % 2, output_shape=2, **case.split
    )
    odd = np.bitwise_count(np.arange(16)) % 2 == 1
    expected = [probabilities[:, ~odd].sum(), probabilities[:, odd].sum()]
    np.testing.assert_allclose(parity.forward(inputs, weights), [expected], atol=1e-10)
    with pytest.raises(jaxqnn.JaxQNNError, match=r"127 qubits has 2\*\*127 amplitudes.*idle"):
        jaxqnn.statevector(isa)


def test_more_qubits_than_any_machine_holds_are_a_clear_error() -> None:
    circuit = QuantumCircuit(70)
    circuit.h(range(70))
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match="acts on 70 qubits"):
        jaxqnn.expectation(circuit)


@pytest.mark.parametrize("function", [jaxqnn.statevector, jaxqnn.probabilities])
def test_no_qubits_are_a_clear_error(function: object) -> None:
    assert callable(function)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match="no qubits"):
        function(QuantumCircuit(0))


@pytest.mark.parametrize("num_qubits", [1, 3])
def test_no_gates_leave_the_ground_state(num_qubits: int) -> None:
    circuit = QuantumCircuit(num_qubits, global_phase=0.5)
    found = jaxqnn.EstimatorQNN(
        circuit=circuit,
        observables=[SparsePauliOp("Z" * num_qubits), SparsePauliOp("X" * num_qubits)],
    )
    np.testing.assert_allclose(found.forward(None, None), [[1.0, 0.0]], atol=1e-15)
    assert found.backward(None, None) == (None, None)
    state = jaxqnn.statevector(circuit)([])
    np.testing.assert_allclose(state, Statevector(circuit).data, atol=1e-6)
