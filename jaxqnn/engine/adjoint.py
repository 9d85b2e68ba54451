"""The reverse sweep: cotangents of all angles, keeping two states whatever the depth.

The derivation is in ``sweep/adjoint.md``.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxqnn.engine.angles import Angles, evaluate, pull_back
from jaxqnn.engine.evolve import (
    apply_rotations,
    given_state,
    group_rotations,
    layer_phase,
    phase_kinds,
    when,
)
from jaxqnn.engine.layers import (
    Rotations,
    chunk_cotangent,
    half_signs,
    label_index,
    product_state,
    relabel,
    turn,
)
from jaxqnn.program.tables import Tables, high_bits


def pull_state(
    tables: Tables,
    inputs: jax.Array,
    weights: jax.Array,
    state: jax.Array,
    cotangents: jax.Array,
    *,
    per_sample: bool,
) -> tuple[jax.Array, jax.Array]:
    """Cotangents of inputs (B, m, P) and weights (B, m, W) from those of the final state.

    With ``per_sample`` False the weights' are summed over the batch: (1, m, W).
    """
    tables = jax.tree.map(jnp.asarray, tables)
    angles = evaluate(tables, inputs.T, weights)
    found = adjoint(tables, angles, state, cotangents, per_sample=per_sample)
    of_sample = joined(found.sample, found.start)
    of_shared = joined(found.rotations, found.shared)
    return pull_back(tables, inputs.T, weights, of_sample, of_shared, found.amplitudes)


def joined(*parts: jax.Array) -> jax.Array:
    """Cotangents of angles, each with axes of its own before the last two, as one list of them."""
    return jnp.concatenate([part.reshape(-1, *part.shape[-2:]) for part in parts])


def adjoint(
    tables: Tables, angles: Angles, state: jax.Array, cotangents: jax.Array, *, per_sample: bool
) -> Angles:
    """Cotangents of the angles from cotangents of the final state.

    Args:
        tables: The program.
        angles: Its angles.
        state: The final state, (B, 2, 2^n).
        cotangents: (B, m, 2, 2^n), one for each of m outputs: the gradient of the output by real
            and imaginary part of each amplitude.
        per_sample: True for the Jacobian, which keeps the batch axis of every angle. False for a
            VJP, where cotangents of shared angles are summed over the batch.

    Returns:
        The cotangents of the angles, each with axes (..., m, B) after its own (shared ones (..., m,
        1) if not per_sample).
    """
    groups = tuple(group.swapped() for group in group_rotations(tables, angles))

    def layer(i: jax.Array, sweep: Sweep) -> Sweep:
        l = tables.num_layers - 1 - i
        sweep = undo_layer(tables, angles, groups, l, sweep, per_sample=per_sample)
        index = label_index(tables.inverse_high[l], tables.inverse_low[l])
        return sweep._replace(both=relabel(sweep.both, index))

    start = begin(angles, state, cotangents, per_sample=per_sample)
    sweep = lax.fori_loop(0, tables.num_layers, layer, start)
    rotations, shared, sample = sweep.found()
    return Angles(rotations, shared, sample, *_start_cotangents(angles, sweep.both[:, 1:]))


class Sweep(NamedTuple):
    """What the reverse sweep carries from layer to layer.

    Attributes:
        both: (B, 1 + m, 2, 2^n); row 0 is the state, undone step by step beside its cotangents.
        rotations: (L, B or 1, m, r), cotangents found so far, as are the next two.
        shared: (C, B or 1, m, K).
        sample: (C', B, m, K).
    """

    both: jax.Array
    rotations: jax.Array
    shared: jax.Array
    sample: jax.Array

    def found(self) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The cotangents in the order of ``Angles``, with axes (m, B) last."""
        rotations, shared, sample = (
            jnp.transpose(part, (0, 3, 2, 1)) for part in (self.rotations, self.shared, self.sample)
        )
        return rotations, shared, sample


def begin(angles: Angles, state: jax.Array, cotangents: jax.Array, *, per_sample: bool) -> Sweep:
    """The sweep before its first layer."""
    batch, outputs = cotangents.shape[:2]
    rows = (batch if per_sample else 1, outputs)
    (length, count), (chunks, width) = angles.rotations.shape, angles.shared.shape
    return Sweep(
        jnp.concatenate([state[:, None], cotangents], axis=1),
        jnp.zeros((length, *rows, count), state.dtype),
        jnp.zeros((chunks, *rows, width), state.dtype),
        jnp.zeros((angles.sample.shape[0], batch, outputs, angles.sample.shape[2]), state.dtype),
    )


def undo_layer(
    tables: Tables,
    angles: Angles,
    groups: tuple[Rotations, ...],
    l: jax.Array,
    sweep: Sweep,
    *,
    per_sample: bool,
) -> Sweep:
    """Undoes layer l but for its label map, and notes its angles' cotangents.

    Args:
        tables: The program.
        angles: Its angles.
        groups: The matrices that undo rotations.
        l: The layer.
        sweep: The sweep after the layer.
        per_sample: See ``adjoint``.
    """

    def of_rotations(both: jax.Array) -> jax.Array:
        return rotation_cotangents(
            both[:, 0], both[:, 1:], tables.group_sizes, per_sample=per_sample
        )

    def no_rotations(_: jax.Array) -> jax.Array:
        return jnp.zeros(sweep.rotations.shape[1:], sweep.rotations.dtype)

    def phases(l: jax.Array, sweep: Sweep, *, of_samples: bool) -> Sweep:
        return _undo_phases(tables, angles, l, sweep, of_samples=of_samples, per_sample=per_sample)

    both = apply_rotations(tables, groups, l, sweep.both, inverse=True)
    found = lax.cond(jnp.any(tables.trainable[l] > 0), of_rotations, no_rotations, both)
    sweep = sweep._replace(both=both, rotations=sweep.rotations.at[l].set(found))
    # Reading the cotangents and undoing the turn in the same loop spares a copy of the state.
    for runs, of_samples in zip(phase_kinds(tables, l), (False, True), strict=True):
        sweep = when(runs, l, partial(phases, of_samples=of_samples), sweep)
    return sweep


def rotation_cotangents(
    state: jax.Array, cotangents: jax.Array, group_sizes: tuple[int, ...], *, per_sample: bool
) -> jax.Array:
    """Cotangents of a layer's rotation angles, (B, m, r), or (1, m, r) summed.

    With RY(t) = exp(t/2 J) and J = [[0, -1], [1, 0]] on one bit: 1/2 <lambda, J psi>, before the
    rotations or after them, for J commutes with them.
    """
    found = jnp.concatenate(
        [
            _of_group(state, cotangents, size, trailing=group == 1)
            for group, size in enumerate(group_sizes)
        ],
        axis=2,
    )
    return 0.5 * (found if per_sample else jnp.sum(found, axis=0, keepdims=True))


def _of_group(
    state: jax.Array, cotangents: jax.Array, num_bits: int, *, trailing: bool
) -> jax.Array:
    """<lambda, J psi> of a group's bits from their correlations.

    C_ij = sum lambda_i psi_j over all other labels, and <lambda, J psi> = sum_ij J_ij C_ij.
    """
    batch, outputs, parts, labels = cotangents.shape
    size = 1 << num_bits
    shape, over = ((size, labels // size), 2)
    if trailing or labels == size:
        shape, over = (parts * labels // size, size), 1
    correlation = lax.dot_general(
        cotangents.reshape(-1, *shape),
        jnp.broadcast_to(state[:, None], cotangents.shape).reshape(-1, *shape),
        (((over,), (over,)), ((0,), (0,))),
        precision=lax.Precision.HIGHEST,
    )
    found = jnp.dot(
        correlation.reshape(-1, size * size),
        jnp.asarray(_generators(num_bits).reshape(num_bits, -1).T, state.dtype),
        precision=lax.Precision.HIGHEST,
    )
    return jnp.sum(found.reshape(batch, outputs, -1, num_bits), axis=2)


def _generators(num_bits: int) -> np.ndarray:
    """J on each bit of a group, most significant first: (k, 2^k, 2^k)."""
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
) -> Sweep:
    """Notes the cotangents of layer l's phases, and undoes them.

    A turn of psi[x] by d phi adds i psi d phi, so phi[x] has the cotangent Im(conj(psi) lambda).
    """
    num_qubits = tables.num_qubits
    both, shared, sample = sweep.both, sweep.shared, sweep.sample
    labels = _label_cotangents(both)

    def write(c: jax.Array, out: jax.Array, masks: jax.Array, labels: jax.Array) -> jax.Array:
        signs = half_signs(masks[c], num_qubits, high_bits(num_qubits), out.dtype)
        return out.at[c].set(chunk_cotangent(signs, labels))

    if of_samples:
        sample = lax.fori_loop(
            tables.sample_range[l],
            tables.sample_range[l + 1],
            lambda c, out: write(c, out, tables.sample_masks, labels),
            sample,
        )
    summed = labels if per_sample else jnp.sum(labels, axis=0, keepdims=True)
    shared = lax.fori_loop(
        tables.shared_range[l],
        tables.shared_range[l + 1],
        lambda c, out: write(c, out, tables.shared_masks, summed),
        shared,
    )
    undone = turn(both, layer_phase(tables, angles, l, per_sample=of_samples).conjugate())
    return Sweep(undone, sweep.rotations, shared, sample)


def _label_cotangents(both: jax.Array) -> jax.Array:
    """Im(conj(psi) lambda) of every label, (B, m, 2^n)."""
    psi, lam = both[:, :1], both[:, 1:]
    return lam[:, :, 1] * psi[:, :, 0] - lam[:, :, 0] * psi[:, :, 1]


def _start_cotangents(angles: Angles, at_start: jax.Array) -> tuple[jax.Array, jax.Array | None]:
    """Cotangents of the start's angles, (n, m, B), and of given amplitudes."""
    if angles.amplitudes is None:
        # The product is real, so only real parts count.
        _, pull = jax.vjp(product_state, angles.start)
        pulled = jax.vmap(lambda cotangent: pull(cotangent)[0], in_axes=1, out_axes=1)
        return pulled(at_start[:, :, 0]), None
    _, pull_both = jax.vjp(given_state, angles.start, angles.amplitudes)
    of_start, of_amplitudes = jax.vmap(pull_both, in_axes=1, out_axes=1)(at_start)
    return of_start, of_amplitudes
