"""Derivatives of a network and of its VJP along directions: what higher derivatives are made of.

With f(x, w) the network and g(x, w, c) the gradient of <c, f(x, w)>, its VJP, the pair (f, g) is
differentiated along any number of directions (u, v), one forward sweep around the other, over one
reverse sweep (Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 147,
1994).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxqnn.errors import InvalidArgumentError
from jaxqnn.functions import Function, model_function
from jaxqnn.networks.base import JaxNetwork

Arrays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
_Pair = tuple[jax.Array, tuple[jax.Array, jax.Array]]

_KEPT = "jaxqnn_along"


def along(
    network: JaxNetwork,
    inputs: ArrayLike,
    weights: ArrayLike,
    cotangent: ArrayLike,
    directions: Sequence[tuple[ArrayLike, ArrayLike]],
) -> Arrays:
    """The derivative of a network's output and of its VJP along directions, one after another.

    With one direction these are J (u, v) and the Hessian of <c, f> times (u, v).

    Args:
        network: A network that runs on JAX, with whole states on each device.
        inputs: Shape (..., num_inputs).
        weights: Shape (num_weights,).
        cotangent: Of the output, in its shape.
        directions: Each of the inputs and of the weights, in their shapes; at least one.

    Returns:
        The derivatives of the output, of the inputs' gradient and of the weights' gradient, each in
        its shape, computed in the network's precision. A batch is computed at once, not in pieces.

    Raises:
        InvalidArgumentError: The network's states are shared out over a mesh.
    """
    if network._mesh is not None and network._mesh.shape.get("state", 1) > 1:
        raise InvalidArgumentError(
            "Second derivatives of a network whose mesh shares states out are not available. Use a "
            'mesh without an axis "state", or none.'
        )
    double = network.precision == "double"
    dtype = np.dtype(np.float64 if double else np.float32)
    flat = [part for direction in directions for part in direction]
    values = [np.asarray(part, dtype) for part in (inputs, weights, cotangent, *flat)]
    with jax.enable_x64(double), jax.default_device(network._device):
        found, gradients = _compiled(network, len(directions))(*values)
    of_output, of_inputs, of_weights = (np.array(part, float) for part in (found, *gradients))
    return of_output, of_inputs, of_weights


def _compiled(network: JaxNetwork, order: int) -> Callable[..., _Pair]:
    """The derivatives, compiled once and kept for as long as the network's function."""
    kept: dict[int, Callable[..., _Pair]] = vars(network.function).setdefault(_KEPT, {})
    if order not in kept:
        # With tables of its own: JAX 0.10 keeps a traced function's arrays in the precision of the
        # mode they were met in first, and the network's function belongs to the user's mode.
        function = model_function(copy(network._evaluator.model), network._mesh)
        kept[order] = jax.jit(_along(function, order))
    return kept[order]


def _along(function: Function, order: int) -> Callable[..., _Pair]:
    """(inputs, weights, cotangent, u1, v1, ...) -> the pair's derivative along all directions."""
    if not order:

        def pair(inputs: jax.Array, weights: jax.Array, cotangent: jax.Array) -> _Pair:
            output, pull = jax.vjp(function, inputs, weights)
            return output, pull(jnp.reshape(cotangent, output.shape))

        return pair
    inner = _along(function, order - 1)

    def derivative(
        inputs: jax.Array, weights: jax.Array, cotangent: jax.Array, *directions: jax.Array
    ) -> _Pair:
        *others, u, v = directions
        _, found = jax.jvp(lambda x, w: inner(x, w, cotangent, *others), (inputs, weights), (u, v))
        return found

    return derivative
