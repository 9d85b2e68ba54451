"""The drop-in SamplerQNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import Mesh
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.passmanager import BasePassManager
from qiskit.primitives import BaseSamplerV2
from qiskit_machine_learning.gradients import BaseSamplerGradient
from qiskit_machine_learning.neural_networks import SamplerQNN as QMLSamplerQNN

from jaxqnn.arguments import as_shape
from jaxqnn.backends import Precision
from jaxqnn.measure.specification import Probabilities
from jaxqnn.networks.arguments import check_network, check_place
from jaxqnn.networks.base import JaxNetwork, warn_not_jax
from jaxqnn.networks.exact import is_exact_sampler_gradient
from jaxqnn.primitives import is_exact_sampler

Interpret = Callable[[int], int | tuple[int, ...]]


class SamplerQNN(JaxNetwork, QMLSamplerQNN):
    """QML's SamplerQNN, computed by jaxqnn: exact probabilities and gradients, a batch at a time.

    Change the import and keep the rest of a script. ``forward`` gives the probability of each
    outcome or class, (samples, *output_shape); ``backward`` its derivatives, with one more axis of
    inputs (None without ``input_gradients``) or of weights. With ``sparse``, both are ``COO``. NaN
    among a sample's inputs gives NaN in its rows, where QML raises.

    Args:
        circuit: Unitary instructions, measurements, resets and branches. Outcomes are read from the
            register ``meas`` where it is measured, else from every register that is: bit c is
            classical bit c over those. Without classical bits every qubit is measured.
        sampler: None or an exact one runs on JAX. Any other is honoured as in QML, with one
            warning.
        input_params: Parameters that stand for the data.
        weight_params: Parameters that are trained.
        sparse: Whether results are sparse.
        interpret: Maps an outcome to an index, or a tuple of indices, of the output.
        output_shape: The output's shape; needed with ``interpret``, and else 2**num_qubits.
        gradient: None, or an exact one, runs on JAX. Any other is honoured as in QML.
        input_gradients: Whether ``backward`` differentiates by the inputs as well.
        pass_manager: Transpiles the circuit first.
        precision: "double" computes in float64 whatever JAX's x64 setting, "single" in float32.
            Results are float64 arrays, as QML's.
        device: The JAX device to compute on, or a platform's name such as "cpu" for its first one;
            None is the default one.
        mesh: Several devices instead: samples are shared out along its axis "batch", amplitudes
            along its axis "state" (a power of two).

    Raises:
        UnsupportedCircuitError: If an instruction has no exact function (exact samplers only).
        InvalidArgumentError: If an argument does not fit the circuit, or ``interpret`` leaves
            ``output_shape``.

    Example:
        >>> from qiskit.circuit.library import real_amplitudes
        >>> import jaxqnn
        >>> ansatz = real_amplitudes(2, reps=1)
        >>> qnn = jaxqnn.SamplerQNN(
        ...     circuit=ansatz,
        ...     weight_params=ansatz.parameters,
        ...     interpret=lambda outcome: outcome.bit_count() % 2,
        ...     output_shape=2,
        ... )
        >>> qnn.forward(None, [0.1, 0.2, 0.3, 0.4]).shape
        (1, 2)
    """

    def __init__(
        self,
        *,
        circuit: QuantumCircuit,
        sampler: BaseSamplerV2 | None = None,
        input_params: Sequence[Parameter] | None = None,
        weight_params: Sequence[Parameter] | None = None,
        sparse: bool = False,
        interpret: Interpret | None = None,
        output_shape: int | tuple[int, ...] | None = None,
        gradient: BaseSamplerGradient | None = None,
        input_gradients: bool = False,
        pass_manager: BasePassManager | None = None,
        precision: Precision = "double",
        device: jax.Device | str | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        check_network(circuit, input_params, weight_params)
        device = check_place(precision, device, mesh)
        super().__init__(
            circuit=circuit,
            sampler=sampler,
            input_params=input_params,
            weight_params=weight_params,
            sparse=sparse,
            interpret=interpret,
            output_shape=output_shape,
            gradient=gradient,
            input_gradients=input_gradients,
            pass_manager=pass_manager,
        )
        self._prepare(precision, device, mesh)

    def set_interpret(
        self,
        interpret: Interpret | None = None,
        output_shape: int | tuple[int, ...] | None = None,
    ) -> None:
        """Changes how outcomes map to the output; ``apply`` and ``vjp`` follow.

        Args:
            interpret: See the class.
            output_shape: See the class.

        Raises:
            QiskitMachineLearningError: If there is no output shape, or ``interpret`` leaves it.
        """
        if output_shape is not None:
            output_shape = as_shape("output_shape", output_shape)
        kept = {name: vars(self).get(name) for name in ("_interpret", "_output_shape")}
        super().set_interpret(interpret, output_shape)
        if interpret is None:
            self._interpret: Interpret = _identity  # QML's lambda cannot be pickled
        if self.__dict__.get("_evaluator_cache") is not None:
            previous, self._evaluator_cache = self._evaluator_cache, None
            try:
                self._evaluator  # noqa: B018 - so that an interpret that does not fit fails here
            except Exception:
                self.__dict__.update(kept)
                self._evaluator_cache = previous
                raise

    def _specification(self) -> Probabilities:
        circuit = self._org_circuit
        bits = None
        if circuit.layout is not None and not circuit.clbits:
            # Where the transpiler put the user's qubits; measured circuits say so themselves.
            bits = tuple(circuit.layout.final_index_layout(filter_ancillas=True))
        if self._interpret is _identity:
            return Probabilities(None, self._output_shape, bits)
        return Probabilities(self._interpret, self._output_shape, bits)

    def _primitive_is_exact(self) -> bool:
        return is_exact_sampler(self.sampler)

    def _gradient_is_exact(self) -> bool:
        return is_exact_sampler_gradient(self.gradient)

    def _warn_not_jax(self) -> None:
        culprit = self.gradient if self._primitive_is_exact() else self.sampler
        warn_not_jax(type(self).__name__, culprit, "Leave sampler and gradient out to run on JAX.")

    def _forward(self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None) -> Any:
        if self._primitive_is_exact():
            return self._maybe_sparse(self._jax_forward(input_data, weights))
        return super()._forward(input_data, weights)

    def _backward(
        self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> tuple[Any, Any]:
        if self._primitive_is_exact() and self._gradient_is_exact():
            by_inputs, by_weights = self._jax_backward(input_data, weights)
            return self._maybe_sparse(by_inputs), self._maybe_sparse(by_weights)
        return super()._backward(input_data, weights)

    def _maybe_sparse(self, array: NDArray[Any] | None) -> Any:
        if array is None or not self._sparse:
            return array
        from sparse import COO  # an extra, which QML's constructor has asked for

        return COO.from_numpy(array)


def _identity(outcome: int) -> int:
    return outcome
