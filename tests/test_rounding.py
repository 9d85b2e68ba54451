"""What is exact is exactly that, and nothing is lost to its size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from oracles import Case, differences
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector, random_clifford
from qiskit_machine_learning.circuit.library import raw_feature_vector
from random_circuits import STANDARD

import jaxqnn
from jaxqnn.program.build import build
from jaxqnn.program.program import check

SIZES = [9e-9, 1e-13, 1e-100]


@pytest.mark.parametrize("size", SIZES)
def test_terms_of_any_size_count(size: float) -> None:
    x = Parameter("x")
    circuit = QuantumCircuit(2)
    circuit.ry(x, 0)
    circuit.cx(0, 1)
    operator = SparsePauliOp(["ZI", "ZZ"], [size, 3 * size])
    expected = np.array([size * (math.cos(0.7) + 3)])
    for observable in (operator, Operator(operator)):
        network = jaxqnn.EstimatorQNN(circuit=circuit, observables=observable, weight_params=[x])
        np.testing.assert_allclose(network.forward(None, [0.7])[0], expected, rtol=1e-12)
        slope = -size * math.sin(0.7)
        np.testing.assert_allclose(network.backward(None, [0.7])[1].ravel(), slope, rtol=1e-12)
        (result,) = jaxqnn.JaxEstimator().run([(circuit, observable, [0.7])]).result()
        np.testing.assert_allclose(result.data.evs, expected[0], rtol=1e-12)
    gradient = jaxqnn.JaxEstimatorGradient().run([circuit], [operator], [[0.7]]).result()
    np.testing.assert_allclose(gradient.gradients[0], [-size * math.sin(0.7)], rtol=1e-12)


@pytest.mark.parametrize("size", SIZES[:2])  # Qiskit itself takes 1e-100 * x for 1e-100
def test_angles_and_evolutions_of_any_size_count(size: float) -> None:
    """Their factor may be as large as they are small."""
    x = Parameter("x")
    for make in (
        lambda c: c.rx(size * x, 0),
        lambda c: c.append(PauliEvolutionGate(SparsePauliOp(["X"], [size / 2]), x), [0]),
        lambda c: c.append(PauliEvolutionGate(SparsePauliOp(["IX"], [size / 2]), x), [0, 1]),
    ):
        circuit = QuantumCircuit(2)
        make(circuit)
        network = jaxqnn.EstimatorQNN(
            circuit=circuit, observables=SparsePauliOp("IZ"), weight_params=[x]
        )
        found = network.forward(None, [0.7 / size])
        assert found.item() == pytest.approx(math.cos(0.7), abs=1e-12)


def test_coefficients_that_are_not_real_are_refused_at_any_size() -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    with pytest.raises(jaxqnn.JaxQNNError, match="not Hermitian"):
        jaxqnn.EstimatorQNN(circuit=circuit, observables=SparsePauliOp("X", [1e-13j]))


def _features() -> tuple[QuantumCircuit, ParameterVector]:
    x = ParameterVector("a", 4)
    features = raw_feature_vector(4)
    circuit = QuantumCircuit(3)
    circuit.compose(features.assign_parameters(list(x)), [0, 2], inplace=True)
    circuit.ry(0.4, 1)
    circuit.cx(0, 1)
    circuit.rx(0.9, 2)
    return circuit, x


@pytest.mark.parametrize(
    ("precision", "scales"),
    [("double", [1.0, 1e160, 1e-160, 1e300, 1e-300]), ("single", [1.0, 1e20, 1e-20, 1e30])],
)
def test_amplitudes_of_any_size_are_normalised(precision: Any, scales: list[float]) -> None:
    circuit, x = _features()
    vector = np.array([0.3, -0.8, 0.5, 0.1])
    observables = [SparsePauliOp("ZZZ"), SparsePauliOp("XIX"), SparsePauliOp("IYI")]
    case = Case(circuit, tuple(x), ())
    expected = case.expectations(observables, vector, [])
    slopes = differences(lambda v: case.expectations(observables, v, []), vector)
    network = jaxqnn.EstimatorQNN(
        circuit=circuit,
        observables=observables,
        input_params=list(x),
        input_gradients=True,
        precision=precision,
    )
    atol = 1e-10 if precision == "double" else 1e-5
    for scale in scales:
        found = network.forward(scale * vector, None)
        np.testing.assert_allclose(found[0], expected, atol=atol)
        by_inputs, _ = network.backward(scale * vector, None)
        np.testing.assert_allclose(scale * by_inputs[0], slopes, atol=10 * atol)
        if precision == "double" and scale >= 1.0:
            assert jaxqnn.verify(network, scale * vector).passed


def test_what_a_nan_is_blamed_on() -> None:
    """Zeros, an overflow and a logarithm are told apart, and each sample by its own."""
    x = ParameterVector("x", 2)
    circuit = QuantumCircuit(1)
    features = raw_feature_vector(2)
    circuit.compose(features.assign_parameters([x[0] * x[1], x[0]]), inplace=True)
    products = jaxqnn.EstimatorQNN(circuit=circuit, input_params=list(x))
    with pytest.raises(jaxqnn.JaxQNNError, match=r"of sample 1 .* all zero"):
        products.forward([[1.0, 2.0], [0.0, 3.0]], None)
    with pytest.raises(jaxqnn.JaxQNNError, match=r"of sample 1 .* overflow"):
        products.forward([[1.0, 2.0], [1e200, 1e200]], None)

    circuit.ry(x[1].log(), 0)
    network = jaxqnn.EstimatorQNN(circuit=circuit, input_params=list(x))
    with pytest.warns(RuntimeWarning, match="no real value or derivative at sample 1"):
        found = network.forward([[1.0, 2.0], [1.0, -2.0]], None)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()

    within = QuantumCircuit(1)
    within.compose(features.assign_parameters([x[0].log(), x[1]]), inplace=True)
    network = jaxqnn.EstimatorQNN(circuit=within, input_params=list(x))
    with pytest.warns(RuntimeWarning, match="no real value or derivative at sample 0"):
        assert np.isnan(network.forward([[-1.0, 2.0]], None)).all()
    with pytest.raises(jaxqnn.JaxQNNError, match=r"of sample 0 .* all zero"):
        network.forward([[1.0, 0.0]], None)


CLIFFORDS = [
    gate
    for name, gate in STANDARD.items()
    if not gate.params
    and name not in ("t", "tdg", "ch", "cs", "csdg", "csx", "ccx", "ccz")
    and not name.startswith(("rccx", "rcccx", "cswap", "c3", "c4", "mc"))
]


def _clifford_circuit(seed: int, num_qubits: int) -> QuantumCircuit:
    """Gates by name, rotations by quarter turns, and Qiskit's own random ones."""
    random = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits, global_phase=float(random.integers(8)) * np.pi / 4)
    gates = [gate for gate in CLIFFORDS if gate.num_qubits <= num_qubits]
    for _ in range(12):
        gate = gates[random.integers(len(gates))]
        circuit.append(gate, random.permutation(num_qubits)[: gate.num_qubits].tolist())
        qubit, quarter = int(random.integers(num_qubits)), int(random.integers(-5, 6)) * np.pi / 2
        getattr(circuit, str(random.choice(["rx", "ry", "rz", "p"])))(quarter, qubit)
    circuit.append(random_clifford(num_qubits, seed=seed).to_instruction(), range(num_qubits))
    return circuit


def _engines(circuit: QuantumCircuit) -> list[Callable[[], tuple[Any, Any]]]:
    """(probabilities, expectations) by each engine."""
    paulis = [SparsePauliOp(letter * circuit.num_qubits) for letter in "XYZ"]
    paulis.append(SparsePauliOp("I" * (circuit.num_qubits - 1) + "Z"))

    def functions(double: bool) -> tuple[Any, Any]:
        with jax.enable_x64(double):
            return (
                jaxqnn.probabilities(circuit)([]),
                jaxqnn.expectation(circuit, paulis)([]),
            )

    def network(precision: Any) -> tuple[Any, Any]:
        return (
            jaxqnn.SamplerQNN(circuit=circuit, precision=precision).forward(None, None)[0],
            jaxqnn.EstimatorQNN(circuit=circuit, observables=paulis, precision=precision).forward(
                None, None
            )[0],
        )

    return [
        lambda: functions(False),
        lambda: functions(True),
        lambda: network("double"),
        lambda: network("single"),
    ]


def test_familiar_states_are_exact() -> None:
    bell, plus, back, turned = (QuantumCircuit(2) for _ in range(4))
    bell.h(0)
    bell.cx(0, 1)
    plus.h(0)
    plus.x(1)
    back.h([0, 1])
    back.h(0)
    turned.ry(np.pi, 0)
    turned.rx(np.pi, 1)
    for circuit, probabilities, means in (
        (bell, [0.5, 0.0, 0.0, 0.5], [1.0, -1.0, 1.0, 0.0]),
        (plus, [0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]),
        (back, [0.5, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]),
        (turned, [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, -1.0]),
    ):
        for engine in _engines(circuit):
            found = engine()
            np.testing.assert_array_equal(found[0], probabilities)
            np.testing.assert_array_equal(found[1], means)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(jaxqnn.statevector(bell)([]).imag, np.zeros(4))


@pytest.mark.parametrize("num_qubits", [2, 3])
def test_constant_clifford_circuits_are_exact(num_qubits: int) -> None:
    for seed in range(3):
        circuit = _clifford_circuit(seed, num_qubits)
        state = Statevector(circuit)
        check(build(circuit, [], []).program)
        # Those of a stabiliser state are powers of a half, and expectations -1, 0 or 1.
        probabilities = np.round(state.probabilities() * 2**num_qubits) / 2**num_qubits
        np.testing.assert_allclose(probabilities, state.probabilities(), atol=1e-10)
        with jax.enable_x64(True):
            np.testing.assert_allclose(jaxqnn.statevector(circuit)([]), state.data, atol=1e-12)
        paulis = [*(letter * num_qubits for letter in "XYZ"), "I" * (num_qubits - 1) + "Z"]
        means = [round(state.expectation_value(SparsePauliOp(p)).real) for p in paulis]
        for engine in _engines(circuit):
            found = engine()
            np.testing.assert_array_equal(found[0], probabilities)
            np.testing.assert_array_equal(found[1], means)


def test_sampler_and_estimator_are_exact_on_bound_circuits() -> None:
    circuit = QuantumCircuit(3)
    theta = Parameter("theta")
    circuit.ry(theta, 0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    bound = circuit.assign_parameters([np.pi / 2])
    (result,) = jaxqnn.JaxEstimator().run([(bound, ["IIZ", "ZZI", "XXX"])]).result()
    np.testing.assert_array_equal(result.data.evs, [0.0, 1.0, 1.0])


def test_rounding_is_no_clifford_gate() -> None:
    """A turn that is off by a billionth is none of these."""
    circuit = QuantumCircuit(1)
    circuit.ry(np.pi / 2 + 1e-9, 0)
    found = jaxqnn.EstimatorQNN(circuit=circuit).forward(None, None).item()
    assert found == pytest.approx(-1e-9, rel=1e-6)
