"""Sums of Pauli strings as jobs of the compiled sweeps; see ``measure.sums`` and ``strings``.

For XLA they are calls without addresses, on NumPy's arrays they run at once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxqnn.processes import cores
from jaxqnn.sweep import foreign
from jaxqnn.sweep.cpu import job as words
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES
from jaxqnn.sweep.cpu.request import Array
from jaxqnn.sweep.cpu.running import address, run

# Chunks of strings times amplitudes for which a second thread is worth its start.
_MANY = 1 << 21

# Blocks of a part at least, and parts of a state at most.
_EACH, _PARTS = 8, 64

# (-1)^parity(i & lane).
_SIGNS = 1.0 - 2.0 * (np.bitwise_count(np.arange(LANES)[:, None] & np.arange(LANES)) & 1)


def serves(ctx: Any) -> bool:
    """Whether the lowering that asks is for one CPU of this very machine."""
    strings, state = ctx.avals_in[0], ctx.avals_in[-2]
    known = strings.dtype == np.uint32 and state.dtype in (np.float32, np.float64)
    return known and foreign.can_call(ctx)


def means(*operands: jax.Array, outputs: int) -> jax.Array:
    """See ``measure.sums``."""
    arrays, (bra, ket) = operands[:-2], operands[-2:]
    parts = _parts(ket.shape[2])
    shape = (bra.shape[0], parts, outputs)
    return jnp.sum(_call(words.MEANS, arrays, bra, ket, shape, outputs), axis=1)


def image(*operands: jax.Array) -> jax.Array:
    """See ``measure.sums``."""
    arrays, (ket, weight) = operands[:-2], operands[-2:]
    return _call(words.IMAGE, arrays, weight, ket, ket.shape, weight.shape[1])


def run_means(arrays: Any, bra: Array, ket: Array, outputs: int) -> Array:
    """The same of NumPy's arrays; of as many bras as a multiple of the kets, which repeat."""
    found = np.empty((bra.shape[0], _parts(ket.shape[2]), outputs), ket.dtype)
    _run(words.MEANS, arrays, bra, ket, found, outputs)
    return np.asarray(found.sum(axis=1) if found.shape[1] > 1 else found[:, 0])


def run_image(arrays: Any, ket: Array, weight: Array) -> Array:
    """The same of NumPy's arrays; of as many weights as a multiple of the kets, which repeat."""
    found = np.empty((weight.shape[0], *ket.shape[1:]), ket.dtype)
    _run(words.IMAGE, arrays, weight, ket, found, weight.shape[1])
    return found


def _call(
    operation: int,
    arrays: Any,
    first: jax.Array,
    ket: jax.Array,
    shape: tuple[int, ...],
    outputs: int,
) -> jax.Array:
    sizes = first.shape[0], ket.shape[0], ket.shape[2]
    job = _template(operation, sizes, arrays[0].shape, outputs, ket.dtype == np.float32)
    from jaxqnn.sweep.cpu.handler import helper

    helper(job)  # compiled now if it was not yet, and not when XLA waits for it
    # As 32-bit integers, which JAX takes in either mode.
    constant = np.concatenate([job, _SIGNS.reshape(-1).view(np.int64)]).view(np.int32)
    out = jax.ShapeDtypeStruct(shape, ket.dtype)
    found: jax.Array = jax.ffi.ffi_call(foreign.TARGET, out)(constant, *arrays, first, ket)
    return found


def _run(operation: int, arrays: Any, first: Array, ket: Array, out: Array, outputs: int) -> None:
    sizes = first.shape[0], ket.shape[0], ket.shape[2]
    job = _template(operation, sizes, arrays[0].shape, outputs, ket.dtype == np.float32).copy()
    # Held here until the job is done, should one of them have to be a copy.
    given = [np.ascontiguousarray(array) for array in (_SIGNS, *arrays, first, ket)]
    job[words.PROGRAM : words.PROGRAM + len(given)] = list(map(address, given))
    job[words.OUT] = address(out)
    run(job)


@lru_cache(maxsize=1024)
def _template(
    operation: int, sizes: tuple[int, int, int], chunks: tuple[int, int], outputs: int, single: bool
) -> Array:
    """A job without addresses."""
    items, kets, size = sizes
    parts = _parts(size)
    threads = cores() if items * size * chunks[0] >= _MANY else 1
    found = np.zeros(words.SIZE, np.int64)
    found[words.OPERATION], found[words.IS_SINGLE] = operation, single
    found[words.GROUPS], found[words.PARTS] = items * parts, parts
    found[words.WORKERS] = max(1, min(threads, items * parts))
    found[words.BATCH], found[words.DIRECTIONS] = kets, outputs
    found[words.QUBITS] = size.bit_length() - 1
    found[words.NUM_CHUNKS], found[words.WIDTH] = chunks
    found.setflags(write=False)
    return found


def _parts(size: int) -> int:
    """Into how many parts a state is cut, which threads share out."""
    blocks = size >> LANE_BITS + words.BLOCK_BITS
    return max(1, min(_PARTS, blocks // _EACH))
