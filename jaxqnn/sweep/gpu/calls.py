"""The primitives as launches of the CUDA kernels from an XLA program; see ``primitive``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxqnn.program.program import Program
from jaxqnn.program.tables import TermTable
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.foreign import is_on_one_device
from jaxqnn.sweep.gpu import kernels
from jaxqnn.sweep.gpu.job import KERNEL, KERNELS, TURNS
from jaxqnn.sweep.gpu.plan import GROUP, OTHER_NUMBERS, OTHER_WORDS, Plan

Job: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Amplitudes of a large state's tile, as bits, and of a state that is one tile, by bytes of a
# number; fewer where a block has less shared memory.
_TILE_BITS = {4: 12, 8: 12}
_WHOLE_BITS = {4: 13, 8: 12}

# Arrays of a tile's size that a block keeps: parts of the state, of the bra, and phases.
_ARRAYS_FORWARD, _ARRAYS_BACK = 3, 5

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


def whole_bits(itemsize: int) -> int:
    """Qubits of the largest state that a block holds whole, for numbers of so many bytes."""
    return _fitting(_WHOLE_BITS[itemsize], itemsize)


def _fitting(bits: int, itemsize: int) -> int:
    """The largest tile of at most so many bits that the GPUs at hand have the memory for."""
    usable = kernels.shared_bytes()
    while bits > 1 and _shared_bytes(bits, itemsize, _ARRAYS_BACK) > usable:
        bits -= 1
    return bits


def _shared_bytes(bits: int, itemsize: int, arrays: int) -> int:
    return itemsize * ((arrays << bits) + OTHER_NUMBERS) + 4 * OTHER_WORDS


def evolve(program: ProgramArrays, x: jax.Array, w: jax.Array) -> jax.Array:
    """See ``primitive``."""
    (members, batch, _), n = x.shape, program.num_qubits
    how = _planned(program, x.dtype)
    shape = jax.ShapeDtypeStruct((members, batch, 2, 1 << n), x.dtype)
    job = _job("forward", how, n, x.dtype, members * batch, batch, 1)
    (state,) = _call(how, job, [shape], *_angles(how, x.dtype, *_columns(how, x, w)))
    return state


def pull(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    psi: jax.Array,
    bra: jax.Array,
    *,
    classes: int,
    wrt_inputs: bool = True,
) -> list[jax.Array]:
    """See ``primitive``."""
    (members, batch, inputs), count, n = x.shape, bra.shape[1], program.num_qubits
    how = _planned(program, x.dtype)
    items = members * count * batch
    job = _job("back", how, n, x.dtype, items, batch, count)
    kets = int(job[TURNS]) * members * batch
    room = (kets + items) * (2 << n) if how.num_stages > 1 else 1
    results = [
        jax.ShapeDtypeStruct((members, count, batch, int(job[-1]), how.slots), x.dtype),
        jax.ShapeDtypeStruct((room,), x.dtype),
    ]
    shared, own = _columns(how, x, w)
    found, _ = _call(how, job, results, *_angles(how, x.dtype, shared, own), psi, bra)
    with jax.enable_x64(True):
        slots = jnp.sum(found, axis=3, dtype=shared.dtype)
        by_own = _over_uses(how.of_own, own[:, None], slots)
        of_classes = slots.reshape(members, count, classes, batch // classes, how.slots)
        of_w = _over_uses(how.of_shared, shared[:, None, None], jnp.sum(of_classes, axis=3))
        through_own = by_own[..., inputs:]
        if through_own.shape[-1]:
            apart = through_own.reshape(members, count, classes, batch // classes, -1)
            of_w = of_w + jnp.sum(apart, axis=3)
        of_x = by_own[..., :inputs].astype(x.dtype)
        return [of_x if wrt_inputs else jnp.zeros_like(of_x), of_w.astype(x.dtype)]


def _call(how: Plan, job: Job, results: Sequence[Any], *operands: jax.Array) -> list[jax.Array]:
    kernels.load(int(job[KERNEL]))
    return list(jax.ffi.ffi_call(kernels.SWEEP, results)(how.words, *operands, job=job))


def _planned(program: ProgramArrays, dtype: Any) -> Plan:
    itemsize = np.dtype(dtype).itemsize
    is_whole = program.num_qubits <= whole_bits(itemsize)
    return program.plan(
        program.num_qubits if is_whole else _fitting(_TILE_BITS[itemsize], itemsize)
    )


def _columns(how: Plan, x: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[1, weights] (E, 1 + W), and the samples' (E, B, 1 + P), where they count weights too.

    They are of double precision, also where JAX's 64-bit mode is off: an angle is often a small
    difference of large terms.
    """
    with jax.enable_x64(True):
        x, w = x.astype(np.float64), w.astype(np.float64)
        (members, batch, inputs), weights = x.shape, w.shape[1]
        one = jnp.ones((members, 1), x.dtype)
        parts = [jnp.broadcast_to(one[:, None], (members, batch, 1)), x]
        if how.of_own.use_other.shape[0] > inputs:
            parts.append(jnp.broadcast_to(w[:, None], (members, batch, weights)))
        return jnp.concatenate([one, w], axis=1), jnp.concatenate(parts, axis=2)


def _angles(how: Plan, dtype: Any, shared: jax.Array, own: jax.Array) -> tuple[jax.Array, ...]:
    """What ``Job`` calls turns, shared, own and start, of ``_columns``."""
    with jax.enable_x64(True):
        phases, own_phases = _evaluate(how.shared, shared), _evaluate(how.own, own)
        start = _cos_sin(_evaluate(how.start, own))
        if dtype == np.float32:
            # Integers have no NaN: the state that a sweep starts from has it for them.
            is_number = jnp.all(jnp.isfinite(own_phases), axis=-1)
            is_number &= jnp.all(jnp.isfinite(phases), axis=-1)[:, None]
            start = jnp.where(is_number[..., None, None], start, jnp.nan)
            phases, own_phases = _of_periods(phases), _of_periods(own_phases)
        turns = _cos_sin(_evaluate(how.turns, shared))
        return turns.astype(dtype), phases, own_phases, start.astype(dtype)


def _of_periods(angle: jax.Array) -> jax.Array:
    """Angles as 32-bit integers, 2^32 to their period of 4 pi; see ``Phase`` in ``sweep.cu``."""
    periods = angle / (4 * math.pi)
    return ((periods - jnp.round(periods)) * 2.0**32).astype(np.int32)


def _evaluate(table: TermTable, columns: jax.Array) -> jax.Array:
    """The angles (..., A) of columns (..., 1 + P), within their period of 4 pi."""
    factors = columns[..., table.first] * columns[..., table.second]
    angles = jnp.sum(jnp.asarray(table.coefficient, columns.dtype) * factors, axis=-1)
    # Small arguments keep their sums exact.
    return lax.rem(angles, jnp.asarray(4 * math.pi, columns.dtype))


def _over_uses(table: TermTable, columns: jax.Array, cotangent: jax.Array) -> jax.Array:
    """The cotangents (..., P) of columns (..., 1 + P), from those of the slots (..., S)."""
    if not table.use_source.size or not cotangent.shape[-1]:
        return jnp.zeros((*cotangent.shape[:-1], table.use_source.shape[0]), cotangent.dtype)
    factor = jnp.asarray(table.use_coefficient, columns.dtype) * columns[..., table.use_other]
    return jnp.sum(factor * cotangent[..., table.use_source], axis=-1)


def _cos_sin(angle: jax.Array) -> jax.Array:
    """Of half the angles: (..., A) -> (..., 2, A)."""
    return jnp.stack([jnp.cos(0.5 * angle), jnp.sin(0.5 * angle)], axis=-2)


def _job(name: str, how: Plan, n: int, dtype: Any, items: int, batch: int, count: int) -> Job:
    """The attribute of a call, see ``job``."""
    itemsize = np.dtype(dtype).itemsize
    is_back = name == "back"
    chunks = min(1 << n - how.tile_bits, _CHUNKS)
    threads = min(_MOST_THREADS, max(32, 1 << max(how.tile_bits - GROUP, 0)))
    arrays = _ARRAYS_BACK if is_back else _ARRAYS_FORWARD
    first = 0 if is_back else how.first
    head = [
        KERNELS.index(f"{name}_{'single' if itemsize == 4 else 'double'}"),
        first,
        how.num_stages - first,
        items * chunks,
        threads,
        _shared_bytes(how.tile_bits, itemsize, arrays),
        items // count * itemsize * (2 << n),
        1 if count == 1 else 2,
    ]
    phases, own = how.shared.first.shape[0], how.own.first.shape[0]
    tail = [n, how.tile_bits, batch, count, how.turns.first.shape[0], phases, own, how.slots]
    return np.array([*head, *tail, chunks], np.int64)
