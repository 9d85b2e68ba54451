"""Value, Jacobian and VJP of a measured program by the primitives: inputs (B, P), weights (W,).

The program is no data here, as it is in ``engine.kernels``: each circuit has its own executables.
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
    return measurement.outputs(evolve(program, inputs[None], weights[None])[0])


@partial(jax.jit, static_argnums=0)
def jacobian(
    program: ProgramArrays,
    measurement: Measurement,
    inputs: jax.Array,
    weights: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Derivatives of each sample's outputs by inputs (B, m, P) and weights (B, m, W)."""
    columns = inputs[None], weights[None]
    states = evolve(program, *columns)
    bras = jnp.moveaxis(measurement.cotangents(states[0]), 1, 0)[None]
    of_x, of_w = pull_p.bind(*columns, states, bras, program=program, classes=inputs.shape[0])
    return jnp.moveaxis(of_x[0], 0, 1), jnp.moveaxis(of_w[0], 0, 1)


@partial(jax.jit, static_argnums=0)
def vjp(
    program: ProgramArrays,
    measurement: Measurement,
    inputs: jax.Array,
    weights: jax.Array,
    cotangent: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Cotangents of inputs (B, P) and weights (W,) from one (B, m) of the outputs."""
    columns = inputs[None], weights[None]
    states = evolve(program, *columns)
    bra = measurement.pull(states[0], cotangent)[None, None]
    of_x, of_w = pull_p.bind(*columns, states, bra, program=program, classes=1)
    return of_x[0, 0], of_w[0, 0, 0]
