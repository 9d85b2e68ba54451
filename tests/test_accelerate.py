"""accelerate: the twin of a model gives the same numbers, and what has no twin is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparing import assert_all_close, dense
from network_pairs import ANSATZ, FEATURE_MAP, NETWORK, OwnEstimator, OwnSampler, parity
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.algorithms import (
    VQC,
    VQR,
    NeuralNetworkClassifier,
    NeuralNetworkRegressor,
)
from qiskit_machine_learning.gradients import (
    DerivativeType,
    LinCombEstimatorGradient,
    LinCombSamplerGradient,
    ParamShiftEstimatorGradient,
    ParamShiftSamplerGradient,
    SPSAEstimatorGradient,
)
from qiskit_machine_learning.neural_networks import EffectiveDimension, EstimatorQNN, SamplerQNN
from qiskit_machine_learning.optimizers import COBYLA, SLSQP
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler
from qiskit_machine_learning.utils import algorithm_globals

import jaxqnn

X = np.random.default_rng(0).uniform(-1, 1, (6, 2))
Y = np.array([1, -1, 1, 1, -1, -1])
START = np.full(4, 0.2)


def with_reset() -> dict[str, Any]:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.reset(0)
    return NETWORK | {"circuit": circuit.compose(NETWORK["circuit"])}


def estimator_qnn(**changes: Any) -> EstimatorQNN:
    return EstimatorQNN(**NETWORK, **changes)


def sampler_qnn(**changes: Any) -> SamplerQNN:
    return SamplerQNN(**NETWORK, **changes)


NETWORKS = {
    "estimator": lambda: estimator_qnn(estimator=QMLEstimator(), input_gradients=True),
    "observables": lambda: estimator_qnn(
        estimator=QMLEstimator(), observables=[SparsePauliOp("XY"), SparsePauliOp("ZI")]
    ),
    "default estimator": lambda: estimator_qnn(),
    "our gradient": lambda: estimator_qnn(gradient=jaxqnn.JaxEstimatorGradient()),
    "linear combination": lambda: estimator_qnn(gradient=LinCombEstimatorGradient(QMLEstimator())),
    "sampler": lambda: sampler_qnn(),
    "interpret": lambda: sampler_qnn(interpret=parity, output_shape=2, input_gradients=True),
    "sparse": lambda: sampler_qnn(sparse=True),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_twin_of_a_network(name: str) -> None:
    network = NETWORKS[name]()
    twin = jaxqnn.accelerate(network)
    assert isinstance(twin, jaxqnn.EstimatorQNN | jaxqnn.SamplerQNN)
    assert isinstance(twin, type(network))
    assert twin.output_shape == network.output_shape
    assert twin.sparse == network.sparse
    assert twin.input_gradients == network.input_gradients
    same(twin, network, X)
    assert jaxqnn.accelerate(twin) is twin


def same(twin: Any, network: Any, points: Any) -> None:
    found, expected = (
        (each.forward(points, START), *each.backward(points, START)) for each in (twin, network)
    )
    assert_all_close(found, expected, atol=1e-9)


def trained(steps: int, optimizer: Any = SLSQP) -> dict[str, Any]:
    """The arguments of a model that takes a few steps from a known start."""
    return {"optimizer": optimizer(maxiter=steps), "initial_point": START}


def lowest_bit(outcome: int) -> int:
    return outcome % 2


OF_MODEL: dict[str, Any] = {"feature_map": FEATURE_MAP, "ansatz": ANSATZ}
MODELS = {
    "classifier": lambda: NeuralNetworkClassifier(
        estimator_qnn(estimator=QMLEstimator()), **trained(3)
    ),
    "one-hot classifier": lambda: NeuralNetworkClassifier(
        sampler_qnn(interpret=lowest_bit, output_shape=2),
        one_hot=True,
        loss="cross_entropy",
        **trained(3),
    ),
    "regressor": lambda: NeuralNetworkRegressor(
        estimator_qnn(estimator=QMLEstimator()), **trained(3)
    ),
    "vqc": lambda: VQC(**OF_MODEL, **trained(3)),
    "vqr": lambda: VQR(**OF_MODEL, estimator=QMLEstimator(), **trained(3)),
}


@pytest.mark.parametrize("name", MODELS)
def test_twin_of_a_model(name: str) -> None:
    model = MODELS[name]()
    unfitted = jaxqnn.accelerate(model)
    assert type(unfitted) is type(model)
    assert unfitted.neural_network is not model.neural_network
    model.fit(X, Y)
    fitted = jaxqnn.accelerate(model)
    np.testing.assert_array_equal(fitted.weights, model.weights)
    np.testing.assert_allclose(fitted.predict(X), model.predict(X), atol=1e-9)
    assert fitted.score(X, Y) == pytest.approx(model.score(X, Y), abs=1e-9)
    unfitted.fit(X, Y)
    np.testing.assert_allclose(unfitted.weights, model.weights, atol=1e-6)
    assert jaxqnn.accelerate(fitted) is fitted


def test_the_original_stays_as_it_was() -> None:
    model = MODELS["one-hot classifier"]()
    network = model.neural_network
    words = np.where(Y > 0, "yes", "no")
    model.fit(X, words)
    before = model.predict(X)
    twin = jaxqnn.accelerate(model)
    twin.fit(X, np.where(Y > 0, "plus", "minus"))
    assert model.neural_network is network
    np.testing.assert_array_equal(model.predict(X), before)


REFUSED = {
    "own sampler": (lambda: sampler_qnn(sampler=OwnSampler()), "sampler, a OwnSampler"),
    "own estimator": (
        lambda: estimator_qnn(estimator=OwnEstimator()),
        "estimator, a OwnEstimator",
    ),
    "approximate gradient": (
        lambda: estimator_qnn(gradient=SPSAEstimatorGradient(QMLEstimator(), 0.1)),
        "gradient, a SPSAEstimatorGradient",
    ),
    "another derivative": (
        lambda: estimator_qnn(
            gradient=LinCombEstimatorGradient(QMLEstimator(), DerivativeType.IMAG)
        ),
        "gradient, a LinComb",
    ),
    "gradient with shots": (
        lambda: sampler_qnn(gradient=LinCombSamplerGradient(StatevectorSampler())),
        "gradient, a LinCombSampler",
    ),
    "subclass": (lambda: type("Mine", (EstimatorQNN,), {})(**NETWORK), "Mine is a subclass"),
    "something else": (lambda: COBYLA(), "COBYLA has no network"),
    "a reset that draws": (
        lambda: EstimatorQNN(**with_reset(), estimator=StatevectorEstimator(seed=1)),
        "does not prepare one state",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_why(name: str) -> None:
    build, message = REFUSED[name]
    with pytest.raises(jaxqnn.JaxQNNError, match=message):
        jaxqnn.accelerate(build())


def test_a_model_of_a_refused_network_is_refused() -> None:
    model = NeuralNetworkClassifier(estimator_qnn(estimator=OwnEstimator()))
    with pytest.raises(jaxqnn.JaxQNNError, match="OwnEstimator"):
        jaxqnn.accelerate(model)


SAMPLED = {
    "estimator": lambda: estimator_qnn(estimator=StatevectorEstimator(seed=1)),
    "precision": lambda: estimator_qnn(
        estimator=QMLEstimator(default_precision=0.1, seed=1), default_precision=0.2
    ),
    "gradient with noise": lambda: estimator_qnn(
        gradient=ParamShiftEstimatorGradient(StatevectorEstimator(default_precision=0.1, seed=1))
    ),
    "sampler": lambda: sampler_qnn(sampler=StatevectorSampler(seed=1)),
    "shots": lambda: sampler_qnn(sampler=QMLSampler(shots=10, seed=1), sparse=True),
    "gradient with shots": lambda: sampler_qnn(
        gradient=ParamShiftSamplerGradient(StatevectorSampler(seed=1))
    ),
}


@pytest.mark.parametrize("name", SAMPLED)
def test_noise_and_shots_keep_their_meaning_unless_exact(name: str) -> None:
    network = SAMPLED[name]()
    twin = jaxqnn.accelerate(network)
    same(twin, network, X[:2])
    assert jaxqnn.accelerate(twin) is twin
    plain = estimator_qnn() if isinstance(network, EstimatorQNN) else sampler_qnn()
    for sampled in (network, twin):
        exact = jaxqnn.accelerate(sampled, exact=True)
        assert exact.is_exact
        assert exact.sparse == network.sparse
        found, expected = exact.forward(X, START), jaxqnn.accelerate(plain).forward(X, START)
        np.testing.assert_allclose(dense(found), expected, atol=1e-9)
        assert jaxqnn.accelerate(exact, exact=True) is exact


def test_exact_twins_of_models() -> None:
    vqc = VQC(**OF_MODEL, sampler=StatevectorSampler(seed=1))
    assert not jaxqnn.accelerate(vqc).neural_network.is_exact
    assert jaxqnn.accelerate(vqc, exact=True).neural_network.is_exact


MODELS_WITH_SHOTS = {
    "vqc": lambda: VQC(
        **OF_MODEL,
        sampler=StatevectorSampler(default_shots=100, seed=np.random.default_rng(1)),
        **trained(12, COBYLA),
    ),
    "vqr": lambda: VQR(
        **OF_MODEL,
        estimator=StatevectorEstimator(seed=np.random.default_rng(1)),
        **trained(8, COBYLA),  # later, the last digit may turn SciPy 1.13's elsewhere
    ),
    "classifier": lambda: NeuralNetworkClassifier(
        estimator_qnn(estimator=StatevectorEstimator(default_precision=0.1, seed=1)), **trained(2)
    ),
    "one-hot classifier": lambda: NeuralNetworkClassifier(
        sampler_qnn(sampler=StatevectorSampler(seed=1), interpret=lowest_bit, output_shape=2),
        one_hot=True,
        **trained(1),
    ),
}


@pytest.mark.parametrize("name", MODELS_WITH_SHOTS)
def test_a_model_with_shots_trains_as_before(name: str) -> None:
    theirs, ours = MODELS_WITH_SHOTS[name](), jaxqnn.accelerate(MODELS_WITH_SHOTS[name]())
    for model in (theirs, ours):
        model.fit(X, Y)
    np.testing.assert_allclose(ours.weights, theirs.weights, atol=1e-6)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-6)


def test_effective_dimension_with_shots() -> None:
    found = []
    for network in (
        sampler_qnn(sampler=StatevectorSampler(seed=1)),
        jaxqnn.accelerate(sampler_qnn(sampler=StatevectorSampler(seed=1))),
    ):
        algorithm_globals.random_seed = 2
        dimension = EffectiveDimension(network, weight_samples=2, input_samples=X[:2])
        found.append(dimension.get_effective_dimension([100, 1000]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
