"""The primitives in XLA's own operations, for every platform; shapes as in ``primitive``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxqnn.engine.adjoint import pull_state
from jaxqnn.engine.evolve import final_state
from jaxqnn.sweep.arrays import ProgramArrays


def evolve(program: ProgramArrays, x: jax.Array, w: jax.Array) -> jax.Array:
    """See ``primitive``."""
    return _over_members(partial(_evolve_one, program), x, w)


def push(
    program: ProgramArrays, x: jax.Array, w: jax.Array, psi: jax.Array, dx: jax.Array, dw: jax.Array
) -> jax.Array:
    """See ``primitive``."""
    del psi
    return _over_members(partial(_in_classes, partial(_push_one, program)), x, w, dx, dw)


def pull(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    psi: jax.Array,
    bra: jax.Array,
    *,
    classes: int,
    wrt_inputs: bool = True,
) -> Any:
    """See ``primitive``."""
    of_x, of_w = _over_members(partial(_pull_one, program, classes), x, w, psi, bra)
    return of_x if wrt_inputs else jnp.zeros_like(of_x), of_w


def curve(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    psi: jax.Array,
    bra: jax.Array,
    dx: jax.Array,
    dw: jax.Array,
) -> Any:
    """See ``primitive``."""
    del psi
    bra = jnp.broadcast_to(bra, (bra.shape[0], dx.shape[1], *bra.shape[2:]))

    def one(
        x: jax.Array, w: jax.Array, bra: jax.Array, dx: jax.Array, dw: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        def pulled(x: jax.Array, w: jax.Array, bra: jax.Array) -> Any:
            return _pull_one(program, 1, x, w, _evolve_one(program, x, w), bra[None])

        def along(bra: jax.Array, dx: jax.Array, dw: jax.Array) -> Any:
            of_x, of_w = jax.jvp(partial(pulled, bra=bra), (x, w), (dx, dw[0]))[1]
            return of_x[0], of_w[0]

        return jax.vmap(along)(bra, dx, dw)

    classes = dw.shape[2]
    if classes == 1:
        return _over_members(one, x, w, bra, dx, dw)
    # Classes with directions of their own are members with the same weights.
    x, bra, dx = (_split(a, axis, classes) for a, axis in ((x, 1), (bra, 2), (dx, 2)))
    w, dw = jnp.repeat(w, classes, axis=0), _split(dw, 2, classes)
    of_x, of_w = _over_members(one, x, w, bra, dx, dw)
    return _join(of_x, 2, classes), _join(of_w, 2, classes)


def bend(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    psi: jax.Array,
    dx: jax.Array,
    dw: jax.Array,
    ex: jax.Array,
    ew: jax.Array,
) -> jax.Array:
    """See ``primitive``."""
    del psi
    classes = dw.shape[2]
    x, dx, ex = (_split(a, axis, classes) for a, axis in ((x, 1), (dx, 2), (ex, 2)))
    w = jnp.repeat(w, classes, axis=0)
    dw, ew = _split(dw, 2, classes), _split(ew, 2, classes)

    def one(
        x: jax.Array, w: jax.Array, dx: jax.Array, dw: jax.Array, ex: jax.Array, ew: jax.Array
    ) -> jax.Array:
        def along(dx: jax.Array, dw: jax.Array, ex: jax.Array, ew: jax.Array) -> jax.Array:
            def slope(x: jax.Array, w: jax.Array) -> jax.Array:
                return jax.jvp(partial(_evolve_one, program), (x, w), (dx, dw[0]))[1]

            return jax.jvp(slope, (x, w), (ex, ew[0]))[1]

        return jax.vmap(along)(dx, dw, ex, ew)

    return _join(_over_members(one, x, w, dx, dw, ex, ew), 2, classes)


def _evolve_one(program: ProgramArrays, x: jax.Array, w: jax.Array) -> jax.Array:
    """x (B, P), w (W,) -> (B, 2, 2^n)."""
    return final_state(program.tables_here(), *_padded(program, x, w))


def _push_one(
    program: ProgramArrays, x: jax.Array, w: jax.Array, dx: jax.Array, dw: jax.Array
) -> jax.Array:
    """Along (T, B, P) and (T, 1, W) -> (T, B, 2, 2^n)."""

    def along(dx: jax.Array, dw: jax.Array) -> jax.Array:
        return jax.jvp(partial(_evolve_one, program), (x, w), (dx, dw[0]))[1]

    return jax.vmap(along)(dx, dw)


def _pull_one(
    program: ProgramArrays,
    classes: int,
    x: jax.Array,
    w: jax.Array,
    psi: jax.Array,
    bra: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """psi (B, 2, 2^n), bras (T, B, 2, 2^n) -> (T, B, P) and (T, C, W)."""
    batch, inputs = x.shape
    of_x, of_w = pull_state(
        program.tables_here(),
        *_padded(program, x, w),
        psi,
        jnp.moveaxis(bra, 0, 1),
        per_sample=classes > 1,
    )
    of_x, of_w = jnp.moveaxis(of_x, 1, 0)[..., :inputs], jnp.moveaxis(of_w, 1, 0)
    if classes > 1:
        of_w = jnp.sum(of_w.reshape(of_w.shape[0], classes, batch // classes, -1), axis=2)
    return of_x, of_w[..., : w.shape[0]]


def _in_classes(
    one: Callable[..., jax.Array], x: jax.Array, w: jax.Array, dx: jax.Array, dw: jax.Array
) -> jax.Array:
    """Samples that have directions of w of their own, class after class."""
    classes = dw.shape[1]
    if classes == 1:
        return one(x, w, dx, dw)
    batch, inputs = x.shape
    each, count = batch // classes, dx.shape[0]
    found = jax.vmap(one, in_axes=(0, None, 0, 0))(
        x.reshape(classes, each, inputs),
        w,
        jnp.moveaxis(dx.reshape(count, classes, each, inputs), 1, 0),
        jnp.moveaxis(dw, 1, 0)[:, :, None],
    )
    found = jnp.moveaxis(found, 0, 1)
    return found.reshape(count, batch, *found.shape[3:])


def _padded(program: ProgramArrays, x: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
    inputs, weights = program.padded_sizes
    return (
        jnp.pad(x, ((0, 0), (0, inputs - x.shape[1]))),
        jnp.pad(w, (0, weights - w.shape[0])),
    )


def _over_members(one: Callable[..., Any], *operands: jax.Array) -> Any:
    """Maps over E, without a batch axis where it is 1."""
    if operands[0].shape[0] == 1:
        return jax.tree.map(lambda a: a[None], one(*(a[0] for a in operands)))
    return jax.vmap(one)(*operands)


def _split(array: jax.Array, axis: int, classes: int) -> jax.Array:
    """Moves the classes of an axis to the members': (E, ..., C b, ...) -> (E C, ..., b, ...)."""
    shape = array.shape
    apart = array.reshape(*shape[:axis], classes, shape[axis] // classes, *shape[axis + 1 :])
    moved = jnp.moveaxis(apart, axis, 1)
    return moved.reshape(moved.shape[0] * classes, *moved.shape[2:])


def _join(array: jax.Array, axis: int, classes: int) -> jax.Array:
    """The inverse of ``_split``."""
    members = array.shape[0] // classes
    apart = jnp.moveaxis(array.reshape(members, classes, *array.shape[1:]), 1, axis)
    shape = apart.shape
    return apart.reshape(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])
