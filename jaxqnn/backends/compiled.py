"""The compiled sweeps as a backend.

NaN and infinity pass through them as they do through XLA, without NumPy's warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np

from jaxqnn.backends.atoms import Atoms
from jaxqnn.backends.backend import Floats, Pull
from jaxqnn.batches import Footprint
from jaxqnn.model import Model
from jaxqnn.native.kernels import Kernels
from jaxqnn.processes import refuse_after_fork
from jaxqnn.program.tables import column_order
from jaxqnn.promotion import usual_promotion


class CompiledBackend:
    """See ``Backend``; in float64, on the CPU, without JAX but for angles that are no polynomials.

    Args:
        model: The measured circuit; ``jaxqnn.native.can_run`` says which.
    """

    keeps_states = True

    def __init__(self, model: Model) -> None:
        self._model, self._kernels = model, Kernels(model)
        self._atoms = None if model.atoms is None else Atoms(model.columns)
        columns = sum(len(part) for part in column_order(model.program))
        self._footprints: dict[int, Footprint] = {}
        self.num_cotangents = min(model.measurement.num_outputs, columns)

    def footprint(self, num_cotangents: int) -> Footprint:
        """See ``Backend``."""
        if num_cotangents not in self._footprints:
            self._footprints[num_cotangents] = self._model.native_footprint(num_cotangents)
        return self._footprints[num_cotangents]

    def value(self, x: Floats, w: Floats) -> Floats:
        """See ``Backend``."""
        with np.errstate(all="ignore"):
            return self._kernels.value(*self._columns(x, w))

    def jacobian(self, x: Floats, w: Floats, *, wrt_inputs: bool) -> tuple[Floats, Floats]:
        """See ``Backend``."""
        del wrt_inputs  # they cost next to nothing
        with np.errstate(all="ignore"):
            found = self._kernels.jacobian(*self._columns(x, w))
        if self._atoms is None:
            return found
        with _double_precision():
            by_inputs, by_weights = self._atoms.pull_each(x, w, *found)
            return np.asarray(by_inputs), np.asarray(by_weights)

    def linearized(self, x: Floats, w: Floats) -> tuple[Floats, Pull]:
        """See ``Backend``."""
        with np.errstate(all="ignore"):
            outputs, pull_columns = self._kernels.linearized(*self._columns(x, w))

        def pull(cotangent: Floats) -> tuple[Floats, Floats]:
            with np.errstate(all="ignore"):
                found = pull_columns(cotangent)
            if self._atoms is None:
                return found
            with _double_precision():
                of_inputs, of_weights = self._atoms.pull_sum(x, w, *found)
                return np.asarray(of_inputs), np.asarray(of_weights)

        return outputs, pull

    def _columns(self, x: Floats, w: Floats) -> tuple[Floats, Floats]:
        if self._atoms is None:
            return x, w
        with _double_precision():
            of_samples, shared = self._atoms.columns(x, w)
            return np.asarray(of_samples), np.asarray(shared)


@contextmanager
def _double_precision() -> Iterator[None]:
    refuse_after_fork()
    with usual_promotion(), jax.enable_x64(True):
        yield
