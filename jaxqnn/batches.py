"""Batches in pieces: bounded memory, few compiled sizes, every core at work."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import jax
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

# A piece's state about fills a core's second-level cache; larger ones only cost memory.
_PIECE_BYTES = 1 << 20

# Below this many amplitudes in all, a second thread costs more than it brings.
_WORTH_SPLITTING = 1 << 12


@dataclass(frozen=True)
class Piece:
    """Some rows of a batch, computed as ``size`` rows of which the last may be padding."""

    start: int
    stop: int
    size: int

    def cut(self, array: Floats) -> Floats:
        """This piece of an array (B, ...), padded with zeros to (size, ...)."""
        if self.stop - self.start == self.size:
            return array[self.start : self.stop]
        out = np.zeros((self.size, *array.shape[1:]), array.dtype)
        out[: self.stop - self.start] = array[self.start : self.stop]
        return out


def split(
    batch: int,
    *,
    num_qubits: int,
    num_states: int,
    itemsize: int,
    device: jax.Device | None,
) -> list[Piece]:
    """Cuts a batch into pieces of one size.

    Args:
        batch: Samples in all.
        num_qubits: Qubits of the program.
        num_states: States kept for each sample: its own and one for each output.
        itemsize: Bytes of a real number.
        device: Where it is computed; None is JAX's default.

    Returns:
        The pieces, in order; all compute the same number of rows.
    """
    state_bytes = num_states * 2 * itemsize << num_qubits
    most = max(1, _PIECE_BYTES // state_bytes)
    workers = _workers(device)
    if workers > 1 and batch > 1 and (batch * num_states << num_qubits) >= _WORTH_SPLITTING:
        most = min(most, -(-batch // workers))
    count = -(-batch // most) if batch else 1
    size = round_up(-(-batch // count))
    return [Piece(start, min(start + size, batch), size) for start in range(0, max(batch, 1), size)]


def peak_bytes(
    pieces: Sequence[Piece], *, state_bytes: int, num_outputs: int, device: jax.Device | None
) -> int:
    """Bytes a Jacobian over these pieces takes at its peak."""
    at_once = min(len(pieces), _workers(device))
    # The state and one cotangent an output, gathered and multiplied into two more copies, and the
    # phases' cosine and sine.
    states = 3 * (1 + num_outputs) + 2
    return at_once * pieces[0].size * states * state_bytes


def round_up(size: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, 24, ...: few sizes, at most a third of it padding."""
    power = 1
    while power < size:
        power *= 2
    return power * 3 // 4 if power >= 4 and power * 3 // 4 >= size else max(power, 1)


def over_pieces(
    run: Callable[[Piece], tuple[Floats, ...]], pieces: Sequence[Piece]
) -> list[Floats]:
    """Runs a task on every piece, on several threads, and joins the rows that are no padding.

    A result with fewer rows than the piece (a sum over the batch) is kept as it is.
    """
    if len(pieces) == 1:
        found = [run(pieces[0])]
    else:
        # Compiled calls release the interpreter's lock, so threads keep all cores busy.
        found = list(_pool().map(run, pieces))
    joined = []
    for parts in zip(*found, strict=True):
        kept = [
            part[: piece.stop - piece.start] if part.shape[0] == piece.size else part
            for part, piece in zip(parts, pieces, strict=True)
        ]
        joined.append(kept[0] if len(kept) == 1 else np.concatenate(kept))
    return joined


def _workers(device: jax.Device | None) -> int:
    platform = jax.default_backend() if device is None else device.platform
    return len(os.sched_getaffinity(0)) if platform == "cpu" else 1


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_workers(None), thread_name_prefix="jaxqnn")
