"""The chain rule through angles that are no polynomials."""

from __future__ import annotations

from collections.abc import Callable

import jax


class Atoms:
    """Such angles' values as columns, and the derivatives of columns brought back to parameters.

    Only these small functions are compiled for the circuit; the engine's stay shared.

    Args:
        columns: (inputs (B, P), weights (W,)) -> columns (B, P') of samples, (W',) of the batch.
    """

    def __init__(
        self, columns: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    ) -> None:
        self.columns = jax.jit(columns)

        def pull_sum(
            x: jax.Array, w: jax.Array, of_inputs: jax.Array, of_weights: jax.Array
        ) -> tuple[jax.Array, ...]:
            return jax.vjp(columns, x, w)[1]((of_inputs, of_weights))

        def pull_one(
            x: jax.Array, w: jax.Array, by_inputs: jax.Array, by_weights: jax.Array
        ) -> tuple[jax.Array, ...]:
            pull = jax.vmap(jax.vjp(columns, x[None], w)[1])
            of_x, of_w = pull((by_inputs[:, None], by_weights))
            return of_x[:, 0], of_w

        self.pull_sum = jax.jit(pull_sum)
        self.pull_each = jax.jit(jax.vmap(pull_one, in_axes=(0, None, 0, 0)))
