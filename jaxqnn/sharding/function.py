"""A measured program over a mesh as one differentiable JAX function."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxqnn.promotion import usual_promotion
from jaxqnn.sharding.measured import BATCH, Data, WholeStates, batch_axis, pull, run

Function = Callable[[jax.Array, jax.Array], jax.Array]


def mesh_function(data: Data, mesh: Mesh) -> Function:
    """The function (inputs (E, B, P), weights (E, W)) -> outputs (E, B, ...).

    The samples and the amplitudes are on the mesh. Whole states have all of JAX's derivatives; of
    shared out ones reverse mode is the adjoint on the same devices, on which the final state stays
    in between.
    """

    def outputs(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        return run(data, inputs, weights, mesh=mesh)[0]

    @usual_promotion()
    def forward(
        inputs: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
        outputs, state = run(data, inputs, weights, mesh=mesh)
        return outputs, (inputs, weights, state)

    @usual_promotion()
    def reverse(
        residuals: tuple[jax.Array, jax.Array, jax.Array], cotangent: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        return pull(data, *residuals, cotangent, mesh=mesh)

    if isinstance(data, WholeStates):
        one: Function = outputs
    else:
        one = jax.custom_vjp(outputs)
        one.defvjp(forward, reverse)

    @jax.jit
    def padded(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        batch, shares = inputs.shape[0], mesh.shape.get(BATCH, 1)
        inputs = jnp.pad(inputs, ((0, -batch % shares), (0, 0)))
        inputs = jax.lax.with_sharding_constraint(
            inputs, NamedSharding(mesh, PartitionSpec(batch_axis(mesh)))
        )
        return one(inputs, weights)[:batch]

    def function(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        if weights.shape[0] == 1:
            return padded(inputs[0], weights[0])[None]
        return jax.vmap(padded)(inputs, weights)

    return function
