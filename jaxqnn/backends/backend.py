"""What an evaluator needs of the kernels it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from jaxqnn.batches import Footprint

Precision = Literal["double", "single"]
Floats = NDArray[np.floating]
Pull = Callable[[Floats], tuple[Floats, Floats]]


class Backend(Protocol):
    """Kernels of one measured circuit: NumPy in, NumPy out, one piece of a batch at a time.

    Inputs x are (B, P), weights w are (W,), outputs (B, m).  Pieces run on several threads at once.
    """

    keeps_states: bool
    """Whether what ``linearized`` returns holds on to the states."""

    @property
    def num_cotangents(self) -> int:
        """States that a Jacobian's sweep carries beside each sample's: cotangents or tangents."""

    def footprint(self, num_cotangents: int) -> Footprint:
        """What a sweep keeps in memory."""

    def value(self, x: Floats, w: Floats) -> Floats:
        """The outputs (B, m)."""

    def jacobian(self, x: Floats, w: Floats, *, wrt_inputs: bool) -> tuple[Floats, Floats]:
        """Their derivatives (B, m, P) and (B, m, W); the first are void if not ``wrt_inputs``."""

    def linearized(self, x: Floats, w: Floats, *, wrt_inputs: bool = True) -> tuple[Floats, Pull]:
        """The outputs (B, m), and what pulls a cotangent (B, m) of them back to (B, P) and (W,).

        The first are void if not ``wrt_inputs``.
        """
