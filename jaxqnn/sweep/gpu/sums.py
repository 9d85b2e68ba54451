"""Sums of Pauli strings as launches of CUDA kernels; see ``measure.sums``."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxqnn.sweep.foreign import is_on_one_device
from jaxqnn.sweep.gpu import kernels
from jaxqnn.sweep.gpu.job import KERNELS

# Amplitudes of a block, and blocks of a state at most.
_EACH = 2048
_CHUNKS = 4096

_THREADS = 256


def serves(ctx: Any) -> bool:
    """Whether the lowering that asks is for one GPU of this process."""
    of_state = ctx.avals_in[5]
    is_known = ctx.avals_in[0].dtype == np.uint32 and of_state.dtype in (np.float32, np.float64)
    return is_known and is_on_one_device(ctx) and kernels.are_here()


def means(*operands: jax.Array, outputs: int) -> jax.Array:
    """See ``measure.sums``."""
    *arrays, bra, ket = operands
    chunks = _chunks(bra)
    out = jax.ShapeDtypeStruct((bra.shape[0], chunks, outputs), bra.dtype)
    found = _call("means", arrays, bra, ket, out, outputs)
    return jnp.sum(found, axis=1)


def image(*operands: jax.Array) -> jax.Array:
    """See ``measure.sums``."""
    *arrays, ket, weight = operands
    out = jax.ShapeDtypeStruct(ket.shape, ket.dtype)
    return _call("images", arrays, ket, weight, out, weight.shape[1])


def _chunks(state: jax.Array) -> int:
    return min(_CHUNKS, max(1, state.shape[2] // _EACH))


def _call(
    name: str, arrays: Any, first: jax.Array, second: jax.Array, out: Any, outputs: int
) -> jax.Array:
    masks = arrays[0]
    kernel = KERNELS.index(f"{name}_{'single' if first.dtype == np.float32 else 'double'}")
    kernels.load(kernel)
    size, chunks = first.shape[2], _chunks(first)
    threads = min(_THREADS, max(32, size))
    tail = [size.bit_length() - 1, *masks.shape, outputs, chunks]
    job = np.array([kernel, first.shape[0] * chunks, threads, *tail], np.int64)
    found: jax.Array = jax.ffi.ffi_call(kernels.SUMS, out)(*arrays, first, second, job=job)
    return found
