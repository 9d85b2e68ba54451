"""One layer of a program on a state.

A state is a real array (2^n, 2, B): labels, real and imaginary part, samples.  In this order a
label map is a gather of whole rows, and rotations of the leading bits are one real matrix product
for the entire batch.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.trigonometry import cos_sin


def label_index(high: jax.Array, low: jax.Array) -> jax.Array:
    """The label map A x for all labels x, from its two half tables."""
    return (high[:, None] ^ low[None, :]).reshape(-1)


def relabel(state: jax.Array, index: jax.Array) -> jax.Array:
    """psi'[x] = psi[index[x]]."""
    return state.at[index].get(mode="promise_in_bounds", unique_indices=True)


def rotation_matrices(angles: jax.Array) -> jax.Array:
    """Products of RY on the leading bits: angles (L, k) -> (L, 2^k, 2^k)."""
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


def rotate(state: jax.Array, matrix: jax.Array) -> jax.Array:
    """Applies a real matrix to the leading bits."""
    leading = state.reshape(matrix.shape[0], -1)
    return jnp.dot(matrix, leading, precision=lax.Precision.HIGHEST).reshape(state.shape)


def apply_block(state: jax.Array, block: jax.Array) -> jax.Array:
    """Applies a complex matrix, given as (2, 2^k, 2^k), to the leading bits."""
    real, imaginary = rotate(state, block[0]), rotate(state, block[1])
    return jnp.stack([real[:, 0] - imaginary[:, 1], real[:, 1] + imaginary[:, 0]], axis=1)


def half_signs(
    masks: jax.Array, num_qubits: int, high: int, dtype: jnp.dtype
) -> tuple[jax.Array, jax.Array]:
    """(-1)^parity(mask & x) as a product over the halves of x: (2^high, K) and (2^low, K)."""
    low = num_qubits - high
    high_labels = jnp.arange(1 << high, dtype=jnp.uint32) << low
    low_labels = jnp.arange(1 << low, dtype=jnp.uint32)

    def signs(labels: jax.Array) -> jax.Array:
        odd = lax.population_count(labels[:, None] & masks[None, :]) & 1
        return 1 - 2 * odd.astype(dtype)

    return signs(high_labels), signs(low_labels)


def chunk_angle(signs: tuple[jax.Array, jax.Array], angles: jax.Array) -> jax.Array:
    """-1/2 sum_k angle_k (-1)^parity(mask_k & x): angles (K, B) -> (2^n, B)."""
    high, low = signs
    by_low = (low.T[:, :, None] * (-0.5 * angles)[:, None, :]).reshape(angles.shape[0], -1)
    product = jnp.dot(high, by_low, precision=lax.Precision.HIGHEST)
    return product.reshape(high.shape[0] * low.shape[0], angles.shape[1])


def chunk_cotangent(signs: tuple[jax.Array, jax.Array], cotangent: jax.Array) -> jax.Array:
    """The transpose of ``chunk_angle``: (2^n, B) -> (K, B)."""
    high, low = signs
    batch = cotangent.shape[1]
    by_high = jnp.dot(
        high.T, cotangent.reshape(high.shape[0], -1), precision=lax.Precision.HIGHEST
    ).reshape(high.shape[1], low.shape[0], batch)
    return -0.5 * jnp.sum(low.T[:, :, None] * by_high, axis=1)


def turn(state: jax.Array, angle: jax.Array) -> jax.Array:
    """psi'[x] = exp(i angle[x]) psi[x]: state (2^n, 2, ..., B), angle (2^n, B) or (2^n, 1)."""
    shape = (angle.shape[0], *[1] * (state.ndim - 2), angle.shape[1])
    # Kept apart from the product below: fused into it, XLA's CPU backend computes every sine and
    # cosine several times over, one element at a time.
    cosine, sine = lax.optimization_barrier(cos_sin(angle))
    cosine, sine = cosine.reshape(shape), sine.reshape(shape)
    real, imaginary = state[:, :1], state[:, 1:]
    return jnp.concatenate(
        [real * cosine - imaginary * sine, real * sine + imaginary * cosine], axis=1
    )


def product_state(angles: jax.Array) -> jax.Array:
    """The product of RY(angle)|0> over the bits: angles (n, B), bit 0 first -> (2^n, B)."""
    # Kept apart, as in ``turn``: each factor once, then each half of the bits, then their product.
    cosine, sine = lax.optimization_barrier((jnp.cos(angles / 2), jnp.sin(angles / 2)))
    factors = jnp.stack([cosine, sine], axis=1)
    low_bits = (angles.shape[0] + 1) // 2
    low, high = lax.optimization_barrier(
        (_outer_product(factors[:low_bits]), _outer_product(factors[low_bits:]))
    )
    return (high[:, None, :] * low[None, :, :]).reshape(1 << angles.shape[0], angles.shape[1])


def _outer_product(factors: jax.Array) -> jax.Array:
    """(bits, 2, B) -> (2^bits, B), bit 0 the least significant."""
    product = jnp.ones((1, factors.shape[2]), factors.dtype)
    for factor in factors:
        product = (factor[:, None, :] * product[None, :, :]).reshape(-1, factors.shape[2])
    return product
