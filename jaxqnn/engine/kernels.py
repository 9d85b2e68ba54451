"""The compiled entry points: value, Jacobian and VJP of a measured program.

All take the program as data (``Tables``), so one executable serves every circuit of a size.
Inputs come as (B, P), weights as (W,), both padded to the tables' lengths.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.adjoint import adjoint
from jaxqnn.engine.angles import evaluate, pull_back, pull_back_shared
from jaxqnn.engine.evolve import evolve, start_state
from jaxqnn.engine.measurement import Measurement, ProbabilityMeasurement
from jaxqnn.engine.shared_bras import TANGENTS_AT_ONCE, probability_derivatives
from jaxqnn.program.tables import Tables


def final_state(tables: Tables, inputs: jax.Array, weights: jax.Array) -> jax.Array:
    """The final state, (B, 2, 2^n), in the final frame's labels."""
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


# Weights whose uses are summed up at once; the engine's are padded to a multiple of this.
WEIGHTS_AT_ONCE = 16


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

    def along(direction: tuple[jax.Array, jax.Array]) -> jax.Array:
        step = (jnp.broadcast_to(direction[0], inputs.shape), direction[1])
        return jax.jvp(outputs, (inputs, weights), step)[1]

    return lax.map(along, (towards_inputs, towards_weights), batch_size=TANGENTS_AT_ONCE)


@jax.jit
def probability_jacobian(
    tables: Tables,
    measurement: ProbabilityMeasurement,
    inputs: jax.Array,
    weights: jax.Array,
    towards_inputs: jax.Array,
    towards_weights: jax.Array,
    num_directions: jax.Array,
    num_weights: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Derivatives of outputs that are sums of probabilities; see ``shared_bras``.

    Returns:
        Along the first directions, through what acts before the first shared layer (T, B, m), and
        by the first weights from that layer on (W, B, m); zeros for the others. What a weight does
        is in both.
    """
    along, *of_angles = probability_derivatives(
        tables, inputs, weights, towards_inputs, towards_weights, num_directions
    )
    # The angles of the shared table in its order, (A, B, 2^n).
    flat = jnp.concatenate(
        [jnp.moveaxis(part, 3, 1).reshape(-1, *part.shape[1:3]) for part in of_angles]
    )
    step = WEIGHTS_AT_ONCE

    def chunk(c: jax.Array, found: jax.Array) -> jax.Array:
        columns = c * step + jnp.arange(step)
        part = measurement.of_probabilities(pull_back_shared(tables, weights, flat, columns))
        return lax.dynamic_update_slice_in_dim(found, part, c * step, 0)

    shape = (weights.shape[0], inputs.shape[0], measurement.num_outputs)
    by_weights = lax.fori_loop(
        0, (num_weights + step - 1) // step, chunk, jnp.zeros(shape, flat.dtype)
    )
    return measurement.of_probabilities(along), by_weights


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
