"""The compiled entry points: value, Jacobian and VJP of a measured program.

All take the program as data (``Tables``), so one executable serves every circuit of a size.
Inputs come as (B, P), weights as (W,), both padded to the tables' lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.adjoint import adjoint
from jaxqnn.engine.angles import evaluate, pull_back
from jaxqnn.engine.evolve import evolve, start_state
from jaxqnn.engine.measurement import Measurement
from jaxqnn.program.tables import Tables


def final_state(tables: Tables, inputs: jax.Array, weights: jax.Array) -> jax.Array:
    """The final state, (B, 2, 2^n), in the final frame's labels."""
    tables = jax.tree.map(jnp.asarray, tables)  # loops index them
    angles = evaluate(tables, inputs.T, weights)
    return evolve(tables, angles, start_state(angles))


def pull_state(
    tables: Tables,
    inputs: jax.Array,
    weights: jax.Array,
    state: jax.Array,
    cotangents: jax.Array,
    *,
    per_sample: bool,
    inputs_count: bool,
) -> tuple[jax.Array, jax.Array]:
    """Cotangents of inputs (B, m, P) and weights (B, m, W) from those of the final state.

    With ``per_sample`` False the weights' are summed over the batch: (1, m, W).
    """
    tables = jax.tree.map(jnp.asarray, tables)
    angles = evaluate(tables, inputs.T, weights)
    found, _ = adjoint(
        tables, angles, state, cotangents, per_sample=per_sample, inputs_count=inputs_count
    )
    return pull_back(
        tables,
        inputs.T,
        weights,
        _flat(found.sample, found.start),
        _flat(found.rotations, found.shared),
        found.amplitudes,
    )


def _flat(*parts: jax.Array) -> jax.Array:
    return jnp.concatenate([part.reshape(-1, *part.shape[-2:]) for part in parts])


@jax.jit
def value(
    tables: Tables, measurement: Measurement, inputs: jax.Array, weights: jax.Array
) -> jax.Array:
    """The outputs, (B, m)."""
    return measurement.outputs(final_state(tables, inputs, weights))


@partial(jax.jit, static_argnames="inputs_count")
def jacobian(
    tables: Tables,
    measurement: Measurement,
    inputs: jax.Array,
    weights: jax.Array,
    *,
    inputs_count: bool = True,
) -> tuple[jax.Array, jax.Array]:
    """Derivatives of each sample's outputs by inputs (B, m, P) and weights (B, m, W)."""
    state = final_state(tables, inputs, weights)
    return pull_state(
        tables,
        inputs,
        weights,
        state,
        measurement.cotangents(state),
        per_sample=True,
        inputs_count=inputs_count,
    )


# Tangents carried through the layers at once; each takes as much memory as the states.
TANGENTS_AT_ONCE = 8


@jax.jit
def tangents(
    tables: Tables,
    measurement: Measurement,
    inputs: jax.Array,
    weights: jax.Array,
    towards_inputs: jax.Array,
    towards_weights: jax.Array,
) -> jax.Array:
    """Derivatives of the outputs along directions, (T, B, m).

    Forward mode: one tangent state a direction, whatever the number of outputs. A direction of the
    inputs is the same for all samples, whose outputs depend on no others' inputs.

    Args:
        tables: The program.
        measurement: What is measured.
        inputs: (B, P).
        weights: (W,).
        towards_inputs: (T, P).
        towards_weights: (T, W).
    """

    def outputs(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        return measurement.outputs(final_state(tables, inputs, weights))

    return along(outputs, inputs, weights, towards_inputs, towards_weights)


def along(
    outputs: Callable[[jax.Array, jax.Array], jax.Array],
    inputs: jax.Array,
    weights: jax.Array,
    towards_inputs: jax.Array,
    towards_weights: jax.Array,
) -> jax.Array:
    """``tangents`` of any function of inputs and weights."""

    def one(direction: tuple[jax.Array, jax.Array]) -> jax.Array:
        step = (jnp.broadcast_to(direction[0], inputs.shape), direction[1])
        return jax.jvp(outputs, (inputs, weights), step)[1]

    return lax.map(one, (towards_inputs, towards_weights), batch_size=TANGENTS_AT_ONCE)


@partial(jax.jit, static_argnames="inputs_count")
def vjp(
    tables: Tables,
    measurement: Measurement,
    inputs: jax.Array,
    weights: jax.Array,
    cotangent: jax.Array,
    *,
    inputs_count: bool = True,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Outputs (B, m), and cotangents of inputs (B, P) and weights (W,) from one of outputs (B, m).

    One pulled-back state whatever the number of outputs.
    """
    state = final_state(tables, inputs, weights)
    of_inputs, of_weights = pull_state(
        tables,
        inputs,
        weights,
        state,
        measurement.pull(state, cotangent)[:, None],
        per_sample=False,
        inputs_count=inputs_count,
    )
    return measurement.outputs(state), of_inputs[:, 0], of_weights[0, 0]
