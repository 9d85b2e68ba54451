"""Kernels give QML's matrices: exact, and with seeded shots, for every argument."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_all_close
from kernel_pairs import (
    KERNELS,
    OF_STATES,
    TWICE,
    VALUES,
    WITH_FIDELITY,
    X,
    Y,
    brute_force,
    build,
)
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.library import z_feature_map, zz_feature_map
from qiskit.primitives import StatevectorSampler
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_machine_learning import kernels as qml
from qiskit_machine_learning.primitives import QMLSampler
from qiskit_machine_learning.state_fidelities import ComputeUncompute
from qiskit_machine_learning.utils import algorithm_globals

import jaxqnn
from jaxqnn.kernels import states


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
    found = []
    for library in (jaxqnn, qml):
        kernel = build(library, name, shots=40, enforce_psd=enforce_psd)
        algorithm_globals.random_seed = 11
        found.append([kernel.evaluate(TWICE), kernel.evaluate(X, Y)])
    assert_all_close(*found, atol=1e-9)


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
