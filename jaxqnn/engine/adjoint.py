"""The reverse sweep: cotangents of all angles, keeping two states whatever the depth.

The derivation is in ``adjoint.md`` beside this file.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxqnn.engine.angles import Angles
from jaxqnn.engine.evolve import apply_leading, given_state, phase_angle, phase_kinds
from jaxqnn.engine.layers import (
    chunk_cotangent,
    half_signs,
    label_index,
    product_state,
    relabel,
    rotation_matrices,
    turn,
)
from jaxqnn.program.tables import Tables, high_bits

# Up to this many samples, rotation cotangents are correlations by one matrix product each; for
# more, XLA's CPU backend takes longer to rearrange the state than to multiply and add its columns.
_FEW_SAMPLES = 8


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
    # Inverse rotations by their angles: XLA multiplies by a transposed matrix far more slowly.
    matrices = rotation_matrices(-angles.rotations)

    def layer(i: jax.Array, sweep: Sweep) -> Sweep:
        l = tables.num_layers - 1 - i
        index = label_index(tables.inverse_high[l], tables.inverse_low[l])
        return undo_layer(
            tables,
            angles,
            matrices,
            l,
            sweep,
            index,
            per_sample=per_sample,
            inputs_count=inputs_count,
        )

    sweep = lax.fori_loop(
        0, tables.num_layers, layer, begin(angles, state, cotangents, per_sample=per_sample)
    )
    at_start = sweep.both[:, :, 1:]
    of_start = _start_cotangents(angles, at_start)
    return Angles(sweep.rotations, sweep.shared, sweep.sample, *of_start), at_start


class Sweep(NamedTuple):
    """What the reverse sweep carries from layer to layer.

    Attributes:
        both: (2^n, 2, 1 + m, B); column 0 is the state, undone step by step beside its cotangents.
        rotations: (L, k, m, B or 1), cotangents found so far, as are the next two.
        shared: (C, K, m, B or 1).
        sample: (C', K, m, B).
    """

    both: jax.Array
    rotations: jax.Array
    shared: jax.Array
    sample: jax.Array


def begin(angles: Angles, state: jax.Array, cotangents: jax.Array, *, per_sample: bool) -> Sweep:
    """The sweep before its first layer."""
    outputs, batch = cotangents.shape[2:]
    kept = (outputs, batch if per_sample else 1)
    return Sweep(
        jnp.concatenate([state[:, :, None, :], cotangents], axis=2),
        jnp.zeros((*angles.rotations.shape, *kept), state.dtype),
        jnp.zeros((*angles.shared.shape, *kept), state.dtype),
        jnp.zeros((*angles.sample.shape[:2], outputs, batch), state.dtype),
    )


def undo_layer(
    tables: Tables,
    angles: Angles,
    matrices: jax.Array,
    l: jax.Array,
    sweep: Sweep,
    index: jax.Array,
    *,
    per_sample: bool,
    inputs_count: bool,
) -> Sweep:
    """Undoes layer l, whose inverse label map is ``index``, and notes its cotangents."""
    rotations = lax.fori_loop(
        l,
        l + tables.trainable[l],
        lambda l, out: out.at[l].set(
            rotation_cotangent(sweep.both, angles.rotations.shape[1], per_sample=per_sample)
        ),
        sweep.rotations,
    )
    sweep = sweep._replace(
        both=apply_leading(tables, matrices, l, sweep.both, inverse=True), rotations=rotations
    )
    # One loop of zero or one turn for each kind of phase, see ``apply_phases``. Reading the
    # cotangents and undoing the turn in the same loop spares a copy of the state.
    shared_only, has_sample = phase_kinds(tables, l)
    for runs, of_samples in ((shared_only, False), (has_sample, True)):
        sweep = lax.fori_loop(
            l,
            l + runs,
            lambda i, sweep, of_samples=of_samples: _undo_phases(
                tables,
                angles,
                i,
                sweep,
                of_samples=of_samples,
                per_sample=per_sample,
                inputs_count=inputs_count,
            ),
            sweep,
        )
    return sweep._replace(both=relabel(sweep.both, index))


def rotation_cotangent(both: jax.Array, num_bits: int, *, per_sample: bool) -> jax.Array:
    """Cotangents of the leading bits' rotation angles, (k, m, B), or (k, m, 1) summed.

    With RY(t) = exp(t/2 J) and J = [[0, -1], [1, 0]] on one bit, after the rotation:
    1/2 <lambda, J psi> = 1/2 sum (lambda_1 psi_0 - lambda_0 psi_1).
    """
    state, cotangents = both[:, :, :1], both[:, :, 1:]
    outputs, batch = cotangents.shape[2:]
    size = 1 << num_bits
    # An exported function's batch may be a symbol, which has no order.
    few = isinstance(batch, int) and batch <= _FEW_SAMPLES
    if outputs == 1 and (few or not per_sample):
        # Summed over all else, the correlations of the leading bits are a matrix product.
        kept = (batch, 1) if per_sample else (1, batch)
        correlation = jnp.einsum(
            "imbs,jmbs->bij",
            cotangents.reshape(size, -1, *kept),
            state.reshape(size, -1, *kept),
            precision=lax.Precision.HIGHEST,
        )
        generators = jnp.asarray(_generators(num_bits), both.dtype)
        return 0.5 * jnp.einsum("kij,bij->kb", generators, correlation)[:, None, :]
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


def _undo_phases(
    tables: Tables,
    angles: Angles,
    l: jax.Array,
    sweep: Sweep,
    *,
    of_samples: bool,
    per_sample: bool,
    inputs_count: bool,
) -> Sweep:
    """Notes the cotangents of layer l's phases, and undoes them.

    A turn of psi[x] by d phi adds i psi d phi, so phi[x] has the cotangent Im(conj(psi) lambda).
    """
    num_qubits = angles.start.shape[0]
    both, shared, sample = sweep.both, sweep.shared, sweep.sample
    outputs, batch = both.shape[2] - 1, both.shape[3]
    psi, lam = both[:, :, :1], both[:, :, 1:]
    labels = (lam[:, 1] * psi[:, 0] - lam[:, 0] * psi[:, 1]).reshape(-1, outputs * batch)

    def write(c: jax.Array, out: jax.Array, masks: jax.Array, labels: jax.Array) -> jax.Array:
        signs = half_signs(masks[c], num_qubits, high_bits(num_qubits), out.dtype)
        return out.at[c].set(chunk_cotangent(signs, labels).reshape(out.shape[1:]))

    if of_samples and inputs_count:
        sample = lax.fori_loop(
            tables.sample_range[l],
            tables.sample_range[l + 1],
            lambda c, out: write(c, out, tables.sample_masks, labels),
            sample,
        )
    summed = labels
    if not per_sample:
        summed = jnp.sum(labels.reshape(-1, outputs, batch), axis=2)
    shared = lax.fori_loop(
        tables.shared_range[l],
        tables.shared_range[l + 1],
        lambda c, out: write(c, out, tables.shared_masks, summed),
        shared,
    )
    angle = phase_angle(tables, angles, l, per_sample=of_samples)
    return Sweep(turn(both, -angle), sweep.rotations, shared, sample)


def _start_cotangents(angles: Angles, at_start: jax.Array) -> tuple[jax.Array, jax.Array | None]:
    """Cotangents of the start's angles, (n, m, B), and of given amplitudes."""
    if angles.amplitudes is None:
        # The product is real, so only real parts count.
        _, pull = jax.vjp(product_state, angles.start)
        pulled = jax.vmap(lambda cotangent: pull(cotangent)[0], in_axes=1, out_axes=1)
        return pulled(at_start[:, 0]), None
    _, pull_both = jax.vjp(given_state, angles.start, angles.amplitudes)
    of_start, of_amplitudes = jax.vmap(pull_both, in_axes=2, out_axes=1)(at_start)
    return of_start, of_amplitudes
