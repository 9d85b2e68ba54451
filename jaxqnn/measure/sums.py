"""Sums of Pauli strings as two primitives of JAX, which are each other's derivatives.

    means   (bra, ket) -> Re <bra|O_o|ket>        (B, m)
    image   (ket, weight) -> sum_o weight_o O_o ket    (B, 2, 2^n)

Both are linear in each of their two operands, and observables are Hermitian, so the transpose of
either is the other: derivatives of any order are made of these two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxqnn.engine.layers import half_signs, relabel
from jaxqnn.program.tables import high_bits
from jaxqnn.promotion import usual_promotion
from jaxqnn.sweep.avals import alike, like
from jaxqnn.sweep.cpu import sums as on_cpu
from jaxqnn.sweep.gpu import sums as on_cuda
from jaxqnn.sweep.primitive import alone


class Arrays(NamedTuple):
    """Strings in chunks, see ``outcomes.PauliSums``."""

    masks: jax.Array
    coefficients: jax.Array
    shift: jax.Array
    output: jax.Array
    counts: jax.Array


# Operands before the two factors.
_STRINGS = len(Arrays._fields)

means_p = Primitive("jaxqnn_means")
image_p = Primitive("jaxqnn_image")


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def expectations(outputs: int, arrays: Arrays, state: jax.Array) -> jax.Array:
    """<psi|O_o|psi> of states (B, 2, 2^n), as (B, m)."""
    found: jax.Array = means_p.bind(*alike(*arrays, state, state), outputs=outputs)
    return found


@expectations.defjvp
def _expectations_jvp(
    outputs: int, primals: tuple[Arrays, jax.Array], tangents: Any
) -> tuple[jax.Array, jax.Array]:
    arrays, state = primals
    if outputs == 1:
        # The one image gives the value, all its derivatives, and is what is pulled back.
        imaged = image(arrays, state, jnp.ones((state.shape[0], 1), state.dtype))
        value, along = (
            jnp.sum(part * imaged, axis=(1, 2))[:, None] for part in (state, tangents[1])
        )
        return value, 2 * along
    along = means_p.bind(*alike(*arrays, tangents[1], state), outputs=outputs)
    return expectations(outputs, arrays, state), 2 * along


def image(arrays: Arrays, state: jax.Array, weight: jax.Array) -> jax.Array:
    """The sum of the observables' images of states (B, 2, 2^n), by weights (B, m)."""
    found: jax.Array = image_p.bind(*alike(*arrays, state, weight))
    return found


@means_p.def_abstract_eval
def _(*operands: Any, outputs: int) -> Any:
    bra = operands[_STRINGS]
    return like(bra, (bra.shape[0], outputs))


@image_p.def_abstract_eval
def _(*operands: Any) -> Any:
    return operands[_STRINGS]


# Derivatives: the strings are constants.


def _means_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, outputs: int) -> Any:
    *arrays, bra, ket = primals
    return _product_jvp(means_p, arrays, (bra, ket), tangents[_STRINGS:], outputs=outputs)


def _image_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    *arrays, ket, weight = primals
    return _product_jvp(image_p, arrays, (ket, weight), tangents[_STRINGS:])


def _product_jvp(
    primitive: Primitive, arrays: Any, factors: tuple[Any, Any], tangents: Any, **params: Any
) -> Any:
    first, second = factors
    found = primitive.bind(*arrays, first, second, **params)
    terms = []
    if type(tangents[0]) is not ad.Zero:
        terms.append(primitive.bind(*arrays, tangents[0], second, **params))
    if type(tangents[1]) is not ad.Zero:
        terms.append(primitive.bind(*arrays, first, tangents[1], **params))
    if not terms:
        return found, ad.Zero(jax.typeof(found))
    return found, sum(terms[1:], start=terms[0])


def _means_transpose(cotangent: Any, *operands: Any, outputs: int) -> list[Any]:
    *arrays, bra, ket = operands
    of_mean = ad.instantiate_zeros(cotangent)
    if ad.is_undefined_primal(bra):
        return [None] * _STRINGS + [image_p.bind(*arrays, ket, of_mean), None]
    return [None] * _STRINGS + [None, image_p.bind(*arrays, bra, of_mean)]


def _image_transpose(cotangent: Any, *operands: Any) -> list[Any]:
    *arrays, ket, weight = operands
    of_image = ad.instantiate_zeros(cotangent)
    if ad.is_undefined_primal(ket):
        return [None] * _STRINGS + [image_p.bind(*arrays, of_image, weight), None]
    outputs = weight.aval.shape[1]
    return [None] * _STRINGS + [None, means_p.bind(*arrays, of_image, ket, outputs=outputs)]


ad.primitive_jvps[means_p] = _means_jvp
ad.primitive_jvps[image_p] = _image_jvp
ad.primitive_transposes[means_p] = _means_transpose
ad.primitive_transposes[image_p] = _image_transpose


def _batched(
    primitive: Primitive, operands: Sequence[Any], dims: Sequence[Any], **params: Any
) -> tuple[Any, Any]:
    """A mapped axis becomes a part of the batch; strings are never mapped over."""
    *arrays, first, second = operands
    size = next(o.shape[d] for o, d in zip(operands, dims, strict=True) if d is not None)
    if any(dim is not None for dim in dims[:_STRINGS]):
        raise NotImplementedError("Observables cannot be mapped over.")
    merged = []
    for operand, dim in zip((first, second), dims[_STRINGS:], strict=True):
        if dim is None:
            whole = jnp.broadcast_to(operand[None], (size, *operand.shape))
        else:
            whole = jnp.moveaxis(operand, dim, 0)
        merged.append(whole.reshape(-1, *whole.shape[2:]))
    found = primitive.bind(*arrays, *merged, **params)
    return found.reshape(size, found.shape[0] // size if size else 0, *found.shape[1:]), 0


# XLA's own form.


def image_of(arrays: Arrays, c: jax.Array, state: jax.Array) -> jax.Array:
    """Chunk c applied to states."""
    labels = jnp.arange(state.shape[2], dtype=jnp.uint32)
    moved = relabel(state, labels ^ arrays.shift[c].astype(jnp.uint32))
    return times_strings(moved, arrays.masks[c], arrays.coefficients[c])


def times_strings(state: jax.Array, masks: jax.Array, coefficients: jax.Array) -> jax.Array:
    """psi'[x] = sum_k c_k (-1)^parity(mask_k & x) psi[x]: (B, 2, 2^n) with c as (K, 2)."""
    num_qubits = state.shape[2].bit_length() - 1
    signs = half_signs(masks, num_qubits, high_bits(num_qubits), state.dtype)
    by_high = signs.high[:, None, :] * coefficients.T[None]
    diagonal = jnp.dot(
        by_high.reshape(-1, masks.shape[0]), signs.low_rows, precision=lax.Precision.HIGHEST
    ).reshape(signs.high.shape[0], 2, -1)
    real, imaginary = diagonal[:, 0].reshape(-1), diagonal[:, 1].reshape(-1)
    return jnp.stack(
        [
            real * state[:, 0] - imaginary * state[:, 1],
            real * state[:, 1] + imaginary * state[:, 0],
        ],
        axis=1,
    )


def _xla_means(*operands: jax.Array, outputs: int) -> jax.Array:
    arrays, (bra, ket) = Arrays(*operands[:_STRINGS]), operands[_STRINGS:]

    def mean(c: jax.Array) -> jax.Array:
        return jnp.sum(bra * image_of(arrays, c, ket), axis=(1, 2))

    means = lax.map(mean, jnp.arange(arrays.shift.shape[0]))
    total = jnp.zeros((bra.shape[0], outputs), bra.dtype)
    return total.at[:, arrays.output].add(means.T)


def _xla_image(*operands: jax.Array) -> jax.Array:
    arrays, (ket, weight) = Arrays(*operands[:_STRINGS]), operands[_STRINGS:]

    def add(c: jax.Array, total: jax.Array) -> jax.Array:
        return total + weight[:, arrays.output[c], None, None] * image_of(arrays, c, ket)

    return lax.fori_loop(0, arrays.shift.shape[0], add, jnp.zeros_like(ket))


def _lowering(name: str, of_xla: Callable[..., Any], here: Any) -> Any:
    """XLA's own form, or that of the platform's module where it can run."""

    def lower(ctx: Any, *operands: Any, **params: Any) -> Any:
        form = getattr(here, name) if here is not None and here.serves(ctx) else of_xla

        def function(*operands: Any) -> Any:
            return form(*operands, **params)

        with usual_promotion():
            return mlir.lower_fun(function, multiple_results=False)(ctx, *operands)

    return lower


for _primitive, _name, _of_xla in ((means_p, "means", _xla_means), (image_p, "image", _xla_image)):
    for _platform, _here in ((None, None), ("cpu", on_cpu), ("cuda", on_cuda)):
        _rule = _lowering(_name, _of_xla, _here)
        mlir.register_lowering(_primitive, _rule, platform=_platform)
    batching.primitive_batchers[_primitive] = (
        lambda operands, dims, _primitive=_primitive, **params: _batched(
            _primitive, operands, dims, **params
        )
    )
    _primitive.def_impl(
        lambda *operands, _primitive=_primitive, **params: alone(
            _primitive, tuple(sorted(params.items()))
        )(*operands)
    )
