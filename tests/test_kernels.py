"""Kernels give QML's matrices: exact, with seeded shots, for every argument and model."""

from __future__ import annotations

import copy
import pickle
import resource
from collections.abc import Callable
from typing import Any

import dill
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.circuit.library import real_amplitudes, z_feature_map, zz_feature_map
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import Statevector
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_machine_learning import QiskitMachineLearningError
from qiskit_machine_learning import kernels as qml
from qiskit_machine_learning.algorithms import QSVC, QSVR, PegasosQSVC
from qiskit_machine_learning.kernels.algorithms import QuantumKernelTrainer
from qiskit_machine_learning.optimizers import SPSA
from qiskit_machine_learning.primitives import QMLSampler
from qiskit_machine_learning.state_fidelities import ComputeUncompute
from qiskit_machine_learning.utils import algorithm_globals
from sklearn.svm import SVC

import jaxqnn
from jaxqnn.kernels import states

MAP = zz_feature_map(2, reps=1)
TRAINED = real_amplitudes(2, reps=1)
TRAINABLE: dict[str, Any] = {
    "feature_map": TRAINED.compose(MAP),
    "training_parameters": TRAINED.parameters,
}
VALUES = [0.3, -0.8, 1.1, 0.4]
X = np.random.default_rng(0).uniform(0, 1, (5, 2))
Y = np.concatenate([X[1:3], np.random.default_rng(1).uniform(0, 1, (2, 2))])
TWICE = np.concatenate([X, X[:2]])
LABELS = np.array([1, -1, 1, 1, -1])

KERNELS: dict[str, dict[str, Any]] = {
    "FidelityQuantumKernel": {"feature_map": MAP},
    "FidelityStatevectorKernel": {"feature_map": MAP},
    "TrainableFidelityQuantumKernel": TRAINABLE,
    "TrainableFidelityStatevectorKernel": TRAINABLE,
}
WITH_FIDELITY = [name for name in KERNELS if "Quantum" in name]
OF_STATES = [name for name in KERNELS if "Statevector" in name]


def build(library: Any, name: str, **changes: Any) -> Any:
    kernel = getattr(library, name)(**(KERNELS[name] | changes))
    if hasattr(kernel, "assign_training_parameters"):
        kernel.assign_training_parameters(VALUES)
    return kernel


def brute_force(points: np.ndarray, others: np.ndarray, name: str) -> np.ndarray:
    """|<x|y>|^2 of Qiskit's states, one at a time."""
    arguments = KERNELS[name]
    circuit = arguments["feature_map"]
    fixed = dict(zip(arguments.get("training_parameters", []), VALUES, strict=False))
    free = [p for p in circuit.parameters if p not in fixed]

    def state(point: np.ndarray) -> np.ndarray:
        values = fixed | dict(zip(free, point.tolist(), strict=True))
        return np.asarray(Statevector(circuit.assign_parameters(values)))

    return np.array([[abs(np.vdot(state(x), state(y))) ** 2 for y in others] for x in points])


@pytest.mark.parametrize("name", KERNELS)
def test_exact_matrices(name: str) -> None:
    ours, theirs = build(jaxqnn, name), build(qml, name)
    assert ours.runs_on_jax
    assert isinstance(ours, getattr(qml, name))
    symmetric, rectangular = ours.evaluate(TWICE), ours.evaluate(X, Y)
    assert symmetric.dtype == rectangular.dtype == np.float64
    np.testing.assert_allclose(symmetric, brute_force(TWICE, TWICE, name), atol=1e-12)
    np.testing.assert_allclose(rectangular, brute_force(X, Y, name), atol=1e-12)
    np.testing.assert_allclose(symmetric, theirs.evaluate(TWICE), atol=1e-9)
    np.testing.assert_allclose(rectangular, theirs.evaluate(X, Y), atol=1e-9)
    np.testing.assert_array_equal(symmetric, symmetric.T)
    np.testing.assert_array_equal(np.diag(symmetric), 1)
    assert np.linalg.eigvalsh(symmetric).min() > -1e-12
    assert rectangular.max() <= 1
    np.testing.assert_array_equal(ours.evaluate(TWICE, TWICE.copy()), symmetric)


@pytest.mark.parametrize("name", KERNELS)
def test_single_points_and_lists(name: str) -> None:
    ours, theirs = build(jaxqnn, name), build(qml, name)
    for arguments in ((X[0],), (X[0], Y), (X, Y[0]), (X[0], Y[0]), (X.tolist(), Y.tolist())):
        reference = theirs.evaluate(*arguments)
        found = ours.evaluate(*arguments)
        assert found.shape == reference.shape
        np.testing.assert_allclose(found, reference, atol=1e-9)


SEEDS: dict[str, Callable[[], Any]] = {
    "integer": lambda: 7,
    "generator": lambda: np.random.default_rng(7),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("duplicates", ["all", "off_diagonal", "none"])
@pytest.mark.parametrize("name", WITH_FIDELITY)
def test_seeded_shots_are_those_of_qml(name: str, duplicates: str, seed: str) -> None:
    def kernel(library: Any, **changes: Any) -> Any:
        sampler = StatevectorSampler(default_shots=60, seed=SEEDS[seed]())
        fidelity = ComputeUncompute(sampler)
        changes |= {"fidelity": fidelity, "evaluate_duplicates": duplicates}
        return build(library, name, **changes)

    for changes in ({}, {"enforce_psd": False}):
        ours, theirs = kernel(jaxqnn, **changes), kernel(qml, **changes)
        for arguments in ((TWICE,), (X, Y)):  # a generator goes on from call to call
            np.testing.assert_allclose(
                ours.evaluate(*arguments), theirs.evaluate(*arguments), atol=1e-9
            )


@pytest.mark.parametrize(
    "fidelity",
    [
        lambda: ComputeUncompute(QMLSampler(shots=50, seed=3)),
        lambda: ComputeUncompute(StatevectorSampler(seed=3), options={"shots": 20}),
        lambda: ComputeUncompute(
            StatevectorSampler(seed=3),
            pass_manager=generate_preset_pass_manager(
                1, basis_gates=["rz", "sx", "cx"], initial_layout=None
            ),
        ),
        lambda: ComputeUncompute(QMLSampler()),
    ],
    ids=["QML's sampler", "options", "pass manager", "exact"],
)
def test_fidelities_of_ideal_samplers(fidelity: Any) -> None:
    ours, theirs = (
        build(library, "FidelityQuantumKernel", fidelity=fidelity(), max_circuits_per_job=4)
        for library in (jaxqnn, qml)
    )
    assert ours.runs_on_jax
    np.testing.assert_allclose(ours.evaluate(X), theirs.evaluate(X), atol=1e-9)
    np.testing.assert_allclose(ours.evaluate(X, Y), theirs.evaluate(X, Y), atol=1e-9)


def test_our_own_sampler_means_the_same() -> None:
    ours = build(
        jaxqnn,
        "FidelityQuantumKernel",
        fidelity=ComputeUncompute(jaxqnn.JaxSampler(shots=50, seed=3)),
    )
    theirs = build(
        qml, "FidelityQuantumKernel", fidelity=ComputeUncompute(QMLSampler(shots=50, seed=3))
    )
    np.testing.assert_allclose(ours.evaluate(X), theirs.evaluate(X), atol=1e-9)


@pytest.mark.parametrize("enforce_psd", [True, False])
@pytest.mark.parametrize("name", OF_STATES)
def test_binomial_shots_come_from_qmls_generator(name: str, enforce_psd: bool) -> None:
    kernels = [build(lib, name, shots=40, enforce_psd=enforce_psd) for lib in (jaxqnn, qml)]
    found = []
    for kernel in kernels:
        algorithm_globals.random_seed = 11
        found.append([kernel.evaluate(TWICE), kernel.evaluate(X, Y)])
    for mine, reference in zip(*found, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-9)


def test_shots_without_a_seed() -> None:
    shots, point, other = 50, np.zeros((1, 2)), np.full((2000, 2), [0.7, 0.2])
    fidelity = ComputeUncompute(StatevectorSampler(default_shots=shots))
    found = build(jaxqnn, "FidelityQuantumKernel", fidelity=fidelity).evaluate(point, other)
    exact = brute_force(point, other[:1], "FidelityQuantumKernel").item()
    deviation = np.sqrt(exact * (1 - exact) / shots)
    assert abs(found.mean() - exact) < 5 * deviation / np.sqrt(found.size)
    assert abs(found.std() - deviation) < 5 * deviation / np.sqrt(2 * found.size)


@pytest.mark.parametrize("name", OF_STATES)
def test_cached_states(name: str) -> None:
    theirs = build(qml, name).evaluate(X, Y)
    for size in (None, 2, 0):
        kernel = build(jaxqnn, name, auto_clear_cache=False, cache_size=size)
        for _ in range(2):
            np.testing.assert_allclose(kernel.evaluate(X, Y), theirs, atol=1e-9)
        if hasattr(kernel, "assign_training_parameters"):
            kernel.assign_training_parameters(np.zeros(4))
            assert not np.allclose(kernel.evaluate(X, Y), theirs)
        kernel.clear_cache()


def test_a_kept_state_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    plain = states.FeatureMap.states

    def counted(self: Any, rows: np.ndarray, training: np.ndarray) -> np.ndarray:
        computed.append(len(rows))
        return plain(self, rows, training)

    monkeypatch.setattr(states.FeatureMap, "states", counted)
    kernel = build(jaxqnn, "FidelityStatevectorKernel", auto_clear_cache=False)
    kernel.evaluate(X)
    kernel.evaluate(X, Y)
    assert computed == [5, 2]  # two of Y's points are in X
    kernel.clear_cache()
    kernel.evaluate(X)
    assert computed == [5, 2, 5]


def ordered(order: list[int]) -> QuantumCircuit:
    """Features whose names are not in the order of their gates."""
    names = ["b", "a", "c"]
    circuit = QuantumCircuit(3)
    for qubit, which in enumerate(order):
        circuit.ry(Parameter(names[which]) * (qubit + 1), qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    return circuit


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_features_come_in_the_circuits_order(order: list[int]) -> None:
    points = np.random.default_rng(3).uniform(size=(3, 3))
    circuit = ordered(order)
    middle = [circuit.parameters[1]]
    for name in KERNELS:
        if "Trainable" in name:
            arguments: dict[str, Any] = {"training_parameters": middle}
            data = points[:, :2]
        else:
            arguments, data = {}, points
        kernels = [
            getattr(library, name)(feature_map=circuit, **arguments) for library in (jaxqnn, qml)
        ]
        for kernel in kernels:
            if arguments:
                kernel.assign_training_parameters({middle[0]: 0.4})
        ours, theirs = (kernel.evaluate(data) for kernel in kernels)
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_a_feature_map_changed_in_place_is_followed() -> None:
    circuits = [zz_feature_map(2, reps=1) for _ in range(2)]
    ours = jaxqnn.FidelityQuantumKernel(feature_map=circuits[0])
    theirs = qml.FidelityQuantumKernel(feature_map=circuits[1])
    before = ours.evaluate(X)
    for circuit in circuits:
        circuit.ry(circuit.parameters[0], 1)
    assert not np.allclose(ours.evaluate(X), before)
    np.testing.assert_allclose(ours.evaluate(X), theirs.evaluate(X), atol=1e-9)


def test_pieces_give_the_same_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(3).uniform(size=(13, 2))
    whole = [build(jaxqnn, name).evaluate(points, other) for name in KERNELS for other in (None, Y)]
    monkeypatch.setattr(states, "_STATE_BYTES", 16 * 4 * 6)
    cut = [build(jaxqnn, name).evaluate(points, other) for name in KERNELS for other in (None, Y)]
    for mine, reference in zip(cut, whole, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-14)
        if len(mine) == mine.shape[1]:
            np.testing.assert_array_equal(mine, mine.T)
            np.testing.assert_array_equal(np.diag(mine), 1)


def test_a_large_matrix_stays_within_its_memory() -> None:
    kernel = jaxqnn.FidelityQuantumKernel(feature_map=z_feature_map(11, reps=1))
    points = np.random.default_rng(3).uniform(size=(1000, 11))
    kernel.evaluate(points[:2])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    matrix = kernel.evaluate(points)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert matrix.shape == (1000, 1000)
    assert grown < 400_000  # kilobytes; the states alone are 32 MiB


@pytest.mark.parametrize("name", ["FidelityStatevectorKernel", "TrainableFidelityQuantumKernel"])
def test_apply_is_the_matrix_and_differentiable(name: str) -> None:
    kernel = build(jaxqnn, name)
    with jax.enable_x64(True):
        np.testing.assert_allclose(kernel.apply(X, Y), kernel.evaluate(X, Y), atol=1e-12)
        np.testing.assert_allclose(jax.jit(kernel.apply)(X), kernel.evaluate(X), atol=1e-12)
        assert kernel.apply(X[0], Y).shape == (1, len(Y))
        assert kernel.apply(np.stack([X, X]), Y).shape == (2, 5, 4)

        def total(points: Any) -> jax.Array:
            return (kernel.apply(points, Y) ** 2).sum()

        slope = jax.grad(total)(jnp.asarray(X))
        step = 1e-6 * np.eye(2)[0]
        for row in range(2):
            moved = np.zeros_like(X)
            moved[row] = step
            difference = (total(X + moved) - total(X - moved)) / 2e-6
            assert float(slope[row, 0]) == pytest.approx(float(difference), abs=1e-7)


def test_apply_is_differentiable_by_the_training_parameters() -> None:
    kernel = build(jaxqnn, "TrainableFidelityStatevectorKernel")
    with jax.enable_x64(True):
        values = jnp.asarray(VALUES)
        np.testing.assert_allclose(kernel.apply(X, Y, values), kernel.apply(X, Y), atol=1e-12)
        slope = jax.jacrev(lambda v: kernel.apply(X, None, v))(values)
        for column in range(4):
            step = 1e-6 * jnp.eye(4)[column]
            difference = (kernel.apply(X, X, values + step) - kernel.apply(X, X, values - step)) / (
                2e-6
            )
            np.testing.assert_allclose(slope[..., column], difference, atol=1e-7)
        ensemble = jnp.stack([values, 2 * values])
        both = kernel.apply(X, Y, ensemble)
        np.testing.assert_allclose(both[1], kernel.apply(X, Y, 2 * values), atol=1e-12)
        mapped = jax.vmap(lambda v: kernel.apply(X, Y, v))(ensemble)
        np.testing.assert_allclose(mapped, both, atol=1e-12)


class OwnFidelity(ComputeUncompute):
    """Someone's own, which may do anything."""


class OwnSampler(StatevectorSampler):
    """Someone's own, which may do anything."""


class OwnState(Statevector):
    """Someone's own, which may do anything."""


HONOURED: dict[str, Any] = {
    "own fidelity": ("fidelity", lambda: OwnFidelity(StatevectorSampler(seed=1)), "OwnFidelity"),
    "own sampler": ("fidelity", lambda: ComputeUncompute(OwnSampler(seed=1)), "OwnSampler"),
    "local": (
        "fidelity",
        lambda: ComputeUncompute(StatevectorSampler(seed=1), local=True),
        "ComputeUncompute",
    ),
    "own state": ("statevector_type", lambda: OwnState, "OwnState"),
}


@pytest.mark.parametrize("case", HONOURED)
def test_what_is_not_known_is_honoured_with_one_warning(case: str) -> None:
    role, given, word = HONOURED[case]
    for name in WITH_FIDELITY if role == "fidelity" else OF_STATES:
        with pytest.warns(UserWarning, match=word) as warned:
            ours = build(jaxqnn, name, **{role: given()})
        assert len(warned) == 1
        assert warned[0].filename == __file__
        assert not ours.runs_on_jax
        theirs = build(qml, name, **{role: given()})
        np.testing.assert_allclose(ours.evaluate(X), theirs.evaluate(X), atol=1e-12)
        with pytest.raises(jaxqnn.JaxQNNError, match="cannot be accelerated"):
            jaxqnn.accelerate(theirs)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_pickled_and_copied(name: str) -> None:
    kernel = build(jaxqnn, name)
    matrix = kernel.evaluate(X)
    for twin in (
        pickle.loads(pickle.dumps(kernel)),
        dill.loads(dill.dumps(kernel)),
        copy.deepcopy(kernel),
    ):
        assert type(twin) is type(kernel)
        np.testing.assert_array_equal(twin.evaluate(X), matrix)
        np.testing.assert_array_equal(twin.apply(X), kernel.apply(X))


@pytest.mark.parametrize("name", KERNELS)
def test_twins_of_kernels(name: str) -> None:
    kernel = build(qml, name)
    twin = jaxqnn.accelerate(kernel)
    assert type(twin) is getattr(jaxqnn, name)
    assert jaxqnn.accelerate(twin) is twin
    np.testing.assert_allclose(twin.evaluate(X), kernel.evaluate(X), atol=1e-9)


@pytest.mark.parametrize("name", KERNELS)
def test_twins_keep_shots_unless_exact(name: str) -> None:
    sampler = StatevectorSampler(default_shots=30, seed=1)
    shots = {"fidelity": ComputeUncompute(sampler)} if name in WITH_FIDELITY else {"shots": 30}
    kernel = build(qml, name, **shots)
    twin = jaxqnn.accelerate(kernel)
    algorithm_globals.random_seed = 1
    expected = kernel.evaluate(X)
    algorithm_globals.random_seed = 1
    np.testing.assert_allclose(twin.evaluate(X), expected, atol=1e-9)
    exact = jaxqnn.accelerate(kernel, exact=True)
    np.testing.assert_allclose(exact.evaluate(X), brute_force(X, X, name), atol=1e-12)
    again = jaxqnn.accelerate(twin, exact=True)
    np.testing.assert_allclose(again.evaluate(X), brute_force(X, X, name), atol=1e-12)
    assert jaxqnn.accelerate(exact, exact=True) is exact


MACHINES: dict[str, Callable[[Any], Any]] = {
    "classifier": lambda kernel: QSVC(quantum_kernel=kernel, C=3.0),
    "regressor": lambda kernel: QSVR(quantum_kernel=kernel),
    "pegasos": lambda kernel: PegasosQSVC(quantum_kernel=kernel, num_steps=20, seed=5),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_support_vector_machines(machine: str) -> None:
    theirs = MACHINES[machine](build(qml, "FidelityStatevectorKernel"))
    unfitted = jaxqnn.accelerate(theirs)
    assert type(unfitted) is type(theirs)
    fitted = []
    for model in (theirs, unfitted, MACHINES[machine](build(jaxqnn, "FidelityQuantumKernel"))):
        algorithm_globals.random_seed = 5
        fitted.append(model.fit(X, LABELS).predict(Y))
    for found in fitted[1:]:
        np.testing.assert_allclose(found, fitted[0], atol=1e-6)
    twin = jaxqnn.accelerate(theirs)
    np.testing.assert_allclose(twin.predict(Y), fitted[0], atol=1e-9)
    assert twin.quantum_kernel is not theirs.quantum_kernel
    assert jaxqnn.accelerate(twin) is twin
    # Fitting the twin leaves the original as it was.
    twin.fit(X, -LABELS)
    np.testing.assert_array_equal(theirs.predict(Y), fitted[0])


@pytest.mark.parametrize(
    "model", [QSVC(quantum_kernel="precomputed"), PegasosQSVC(precomputed=True)]
)
def test_a_machine_of_matrices_has_no_kernel_to_accelerate(model: Any) -> None:
    with pytest.raises(jaxqnn.JaxQNNError, match="takes matrices"):
        jaxqnn.accelerate(model)


def test_scikit_learn_takes_it() -> None:
    kernel = build(jaxqnn, "FidelityQuantumKernel")
    assert SVC(kernel=kernel.evaluate).fit(X, LABELS).predict(Y).shape == (4,)


def test_the_trainer_walks_the_same_way() -> None:
    values = []
    for library in (qml, jaxqnn):
        algorithm_globals.random_seed = 6
        kernel = build(library, "TrainableFidelityStatevectorKernel")
        trainer = QuantumKernelTrainer(
            kernel,
            optimizer=SPSA(maxiter=3, learning_rate=0.1, perturbation=0.1),
            initial_point=VALUES,
        )
        trainer.fit(X, LABELS)
        values.append(kernel.parameter_values)
    np.testing.assert_allclose(values[1], values[0], atol=1e-6)


BAD: dict[str, Any] = {
    "other features": (lambda lib: build(lib, "FidelityQuantumKernel").evaluate(np.ones((2, 3)))),
    "other features of y": (
        lambda lib: build(lib, "FidelityStatevectorKernel").evaluate(X, np.ones((2, 3)))
    ),
    "three axes": lambda lib: build(lib, "FidelityQuantumKernel").evaluate(np.ones((2, 2, 2))),
    "duplicates": lambda lib: build(
        lib, "FidelityQuantumKernel", evaluate_duplicates="some"
    ).evaluate(X),
    "no feature map": lambda lib: lib.FidelityQuantumKernel(),
    "jobs of nothing": lambda lib: build(lib, "FidelityQuantumKernel", max_circuits_per_job=0),
    "no values": lambda lib: lib.TrainableFidelityQuantumKernel(**TRAINABLE).evaluate(X),
    "no shots": lambda lib: build(
        lib, "FidelityQuantumKernel", fidelity=ComputeUncompute(StatevectorSampler(default_shots=0))
    ).evaluate(X),
    "no shots of states": lambda lib: build(lib, "FidelityStatevectorKernel", shots=0).evaluate(X),
    "negative shots": lambda lib: build(lib, "FidelityStatevectorKernel", shots=-3).evaluate(X),
    "a seed that is none": lambda lib: build(
        lib,
        "FidelityQuantumKernel",
        fidelity=ComputeUncompute(StatevectorSampler(seed="seven")),
    ).evaluate(X),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused_where_qml_refuses_them(case: str) -> None:
    if case != "no shots of states":  # QML divides zero by zero there
        with pytest.raises(Exception):  # noqa: B017, PT011 - QML raises many kinds
            BAD[case](qml)
    with pytest.raises((QiskitMachineLearningError, ValueError)):
        BAD[case](jaxqnn)


def test_a_feature_map_that_is_no_state_is_refused() -> None:
    circuit = zz_feature_map(2, reps=1)
    circuit.reset(0)
    circuit.h(0)
    kernel = jaxqnn.FidelityQuantumKernel(feature_map=circuit)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match="reset"):
        kernel.evaluate(X)


def test_wrong_widths_of_apply_are_refused() -> None:
    kernel = build(jaxqnn, "TrainableFidelityQuantumKernel")
    with pytest.raises(jaxqnn.JaxQNNError, match="last axis of inputs"):
        kernel.apply(np.ones((2, 3)))
    with pytest.raises(jaxqnn.JaxQNNError, match="last axis of weights"):
        kernel.apply(X, X, np.ones(3))


def test_measured_feature_maps_and_vectors_of_parameters() -> None:
    x = ParameterVector("x", 2)
    circuit = QuantumCircuit(2)
    circuit.ry(x[0], 0)
    circuit.rx(x[1], 1)
    circuit.cx(0, 1)
    bare = circuit.copy()
    circuit.measure_all()
    ours = jaxqnn.FidelityQuantumKernel(feature_map=circuit)
    theirs = qml.FidelityQuantumKernel(feature_map=bare)
    np.testing.assert_allclose(ours.evaluate(X), theirs.evaluate(X), atol=1e-9)
