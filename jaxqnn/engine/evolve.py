"""The forward sweep: a program's final state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.angles import Angles, evaluate
from jaxqnn.engine.layers import (
    Phase,
    Rotations,
    apply_block,
    chunk_angle,
    half_signs,
    label_index,
    phase,
    product_state,
    relabel,
    rotate_leading,
    rotate_trailing,
    rotations,
    turn,
)
from jaxqnn.program.tables import Tables, high_bits

Carry = TypeVar("Carry")


def final_state(tables: Tables, inputs: jax.Array, weights: jax.Array) -> jax.Array:
    """The final states (B, 2, 2^n), in the final frame's labels.

    Args:
        tables: The program, as data: one executable serves every circuit of a size.
        inputs: (B, P), in the tables' length, as are all.
        weights: (W,).
    """
    tables = jax.tree.map(jnp.asarray, tables)  # loops index them
    angles = evaluate(tables, inputs.T, weights)
    return evolve(tables, angles, start_state(angles))


def start_state(angles: Angles) -> jax.Array:
    """The state a program starts from, (B, 2, 2^n)."""
    if angles.amplitudes is None:
        real = product_state(angles.start)
        return jnp.stack([real, jnp.zeros_like(real)], axis=1)
    return given_state(angles.start, angles.amplitudes)


def given_state(start: jax.Array, amplitudes: jax.Array) -> jax.Array:
    """The product of given amplitudes (2^(m+1), B) of the lowest bits and of RY(start)|0>."""
    size = amplitudes.shape[0] // 2
    normal = normalised(amplitudes).T
    low = jnp.stack([normal[:, :size], normal[:, size:]], axis=1)
    high = product_state(start[size.bit_length() - 1 :])
    return (high[:, None, :, None] * low[:, :, None, :]).reshape(-1, 2, high.shape[1] * size)


def normalised(amplitudes: jax.Array) -> jax.Array:
    """Vectors (2^(m+1), B) of norm one; NaN for a vector of zeros.

    Scaled first, so that no square overflows or vanishes. The scale is no variable: the quotient
    does not depend on it.
    """
    largest = lax.stop_gradient(jnp.max(jnp.abs(amplitudes), axis=0, keepdims=True))
    scaled = amplitudes / jnp.where(largest > 0, largest, jnp.ones_like(largest))
    return scaled / jnp.linalg.norm(scaled, axis=0, keepdims=True)


def group_rotations(tables: Tables, angles: Angles) -> tuple[Rotations, ...]:
    """The rotation matrices of each group of bits."""
    return tuple(
        rotations(part)
        for part in jnp.split(angles.rotations, tables.group_sizes[:1], axis=1)
        if part.shape[1]
    )


def evolve(tables: Tables, angles: Angles, state: jax.Array) -> jax.Array:
    """Runs all layers.

    Args:
        tables: The program.
        angles: Its angles.
        state: (B, 2, 2^n).

    Returns:
        The final state, in the final frame's labels.
    """
    groups = group_rotations(tables, angles)

    def layer(l: jax.Array, state: jax.Array) -> jax.Array:
        state = relabel(state, label_index(tables.map_high[l], tables.map_low[l]))
        state = apply_phases(tables, angles, l, state)
        return apply_rotations(tables, groups, l, state, inverse=False)

    return lax.fori_loop(0, tables.num_layers, layer, state)


def apply_phases(tables: Tables, angles: Angles, l: jax.Array, state: jax.Array) -> jax.Array:
    """The phases of layer l."""

    def step(l: jax.Array, state: jax.Array, *, per_sample: bool) -> jax.Array:
        return turn(state, layer_phase(tables, angles, l, per_sample=per_sample))

    for runs, per_sample in zip(phase_kinds(tables, l), (False, True), strict=True):
        state = when(runs, l, partial(step, per_sample=per_sample), state)
    return state


def when(
    runs: jax.Array, l: jax.Array, step: Callable[[jax.Array, Carry], Carry], carry: Carry
) -> Carry:
    """``step(l, carry)`` if ``runs`` is 1, ``carry`` if it is 0; for what few layers do.

    A loop of one turn or none: it costs nothing where it does not run, and a copy of the carry
    where it does; ``lax.cond`` is the other way round. The layer is the loop's own index, or else
    XLA would move what depends on it, as an invariant, out of the loop and into every layer.
    """
    carried: Carry = lax.fori_loop(l, l + runs, step, carry)
    return carried


def apply_rotations(
    tables: Tables,
    groups: tuple[Rotations, ...],
    l: jax.Array,
    state: jax.Array,
    *,
    inverse: bool,
) -> jax.Array:
    """The rotations of layer l or its block (``inverse``: undone, by matrices that undo them)."""

    def block(state: jax.Array) -> jax.Array:
        parts = tables.blocks[tables.block_index[l]].astype(state.dtype)
        if inverse:
            parts = jnp.stack([parts[0].T, -parts[1].T])
        return apply_block(state, parts)

    def leading(state: jax.Array) -> jax.Array:
        return rotate_leading(state, groups[0].forward[l], groups[0].inverse[l])

    def trailing(state: jax.Array) -> jax.Array:
        return rotate_trailing(state, groups[1].inverse[l])

    # Asking whether a layer rotates a group at all would cost as much as most products do: XLA
    # copies the state wherever it may or may not have changed.
    if tables.blocks.shape[0]:
        state = lax.cond(tables.block_index[l] >= 0, block, leading, state)
    else:
        state = leading(state)
    if len(groups) > 1:
        state = trailing(state)
    return state


def layer_phase(tables: Tables, angles: Angles, l: jax.Array, *, per_sample: bool) -> Phase:
    """The phase of every label in layer l, chunk by chunk: shared, or with the samples' own."""
    num_qubits, batch = tables.num_qubits, angles.start.shape[1]

    def add(c: jax.Array, total: jax.Array, masks: jax.Array, values: jax.Array) -> jax.Array:
        signs = half_signs(masks[c], num_qubits, high_bits(num_qubits), total.dtype)
        return total + chunk_angle(signs, values[c])

    total = lax.fori_loop(
        tables.shared_range[l],
        tables.shared_range[l + 1],
        lambda c, t: add(c, t, tables.shared_masks, angles.shared[:, None, :]),
        jnp.zeros((1, 1 << num_qubits), angles.shared.dtype),
    )
    if per_sample:
        total = lax.fori_loop(
            tables.sample_range[l],
            tables.sample_range[l + 1],
            lambda c, t: add(c, t, tables.sample_masks, angles.sample),
            jnp.broadcast_to(total, (batch, 1 << num_qubits)),
        )
    return phase(total)


def phase_kinds(tables: Tables, l: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether layer l has only shared phases, and whether it has any of the samples' own (0/1)."""
    has_shared = tables.shared_range[l + 1] > tables.shared_range[l]
    has_sample = tables.sample_range[l + 1] > tables.sample_range[l]
    return (has_shared & ~has_sample).astype(jnp.int32), has_sample.astype(jnp.int32)
