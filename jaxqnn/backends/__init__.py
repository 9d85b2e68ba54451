"""What computes: XLA's kernels on a device or a mesh, or the sweeps that Numba compiled."""

from __future__ import annotations

import jax
from jax.sharding import Mesh

from jaxqnn.backends.backend import Backend, Precision
from jaxqnn.backends.xla import XlaBackend
from jaxqnn.batches import platform
from jaxqnn.model import Model
from jaxqnn.native import can_run

__all__ = ["Backend", "Precision", "choose"]


def choose(
    model: Model, precision: Precision, device: jax.Device | None, mesh: Mesh | None
) -> Backend:
    """The compiled sweeps where they can run, which is in double precision on a CPU; else XLA."""
    is_cpu = mesh is None and platform(device) == "cpu"
    if is_cpu and precision == "double" and can_run(model):
        # Importing Numba takes a while, and only those who get here need it.
        from jaxqnn.backends.compiled import CompiledBackend

        return CompiledBackend(model)
    return XlaBackend(model, precision, device, mesh)
