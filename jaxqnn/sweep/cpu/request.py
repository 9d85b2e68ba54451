"""Jobs as Python writes them: without addresses for XLA, with them to run on NumPy's arrays."""

from __future__ import annotations

import ctypes
from concurrent.futures import Executor
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from jaxqnn.sweep.cpu import job as words
from jaxqnn.sweep.cpu.layout import LANES, lanes_are_labels

Array = np.ndarray[Any, Any]


class Sizes(NamedTuple):
    """What a call is about.

    Attributes:
        members: E, weight vectors.
        batch: B, samples of each.
        directions: T, of the columns or of bras.
        bras: 1 or T, see ``job.BRAS``.
        classes: C, see ``job``.
        single: Whether numbers are of single precision.
    """

    members: int
    batch: int
    directions: int = 1
    bras: int = 1
    classes: int = 1
    single: bool = False


@lru_cache(maxsize=1024)
def template(operation: int, sizes: Sizes, head: tuple[int, ...], threads: int) -> Array:
    """A job without addresses.

    Args:
        operation: One of ``job``'s.
        sizes: Of the call.
        head: The first words of the program, see ``steps``.
        threads: How many may work on it at most.
    """
    n, _, inputs, weights, _, layers, rotated, shared, sample, given = head[:10]
    items = sizes.members * sizes.batch
    by_label = lanes_are_labels(n, items)
    groups = items if by_label else -(-items // LANES)
    together = min(words.TOGETHER, sizes.directions)
    shape = (inputs, weights, layers * rotated, shared, sample, given, head[11])
    # Importing what Numba compiles takes a while.
    from jaxqnn.sweep.cpu.jit import python_of
    from jaxqnn.sweep.cpu.room import room_sizes

    room = sum(python_of(room_sizes)(operation, together, by_label, n, shape))
    found = np.zeros(words.SIZE, np.int64)
    found[words.OPERATION], found[words.IS_SINGLE] = operation, sizes.single
    found[words.BY_LABEL], found[words.GROUPS] = by_label, groups
    found[words.MEMBERS], found[words.BATCH] = sizes.members, sizes.batch
    found[words.DIRECTIONS], found[words.BRAS] = sizes.directions, sizes.bras
    found[words.CLASSES] = sizes.classes
    found[words.ROOM_BYTES] = 8 * LANES * room
    found[words.WORKERS] = max(1, min(threads, groups))
    found.setflags(write=False)
    return found


def room_numbers(job: Array) -> int:
    """How many floats of double precision the threads of a job work in."""
    return int(job[words.WORKERS] * job[words.ROOM_BYTES]) // 8


@cache
def _runner() -> Any:
    from jaxqnn.sweep.cpu.handler import addresses

    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(addresses()[1])


def run(job: Array, threads: Executor | None = None) -> None:
    """Does a job with its addresses, on this thread or on as many as it has workers."""
    job[words.HOLDERS] = 1 << 40  # its words are NumPy's, and nobody else's to free
    address = job.ctypes.data
    if threads is None or job[words.WORKERS] == 1:
        _runner()(address)
    else:
        list(threads.map(_runner(), [address] * int(job[words.WORKERS])))
