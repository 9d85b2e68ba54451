"""The drop-in SamplerQNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.passmanager import BasePassManager
from qiskit.primitives import BaseSamplerV2
from qiskit_machine_learning.gradients import BaseSamplerGradient
from qiskit_machine_learning.neural_networks import SamplerQNN as QMLSamplerQNN

from jaxqnn.arguments import as_shape
from jaxqnn.backends import Precision
from jaxqnn.circuit.measured_bits import read_bits
from jaxqnn.errors import JaxQNNError
from jaxqnn.gradients.shifts import ShiftRule
from jaxqnn.measure.specification import Probabilities
from jaxqnn.networks.arguments import check_network, check_place
from jaxqnn.networks.base import JaxNetwork, warn_not_jax
from jaxqnn.networks.exact import gradient_shots, is_exact_sampler_gradient
from jaxqnn.networks.shots import Counter
from jaxqnn.primitives import is_exact_sampler
from jaxqnn.primitives.ideal import shots_of

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
        sampler: None or an exact one runs on JAX. An ideal simulator (`StatevectorSampler`,
            `QMLSampler`, `JaxSampler`) does too: its shots are drawn from exact distributions,
            with a seed the very counts. Any other is honoured as in QML, with one warning.
        input_params: Parameters that stand for the data.
        weight_params: Parameters that are trained.
        sparse: Whether results are sparse.
        interpret: Maps an outcome to an index, or a tuple of indices, of the output.
        output_shape: The output's shape; needed with ``interpret``, and else 2**num_qubits.
        gradient: None, or an exact one, or the parameter-shift rule on an ideal simulator, runs on
            JAX. Any other is honoured as in QML.
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
        """Take the arguments that are described with the class."""
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
        for counter in ("_counter", "_shifted_counter"):
            self.__dict__.pop(counter, None)
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

    def _primitive_is_ideal(self) -> bool:
        return shots_of(self.sampler) is not None and self._can_count

    def _gradient_is_ideal(self) -> bool:
        return gradient_shots(self.gradient) is not None and self._can_count

    @property
    def _can_count(self) -> bool:
        if not self._is_one_state:
            return False
        try:
            self._counter  # noqa: B018 - so that what cannot be counted raises here
        except JaxQNNError:
            return False
        return True

    def _warn_not_jax(self) -> None:
        honoured = not (self._primitive_is_exact() or self._primitive_is_ideal())
        culprit = self.sampler if honoured else self.gradient
        warn_not_jax(type(self).__name__, culprit, "Leave sampler and gradient out to run on JAX.")

    def _forward(self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None) -> Any:
        if self._primitive_is_exact():
            return self._maybe_sparse(self._jax_forward(input_data, weights))
        if self._primitive_is_ideal():
            shots = shots_of(self.sampler)
            assert shots is not None
            x, w = self._arrays(input_data, weights)
            shares = self._counter.shares(x, w, shots)
            return self._maybe_sparse(shares.reshape(len(x), *self.output_shape))
        return super()._forward(input_data, weights)

    def _backward(
        self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> tuple[Any, Any]:
        if self._primitive_is_exact() or self._primitive_is_ideal():
            found = None
            if self._gradient_is_exact():
                found = self._jax_backward(input_data, weights)
            elif self._gradient_is_ideal() and self._shift_rule is not None:
                found = self._counted_backward(self._shift_rule, input_data, weights)
            if found is not None:
                return self._maybe_sparse(found[0]), self._maybe_sparse(found[1])
        return super()._backward(input_data, weights)

    def _counted_backward(
        self, rule: ShiftRule, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
        shots = gradient_shots(self.gradient)
        assert shots is not None

        def differences(points: NDArray[np.float64]) -> NDArray[np.float64]:
            rows = points.reshape(-1, points.shape[-1])
            shares = self._shifted_counter.shares(rows, np.zeros(0), shots)
            shares = shares.reshape(*points.shape[:-1], -1)
            return (shares[:, 0] - shares[:, 1]) / 2

        return self._shifted_backward(rule, input_data, weights, differences)

    @cached_property
    def _counter(self) -> Counter:
        """Counts the shots of ``forward``."""
        renamed = list(self._circuit.parameters)
        inputs, weights = renamed[: self._num_inputs], renamed[self._num_inputs :]
        return self._count(self._circuit, inputs, weights)

    @cached_property
    def _shifted_counter(self) -> Counter:
        """Counts those of the circuit in which every angle is a parameter."""
        assert self._shift_rule is not None
        circuit = self._shift_rule.circuit
        # QML transpiles once more, which may change the order in which outcomes are drawn.
        if (manager := getattr(self.gradient, "_pass_manager", None)) is not None:
            circuit = manager.run(circuit)
        return self._count(circuit, self._shift_rule.parameters, ())

    def _count(
        self,
        circuit: QuantumCircuit,
        input_params: Sequence[Parameter],
        weight_params: Sequence[Parameter],
    ) -> Counter:
        specification = self._specification()
        # The bits of a transpiled circuit are those that QML measures its qubits into.
        clbits = specification.bits or read_bits(self._circuit)
        return Counter(
            circuit,
            clbits,
            specification,
            self._output_shape,
            input_params,
            weight_params,
            precision=self._precision,
            device=self._device,
            mesh=self._mesh,
        )

    def _maybe_sparse(self, array: NDArray[Any] | None) -> Any:
        if array is None or not self._sparse:
            return array
        from sparse import COO  # an extra, which QML's constructor has asked for

        return COO.from_numpy(array)


def _identity(outcome: int) -> int:
    return outcome
