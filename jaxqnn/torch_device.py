"""PyTorch's tensors on a GPU that JAX computes on: handed over by DLPack, without the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax

from jaxqnn.networks.base import JaxNetwork
from jaxqnn.processes import refuse_after_fork

if TYPE_CHECKING:
    from torch import Tensor


def stays_on_device(network: JaxNetwork, *tensors: Tensor) -> bool:
    """Whether a network's inputs and weights are on one GPU, and JAX computes there."""
    if not (network.num_inputs and network.num_weights):
        return False
    places = {tensor.device for tensor in tensors}
    if len(places) != 1 or not tensors[0].is_cuda or jax.default_backend() != "gpu":
        return False
    (place,) = places
    hardware = {device.local_hardware_id for device in jax.local_devices(backend="gpu")}
    return place.index in hardware


class DevicePullback:
    """A network's output for tensors on a device, and the pull-back of a cotangent of it.

    The pull-back evolves the states anew, as nothing but the arguments is kept.
    """

    def __init__(self, network: JaxNetwork, input_data: Tensor, weights: Tensor) -> None:
        self._network, self._like = network, (input_data, weights)

    def output(self) -> Tensor:
        """Shape (..., *output_shape), in the network's precision."""
        return self._computed(_functions(self._network.function)[0], *self._like)

    def __call__(self, cotangent: Tensor) -> tuple[Tensor, Tensor]:
        """The cotangents of input and weights, from one in the shape of the output."""
        found = self._computed(_functions(self._network.function)[1], *self._like, cotangent)
        of_input, of_weights = (
            part.to(like.dtype if like.is_floating_point() else part.dtype)
            for part, like in zip(found, self._like, strict=True)
        )
        return of_input, of_weights

    def _computed(self, function: Callable[..., Any], *tensors: Tensor) -> Any:
        import torch
        import torch.utils.dlpack

        dtype = torch.float64 if self._network.precision == "double" else torch.float32
        with _precision(self._network):
            arrays = [
                jax.dlpack.from_dlpack(tensor.detach().to(dtype).contiguous()) for tensor in tensors
            ]
            return jax.tree.map(torch.utils.dlpack.from_dlpack, function(*arrays))


@contextmanager
def _precision(network: JaxNetwork) -> Iterator[None]:
    refuse_after_fork()
    with jax.enable_x64(network.precision == "double"):
        yield


@lru_cache(maxsize=64)
def _functions(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A network's function of inputs and weights, and its VJP, compiled."""

    def pull(inputs: jax.Array, weights: jax.Array, cotangent: jax.Array) -> Any:
        return jax.vjp(function, inputs, weights)[1](cotangent)

    return jax.jit(function), jax.jit(pull)
