"""One layer of a program on a state.

A state is a real array (B, 2, 2^n): samples, real and imaginary part, labels; a sample's cotangents
have further axes in between.  In this order rotations of the trailing bits are one real matrix
product for the entire batch, those of the leading bits one for each sample, and what is summed over
labels for each sample is a matrix product, too.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.export import is_symbolic_dim

from jaxqnn.engine.trigonometry import cos_sin


def label_index(high: jax.Array, low: jax.Array) -> jax.Array:
    """The label map A x for all labels x, from its two half tables."""
    return (high[:, None] ^ low[None, :]).reshape(-1)


# As far as an index of 32 bits with a sign reaches.
_MOST_INDEXED = (1 << 31) - 1

_IN_BOUNDS: dict[str, Any] = {
    "mode": "promise_in_bounds",
    "unique_indices": True,
    "wrap_negative_indices": False,
}


def relabel(state: jax.Array, index: jax.Array) -> jax.Array:
    """psi'[x] = psi[index[x]]."""
    size = state.shape[-1]
    rows = state.reshape(-1, size)
    if is_symbolic_dim(rows.shape[0]) or rows.size > _MOST_INDEXED:
        found = rows.at[:, index].get(**_IN_BOUNDS)
    else:
        # Flattened: for a GPU, XLA lays a gather of rows out label by label, which the products
        # that follow would turn round.
        starts = size * lax.iota(jnp.int32, rows.shape[0])
        where = starts[:, None] + index.astype(jnp.int32)
        found = rows.reshape(-1).at[where].get(**_IN_BOUNDS)
    return found.reshape(state.shape)


class Rotations(NamedTuple):
    """Products of RY on one group of bits, for all layers.

    Attributes:
        forward: (L, 2^k, 2^k).
        inverse: Their inverses, which are their transposes: XLA multiplies by a transposed matrix
            far more slowly, and either side of a state wants the other of the two.
    """

    forward: jax.Array
    inverse: jax.Array

    def swapped(self) -> Rotations:
        """What undoes these."""
        return Rotations(self.inverse, self.forward)


def rotations(angles: jax.Array) -> Rotations:
    """The matrices of angles (L, k), the most significant bit's first."""
    return Rotations(_products(angles), _products(-angles))


def _products(angles: jax.Array) -> jax.Array:
    cosine, sine = jnp.cos(angles / 2), jnp.sin(angles / 2)
    single = jnp.stack(
        [jnp.stack([cosine, -sine], axis=-1), jnp.stack([sine, cosine], axis=-1)], axis=-2
    )
    length, num_bits = angles.shape
    product = single[:, 0]
    for bit in range(1, num_bits):
        size = 2 << bit
        product = (product[:, :, None, :, None] * single[:, bit][:, None, :, None, :]).reshape(
            length, size, size
        )
    return product


def rotate_leading(state: jax.Array, matrix: jax.Array, transposed: jax.Array) -> jax.Array:
    """Applies a real matrix, given with its transpose, to the leading bits."""
    size = matrix.shape[0]
    rest = state.shape[-1] // size
    if rest == 1:
        return rotate_trailing(state, transposed)
    rows = state.reshape(-1, size, rest)
    # One product for each row: XLA would rearrange the state to make a single one of them.
    matrices = jnp.broadcast_to(matrix, (rows.shape[0], size, size))
    return lax.dot_general(
        matrices, rows, (((2,), (1,)), ((0,), (0,))), precision=lax.Precision.HIGHEST
    ).reshape(state.shape)


def rotate_trailing(state: jax.Array, transposed: jax.Array) -> jax.Array:
    """Applies a real matrix, given as its transpose, to the trailing bits."""
    rows = state.reshape(-1, transposed.shape[0])
    return jnp.dot(rows, transposed, precision=lax.Precision.HIGHEST).reshape(state.shape)


def apply_block(state: jax.Array, block: jax.Array) -> jax.Array:
    """Applies a complex matrix, given as (2, 2^k, 2^k), to the leading bits."""
    real, imaginary = (rotate_leading(state, part, part.T) for part in block)
    return jnp.stack(
        [real[..., 0, :] - imaginary[..., 1, :], real[..., 1, :] + imaginary[..., 0, :]], axis=-2
    )


class Signs(NamedTuple):
    """(-1)^parity(mask & x) of K masks, as a product over the halves of x.

    Attributes:
        high: (2^high, K).
        low: (2^low, K).
        low_rows: (K, 2^low), the transpose of ``low``.
    """

    high: jax.Array
    low: jax.Array
    low_rows: jax.Array


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)  # traced once for each shape
def half_signs(masks: jax.Array, num_qubits: int, high: int, dtype: jnp.dtype) -> Signs:
    """The signs of masks (K,)."""
    low = num_qubits - high
    high_labels = jnp.arange(1 << high, dtype=jnp.uint32) << low
    low_labels = jnp.arange(1 << low, dtype=jnp.uint32)

    def signs(masked: jax.Array) -> jax.Array:
        return 1 - 2 * (lax.population_count(masked) & 1).astype(dtype)

    return Signs(
        signs(high_labels[:, None] & masks[None, :]),
        signs(low_labels[:, None] & masks[None, :]),
        signs(low_labels[None, :] & masks[:, None]),
    )


def chunk_angle(signs: Signs, angles: jax.Array) -> jax.Array:
    """-1/2 sum_k angle_k (-1)^parity(mask_k & x): angles (B, K) -> (B, 2^n)."""
    by_high = (-0.5 * angles)[:, None, :] * signs.high[None]
    product = jnp.dot(
        by_high.reshape(-1, angles.shape[1]), signs.low_rows, precision=lax.Precision.HIGHEST
    )
    return product.reshape(angles.shape[0], signs.high.shape[0] * signs.low.shape[0])


def chunk_cotangent(signs: Signs, cotangent: jax.Array) -> jax.Array:
    """The transpose of ``chunk_angle``: (..., 2^n) -> (..., K)."""
    by_high = jnp.dot(
        cotangent.reshape(-1, signs.low.shape[0]), signs.low, precision=lax.Precision.HIGHEST
    ).reshape(*cotangent.shape[:-1], *signs.high.shape)
    return -0.5 * jnp.sum(signs.high * by_high, axis=-2)


class Phase(NamedTuple):
    """exp(i angle[x]) for all labels, (B, 2^n) or one for all samples, (1, 2^n)."""

    cosine: jax.Array
    sine: jax.Array

    def conjugate(self) -> Phase:
        """What undoes it."""
        return Phase(self.cosine, -self.sine)


def phase(angle: jax.Array) -> Phase:
    """The phase of angles (B, 2^n) or (1, 2^n)."""
    found = cos_sin(angle)
    # Kept apart from the product with the state: fused into it, XLA's CPU backend computes every
    # sine and cosine several times over, one element at a time.
    return Phase(*lax.optimization_barrier(found))


def turn(state: jax.Array, by: Phase) -> jax.Array:
    """psi'[x] = exp(i angle[x]) psi[x]: state (B, ..., 2, 2^n)."""
    shape = (by.cosine.shape[0], *[1] * (state.ndim - 3), by.cosine.shape[1])
    cosine, sine = by.cosine.reshape(shape), by.sine.reshape(shape)
    real, imaginary = state[..., 0, :], state[..., 1, :]
    turned = real * cosine - imaginary * sine, real * sine + imaginary * cosine
    return jnp.stack(turned, axis=-2)


def product_state(angles: jax.Array) -> jax.Array:
    """The product of RY(angle)|0> over the bits: angles (n, B), bit 0 first -> (B, 2^n)."""
    # Kept apart, as in ``phase``: each factor once, then each half of the bits, then their product.
    cosine, sine = lax.optimization_barrier((jnp.cos(angles / 2), jnp.sin(angles / 2)))
    factors = jnp.stack([cosine, sine], axis=2)
    low_bits = (angles.shape[0] + 1) // 2
    low, high = lax.optimization_barrier(
        (_outer_product(factors[:low_bits]), _outer_product(factors[low_bits:]))
    )
    return (high[:, :, None] * low[:, None, :]).reshape(angles.shape[1], 1 << angles.shape[0])


def _outer_product(factors: jax.Array) -> jax.Array:
    """(bits, B, 2) -> (B, 2^bits), bit 0 the least significant."""
    batch = factors.shape[1]
    product = jnp.ones((batch, 1), factors.dtype)
    for bit, factor in enumerate(factors):
        product = (factor[:, :, None] * product[:, None, :]).reshape(batch, 2 << bit)
    return product
