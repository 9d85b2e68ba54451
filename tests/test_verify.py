"""`verify` says whether a network is right, which entry is not, and whose fault it is."""

import math
from typing import Any

import numpy as np
import pytest
from network_pairs import ANSATZ, KINDS, NETWORK, OBSERVABLES, pair
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import Operator, SparsePauliOp
from qiskit_machine_learning import neural_networks as qml

import jaxqnn
from jaxqnn.verify.reference import central_difference, network_reference, without_measurements

FloatArray = NDArray[np.float64]


@pytest.mark.parametrize("input_gradients", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "QML's own"])
def test_a_right_network_passes(kind: str, input_gradients: bool) -> None:
    network, _ = pair(*KINDS[kind]) if kind in KINDS else (qml.EstimatorQNN(**NETWORK), None)
    network.input_gradients = input_gradients
    report = jaxqnn.verify(network)
    assert report.passed, str(report)
    assert report.max_error < 1e-9
    assert report.compared > 0
    assert not report.differences


class WrongGradient(jaxqnn.EstimatorQNN):
    """Off by a thousandth in one entry."""

    def backward(self, input_data: Any, weights: Any) -> Any:
        inputs, by_weights = super().backward(input_data, weights)
        by_weights = np.array(by_weights)
        by_weights[1:2, ..., 2] += 1e-3
        return inputs, by_weights


def test_a_wrong_gradient_fails_and_is_named() -> None:
    report = jaxqnn.verify(WrongGradient(**NETWORK))
    assert not report.passed
    assert report.max_error == pytest.approx(1e-3, rel=1e-6)
    (difference,) = report.differences
    assert difference.quantity == "weight gradient"
    assert (difference.sample, difference.output) == ((1,), (0,))
    assert difference.parameter == ANSATZ.parameters[2].name
    assert difference.wrong == "jaxqnn"
    assert difference.qml is not None
    assert difference.reference == pytest.approx(difference.qml, abs=1e-9)
    assert difference.jaxqnn == pytest.approx(difference.qml + 1e-3, abs=1e-9)
    assert str(difference) in str(report)
    assert "jaxqnn is wrong" in str(report)


class WrongForward(jaxqnn.SamplerQNN):
    """Outputs in the opposite order."""

    def forward(self, input_data: Any, weights: Any) -> Any:
        return super().forward(input_data, weights)[..., ::-1]


class WrongShape(jaxqnn.EstimatorQNN):
    """The output axis is lost."""

    def forward(self, input_data: Any, weights: Any) -> Any:
        return super().forward(input_data, weights)[..., 0]


class MissingGradient(jaxqnn.EstimatorQNN):
    """No gradient by weights, though there are some."""

    def backward(self, input_data: Any, weights: Any) -> Any:
        return None, None


class NotANumber(jaxqnn.EstimatorQNN):
    """NaN everywhere."""

    def forward(self, input_data: Any, weights: Any) -> Any:
        return super().forward(input_data, weights) * np.nan


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (WrongForward, "forward, sample 0, output 0"),
        (WrongShape, "the forward has shape (4,), it must be (4, 1)"),
        (MissingGradient, "the weight gradient has shape None, it must be (4, 1, 4)"),
        (NotANumber, "jaxqnn nan"),
    ],
)
def test_other_wrong_networks_fail(network: type, told: str) -> None:
    report = jaxqnn.verify(network(**NETWORK))
    assert not report.passed
    assert told in str(report)


def test_qml_alone_is_wrong_where_the_register_is_not_called_meas() -> None:
    circuit = NETWORK["circuit"].copy()
    circuit.add_register(ClassicalRegister(2, "c"))
    circuit.measure([0, 1], [1, 0])
    report = jaxqnn.verify(jaxqnn.SamplerQNN(**(NETWORK | {"circuit": circuit})))
    assert report.passed, str(report)
    assert {difference.wrong for difference in report.differences} == {"QML"}
    assert "QML is wrong" in str(report)


def test_what_qml_cannot_compute_is_compared_with_qiskit() -> None:
    theta = Parameter("theta")
    circuit = QuantumCircuit(2)
    circuit.ry(theta, 0)
    circuit.cx(0, 1)
    qnn = jaxqnn.EstimatorQNN(
        circuit=circuit, weight_params=[theta], observables=Operator(SparsePauliOp("ZI"))
    )
    report = jaxqnn.verify(qnn, weights=[0.7])
    assert report.passed, str(report)
    assert report.compared == 2
    assert "QML cannot compute forward" in str(report)


def test_a_wrong_network_fails_where_qml_cannot_compute() -> None:
    circuit = NETWORK["circuit"].copy()
    circuit.measure_all()
    report = jaxqnn.verify(
        WrongGradient(**(NETWORK | {"circuit": circuit, "observables": OBSERVABLES[0]}))
    )
    assert not report.passed
    assert [difference.wrong for difference in report.differences] == ["jaxqnn"]


def test_samples_of_a_batch_are_named_by_their_axes() -> None:
    rng = np.random.default_rng(3)
    report = jaxqnn.verify(WrongGradient(**NETWORK), rng.normal(size=(2, 3, 2)))
    assert {difference.sample[0] for difference in report.differences} == {1}
    assert len(report.differences) == 3  # the patch adds to row 1 of the leading axis


def test_values_are_drawn_where_expressions_exist() -> None:
    x = Parameter("x")
    circuit = QuantumCircuit(1)
    circuit.ry(x.log(), 0)
    circuit.rx(x.arcsin(), 0)
    assert jaxqnn.verify(jaxqnn.EstimatorQNN(circuit=circuit, weight_params=[x])).passed


@pytest.mark.parametrize("split", ["input_params", "weight_params"])
@pytest.mark.parametrize(
    ("expression", "mistaken"),
    [
        (lambda p, q: abs(p - 3), lambda p, q: 3 - p),
        (lambda p, q: abs(p + 5), lambda p, q: p + 5),
        (lambda p, q: (p - 3 + abs(p - 3)) / 2, lambda p, q: 0 * p),
        (lambda p, q: abs(p * q - 50), lambda p, q: 50 - p * q),
        (lambda p, q: p.sin().arcsin(), lambda p, q: p),
    ],
)
def test_default_draws_reach_kinks_and_branches(expression: Any, mistaken: Any, split: str) -> None:
    """A network that takes an expression for the polynomial it equals near the origin."""
    p, q = Parameter("p"), Parameter("q")

    def circuit(angle: Any) -> QuantumCircuit:
        found = QuantumCircuit(1)
        found.ry(q, 0)
        found.h(0)
        found.rz(angle, 0)
        found.rx(p, 0)
        return found

    keywords: dict[str, Any] = {
        split: [p, q],
        "observables": [SparsePauliOp("X"), SparsePauliOp("Y")],
    }
    wrong = jaxqnn.EstimatorQNN(circuit=circuit(mistaken(p, q)), **keywords)

    class Mistaken(jaxqnn.EstimatorQNN):
        def forward(self, input_data: Any, weights: Any) -> Any:
            return wrong.forward(input_data, weights)

    assert not jaxqnn.verify(Mistaken(circuit=circuit(expression(p, q)), **keywords)).passed
    assert jaxqnn.verify(jaxqnn.EstimatorQNN(circuit=circuit(expression(p, q)), **keywords)).passed


def test_a_long_report_is_cut_short() -> None:
    report = jaxqnn.verify(WrongForward(**NETWORK), weights=[0.3, 0.1, -0.2, 0.4], samples=6)
    assert len(report.differences) == 24
    assert "and 14 more" in str(report)


def test_single_precision_needs_its_tolerance() -> None:
    qnn = jaxqnn.EstimatorQNN(**NETWORK, precision="single")
    assert jaxqnn.verify(qnn, atol=1e-4).passed
    assert "atol=1e-04" in str(jaxqnn.verify(qnn, atol=1e-12))


def test_the_reference_is_qiskits_distribution_by_classical_bit() -> None:
    theta = ParameterVector("theta", 3)
    circuit = QuantumCircuit(3, 3)
    for qubit in range(3):
        circuit.ry(theta[qubit], qubit)
    circuit.measure([0, 1, 2], [2, 0, 1])
    values = [0.3, 1.1, 2.0]
    outputs = network_reference(jaxqnn.SamplerQNN(circuit=circuit, weight_params=theta))(values)
    ones = np.sin(np.array(values) / 2) ** 2
    by_bit = ones[[1, 2, 0]]
    for key in range(8):
        bits = np.array([key >> bit & 1 for bit in range(3)])
        assert outputs[key] == pytest.approx(np.prod(np.where(bits, by_bit, 1 - by_bit)))


@pytest.mark.parametrize("frequency", [1.0, 12.0, 40.0])
def test_central_differences_are_good_to_a_billionth(frequency: float) -> None:
    def wave(point: FloatArray) -> FloatArray:
        return np.sin(frequency * point)

    at = np.array([0.4])
    derivative = central_difference(wave, at, 0)
    exact = frequency * math.cos(frequency * 0.4)
    assert abs(derivative.value[0] - exact) < 1e-9 + derivative.error[0]
    assert derivative.error[0] < 1e-7


def test_central_differences_shrink_their_step_at_a_domains_edge() -> None:
    at = np.array([1 - 1e-3])
    with np.errstate(invalid="ignore"):
        derivative = central_difference(np.arcsin, at, 0)
    assert derivative.value[0] == pytest.approx(1 / math.sqrt(1 - at[0] ** 2), rel=1e-7)


def test_a_gate_after_a_measurement_is_refused() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    circuit.x(0)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=r"Instruction 1 .'x'"):
        without_measurements(circuit)
