"""What the engine needs of a measurement; ``jaxqnn.measure`` has those there are."""

from __future__ import annotations

from typing import Protocol

import jax


class Measurement(Protocol):
    """What the engine needs of a measurement."""

    @property
    def num_outputs(self) -> int:
        """m."""

    def outputs(self, state: jax.Array) -> jax.Array:
        """The outputs (B, m) of states (B, 2, 2^n)."""

    def cotangents(self, state: jax.Array) -> jax.Array:
        """The gradient of each output by the state, (B, m, 2, 2^n)."""

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """The cotangent (B, 2, 2^n) of states from one (B, m) of their outputs."""
