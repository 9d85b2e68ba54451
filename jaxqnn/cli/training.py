"""A classifier trained on a real data set with `qnn.apply`, `jax.grad` and optax."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray
from qiskit.circuit import ParameterVector, QuantumCircuit
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxqnn import EstimatorQNN
from jaxqnn.cli.output import Advance

FloatArray = NDArray[np.float64]
Landscape = tuple[FloatArray, FloatArray, FloatArray]

_LAYERS = 3
_SPREAD = 0.6  # radians per standard deviation: three deviations stay within (-pi, pi)
_LEARNING_RATE = 0.1
_SHARPNESS = 4.0  # <ZZ> stays within (-1, 1): a logit needs a wider range
_RESOLUTION = 80


@dataclass(frozen=True)
class Data:
    """Points in the plane of the first two principal components, with labels -1 and 1."""

    train_points: FloatArray
    train_labels: FloatArray
    test_points: FloatArray
    test_labels: FloatArray
    classes: tuple[str, str]


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
    classes: tuple[str, str]
    num_train: int
    num_weights: int
    seconds: float


def load_data(seed: int) -> Data:
    """The breast cancer data set of scikit-learn: 569 tumours, 30 measurements each."""
    data = load_breast_cancer()
    labels = 2.0 * data.target - 1.0
    train, test, train_labels, test_labels = train_test_split(
        data.data, labels, test_size=0.25, random_state=seed, stratify=labels
    )
    reduce = make_pipeline(StandardScaler(), PCA(2, whiten=True, random_state=seed)).fit(train)
    return Data(
        _SPREAD * reduce.transform(train),
        train_labels,
        _SPREAD * reduce.transform(test),
        test_labels,
        (str(data.target_names[0]), str(data.target_names[1])),
    )


def classifier_network() -> EstimatorQNN:
    """Two qubits; the inputs are encoded anew before each trainable layer; output <ZZ>."""
    inputs, weights = ParameterVector("x", 2), ParameterVector("w", 4 * _LAYERS)
    circuit = QuantumCircuit(2)
    for layer in range(_LAYERS):
        for qubit in range(2):
            circuit.ry(inputs[qubit], qubit)
            circuit.rz(weights[4 * layer + qubit], qubit)
            circuit.ry(weights[4 * layer + 2 + qubit], qubit)
        circuit.cx(0, 1)
    return EstimatorQNN(circuit=circuit, input_params=inputs, weight_params=weights)


def train(steps: int, seed: int, advance: Advance) -> Training:
    """Fit the classifier by Adam on the whole training set; `advance` is called at each step."""
    data, qnn = load_data(seed), classifier_network()
    points, labels = jnp.asarray(data.train_points), jnp.asarray(data.train_labels)
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

    rng = np.random.default_rng(seed)
    weights = jnp.asarray(rng.uniform(-0.5, 0.5, qnn.num_weights))
    state = optimiser.init(weights)
    losses, train_accuracies, test_accuracies = [], [], []
    start = time.perf_counter()
    for _ in range(steps + 1):
        test_outputs = np.asarray(predict(data.test_points, weights))
        used, (weights, state, value, outputs) = weights, step(weights, state)
        losses.append(float(value))
        train_accuracies.append(_accuracy(np.asarray(outputs), data.train_labels))
        test_accuracies.append(_accuracy(test_outputs, data.test_labels))
        advance(f"loss {losses[-1]:.3f}, test accuracy {test_accuracies[-1]:.3f}")
    elapsed = time.perf_counter() - start
    return Training(
        tuple(losses),
        tuple(train_accuracies),
        tuple(test_accuracies),
        _baseline(data),
        _landscape(lambda grid: np.asarray(predict(grid, used)), data.test_points),
        data.test_points,
        data.test_labels,
        data.classes,
        num_train=len(data.train_labels),
        num_weights=qnn.num_weights,
        seconds=elapsed,
    )


def _accuracy(outputs: FloatArray, labels: FloatArray) -> float:
    return float(np.mean(np.where(outputs >= 0, 1.0, -1.0) == labels))


def _baseline(data: Data) -> float:
    model = LogisticRegression().fit(data.train_points, data.train_labels)
    return float(model.score(data.test_points, data.test_labels))


def _landscape(output: Callable[[FloatArray], FloatArray], points: FloatArray) -> Landscape:
    """The network's output on a grid around the points."""
    low, high = points.min(axis=0) - 0.3, points.max(axis=0) + 0.3
    xs, ys = (np.linspace(low[axis], high[axis], _RESOLUTION) for axis in range(2))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    return xs, ys, output(grid.reshape(-1, 2)).reshape(grid.shape[:-1])
