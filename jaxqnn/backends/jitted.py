"""The primitives as a backend, where CUDA kernels do them: one small program of XLA a circuit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import jax
import numpy as np

from jaxqnn.backends.atoms import Atoms
from jaxqnn.backends.backend import Floats, Precision, Pull
from jaxqnn.batches import Footprint
from jaxqnn.engine.measurement import Measurement
from jaxqnn.model import Model
from jaxqnn.processes import refuse_after_fork
from jaxqnn.promotion import usual_promotion
from jaxqnn.sweep import entries


class JittedBackend:
    """See ``Backend``.

    Args:
        model: The measured circuit.
        precision: "double" computes in float64 whatever JAX's global setting, "single" in float32.
        device: Where to compute; None is JAX's default device.
    """

    keeps_states = False

    def __init__(self, model: Model, precision: Precision, device: jax.Device | None) -> None:
        self._model, self._device = model, device
        self._is_double = precision == "double"
        self._atoms = None if model.atoms is None else Atoms(model.columns)
        self.num_cotangents = model.num_outputs

    def footprint(self, num_cotangents: int) -> Footprint:
        """See ``Backend``."""
        return self._model.kernel_footprint(num_cotangents, 8 if self._is_double else 4)

    def value(self, x: Floats, w: Floats) -> Floats:
        """See ``Backend``."""
        with self._settings():
            columns = self._columns(x, w)
            return np.asarray(entries.value(self._model.arrays, self._measurement, *columns))

    def jacobian(self, x: Floats, w: Floats, *, wrt_inputs: bool) -> tuple[Floats, Floats]:
        """See ``Backend``."""
        del wrt_inputs  # they cost next to nothing
        with self._settings():
            columns = self._columns(x, w)
            found = entries.jacobian(self._model.arrays, self._measurement, *columns)
            if self._atoms is not None:
                found = self._atoms.pull_each(x, w, *found)
            by_inputs, by_weights = jax.device_get(found)
        return by_inputs, by_weights

    def linearized(self, x: Floats, w: Floats) -> tuple[Floats, Pull]:
        """See ``Backend``; the pull-back evolves the states anew."""

        def pull(cotangent: Floats) -> tuple[Floats, Floats]:
            with self._settings():
                columns = self._columns(x, w)
                found = entries.vjp(self._model.arrays, self._measurement, *columns, cotangent)
                if self._atoms is not None:
                    found = self._atoms.pull_sum(x, w, *found)
                of_inputs, of_weights = jax.device_get(found)
            return of_inputs, of_weights

        return self.value(x, w), pull

    @contextmanager
    def _settings(self) -> Iterator[None]:
        refuse_after_fork()
        with usual_promotion(), jax.enable_x64(self._is_double), jax.default_device(self._device):
            yield

    def _columns(self, x: Floats, w: Floats) -> tuple[Any, Any]:
        return (x, w) if self._atoms is None else self._atoms.columns(x, w)

    @cached_property
    def _measurement(self) -> Measurement:
        """On the device; copies, as ``XlaBackend`` makes them."""
        host = jax.tree.map(np.copy, self._model.measurement)
        found: Measurement = jax.device_put(host, self._device)
        return found
