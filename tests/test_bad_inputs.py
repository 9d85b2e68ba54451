"""What cannot be drawn from or compared is refused, wherever it is given: to networks, to kernels,
to what is accelerated.  Where QML raises, so does this, and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from error_form import assert_raises
from ideal_pairs import X as INPUTS
from ideal_pairs import assert_same, run
from kernel_pairs import KERNELS, OF_STATES, WITH_FIDELITY, X, build
from network_pairs import NETWORK, WEIGHTS
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit_machine_learning import kernels as qml_kernels
from qiskit_machine_learning import neural_networks as qml
from qiskit_machine_learning.gradients import (
    ParamShiftEstimatorGradient,
    ParamShiftSamplerGradient,
)
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler
from qiskit_machine_learning.state_fidelities import ComputeUncompute

import jaxqnn

Call = Callable[[Any], Any]

# What is no seed, no number of shots, no precision.
SEEDS: dict[str, Any] = {"a word": "seven", "a fraction": 1.5, "negative": -1, "a class": object}
SHOTS: dict[str, Any] = {"none at all": 0, "negative": -3, "a fraction": 2.5, "a text": "10"}
PRECISIONS: dict[str, Any] = {"negative": -0.1, "a text": "0.1", "complex": 1j}


def network(name: str, **given: Any) -> Call:
    return lambda library: getattr(library, name)(**NETWORK, **given)


def forward(made: Call, library: Any) -> Any:
    return made(library).forward(INPUTS, WEIGHTS)


def backward(made: Call, library: Any) -> Any:
    return made(library).backward(INPUTS, WEIGHTS)


def accelerated(method: Callable[..., Any], made: Call) -> Any:
    """What is computed by the twin of QML's own network."""
    return method(lambda library: jaxqnn.accelerate(made(library)), qml)


Case = tuple[Callable[..., Any], Call, tuple[str, ...]]


def networks() -> dict[str, Case]:
    """The method that must raise, the network, and words of the message."""
    found: dict[str, Case] = {}
    for kind, seed in SEEDS.items():
        words = ("seed", repr(seed))
        sampler = network("SamplerQNN", sampler=StatevectorSampler(seed=seed))
        noisy = network(
            "EstimatorQNN", estimator=StatevectorEstimator(default_precision=0.1, seed=seed)
        )
        # No noise is drawn for its gradient, and a seed it must be all the same.
        exact = network("EstimatorQNN", estimator=StatevectorEstimator(seed=seed))
        for name, made in (("sampler", sampler), ("noise", noisy), ("exact gradient", exact)):
            found[f"seed of {name}, {kind}: forward"] = forward, made, words
            found[f"seed of {name}, {kind}: backward"] = backward, made, words
    for kind, shots in SHOTS.items():
        made = network("SamplerQNN", sampler=StatevectorSampler(default_shots=shots))
        for method in (forward, backward):
            found[f"shots, {kind}: {method.__name__}"] = method, made, ("shots", repr(shots))
    for kind, precision in PRECISIONS.items():
        words = ("precision", repr(precision))
        made = network(
            "EstimatorQNN", estimator=StatevectorEstimator(), default_precision=precision
        )
        found[f"precision, {kind}: forward"] = forward, made, words
        made = network("EstimatorQNN", estimator=StatevectorEstimator(default_precision=precision))
        found[f"precision, {kind}: backward"] = backward, made, words
    return found


NETWORKS = networks()


@pytest.mark.parametrize("case", NETWORKS)
def test_networks(case: str) -> None:
    method, made, words = NETWORKS[case]
    with pytest.raises(Exception):  # noqa: B017, PT011 - QML raises many kinds
        method(made, qml)
    assert_raises(lambda: method(made, jaxqnn), ValueError, words)
    assert_raises(lambda: accelerated(method, made), jaxqnn.InvalidArgumentError, words)


@pytest.mark.parametrize("precision", [np.nan, np.inf])
def test_no_number_is_no_precision(precision: float) -> None:
    """QML computes with it, and gives neither a warning nor a number."""
    made = network("EstimatorQNN", estimator=StatevectorEstimator(), default_precision=precision)
    assert not np.isfinite(forward(made, qml)).any()
    assert_raises(lambda: forward(made, jaxqnn), ValueError, ("precision", str(precision)))


POINTS: dict[str, tuple[Any, ...]] = {
    "more features": (np.ones((2, 3)),),
    "fewer features": (np.ones((2, 1)),),
    "one point of more": (np.ones(3),),
    "more features of y": (X, np.ones((2, 3))),
    "fewer features of y": (X, np.ones((2, 1))),
    "three axes": (np.ones((2, 2, 2)),),
    "three axes of y": (X, np.ones((2, 2, 2))),
    "a number": (1.0,),
    "nothing": (None,),
    "rows of different lengths": ([[1.0, 2.0], [3.0]],),
}
# QML takes some of these for numbers, or compares them as they are.
NO_NUMBERS: dict[str, tuple[Any, ...]] = {
    "words": (np.array([["a", "b"]]),),
    "words of y": (X, np.array([["a", "b"]])),
    "complex": (1j * X,),
    "a hole": (np.array([[None, 1.0]]),),
}


@pytest.mark.parametrize("case", POINTS | NO_NUMBERS)
@pytest.mark.parametrize("name", KERNELS)
def test_points_of_kernels(name: str, case: str) -> None:
    points = (POINTS | NO_NUMBERS)[case]
    theirs = build(qml_kernels, name)
    if case in POINTS:
        with pytest.raises((ValueError, IndexError)):
            theirs.evaluate(*points)
    words = ("y_vec" if len(points) > 1 else "x_vec", "points")
    for kernel in (build(jaxqnn, name), jaxqnn.accelerate(theirs)):
        assert_raises(partial(kernel.evaluate, *points), jaxqnn.InvalidArgumentError, words)


def test_numbers_of_any_kind_are_points() -> None:
    kernel = build(jaxqnn, "FidelityQuantumKernel")
    expected = kernel.evaluate(np.array([[0.0, 1.0], [1.0, 1.0]]))
    for points in ([[0, 1], [1, 1]], [[False, True], [True, True]]):
        np.testing.assert_array_equal(kernel.evaluate(points), expected)
        objects = np.array(points, dtype=object)
        np.testing.assert_array_equal(kernel.evaluate(objects), expected)


def fidelity(**sampler: Any) -> dict[str, Any]:
    return {"fidelity": ComputeUncompute(StatevectorSampler(**sampler))}


Drawn = tuple[str, dict[str, Any], tuple[str, ...]]


def draws() -> dict[str, Drawn]:
    found: dict[str, Drawn] = {}
    for name in WITH_FIDELITY:
        for kind, seed in SEEDS.items():
            found[f"{name}, seed {kind}"] = name, fidelity(seed=seed), ("seed", repr(seed))
        for kind, shots in SHOTS.items():
            words = ("shots", repr(shots))
            found[f"{name}, shots {kind}"] = name, fidelity(default_shots=shots), words
            option = ComputeUncompute(StatevectorSampler(), options={"shots": shots})
            found[f"{name}, option shots {kind}"] = name, {"fidelity": option}, words
    for name in OF_STATES:
        for kind, shots in SHOTS.items():
            found[f"{name}, shots {kind}"] = name, {"shots": shots}, ("shots", repr(shots))
    return found


DRAWS = draws()


@pytest.mark.parametrize("case", DRAWS)
def test_draws_of_kernels(case: str) -> None:
    name, given, words = DRAWS[case]
    theirs = build(qml_kernels, name, **given)
    if name in WITH_FIDELITY:  # the others' shots are taken for whole, or divided by
        with pytest.raises(Exception):  # noqa: B017, PT011 - QML raises many kinds
            theirs.evaluate(X)
    for kernel in (build(jaxqnn, name, **given), jaxqnn.accelerate(theirs)):
        assert_raises(partial(kernel.evaluate, X), jaxqnn.InvalidArgumentError, words)


def test_options_of_a_fidelity_that_are_changed_count() -> None:
    found = []
    for library in (jaxqnn, qml_kernels):
        given = ComputeUncompute(StatevectorSampler(seed=1))
        kernel = build(library, "FidelityQuantumKernel", fidelity=given)
        before = kernel.evaluate(X)
        given.update_default_options(shots=17)
        found.append((before, kernel.evaluate(X)))
        assert not np.allclose(*found[-1])
    assert_same(*found)
    given.update_default_options(shots=0)
    assert_raises(
        lambda: build(jaxqnn, "FidelityQuantumKernel", fidelity=given).evaluate(X),
        ValueError,
        ("shots", "0"),
    )


CHANGED: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "gradient of a sampler": (
        "SamplerQNN",
        "gradient",
        lambda: ParamShiftSamplerGradient(StatevectorSampler(seed=1)),
    ),
    "gradient of an estimator": (
        "EstimatorQNN",
        "gradient",
        lambda: ParamShiftEstimatorGradient(StatevectorEstimator(default_precision=0.1, seed=1)),
    ),
    "sampler": ("SamplerQNN", "sampler", lambda: QMLSampler(shots=60, seed=1)),
    "estimator": (
        "EstimatorQNN",
        "estimator",
        lambda: QMLEstimator(default_precision=0.1, seed=1),
    ),
}


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("case", CHANGED)
def test_options_that_nothing_reads_may_be_changed(case: str, early: bool) -> None:
    """Those of ideal simulators and of gradients on them are a record, as in QML."""
    name, role, make = CHANGED[case]
    found = []
    for library in (jaxqnn, qml):
        given = make()
        update = given.update_default_options if role == "gradient" else given.options.update
        change = partial(update, shots=5, precision=0.7, default_shots=5, default_precision=0.5)
        if early:
            change(seed=9)
        made = getattr(library, name)(**NETWORK, **{role: given})
        change()
        found.append(run(made))
    assert_same(*found)
