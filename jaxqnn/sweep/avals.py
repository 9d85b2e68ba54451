"""What JAX knows of an array within ``shard_map``, in the rules of our primitives."""

from __future__ import annotations

from typing import Any

import jax


def alike(*arrays: jax.Array) -> list[jax.Array]:
    """Arrays that vary over the same axes of a ``shard_map``, as operands of a primitive must."""
    axes: list[frozenset[Any]] = [
        getattr(jax.typeof(array), "vma", frozenset()) for array in arrays
    ]
    every: frozenset[Any] = frozenset().union(*axes)
    return [
        _vary(array, tuple(every - own)) if every - own else array
        for array, own in zip(arrays, axes, strict=True)
    ]


def _vary(array: jax.Array, axes: tuple[Any, ...]) -> jax.Array:
    if hasattr(jax.lax, "pcast"):
        return jax.lax.pcast(array, axes, to="varying")
    found: jax.Array = vars(jax.lax)["pvary"](array, axes)  # its name in JAX 0.8
    return found


def like(aval: Any, shape: tuple[int, ...]) -> Any:
    """The aval of a result of a shape that varies as an operand does."""
    vma = getattr(aval, "vma", None)
    if not vma:
        return type(aval)(shape, aval.dtype)
    spec = jax.sharding.PartitionSpec(*(None for _ in shape))
    whole = jax.sharding.NamedSharding(aval.sharding.mesh, spec)  # on what a device has
    return type(aval)(shape, aval.dtype, vma=vma, sharding=whole)
