"""Jobs as Python writes them, without addresses."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from jaxqnn.sweep.cpu import job as words
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES, lanes_are_labels

Array = np.ndarray[Any, Any]


class Sizes(NamedTuple):
    """What a call is about.

    Attributes:
        members: E, weight vectors.
        batch: B, samples of each.
        directions: T, of the columns, of bras or of outputs.
        bras: 1 or T, see ``job.BRAS``.
        classes: C, see ``job``.
        single: Whether numbers are of single precision.
        wrt_inputs: Whether cotangents of the samples' columns are wanted.
    """

    members: int
    batch: int
    directions: int = 1
    bras: int = 1
    classes: int = 1
    single: bool = False
    wrt_inputs: bool = True


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
    stages, tile_bits, turns = head[14:17]
    items = sizes.members * sizes.batch
    tiled = tile_bits > 0 and operation in (words.EVOLVE, words.PULL, words.VALUE)
    by_label = tiled or lanes_are_labels(n, items)
    groups = items if by_label else -(-items // LANES)
    together = min(words.TOGETHER, sizes.directions)
    workers = max(1, min(threads, groups))
    if tiled:
        # A group is a chunk of a stage's tiles; the last of a reverse sweep ends it.
        chunks = min(words.CHUNKS, 1 << n - LANE_BITS - tile_bits)
        if operation == words.PULL:
            groups *= -(-sizes.directions // together)
            stages -= head[21 + sizes.wrt_inputs]
        # After the stages: the last one's cotangents; what chunks measure, and their sum.
        after = {words.EVOLVE: 0, words.PULL: 1, words.VALUE: 2}[operation]
        groups *= chunks * (stages + after)
        workers = max(1, min(threads, chunks))
    sizes_of = (inputs, weights, layers * rotated, shared, sample, given, head[11])
    shape = (*sizes_of, tile_bits if tiled else 0, turns)
    # Importing what Numba compiles takes a while.
    from jaxqnn.sweep.cpu.jit import python_of
    from jaxqnn.sweep.cpu.room import room_sizes, shared_numbers

    room = sum(python_of(room_sizes)(operation, sizes.single, together, by_label, n, shape))
    found = np.zeros(words.SIZE, np.int64)
    found[words.OPERATION], found[words.IS_SINGLE] = operation, sizes.single
    found[words.BY_LABEL], found[words.GROUPS] = by_label, groups
    found[words.MEMBERS], found[words.BATCH] = sizes.members, sizes.batch
    found[words.DIRECTIONS], found[words.BRAS] = sizes.directions, sizes.bras
    found[words.CLASSES], found[words.WRT_INPUTS] = sizes.classes, sizes.wrt_inputs
    found[words.ROOM_BYTES] = 8 * LANES * room
    found[words.WORKERS], found[words.TILED] = workers, tiled
    if tiled:
        common = python_of(shared_numbers)(
            operation, together, sizes.directions, n, sizes.single, head
        )
        found[words.SHARED_BYTES] = 8 * common
    found.setflags(write=False)
    return found


def room_numbers(job: Array) -> int:
    """How many floats of double precision the threads of a job work in."""
    return int(job[words.SHARED_BYTES] + job[words.WORKERS] * job[words.ROOM_BYTES]) // 8
