"""XLA's kernels as a backend: on one device, or on a mesh of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxqnn.backends.atoms import Atoms
from jaxqnn.backends.backend import Floats, Precision, Pull
from jaxqnn.batches import Footprint
from jaxqnn.engine import kernels
from jaxqnn.model import Model
from jaxqnn.processes import refuse_after_fork
from jaxqnn.program.tables import column_order
from jaxqnn.promotion import usual_promotion
from jaxqnn.sharding import kernels as mesh_kernels
from jaxqnn.sharding.build import check_mesh, mesh_data

_Columns = tuple[jax.Array | Floats, jax.Array | Floats]


class XlaBackend:
    """See ``Backend``.

    Args:
        model: The measured circuit.
        precision: "double" computes in float64 whatever JAX's global setting, "single" in float32.
        device: Where to compute; None is JAX's default device.
        mesh: Several devices, instead.
    """

    keeps_states = False

    def __init__(
        self, model: Model, precision: Precision, device: jax.Device | None, mesh: Mesh | None
    ) -> None:
        self._model, self._device, self._mesh = model, device, mesh
        self._precision = precision
        self._dtype = np.dtype(np.float64 if precision == "double" else np.float32)
        self._state_devices = 1 if mesh is None else check_mesh(mesh)
        self._atoms = None if model.atoms is None else Atoms(model.padded_columns)

    @property
    def num_cotangents(self) -> int:
        """See ``Backend``."""
        if self._directions is not None:
            return kernels.TANGENTS_AT_ONCE
        return self._model.num_outputs

    def footprint(self, num_cotangents: int) -> Footprint:
        """See ``Backend``."""
        return self._model.footprint(num_cotangents, self._dtype.itemsize, self._state_devices)

    def value(self, x: Floats, w: Floats) -> Floats:
        """See ``Backend``."""
        with self._settings():
            return np.asarray(self._compiled.value(*self._columns(x, w)))

    def jacobian(self, x: Floats, w: Floats, *, wrt_inputs: bool) -> tuple[Floats, Floats]:
        """See ``Backend``."""
        counts = wrt_inputs or self._weights_in_samples
        with self._settings():
            columns = self._columns(x, w)
            found: tuple[jax.Array | Floats, ...]
            if self._directions is not None:
                found = self._along(columns, *self._directions)
            else:
                found = self._compiled.jacobian(*columns, inputs_count=counts)
            if self._atoms is not None:
                found = self._atoms.pull_each(x, w, *found)
            by_inputs, by_weights = (np.asarray(part) for part in found)
        return by_inputs[..., : x.shape[1]], by_weights[..., : w.size]

    def linearized(self, x: Floats, w: Floats) -> tuple[Floats, Pull]:
        """See ``Backend``; the pull-back evolves the states anew."""

        def pull(cotangent: Floats) -> tuple[Floats, Floats]:
            with self._settings():
                _, *found = self._compiled.vjp(*self._columns(x, w), cotangent)
                if self._atoms is not None:
                    found = self._atoms.pull_sum(x, w, *found)
                of_inputs, of_weights = (np.asarray(part) for part in found)
            return of_inputs[:, : x.shape[1]], of_weights[: w.size]

        return self.value(x, w), pull

    @contextmanager
    def _settings(self) -> Iterator[None]:
        refuse_after_fork()
        is_double = self._precision == "double"
        with usual_promotion(), jax.enable_x64(is_double), jax.default_device(self._device):
            yield

    def _columns(self, inputs: Floats, w: Floats) -> _Columns:
        if self._atoms is not None:
            columns = self._atoms.columns(inputs, w)
            # On a mesh of several processes, only values that are no device's own can be shared.
            return columns if self._mesh is None else jax.tree.map(np.asarray, columns)
        num_inputs, num_weights = self._model.padded_sizes
        columns = np.zeros((inputs.shape[0], num_inputs), self._dtype)
        columns[:, : inputs.shape[1]] = inputs
        weights = np.zeros(num_weights, self._dtype)
        weights[: w.size] = w
        return columns, weights

    @cached_property
    def _directions(self) -> tuple[Floats, Floats] | None:
        """A unit vector for each of the engine's inputs and weights that is no padding.

        None where a Jacobian is computed by cotangents: with few outputs.
        """
        num_inputs, num_weights = (len(part) for part in column_order(self._model.program))
        if self._model.num_outputs <= num_inputs + num_weights:
            return None
        count = -(-(num_inputs + num_weights) // 16) * 16
        towards_inputs, towards_weights = (
            np.zeros((count, size), self._dtype) for size in self._model.padded_sizes
        )
        rows = np.arange(num_inputs + num_weights)
        towards_inputs[rows[:num_inputs], rows[:num_inputs]] = 1
        towards_weights[rows[num_inputs:], rows[:num_weights]] = 1
        return towards_inputs, towards_weights

    def _along(
        self, columns: _Columns, towards_inputs: Floats, towards_weights: Floats
    ) -> tuple[Floats, Floats]:
        """The Jacobian from tangents, in the shapes of ``kernels.jacobian``."""
        tangents = self._compiled.tangents(*columns, towards_inputs, towards_weights)
        found = np.moveaxis(np.asarray(tangents), 0, 2)
        num_inputs, num_weights = (len(part) for part in column_order(self._model.program))
        padded_inputs, padded_weights = self._model.padded_sizes
        by_inputs = np.zeros((*found.shape[:2], padded_inputs), self._dtype)
        by_weights = np.zeros((*found.shape[:2], padded_weights), self._dtype)
        by_inputs[..., :num_inputs] = found[..., :num_inputs]
        by_weights[..., :num_weights] = found[..., num_inputs : num_inputs + num_weights]
        return by_inputs, by_weights

    @cached_property
    def _compiled(self) -> _Compiled:
        """The kernels, with the program and the measurement on their devices."""
        if self._mesh is None:
            # Copies: an array that a traced function closed over with x64 off is remembered by JAX
            # 0.10 with a buffer of single precision, and would come back as that.
            host = jax.tree.map(np.copy, (self._model.tables, self._model.measurement))
            tables, measurement = jax.device_put(host, self._device)
            return _Compiled(
                partial(kernels.value, tables, measurement),
                partial(kernels.jacobian, tables, measurement),
                partial(kernels.vjp, tables, measurement),
                partial(kernels.tangents, tables, measurement),
            )
        data = mesh_kernels.put(mesh_data(self._model, self._mesh), self._mesh)
        return _Compiled(
            partial(mesh_kernels.value, data, mesh=self._mesh),
            partial(mesh_kernels.jacobian, data, mesh=self._mesh),
            partial(mesh_kernels.vjp, data, mesh=self._mesh),
            partial(mesh_kernels.tangents, data, mesh=self._mesh),
        )

    @cached_property
    def _weights_in_samples(self) -> bool:
        """Whether any angle that differs from sample to sample depends on a weight."""
        columns = self._model.tables.sample.use_source.shape[0]
        return self._model.atoms is not None or columns > self._model.padded_sizes[0]


class _Compiled(NamedTuple):
    """The engine's entry points for one network; see ``jaxqnn.engine.kernels``."""

    value: Callable[..., jax.Array]
    jacobian: Callable[..., tuple[jax.Array, jax.Array]]
    vjp: Callable[..., tuple[jax.Array, jax.Array, jax.Array]]
    tangents: Callable[..., jax.Array]
