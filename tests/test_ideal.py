"""Ideal simulators with noise or shots: with a seed QML's very numbers, without one its statistics.

Every network here is run as QML's as well, with the same primitive.  A warning would be an error.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from ideal_pairs import ESTIMATORS, SAMPLERS, SEEDS, X, assert_same, run
from network_pairs import ANSATZ, FEATURE_MAP, KINDS, NETWORK, WEIGHTS, parity
from qiskit import ClassicalRegister, transpile
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_machine_learning import neural_networks as qml
from qiskit_machine_learning.gradients import (
    DerivativeType,
    LinCombEstimatorGradient,
    ParamShiftEstimatorGradient,
    ParamShiftSamplerGradient,
)
from qiskit_machine_learning.primitives import QMLSampler
from versions import QML_COUNTS_TRANSPILED

import jaxqnn


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("kind", "primitive"),
    [
        (kind, primitive)
        for kind, (name, _) in KINDS.items()
        for primitive in (ESTIMATORS if name == "EstimatorQNN" else SAMPLERS)
    ],
)
def test_seeded_numbers_are_those_of_qml(kind: str, primitive: str, seed: str) -> None:
    name, arguments = KINDS[kind]
    chosen = (ESTIMATORS if name == "EstimatorQNN" else SAMPLERS)[primitive]
    arguments = arguments | {"input_gradients": seed == "generator"}
    ours, theirs = (
        getattr(library, name)(**arguments, **chosen(SEEDS[seed]())) for library in (jaxqnn, qml)
    )
    assert ours.runs_on_jax
    assert not ours.is_exact
    assert_same(run(ours), run(theirs))


@pytest.mark.parametrize("seed", SEEDS)
def test_our_own_primitives_mean_the_same(seed: str) -> None:
    for name, ours, theirs in (
        (
            "EstimatorQNN",
            {"estimator": jaxqnn.JaxEstimator(default_precision=0.1, seed=SEEDS[seed]())},
            {"estimator": StatevectorEstimator(default_precision=0.1, seed=SEEDS[seed]())},
        ),
        (
            "SamplerQNN",
            {"sampler": jaxqnn.JaxSampler(shots=50, seed=SEEDS[seed]())},
            {"sampler": StatevectorSampler(default_shots=50, seed=SEEDS[seed]())},
        ),
    ):
        mine = run(getattr(jaxqnn, name)(**NETWORK, **ours))
        reference = run(getattr(qml, name)(**NETWORK, **theirs))
        assert_same(mine, reference)


INPUTS, WEIGHT = ParameterVector("x", 2), ParameterVector("w", 3)


def hard() -> QuantumCircuit:
    """Repeated parameters, products, factors, functions, controlled and many-angled gates."""
    circuit = QuantumCircuit(2, global_phase=2 * WEIGHT[1])
    circuit.h(0)
    circuit.ry(INPUTS[0] * INPUTS[1], 0)
    circuit.rx(2 * INPUTS[0] + 0.3 * WEIGHT[0], 1)
    circuit.cx(0, 1)
    circuit.rz(WEIGHT[0], 0)
    circuit.ry(WEIGHT[0] * WEIGHT[1], 1)
    circuit.rzz(-1.5 * WEIGHT[2], 0, 1)
    circuit.crx(WEIGHT[2], 0, 1)
    circuit.ry((INPUTS[0] - 1) ** 2 + WEIGHT[1].sin(), 0)
    circuit.u(WEIGHT[0], INPUTS[1], WEIGHT[2], 1)
    return circuit


def nested() -> QuantumCircuit:
    inner = QuantumCircuit(2, name="block")
    inner.ry(WEIGHT[0], 0)
    inner.cx(0, 1)
    inner.rz(WEIGHT[1] * INPUTS[0], 1)
    inner.rx(WEIGHT[2] + INPUTS[1], 1)
    circuit = QuantumCircuit(2)
    circuit.h(1)
    circuit.append(inner.to_instruction(), [1, 0])
    circuit.h([0, 1])
    return circuit


def measured(name: str, *qubits: int) -> QuantumCircuit:
    circuit = hard()
    register = ClassicalRegister(len(qubits), name)
    circuit.add_register(register)
    circuit.measure(qubits, register)
    return circuit


def on_line(circuit: QuantumCircuit) -> QuantumCircuit:
    return transpile(
        circuit,
        coupling_map=CouplingMap.from_line(3),
        initial_layout=[2, 1],
        optimization_level=0,
    )


SPLIT: dict[str, Any] = {
    "input_params": [INPUTS[1], INPUTS[0]],
    "weight_params": [WEIGHT[2], WEIGHT[0], WEIGHT[1]],
    "input_gradients": True,
}


def ours_and_theirs(name: str, seed: str, **arguments: Any) -> tuple[Any, Any]:
    """The networks of one circuit with three weights, inputs and weights in another order."""
    chosen = {"EstimatorQNN": ESTIMATORS["with precision"], "SamplerQNN": SAMPLERS["reference"]}
    arguments |= SPLIT
    ours, theirs = (
        getattr(library, name)(**arguments, **chosen[name](SEEDS[seed]()))
        for library in (jaxqnn, qml)
    )
    assert ours.runs_on_jax
    return ours, theirs


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("EstimatorQNN", hard),
        ("EstimatorQNN", nested),
        ("SamplerQNN", hard),
        ("SamplerQNN", nested),
        ("SamplerQNN", lambda: measured("meas", 1, 0)),
    ],
)
def test_chain_rule_of_any_circuit(name: str, build: Any, seed: str) -> None:
    ours, theirs = ours_and_theirs(name, seed, circuit=build())
    weights = [0.4, 0.7, -0.5]
    assert_same(run(ours, X, weights), run(theirs, X, weights))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_register_of_another_name_has_one_row_for_each_sample(seed: str) -> None:
    """QML averages these over the batch; with one sample it is right."""
    ours, theirs = ours_and_theirs("SamplerQNN", seed, circuit=measured("c", 1, 0))
    weights = [0.4, 0.7, -0.5]
    forward = ours.forward(X, weights)
    each = np.concatenate([theirs.forward(x[None], weights) for x in X])
    np.testing.assert_allclose(forward, each, rtol=0, atol=1e-9)
    assert_same(ours.backward(X, weights), theirs.backward(X, weights))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_transpiled_circuit_counts_the_users_qubits(seed: str) -> None:
    """QML's forward does too; its backward does where classes are symmetric, as parity is."""
    arguments = {"circuit": on_line(hard()), "interpret": parity, "output_shape": 2}
    ours, theirs = ours_and_theirs("SamplerQNN", seed, **arguments)
    weights = [0.4, 0.7, -0.5]
    found, right = run(ours, X, weights), run(theirs, X, weights)
    if not QML_COUNTS_TRANSPILED:
        assert right[0].sum() < len(X) - 0.5
        exact = qml.SamplerQNN(**arguments | {"circuit": hard()}, **SPLIT).forward(X, weights)
        for at in (0, 3):
            np.testing.assert_allclose(found[at], exact, rtol=0, atol=0.08)  # five deviations
            right[at] = found[at]
    assert_same(found, right)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["EstimatorQNN", "SamplerQNN"])
def test_a_pass_manager_changes_the_order_of_the_draws(name: str, seed: str) -> None:
    manager = generate_preset_pass_manager(
        1,
        coupling_map=CouplingMap.from_line(2),
        basis_gates=["rz", "sx", "x", "cx"],
        initial_layout=[1, 0],
        seed_transpiler=1,
    )
    ours, theirs = ours_and_theirs(name, seed, circuit=hard(), pass_manager=manager)
    weights = [0.4, 0.7, -0.5]
    forward, *backward = run(ours, X, weights)[:3]
    expected, *gradients = run(theirs, X, weights)[:3]
    if name == "SamplerQNN":
        # QML's backward leaves outcomes in the order of the device's qubits, here swapped.
        gradients = [part[:, [0, 2, 1, 3]] for part in gradients]
        expected = expected if QML_COUNTS_TRANSPILED else expected[:, [0, 2, 1, 3]]
    assert_same((forward, *backward), (expected, *gradients))


@pytest.mark.parametrize(
    "shape", [(2,), (1, 2), (2, 3, 2)], ids=["one point", "one sample", "two axes"]
)
def test_shapes_are_those_of_qml(shape: tuple[int, ...]) -> None:
    inputs = np.random.default_rng(4).uniform(size=shape)
    for kind, primitive in (
        ("observables", ESTIMATORS["with precision"]),
        ("tuples", SAMPLERS["reference"]),
    ):
        name, arguments = KINDS[kind]
        networks = (
            getattr(library, name)(**arguments, **primitive(np.random.default_rng(1)))
            for library in (jaxqnn, qml)
        )
        assert_same(*(run(network, inputs) for network in networks))


@pytest.mark.parametrize("which", ["input_params", "weight_params"])
@pytest.mark.parametrize("name", ["EstimatorQNN", "SamplerQNN"])
def test_networks_of_inputs_or_weights_alone(name: str, which: str) -> None:
    part = FEATURE_MAP if which == "input_params" else ANSATZ
    chosen = ESTIMATORS["with precision"] if name == "EstimatorQNN" else SAMPLERS["reference"]
    networks = [
        getattr(library, name)(circuit=part, **{which: part.parameters}, **chosen(5))
        for library in (jaxqnn, qml)
    ]
    data = (X, None) if which == "input_params" else (None, WEIGHTS)
    assert_same(*(run(network, *data) for network in networks))


def rotation(seed: Any = None) -> dict[str, Any]:
    """RY(x + w) on one qubit: <Z> = cos(x + w), and one of two outcomes with (1 - <Z>) / 2."""
    x, w = ParameterVector("x", 1), ParameterVector("w", 1)
    circuit = QuantumCircuit(1)
    circuit.ry(x[0], 0)
    circuit.ry(w[0], 0)
    return {"circuit": circuit, "input_params": x, "weight_params": w}


MANY = np.full((4000, 1), 0.3)


def assert_normal(found: np.ndarray, mean: float, deviation: float) -> None:
    """Independent numbers of this mean and deviation, to five standard errors."""
    errors = deviation / np.sqrt(found.size)
    assert abs(found.mean() - mean) < 5 * errors
    assert abs(found.std() - deviation) < 5 * errors
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 5 / np.sqrt(found.size)


def test_noise_without_a_seed() -> None:
    estimator = StatevectorEstimator(default_precision=0.05)
    qnn = jaxqnn.EstimatorQNN(**rotation(), estimator=estimator, default_precision=0.1)
    assert_normal(qnn.forward(MANY, [0.5]).ravel(), np.cos(0.8), 0.1)
    _, by_weights = qnn.backward(MANY, [0.5])
    assert_normal(by_weights.ravel(), -np.sin(0.8), 0.05 / np.sqrt(2))
    assert np.any(qnn.forward(X[:, :1], [0.5]) != qnn.forward(X[:, :1], [0.5]))


def test_shots_without_a_seed() -> None:
    shots = 40
    qnn = jaxqnn.SamplerQNN(**rotation(), sampler=StatevectorSampler(default_shots=shots))
    forward = qnn.forward(MANY, [0.5])
    np.testing.assert_allclose(forward.sum(axis=1), 1)
    np.testing.assert_allclose(forward * shots, np.rint(forward * shots), atol=1e-9)
    one = (1 - np.cos(0.8)) / 2
    assert_normal(forward[:, 1], one, np.sqrt(one * (1 - one) / shots))
    up, down = ((1 - np.cos(0.8 + shift)) / 2 for shift in (np.pi / 2, -np.pi / 2))
    variance = (up * (1 - up) + down * (1 - down)) / shots / 4
    _, by_weights = qnn.backward(MANY, [0.5])
    np.testing.assert_allclose(by_weights.sum(axis=1), 0, atol=1e-12)
    assert_normal(by_weights[:, 1, 0], np.sin(0.8) / 2, np.sqrt(variance))


@pytest.mark.parametrize("kind", [DerivativeType.REAL, DerivativeType.COMPLEX])
@pytest.mark.parametrize(
    "make",
    [
        lambda: StatevectorEstimator(default_precision=0.1, seed=7),
        lambda: StatevectorEstimator(default_precision=0.1, seed=np.random.default_rng(3)),
        lambda: jaxqnn.JaxEstimator(default_precision=0.1, seed=5),
    ],
)
def test_an_estimator_gradient_on_its_own(make: Any, kind: DerivativeType) -> None:
    circuit = zz_feature_map(2, reps=1).compose(real_amplitudes(2, reps=1))
    sums, points = [SparsePauliOp(["ZZ", "XI"])] * 3, _points(circuit, 3)
    theirs = ParamShiftEstimatorGradient(make())
    if kind is not DerivativeType.REAL:
        theirs = LinCombEstimatorGradient(make(), derivative_type=kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = jaxqnn.JaxEstimatorGradient(make(), derivative_type=kind)
        for _ in range(2):
            found = ours.run([circuit] * 3, sums, points).result().gradients
            expected = theirs.run([circuit] * 3, sums, points).result().gradients
            np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StatevectorSampler(default_shots=100, seed=7),
        lambda: StatevectorSampler(default_shots=100, seed=np.random.default_rng(3)),
        lambda: QMLSampler(shots=100, seed=3),
    ],
)
def test_a_sampler_gradient_on_its_own(make: Any) -> None:
    circuit = zz_feature_map(2, reps=1).compose(real_amplitudes(2, reps=1))
    points = _points(circuit, 3)
    circuit.measure_all()
    theirs, ours = ParamShiftSamplerGradient(make()), jaxqnn.JaxSamplerGradient(make())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            found = ours.run([circuit] * 3, points).result().gradients
            assert found == theirs.run([circuit] * 3, points).result().gradients


def _points(circuit: QuantumCircuit, count: int) -> list[list[float]]:
    random = np.random.default_rng(0)
    return random.normal(size=(count, circuit.num_parameters)).tolist()
