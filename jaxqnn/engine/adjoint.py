"""The reverse sweep: cotangents of all angles, keeping two states whatever the depth.

The derivation is in ``adjoint.md`` beside this file.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxqnn.engine.angles import Angles
from jaxqnn.engine.evolve import apply_leading, apply_phases, phase_kinds
from jaxqnn.engine.layers import (
    chunk_cotangent,
    half_signs,
    label_index,
    product_state,
    relabel,
    rotation_matrices,
)
from jaxqnn.program.tables import Tables, high_bits


def adjoint(
    tables: Tables,
    angles: Angles,
    state: jax.Array,
    cotangents: jax.Array,
    *,
    per_sample: bool,
    inputs_count: bool = True,
) -> tuple[Angles, jax.Array]:
    """Cotangents of the angles from cotangents of the final state.

    Args:
        tables: The program.
        angles: Its angles.
        state: The final state, (2^n, 2, B).
        cotangents: (2^n, 2, m, B), one for each of m outputs: the gradient of the output by real
            and imaginary part of each amplitude.
        per_sample: True for the Jacobian, which keeps the batch axis of every angle. False for a
            VJP, where cotangents of shared angles are summed over the batch.
        inputs_count: Whether cotangents of the samples' own phases are wanted (else zeros).

    Returns:
        The cotangents of the angles, each with axes (..., m, B) after its own (shared ones (..., m,
        1) if not per_sample), and that of the start, (2^n, 2, m, B).
    """
    outputs, batch = cotangents.shape[2:]
    kept = (outputs, batch if per_sample else 1)
    dtype = state.dtype
    matrices = rotation_matrices(angles.rotations)
    # Column 0 is the state, undone step by step beside its cotangents.
    both = jnp.concatenate([state[:, :, None, :], cotangents], axis=2)
    rotations = jnp.zeros((*angles.rotations.shape, *kept), dtype)
    shared = jnp.zeros((*angles.shared.shape, *kept), dtype)
    sample = jnp.zeros((*angles.sample.shape[:2], outputs, batch), dtype)

    def layer(i: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        both, rotations, shared, sample = carry
        l = tables.num_layers - 1 - i
        rotations = lax.fori_loop(
            l,
            l + tables.trainable[l],
            lambda l, out: out.at[l].set(
                rotation_cotangent(both, angles.rotations.shape[1], per_sample=per_sample)
            ),
            rotations,
        )
        both = apply_leading(tables, matrices, l, both, inverse=True)
        shared, sample = _phase_cotangents(
            tables,
            angles,
            l,
            both,
            shared,
            sample,
            per_sample=per_sample,
            inputs_count=inputs_count,
        )
        both = apply_phases(tables, angles, l, both, -1)
        both = relabel(both, label_index(tables.inverse_high[l], tables.inverse_low[l]))
        return both, rotations, shared, sample

    both, rotations, shared, sample = lax.fori_loop(
        0, tables.num_layers, layer, (both, rotations, shared, sample)
    )
    at_start = both[:, :, 1:]
    return Angles(rotations, shared, sample, _start_cotangent(angles.start, at_start)), at_start


def rotation_cotangent(both: jax.Array, num_bits: int, *, per_sample: bool) -> jax.Array:
    """Cotangents of the leading bits' rotation angles, (k, m, B), or (k, m, 1) summed.

    With RY(t) = exp(t/2 J) and J = [[0, -1], [1, 0]] on one bit, after the rotation:
    1/2 <lambda, J psi> = 1/2 sum (lambda_1 psi_0 - lambda_0 psi_1).
    """
    state, cotangents = both[:, :, :1], both[:, :, 1:]
    outputs, batch = cotangents.shape[2:]
    size = 1 << num_bits
    if outputs == 1 and (batch == 1 or not per_sample):
        # Summed over all else, the correlations of the leading bits are one matrix product.
        correlation = jnp.dot(
            cotangents.reshape(size, -1), state.reshape(size, -1).T, precision=lax.Precision.HIGHEST
        )
        generators = jnp.asarray(_generators(num_bits), both.dtype)
        return 0.5 * jnp.einsum("kij,ij->k", generators, correlation)[:, None, None]
    ones = jnp.ones((state.shape[0],), both.dtype)
    found = []
    for bit in range(num_bits):
        shape = (1 << bit, 2, -1, 2)
        psi = state.reshape(*shape, 1, batch)
        lam = cotangents.reshape(*shape, outputs, batch)
        terms = lam[:, 1] * psi[:, 0] - lam[:, 0] * psi[:, 1]
        # A product with ones: XLA's CPU backend sums rows slowly (three times as long).
        found.append(
            jnp.dot(ones, terms.reshape(state.shape[0], -1), precision=lax.Precision.HIGHEST)
        )
    cotangent = 0.5 * jnp.stack(found).reshape(num_bits, outputs, batch)
    return cotangent if per_sample else jnp.sum(cotangent, axis=2, keepdims=True)


def _generators(num_bits: int) -> np.ndarray:
    """J on each leading bit, most significant first: (k, 2^k, 2^k)."""
    single = np.array([[0.0, -1.0], [1.0, 0.0]])
    return np.stack(
        [
            np.kron(np.kron(np.eye(1 << bit), single), np.eye(1 << (num_bits - 1 - bit)))
            for bit in range(num_bits)
        ]
    )


def _phase_cotangents(
    tables: Tables,
    angles: Angles,
    l: jax.Array,
    both: jax.Array,
    shared: jax.Array,
    sample: jax.Array,
    *,
    per_sample: bool,
    inputs_count: bool,
) -> tuple[jax.Array, jax.Array]:
    """Writes the cotangents of layer l's phases.

    A turn of psi[x] by d phi adds i psi d phi, so phi[x] has the cotangent Im(conj(psi) lambda).
    """
    num_qubits = angles.start.shape[0]
    outputs, batch = both.shape[2] - 1, both.shape[3]

    def of_labels() -> jax.Array:
        psi, lam = both[:, :, :1], both[:, :, 1:]
        found = lam[:, 1] * psi[:, 0] - lam[:, 0] * psi[:, 1]
        return found.reshape(-1, outputs * batch)

    def write(
        c: jax.Array, out: jax.Array, masks: jax.Array, labels: jax.Array
    ) -> jax.Array:
        signs = half_signs(masks[c], num_qubits, high_bits(num_qubits), out.dtype)
        return out.at[c].set(chunk_cotangent(signs, labels).reshape(out.shape[1:]))

    def write_all(l: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        shared, sample = carry
        labels = of_labels()
        if inputs_count:
            sample = lax.fori_loop(
                tables.sample_range[l],
                tables.sample_range[l + 1],
                lambda c, out: write(c, out, tables.sample_masks, labels),
                sample,
            )
        if not per_sample:
            labels = jnp.sum(labels.reshape(-1, outputs, batch), axis=2)
        shared = lax.fori_loop(
            tables.shared_range[l],
            tables.shared_range[l + 1],
            lambda c, out: write(c, out, tables.shared_masks, labels),
            shared,
        )
        return shared, sample

    shared_only, has_sample = phase_kinds(tables, l)
    # Constant phases have cotangents too; they are few, and pulled back to nothing.
    return lax.fori_loop(l, l + (shared_only | has_sample), write_all, (shared, sample))


def _start_cotangent(angles: jax.Array, at_start: jax.Array) -> jax.Array:
    """Cotangents of the start's angles, (n, m, B): the product is real, so only real parts count."""
    _, pull = jax.vjp(product_state, angles)
    pulled = jax.vmap(lambda cotangent: pull(cotangent)[0], in_axes=1, out_axes=1)
    return pulled(at_start[:, 0])
