"""Circuits that measure, reset and decide on the way, against simulators of every branch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from branches import distribution, means, on_points
from dynamic_circuits import CIRCUITS, Make, W, X, active_reset, dynamic_case, start
from oracles import differences
from qiskit import transpile
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.classical import expr, types
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator
from qiskit_machine_learning.circuit.library import raw_feature_vector
from versions import COUNTS_LOOP_VARIABLES

import jaxqnn
from jaxqnn.circuit.measured_bits import read_bits
from jaxqnn.measure import Expectation, Probabilities, Specification
from jaxqnn.model import Model

INPUTS, WEIGHTS = np.array([[0.7, -0.4], [1.9, 0.3]]), np.array([1.1, -0.6])
OBSERVABLES = [SparsePauliOp("ZZZ"), SparsePauliOp(["XIY", "IZX"], [1.0, -0.5])]


@pytest.mark.parametrize("name", CIRCUITS)
def test_expectations_are_the_mean_over_all_branches(name: str) -> None:
    found = dynamic_case(name)
    arguments = {"circuit": found.circuit, "observables": OBSERVABLES, "input_gradients": True}
    if name == "loops" and COUNTS_LOOP_VARIABLES:
        with pytest.raises(ValueError, match=r"Number of circuit parameters \(5\)"):  # QML's
            jaxqnn.EstimatorQNN(**arguments, **found.split)
        return
    network = jaxqnn.EstimatorQNN(**arguments, **found.split)

    def exact(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return on_points(found, inputs, weights, lambda c: means(c, OBSERVABLES))

    np.testing.assert_allclose(network.forward(INPUTS, WEIGHTS), exact(INPUTS, WEIGHTS), atol=1e-10)
    by_inputs, by_weights = network.backward(INPUTS[:1], WEIGHTS)
    slopes = differences(lambda row: exact(row[None], WEIGHTS)[0], INPUTS[0])
    np.testing.assert_allclose(by_inputs[0], slopes, atol=1e-8)
    slopes = differences(lambda weights: exact(INPUTS[:1], weights)[0], WEIGHTS)
    np.testing.assert_allclose(by_weights[0], slopes, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "measure_all"),
    # Given amplitudes compile for a while, so those once.
    [(name, False) for name in CIRCUITS if name != "started again"]
    + [(name, True) for name in CIRCUITS if name != "data again"],
)
def test_samplers_give_the_distribution_of_the_bits(name: str, measure_all: bool) -> None:
    found = dynamic_case(name, measure_all=measure_all)
    bits = read_bits(found.circuit)
    if not bits:
        return  # measures nothing
    assert bits == ((3, 4, 5) if measure_all else (0, 1, 2))
    network = jaxqnn.SamplerQNN(circuit=found.circuit, **found.split)

    def exact(weights: np.ndarray) -> np.ndarray:
        return on_points(found, INPUTS, weights, lambda c: distribution(c, bits))

    np.testing.assert_allclose(network.forward(INPUTS, WEIGHTS), exact(WEIGHTS), atol=1e-10)
    _, by_weights = network.backward(INPUTS, WEIGHTS)
    np.testing.assert_allclose(by_weights, differences(exact, WEIGHTS), atol=1e-8)


@pytest.mark.parametrize("name", ["nested", "measurement in a branch", "expressions", "loops"])
def test_frequencies_are_those_of_aer(name: str) -> None:
    shots = 20_000
    found = dynamic_case(name, measure_all=True)
    values = dict(zip((*X, *W), [*INPUTS[0], *WEIGHTS], strict=True))
    simulator = AerSimulator(seed_simulator=1)
    bound = transpile(found.circuit.assign_parameters(values), simulator, optimization_level=0)
    counts = simulator.run(bound, shots=shots).result().get_counts()
    outcomes = {int(key.replace(" ", ""), 2): count for key, count in counts.items()}
    # Bits 0 to 2 are c's, 3 to 5 are meas's.
    ours = Model(found.circuit, Probabilities(bits=tuple(range(6))), X, W)
    with jax.enable_x64(True):
        exact = np.asarray(jaxqnn.functions.model_function(ours)(INPUTS[0], WEIGHTS))
    assert exact.sum() == pytest.approx(1)
    for outcome, probability in enumerate(np.clip(exact, 0, 1)):
        deviation = np.sqrt(probability * (1 - probability) / shots)
        assert abs(outcomes.get(outcome, 0) / shots - probability) <= 5 * deviation + 1e-9


def test_every_mode_of_differentiation_agrees() -> None:
    """<Z> of the corrected qubit and of the other, by hand: both are products of cosines."""
    circuit = QuantumCircuit(2, 1)
    circuit.ry(W[0], 0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
        circuit.x(0)
        circuit.ry(2 * W[1], 1)
    with otherwise:
        circuit.ry(W[1], 1)

    def exact(w: np.ndarray) -> np.ndarray:
        one = np.sin(w[0] / 2) ** 2
        return one * np.cos(2 * w[1]) + (1 - one) * np.cos(w[1])

    slope = differences(exact, WEIGHTS)
    curve = differences(lambda w: differences(exact, w, 1e-4), WEIGHTS, 1e-4)
    with jax.enable_x64(True):
        w = jnp.asarray(WEIGHTS)

        def mean(w: jax.Array) -> jax.Array:
            return jaxqnn.expectation(circuit, "ZZ")(w)[0]

        assert mean(w) == pytest.approx(exact(WEIGHTS), abs=1e-12)
        np.testing.assert_allclose(jax.grad(mean)(w), slope, atol=1e-8)
        np.testing.assert_allclose(jax.hessian(mean)(w), curve, atol=1e-5)
        forward = jax.jacfwd(mean)(w)
        np.testing.assert_allclose(forward, slope, atol=1e-8)


@pytest.mark.parametrize("name", ["nested", "reused"])
def test_networks_primitives_and_gradients_agree(name: str) -> None:
    found = dynamic_case(name, measure_all=True)
    circuit, point = found.circuit, np.concatenate([INPUTS[0], WEIGHTS])
    order = dict(zip((*X, *W), point, strict=True))
    row = np.array([order[p] for p in circuit.parameters])
    exact = on_points(found, INPUTS[:1], WEIGHTS, lambda c: means(_unmeasured(c), OBSERVABLES))[0]
    evs = jaxqnn.JaxEstimator().run([(circuit, OBSERVABLES, row)]).result()[0].data.evs
    np.testing.assert_allclose(evs, exact, atol=1e-10)

    estimator = jaxqnn.EstimatorQNN(circuit=circuit, observables=OBSERVABLES, **found.split)
    _, by_weights = estimator.backward(INPUTS[0], WEIGHTS)
    gradients = jaxqnn.JaxEstimatorGradient().run(
        [circuit] * 2, OBSERVABLES, [row] * 2, [list(W)] * 2
    )
    np.testing.assert_allclose(gradients.result().gradients, by_weights[0], atol=1e-10)

    result = jaxqnn.JaxSampler().run([(circuit, row)]).result()[0]
    for register, bits in (("c", (0, 1, 2)), ("meas", (3, 4, 5))):
        expected = on_points(found, INPUTS[:1], WEIGHTS, partial(distribution, bits=bits))[0]
        drawn = result.data[register].get_probabilities()
        for outcome, probability in enumerate(expected):
            assert drawn.get(f"{outcome:03b}", 0.0) == pytest.approx(probability, abs=1e-10)
    sampled = jaxqnn.JaxSampler(shots=1000, seed=2).run([(circuit, row)]).result()[0]
    assert sampled.data.c.num_shots == sampled.data.meas.num_shots == 1000


def _unmeasured(circuit: QuantumCircuit) -> QuantumCircuit:
    return circuit.remove_final_measurements(inplace=False)


def added(circuit: QuantumCircuit, specification: Specification) -> int:
    return Model(circuit, specification, [], circuit.parameters).built.num_added


def test_a_qubit_more_for_each_outcome_that_is_read_later() -> None:
    """Of circuits on three qubits that are all acted on: what costs a qubit, and what does not."""
    all_z, with_x = Expectation(), Expectation([SparsePauliOp("IIX")])
    everything = Probabilities(bits=(0, 1, 2))

    def of(make: Make) -> QuantumCircuit:
        circuit = start()
        make(circuit)
        return circuit

    end = of(lambda c: c.measure([0, 1, 2], [0, 1, 2]))
    assert [added(end, s) for s in (all_z, with_x, everything)] == [0, 0, 0]
    # A control keeps the value, so Z and the bit are read off the qubit; X is not.
    control = of(lambda c: (c.measure(0, 0), _if(c, 0, lambda: c.x(2))))
    assert [added(control, s) for s in (all_z, with_x, everything)] == [0, 1, 0]
    # The outcome is needed beside the qubit that goes on, if that is looked at.
    goes_on = of(active_reset)
    assert [added(goes_on, s) for s in (all_z, everything)] == [1, 0]
    # A reset takes one, and the outcome before it stays where it was.
    again = of(lambda c: (c.measure(0, 0), c.reset(0), c.ry(W[1], 0), c.measure(0, 1)))
    assert [added(again, s) for s in (all_z, everything)] == [1, 1]
    # What acts on nothing that is read is left out: here qubit 2, and with it all that it is for.
    dead = of(lambda c: (c.measure(2, 2), c.h(2), c.measure(2, 2), c.h(2)))
    assert added(dead, Probabilities(bits=(0, 1))) == 0
    assert added(dead, Expectation([SparsePauliOp("IZZ")])) == 0
    # Overwritten before anything reads it, and the qubit is measured in Z alone: nothing is kept.
    twice = of(lambda c: (c.measure(0, 0), c.rz(W[0], 0), c.measure(1, 0)))
    assert [added(twice, s) for s in (all_z, everything)] == [0, 0]
    # Five rounds of one qubit: the last outcome is the qubit's own.
    many = QuantumCircuit(1, 5)
    for i in range(5):
        many.ry(W[0], 0)
        many.measure(0, i)
        if i < 4:
            many.reset(0)
    assert added(many, Probabilities()) == 4
    assert (
        jaxqnn.SamplerQNN(circuit=many, weight_params=[W[0]], interpret=int, output_shape=32)
        .resources()
        .num_qubits
        == 5
    )


def _if(circuit: QuantumCircuit, bit: int, body: Callable[[], object]) -> QuantumCircuit:
    with circuit.if_test((circuit.clbits[bit], 1)):
        body()
    return circuit


def test_a_measurement_undoes_interference() -> None:
    """h, measured, h: a fair coin, where the unmeasured circuit gives 0 for certain."""
    circuit = QuantumCircuit(1, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.h(0)
    circuit.measure(0, 1)
    np.testing.assert_allclose(jaxqnn.probabilities(circuit)([]), np.full(4, 0.25), atol=1e-6)
    np.testing.assert_allclose(jaxqnn.expectation(circuit, "Z")([]), [0], atol=1e-6)


def test_observables_pass_over_measurements_at_the_end_alone() -> None:
    """<X> of |+>: 1 as in Qiskit's estimators if it is measured last, 0 if the bit decides."""
    circuit = QuantumCircuit(2, 1)
    circuit.h([0, 1])
    circuit.measure(0, 0)
    assert jaxqnn.expectation(circuit, "IX")([])[0] == pytest.approx(1, abs=1e-6)
    bare = circuit.remove_final_measurements(inplace=False)
    evs = StatevectorEstimator().run([(bare, "IX")]).result()[0].data.evs
    assert evs == pytest.approx(1)
    _if(circuit, 0, lambda: circuit.x(1))  # does nothing to |+>
    assert jaxqnn.expectation(circuit, "IX")([])[0] == pytest.approx(0, abs=1e-6)
    # Nor is what a branch measures at the end, though this branch is always taken.
    always = QuantumCircuit(1, 1)
    always.h(0)
    with always.if_test((always.clbits[0], 0)):
        always.measure(0, 0)
    assert jaxqnn.expectation(always, "X")([])[0] == pytest.approx(0, abs=1e-6)


def test_teleportation_moves_the_state_whatever_the_outcomes() -> None:
    angle = Parameter("angle")
    circuit = QuantumCircuit(3, 2)
    circuit.ry(angle, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    _if(circuit, 1, lambda: circuit.x(2))
    _if(circuit, 0, lambda: circuit.z(2))
    network = jaxqnn.EstimatorQNN(
        circuit=circuit,
        observables=[SparsePauliOp("ZII"), SparsePauliOp("XII")],
        weight_params=[angle],
    )
    sine, cosine = np.sin(0.8), np.cos(0.8)
    np.testing.assert_allclose(network.forward(None, [0.8]), [[cosine, sine]], atol=1e-12)
    np.testing.assert_allclose(network.backward(None, [0.8])[1], [[[-sine], [cosine]]], atol=1e-12)


@pytest.mark.parametrize("name", ["nested", "reused", "inside an instruction"])
def test_verify_follows_the_branches(name: str) -> None:
    found = dynamic_case(name, measure_all=True)
    for network in (
        jaxqnn.EstimatorQNN(circuit=found.circuit, observables=OBSERVABLES, **found.split),
        jaxqnn.SamplerQNN(circuit=found.circuit, **found.split),
    ):
        report = jaxqnn.verify(network, samples=2)
        assert report.passed, report
        assert report.compared > 0
        wrong = jaxqnn.verify(_Wrong.of(network), samples=2)
        assert not wrong.passed


class _Wrong:
    """A network whose outputs are off by a thousandth."""

    @staticmethod
    def of(network: Any) -> Any:
        class Wrong(type(network)):  # type: ignore[misc]
            def forward(self, input_data: Any, weights: Any) -> Any:
                return super().forward(input_data, weights) + 1e-3

        found = object.__new__(Wrong)
        found.__dict__.update(network.__dict__)
        return found


def _while(c: QuantumCircuit) -> None:
    with c.while_loop((c.clbits[0], 1)):
        c.measure(0, 0)


def _break(c: QuantumCircuit) -> None:
    with c.for_loop(range(3)):
        c.measure(0, 0)
        with c.if_test((c.clbits[0], 1)):
            c.break_loop()


def _continue(c: QuantumCircuit) -> None:
    with c.for_loop(range(3)):
        c.continue_loop()


def _store(c: QuantumCircuit) -> None:
    c.store(c.add_var("flag", False), True)


def _variable(c: QuantumCircuit) -> None:
    flag = c.add_input("flag", types.Bool())
    with c.if_test(flag):
        c.x(0)


def _arithmetic(c: QuantumCircuit) -> None:
    with c.if_test(expr.equal(expr.mul(expr.lift(c.cregs[0]), 2), 4)):
        c.x(0)


def _features_in_a_branch(c: QuantumCircuit) -> None:
    c.measure(0, 0)
    features = raw_feature_vector(2).assign_parameters([X[0], 1.5])
    with c.if_test((c.clbits[0], 1)):
        c.append(features.data[0].operation, [1])


REFUSED: dict[str, tuple[Make, str]] = {
    "while": (_while, r"Instruction 5 \('while_loop' on qubits \[0\]\) repeats.*Unroll"),
    "break": (
        _break,
        r"Instruction 5 \('for_loop' .*in its 'if_else', in its 'break_loop' leaves a round",
    ),
    "continue": (_continue, r"Instruction 5 \('for_loop' .*in its 'continue_loop' leaves"),
    "store": (_store, r"Instruction 5 \('store' on qubits \[\]\) stores a real-time variable"),
    "variable": (_variable, r"Instruction 5 \('if_else' .*by the real-time variable 'flag'"),
    "arithmetic": (_arithmetic, r"Instruction 5 \('if_else' .*no operation on bits"),
    "features in a branch": (
        _features_in_a_branch,
        r"Instruction 6 \('if_else' .*StatePreparation",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_fixed_branches_is_refused_by_name(name: str) -> None:
    make, message = REFUSED[name]
    circuit = start()
    make(circuit)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=message):
        jaxqnn.EstimatorQNN(circuit=circuit, input_params=list(X), weight_params=list(W))


def test_a_state_is_refused_where_there_is_a_mixture() -> None:
    found = dynamic_case("active reset")
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=r"Instruction 6 \('if_else'.*no one"):
        jaxqnn.statevector(found.circuit)
    circuit = start()
    circuit.reset(1)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=r"Instruction 5 \('reset'.*no one"):
        jaxqnn.statevector(circuit)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match="no one state"):
        jaxqnn.JaxQGT().run([circuit], [[0.1] * 4]).result()
    # Even where one qubit alone is reset: its phase is that of the outcome.
    alone = QuantumCircuit(1)
    alone.h(0)
    alone.reset(0)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match="no one state"):
        jaxqnn.statevector(alone)
    np.testing.assert_allclose(jaxqnn.expectation(alone)([]), [1], atol=1e-6)


def test_too_many_outcomes_are_an_error_with_their_number() -> None:
    circuit = QuantumCircuit(2, 70)
    for bit in range(70):
        circuit.ry(0.3, 0)
        circuit.cx(0, 1)
        circuit.measure(0, bit)
    message = r"acts on 71 qubits, 69 of them for outcomes .*Instruction 2 \('measure'"
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=message):
        jaxqnn.probabilities(circuit, lambda outcome: outcome % 2, 2)
    fewer = circuit.copy_empty_like()
    for item in circuit.data[:120]:
        fewer.append(item)
    model = Model(fewer, Probabilities(lambda outcome: outcome % 2, 2), [], [])
    with pytest.raises(jaxqnn.JaxQNNError, match=r"A state of 41 qubits, 39 of them for outcomes"):
        model.tables  # noqa: B018
