"""A classifier trained on a real data set with `qnn.apply`, `jax.grad` and optax."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.linear_model import LogisticRegression

from jaxqnn.cli.output import Advance
from jaxqnn.examples.data import Data, FloatArray, breast_cancer
from jaxqnn.examples.training import accuracy, classifier, initial_weights

Landscape = tuple[FloatArray, FloatArray, FloatArray]

_LEARNING_RATE = 0.1
_SHARPNESS = 4.0  # <ZZ> stays within (-1, 1): a logit needs a wider range
_RESOLUTION = 80


@dataclass(frozen=True)
class Training:
    """The course of a training run.

    Attributes:
        losses: Mean cross-entropy on the training set before each step and after the last.
        train_accuracies: Fraction of the training set classified rightly, at the same times.
        test_accuracies: The same for the test set.
        baseline_accuracy: What logistic regression on the same points reaches on the test set.
        landscape: Axes and values of the trained network's output over the plane.
        seconds: Duration of all steps, compilation included.
    """

    losses: tuple[float, ...]
    train_accuracies: tuple[float, ...]
    test_accuracies: tuple[float, ...]
    baseline_accuracy: float
    landscape: Landscape
    test_points: FloatArray
    test_labels: FloatArray
    classes: tuple[str, ...]
    num_train: int
    num_weights: int
    seconds: float


def train(steps: int, seed: int, advance: Advance) -> Training:
    """Fit the classifier by Adam on the whole training set; `advance` is called at each step."""
    data, qnn = breast_cancer(seed=seed), classifier()
    points, labels = jnp.asarray(data.train_points), jnp.asarray(data.train_targets)
    optimiser = optax.adam(_LEARNING_RATE)

    def loss(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs = qnn.apply(points, weights)[:, 0]
        return jnp.mean(jax.nn.softplus(-_SHARPNESS * labels * outputs)), outputs

    @jax.jit
    def step(
        weights: jax.Array, state: optax.OptState
    ) -> tuple[jax.Array, optax.OptState, jax.Array, jax.Array]:
        (value, outputs), gradient = jax.value_and_grad(loss, has_aux=True)(weights)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(weights, updates), state, value, outputs

    predict = jax.jit(lambda inputs, weights: qnn.apply(inputs, weights)[:, 0])

    weights = jnp.asarray(initial_weights(qnn.num_weights, seed))
    state = optimiser.init(weights)
    losses, train_accuracies, test_accuracies = [], [], []
    start = time.perf_counter()
    for _ in range(steps + 1):
        test_outputs = np.asarray(predict(data.test_points, weights))
        used, (weights, state, value, outputs) = weights, step(weights, state)
        losses.append(float(value))
        train_accuracies.append(accuracy(np.asarray(outputs), data.train_targets))
        test_accuracies.append(accuracy(test_outputs, data.test_targets))
        advance(f"loss {losses[-1]:.3f}, test accuracy {test_accuracies[-1]:.3f}")
    elapsed = time.perf_counter() - start
    return Training(
        tuple(losses),
        tuple(train_accuracies),
        tuple(test_accuracies),
        _baseline(data),
        _landscape(lambda grid: np.asarray(predict(grid, used)), data.test_points),
        data.test_points,
        data.test_targets,
        data.classes,
        num_train=len(data.train_targets),
        num_weights=qnn.num_weights,
        seconds=elapsed,
    )


def _baseline(data: Data) -> float:
    model = LogisticRegression().fit(data.train_points, data.train_targets)
    return float(model.score(data.test_points, data.test_targets))


def _landscape(output: Callable[[FloatArray], FloatArray], points: FloatArray) -> Landscape:
    """The network's output on a grid around the points."""
    low, high = points.min(axis=0) - 0.3, points.max(axis=0) + 0.3
    xs, ys = (np.linspace(low[axis], high[axis], _RESOLUTION) for axis in range(2))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    return xs, ys, output(grid.reshape(-1, 2)).reshape(grid.shape[:-1])
