"""The primitives as a backend: a small program of XLA for each circuit, on a device or a mesh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxqnn.backends import entries
from jaxqnn.backends.atoms import Atoms
from jaxqnn.backends.backend import Floats, Precision, Pull
from jaxqnn.batches import Footprint, platform
from jaxqnn.memory import default_device
from jaxqnn.model import Model
from jaxqnn.processes import refuse_after_fork
from jaxqnn.program.tables import column_order
from jaxqnn.promotion import usual_promotion
from jaxqnn.sharding.build import check_mesh, mesh_data
from jaxqnn.sharding.measured import Data, WholeStates
from jaxqnn.sweep.gpu import kernels
from jaxqnn.sweep.gpu.calls import can_sweep

# How many cotangents kernels sweep back in the time of a tangent by XLA, at least: 64 probabilities
# of 6 qubits, 256 samples, took 1.4 ms in reverse mode and 5.6 by 30 tangents on an H200.
_KERNELS_GAIN = 8


class JittedBackend:
    """See ``Backend``.

    Args:
        model: The measured circuit.
        precision: "double" computes in float64 whatever JAX's global setting, "single" in float32.
        device: Where to compute; None is JAX's default device.
        mesh: Several devices, instead.
    """

    keeps_states = False

    def __init__(
        self,
        model: Model,
        precision: Precision,
        device: jax.Device | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        self._model, self._device, self._mesh = model, device, mesh
        self._is_double = precision == "double"
        self._atoms = None if model.atoms is None else Atoms(model.columns)

    @property
    def num_cotangents(self) -> int:
        """See ``Backend``."""
        return entries.TANGENTS_AT_ONCE if self._by_tangents else self._model.num_outputs

    def footprint(self, num_cotangents: int) -> Footprint:
        """See ``Backend``."""
        itemsize = 8 if self._is_double else 4
        if self._mesh is None and self._has_kernels:
            return self._model.kernel_footprint(num_cotangents, itemsize)
        devices = 1 if self._mesh is None else check_mesh(self._mesh)
        return self._model.footprint(num_cotangents, itemsize, devices)

    def value(self, x: Floats, w: Floats) -> Floats:
        """See ``Backend``."""
        with self._settings():
            found = self._entry(entries.value)(self._data, *self._columns(x, w), mesh=self._mesh)
            return np.asarray(found)

    def jacobian(self, x: Floats, w: Floats, *, wrt_inputs: bool) -> tuple[Floats, Floats]:
        """See ``Backend``."""
        del wrt_inputs  # they cost next to nothing
        derive = entries.by_tangents if self._by_tangents else entries.by_cotangents
        with self._settings():
            columns = self._columns(x, w)
            found: Any = self._derivative(derive)(self._data, *columns, mesh=self._mesh)
            if self._atoms is not None:
                found = self._atoms.pull_each(x, w, *found)
            return _on_host(found)

    def linearized(self, x: Floats, w: Floats, *, wrt_inputs: bool = True) -> tuple[Floats, Pull]:
        """See ``Backend``; the pull-back evolves the states anew."""
        del wrt_inputs  # see above

        def pull(cotangent: Floats) -> tuple[Floats, Floats]:
            with self._settings():
                columns = self._columns(x, w)
                derive = self._derivative(entries.vjp)
                found: Any = derive(self._data, *columns, cotangent, mesh=self._mesh)
                if self._atoms is not None:
                    found = self._atoms.pull_sum(x, w, *found)
                return _on_host(found)

        return self.value(x, w), pull

    @contextmanager
    def _settings(self) -> Iterator[None]:
        refuse_after_fork()
        with usual_promotion(), jax.enable_x64(self._is_double), jax.default_device(self._device):
            yield

    def _columns(self, x: Floats, w: Floats) -> tuple[Any, Any]:
        if self._atoms is None:
            return x, w
        columns = self._atoms.columns(x, w)
        # On a mesh of several processes, only values that are no device's own can be shared.
        return columns if self._mesh is None else jax.tree.map(np.asarray, columns)

    def _entry(self, entry: Any) -> Any:
        """An entry point whose results are NumPy's next."""
        if self._mesh is not None:
            return entry
        return entries.for_host(entry, self._device or default_device())

    def _derivative(self, entry: Any) -> Any:
        """The same, unless the formulas of atoms are differentiated after it."""
        return entry if self._atoms is not None else self._entry(entry)

    @cached_property
    def _by_tangents(self) -> bool:
        """Whether a Jacobian is taken in forward mode, for it has far more outputs than columns.

        There are kernels for sweeping back alone, and XLA's tangents take longer.
        """
        most = sum(map(len, column_order(self._model.program)))
        if self._mesh is None and self._has_kernels:
            most *= _KERNELS_GAIN
        return self._model.num_outputs > most

    @cached_property
    def _has_kernels(self) -> bool:
        """Whether CUDA kernels do the sweeps."""
        is_gpu = platform(self._device) == "gpu"
        return is_gpu and can_sweep(self._model.program) and kernels.are_here()

    @cached_property
    def _data(self) -> Data:
        """The program and the measurement, on their devices."""
        model, mesh = self._model, self._mesh
        data: Data
        if mesh is None:
            data = WholeStates(model.arrays, model.measurement)
        else:
            data = mesh_data(model, mesh)
        return entries.put(data, mesh, self._device)


def _on_host(pair: tuple[jax.Array, jax.Array]) -> tuple[Floats, Floats]:
    """Both as NumPy arrays; the second is on its way while the first is waited for."""
    for part in pair:
        part.copy_to_host_async()
    first, second = pair
    return np.asarray(first), np.asarray(second)
