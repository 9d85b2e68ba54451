"""The primitives as launches of the CUDA kernels from an XLA program; see ``primitive``."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxqnn.engine.angles import Angles, evaluate, pull_back
from jaxqnn.program.program import Program
from jaxqnn.program.tables import Tables
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.foreign import is_on_one_device
from jaxqnn.sweep.gpu import kernels
from jaxqnn.sweep.gpu.job import KERNEL, KERNELS, TURNS
from jaxqnn.sweep.gpu.plan import GROUP, OTHER_NUMBERS, OTHER_WORDS, Plan

# Amplitudes of a tile at most, as bits, by bytes of a number: state, bra and phases fit into the
# shared memory of a block.  A state of so many qubits is one tile.
_WHOLE_BITS = {4: 12, 8: 12}
_TILE_BITS = {4: 12, 8: 11}

_MOST_THREADS = 512

# Blocks of one state at most; each has its own sums of every angle's cotangent.
_CHUNKS = 512


def serves(ctx: Any, name: str, program: ProgramArrays) -> bool:
    """Whether the lowering that asks is for what the kernels do, on one GPU of this process."""
    if name not in ("evolve", "pull") or not can_sweep(program.program):
        return False
    return is_on_one_device(ctx) and kernels.are_here()


def can_sweep(program: Program) -> bool:
    """Whether all of a program's steps are such as the kernels do."""
    has_blocks = any(layer.block is not None for layer in program.layers)
    return not has_blocks and not program.amplitudes


def evolve(program: ProgramArrays, x: jax.Array, w: jax.Array) -> jax.Array:
    """See ``primitive``."""
    (members, batch, _), n = x.shape, program.num_qubits
    tables, how = _planned(program, x.dtype)
    shape = jax.ShapeDtypeStruct((members, batch, 2, 1 << n), x.dtype)
    job = _job(0, how, n, x.dtype, members * batch, batch, 1, tables)
    kernels.load(int(job[KERNEL]))
    (state,) = jax.ffi.ffi_call(kernels.SWEEP, [shape])(
        how.words, *_angles(program, tables, how, x, w), job=job
    )
    return state


def pull(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    psi: jax.Array,
    bra: jax.Array,
    *,
    classes: int,
) -> list[jax.Array]:
    """See ``primitive``."""
    (members, batch, inputs), count, n = x.shape, bra.shape[1], program.num_qubits
    tables, how = _planned(program, x.dtype)
    items = members * count * batch
    job = _job(1, how, n, x.dtype, items, batch, count, tables)
    chunks = int(job[-1])
    turns = int(job[TURNS])
    between = how.num_stages > 1
    room = (turns * members * batch + items) * (2 << n) if between else 1
    results = [
        jax.ShapeDtypeStruct((members, count, batch, chunks, how.slots), x.dtype),
        jax.ShapeDtypeStruct((room,), x.dtype),
    ]
    kernels.load(int(job[KERNEL]))
    slots, _ = jax.ffi.ffi_call(kernels.SWEEP, results)(
        how.words, *_angles(program, tables, how, x, w), psi, bra, job=job
    )
    slots = jnp.sum(slots, axis=3)
    # One more slot, for angles without a cotangent: padding, and constants.
    slots = jnp.pad(slots, [*[(0, 0)] * 3, (0, 1)])
    padded_inputs, padded_weights = program.padded_sizes

    def back(x: jax.Array, w: jax.Array, slots: jax.Array) -> tuple[jax.Array, jax.Array]:
        of_sample = jnp.moveaxis(slots[..., how.of_sample], 2, 0)
        of_shared = jnp.moveaxis(slots[..., how.of_shared], 2, 0)
        if classes == 1:
            of_shared = jnp.sum(of_shared, axis=2, keepdims=True)
        padded_x = jnp.pad(x, ((0, 0), (0, padded_inputs - inputs)))
        padded_w = jnp.pad(w, (0, padded_weights - w.shape[0]))
        of_x, of_w = pull_back(tables, padded_x.T, padded_w, of_sample, of_shared)
        return jnp.moveaxis(of_x, 1, 0)[..., :inputs], jnp.moveaxis(of_w, 1, 0)[..., : w.shape[0]]

    of_x, of_w = jax.vmap(back)(x, w, slots)
    if classes > 1:
        shape = (members, count, classes, batch // classes, of_w.shape[-1])
        of_w = jnp.sum(of_w.reshape(shape), axis=3)
    return [of_x, of_w]


def _planned(program: ProgramArrays, dtype: Any) -> tuple[Tables, Plan]:
    itemsize = np.dtype(dtype).itemsize
    most = _TILE_BITS[itemsize]
    if program.num_qubits <= _WHOLE_BITS[itemsize]:
        most = program.num_qubits
    return program.tables_here(), program.plan(most)


def _angles(
    program: ProgramArrays, tables: Tables, how: Plan, x: jax.Array, w: jax.Array
) -> tuple[jax.Array, ...]:
    """What ``Job`` calls turns, shared, own and start."""
    inputs, weights = program.padded_sizes

    def one(x: jax.Array, w: jax.Array) -> tuple[jax.Array, ...]:
        padded_x = jnp.pad(x, ((0, 0), (0, inputs - x.shape[1])))
        padded_w = jnp.pad(w, (0, weights - w.shape[0]))
        angles: Angles = evaluate(tables, padded_x.T, padded_w)
        own = jnp.moveaxis(angles.sample, 1, 0)
        return (
            _cos_sin(jnp.pad(angles.rotations.reshape(-1), (0, 1))[how.turns]),
            angles.shared.reshape(-1),
            own.reshape(own.shape[0], -1),
            _cos_sin(angles.start.T),
        )

    return jax.vmap(one)(x, w)


def _cos_sin(angle: jax.Array) -> jax.Array:
    """Of half the angles: (..., A) -> (..., 2, A)."""
    # Half angles have period 4 pi; the remainder is exact.
    half = 0.5 * lax.rem(angle, jnp.asarray(4 * math.pi, angle.dtype))
    return jnp.stack([jnp.cos(half), jnp.sin(half)], axis=-2)


def _job(
    back: int, how: Plan, n: int, dtype: Any, items: int, batch: int, count: int, tables: Tables
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The attribute of a call, see ``launch``."""
    itemsize = np.dtype(dtype).itemsize
    chunks = min(1 << n - how.tile_bits, _CHUNKS)
    threads = min(_MOST_THREADS, max(32, 1 << max(how.tile_bits - GROUP, 0)))
    arrays = 5 if back else 3
    shared_bytes = itemsize * ((arrays << how.tile_bits) + OTHER_NUMBERS) + 4 * OTHER_WORDS
    first = 0 if back else how.first
    turns = 1 if count == 1 else 2
    state_bytes = itemsize * (2 << n)
    head = [
        KERNELS.index(f"{'back' if back else 'forward'}_{'single' if itemsize == 4 else 'double'}"),
        first,
        how.num_stages - first,
        items * chunks,
        threads,
        shared_bytes,
        items // count * state_bytes,
        turns,
    ]
    tail = [n, how.tile_bits, batch, count, how.turns.size, tables.shared_masks.size]
    tail += [tables.sample_masks.size, how.slots, chunks]
    return np.array(head + tail, np.int64)
