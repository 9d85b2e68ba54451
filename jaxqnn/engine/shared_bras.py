"""Derivatives of the probabilities of all labels, by bras that the samples share.

From some layer s on nothing differs from sample to sample.  The amplitude of label y is then
<bra_y|psi_s>, with the sample's state psi_s before that layer and one bra for all samples, so that
layers are undone on 2^n bras in all and not on one for each sample and label.  With the amplitude
a_y, the probability |a_y|^2 has the cotangent 2 a_y bra_y (see ``adjoint.md``): every derivative by
an angle from layer s on is a product of all bras with a few vectors of each sample.  What acts
before layer s is differentiated forwards, to the tangents of psi_s.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxqnn.engine.angles import Angles, evaluate
from jaxqnn.engine.evolve import (
    apply_rotations,
    evolve,
    group_rotations,
    layer_phase,
    phase_kinds,
    start_state,
    when,
)
from jaxqnn.engine.layers import chunk_cotangent, half_signs, label_index, relabel, turn
from jaxqnn.program.tables import Tables, high_bits

# Tangents carried through the first layers at once.
TANGENTS_AT_ONCE = 8


class Sweep(NamedTuple):
    """What the reverse sweep carries from layer to layer.

    Attributes:
        bras: (1, 2^n, 2, 2^n), one for each label.
        states: (B, 2, 2^n).
        rotations: (L, B, 2^n, r), derivatives of every probability found so far.
        shared: (C, B, 2^n, K), likewise.
    """

    bras: jax.Array
    states: jax.Array
    rotations: jax.Array
    shared: jax.Array


def probability_derivatives(
    tables: Tables,
    inputs: jax.Array,
    weights: jax.Array,
    towards_inputs: jax.Array,
    towards_weights: jax.Array,
    count: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Derivatives of |psi[x]|^2 for all labels x.

    Args:
        tables: The program.
        inputs: (B, P).
        weights: (W,).
        towards_inputs: (T, P), directions in which to differentiate what acts before layer s; T is
            a multiple of ``TANGENTS_AT_ONCE``.
        towards_weights: (T, W).
        count: How many of the directions are wanted; the others give zeros.

    Returns:
        Along the directions (T, B, 2^n), and by the rotation angles (L, B, 2^n, r) and the shared
        phases (C, B, 2^n, K) from layer s on.
    """
    first = first_shared_layer(tables)

    def before(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        angles = evaluate(tables, inputs.T, weights)
        return evolve(tables, angles, start_state(angles), 0, first)

    angles = evaluate(tables, inputs.T, weights)
    states = evolve(tables, angles, before(inputs, weights), first, tables.num_layers)
    amplitudes = (states[:, 0], states[:, 1])
    sweep = _sweep(tables, angles, states, amplitudes, first)

    def along(direction: tuple[jax.Array, jax.Array]) -> jax.Array:
        step = (jnp.broadcast_to(direction[0], inputs.shape), direction[1])
        return jax.jvp(before, (inputs, weights), step)[1]

    def chunk(c: jax.Array, found: jax.Array) -> jax.Array:
        directions = jax.tree.map(lambda d: d[c], chunks)
        tangents = jnp.moveaxis(jax.vmap(along)(directions), 0, 1)
        overlaps = 2 * _real_overlaps(sweep.bras, tangents, amplitudes)
        return found.at[c].set(jnp.moveaxis(overlaps, 2, 0))

    chunks = jax.tree.map(
        lambda d: d.reshape(-1, TANGENTS_AT_ONCE, d.shape[1]), (towards_inputs, towards_weights)
    )
    along_directions = lax.fori_loop(
        0,
        (count + TANGENTS_AT_ONCE - 1) // TANGENTS_AT_ONCE,
        chunk,
        jnp.zeros((chunks[0].shape[0], TANGENTS_AT_ONCE, *amplitudes[0].shape), states.dtype),
    )
    return along_directions.reshape(-1, *amplitudes[0].shape), sweep.rotations, sweep.shared


def first_shared_layer(tables: Tables) -> jax.Array:
    """s, after the last layer with phases of the samples' own."""
    ranges = jnp.asarray(tables.sample_range)
    numbers = jnp.arange(1, ranges.shape[0], dtype=ranges.dtype)
    return jnp.max(numbers * (ranges[1:] > ranges[:-1]))


def _sweep(
    tables: Tables,
    angles: Angles,
    states: jax.Array,
    amplitudes: tuple[jax.Array, jax.Array],
    first: jax.Array,
) -> Sweep:
    """Undoes the layers from ``first`` on, and notes the derivatives by their angles."""
    groups = tuple(group.swapped() for group in group_rotations(tables, angles))
    batch, labels = amplitudes[0].shape
    (length, count), (chunks, width) = angles.rotations.shape, angles.shared.shape

    def layer(i: jax.Array, sweep: Sweep) -> Sweep:
        l = tables.num_layers - 1 - i
        bras = apply_rotations(tables, groups, l, sweep.bras, inverse=True)
        states = apply_rotations(tables, groups, l, sweep.states, inverse=True)
        # 1/2 Re <2 a bra, J psi>
        found = _real_overlaps(bras, _generated(tables, states), amplitudes)
        sweep = Sweep(bras, states, sweep.rotations.at[l].set(found), sweep.shared)
        sweep = when(phase_kinds(tables, l)[0], l, phases, sweep)
        index = label_index(tables.inverse_high[l], tables.inverse_low[l])
        return sweep._replace(bras=relabel(sweep.bras, index), states=relabel(sweep.states, index))

    def phases(l: jax.Array, sweep: Sweep) -> Sweep:
        of_labels = _phase_cotangents(sweep.bras, sweep.states, amplitudes)

        def write(c: jax.Array, out: jax.Array) -> jax.Array:
            signs = half_signs(
                tables.shared_masks[c], tables.num_qubits, high_bits(tables.num_qubits), out.dtype
            )
            return out.at[c].set(chunk_cotangent(signs, of_labels))

        undo = layer_phase(tables, angles, l, per_sample=False).conjugate()
        return Sweep(
            turn(sweep.bras, undo),
            turn(sweep.states, undo),
            sweep.rotations,
            lax.fori_loop(tables.shared_range[l], tables.shared_range[l + 1], write, sweep.shared),
        )

    bras = jnp.stack([jnp.eye(labels, dtype=states.dtype)] * 2, axis=1)
    start = Sweep(
        (bras * jnp.asarray([1, 0], states.dtype)[:, None])[None],
        states,
        jnp.zeros((length, batch, labels, count), states.dtype),
        jnp.zeros((chunks, batch, labels, width), states.dtype),
    )
    sweep: Sweep = lax.fori_loop(0, tables.num_layers - first, layer, start)
    return sweep


def _real_overlaps(
    bras: jax.Array, vectors: jax.Array, amplitudes: tuple[jax.Array, jax.Array]
) -> jax.Array:
    """Re(conj(a_y) <bra_y|v>) for vectors (B, V, 2, 2^n): (B, 2^n, V)."""
    labels = bras.shape[1]
    flat = bras.reshape(labels, -1)
    # <bra|v> has the real part of v with bra, and the imaginary part of -i v with it.
    turned = jnp.stack([vectors[..., 1, :], -vectors[..., 0, :]], axis=-2)
    found = [
        jnp.einsum(
            "yx,bvx->byv",
            flat,
            part.reshape(*part.shape[:2], -1),
            precision=lax.Precision.HIGHEST,
        )
        for part in (vectors, turned)
    ]
    return amplitudes[0][..., None] * found[0] + amplitudes[1][..., None] * found[1]


def _generated(tables: Tables, states: jax.Array) -> jax.Array:
    """J psi for every rotated bit: (B, r, 2, 2^n)."""
    labels = np.arange(states.shape[-1])
    leading, *trailing = tables.group_sizes
    n = tables.num_qubits
    bits = [*range(n - 1, n - 1 - leading, -1), *range(sum(trailing) - 1, -1, -1)]
    flipped = np.stack([labels ^ (1 << bit) for bit in bits])
    # J = [[0, -1], [1, 0]]
    signs = np.stack([np.where(labels >> bit & 1, 1, -1) for bit in bits])
    return jnp.moveaxis(jnp.asarray(signs, states.dtype) * states[..., flipped], 2, 1)


def _phase_cotangents(
    bras: jax.Array, states: jax.Array, amplitudes: tuple[jax.Array, jax.Array]
) -> jax.Array:
    """Im(conj(psi) lambda) of every label for the cotangents 2 a_y bra_y: (B, 2^n, 2^n)."""
    real, imaginary = (2 * part[..., None] for part in amplitudes)
    bra_real, bra_imaginary = bras[:, :, 0], bras[:, :, 1]
    lam_real = real * bra_real - imaginary * bra_imaginary
    lam_imaginary = real * bra_imaginary + imaginary * bra_real
    return lam_imaginary * states[:, None, 0] - lam_real * states[:, None, 1]
