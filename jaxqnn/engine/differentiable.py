"""A measured program as one differentiable, batchable JAX function.

The core function works on *ensembles*: inputs (E', G, B, P) and weights (E, W) give outputs
(E, G, B, m), where E is an axis of weight vectors (E' is E, or 1 when all share their inputs), G of
groups whose weight cotangents are kept apart, and B of samples.  Every ``vmap`` is merged into one
of these axes by a batching rule, so that it reaches the batched engine to any depth; the states
that the forward sweep leaves for the reverse one are (E, G B, 2, 2^n).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from jaxqnn.engine import kernels
from jaxqnn.engine.measurement import Measurement
from jaxqnn.program.tables import Tables
from jaxqnn.promotion import usual_promotion

Function = Callable[[jax.Array, jax.Array], jax.Array]


def differentiable(tables: Tables, measurement: Measurement) -> Function:
    """The function (inputs (E', 1, B, P), weights (E, W)) -> outputs (E, 1, B, m).

    Reverse mode runs the adjoint, and JAX may differentiate that forward once more, for Hessians.
    Forward mode alone raises, as it does for every ``jax.custom_vjp``.
    """
    run, pull = _forward(tables, measurement), _reverse(tables, measurement)

    @jax.custom_vjp
    def function(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        return run(inputs, weights)[0]

    @usual_promotion()
    def forward(
        inputs: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
        outputs, state = run(inputs, weights)
        return outputs, (inputs, weights, state)

    @usual_promotion()
    def reverse(
        residuals: tuple[jax.Array, jax.Array, jax.Array], cotangent: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        of_inputs, of_weights = pull(*residuals, cotangent[None])
        return of_inputs[0], of_weights[0, :, 0]

    function.defvjp(forward, reverse)
    return function


def _forward(
    tables: Tables, measurement: Measurement
) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """(inputs, weights) -> (outputs, states), merging every vmap."""

    def one(inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = _final_state(tables, inputs.reshape(-1, inputs.shape[-1]), weights)
        outputs = _outputs(measurement, state)
        return outputs.reshape(*inputs.shape[:-1], -1), state

    def plain(inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _over_ensemble(one, (inputs,), (weights,))

    run = custom_vmap(plain)

    @run.def_vmap
    @usual_promotion()
    def rule(
        size: int, batched: list[bool], inputs: jax.Array, weights: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], tuple[bool, bool]]:
        if not any(batched):
            # Only tangents are mapped over, as in a Hessian: JAX's own rules take it from here.
            return plain(inputs, weights), (False, False)
        if not batched[1]:
            groups = inputs.shape[2]
            outputs, states = run(_into_groups(inputs), weights)
            return (_out_of_groups(outputs, size, groups), _split_states(states, size)), (
                True,
                True,
            )
        members = weights.shape[1]
        merged = _into_ensemble(inputs, batched[0], size, members)
        outputs, states = run(merged, weights.reshape(-1, weights.shape[-1]))
        return tuple(x.reshape(size, members, *x.shape[1:]) for x in (outputs, states)), (
            True,
            True,
        )

    return run


def _reverse(
    tables: Tables, measurement: Measurement
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """(inputs, weights, states, cotangents (V, E, G, B, m)) -> cotangents of inputs and weights.

    V is an axis of cotangents of one and the same outputs; they share the reverse sweep's state.
    The results are (V, E', G, B, P) and (V, E, G, W).
    """

    def one(
        inputs: jax.Array, weights: jax.Array, state: jax.Array, cotangent: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        return _pull_one(tables, measurement, inputs, weights, state, cotangent)

    def plain(
        inputs: jax.Array, weights: jax.Array, states: jax.Array, cotangents: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        of_inputs, of_weights = _over_ensemble(
            one, (inputs,), (weights, states, jnp.moveaxis(cotangents, 1, 0))
        )
        of_inputs, of_weights = (jnp.moveaxis(x, 0, 1) for x in (of_inputs, of_weights))
        if inputs.shape[0] != weights.shape[0]:
            of_inputs = jnp.sum(of_inputs, axis=1, keepdims=True)
        return of_inputs, of_weights

    pull = custom_vmap(plain)

    @pull.def_vmap
    @usual_promotion()
    def rule(
        size: int,
        batched: list[bool],
        inputs: jax.Array,
        weights: jax.Array,
        states: jax.Array,
        cotangents: jax.Array,
    ) -> tuple[tuple[jax.Array, jax.Array], tuple[bool, bool]]:
        if not any(batched):
            return plain(inputs, weights, states, cotangents), (False, False)
        if not any(batched[:3]):
            outputs = cotangents.shape[1]
            found = pull(inputs, weights, states, cotangents.reshape(-1, *cotangents.shape[2:]))
            return tuple(x.reshape(size, outputs, *x.shape[1:]) for x in found), (True, True)
        cotangents = cotangents if batched[3] else _repeat(cotangents, size)
        states = states if batched[2] else _repeat(states, size)
        if not batched[1]:
            inputs = inputs if batched[0] else _repeat(inputs, size)
            groups = inputs.shape[2]
            of_inputs, of_weights = pull(
                _into_groups(inputs),
                weights,
                _join_states(states),
                jnp.moveaxis(cotangents, 0, 2).reshape(
                    *cotangents.shape[1:3], size * groups, *cotangents.shape[4:]
                ),
            )
            of_inputs, of_weights = (
                jnp.moveaxis(x.reshape(*x.shape[:2], size, groups, *x.shape[3:]), 2, 0)
                for x in (of_inputs, of_weights)
            )
            return (of_inputs, of_weights), (True, True)
        members = weights.shape[1]
        merged = _into_ensemble(inputs, batched[0], size, members)
        if merged.shape[0] == 1:
            # The inputs' cotangents of each element of this vmap are wanted apart.
            merged = jnp.broadcast_to(merged, (size * members, *merged.shape[1:]))
        of_inputs, of_weights = pull(
            merged,
            weights.reshape(-1, weights.shape[-1]),
            states.reshape(-1, *states.shape[2:]),
            jnp.moveaxis(cotangents, 0, 1).reshape(
                cotangents.shape[1], size * members, *cotangents.shape[3:]
            ),
        )
        of_inputs, of_weights = (
            jnp.moveaxis(x.reshape(x.shape[0], size, members, *x.shape[2:]), 1, 0)
            for x in (of_inputs, of_weights)
        )
        shared_inputs = inputs.shape[1 if batched[0] else 0] != members
        if shared_inputs:
            of_inputs = jnp.sum(of_inputs, axis=2, keepdims=True)
        return (of_inputs, of_weights), (True, True)

    return pull


# Compiled apart from the user's own function, so that eager calls on circuits of one size share
# their executable; inside a user's jit they are inlined.
_final_state = jax.jit(kernels.final_state)


@jax.jit
def _outputs(measurement: Measurement, state: jax.Array) -> jax.Array:
    return measurement.outputs(state)


@jax.jit
def _pull_one(
    tables: Tables,
    measurement: Measurement,
    inputs: jax.Array,
    weights: jax.Array,
    state: jax.Array,
    cotangents: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """For one weight vector: cotangents (V, G, B, m) -> (V, G, B, P) and (V, G, W)."""
    groups, batch, _ = inputs.shape
    count = cotangents.shape[0]
    flat = cotangents.reshape(count, groups * batch, -1)
    of_state = jax.vmap(lambda c: measurement.pull(state, c), out_axes=1)(flat)
    of_inputs, of_weights = kernels.pull_state(
        tables,
        inputs.reshape(groups * batch, -1),
        weights,
        state,
        of_state,
        per_sample=groups > 1,
        inputs_count=True,
    )
    of_inputs = jnp.moveaxis(of_inputs, 1, 0).reshape(count, *inputs.shape)
    of_weights = jnp.moveaxis(of_weights, 1, 0)
    if groups > 1:
        of_weights = jnp.sum(of_weights.reshape(count, groups, batch, -1), axis=2)
    return of_inputs, of_weights


def _over_ensemble(
    one: Callable[..., tuple[jax.Array, jax.Array]],
    maybe_shared: tuple[jax.Array, ...],
    members: tuple[jax.Array, ...],
) -> tuple[jax.Array, jax.Array]:
    """Maps over the ensemble's axis, without a batch axis where it has one member."""
    size = members[0].shape[0]
    if size == 1:
        found = one(*(x[0] for x in (*maybe_shared, *members)))
        return found[0][None], found[1][None]
    axes = (
        *(None if x.shape[0] == 1 else 0 for x in maybe_shared),
        *(0 for _ in members),
    )
    squeezed = (x[0] if x.shape[0] == 1 else x for x in maybe_shared)
    return jax.vmap(one, in_axes=axes)(*squeezed, *members)


def _repeat(x: jax.Array, size: int) -> jax.Array:
    return jnp.broadcast_to(x, (size, *x.shape))


def _into_groups(inputs: jax.Array) -> jax.Array:
    """(V, E, G, B, P) -> (E, V G, B, P)."""
    moved = jnp.moveaxis(inputs, 0, 1)
    return moved.reshape(moved.shape[0], -1, *moved.shape[3:])


def _out_of_groups(outputs: jax.Array, size: int, groups: int) -> jax.Array:
    """(E, V G, B, m) -> (V, E, G, B, m)."""
    return jnp.moveaxis(outputs.reshape(outputs.shape[0], size, groups, *outputs.shape[2:]), 1, 0)


def _split_states(states: jax.Array, size: int) -> jax.Array:
    """(E, V G B, 2, 2^n) -> (V, E, G B, 2, 2^n)."""
    return jnp.moveaxis(states.reshape(states.shape[0], size, -1, *states.shape[2:]), 1, 0)


def _join_states(states: jax.Array) -> jax.Array:
    """The inverse of ``_split_states``."""
    moved = jnp.moveaxis(states, 0, 1)
    return moved.reshape(moved.shape[0], -1, *moved.shape[3:])


def _into_ensemble(inputs: jax.Array, batched: bool, size: int, members: int) -> jax.Array:
    """Inputs beside weights whose vmap axis became part of the ensemble."""
    if not batched and inputs.shape[0] == 1:
        return inputs
    inputs = inputs if batched else _repeat(inputs, size)
    inputs = jnp.broadcast_to(inputs, (size, members, *inputs.shape[2:]))
    return inputs.reshape(-1, *inputs.shape[2:])
