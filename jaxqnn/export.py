"""Ahead of time: a network or function as bytes that need JAX only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.export  # a module that ``import jax`` leaves out
import jax.numpy as jnp

from jaxqnn.arguments import as_count
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.functions import Shapes, shapes_of
from jaxqnn.networks.base import JaxNetwork
from jaxqnn.version import __version__


def export(
    f_or_qnn: Callable[..., jax.Array] | JaxNetwork,
    batch_size: int | None = None,
    *,
    platforms: Sequence[str] | None = None,
) -> bytes:
    """Compiles a function or network to portable bytes, its gradient included.

    ``jax.export.deserialize(blob).call`` is the function again, in a process that has neither
    Qiskit nor jaxqnn; ``jax.vjp`` and ``jax.grad`` of it run the adjoint. The program is constant
    data in it. JAX promises to read what any JAX of the last six months wrote. The name of the
    exported function, which JAX's errors quote, says which versions wrote it:
    "jaxqnn_0.1.0_jax_0.10.2". A function of another platform or shape raises ``ValueError``.

    Args:
        f_or_qnn: What ``statevector``, ``expectation`` or ``probabilities`` returned, perhaps under
            ``jax.jit``, or a network, of which ``apply`` is exported.
        batch_size: Samples in one call; None for any number.
        platforms: For example ("cpu", "cuda"); None is the present default.

    Returns:
        Bytes for ``jax.export.deserialize``. The exported function takes inputs
        (batch, num_inputs) and weights (num_weights,), or for a function of one argument params
        (batch, num_parameters). A network's are of its own precision, a function's of JAX's default
        float type; for float64 the loading process must switch on x64, too.

    Raises:
        InvalidArgumentError: If this is neither, or it is bound to a mesh or to a primitive that
            is not exact.

    Example:
        >>> import jax.export
        >>> from qiskit.circuit.library import real_amplitudes
        >>> import jaxqnn
        >>> blob = jaxqnn.export(jaxqnn.expectation(real_amplitudes(2, reps=1)))
        >>> jax.export.deserialize(blob).call(jax.numpy.zeros((3, 4))).tolist()
        [[1.0], [1.0], [1.0]]
    """
    if batch_size is not None:
        as_count("batch_size", batch_size, 1)
    if platforms is not None and (
        isinstance(platforms, str) or not isinstance(platforms, Sequence) or not platforms
    ):
        raise InvalidArgumentError(
            f'platforms must be a list of names such as ["cpu", "cuda"], but is {platforms!r}.'
        )
    if isinstance(f_or_qnn, JaxNetwork):
        function, shapes, double = _of_network(f_or_qnn)
        with jax.enable_x64(double):
            return _bytes(function, shapes, batch_size, platforms)
    found = shapes_of(f_or_qnn)
    if found is None:
        raise InvalidArgumentError(
            f"A {type(f_or_qnn).__name__} cannot be exported. Pass a network, or what "
            "jaxqnn.statevector, expectation or probabilities returned."
        )
    return _bytes(f_or_qnn, found, batch_size, platforms)


def _of_network(network: JaxNetwork) -> tuple[Callable[..., jax.Array], Shapes, bool]:
    if not network.is_exact:
        raise InvalidArgumentError(
            f"This {type(network).__name__} has a primitive or gradient that is not exact. "
            "Leave them out to export it."
        )
    found = shapes_of(network.function)
    assert found is not None
    return network.function, found, network.precision == "double"


def _bytes(
    function: Callable[..., jax.Array],
    shapes: Shapes,
    batch_size: int | None,
    platforms: Sequence[str] | None,
) -> bytes:
    if shapes.on_mesh:
        raise InvalidArgumentError(
            "A function over a mesh is bound to its devices. Export it without mesh=, and share "
            "its arguments out where it runs."
        )
    dtype = jnp.result_type(float)
    batch: Any = jax.export.symbolic_shape("b")[0] if batch_size is None else batch_size
    weights = jax.ShapeDtypeStruct((shapes.num_weights,), dtype)
    if shapes.split:
        arguments = [jax.ShapeDtypeStruct((batch, shapes.num_inputs), dtype), weights]
        exported = function
    else:
        # An unknown number of weight vectors reaches the engine as a vmap's axis does.
        arguments = [jax.ShapeDtypeStruct((batch, shapes.num_weights), dtype)]
        exported = jax.vmap(function)

    def call(*values: jax.Array) -> jax.Array:
        return exported(*values)

    call.__name__ = call.__qualname__ = f"jaxqnn_{__version__}_jax_{jax.__version__}"
    found = jax.export.export(jax.jit(call), platforms=platforms)(*arguments)
    return bytes(found.serialize(vjp_order=1))
