"""The whole life of a QML model with jaxqnn's networks in it."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dill
import equinox
import jax
import jax.numpy as jnp
import joblib
import numpy as np
import optax
import pytest
from network_pairs import NETWORK, parity
from qiskit_machine_learning.algorithms import NeuralNetworkClassifier, NeuralNetworkRegressor
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from qiskit_machine_learning.neural_networks import EffectiveDimension, LocalEffectiveDimension
from qiskit_machine_learning.neural_networks import EstimatorQNN as QMLEstimatorQNN
from qiskit_machine_learning.neural_networks import SamplerQNN as QMLSamplerQNN
from qiskit_machine_learning.optimizers import COBYLA, SLSQP
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import jaxqnn
import jaxqnn.sklearn

X = np.random.default_rng(0).uniform(-1, 1, (8, 2))
SIGNS = np.where(X[:, 0] * X[:, 1] > 0, 1, -1)
START = np.array([0.1, -0.2, 0.3, 0.4])


CLASSES: dict[str, Any] = {"interpret": parity, "output_shape": 2}


def networks(kind: str, **changes: Any) -> tuple[Any, Any]:
    """Return the same network as jaxqnn's and as QML's."""
    if kind == "estimator":
        exact = {"estimator": QMLEstimator()}
        return (
            jaxqnn.EstimatorQNN(**NETWORK, **changes),
            QMLEstimatorQNN(**NETWORK, **(exact | changes)),
        )
    arguments = NETWORK | CLASSES | changes
    return jaxqnn.SamplerQNN(**arguments), QMLSamplerQNN(**arguments)


class Recorder:
    """A callback that keeps the training curve."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def __call__(self, _: Any, loss: float) -> None:
        self.losses.append(float(loss))


MODELS: dict[str, Any] = {
    "binary": ("estimator", NeuralNetworkClassifier, {}, SIGNS),
    "classes": ("sampler", NeuralNetworkClassifier, {}, (SIGNS + 1) // 2),
    "one-hot": (
        "sampler",
        NeuralNetworkClassifier,
        {"one_hot": True, "loss": "cross_entropy"},
        np.where(SIGNS > 0, "plus", "minus"),
    ),
    "regression": ("estimator", NeuralNetworkRegressor, {}, np.sin(X[:, 0])),
}


@pytest.mark.parametrize("name", MODELS)
def test_training_curves_are_those_of_qml(name: str) -> None:
    kind, model_class, arguments, targets = MODELS[name]
    curves, models = [], []
    for network in networks(kind):
        recorder = Recorder()
        model = model_class(
            network,
            **arguments,
            optimizer=SLSQP(maxiter=4),
            initial_point=START,
            callback=recorder,
        ).fit(X, targets)
        curves.append(recorder.losses)
        models.append(model)
    assert curves[0][-1] < curves[0][0]
    np.testing.assert_allclose(curves[0], curves[1], atol=1e-6)
    np.testing.assert_allclose(models[0].weights, models[1].weights, atol=1e-4)
    assert models[0].score(X, targets) == pytest.approx(models[1].score(X, targets), abs=1e-4)
    np.testing.assert_array_equal(
        np.round(models[0].predict(X), 3) if name == "regression" else models[0].predict(X),
        np.round(models[1].predict(X), 3) if name == "regression" else models[1].predict(X),
    )


@pytest.mark.parametrize("kind", ["estimator", "sampler"])
def test_models_survive_dill(kind: str, tmp_path: Path) -> None:
    network, _ = networks(kind)
    targets = SIGNS if kind == "estimator" else (SIGNS + 1) // 2
    model = NeuralNetworkClassifier(network, optimizer=COBYLA(maxiter=8), initial_point=START)
    model.fit(X, targets)
    path = str(tmp_path / "model.dill")
    model.to_dill(path)
    loaded = NeuralNetworkClassifier.from_dill(path)
    np.testing.assert_array_equal(loaded.weights, model.weights)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.score(X, targets) == model.score(X, targets)


@pytest.mark.parametrize(
    "copied",
    [
        lambda network: pickle.loads(pickle.dumps(network)),
        lambda network: dill.loads(dill.dumps(network)),
        copy.deepcopy,
        copy.copy,
    ],
    ids=["pickle", "dill", "deepcopy", "copy"],
)
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("kind", ["estimator", "sampler", "outcomes"])
def test_networks_can_be_copied(kind: str, used: bool, copied: Any) -> None:
    changes = {"interpret": None, "output_shape": None} if kind == "outcomes" else {}
    network, _ = networks(kind, input_gradients=True, **changes)
    if used:
        network.backward(X, START)
    twin = copied(network)
    np.testing.assert_array_equal(twin.forward(X, START), network.forward(X, START))
    for mine, original in zip(twin.backward(X, START), network.backward(X, START), strict=True):
        np.testing.assert_array_equal(mine, original)


@pytest.mark.slow
def test_joblib_workers() -> None:
    network, _ = networks("sampler")
    expected = [network.forward(X, START + shift) for shift in (0.0, 0.1)]
    found = joblib.Parallel(n_jobs=2)(
        joblib.delayed(network.forward)(X, START + shift) for shift in (0.0, 0.1)
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["estimator", "sampler"])
def test_two_threads_at_once(kind: str) -> None:
    network, _ = networks(kind, input_gradients=True)
    starts = [START + shift for shift in np.linspace(0, 1, 8)]

    def work(start: Any) -> Any:
        return network.forward(X, start), *network.backward(X, start)

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(work, starts))
    for found, start in zip(together, starts, strict=True):
        for mine, alone in zip(found, work(start), strict=True):
            np.testing.assert_allclose(mine, alone, atol=1e-12)


def test_warm_start_continues_where_it_stopped() -> None:
    network, reference = networks("estimator")
    weights = []
    for one in (network, reference):
        model = NeuralNetworkClassifier(
            one,
            optimizer=SLSQP(maxiter=2),
            warm_start=True,
            initial_point=START,
        )
        weights.append([model.fit(X, SIGNS).weights.copy() for _ in range(2)])
    assert not np.allclose(weights[0][0], weights[0][1])
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-8)


@pytest.mark.parametrize("kind", ["estimator", "sampler"])
def test_effective_dimension(kind: str) -> None:
    network, reference = networks(kind)
    starts = np.random.default_rng(1).uniform(-1, 1, (2, 4))
    found, expected = (
        EffectiveDimension(one, starts, X[:3]).get_effective_dimension([100, 1000])
        for one in (network, reference)
    )
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    local, expected = (
        LocalEffectiveDimension(one, START, X[:3]).get_effective_dimension(1000)
        for one in (network, reference)
    )
    np.testing.assert_allclose(local, expected, atol=1e-6)


def test_pipeline_fits_qmls_own_model() -> None:
    network, _ = networks("estimator")
    model = NeuralNetworkClassifier(network, optimizer=COBYLA(maxiter=8), initial_point=START)
    make_pipeline(MinMaxScaler(), model).fit(X, SIGNS)
    direct = NeuralNetworkClassifier(network, optimizer=COBYLA(maxiter=8), initial_point=START)
    direct.fit(MinMaxScaler().fit_transform(X), SIGNS)
    np.testing.assert_array_equal(model.weights, direct.weights)


class TestScikitLearn:
    def classifier(self, **changes: Any) -> Any:
        network, _ = networks("estimator")
        arguments = {"optimizer": COBYLA(maxiter=8), "initial_point": START} | changes
        return jaxqnn.sklearn.NeuralNetworkClassifier(network, **arguments)

    def test_is_qmls_classifier(self) -> None:
        network, _ = networks("estimator")
        theirs = NeuralNetworkClassifier(network, optimizer=COBYLA(maxiter=8), initial_point=START)
        ours = self.classifier().fit(X, SIGNS)
        theirs.fit(X, SIGNS)
        assert isinstance(ours, NeuralNetworkClassifier)
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))

    def test_pipeline_predicts_and_scores(self) -> None:
        pipeline = make_pipeline(MinMaxScaler(), self.classifier()).fit(X, SIGNS)
        assert pipeline.predict(X).shape == (8, 1)
        assert 0 <= pipeline.score(X, SIGNS) <= 1

    def test_a_clone_of_a_fitted_model_starts_afresh(self) -> None:
        model = self.classifier(initial_point=None, loss="absolute_error").fit(X, SIGNS)
        twin = clone(model)
        assert model.__sklearn_is_fitted__()
        assert not twin.__sklearn_is_fitted__()
        assert twin.initial_point is None
        assert type(twin.loss) is type(model.loss)
        assert type(twin.neural_network) is jaxqnn.EstimatorQNN

    def test_parameters_can_be_set(self) -> None:
        model = self.classifier()
        network, _ = networks("sampler")
        model.set_params(neural_network=network, loss="cross_entropy", one_hot=True)
        assert model.get_params()["one_hot"] is True
        expected = jaxqnn.sklearn.NeuralNetworkClassifier(
            network,
            loss="cross_entropy",
            one_hot=True,
            optimizer=COBYLA(maxiter=8),
            initial_point=START,
        )
        words = np.where(SIGNS > 0, "plus", "minus")
        np.testing.assert_array_equal(
            model.fit(X, words).predict(X), expected.fit(X, words).predict(X)
        )

    def test_model_selection(self) -> None:
        scores = cross_val_score(self.classifier(), X, SIGNS, cv=2)
        assert scores.shape == (2,)
        network, _ = networks("estimator")
        regressor = jaxqnn.sklearn.NeuralNetworkRegressor(
            network, optimizer=COBYLA(maxiter=8), initial_point=START
        )
        search = GridSearchCV(regressor, {"loss": ["absolute_error", "squared_error"]}, cv=2).fit(
            X, np.sin(X[:, 0])
        )
        assert search.predict(X).shape == (8, 1)


class TestOtherPrimitives:
    def test_exact_ones_run_on_jax(self) -> None:
        for arguments in (
            {"estimator": QMLEstimator()},
            {"estimator": jaxqnn.JaxEstimator()},
            {"gradient": jaxqnn.JaxEstimatorGradient()},
            {"gradient": ParamShiftEstimatorGradient(QMLEstimator())},
        ):
            network = jaxqnn.EstimatorQNN(**NETWORK, **arguments)
            assert network.vjp(X, START)[0].shape == (8, 1)
        for arguments in ({"sampler": QMLSampler()}, {"sampler": jaxqnn.JaxSampler()}):
            network = jaxqnn.SamplerQNN(**NETWORK, **arguments)
            assert network.vjp(X, START)[0].shape == (8, 4)


class TestJaxEcosystem:
    def test_training_with_optax(self) -> None:
        network, _ = networks("estimator")
        optimizer = optax.adam(0.2)
        targets = jnp.asarray(SIGNS)

        def loss(weights: Any) -> Any:
            return jnp.mean((network.apply(X, weights)[:, 0] - targets) ** 2)

        @jax.jit
        def step(weights: Any, state: Any) -> Any:
            value, slope = jax.value_and_grad(loss)(weights)
            updates, state = optimizer.update(slope, state)
            return optax.apply_updates(weights, updates), state, value

        weights = jnp.asarray(START)
        state, losses = optimizer.init(weights), []
        for _ in range(20):
            weights, state, value = step(weights, state)
            losses.append(float(value))
        assert losses[-1] < 0.8 * losses[0]
        exact = np.mean((network.forward(X, np.asarray(weights))[:, 0] - SIGNS) ** 2)
        assert float(loss(weights)) == pytest.approx(exact, abs=1e-5)

    def test_a_layer_of_equinox(self) -> None:
        network, _ = networks("sampler")

        class QuantumLayer(equinox.Module):
            weights: jax.Array

            def __call__(self, inputs: Any, *, key: Any = None) -> Any:
                return network.apply(inputs, self.weights)

        model = equinox.nn.Sequential(
            [
                equinox.nn.Linear(2, 2, key=jax.random.key(0)),
                equinox.nn.Lambda(jnp.tanh),
                QuantumLayer(jnp.asarray(START)),
            ]
        )

        @equinox.filter_jit
        @equinox.filter_value_and_grad
        def loss(model: Any, inputs: Any) -> Any:
            return -jnp.mean(jnp.log(jax.vmap(model)(inputs)[:, 0]))

        value, gradient = loss(model, jnp.asarray(X))
        assert jnp.isfinite(value)
        moved = equinox.apply_updates(model, jax.tree.map(lambda g: -0.05 * g, gradient))
        assert loss(moved, jnp.asarray(X))[0] < value
