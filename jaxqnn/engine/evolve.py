"""The forward sweep: a program's final state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.angles import Angles
from jaxqnn.engine.layers import (
    apply_block,
    chunk_angle,
    half_signs,
    label_index,
    product_state,
    relabel,
    rotate,
    rotation_matrices,
    turn,
)
from jaxqnn.program.tables import Tables, high_bits


def start_state(angles: Angles) -> jax.Array:
    """The state a program starts from, (2^n, 2, B)."""
    if angles.amplitudes is None:
        real = product_state(angles.start)
        return jnp.stack([real, jnp.zeros_like(real)], axis=1)
    return given_state(angles.start, angles.amplitudes)


def given_state(start: jax.Array, amplitudes: jax.Array) -> jax.Array:
    """The product of given amplitudes (2^(m+1), B) of the lowest bits and of RY(start)|0>."""
    size = amplitudes.shape[0] // 2
    normal = amplitudes / jnp.linalg.norm(amplitudes, axis=0)
    low = jnp.stack([normal[:size], normal[size:]], axis=1)
    high = product_state(start[size.bit_length() - 1 :])
    return (high[:, None, None, :] * low[None]).reshape(-1, *low.shape[1:])


def evolve(tables: Tables, angles: Angles, state: jax.Array) -> jax.Array:
    """Runs all layers.

    Args:
        tables: The program.
        angles: Its angles.
        state: (2^n, 2, B).

    Returns:
        The final state, in the final frame's labels.
    """
    matrices = rotation_matrices(angles.rotations)

    def layer(l: jax.Array, state: jax.Array) -> jax.Array:
        state = relabel(state, label_index(tables.map_high[l], tables.map_low[l]))
        state = apply_phases(tables, angles, l, state)
        return apply_leading(tables, matrices, l, state, inverse=False)

    return lax.fori_loop(0, tables.num_layers, layer, state)


def apply_leading(
    tables: Tables, matrices: jax.Array, l: jax.Array, state: jax.Array, *, inverse: bool
) -> jax.Array:
    """The rotations of layer l, given as their matrices, or the block (``inverse``: undone)."""
    if not tables.blocks.shape[0]:
        return rotate(state, matrices[l])

    def block(state: jax.Array) -> jax.Array:
        parts = tables.blocks[tables.block_index[l]].astype(state.dtype)
        if inverse:
            parts = jnp.stack([parts[0].T, -parts[1].T])
        return apply_block(state, parts)

    return lax.cond(
        tables.block_index[l] >= 0,
        block,
        lambda state: rotate(state, matrices[l]),
        state,
    )


def phase_angle(tables: Tables, angles: Angles, l: jax.Array, *, per_sample: bool) -> jax.Array:
    """The phase of every label in layer l: shared (2^n, 1), or with the samples' own (2^n, B)."""
    num_qubits = angles.start.shape[0]
    batch = angles.start.shape[1] if per_sample else 1

    def add(c: jax.Array, total: jax.Array, masks: jax.Array, values: jax.Array) -> jax.Array:
        signs = half_signs(masks[c], num_qubits, high_bits(num_qubits), total.dtype)
        return total + chunk_angle(signs, values[c])

    total = lax.fori_loop(
        tables.shared_range[l],
        tables.shared_range[l + 1],
        lambda c, t: add(c, t, tables.shared_masks, angles.shared[..., None]),
        jnp.zeros((1 << num_qubits, 1), angles.shared.dtype),
    )
    if not per_sample:
        return total
    return lax.fori_loop(
        tables.sample_range[l],
        tables.sample_range[l + 1],
        lambda c, t: add(c, t, tables.sample_masks, angles.sample),
        jnp.broadcast_to(total, (1 << num_qubits, batch)),
    )


def phase_kinds(tables: Tables, l: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether layer l has only shared phases, and whether it has any of the samples' own (0/1)."""
    has_shared = tables.shared_range[l + 1] > tables.shared_range[l]
    has_sample = tables.sample_range[l + 1] > tables.sample_range[l]
    return (has_shared & ~has_sample).astype(jnp.int32), has_sample.astype(jnp.int32)


def apply_phases(tables: Tables, angles: Angles, l: jax.Array, state: jax.Array) -> jax.Array:
    """The phases of layer l on a state (2^n, 2, B)."""
    shared_only, has_sample = phase_kinds(tables, l)
    # Loops of zero or one turn instead of lax.cond: a loop's carry stays in place, where a
    # conditional copies the state in the branch that does nothing. The layer is the loop's own
    # index, or else XLA would move the angles, as invariants, out of the loop and into every layer.
    for runs, per_sample in ((shared_only, False), (has_sample, True)):
        state = lax.fori_loop(
            l,
            l + runs,
            lambda i, s, per_sample=per_sample: turn(
                s, phase_angle(tables, angles, i, per_sample=per_sample)
            ),
            state,
        )
    return state
