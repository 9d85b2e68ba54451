"""What an evaluator needs of the kernels it runs."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from jaxqnn.batches import Footprint

Precision = Literal["double", "single"]
Floats = NDArray[np.floating]


class Backend(Protocol):
    """Kernels of one measured circuit: NumPy in, NumPy out, one piece of a batch at a time.

    Inputs x are (B, P), weights w are (W,), outputs (B, m).  Pieces run on several threads at once.
    """

    @property
    def num_cotangents(self) -> int:
        """States that a Jacobian's sweep carries beside each sample's: cotangents or tangents."""

    def footprint(self, num_cotangents: int) -> Footprint:
        """What a sweep keeps in memory."""

    def value(self, x: Floats, w: Floats) -> Floats:
        """The outputs (B, m)."""

    def jacobian(self, x: Floats, w: Floats, *, wrt_inputs: bool) -> tuple[Floats, Floats]:
        """Their derivatives (B, m, P) and (B, m, W); the first are void if not ``wrt_inputs``."""

    def vjp(self, x: Floats, w: Floats, cotangent: Floats) -> tuple[Floats, Floats]:
        """Cotangents (B, P) and (W,) from one of the outputs (B, m)."""
