"""What computes: XLA's kernels on a device or a mesh, or the sweeps that Numba compiled."""

from __future__ import annotations

import jax
from jax.sharding import Mesh

from jaxqnn.backends.backend import Backend, Precision
from jaxqnn.backends.xla import XlaBackend
from jaxqnn.batches import platform
from jaxqnn.measure.eager import knows
from jaxqnn.model import WIDEST_LABEL, Model

__all__ = ["Backend", "Precision", "choose"]


def choose(
    model: Model, precision: Precision, device: jax.Device | None, mesh: Mesh | None
) -> Backend:
    """The compiled sweeps on a CPU, where NumPy can measure their states; else XLA."""
    # A wider state's labels do not fit the measurement's masks, nor the state any machine.
    is_cpu = model.program.num_qubits <= WIDEST_LABEL and mesh is None
    is_cpu = is_cpu and platform(device) == "cpu"
    if is_cpu and knows(model.measurement, model.program.num_qubits):
        # Importing Numba takes a while, and only those who get here need it.
        from jaxqnn.backends.compiled import CompiledBackend

        return CompiledBackend(model, precision)
    return XlaBackend(model, precision, device, mesh)
