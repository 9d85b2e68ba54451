"""What both networks share: when JAX is used, and everything computed by it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike, NDArray
from qiskit import QiskitError
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit_machine_learning.neural_networks import NeuralNetwork

from jaxqnn.arguments import as_count
from jaxqnn.backends import Precision
from jaxqnn.descriptions import counted, place
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.evaluator import Evaluator
from jaxqnn.functions import Function
from jaxqnn.gradients.shifts import ShiftRule
from jaxqnn.measure.specification import Specification
from jaxqnn.networks.arguments import check_count, check_last_axis
from jaxqnn.networks.resources import Resources, estimate
from jaxqnn.networks.simulable import evolves_at_random

# Numbers in the table of shifted points at once.
_SHIFTED_NUMBERS = 1 << 22

Pullback = Callable[[ArrayLike], tuple[NDArray[Any] | None, NDArray[Any] | None]]


class JaxNetwork(NeuralNetwork):
    """The JAX side of a QML network.

    A subclass derives from this first and from QML's network second. It says what is measured
    (``_specification``), which primitive and gradient count as exact, and which as ideal: exact
    but for noise or shots that are drawn as the primitive would draw them.
    """

    _input_params: list[Parameter]
    _weight_params: list[Parameter]
    _circuit: QuantumCircuit
    _org_circuit: QuantumCircuit
    _precision: Precision
    _device: jax.Device | None
    _mesh: Mesh | None
    _evaluator_cache: Evaluator | None

    def _prepare(self, precision: Precision, device: jax.Device | None, mesh: Mesh | None) -> None:
        """Called once QML's constructor is through: lowers the circuit, or warns."""
        self._precision, self._device, self._mesh = precision, device, mesh
        self._evaluator_cache = None
        if self._primitive_is_exact():
            self._evaluator  # noqa: B018 - so that a circuit that cannot be lowered fails here
        if not self.runs_on_jax:
            self._warn_not_jax()

    def __repr__(self) -> str:
        if self.is_exact:
            how = "exact, "
        elif self.runs_on_jax:
            how = "shots or noise of an ideal simulator, "
        else:
            how = ""
        where = "through qiskit-machine-learning, not on JAX"
        if self.runs_on_jax:
            where = f"{self._precision} precision on JAX ({place(self._device, self._mesh)})"
        return (
            f"<{type(self).__name__}: {counted(self._org_circuit.num_qubits, 'qubit')}, "
            f"{counted(self._num_inputs, 'input')}, {counted(self._num_weights, 'weight')}, "
            f"outputs {self.output_shape}; {how}{where}>"
        )

    def _specification(self) -> Specification:
        raise NotImplementedError

    def _primitive_is_exact(self) -> bool:
        raise NotImplementedError

    def _gradient_is_exact(self) -> bool:
        raise NotImplementedError

    def _primitive_is_ideal(self) -> bool:
        raise NotImplementedError

    def _gradient_is_ideal(self) -> bool:
        raise NotImplementedError

    def _warn_not_jax(self) -> None:
        raise NotImplementedError

    @cached_property
    def _is_one_state(self) -> bool:
        """Whether the circuit prepares one state, and jaxqnn can compute it."""
        if evolves_at_random(self._org_circuit):
            return False
        try:
            self._evaluator  # noqa: B018 - so that what cannot be lowered raises here
        except InvalidArgumentError:
            return False
        return True

    @property
    def _evaluator(self) -> Evaluator:
        if self._evaluator_cache is None:
            self._evaluator_cache = Evaluator(
                self._org_circuit,
                self._specification(),
                self._input_params,
                self._weight_params,
                precision=self._precision,
                device=self._device,
                mesh=self._mesh,
            )
        return self._evaluator_cache

    @property
    def is_exact(self) -> bool:
        """Whether forward and backward are exact, without noise and shots."""
        return self._primitive_is_exact() and self._gradient_is_exact()

    @property
    def runs_on_jax(self) -> bool:
        """Whether forward and backward are computed by jaxqnn, exactly or from exact values."""
        primitive = self._primitive_is_exact() or self._primitive_is_ideal()
        return primitive and (self._gradient_is_exact() or self._gradient_is_ideal())

    @property
    def function(self) -> Function:
        """What ``apply`` calls."""
        return self._evaluator.function

    @property
    def precision(self) -> Precision:
        """What forward and backward compute in: "double" or "single"."""
        return self._precision

    def apply(
        self, inputs: jax.typing.ArrayLike | None, weights: jax.typing.ArrayLike | None
    ) -> jax.Array:
        """The network as a pure JAX function, for ``jax.grad``, optax, flax or equinox.

        Args:
            inputs: (..., num_inputs); None for a network without inputs.
            weights: (..., num_weights); leading axes broadcast with those of the inputs. None for a
                network without weights.

        Returns:
            (..., *output_shape), exact, in the precision of the arguments. It follows
            ``set_interpret``. Derivatives are those of ``jaxqnn.expectation`` and
            ``jaxqnn.probabilities``: in every mode of JAX's, but in reverse mode alone where a mesh
            shares states out.

        Raises:
            InvalidArgumentError: If the shapes do not fit, or if the estimator, sampler or gradient
                is not exact: then ``forward`` and ``backward`` have other values.

        Example:
            >>> import jax
            >>> from qiskit.circuit.library import real_amplitudes
            >>> import jaxqnn
            >>> ansatz = real_amplitudes(2, reps=1)
            >>> qnn = jaxqnn.EstimatorQNN(circuit=ansatz, weight_params=ansatz.parameters)
            >>> loss = lambda weights: qnn.apply(jax.numpy.zeros(0), weights).sum()
            >>> jax.grad(loss)(jax.numpy.ones(4)).shape
            (4,)
        """
        self._require_exact("apply")
        if inputs is None:
            inputs = _nothing_beside(weights)
        if weights is None:
            weights = _nothing_beside(inputs)
        return self._evaluator.function(inputs, weights)

    def vjp(
        self,
        input_data: ArrayLike | None,
        weights: ArrayLike | None,
        *,
        input_gradients: bool = True,
    ) -> tuple[NDArray[Any], Pullback]:
        """The output, and a function that pulls a cotangent of it back.

        The Jacobian is never formed: one reverse sweep, whatever the number of outputs.

        Args:
            input_data: As for ``forward``.
            weights: As for ``forward``.
            input_gradients: Whether the inputs' cotangent is wanted. Without it, the sweep ends
                where the weights begin.

        Returns:
            The output as ``forward`` gives it (dense), and ``pullback``. ``pullback(cotangent)``
            takes an array of the output's shape and returns (input_cotangent, weight_cotangent):
            the first has the shape of the input data and is None if the network has no inputs or
            it is not wanted, the second has shape (num_weights,) and is None if there are no
            weights.

        Raises:
            InvalidArgumentError: If the estimator, sampler or gradient is not exact, or if an
                argument does not fit.
        """
        self._require_exact("vjp")
        input_, shape = self._validate_input(input_data)
        x, w = self._arrays(input_, self._validate_weights(weights))
        evaluator, given = self._evaluator, np.asarray(input_data).shape
        flat, pull = evaluator.linearized(x, w, wrt_inputs=input_gradients)
        wants_inputs = input_gradients and self._num_inputs > 0
        output = flat.astype(float).reshape(x.shape[0], *self.output_shape)
        output = self._validate_forward_output(output, shape)

        def pullback(cotangent: ArrayLike) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
            found = np.asarray(cotangent, dtype=float)
            if found.size != output.size:
                raise InvalidArgumentError(
                    f"The cotangent must have the output's shape {output.shape}, not {found.shape}."
                )
            of_inputs, of_weights = pull(found)
            return (
                of_inputs.astype(float).reshape(given) if wants_inputs else None,
                of_weights.astype(float) if self._num_weights else None,
            )

        return output, pullback

    def _require_exact(self, method: str) -> None:
        if not self.is_exact:
            raise InvalidArgumentError(
                f"{method} needs an exact network, but this one was given an estimator, a sampler "
                "or a gradient that is not exact. Leave those out, or use forward and backward, "
                "which honour them."
            )

    def resources(self, batch_size: int = 1) -> Resources:
        """What a backward pass will need, before anything is allocated.

        Args:
            batch_size: Samples in one call.

        Returns:
            Qubits, layers, and bytes of one state and at the peak; printable.
        """
        return estimate(self._evaluator, as_count("batch_size", batch_size, 0))

    def _jax_forward(
        self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> NDArray[np.float64]:
        """(S, *output_shape)."""
        x, w = self._arrays(input_data, weights)
        found = self._evaluator.value(x, w)
        return found.astype(float).reshape(x.shape[0], *self.output_shape)

    def _jax_backward(
        self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """QML's gradients: (S, *output_shape, parameters), None for what it leaves out."""
        x, w = self._arrays(input_data, weights)
        if not self._has_gradients(x, w):
            return None, None
        by_inputs, by_weights = self._evaluator.jacobian(x, w, wrt_inputs=self._input_gradients)
        shape = (x.shape[0], *self.output_shape)
        return (
            None
            if by_inputs is None
            else by_inputs.astype(float).reshape(*shape, self._num_inputs),
            None
            if by_weights is None
            else by_weights.astype(float).reshape(*shape, self._num_weights),
        )

    def _has_gradients(self, x: NDArray[Any], w: NDArray[Any]) -> bool:
        """Whether QML's backward asks for any derivative."""
        parameters = x.shape[0] * (x.shape[1] + w.size) > 0
        return parameters and (self._input_gradients or self._num_weights > 0)

    @cached_property
    def _shift_rule(self) -> ShiftRule | None:
        """QML's rule for the circuit, None where QML has none and says so."""
        try:
            return ShiftRule(self._circuit)
        except (QiskitError, TypeError):
            return None

    def _shifted_backward(
        self,
        rule: ShiftRule,
        input_data: NDArray[Any] | None,
        weights: NDArray[Any] | None,
        differences: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """The same by the parameter-shift rule.

        Args:
            rule: Of ``self._circuit``.
            input_data: See ``forward``.
            weights: See ``forward``.
            differences: From points (S, 2, angles, all angles), shifted up and down, to half of
                the outputs' differences, (S, angles, outputs). It is called once for each piece
                of the samples, in order.
        """
        x, w = self._arrays(input_data, weights)
        if not self._has_gradients(x, w):
            return None, None
        points = np.concatenate([x, np.broadcast_to(w, (x.shape[0], w.size))], axis=1)
        skipped = 0 if self._input_gradients else self._num_inputs
        parameters = list(self._circuit.parameters)[skipped:]
        chosen = rule.angles_of(parameters)
        found = np.zeros((len(points), math.prod(self.output_shape), len(parameters)))
        if chosen:
            piece = max(1, _SHIFTED_NUMBERS // (2 * len(chosen) * len(rule.parameters)))
            for start in range(0, len(points), piece):
                some = points[start : start + piece]
                slopes = differences(rule.shifted(some, chosen))
                found[start : start + piece] = rule.chain(slopes, some, chosen, parameters)
        found = found.reshape(len(points), *self.output_shape, len(parameters))
        inputs = self._num_inputs - skipped
        return found[..., :inputs] if self._input_gradients else None, found[..., inputs:]

    def _validate_backward_output(
        self, input_grad: Any, weight_grad: Any, original_shape: tuple[int, ...]
    ) -> tuple[Any, Any]:
        # On a plain batch QML's finds nothing to do, for a tenth of a small circuit's time.
        grads = (input_grad, weight_grad)
        if len(original_shape or ()) == 2 and all(grad is None or grad.size for grad in grads):
            return grads
        return super()._validate_backward_output(input_grad, weight_grad, original_shape)

    def _validate_input(self, input_data: Any) -> Any:
        if input_data is not None:
            check_last_axis("input_data", input_data, self._num_inputs)
        return super()._validate_input(input_data)

    def _validate_weights(self, weights: Any) -> Any:
        if weights is not None:
            check_count("weights", weights, self._num_weights)
        return super()._validate_weights(weights)

    def _arrays(
        self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Inputs (S, P) and weights (W,), with the leading axis of 1 that QML gives None."""
        if input_data is None:
            input_data = np.zeros((1, 0))
        if weights is None:
            weights = np.zeros(0)
        for name, found, size in (
            ("input_data", input_data.shape[-1], self._num_inputs),
            ("weights", weights.size, self._num_weights),
        ):
            if found != size:
                raise InvalidArgumentError(
                    f"The network has {size} values of {name}, but {found} were passed. Pass all "
                    "of them."
                )
        return input_data, weights


def _nothing_beside(values: jax.typing.ArrayLike | None) -> NDArray[Any]:
    """An array without entries, in the type of what else is passed."""
    dtype = getattr(values, "dtype", np.dtype(float))
    return np.zeros(0, dtype if jnp.issubdtype(dtype, jnp.number) else float)


def warn_not_jax(name: str, what: object, instead: str) -> None:
    """The one warning a network gives that will not run on JAX."""
    warnings.warn(
        f"{name} was given {type(what).__name__}, which is not known to be exact or an ideal "
        f"simulator of this circuit. It is honoured as in qiskit-machine-learning, so JAX is not "
        f"used for it. {instead}",
        UserWarning,
        stacklevel=5,
    )
