"""What a mapped axis of the primitives' operands becomes a part of.

An operand's axes have letters: E members, B samples, C classes of them, T directions, L bras, and
P, W and S for columns and states, which are never mapped over.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive

Arrays = Sequence[Any]

AXES = {
    "jaxqnn_evolve": ("EBP", "EW"),
    "jaxqnn_push": ("EBP", "EW", "EBS", "ETBP", "ETCW"),
    "jaxqnn_pull": ("EBP", "EW", "EBS", "ETBS"),
    "jaxqnn_curve": ("EBP", "EW", "EBS", "ELBS", "ETBP", "ETCW"),
    "jaxqnn_bend": ("EBP", "EW", "EBS", "ETBP", "ETCW", "ETBP", "ETCW"),
}
_RESULTS = {
    "jaxqnn_evolve": ("EBS",),
    "jaxqnn_push": ("ETBS",),
    "jaxqnn_pull": ("ETBP", "ETCW"),
    "jaxqnn_curve": ("ETBP", "ETCW"),
    "jaxqnn_bend": ("ETBS",),
}


def batched(primitive: Primitive, operands: Arrays, dims: Arrays, **params: Any) -> tuple[Any, Any]:
    """The batching rule of a primitive: one call on operands that have one axis less."""
    size = next(o.shape[d] for o, d in zip(operands, dims, strict=True) if d is not None)
    if size == 0:
        return _of_nothing(primitive, operands, dims, **params)
    mapped = [dim is not None for dim in dims]
    # Where the mapped axis goes: members, samples and their classes, or directions (and bras).
    into = "E" if mapped[1] else "BC" if mapped[0] or mapped[2] else "TL"
    merged = []
    for operand, dim, axes in zip(operands, dims, AXES[primitive.name], strict=True):
        if not any(letter in axes for letter in into):
            # Nothing of it is mapped.
            merged.append(operand)
            continue
        letter = next(letter for letter in into if letter in axes)
        at = axes.index(letter)
        if dim is None:
            if letter == "L" and operand.shape[at] == 1:
                merged.append(operand)  # one bra for all directions
                continue
            operand = jnp.broadcast_to(operand[None], (size, *operand.shape))
            dim = 0
        elif letter == "L" and operand.shape[at + (dim <= at)] == 1:
            # Each bra has several directions.
            operand = jnp.repeat(operand, _count(operands, dims, primitive), axis=at + (dim <= at))
        operand = jnp.moveaxis(operand, dim, at)
        shape = operand.shape
        merged.append(operand.reshape(*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :]))
    if into == "BC" and "classes" in params:
        params["classes"] *= size
    found = primitive.bind(*merged, **params)
    several = primitive.multiple_results
    results, out_dims = [], []
    for result, axes in zip(found if several else [found], _RESULTS[primitive.name], strict=True):
        letter = next(letter for letter in into if letter in axes)
        at = axes.index(letter)
        shape = result.shape
        results.append(result.reshape(*shape[:at], size, shape[at] // size, *shape[at + 1 :]))
        out_dims.append(at)
    return (results, out_dims) if several else (results[0], out_dims[0])


def _of_nothing(
    primitive: Primitive, operands: Arrays, dims: Arrays, **params: Any
) -> tuple[Any, Any]:
    """The results of a mapped axis of length zero."""
    shapes = [list(operand.shape) for operand in operands]
    for shape, dim in zip(shapes, dims, strict=True):
        if dim is not None:
            del shape[dim]
    one = jax.eval_shape(
        partial(primitive.bind, **params),
        *(jax.ShapeDtypeStruct(s, o.dtype) for s, o in zip(shapes, operands, strict=True)),
    )
    empty = jax.tree.map(lambda result: jnp.zeros((0, *result.shape), result.dtype), one)
    return empty, jax.tree.map(lambda _: 0, one)


def _count(operands: Arrays, dims: Arrays, primitive: Primitive) -> int:
    """T, of the operand that has directions of x."""
    i = AXES[primitive.name].index("ETBP")
    shape = list(operands[i].shape)
    if dims[i] is not None:
        del shape[dims[i]]
    return int(shape[1])
