"""The one thing here that is not plain JAX: evolving a state, and its derivatives.

    evolve  (x, w) -> psi
    push    J (dx, dw) -> dpsi               its derivative along directions of the columns
    pull    J^T lambda -> (x', w')           the transpose of push
    curve   (dJ)^T lambda -> (x', w')        the derivative of pull along a direction
    bend    (dJ) (dx, dw) -> dpsi            the derivative of push along a direction

The second derivative is symmetric: as a map from its direction, ``curve`` is its own transpose, and
as a map from lambda its transpose is ``bend``.  That closes first and second derivatives in every
nesting; beyond, ``curve`` and ``bend`` are written out in JAX's own operations.

Shapes, with E weight vectors, B samples of each, T directions, and C classes of samples that have
directions of w of their own (vmap over samples that share w):

    x (E, B, P), w (E, W), psi (E, B, 2, 2^n), dpsi and lambda (E, T, B, 2, 2^n),
    dx and x' (E, T, B, P), dw and w' (E, T, C, W)

``curve`` takes lambda with T or 1.  ``pull`` may be asked for w' alone: x' is zeros then, and the
first steps of a circuit need not be undone.  A mapped axis becomes a part of E where w has it,
of B and C where only x has, else of T, so that vmap to any depth is one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxqnn.promotion import usual_promotion
from jaxqnn.sweep import foreign, written_out, xla
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.avals import alike, like
from jaxqnn.sweep.gpu import calls
from jaxqnn.sweep.mapping import AXES, batched

Arrays = Sequence[Any]

evolve_p = Primitive("jaxqnn_evolve")
push_p = Primitive("jaxqnn_push")
pull_p = Primitive("jaxqnn_pull")
curve_p = Primitive("jaxqnn_curve")
bend_p = Primitive("jaxqnn_bend")
for _several in (pull_p, curve_p):
    _several.multiple_results = True


def evolve(program: ProgramArrays, x: jax.Array, w: jax.Array) -> jax.Array:
    """The final states of a program, in its final frame's labels.

    Args:
        program: The program.
        x: (E, B, P), the columns of each sample.
        w: (E, W), the shared columns; of the same dtype, float32 or float64.

    Returns:
        (E, B, 2, 2^n), real and imaginary parts.
    """
    state: jax.Array = evolve_p.bind(*alike(x, w), program=program)
    return state


# Shapes


def _states(program: ProgramArrays, x: Any, *directions: int) -> Any:
    members, batch = x.shape[:2]
    return like(x, (members, *directions, batch, 2, 1 << program.num_qubits))


@evolve_p.def_abstract_eval
def _(x: Any, w: Any, *, program: ProgramArrays) -> Any:
    return _states(program, x)


@push_p.def_abstract_eval
def _(x: Any, w: Any, psi: Any, dx: Any, dw: Any, *, program: ProgramArrays) -> Any:
    return _states(program, x, dx.shape[1])


@pull_p.def_abstract_eval
def _(
    x: Any,
    w: Any,
    psi: Any,
    bra: Any,
    *,
    program: ProgramArrays,
    classes: int,
    wrt_inputs: bool,
) -> Any:
    (members, batch, inputs), count = x.shape, bra.shape[1]
    return [
        like(x, (members, count, batch, inputs)),
        like(x, (members, count, classes, w.shape[1])),
    ]


@curve_p.def_abstract_eval
def _(x: Any, w: Any, psi: Any, bra: Any, dx: Any, dw: Any, *, program: ProgramArrays) -> Any:
    return [like(x, dx.shape), like(x, dw.shape)]


@bend_p.def_abstract_eval
def _(
    x: Any, w: Any, psi: Any, dx: Any, dw: Any, ex: Any, ew: Any, *, program: ProgramArrays
) -> Any:
    return _states(program, x, dx.shape[1])


# Derivatives. ``psi`` is evolve(x, w) wherever it is an operand, so it has no tangent of its own.


def _is_zero(*tangents: Any) -> bool:
    return all(type(tangent) is ad.Zero for tangent in tangents)


def _add(*terms: Any) -> Any:
    """The sum of tuples of arrays."""
    first, *others = terms
    for other in others:
        first = jax.tree.map(jnp.add, first, other)
    return first


def _evolve_jvp(primals: Arrays, tangents: Arrays, *, program: ProgramArrays) -> tuple[Any, Any]:
    x, w = primals
    psi = evolve_p.bind(x, w, program=program)
    dx, dw = map(ad.instantiate_zeros, tangents)
    dpsi = push_p.bind(x, w, psi, dx[:, None], dw[:, None, None], program=program)
    return psi, dpsi[:, 0]


def _directions(dx: Any, dw: Any, count: int, classes: int) -> tuple[jax.Array, jax.Array]:
    """One direction of the columns, (E, B, P) and (E, W), as T of C classes."""
    dx, dw = ad.instantiate_zeros(dx), ad.instantiate_zeros(dw)
    return (
        jnp.broadcast_to(dx[:, None], (dx.shape[0], count, *dx.shape[1:])),
        jnp.broadcast_to(dw[:, None, None], (dw.shape[0], count, classes, dw.shape[1])),
    )


def _push_jvp(primals: Arrays, tangents: Arrays, *, program: ProgramArrays) -> tuple[Any, Any]:
    x, w, psi, dx, dw = primals
    ex, ew, _, ddx, ddw = tangents
    terms = []
    if not _is_zero(ex, ew):
        along = _directions(ex, ew, dx.shape[1], dw.shape[2])
        terms.append(bend_p.bind(x, w, psi, dx, dw, *along, program=program))
    if not _is_zero(ddx, ddw):
        ddx, ddw = map(ad.instantiate_zeros, (ddx, ddw))
        terms.append(push_p.bind(x, w, psi, ddx, ddw, program=program))
    found = push_p.bind(*primals, program=program)
    return found, _add(*terms) if terms else ad.Zero(jax.typeof(found))


def _pull_jvp(
    primals: Arrays, tangents: Arrays, *, program: ProgramArrays, classes: int, wrt_inputs: bool
) -> tuple[Any, Any]:
    x, w, psi, bra = primals
    ex, ew, _, dbra = tangents
    params = {"program": program, "classes": classes, "wrt_inputs": wrt_inputs}
    found = pull_p.bind(*primals, **params)
    terms = []
    if not _is_zero(ex, ew):
        along = _directions(ex, ew, bra.shape[1], classes)
        terms.append(curve_p.bind(x, w, psi, bra, *along, program=program))
    if not _is_zero(dbra):
        terms.append(pull_p.bind(x, w, psi, ad.instantiate_zeros(dbra), **params))
    zeros = [ad.Zero(jax.typeof(part)) for part in found]
    slopes = _add(*terms) if terms else zeros
    return found, slopes if wrt_inputs else [zeros[0], slopes[1]]


def _third(
    primitive: Primitive,
    whole: Callable[..., Any],
    primals: Arrays,
    tangents: Arrays,
    *,
    program: ProgramArrays,
) -> tuple[Any, Any]:
    """The derivative of ``curve`` or ``bend``, which are linear in all but x and w."""
    if not _is_zero(*tangents[:2]):
        filled = [ad.instantiate_zeros(tangent) for tangent in tangents]
        # The state follows from x and w.
        kept = [i for i in range(len(primals)) if i != 2]
        with usual_promotion():
            return jax.jvp(
                partial(whole, program), [primals[i] for i in kept], [filled[i] for i in kept]
            )
    found = primitive.bind(*primals, program=program)
    terms = []
    # Linear in the bra and in a direction, or in each of two directions.
    for factor in ((3,), (4, 5)) if primitive is curve_p else ((3, 4), (5, 6)):
        if not _is_zero(*(tangents[i] for i in factor)):
            operands = list(primals)
            for i in factor:
                operands[i] = ad.instantiate_zeros(tangents[i])
            terms.append(primitive.bind(*operands, program=program))
    return found, _add(*terms)


ad.primitive_jvps[evolve_p] = _evolve_jvp
ad.primitive_jvps[push_p] = _push_jvp
ad.primitive_jvps[pull_p] = _pull_jvp
ad.primitive_jvps[curve_p] = partial(_third, curve_p, written_out.curve)
ad.primitive_jvps[bend_p] = partial(_third, bend_p, written_out.bend)


# Transposes


def _push_transpose(
    cotangent: Any, x: Any, w: Any, psi: Any, dx: Any, dw: Any, *, program: ProgramArrays
) -> list[Any]:
    bra = ad.instantiate_zeros(cotangent)
    classes = (dw.aval if ad.is_undefined_primal(dw) else dw).shape[2]
    # Who derives by w alone has a dx that is known, and no use for what belongs to it.
    found = pull_p.bind(
        x,
        w,
        psi,
        bra,
        program=program,
        classes=classes,
        wrt_inputs=ad.is_undefined_primal(dx),
    )
    return [None, None, None, *_wanted((dx, dw), found)]


def _pull_transpose(
    cotangents: Arrays,
    x: Any,
    w: Any,
    psi: Any,
    bra: Any,
    *,
    program: ProgramArrays,
    classes: int,
    wrt_inputs: bool,
) -> list[Any]:
    dx, dw = map(ad.instantiate_zeros, cotangents)
    if not wrt_inputs:
        dx = jnp.zeros_like(dx)
    return [None, None, None, push_p.bind(x, w, psi, dx, dw, program=program)]


def _curve_transpose(
    cotangents: Arrays,
    x: Any,
    w: Any,
    psi: Any,
    bra: Any,
    dx: Any,
    dw: Any,
    *,
    program: ProgramArrays,
) -> list[Any]:
    ex, ew = map(ad.instantiate_zeros, cotangents)
    if ad.is_undefined_primal(bra):
        found = bend_p.bind(x, w, psi, dx, dw, ex, ew, program=program)
        if bra.aval.shape[1] != found.shape[1]:
            found = jnp.sum(found, axis=1, keepdims=True)
        return [None, None, None, found, None, None]
    found = curve_p.bind(x, w, psi, bra, ex, ew, program=program)
    return [None, None, None, None, *_wanted((dx, dw), found)]


def _bend_transpose(
    cotangent: Any,
    x: Any,
    w: Any,
    psi: Any,
    dx: Any,
    dw: Any,
    ex: Any,
    ew: Any,
    *,
    program: ProgramArrays,
) -> list[Any]:
    bra = ad.instantiate_zeros(cotangent)
    if ad.is_undefined_primal(dx) or ad.is_undefined_primal(dw):
        found = curve_p.bind(x, w, psi, bra, ex, ew, program=program)
        return [None, None, None, *_wanted((dx, dw), found), None, None]
    found = curve_p.bind(x, w, psi, bra, dx, dw, program=program)
    return [None, None, None, None, None, *_wanted((ex, ew), found)]


def _wanted(operands: Arrays, found: Arrays) -> list[Any]:
    return [
        cotangent if ad.is_undefined_primal(operand) else None
        for operand, cotangent in zip(operands, found, strict=True)
    ]


ad.primitive_transposes[push_p] = _push_transpose
ad.primitive_transposes[pull_p] = _pull_transpose
ad.primitive_transposes[curve_p] = _curve_transpose
ad.primitive_transposes[bend_p] = _bend_transpose


for _primitive in (evolve_p, push_p, pull_p, curve_p, bend_p):
    assert _primitive.name in AXES
    batching.primitive_batchers[_primitive] = partial(batched, _primitive)


# Lowering: XLA's form everywhere, and the compiled sweeps or CUDA kernels where they can run.


def _form_on_cpu(ctx: Any, name: str, program: ProgramArrays) -> Any:
    del program
    return foreign if foreign.serves(ctx, name) else xla


def _form_on_cuda(ctx: Any, name: str, program: ProgramArrays) -> Any:
    return calls if calls.serves(ctx, name, program) else xla


def _form_anywhere(ctx: Any, name: str, program: ProgramArrays) -> Any:
    del ctx, name, program
    return xla


def _lower(
    form: Callable[..., Any],
    ctx: Any,
    *operands: Any,
    name: str,
    several: bool,
    program: ProgramArrays,
    **params: Any,
) -> Any:
    function = partial(getattr(form(ctx, name, program), name), program, **params)
    with usual_promotion():
        return mlir.lower_fun(function, multiple_results=several)(ctx, *operands)


@lru_cache(maxsize=4096)
def alone(primitive: Primitive, params: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """A primitive compiled by itself, for who calls it outside of any program."""
    return jax.jit(partial(primitive.bind, **dict(params)))


for _primitive in (evolve_p, push_p, pull_p, curve_p, bend_p):
    _name = _primitive.name.removeprefix("jaxqnn_")
    _rules: dict[str, Any] = {"name": _name, "several": _primitive.multiple_results}
    mlir.register_lowering(_primitive, partial(_lower, _form_anywhere, **_rules))
    mlir.register_lowering(_primitive, partial(_lower, _form_on_cpu, **_rules), platform="cpu")
    mlir.register_lowering(_primitive, partial(_lower, _form_on_cuda, **_rules), platform="cuda")
    _primitive.def_impl(
        lambda *operands, _primitive=_primitive, **params: alone(
            _primitive, tuple(sorted(params.items()))
        )(*operands)
    )
