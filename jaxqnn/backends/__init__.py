"""What computes: Numba's sweeps on a CPU; what JAX compiles on a GPU, elsewhere and on a mesh."""

from __future__ import annotations

import jax
from jax.sharding import Mesh

from jaxqnn.backends.backend import Backend, Precision
from jaxqnn.backends.jitted import JittedBackend
from jaxqnn.batches import platform
from jaxqnn.measure.eager import knows
from jaxqnn.measure.observables import TABULATED_QUBITS
from jaxqnn.measure.specification import Expectation
from jaxqnn.model import WIDEST_LABEL, Model

__all__ = ["Backend", "Precision", "choose"]


def choose(
    model: Model, precision: Precision, device: jax.Device | None, mesh: Mesh | None
) -> Backend:
    """Compiled sweeps on a CPU, where NumPy can measure their states; else what JAX compiles."""
    if mesh is None and platform(device) == "cpu" and _is_known(model):
        # Importing Numba takes a while, and only those who get here need it.
        from jaxqnn.backends.compiled import CompiledBackend

        return CompiledBackend(model, precision)
    return JittedBackend(model, precision, device, mesh)


def _is_known(model: Model) -> bool:
    """Whether NumPy can measure the states, found out without a table that does not fit."""
    num_qubits = model.program.num_qubits
    if num_qubits > TABULATED_QUBITS and not isinstance(model.specification, Expectation):
        return False
    return num_qubits <= WIDEST_LABEL and knows(model.measurement)
