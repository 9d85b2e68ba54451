"""What computes: Numba's sweeps on a CPU; what JAX compiles on a GPU, elsewhere and on a mesh."""

from __future__ import annotations

import jax
from jax.sharding import Mesh

from jaxqnn.backends.backend import Backend, Precision
from jaxqnn.backends.jitted import JittedBackend
from jaxqnn.batches import platform
from jaxqnn.model import WIDEST_LABEL, Model

__all__ = ["Backend", "Precision", "choose"]


def choose(
    model: Model, precision: Precision, device: jax.Device | None, mesh: Mesh | None
) -> Backend:
    """Compiled sweeps on a CPU, of all states that labels can count; else what JAX compiles."""
    is_countable = model.program.num_qubits <= WIDEST_LABEL
    if mesh is None and platform(device) == "cpu" and is_countable:
        # Importing Numba takes a while, and only those who get here need it.
        from jaxqnn.backends.compiled import CompiledBackend

        return CompiledBackend(model, precision)
    return JittedBackend(model, precision, device, mesh)
