"""Jobs on NumPy's arrays, which run at once."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from jaxqnn.processes import cores, threads
from jaxqnn.sweep.cpu import job as words
from jaxqnn.sweep.cpu.request import Array

_LINE = 64  # bytes of a line of the processor's cache


def address(array: Any) -> int:
    """Where an array's numbers begin."""
    if array.flags.writeable and array.size:
        # In a quarter of the time of NumPy's ``ctypes``, which small circuits ask for ten times.
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    return int(array.ctypes.data)


def aligned(shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
    """An array without values whose numbers begin where a line of the processor's cache does."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    whole = np.empty(size + _LINE, np.uint8)
    first = -address(whole) % _LINE
    return whole[first : first + size].view(dtype).reshape(shape)


def run(job: Array) -> None:
    """Does a job with its addresses, on this thread and as many more as it has workers for."""
    # Importing what Numba compiles takes a while.
    from jaxqnn.sweep.cpu.handler import helper

    job[words.HOLDERS] = 1 << 40  # its words are NumPy's, and nobody else's to free
    work, place = helper(job), address(job)
    others = []
    try:
        for _ in range(int(job[words.WORKERS]) - 1):
            # Where all threads are at work it waits, begins too late or never, and nobody minds.
            others.append(threads(cores()).submit(work, place))
    except RuntimeError:
        # At the interpreter's end there are no more threads: this one does it alone.
        pass
    try:
        work(place)
    finally:
        for other in others:
            if not other.cancel():
                other.result()
