"""Value, Jacobian and VJP of a measured program as JAX compiles them, on one device or on a mesh.

Inputs are (B, P), weights (W,); results are on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from jaxqnn.sharding.measured import Data, batch_axis, mapped, pull, run

# Tangents carried through the layers at once; each takes as much memory as the states.
TANGENTS_AT_ONCE = 8

# The host's memory that a GPU can write to.
_PINNED = "pinned_host"


def put(data: Data, mesh: Mesh | None, device: jax.Device | None) -> Data:
    """The arrays on the mesh's devices, of however many processes, or on the one device."""
    if mesh is None:
        # Copies: an array that a traced function closed over with x64 off is remembered by JAX 0.10
        # with a buffer of single precision, and would come back as that.
        placed: Data = jax.device_put(jax.tree.map(np.copy, data), device)
    else:
        placed = jax.tree.map(
            lambda leaf, spec: jax.device_put(leaf, NamedSharding(mesh, spec)), data, data.specs()
        )
    return placed


@cache
def for_host(entry: Callable[..., Any], device: jax.Device) -> Callable[..., Any]:
    """An entry point whose results are for NumPy: a GPU writes them into the host's memory itself.

    A copy that the host asks for afterwards takes longer than a small sweep: of 64 samples of 8
    qubits 0.3 of 0.6 ms on an H200, of 4,096 samples 0.5 of 1.1.
    """
    kinds = {memory.kind for memory in device.addressable_memories()}
    if device.platform != "gpu" or _PINNED not in kinds:
        return entry
    there = SingleDeviceSharding(device, memory_kind=_PINNED)
    return jax.jit(entry, static_argnames="mesh", out_shardings=there)


@partial(jax.jit, static_argnames="mesh")
def value(data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh | None) -> jax.Array:
    """The outputs (B, m)."""
    outputs = run(data, inputs, weights, mesh=mesh)[0]
    return _everywhere(outputs, mesh).reshape(inputs.shape[0], -1)


@partial(jax.jit, static_argnames="mesh")
def by_cotangents(
    data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh | None
) -> tuple[jax.Array, jax.Array]:
    """Each sample's outputs by inputs (B, m, P) and weights (B, m, W), in reverse mode."""
    batch = batch_axis(mesh)

    def local(data: Data, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = data.final_state((inputs, weights))
        bras = data.measurement.bras(state)
        found = data.pull_state((inputs, weights), state, bras, per_sample=True)
        return jnp.moveaxis(found[0], 0, 1), jnp.moveaxis(found[1], 0, 1)

    by_inputs, by_weights = mapped(
        local,
        mesh,
        (data.specs(), PartitionSpec(batch), PartitionSpec()),
        (PartitionSpec(batch), PartitionSpec(batch)),
    )(data, inputs, weights)
    return _everywhere(by_inputs, mesh), _everywhere(by_weights, mesh)


@partial(jax.jit, static_argnames="mesh")
def by_tangents(
    data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh | None
) -> tuple[jax.Array, jax.Array]:
    """The same in forward mode: one tangent a column, whatever the number of outputs."""
    (batch, num_inputs), num_weights = inputs.shape, weights.shape[0]

    def outputs(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        return run(data, inputs, weights, mesh=mesh)[0]

    def along(direction: jax.Array) -> jax.Array:
        # The same for all samples, whose outputs depend on no others' inputs.
        step = jnp.broadcast_to(direction[:num_inputs], inputs.shape), direction[num_inputs:]
        return jax.jvp(outputs, (inputs, weights), step)[1]

    unit = jnp.eye(num_inputs + num_weights, dtype=weights.dtype)
    found = _everywhere(lax.map(along, unit, batch_size=TANGENTS_AT_ONCE), mesh)
    found = jnp.moveaxis(found.reshape(len(unit), batch, -1), 0, 2)
    return found[..., :num_inputs], found[..., num_inputs:]


@partial(jax.jit, static_argnames="mesh")
def vjp(
    data: Data, inputs: jax.Array, weights: jax.Array, cotangent: jax.Array, *, mesh: Mesh | None
) -> tuple[jax.Array, jax.Array]:
    """Cotangents of inputs (B, P) and weights (W,) from one (B, m) of the outputs."""
    outputs, state = run(data, inputs, weights, mesh=mesh)
    cotangent = cotangent.reshape(outputs.shape)
    of_inputs, of_weights = pull(data, inputs, weights, state, cotangent, mesh=mesh)
    return _everywhere(of_inputs, mesh), of_weights


def _everywhere(x: jax.Array, mesh: Mesh | None) -> jax.Array:
    if mesh is None:
        return x
    return lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec()))
