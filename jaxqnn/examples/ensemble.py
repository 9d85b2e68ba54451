"""A classifier trained from 32 starts at once: one `jax.vmap` over the whole training.

    python -m jaxqnn.examples.ensemble

The landscape of a quantum network has poor minima, so where training ends depends on where it
starts.  The whole training loop is a function of the start; `vmap` runs all of them as one batch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxqnn.examples.command import run
from jaxqnn.examples.data import FloatArray, breast_cancer
from jaxqnn.examples.training import accuracy, classifier, minimise


@dataclass(frozen=True)
class Ensemble:
    """Where each start ended.

    Attributes:
        losses: Mean squared error on the training set before each step, shape (starts, steps).
        accuracies: Fraction of the test set classified rightly, shape (starts,).
    """

    losses: FloatArray
    accuracies: FloatArray


def train(starts: int = 32, steps: int = 60, seed: int = 0) -> Ensemble:
    """Trains the same network from many starts drawn over all angles."""
    data, qnn = breast_cancer(), classifier()
    points, labels = jnp.asarray(data.train_points), jnp.asarray(data.train_targets)

    def loss(weights: jax.Array) -> jax.Array:
        return jnp.mean((qnn.apply(points, weights)[:, 0] - labels) ** 2)

    def train_one(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        return minimise(loss, weights, optax.adam(0.1), steps)

    key = jax.random.key(seed)
    begin = jax.random.uniform(key, (starts, qnn.num_weights), minval=-jnp.pi, maxval=jnp.pi)
    weights, losses = jax.jit(jax.vmap(train_one))(begin)
    # Leading axes broadcast: every start with every sample.
    outputs = qnn.apply(jnp.asarray(data.test_points), weights[:, None])[..., 0]
    return Ensemble(
        np.asarray(losses, np.float64),
        np.array([accuracy(one, data.test_targets) for one in np.asarray(outputs)]),
    )


def main() -> None:
    """Trains the ensemble and shows its best, median and worst."""
    begun = time.perf_counter()
    found = train()
    elapsed = time.perf_counter() - begun
    last = found.losses[:, -1]
    order = np.argsort(last)
    print(f"{len(last)} trainings of {found.losses.shape[1]} steps in {elapsed:.1f} s")
    for name, which in (("best", 0), ("median", len(last) // 2), ("worst", -1)):
        index = order[which]
        print(f"{name:6}  loss {last[index]:.4f}  test accuracy {found.accuracies[index]:.3f}")


if __name__ == "__main__":
    run(main, __doc__)
