"""Expectations of many Pauli strings, by compiled sweeps over the rows of a state."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxqnn.measure.outcomes import PauliSums
from jaxqnn.processes import cores
from jaxqnn.sweep.cpu import sums as words
from jaxqnn.sweep.cpu.layout import LANES

Array = np.ndarray[Any, Any]
Floats = NDArray[np.floating[Any]]

# Strings times rows for which a second thread is worth its start.
_MANY = 1 << 18

_SIGN_ROWS = 1.0 - 2.0 * (np.bitwise_count(np.arange(LANES)[:, None] & np.arange(LANES)) & 1)


class _Groups(NamedTuple):
    """Strings by their shifts, see ``sweep.cpu.strings``, with the output that a group adds to."""

    first: Array
    masks: Array
    coefficients: Array
    shifts: Array
    outputs: Array


class ManyStrings:
    """See ``PauliSums``: on wide states, or so many strings that tables would be slow to read.

    Args:
        sums: Of strings on three qubits or more.
    """

    def __init__(self, sums: PauliSums) -> None:
        self._num_outputs = sums.num_outputs
        coefficients = np.asarray(sums.coefficients)
        present = np.any(coefficients != 0, axis=2)
        self._groups = _Groups(
            np.cumsum([0, *present.sum(axis=1)], dtype=np.int64),
            np.asarray(sums.masks).astype(np.int64)[present],
            np.ascontiguousarray(coefficients[present], float),
            np.asarray(sums.shift).astype(np.int64),
            np.asarray(sums.output).astype(np.int64),
        )

    def outputs(self, state: Floats) -> Floats:
        """See ``eager.Outcomes``."""
        found = [_values(self._groups, one, self._num_outputs) for one in state]
        return np.asarray(found).astype(state.dtype)

    def bras(self, state: Floats) -> Floats:
        """See ``eager.Outcomes``."""
        found = np.zeros((self._num_outputs, *state.shape), state.dtype)
        twice = np.full(self._groups.shifts.size, 2.0)
        for b, one in enumerate(state):
            _images(self._groups, twice, one, found[:, b])
        return found

    def pull(self, state: Floats, cotangent: Floats) -> Floats:
        """See ``eager.Outcomes``."""
        found = np.zeros((1, *state.shape), state.dtype)
        of_one = self._groups._replace(outputs=np.zeros_like(self._groups.outputs))
        for b, one in enumerate(state):
            factors = 2.0 * cotangent[b, self._groups.outputs].astype(float)
            _images(of_one, factors, one, found[:, b])
        return found

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """See ``eager.Outcomes``."""
        return np.einsum("mbpx,tbpx->bmt", self.bras(state), tangents)


def _images(groups: _Groups, factors: Array, state: Array, out: Array) -> None:
    """Adds each group's image of a state to its output's, times the group's factor.

    Args:
        groups: Of strings on three qubits or more.
        factors: (G,) of double precision.
        state: (2, 2^n), contiguous, of single or double precision.
        out: (m, 2, 2^n) of the same type, each state contiguous.
    """
    given = {words.OUT: out.ctypes.data, words.STRIDE: out.strides[0] // out.itemsize}
    _share_out(groups, factors, state, [given])


def _values(groups: _Groups, state: Array, num_outputs: int) -> Array:
    """The expectation values (m,) of a state; see ``_images``."""
    found = np.zeros((cores(), num_outputs, LANES))
    each = [{words.VALUES: own.ctypes.data} for own in found]
    _share_out(groups, np.ones(groups.shifts.size), state, each)
    return np.asarray(found.sum(axis=(0, 2)))


def _share_out(
    groups: _Groups, factors: Array, state: Array, each: Sequence[dict[int, int]]
) -> None:
    rows = state.shape[1] // LANES
    blocks = max(1, rows >> words.BLOCK_BITS)
    several = rows * groups.masks.size >= _MANY
    threads = min(cores(), blocks) if several else 1
    job = np.zeros((threads, words.SIZE), np.int64)
    job[:, words.STATE], job[:, words.SINGLE] = state.ctypes.data, state.dtype == np.float32
    job[:, words.QUBITS], job[:, words.GROUPS] = rows.bit_length() + 2, groups.shifts.size
    job[:, words.FIRST], job[:, words.MASKS] = groups.first.ctypes.data, groups.masks.ctypes.data
    job[:, words.COEFFICIENTS] = groups.coefficients.ctypes.data
    job[:, words.SHIFTS], job[:, words.OUTPUTS] = (
        groups.shifts.ctypes.data,
        groups.outputs.ctypes.data,
    )
    job[:, words.FACTORS], job[:, words.SIGNS] = factors.ctypes.data, _SIGN_ROWS.ctypes.data
    for i, own in enumerate(job):
        own[words.BEGIN], own[words.END] = i * blocks // threads, (i + 1) * blocks // threads
        for word, value in each[i % len(each)].items():
            own[word] = value
    # Importing what Numba compiles takes a while.
    from jaxqnn.sweep.cpu.strings import function

    helpers = [Thread(target=function(), args=(own.ctypes.data,)) for own in job[1:]]
    for helper in helpers:
        helper.start()
    function()(job.ctypes.data)
    for helper in helpers:
        helper.join()
