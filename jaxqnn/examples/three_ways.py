"""One classifier trained three ways: by qiskit-machine-learning, by PyTorch and by optax.

    python -m jaxqnn.examples.three_ways

The same circuit learns to tell malignant from benign tumours, from the same start, by the same
rule (Adam on the mean squared error).  The three differ in who calls the gradient only, so they
end with the same weights, up to the digits of their floating point.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from qiskit_machine_learning.algorithms import NeuralNetworkClassifier
from qiskit_machine_learning.optimizers import ADAM

import jaxqnn
from jaxqnn.examples.command import missing, run
from jaxqnn.examples.data import Data, FloatArray, breast_cancer
from jaxqnn.examples.training import accuracy, classifier, initial_weights, minimise

try:
    import torch
except ImportError:
    raise missing(__name__, "torch", "torch") from None

RATE = 0.1  # Adam's learning rate


def by_classifier(data: Data, steps: int) -> FloatArray:
    """QML's own classifier, which calls `forward` and `backward`."""
    qnn = classifier()
    model = NeuralNetworkClassifier(
        qnn,
        loss="squared_error",
        optimizer=ADAM(maxiter=steps, lr=RATE, beta_2=0.999),
        initial_point=initial_weights(qnn.num_weights),
    )
    model.fit(data.train_points, data.train_targets)
    return np.asarray(model.weights)


def by_torch(data: Data, steps: int) -> FloatArray:
    """A PyTorch module, whose backward pass is one VJP."""
    qnn = classifier()
    model = jaxqnn.TorchConnector(qnn, initial_weights(qnn.num_weights))
    points, labels = torch.tensor(data.train_points), torch.tensor(data.train_targets)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(model(points)[:, 0], labels).backward()
        optimiser.step()
    return np.asarray(model.weight.detach())


def by_optax(data: Data, steps: int) -> FloatArray:
    """The pure function `apply` in a JAX program of its own."""
    qnn = classifier()
    points, labels = jnp.asarray(data.train_points), jnp.asarray(data.train_targets)

    def loss(weights: jax.Array) -> jax.Array:
        return jnp.mean((qnn.apply(points, weights)[:, 0] - labels) ** 2)

    weights = jnp.asarray(initial_weights(qnn.num_weights))
    weights, _ = jax.jit(lambda w: minimise(loss, w, optax.adam(RATE), steps))(weights)
    return np.asarray(weights, np.float64)


WAYS: dict[str, Callable[[Data, int], FloatArray]] = {
    "QML classifier": by_classifier,
    "PyTorch": by_torch,
    "optax": by_optax,
}


def main(steps: int = 60) -> dict[str, float]:
    """Trains all three ways.

    Returns:
        The accuracy of each on the test set.
    """
    data, qnn, found = breast_cancer(), classifier(), {}
    for name, train in WAYS.items():
        begun = time.perf_counter()
        weights = train(data, steps)
        elapsed = time.perf_counter() - begun
        loss = np.mean((qnn.forward(data.train_points, weights)[:, 0] - data.train_targets) ** 2)
        found[name] = accuracy(qnn.forward(data.test_points, weights)[:, 0], data.test_targets)
        print(f"{name:15}  loss {loss:.4f}  test accuracy {found[name]:.3f}  {elapsed:.1f} s")
    return found


if __name__ == "__main__":
    run(main, __doc__)
