"""The compiled sweeps as a backend: called from Python, with nothing to compile for a circuit.

NaN and infinity pass through them as they do through XLA, without NumPy's warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np

from jaxqnn.backends.atoms import Atoms
from jaxqnn.backends.backend import Floats, Precision, Pull
from jaxqnn.batches import Footprint
from jaxqnn.engine.measurement import Measurement
from jaxqnn.measure.outcomes import Diagonal, PauliSums, in_precision
from jaxqnn.model import Model
from jaxqnn.processes import cores, refuse_after_fork
from jaxqnn.promotion import usual_promotion
from jaxqnn.sweep.compiling import announce
from jaxqnn.sweep.cpu import job as words
from jaxqnn.sweep.cpu.request import Sizes, room_numbers, template
from jaxqnn.sweep.cpu.running import address, aligned, run
from jaxqnn.sweep.cpu.written import HEAD

# Amplitudes times layers for which a second thread is worth being called.
_MANY = 1 << 16


class CompiledBackend:
    """See ``Backend``; on the CPU, without JAX but for angles that are no polynomials.

    Args:
        model: The measured circuit.
        precision: "double" or "single": of what is passed and returned.
    """

    keeps_states = True

    def __init__(self, model: Model, precision: Precision) -> None:
        announce()
        self._model, self._is_double = model, precision == "double"
        self._atoms = None if model.atoms is None else Atoms(model.columns)
        self._head = tuple(model.arrays.words[:HEAD].tolist())
        self._program = model.arrays.words.ctypes.data
        self._is_tiled = self._head[15] > 0
        self._cores = cores()
        self._size = 1 << model.program.num_qubits
        self._footprints: dict[int, Footprint] = {}
        columns = sum(model.arrays.column_counts)
        self._by_push = model.num_outputs > columns
        self.num_cotangents = min(model.num_outputs, columns)

    # Made when they are asked for: those of wide states are large.
    @cached_property
    def _measurement(self) -> Measurement:
        dtype = np.dtype(np.float64 if self._is_double else np.float32)
        return in_precision(self._model.measurement, dtype)

    @cached_property
    def _weights(self) -> Floats | None:
        """Of outputs that the sweeps measure themselves."""
        return self._measurement.weights if isinstance(self._measurement, Diagonal) else None

    def footprint(self, num_cotangents: int) -> Footprint:
        """See ``Backend``."""
        if num_cotangents not in self._footprints:
            itemsize = 8 if self._is_double else 4
            found = self._model.native_footprint(num_cotangents, itemsize)
            self._footprints[num_cotangents] = found
        return self._footprints[num_cotangents]

    def value(self, x: Floats, w: Floats) -> Floats:
        """See ``Backend``."""
        with np.errstate(all="ignore"):
            columns = self._columns(x, w)
            if self._weights is not None:
                shape = x.shape[0], 2, self._size
                return self._measured(*columns, aligned(shape, x.dtype) if self._is_tiled else None)
            return self._measurement.outputs(self._evolved(*columns))

    def jacobian(self, x: Floats, w: Floats, *, wrt_inputs: bool) -> tuple[Floats, Floats]:
        """See ``Backend``."""
        wrt_inputs = wrt_inputs or self._model.has_mixed_atoms
        with np.errstate(all="ignore"):
            columns = self._columns(x, w)
            if self._by_push:
                found = self._pushed(*columns, self._evolved(*columns), wrt_inputs)
            else:
                of_x, of_w = self._pulled_each(*columns, wrt_inputs=wrt_inputs)
                found = of_x.swapaxes(0, 1), of_w.swapaxes(0, 1)
        if self._atoms is None:
            return found
        with self._jax():
            by_inputs, by_weights = self._atoms.pull_each(x, w, *found)
            return np.asarray(by_inputs), np.asarray(by_weights)

    def linearized(self, x: Floats, w: Floats, *, wrt_inputs: bool = True) -> tuple[Floats, Pull]:
        """See ``Backend``."""
        wrt_inputs = wrt_inputs or self._model.has_mixed_atoms
        with np.errstate(all="ignore"):
            columns = self._columns(x, w)
            # The Jacobian of one output is its pull-back. One diagonal of a large state costs no
            # pass of its own, and one sum of Pauli strings has its bra and its value in one.
            is_one = self._model.num_outputs == 1
            jacobian: Callable[..., tuple[Floats, Floats]] | None = None
            if is_one and self._is_tiled and self._weights is not None:
                state = aligned((x.shape[0], 2, self._size), columns[0].dtype)
                outputs = self._measured(*columns, state)
                jacobian = partial(self._pulled_each, *columns, state)
            elif is_one and isinstance(self._measurement, PauliSums):
                state = self._evolved(*columns)
                outputs, bras = self._measurement.with_bras(state)
                jacobian = partial(self._pulled, *columns, state, bras)
            else:
                state = self._evolved(*columns)
                outputs = self._measurement.outputs(state)

        def pull(cotangent: Floats) -> tuple[Floats, Floats]:
            with np.errstate(all="ignore"):
                if jacobian is not None:
                    of_x, of_w = jacobian(wrt_inputs=wrt_inputs)
                    found = cotangent * of_x[0], (cotangent * of_w[0]).sum(axis=0)
                else:
                    bras = self._measurement.pull(state, cotangent)[None]
                    of_x, of_w = self._pulled(*columns, state, bras, wrt_inputs=wrt_inputs)
                    found = of_x[0], of_w[0].sum(axis=0)
            if self._atoms is None:
                return found
            with self._jax():
                of_inputs, of_weights = self._atoms.pull_sum(x, w, *found)
                return np.asarray(of_inputs), np.asarray(of_weights)

        return outputs, pull

    @contextmanager
    def _jax(self) -> Iterator[None]:
        refuse_after_fork()
        with usual_promotion(), jax.enable_x64(self._is_double):
            yield

    def _columns(self, x: Floats, w: Floats) -> tuple[Floats, Floats]:
        if self._atoms is not None:
            with self._jax():
                x, w = (np.asarray(part) for part in self._atoms.columns(x, w))
        return np.ascontiguousarray(x), np.ascontiguousarray(w)

    def _evolved(self, x: Floats, w: Floats) -> Floats:
        """The final states, (B, 2, 2^n)."""
        out = aligned((x.shape[0], 2, self._size), x.dtype)
        self._run(words.EVOLVE, x, w, {words.OUT: out})
        return out

    def _measured(self, x: Floats, w: Floats, state: Floats | None) -> Floats:
        """The outputs (B, m), by diagonals; large states are written to ``state``."""
        assert self._weights is not None
        out = np.empty((x.shape[0], self._weights.shape[0]), x.dtype)
        arrays = {words.WEIGHTS: self._weights, words.OUT: out}
        if state is not None:
            arrays[words.STATE] = state
        self._run(words.VALUE, x, w, arrays, directions=self._weights.shape[0])
        return out

    def _pulled_each(
        self, x: Floats, w: Floats, state: Floats | None = None, *, wrt_inputs: bool
    ) -> tuple[Floats, Floats]:
        """From the gradient of each output, (m, B, P) and (m, B, W); the states may be known."""
        if self._weights is None:
            state = self._evolved(x, w)
            return self._pulled(x, w, state, self._measurement.bras(state), wrt_inputs=wrt_inputs)
        arrays, sizes = {words.WEIGHTS: self._weights}, (self._weights.shape[0], wrt_inputs)
        if not self._is_tiled:
            return self._cotangents(words.JACOBIAN, x, w, arrays, *sizes)
        arrays[words.STATE] = self._evolved(x, w) if state is None else state
        return self._cotangents(words.PULL, x, w, arrays, *sizes)

    def _pulled(
        self, x: Floats, w: Floats, state: Floats, bras: Floats, *, wrt_inputs: bool
    ) -> tuple[Floats, Floats]:
        """From bras (m, B, 2, 2^n): (m, B, P) and (m, B, W)."""
        # Those of amplitudes repeat for all samples.
        arrays = {words.STATE: state, words.BRA: np.ascontiguousarray(bras)}
        return self._cotangents(words.PULL, x, w, arrays, bras.shape[0], wrt_inputs)

    def _cotangents(
        self,
        operation: int,
        x: Floats,
        w: Floats,
        arrays: dict[int, Floats],
        count: int,
        wrt_inputs: bool,
    ) -> tuple[Floats, Floats]:
        of_x = np.empty((count, x.shape[0], x.shape[1]), x.dtype)
        of_w = np.empty((count, x.shape[0], w.size), x.dtype)
        arrays = arrays | {words.OUT_X: of_x, words.OUT_W: of_w}
        self._run(operation, x, w, arrays, directions=count, wrt_inputs=wrt_inputs)
        return of_x, of_w

    def _pushed(
        self, x: Floats, w: Floats, state: Floats, wrt_inputs: bool
    ) -> tuple[Floats, Floats]:
        """The Jacobian, by forward mode along every column that is wanted."""
        batch, inputs = x.shape
        skipped = 0 if wrt_inputs else inputs
        unit = np.eye(inputs + w.size, dtype=x.dtype)[skipped:]
        count = len(unit)
        along_x = np.repeat(unit[:, None, :inputs], batch, axis=1)
        along_w = np.ascontiguousarray(unit[:, inputs:])
        out = np.empty((count, batch, 2, self._size), x.dtype)
        arrays = {words.ALONG_X: along_x, words.ALONG_W: along_w, words.OUT: out}
        self._run(words.PUSH, x, w, arrays, directions=count)
        found = self._measurement.push(state, out)
        if skipped:
            return np.zeros((*found.shape[:2], inputs), x.dtype), found
        return found[..., :inputs], found[..., inputs:]

    def _threads(self, operation: int, size: Sizes) -> int:
        """How many threads may share a job: more than one from about 0.2 ms of work on."""
        carried = 1 if operation in (words.EVOLVE, words.VALUE) else 1 + size.directions
        amplitudes = size.batch * carried * self._size
        is_worth = self._is_tiled or amplitudes * len(self._model.program.layers) >= _MANY
        return self._cores if is_worth else 1

    def _run(
        self, operation: int, x: Floats, w: Floats, arrays: dict[int, Floats], **sizes: Any
    ) -> None:
        single = x.dtype == np.float32
        size = Sizes(1, x.shape[0], single=single, **sizes)
        job = template(operation, size, self._head, self._threads(operation, size)).copy()
        room = aligned((room_numbers(job),))
        job[words.PROGRAM], job[words.ROOM] = self._program, address(room)
        job[words.X], job[words.W] = address(x), address(w)
        for word, array in arrays.items():
            job[word] = address(array)
        run(job)
