"""The forward and the reverse sweep on one device's part of the amplitudes.

Everything here runs inside ``jax.shard_map`` over the mesh axis ``STATE``.  A device holds
(B, 2, 2^(n-s)), the amplitudes whose low s label bits are its own index.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.adjoint import Sweep, begin, joined, undo_layer
from jaxqnn.engine.angles import Angles, evaluate, pull_back
from jaxqnn.engine.evolve import apply_phases, apply_rotations, group_rotations, normalised
from jaxqnn.engine.layers import label_index, product_state, relabel
from jaxqnn.sharding.tables import SplitTables

STATE = "state"


def device_index() -> jax.Array:
    """The s low bits of the labels this device holds."""
    return lax.axis_index(STATE).astype(jnp.uint32)


def device_signs(masks: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """(-1)^parity(mask & device)."""
    odd = lax.population_count(jnp.asarray(masks) & device_index()) & 1
    return 1 - 2 * odd.astype(dtype)


def exchange(part: jax.Array) -> jax.Array:
    """Swaps the device bits with the s leading local bits; its own inverse."""
    size = lax.axis_size(STATE)
    chunks = part.reshape(*part.shape[:-1], size, part.shape[-1] // size)
    axis = chunks.ndim - 2
    return lax.all_to_all(chunks, STATE, split_axis=axis, concat_axis=axis).reshape(part.shape)


def final_state(tables: SplitTables, inputs: jax.Array, weights: jax.Array) -> jax.Array:
    """This device's part of the final state, (B, 2, 2^(n-s))."""
    angles, starts = _angles(tables, inputs, weights)
    start = _start(tables, starts, angles.amplitudes)
    groups = group_rotations(tables.local, angles)

    def layer(l: jax.Array, part: jax.Array) -> jax.Array:
        part = relabel(part, _index(tables, l, inverse=False))
        part = apply_phases(tables.local, angles, l, part)
        part = apply_rotations(tables.local, groups, l, part, inverse=False)
        return lax.fori_loop(0, tables.exchange[l], lambda _, p: exchange(p), part)

    return lax.fori_loop(0, tables.local.num_layers, layer, start)


def pull_state(
    tables: SplitTables,
    inputs: jax.Array,
    weights: jax.Array,
    part: jax.Array,
    cotangents: jax.Array,
    *,
    per_sample: bool,
) -> tuple[jax.Array, jax.Array]:
    """See ``jaxqnn.engine.adjoint.pull_state``; the results are summed over the devices."""
    angles, starts = _angles(tables, inputs, weights)
    found = _adjoint(tables, angles, part, cotangents, starts, per_sample=per_sample)
    of_sample = joined(found.sample, found.start)
    of_shared = joined(found.rotations, found.shared)
    # The few sums over devices: every angle's cotangent, however many parameters it has.
    sums = lax.psum((of_sample, of_shared, found.amplitudes), STATE)
    return pull_back(tables.local, inputs.T, weights, *sums)


def _adjoint(
    tables: SplitTables,
    angles: Angles,
    part: jax.Array,
    cotangents: jax.Array,
    starts: jax.Array,
    *,
    per_sample: bool,
) -> Angles:
    """As ``jaxqnn.engine.adjoint``, with exchanges undone where they come, and all start angles."""
    groups = tuple(group.swapped() for group in group_rotations(tables.local, angles))
    local = tables.local

    def layer(i: jax.Array, sweep: Sweep) -> Sweep:
        l = jnp.asarray(local.num_layers) - 1 - i
        both = lax.fori_loop(0, tables.exchange[l], lambda _, part: exchange(part), sweep.both)
        sweep = sweep._replace(both=both)
        sweep = undo_layer(local, angles, groups, l, sweep, per_sample=per_sample)
        return sweep._replace(both=relabel(sweep.both, _index(tables, l, inverse=True)))

    start = begin(angles, part, cotangents, per_sample=per_sample)
    sweep = lax.fori_loop(0, local.num_layers, layer, start)
    rotations, shared, sample = sweep.found()
    shared *= device_signs(tables.shared_device, part.dtype)[..., None, None]
    sample *= device_signs(tables.sample_device, part.dtype)[..., None, None]
    _, pull = jax.vjp(partial(_start, tables), starts, angles.amplitudes)
    of_starts, of_amplitudes = jax.vmap(pull, in_axes=1, out_axes=1)(sweep.both[:, 1:])
    return Angles(rotations, shared, sample, of_starts, of_amplitudes)


def _angles(tables: SplitTables, inputs: jax.Array, weights: jax.Array) -> tuple[Angles, jax.Array]:
    """The angles of this device's phases, and all of the start's (n, B).

    On one device, the part of a phase's sign that lies on device bits is a sign of the angle.
    """
    angles = evaluate(tables.local, inputs.T, weights)
    dtype = angles.shared.dtype
    return (
        angles._replace(
            shared=angles.shared * device_signs(tables.shared_device, dtype),
            sample=angles.sample * device_signs(tables.sample_device, dtype)[:, None, :],
            start=angles.start[: tables.local.num_qubits],
        ),
        angles.start,
    )


def _start(tables: SplitTables, angles: jax.Array, amplitudes: jax.Array | None) -> jax.Array:
    """This device's part of the start, (B, 2, 2^(n-s)), from angles (n, B) and given amplitudes."""
    size = lax.axis_size(STATE).bit_length() - 1
    local = angles.shape[0] - size
    factor = jnp.ones((angles.shape[1],), angles.dtype)
    for bit in range(size):
        half = angles[local + bit] / 2
        own = jnp.where(device_index() >> bit & 1, jnp.sin(half), jnp.cos(half))
        factor = factor * jnp.where(jnp.asarray(tables.has_angle)[bit], own, 1)
    if amplitudes is None:
        real = factor[:, None] * product_state(angles[:local])
        return jnp.stack([real, jnp.zeros_like(real)], axis=1)
    # The amplitudes are whole on every device, as the parameters are that they are made of.
    normal = normalised(amplitudes)
    own = normal.reshape(2, -1, normal.shape[1])[:, tables.given[0]]
    low = jnp.moveaxis(own * factor, 2, 0)
    high = product_state(angles[low.shape[2].bit_length() - 1 : local])
    return (high[:, None, :, None] * low[:, :, None, :]).reshape(low.shape[0], 2, -1)


def _index(tables: SplitTables, l: jax.Array, *, inverse: bool) -> jax.Array:
    """Where each local label of layer l comes from, on this device."""
    offsets = (tables.inverse_offset if inverse else tables.offset)[l]
    total = jnp.zeros((), jnp.uint32)
    for bit in range(offsets.shape[0]):
        total ^= jnp.where(device_index() >> bit & 1, offsets[bit], 0).astype(jnp.uint32)
    local = tables.local
    high, low = (
        (local.inverse_high, local.inverse_low) if inverse else (local.map_high, local.map_low)
    )
    return label_index(high[l] ^ total, low[l])
