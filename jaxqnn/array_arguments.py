"""Arrays of parameters as users pass them to functions: read, checked, and of one float type."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxqnn.errors import InvalidArgumentError

Array = jax.Array | np.ndarray[Any, Any]

# What NumPy and JAX both know: no other byte order, and nothing wider.
_KNOWN = {np.dtype(kind) for kind in "?bBhHiIlLqQefd"}


def as_array(name: str, values: jax.typing.ArrayLike) -> Array:
    """Returns an array; one of NumPy's or JAX's as it is.

    Outside ``jax.jit`` what becomes JAX's takes longer than a small sweep.

    Raises:
        InvalidArgumentError: If it is none.
    """
    if isinstance(values, jax.Array) or (type(values) is np.ndarray and values.dtype in _KNOWN):
        return values
    try:
        return jnp.asarray(values)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{name} cannot be read as an array: {error} Pass numbers, or rows of equal length."
        ) from None


def as_type(dtype: jnp.dtype, values: Array) -> Array:
    """Returns an array of a type, the same one if it is."""
    return values if values.dtype == dtype else values.astype(dtype)


def check_axis(name: str, value: Array, size: int) -> None:
    """Checks the axis of the parameters.

    Raises:
        InvalidArgumentError: If the last axis is of another size.
    """
    if value.ndim == 0 or value.shape[-1] != size:
        raise InvalidArgumentError(
            f"The last axis of {name} must hold the circuit's {size} values, but its shape is "
            f"{value.shape}."
        )


def check_batches(inputs: Array, weights: Array) -> None:
    """Checks the axes of samples and weight vectors.

    Raises:
        InvalidArgumentError: If they do not broadcast.
    """
    try:
        jnp.broadcast_shapes(inputs.shape[:-1], weights.shape[:-1])
    except ValueError:
        raise InvalidArgumentError(
            f"The leading axes of inputs {inputs.shape} and of weights {weights.shape} do not "
            "broadcast. Make them equal, or 1 where one is to be repeated."
        ) from None


def float_type(inputs: Array, weights: Array) -> jnp.dtype:
    """Returns the common type: integers count as JAX's default float, halves as float32.

    Raises:
        InvalidArgumentError: If they are complex.
    """
    dtype = jnp.result_type(inputs, weights)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        raise InvalidArgumentError(
            f"Parameters must be real numbers, but have dtype {dtype}. Pass their real parts."
        )
    if not jnp.issubdtype(dtype, jnp.floating):
        return jnp.result_type(float)
    return jnp.promote_types(dtype, jnp.float32)
