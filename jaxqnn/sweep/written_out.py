"""Second derivatives written out in JAX's own operations, for derivatives of any higher order.

Every layer is traced by itself, at the price of a trace for each circuit and of every layer's state
in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxqnn.engine.unrolled import final_state
from jaxqnn.sweep.arrays import ProgramArrays


def _evolve(program: ProgramArrays, x: jax.Array, w: jax.Array) -> jax.Array:
    """x (P,), w (W,) -> (2, 2^n), of one sample."""
    inputs, weights = program.padded_sizes
    x, w = jnp.pad(x, (0, inputs - x.shape[0])), jnp.pad(w, (0, weights - w.shape[0]))
    return final_state(program.tables_here(), x[None], w)[0]


def curve(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    bra: jax.Array,
    dx: jax.Array,
    dw: jax.Array,
) -> list[jax.Array]:
    """``primitive.curve``, but for the state that follows from x and w."""

    def one(
        x: jax.Array, w: jax.Array, bra: jax.Array, dx: jax.Array, dw: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        def pulled(x: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
            of_x, of_w = jax.vjp(partial(_evolve, program), x, w)[1](bra)
            return of_x, of_w

        found: tuple[jax.Array, jax.Array] = jax.jvp(pulled, (x, w), (dx, dw))[1]
        return found

    count, classes = dw.shape[1:3]
    bra = jnp.broadcast_to(bra, (bra.shape[0], count, *bra.shape[2:]))
    of_x, of_w = _over(one, 3)(x, w, bra, dx, _each(dw, x.shape[1]))
    members, _, batch, weights = of_w.shape
    apart = of_w.reshape(members, count, classes, batch // classes, weights)
    return [of_x, jnp.sum(apart, axis=3)]


def bend(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    dx: jax.Array,
    dw: jax.Array,
    ex: jax.Array,
    ew: jax.Array,
) -> jax.Array:
    """``primitive.bend``, but for the state that follows from x and w."""

    def one(
        x: jax.Array, w: jax.Array, dx: jax.Array, dw: jax.Array, ex: jax.Array, ew: jax.Array
    ) -> jax.Array:
        def slope(x: jax.Array, w: jax.Array) -> jax.Array:
            return jax.jvp(partial(_evolve, program), (x, w), (dx, dw))[1]

        found: jax.Array = jax.jvp(slope, (x, w), (ex, ew))[1]
        return found

    batch = x.shape[1]
    found: jax.Array = _over(one, 4)(x, w, dx, _each(dw, batch), ex, _each(ew, batch))
    return found


def _over(one: Callable[..., Any], others: int) -> Callable[..., Any]:
    """Maps over E, T and B: x has no T, w neither T nor B, the others have all."""
    over_samples = jax.vmap(one, in_axes=(0, None, *[0] * others))
    return jax.vmap(jax.vmap(over_samples, in_axes=(None, None, *[0] * others)))


def _each(dw: jax.Array, batch: int) -> jax.Array:
    """Directions of classes (E, T, C, W) as those of samples (E, T, B, W)."""
    return jnp.repeat(dw, batch // dw.shape[2], axis=2)
