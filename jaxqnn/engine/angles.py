"""Angle tables evaluated, and their transposed derivative."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.program.tables import Array, MonomialTable, Tables, TermTable


class Angles(NamedTuple):
    """Every angle of a program; or, with axes (m, B) after an angle's own, a cotangent of each.

    Attributes:
        rotations: (L, r), in the order of the program's rotated bits.
        shared: (C, K), phases shared by the batch.
        sample: (C', B, K), phases that differ from sample to sample.
        start: (n, B), of bit 0, 1, ...
        amplitudes: (2^(m+1), B), what the m lowest bits start from instead, up to its norm: real
            parts, then imaginary parts; None if all bits start by ``start``.
    """

    rotations: jax.Array
    shared: jax.Array
    sample: jax.Array
    start: jax.Array
    amplitudes: jax.Array | None = None


def evaluate(tables: Tables, inputs: jax.Array, weights: jax.Array) -> Angles:
    """All angles from inputs (P, B) and weights (W,)."""
    shared = _from_terms(tables.shared, _with_one(weights[:, None]))[:, 0]
    columns = _sample_columns(tables, inputs, weights)
    sample = _from_monomials(tables.sample, columns)
    length, count = tables.map_high.shape[0], sum(tables.group_sizes)
    num_rotations = length * count
    num_phases = tables.sample_masks.size
    # Phases and half angles have period 4 pi; small arguments keep their sums exact.
    period = 4 * jnp.pi
    return Angles(
        shared[:num_rotations].reshape(length, count),
        lax.rem(shared[num_rotations:], jnp.asarray(period, shared.dtype)).reshape(
            tables.shared_masks.shape
        ),
        jnp.swapaxes(
            lax.rem(sample[:num_phases], jnp.asarray(period, sample.dtype)).reshape(
                *tables.sample_masks.shape, -1
            ),
            1,
            2,
        ),
        sample[num_phases:],
        None if tables.amplitudes is None else _from_terms(tables.amplitudes, columns),
    )


def pull_back(
    tables: Tables,
    inputs: jax.Array,
    weights: jax.Array,
    of_sample: jax.Array,
    of_shared: jax.Array,
    of_amplitudes: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Cotangents of inputs and weights from those of the angles.

    Args:
        tables: The program.
        inputs: (P, B).
        weights: (W,).
        of_sample: (A', m, B), by the angles of the sample table.
        of_shared: (A, m, B), by those of the shared table, or (A, m, 1) if summed over the batch.
        of_amplitudes: (2^(m+1), m, B), by the given amplitudes, if there are any.

    Returns:
        (B, m, P) and (B, m, W), or (1, m, W) if summed.
    """
    num_inputs = inputs.shape[0]
    columns = _sample_columns(tables, inputs, weights)
    by_monomial = jnp.einsum(
        "ak,amb->kmb",
        _cast(tables.sample.matrix, of_sample),
        of_sample,
        precision=lax.Precision.HIGHEST,
    )
    by_column = _over_uses(tables.sample, columns, by_monomial)
    if tables.amplitudes is not None and of_amplitudes is not None:
        by_column = by_column + _over_uses(tables.amplitudes, columns, of_amplitudes)
    of_weights = _over_uses(tables.shared, _with_one(weights[:, None]), of_shared)
    if by_column.shape[0] > num_inputs:
        through_sample = by_column[num_inputs:]
        if of_weights.shape[2] != through_sample.shape[2]:
            through_sample = jnp.sum(through_sample, axis=2, keepdims=True)
        of_weights = of_weights + through_sample
    return (
        jnp.transpose(by_column[:num_inputs], (2, 1, 0)),
        jnp.transpose(of_weights, (2, 1, 0)),
    )


def _from_terms(table: TermTable, columns: jax.Array) -> jax.Array:
    """The angles (A, B) of a table of terms."""
    factors = columns[table.first] * columns[table.second]
    return jnp.sum(_cast(table.coefficient, columns)[..., None] * factors, axis=1)


def _from_monomials(table: MonomialTable, columns: jax.Array) -> jax.Array:
    """The angles (A, B) of a table of monomials."""
    monomials = columns[table.first] * columns[table.second]
    return jnp.dot(_cast(table.matrix, columns), monomials, precision=lax.Precision.HIGHEST)


def _over_uses(
    table: TermTable | MonomialTable, columns: jax.Array, cotangent: jax.Array
) -> jax.Array:
    """Sums each column's uses: (P, m, B), from cotangents (..., m, B) of what uses them."""
    factor = _cast(table.use_coefficient, columns)[..., None] * columns[table.use_other]
    return jnp.sum(factor[:, :, None, :] * cotangent[table.use_source], axis=1)


def _sample_columns(tables: Tables, inputs: jax.Array, weights: jax.Array) -> jax.Array:
    """[1, inputs], and the weights too where any of the samples' angles depends on one."""
    if tables.sample.use_source.shape[0] == inputs.shape[0]:
        return _with_one(inputs)
    shape = (weights.shape[0], inputs.shape[1])
    return _with_one(jnp.concatenate([inputs, jnp.broadcast_to(weights[:, None], shape)]))


def _with_one(columns: jax.Array) -> jax.Array:
    return jnp.concatenate([jnp.ones((1, columns.shape[1]), columns.dtype), columns])


def _cast(table: Array, like: jax.Array) -> jax.Array:
    return jnp.asarray(table, like.dtype)
