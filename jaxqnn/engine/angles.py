"""Angle tables evaluated, and their transposed derivative."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.program.tables import AngleTable, Tables


class Angles(NamedTuple):
    """Every angle of a program, or a cotangent of each with one more axis.

    Attributes:
        rotations: (L, k), of the leading bits, most significant first.
        shared: (C, K), phases shared by the batch.
        sample: (C', K, B), phases that differ from sample to sample.
        start: (n, B), of bit 0, 1, ...
    """

    rotations: jax.Array
    shared: jax.Array
    sample: jax.Array
    start: jax.Array


def evaluate(tables: Tables, inputs: jax.Array, weights: jax.Array) -> Angles:
    """All angles from inputs (P, B) and weights (W,)."""
    block_qubits = tables.block_qubits
    shared = _rows(tables.shared, shared_columns(weights))
    sample = _rows(tables.sample, sample_columns(inputs, weights))
    num_rotations = tables.map_high.shape[0] * block_qubits
    num_phases = tables.sample_masks.size
    # Phases and half angles have period 4 pi; small arguments keep their sums exact.
    period = 4 * jnp.pi
    return Angles(
        shared[:num_rotations, 0].reshape(-1, block_qubits),
        lax.rem(shared[num_rotations:, 0], jnp.asarray(period, shared.dtype)).reshape(
            tables.shared_masks.shape
        ),
        lax.rem(sample[:num_phases], jnp.asarray(period, sample.dtype)).reshape(
            *tables.sample_masks.shape, -1
        ),
        sample[num_phases:],
    )


def shared_columns(weights: jax.Array) -> jax.Array:
    """[1, weights] as (1 + W, 1)."""
    return jnp.concatenate([jnp.ones((1,), weights.dtype), weights])[:, None]


def sample_columns(inputs: jax.Array, weights: jax.Array) -> jax.Array:
    """[1, inputs, weights] as (1 + P + W, B)."""
    batch = inputs.shape[1]
    return jnp.concatenate(
        [
            jnp.ones((1, batch), inputs.dtype),
            inputs,
            jnp.broadcast_to(weights[:, None], (weights.shape[0], batch)),
        ]
    )


def _rows(table: AngleTable, columns: jax.Array) -> jax.Array:
    factors = columns[table.first] * columns[table.second]
    return jnp.sum(table.coefficient[..., None].astype(columns.dtype) * factors, axis=1)


def pull_back(
    table: AngleTable, columns: jax.Array, cotangent: jax.Array, rows: slice
) -> jax.Array:
    """Transposed derivative of the angles by the columns.

    Args:
        table: The angles' table.
        columns: ``p``, of shape (1 + P, B) or (1 + P, 1).
        cotangent: (A, m, B), by the angles.
        rows: Which columns to pull back to.

    Returns:
        (P', m, B), by the selected columns.
    """
    factor = (
        table.use_coefficient[rows, :, None].astype(columns.dtype) * columns[table.use_other[rows]]
    )
    return jnp.sum(factor[:, :, None, :] * cotangent[table.use_angle[rows]], axis=1)
