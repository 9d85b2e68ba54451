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

from jaxqnn.errors import InvalidArgumentError, JaxQNNError
from jaxqnn.networks.base import JaxNetwork, Pullback
from jaxqnn.networks.curvature import along
from jaxqnn.torch_device import DevicePullback, stays_on_device

HAS_TORCH = bool(qml_optionals.HAS_TORCH)
if TYPE_CHECKING or HAS_TORCH:
    import torch
    from torch import Tensor


class TorchConnector(QMLTorchConnector):
    """A quantum neural network as a `torch.nn.Module`.

    A drop-in for QML's `TorchConnector`, with these differences for jaxqnn's networks:

    * The backward pass is one vector-Jacobian product: no Jacobian is formed, whatever the number
      of outputs.
    * Inputs get a gradient whenever they require one; ``input_gradients`` need not be set.
    * The output has the input's dtype and device (the weights' dtype for a network without inputs):
      float64 stays float64.
    * Gradients can be differentiated again (``create_graph=True``), to any order: for gradient
      penalties, physics-informed losses and ``torch.autograd.functional.hessian``. A network that
      does not run on JAX raises `JaxQNNError` there.
    * Inputs of any shape ``(..., num_inputs)`` give outputs ``(..., *output_shape)``, and gradients
      that fit.

    Data on the CPU is shared with PyTorch, not copied, where it is float64. Data on a GPU that JAX
    computes on stays there (DLPack) for outputs and first derivatives, a batch at once; else it
    passes through the host.  A network that does not run on JAX (one of another class, or with a
    primitive that samples) is connected exactly as QML connects it.

    Args:
        neural_network: The network; one of jaxqnn's for all of the above.
        initial_weights: Start of the trainable weights, shape (num_weights,), with the dtype and
            device that ``torch.as_tensor`` gives them; None draws them uniformly from [-1, 1].
        sparse: Whether outputs and gradients are sparse COO tensors; None asks the network.

    Raises:
        MissingOptionalLibraryError: PyTorch is not installed.
        InvalidArgumentError: ``neural_network`` is no network, or ``initial_weights`` has not
            num_weights entries.
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
        """Take the arguments that are described with the class."""
        if not HAS_TORCH:
            raise MissingOptionalLibraryError(
                libname="PyTorch",
                name="jaxqnn.TorchConnector",
                pip_install='pip install "jaxqnn[torch]"',
            )
        if not isinstance(neural_network, NeuralNetwork):
            raise InvalidArgumentError(
                f"neural_network is a {type(neural_network).__name__}. Pass a network: "
                "jaxqnn.EstimatorQNN(circuit=...) or jaxqnn.SamplerQNN(circuit=...)."
            )
        # QML would make any weights it is given float32.
        placeholder = None if initial_weights is None else np.zeros(neural_network.num_weights)
        super().__init__(neural_network, placeholder, sparse)
        if initial_weights is not None:
            self._weights.data = _as_weights(initial_weights, neural_network.num_weights)

    def extra_repr(self) -> str:
        """The network, within PyTorch's ``repr`` of a model."""
        return repr(self.neural_network)

    def forward(self, input_data: Tensor | None = None) -> Tensor:
        """Evaluate the network.

        Args:
            input_data: Shape (..., num_inputs); None for a network without inputs.

        Returns:
            Shape (..., *output_shape), on the input's device.

        Raises:
            InvalidArgumentError: The last dimension is not the number of inputs.
        """
        network = self.neural_network
        if not _runs_on_jax(network):
            output = super().forward(input_data)
            if output.requires_grad:
                output.register_hook(_refuse_graph)
            return output
        if input_data is None:
            input_data = self._weights.new_zeros(0)
        if input_data.shape[-1:] != (network.num_inputs,):
            raise InvalidArgumentError(
                f"Invalid input dimension! Received {tuple(input_data.shape)}, but the last "
                f"dimension must be the network's number of inputs, {network.num_inputs}."
            )
        return _Network.apply(input_data, self._weights, network, self.sparse)


def _runs_on_jax(network: NeuralNetwork) -> bool:
    return isinstance(network, JaxNetwork) and network.is_exact


def _as_weights(initial: Any, count: int) -> Tensor:
    weights = torch.as_tensor(initial).detach().clone()
    if weights.shape != (count,):
        raise InvalidArgumentError(
            f"initial_weights has shape {tuple(weights.shape)}, but the network has {count} "
            f"weights. Pass shape ({count},)."
        )
    return weights if weights.is_floating_point() else weights.to(torch.get_default_dtype())


if TYPE_CHECKING or HAS_TORCH:

    class _Network(torch.autograd.Function):
        """The network as one differentiable operation; its derivative is another, ``_Along``."""

        @staticmethod
        def forward(
            ctx: Any, input_data: Tensor, weights: Tensor, network: Any, sparse: bool
        ) -> Tensor:
            ctx.save_for_backward(input_data, weights)
            ctx.like = (input_data, weights)
            ctx.network, ctx.sparse = network, sparse
            like = input_data if input_data.is_floating_point() and network.num_inputs else weights
            if stays_on_device(network, input_data, weights):
                ctx.pullback = DevicePullback(network, input_data, weights)
                tensor = ctx.pullback.output().to(like.dtype)
                return tensor.to_sparse() if sparse else tensor
            numbers = (_to_numpy(input_data), _to_numpy(weights))
            if any(ctx.needs_input_grad):
                wants = ctx.needs_input_grad[0]
                output, ctx.pullback = network.vjp(*numbers, input_gradients=wants)
            else:
                output = network.forward(*numbers)
            output = _dense(output)
            if input_data.dim() == 1:
                output = output[0]
            tensor = torch.as_tensor(output, dtype=like.dtype, device=input_data.device)
            return tensor.to_sparse() if sparse else tensor

        @staticmethod
        def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
            cotangent = grad_outputs[0].to_dense()
            if torch.is_grad_enabled():  # the graph of this pass is wanted, for another derivative
                _, *found = _Along.apply(ctx.network, ctx.pullback, cotangent, *ctx.saved_tensors)
            else:
                found = _pulled_back(ctx.pullback, cotangent, *ctx.like)
            gradients = [
                (gradient.to_sparse() if ctx.sparse else gradient) if needed else None
                for gradient, needed in zip(found, ctx.needs_input_grad, strict=False)
            ]
            return (*gradients, None, None)

    class _Along(torch.autograd.Function):
        """D(c; u1, ..., uk), the network f and its VJP g(c) differentiated along k directions.

        Its own derivative is of the same form. For cotangents a of D's first part and b of its
        second, by the input and the weights it is that of g(a) along u1, ..., uk plus that of g(c)
        along u1, ..., uk, b; by c, that of f along u1, ..., uk, b; and by ui, what the first is
        with ui left out. So PyTorch may ask for any order.
        """

        @staticmethod
        def forward(
            ctx: Any,
            network: Any,
            pullback: Pullback | DevicePullback | None,
            cotangent: Tensor,
            input_data: Tensor,
            weights: Tensor,
            *directions: Tensor,
        ) -> tuple[Tensor, Tensor, Tensor]:
            ctx.save_for_backward(cotangent, input_data, weights, *directions)
            ctx.network = network
            ctx.set_materialize_grads(False)
            if not directions:
                if pullback is None:
                    _, pullback = network.vjp(_to_numpy(input_data), _to_numpy(weights))
                # Nothing asks for f itself.
                return torch.zeros_like(cotangent), *_pulled_back(
                    pullback, cotangent, input_data, weights
                )
            flat = [_to_numpy(part) for part in directions]
            found = along(
                network,
                _to_numpy(input_data),
                _to_numpy(weights),
                _to_numpy(cotangent),
                [*zip(flat[::2], flat[1::2], strict=True)],
            )
            of_output, of_input, of_weights = map(_like, found, (cotangent, input_data, weights))
            return of_output, of_input, of_weights

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
            cotangent, input_data, weights, *directions = ctx.saved_tensors
            of_output, *of_gradients = cotangents
            one_more = None
            if any(part is not None for part in of_gradients):
                one_more = [
                    torch.zeros_like(like) if part is None else part
                    for part, like in zip(of_gradients, (input_data, weights), strict=True)
                ]

            def total(some: list[Tensor]) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
                by_cotangent = by_input = by_weights = None
                if of_output is not None:
                    _, by_input, by_weights = _Along.apply(
                        ctx.network, None, of_output, input_data, weights, *some
                    )
                if one_more is not None:
                    by_cotangent, *more = _Along.apply(
                        ctx.network, None, cotangent, input_data, weights, *some, *one_more
                    )
                    by_input, by_weights = (
                        new if old is None else old + new
                        for old, new in zip((by_input, by_weights), more, strict=True)
                    )
                return by_cotangent, by_input, by_weights

            by_directions: list[Tensor | None] = []
            for k in range(0, len(directions), 2):
                wanted = any(ctx.needs_input_grad[5 + k : 7 + k])
                others = directions[:k] + directions[k + 2 :]
                by_directions += total(others)[1:] if wanted else (None, None)
            return (None, None, *total(directions), *by_directions)


def _pulled_back(
    pullback: Pullback | DevicePullback, cotangent: Tensor, input_data: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of the input and of the weights, zeros where the network has none."""
    if isinstance(pullback, DevicePullback):
        return pullback(cotangent)
    of_input, of_weights = pullback(_to_numpy(cotangent))
    return _like(of_input, input_data), _like(of_weights, weights)


def _like(part: np.ndarray | None, like: Tensor) -> Tensor:
    """A derivative in the shape, and on the device, of what it belongs to."""
    if part is None:
        return torch.zeros_like(like)
    dtype = like.dtype if like.is_floating_point() else torch.float64
    return torch.as_tensor(part, dtype=dtype, device=like.device).reshape(like.shape)


def _refuse_graph(_: Tensor) -> None:
    """A hook on the gradient of an output that QML's connector made."""
    if torch.is_grad_enabled():
        raise JaxQNNError(
            "create_graph=True asks for derivatives of a gradient that qiskit-machine-learning "
            "computes outside of PyTorch's graph. Use a network that runs on JAX for second "
            "derivatives, or leave create_graph out."
        )


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(device="cpu", dtype=torch.float64).numpy()


def _dense(output: Any) -> np.ndarray:
    return output.todense() if hasattr(output, "todense") else output
