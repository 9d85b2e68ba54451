"""Value, Jacobian and VJP of a measured program by the primitives, as ``engine.kernels`` has them.

Inputs come as (B, P), weights as (W,), both padded to the tables' lengths; the program is no data
here, so each circuit has executables of its own.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from jaxqnn.engine.measurement import Measurement
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.primitive import evolve, pull_p


@partial(jax.jit, static_argnums=0)
def value(
    program: ProgramArrays, measurement: Measurement, inputs: jax.Array, weights: jax.Array
) -> jax.Array:
    """The outputs, (B, m)."""
    return measurement.outputs(evolve(program, *_columns(program, inputs, weights))[0])


@partial(jax.jit, static_argnums=0, static_argnames="inputs_count")
def jacobian(
    program: ProgramArrays,
    measurement: Measurement,
    inputs: jax.Array,
    weights: jax.Array,
    *,
    inputs_count: bool = True,
) -> tuple[jax.Array, jax.Array]:
    """Derivatives of each sample's outputs by inputs (B, m, P) and weights (B, m, W)."""
    del inputs_count  # they cost next to nothing
    columns = _columns(program, inputs, weights)
    states = evolve(program, *columns)
    bras = jnp.moveaxis(measurement.cotangents(states[0]), 1, 0)[None]
    of_x, of_w = pull_p.bind(*columns, states, bras, program=program, classes=inputs.shape[0])
    return _padded(program, jnp.moveaxis(of_x[0], 0, 1), jnp.moveaxis(of_w[0], 0, 1))


@partial(jax.jit, static_argnums=0, static_argnames="inputs_count")
def vjp(
    program: ProgramArrays,
    measurement: Measurement,
    inputs: jax.Array,
    weights: jax.Array,
    cotangent: jax.Array,
    *,
    inputs_count: bool = True,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Outputs (B, m), and cotangents of inputs (B, P) and weights (W,) from one of outputs."""
    del inputs_count
    columns = _columns(program, inputs, weights)
    states = evolve(program, *columns)
    bra = measurement.pull(states[0], cotangent)[None, None]
    of_x, of_w = pull_p.bind(*columns, states, bra, program=program, classes=1)
    outputs = measurement.outputs(states[0])
    return outputs, *_padded(program, of_x[0, 0], of_w[0, 0, 0])


def _columns(
    program: ProgramArrays, inputs: jax.Array, weights: jax.Array
) -> tuple[jax.Array, jax.Array]:
    num_inputs, num_weights = program.column_counts
    return inputs[None, :, :num_inputs], weights[None, :num_weights]


def _padded(
    program: ProgramArrays, by_inputs: jax.Array, by_weights: jax.Array
) -> tuple[jax.Array, jax.Array]:
    parts = zip((by_inputs, by_weights), program.padded_sizes, strict=True)
    found = [
        jnp.pad(part, [*[(0, 0)] * (part.ndim - 1), (0, size - part.shape[-1])])
        for part, size in parts
    ]
    return found[0], found[1]
