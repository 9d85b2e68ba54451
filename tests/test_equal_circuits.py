"""Circuits are equal by what they compute, and only equal ones share an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from oracles import differences
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    Gate,
    Parameter,
    ParameterVector,
    PowerModifier,
)
from qiskit.circuit.library import (
    PauliEvolutionGate,
    PhaseGate,
    QFTGate,
    RXGate,
    real_amplitudes,
)
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparseObservable, SparsePauliOp, Statevector

import jaxqnn
from jaxqnn.primitives import rows
from jaxqnn.primitives.keys import circuit_key, observable_key
from jaxqnn.primitives.rows import group_circuits

T, FREE = Parameter("t"), Parameter("free")
OBSERVABLE = SparsePauliOp(["YII", "ZXY", "IZX"], [1.0, 0.5, -0.75])

# What stands for the angle of a gate made of a circuit.
ANGLES: dict[str, Callable[[Any], Any]] = {
    "t": lambda t: t,
    "2t": lambda t: 2 * t,
    "t + 1": lambda t: t + 1,
    "sin t": lambda t: t.sin(),
}


def made(angle: Any, *, phase: bool = False) -> Gate:
    """A gate made of a circuit, on one qubit."""
    inner = QuantumCircuit(1, name="made", global_phase=angle if phase else 0)
    inner.ry(0.3 if phase else angle, 0)
    inner.t(0)
    return inner.to_gate()


def circuit_of(angle: Any) -> QuantumCircuit:
    inner = QuantumCircuit(1)
    inner.rx(angle, 0)
    return inner


# From an angle to an instruction on at most three qubits.
MODIFIED: dict[str, Callable[[Any], Any]] = {
    "bare": made,
    "controlled": lambda a: made(a).control(),
    "open control": lambda a: made(a).control(ctrl_state=0),
    "two controls": lambda a: made(a).control(2, ctrl_state=1),
    "nested controls": lambda a: made(a).control().control(),
    "controlled inverse": lambda a: made(a).inverse().control(),
    "controlled phase": lambda a: made(a, phase=True).control(),
    "controlled circuit": lambda a: circuit_of(a).control(annotated=False).to_gate(),
    "controlled library circuit": lambda a: (
        real_amplitudes(2, reps=1).assign_parameters([a, 0.2, a, 0.4]).to_gate().control()
    ),
    "control of two": lambda a: (
        real_amplitudes(1, reps=1).assign_parameters([a, 0.2]).to_gate().control(2)
    ),
    "repeated": lambda a: made(a).repeat(2),
    "annotated control": lambda a: made(a).control(annotated=True),
    "annotated power": lambda a: AnnotatedOperation(
        made(a), [PowerModifier(2), ControlModifier(1)]
    ),
    "standard, open": lambda a: RXGate(a).control(ctrl_state=0),
    "phase of two": lambda a: PhaseGate(a).control(2),
    "evolution": lambda a: PauliEvolutionGate(SparsePauliOp(["XY", "ZZ"]), a),
}


def around(gate: Any, bound: dict[Parameter, float]) -> QuantumCircuit:
    """The instruction among others, one angle of which stays free."""
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.ry(FREE, 2)
    circuit.append(gate, range(gate.num_qubits))
    circuit.rx(0.4, range(3))
    return circuit.assign_parameters(bound)


def expected(circuit: QuantumCircuit, free: float) -> float:
    state = Statevector(circuit.assign_parameters([free]).decompose(reps=2))
    return float(state.expectation_value(OBSERVABLE).real)


def mean(circuit: QuantumCircuit, free: Any) -> Any:
    return np.array([expected(circuit, free[0])])


@pytest.mark.parametrize("name", MODIFIED)
def test_gates_made_of_circuits_are_told_apart_when_they_are_bound(name: str) -> None:
    """Bound twice and with other expressions in their place: one primitive runs them in turn."""
    estimator, sampler = jaxqnn.JaxEstimator(), jaxqnn.JaxSampler()
    slope, outcomes = jaxqnn.JaxEstimatorGradient(), jaxqnn.JaxSamplerGradient()
    for angle in ANGLES.values():
        for value in (0.3, 1.2):
            circuit = around(MODIFIED[name](angle(T)), {T: value})
            right = expected(circuit, 0.7)
            found = estimator.run([(circuit, OBSERVABLE, [0.7])]).result()[0].data.evs
            np.testing.assert_allclose(found, right, atol=1e-10)
            by_free = differences(partial(mean, circuit), [0.7])
            gradient = slope.run([circuit], [OBSERVABLE], [[0.7]]).result().gradients[0]
            np.testing.assert_allclose(gradient, by_free.ravel(), atol=1e-6)
            weights = np.abs(Statevector(circuit.assign_parameters([0.7]).decompose(reps=2))) ** 2
            measured = circuit.copy()
            measured.measure_all()
            counts = sampler.run([(measured, [0.7])]).result()[0].data.meas.get_probabilities()
            for outcome, weight in enumerate(weights):
                assert counts.get(f"{outcome:03b}", 0.0) == pytest.approx(weight, abs=1e-10)
            (row,) = outcomes.run([measured], [[0.7]]).result().gradients[0]
            assert sum(row.values()) == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize("name", MODIFIED)
def test_a_key_is_equal_to_itself_and_to_that_of_an_equal_circuit(name: str) -> None:
    first = around(MODIFIED[name](T), {})
    again = around(MODIFIED[name](T), {})
    elsewhere = around(MODIFIED[name](Parameter("t")), {})
    assert circuit_key(first) is not None
    assert circuit_key(first) == circuit_key(first) == circuit_key(again) == circuit_key(elsewhere)
    for other in (2 * T, T + 1e-12, T.sin(), 0.3):
        assert circuit_key(around(MODIFIED[name](other), {})) != circuit_key(first)


@pytest.mark.parametrize("name", ["bare", "controlled", "annotated power", "evolution"])
def test_the_next_run_lowers_nothing_anew(name: str) -> None:
    estimator, slope = jaxqnn.JaxEstimator(), jaxqnn.JaxEstimatorGradient()
    kept = []
    for _ in range(3):
        circuit = around(MODIFIED[name](T), {})
        estimator.run([(circuit, OBSERVABLE, [0.1, 0.2])]).result()
        slope.run([circuit], [OBSERVABLE], [[0.1, 0.2]]).result()
        kept.append([id(evaluator) for evaluator in rows._evaluators.values()])
    assert kept[0] == kept[1] == kept[2]


class Doubled(Gate):
    """A user's gate, defined by a number that is no parameter."""

    def __init__(self, angle: float) -> None:
        super().__init__("doubled", 1, [])
        self.angle = angle

    def _define(self) -> None:
        self.definition = circuit_of(2 * self.angle)


def named(name: str, angle: float) -> Gate:
    gate = made(angle)
    gate.name = name
    return gate


def one(gate: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    return circuit


def turned(angle: Any, *extra: Parameter) -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.rx(angle, 0)
    for parameter in extra:
        circuit.ry(parameter, 0)
    return circuit


A, B, SUM = Parameter("a"), Parameter("b"), Parameter("a + b")

# Circuits that compute something else, and look alike.
APART: dict[str, tuple[QuantumCircuit, QuantumCircuit]] = {
    "a user's gate": (one(Doubled(0.1)), one(Doubled(0.2))),
    "a gate called as an instruction": (one(named("reset", 0.1)), one(named("reset", 0.2))),
    "a gate called as a standard one": (one(named("h", 0.1)), one(named("h", 0.2))),
    "a standard gate and one of its name": (one(RXGate(0.1)), one(named("rx", 0.1))),
    "a library gate": (one(QFTGate(2)), one(QFTGate(2).inverse())),
    "parameters that read like expressions": (
        turned(SUM * A + B * A * B, A, B, SUM),
        turned(A + B * SUM * A * B, A, B, SUM),
    ),
    "powers": (turned((-A) ** 2), turned(-(A**2))),
    "a global phase under a control": (
        one(made(0.2, phase=True).control()),
        one(made(0.3, phase=True).control()),
    ),
}


@pytest.mark.parametrize("name", APART)
def test_what_looks_alike_is_told_apart(name: str) -> None:
    first, second = APART[name]
    assert circuit_key(first) != circuit_key(second)
    assert circuit_key(first) == circuit_key(first.copy())


def test_a_gate_changed_in_place_is_another_one() -> None:
    gate = Doubled(0.1)
    circuit = QuantumCircuit(1)
    circuit.append(gate, [0], copy=False)
    before = circuit_key(circuit)
    gate.definition = circuit_of(1.5)
    assert circuit_key(circuit) != before
    found = jaxqnn.JaxEstimator().run([(circuit, "Z")]).result()[0].data.evs
    np.testing.assert_allclose(found, np.cos(1.5), atol=1e-10)


def test_what_is_kept_does_not_follow_later_changes_of_its_argument() -> None:
    """A kept evaluator lowers again for another split of the parameters."""
    observable, gate = SparsePauliOp("Z"), made(0.3)

    def circuit_with(gate: Gate) -> QuantumCircuit:
        circuit = turned(A + B)
        circuit.append(gate, [0], copy=False)
        return circuit

    gradient, points = jaxqnn.JaxEstimatorGradient(), [[0.1, 0.2], [0.1, 0.5], [0.3, 0.2]]
    gradient.run([circuit_with(gate)], [observable], points[:1]).result()
    observable.coeffs[0] = 7.0
    gate.definition = circuit_of(1.5)
    circuit = circuit_with(made(0.3))
    found = gradient.run([circuit] * 3, [SparsePauliOp("Z")] * 3, points).result().gradients

    def mean(point: Any) -> Any:
        state = Statevector(circuit.assign_parameters(point))
        return np.array([state.expectation_value(SparsePauliOp("Z")).real])

    slopes = [differences(mean, point).ravel() for point in points]
    np.testing.assert_allclose(found, slopes, atol=1e-6)


def test_observables_whose_coefficients_are_objects_are_told_apart() -> None:
    theta = Parameter("c")
    circuit = turned(A)
    gradient = jaxqnn.JaxEstimatorGradient()
    for value in (0.5, 2.0, 3.0):
        bound = SparsePauliOp(["Z"], np.array([theta])).assign_parameters([value])
        same = SparsePauliOp(["Z"], np.array([value], dtype=object))
        assert observable_key(bound) == observable_key(SparsePauliOp(["Z"], [value]))
        for observable in (bound, same):
            found = gradient.run([circuit], [observable], [[0.4]]).result().gradients[0]
            np.testing.assert_allclose(found, [-value * np.sin(0.4)], atol=1e-10)
            found = jaxqnn.JaxEstimator().run([(circuit, observable, [0.4])]).result()[0].data.evs
            np.testing.assert_allclose(found, value * np.cos(0.4), atol=1e-10)


def test_observables_are_told_apart_by_their_terms() -> None:
    assert observable_key(SparsePauliOp("Z")) != observable_key(SparsePauliOp("Z", 2))
    sparse = SparseObservable.from_list([("Z", 1.0)])
    assert observable_key(sparse) == observable_key(SparseObservable.from_list([("Z", 1.0)]))
    assert observable_key(sparse) != observable_key(SparseObservable.from_list([("+", 1.0)]))
    assert observable_key(object()) is None


def ansatz(num_qubits: int = 2) -> QuantumCircuit:
    return real_amplitudes(num_qubits, reps=1)


def test_equal_circuits_are_grouped_though_built_apart() -> None:
    measured = ansatz()
    measured.measure_all()
    circuits = [ansatz(), ansatz(3), ansatz(), measured, ansatz(3)]
    assert [group.members for group in group_circuits(circuits)] == [[0, 2], [1, 4], [3]]


def test_what_has_no_key_is_not_shared() -> None:
    circuits = []
    for _ in range(2):
        circuit = QuantumCircuit(1, 1)
        circuit.append(Gate("opaque", 1, []), [0])
        circuits.append(circuit)
    assert circuit_key(circuits[0]) is None
    groups = group_circuits([*circuits, circuits[0]])
    assert [group.members for group in groups] == [[0, 2], [1]]
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=r"Instruction 0 .*'opaque'"):
        jaxqnn.JaxEstimator().run([(circuits[0], "Z")]).result()


def test_conditions_and_loops_are_told_apart() -> None:
    def conditional(value: int, angle: float) -> QuantumCircuit:
        circuit = QuantumCircuit(2, 2)
        circuit.measure([0, 1], [0, 1])
        with circuit.if_test((circuit.cregs[0], value)) as otherwise:
            circuit.rx(angle, 0)
        with otherwise, circuit.for_loop(range(3)) as step:
            circuit.ry(step * A, 1)
        return circuit

    assert circuit_key(conditional(1, 0.2)) == circuit_key(conditional(1, 0.2)) is not None
    assert circuit_key(conditional(1, 0.2)) != circuit_key(conditional(2, 0.2))
    assert circuit_key(conditional(1, 0.2)) != circuit_key(conditional(1, 0.3))


def test_equal_circuits_are_equal_by_what_they_compute() -> None:
    angles = ParameterVector("t", 2)

    def build(*, flip: bool = False, scale: float = 2.0) -> QuantumCircuit:
        inner = QuantumCircuit(2, name="inner")
        inner.rx(angles[0], 0)
        inner.cx(0, 1, ctrl_state=0 if flip else 1)
        circuit = QuantumCircuit(3)
        circuit.append(inner.to_gate(), [2, 0])
        circuit.append(inner.to_gate().control(1), [0, 1, 2])
        circuit.unitary(np.diag([1, 1j]), [1])
        circuit.ry(scale * angles[1] + angles[0] ** 2, 1)
        return circuit

    assert circuit_key(build()) == circuit_key(build())
    assert circuit_key(build()) != circuit_key(build(flip=True))
    assert circuit_key(build()) != circuit_key(build(scale=2.0 + 1e-12))


def test_a_changed_circuit_is_another_one() -> None:
    circuit = ansatz()
    estimator = jaxqnn.JaxEstimator()
    for change in (lambda: None, lambda: circuit.x(0), lambda: circuit.data.pop(0)):
        change()
        pub = (circuit, "ZI", np.linspace(-1, 2, circuit.num_parameters))
        np.testing.assert_allclose(
            estimator.run([pub]).result()[0].data.evs,
            StatevectorEstimator().run([pub]).result()[0].data.evs,
            atol=1e-10,
        )
