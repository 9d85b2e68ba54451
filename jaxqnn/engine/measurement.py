"""What the engine needs of a measurement; ``jaxqnn.measure`` has those there are."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jaxqnn.program.tables import Array

Floats = NDArray[np.floating[Any]]


class Measurement(Protocol):
    """What the engine needs of a measurement: m real outputs of states (B, 2, 2^n)."""

    @property
    def num_outputs(self) -> int:
        """m."""

    def outputs(self, state: Array) -> Array:
        """The outputs (B, m)."""

    def bras(self, state: Array) -> Array:
        """The gradient of each output by the state, (m, B, 2, 2^n)."""

    def pull(self, state: Array, cotangent: Array) -> Array:
        """The state's cotangent (B, 2, 2^n) from one (B, m) of the outputs."""

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """The outputs' derivatives (B, m, T) along tangents (T, B, 2, 2^n); JAX finds its own."""
