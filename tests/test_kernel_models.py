"""Kernels in models, twins and pickles; what is not known is honoured, what is wrong refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import dill
import numpy as np
import pytest
from kernel_pairs import (
    KERNELS,
    LABELS,
    OF_STATES,
    TRAINABLE,
    VALUES,
    WITH_FIDELITY,
    X,
    Y,
    brute_force,
    build,
)
from network_pairs import OwnSampler
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import zz_feature_map
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import Statevector
from qiskit_machine_learning import QiskitMachineLearningError
from qiskit_machine_learning import kernels as qml
from qiskit_machine_learning.algorithms import QSVC, QSVR, PegasosQSVC
from qiskit_machine_learning.kernels.algorithms import QuantumKernelTrainer
from qiskit_machine_learning.optimizers import SPSA
from qiskit_machine_learning.state_fidelities import ComputeUncompute
from qiskit_machine_learning.utils import algorithm_globals
from sklearn.svm import SVC

import jaxqnn


class OwnFidelity(ComputeUncompute):
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
        assert warned[0].filename == build.__code__.co_filename
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
    "duplicates": lambda lib: build(
        lib, "FidelityQuantumKernel", evaluate_duplicates="some"
    ).evaluate(X),
    "no feature map": lambda lib: lib.FidelityQuantumKernel(),
    "jobs of nothing": lambda lib: build(lib, "FidelityQuantumKernel", max_circuits_per_job=0),
    "no values": lambda lib: lib.TrainableFidelityQuantumKernel(**TRAINABLE).evaluate(X),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused_where_qml_refuses_them(case: str) -> None:
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
