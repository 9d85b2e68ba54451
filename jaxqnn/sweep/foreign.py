"""The primitives as calls of the compiled sweeps from an XLA program; see ``primitive``."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxqnn.processes import cores
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.compiling import announce
from jaxqnn.sweep.cpu.job import CURVE, EVOLVE, PULL, PUSH
from jaxqnn.sweep.cpu.request import Sizes, room_numbers, template
from jaxqnn.sweep.cpu.written import HEAD

TARGET = "jaxqnn_sweep"


def serves(ctx: Any, name: str) -> bool:
    """Whether the lowering that asks is for what the sweeps do, on one CPU of this machine."""
    return name != "bend" and can_call(ctx)


def can_call(ctx: Any) -> bool:
    """Whether the lowering that asks is for one CPU of this very machine."""
    return is_on_one_device(ctx) and _is_registered()


def is_on_one_device(ctx: Any) -> bool:
    """Whether a lowering is for one device of this very process.

    XLA's own form is for what is exported, and for arrays that XLA spreads over several devices: it
    would gather them for a call that it cannot look into.
    """
    module = ctx.module_context
    if getattr(module.lowering_parameters, "for_export", False):
        return False
    axes = module.axis_context
    devices = getattr(axes, "num_devices", 1)
    manual = getattr(axes, "manual_axes", None)
    if manual is not None:
        mesh = getattr(axes, "mesh", None)
        devices = 1 if mesh is None or frozenset(mesh.axis_names) == manual else mesh.size
    if devices not in (None, 1):
        return False
    return all(isinstance(size, int) for aval in ctx.avals_in for size in aval.shape)


@cache
def _is_registered() -> bool:
    """Registers the handler with XLA, which asks it which version of the interface it speaks."""
    from jaxqnn.sweep.cpu.handler import handler

    announce()
    try:
        capsule = jax.ffi.pycapsule(handler())
        jax.ffi.register_ffi_target(TARGET, capsule, platform="cpu", api_version=1)
    except Exception as error:  # whatever a jaxlib of another kind may say
        warnings.warn(
            f"This jaxlib does not take the compiled sweeps ({error}). XLA's own form is used, "
            "which is several times slower.",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


def evolve(program: ProgramArrays, x: jax.Array, w: jax.Array) -> jax.Array:
    """See ``primitive``."""
    shape = (*x.shape[:2], 2, 1 << program.num_qubits)
    return _call(EVOLVE, program, x, [x, w], [shape])[0]


def push(
    program: ProgramArrays, x: jax.Array, w: jax.Array, psi: jax.Array, dx: jax.Array, dw: jax.Array
) -> jax.Array:
    """See ``primitive``."""
    count, classes = dw.shape[1:3]
    shape = (x.shape[0], count, x.shape[1], 2, 1 << program.num_qubits)
    sizes = {"directions": count, "classes": classes}
    return _call(PUSH, program, x, [x, w, dx, dw], [shape], **sizes)[0]


def pull(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    psi: jax.Array,
    bra: jax.Array,
    *,
    classes: int,
    wrt_inputs: bool = True,
) -> list[jax.Array]:
    """See ``primitive``."""
    operands, shapes = [x, w, bra, psi], _columns(x, w, bra.shape[1])
    sizes = {"directions": bra.shape[1], "wrt_inputs": wrt_inputs}
    found = _call(PULL, program, x, operands, shapes, **sizes)
    return _summed(found, classes)


def curve(
    program: ProgramArrays,
    x: jax.Array,
    w: jax.Array,
    psi: jax.Array,
    bra: jax.Array,
    dx: jax.Array,
    dw: jax.Array,
) -> list[jax.Array]:
    """See ``primitive``."""
    count, classes = dw.shape[1:3]
    sizes = {"directions": count, "classes": classes, "bras": bra.shape[1]}
    found = _call(CURVE, program, x, [x, w, bra, dx, dw], _columns(x, w, count), **sizes)
    return _summed(found, classes)


def _columns(x: jax.Array, w: jax.Array, count: int) -> list[tuple[int, ...]]:
    """The shapes of the columns' cotangents, those of shared ones for each sample."""
    members, batch = x.shape[:2]
    return [(members, count, batch, x.shape[2]), (members, count, batch, w.shape[1])]


def _summed(found: list[jax.Array], classes: int) -> list[jax.Array]:
    of_x, of_w = found
    members, count, batch, weights = of_w.shape
    apart = of_w.reshape(members, count, classes, batch // classes, weights)
    return [of_x, jnp.sum(apart, axis=3)]


def _call(
    operation: int,
    program: ProgramArrays,
    x: jax.Array,
    operands: list[jax.Array],
    shapes: list[tuple[int, ...]],
    **sizes: Any,
) -> list[jax.Array]:
    single = x.dtype == jnp.float32
    words = program.words
    job = template(
        operation,
        Sizes(x.shape[0], x.shape[1], single=bool(single), **sizes),
        tuple(words[:HEAD].tolist()),
        cores(),
    )
    from jaxqnn.sweep.cpu.handler import helper

    helper(job)  # compiled now if it was not yet, and not when XLA waits for it
    # As 32-bit integers, which JAX takes in either mode.
    constant = np.concatenate([job, words]).view(np.int32)
    results = [jax.ShapeDtypeStruct(shape, x.dtype) for shape in shapes]
    room = jax.ShapeDtypeStruct((2 * room_numbers(job),), np.int32)
    *found, _ = jax.ffi.ffi_call(TARGET, [*results, room])(constant, *operands)
    return list(found)
