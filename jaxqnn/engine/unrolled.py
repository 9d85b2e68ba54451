"""A measured program as plain JAX operations, for JAX's own differentiation.

Every layer is traced by itself, so forward mode, reverse mode and any nesting of the two work, at
the price of a trace for each circuit and, in reverse mode, of every layer's state in memory.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxqnn.engine.angles import Angles, evaluate
from jaxqnn.engine.evolve import group_rotations, start_state
from jaxqnn.engine.layers import (
    apply_block,
    chunk_angle,
    half_signs,
    label_index,
    phase,
    relabel,
    rotate_leading,
    rotate_trailing,
    turn,
)
from jaxqnn.program.tables import Tables, high_bits


def final_state(tables: Tables, inputs: jax.Array, weights: jax.Array) -> jax.Array:
    """The final states (B, 2, 2^n) of inputs (B, P) and weights (W,), in the tables' lengths."""
    return _evolve(tables, evaluate(tables, inputs.T, weights))


def _evolve(tables: Tables, angles: Angles) -> jax.Array:
    groups = group_rotations(tables, angles)
    state = start_state(angles)
    for l in range(int(tables.num_layers)):
        state = relabel(state, label_index(tables.map_high[l], tables.map_low[l]))
        angle = _phase_angle(tables, angles, l)
        if angle is not None:
            state = turn(state, phase(angle))
        block = int(tables.block_index[l])
        if block >= 0:
            state = apply_block(state, jnp.asarray(tables.blocks[block], state.dtype))
        else:
            state = rotate_leading(state, groups[0].forward[l], groups[0].inverse[l])
        if len(groups) > 1:
            state = rotate_trailing(state, groups[1].inverse[l])
    return state


def _phase_angle(tables: Tables, angles: Angles, l: int) -> jax.Array | None:
    num_qubits = tables.num_qubits
    parts = []
    for ranges, masks, values in (
        (tables.shared_range, tables.shared_masks, angles.shared[:, None, :]),
        (tables.sample_range, tables.sample_masks, angles.sample),
    ):
        for c in range(int(ranges[l]), int(ranges[l + 1])):
            signs = half_signs(
                jnp.asarray(masks[c]), num_qubits, high_bits(num_qubits), values.dtype
            )
            parts.append(chunk_angle(signs, values[c]))
    return sum(parts[1:], start=parts[0]) if parts else None
