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
        """The outputs (m, B) of a state (2^n, 2, B)."""

    def cotangents(self, state: jax.Array) -> jax.Array:
        """The gradient of each output by the state, (2^n, 2, m, B)."""
