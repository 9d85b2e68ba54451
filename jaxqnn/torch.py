"""TorchConnector: a network as a PyTorch module whose backward pass is one VJP.

PyTorch is an extra (``pip install "jaxqnn[torch]"``).  Without it this module can be imported, and
making a connector says what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import qiskit_machine_learning.optionals as qml_optionals
from qiskit.exceptions import MissingOptionalLibraryError
from qiskit_machine_learning.connectors import TorchConnector as QMLTorchConnector
from qiskit_machine_learning.neural_networks import NeuralNetwork

from jaxqnn.errors import JaxQNNError
from jaxqnn.networks.base import JaxNetwork

HAS_TORCH = bool(qml_optionals.HAS_TORCH)
if TYPE_CHECKING or HAS_TORCH:
    import torch
    from torch import Tensor
    from torch.autograd.function import once_differentiable


class TorchConnector(QMLTorchConnector):
    """A quantum neural network as a `torch.nn.Module`.

    A drop-in for QML's `TorchConnector`, with these differences for jaxqnn's networks:

    * The backward pass is one vector-Jacobian product: no Jacobian is formed, whatever the number
      of outputs.
    * Inputs get a gradient whenever they require one; ``input_gradients`` need not be set.
    * The output has the input's dtype and device (the weights' dtype for a network without inputs):
      float64 stays float64.
    * Inputs of any shape ``(..., num_inputs)`` give outputs ``(..., *output_shape)``, and gradients
      that fit.

    Data on the CPU is shared with PyTorch, not copied, where it is float64; from another device it
    passes through the host.  A network that does not run on JAX (one of another class, or with a
    primitive that samples) is connected exactly as QML connects it.

    Args:
        neural_network: The network; one of jaxqnn's for all of the above.
        initial_weights: Start of the trainable weights, shape (num_weights,), with the dtype and
            device that ``torch.as_tensor`` gives them; None draws them uniformly from [-1, 1].
        sparse: Whether outputs and gradients are sparse COO tensors; None asks the network.

    Raises:
        MissingOptionalLibraryError: PyTorch is not installed.
        JaxQNNError: ``initial_weights`` has not num_weights entries.
        QiskitMachineLearningError: ``sparse`` is asked of a network that is not.

    Example:
        >>> import torch
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.circuit import Parameter
        >>> import jaxqnn
        >>> x, w = Parameter("x"), Parameter("w")
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(x, 0), circuit.ry(w, 0)
        >>> qnn = jaxqnn.EstimatorQNN(circuit=circuit, input_params=[x], weight_params=[w])
        >>> layer = jaxqnn.TorchConnector(qnn, torch.tensor([0.5], dtype=torch.float64))
        >>> data = torch.tensor([[0.0], [0.1]], dtype=torch.float64)
        >>> layer(data).sum().backward()  # of cos 0.5 + cos 0.6
        >>> layer.weight.grad.numpy().round(6)
        array([-1.044068])
    """

    def __init__(
        self,
        neural_network: NeuralNetwork,
        initial_weights: np.ndarray | Tensor | None = None,
        sparse: bool | None = None,
    ) -> None:
        if not HAS_TORCH:
            raise MissingOptionalLibraryError(
                libname="PyTorch",
                name="jaxqnn.TorchConnector",
                pip_install='pip install "jaxqnn[torch]"',
            )
        # QML would make any weights it is given float32.
        placeholder = None if initial_weights is None else np.zeros(neural_network.num_weights)
        super().__init__(neural_network, placeholder, sparse)
        if initial_weights is not None:
            self._weights.data = _as_weights(initial_weights, neural_network.num_weights)

    def forward(self, input_data: Tensor | None = None) -> Tensor:
        """Evaluate the network.

        Args:
            input_data: Shape (..., num_inputs); None for a network without inputs.

        Returns:
            Shape (..., *output_shape), on the input's device.

        Raises:
            QiskitMachineLearningError: The last dimension is not the number of inputs.
        """
        network = self.neural_network
        if not _runs_on_jax(network):
            return super().forward(input_data)
        if input_data is None:
            input_data = self._weights.new_zeros(0)
        if input_data.shape[-1:] != (network.num_inputs,):
            raise JaxQNNError(
                f"Invalid input dimension! Received {tuple(input_data.shape)}, but the last "
                f"dimension must be the network's number of inputs, {network.num_inputs}."
            )
        return _Network.apply(input_data, self._weights, network, self.sparse)


def _runs_on_jax(network: NeuralNetwork) -> bool:
    return isinstance(network, JaxNetwork) and network.is_exact


def _as_weights(initial: Any, count: int) -> Tensor:
    weights = torch.as_tensor(initial).detach().clone()
    if weights.shape != (count,):
        raise JaxQNNError(
            f"initial_weights has shape {tuple(weights.shape)}, but the network has {count} "
            f"weights. Pass shape ({count},)."
        )
    return weights if weights.is_floating_point() else weights.to(torch.get_default_dtype())


if TYPE_CHECKING or HAS_TORCH:

    class _Network(torch.autograd.Function):
        """The network and its VJP as one differentiable operation."""

        @staticmethod
        def forward(
            ctx: Any, input_data: Tensor, weights: Tensor, network: Any, sparse: bool
        ) -> Tensor:
            ctx.sparse = sparse
            ctx.like = (input_data, weights)
            ctx.single = input_data.dim() == 1
            like = input_data if input_data.is_floating_point() and network.num_inputs else weights
            numbers = (_to_numpy(input_data), _to_numpy(weights))
            if any(ctx.needs_input_grad):
                output, ctx.pullback = network.vjp(*numbers)
            else:
                output = network.forward(*numbers)
            output = _dense(output)
            if ctx.single:
                output = output[0]
            tensor = torch.as_tensor(output, dtype=like.dtype, device=input_data.device)
            return tensor.to_sparse() if sparse else tensor

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
            (grad_output,) = grad_outputs
            cotangent = _to_numpy(grad_output.to_dense())
            parts = ctx.pullback(cotangent[None] if ctx.single else cotangent)
            gradients: list[Tensor | None] = []
            for part, like, needed in zip(parts, ctx.like, ctx.needs_input_grad, strict=False):
                if part is None or not needed:
                    gradients.append(None)
                    continue
                gradient = torch.as_tensor(part, dtype=like.dtype, device=like.device)
                gradient = gradient.reshape(like.shape)
                gradients.append(gradient.to_sparse() if ctx.sparse else gradient)
            return (*gradients, None, None)


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(device="cpu", dtype=torch.float64).numpy()


def _dense(output: Any) -> np.ndarray:
    return output.todense() if hasattr(output, "todense") else output
