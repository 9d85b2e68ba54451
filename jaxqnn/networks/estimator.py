"""The drop-in EstimatorQNN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.passmanager import BasePassManager
from qiskit.primitives import BaseEstimatorV2
from qiskit.quantum_info import SparsePauliOp
from qiskit.quantum_info.operators.base_operator import BaseOperator
from qiskit_machine_learning.gradients import BaseEstimatorGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN as QMLEstimatorQNN

from jaxqnn.backends import Precision
from jaxqnn.evaluator import Evaluator
from jaxqnn.gradients.shifts import ShiftRule
from jaxqnn.measure.observables import Observables, as_sums
from jaxqnn.measure.specification import Expectation
from jaxqnn.networks.arguments import check_network, check_place, given_observables
from jaxqnn.networks.base import JaxNetwork, warn_not_jax
from jaxqnn.networks.exact import gradient_noise, is_exact_estimator_gradient
from jaxqnn.networks.simulable import draws_while_evolving
from jaxqnn.primitives import is_exact_estimator
from jaxqnn.primitives.draws import generator, normal_noise
from jaxqnn.primitives.ideal import Noise, noise_of


class EstimatorQNN(JaxNetwork, QMLEstimatorQNN):
    """QML's EstimatorQNN, computed by jaxqnn: exact values and gradients, a batch at a time.

    Change the import and keep the rest of a script. ``forward`` gives <psi|O|psi> for each
    observable, (samples, observables); ``backward`` gives its derivatives, (samples, observables,
    inputs) or None without ``input_gradients``, and (samples, observables, weights). NaN among a
    sample's inputs gives NaN in its rows, where QML raises.

    Args:
        circuit: Unitary instructions; measurements at the end are passed over. Of measurements on
            the way, resets and branches, outputs are the mean over all branches.
        estimator: None or an exact one runs on JAX. An ideal simulator (`StatevectorEstimator`,
            `QMLEstimator`, `JaxEstimator`) does too: its noise is drawn onto exact values, with a
            seed the very numbers. Any other is honoured as in QML, with one warning.
        observables: One or several SparsePauliOp, SparseObservable, Pauli or Operator; None is Z
            on every qubit. For a transpiled circuit they may be laid out already or not.
        input_params: Parameters that stand for the data.
        weight_params: Parameters that are trained.
        gradient: None, or an exact one, or the parameter-shift rule on an ideal simulator, runs on
            JAX. Any other is honoured as in QML.
        input_gradients: Whether ``backward`` differentiates by the inputs as well.
        default_precision: What ``forward`` asks of an estimator that is not exact.
        pass_manager: Transpiles the circuit first.
        precision: "double" computes in float64 whatever JAX's x64 setting, "single" in float32.
            Results are float64 arrays, as QML's.
        device: The JAX device to compute on, or a platform's name such as "cpu" for its first one;
            None is the default one.
        mesh: Several devices instead: samples are shared out along its axis "batch", amplitudes
            along its axis "state" (a power of two).

    Raises:
        UnsupportedCircuitError: If an instruction has no exact function (exact estimators only).
        InvalidArgumentError: If an argument does not fit the circuit.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.circuit import Parameter
        >>> import jaxqnn
        >>> x, w = Parameter("x"), Parameter("w")
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(x, 0)
        >>> _ = circuit.ry(w, 0)
        >>> qnn = jaxqnn.EstimatorQNN(circuit=circuit, input_params=[x], weight_params=[w])
        >>> input_gradient, weight_gradient = qnn.backward([[0.1], [0.2]], [0.3])
        >>> input_gradient is None, weight_gradient.shape
        (True, (2, 1, 1))
    """

    def __init__(
        self,
        *,
        circuit: QuantumCircuit,
        estimator: BaseEstimatorV2 | None = None,
        observables: Observables | None = None,
        input_params: Sequence[Parameter] | None = None,
        weight_params: Sequence[Parameter] | None = None,
        gradient: BaseEstimatorGradient | None = None,
        input_gradients: bool = False,
        default_precision: float = 0.015625,
        pass_manager: BasePassManager | None = None,
        precision: Precision = "double",
        device: jax.Device | str | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        """Take the arguments that are described with the class."""
        check_network(circuit, input_params, weight_params)
        device = check_place(precision, device, mesh)
        observables = given_observables(observables)
        super().__init__(
            circuit=circuit,
            estimator=estimator,
            observables=observables,
            input_params=input_params,
            weight_params=weight_params,
            gradient=gradient,
            input_gradients=input_gradients,
            default_precision=default_precision,
            pass_manager=pass_manager,
        )
        if observables is None:
            self._observables = (self._parity(),)
        self._given_observables = copy(self._observables)
        self._observables = tuple(self._laid_out(observable) for observable in self._observables)
        self._prepare(precision, device, mesh)

    @property
    def observables(self) -> Sequence[BaseOperator] | BaseOperator:
        """The observables as they were passed; a single one, or the default, in a tuple."""
        return copy(self._given_observables)

    def _parity(self) -> SparsePauliOp:
        """Z on every qubit the user's circuit had, wherever a transpiler put them."""
        layout = self._org_circuit.layout
        n = self._org_circuit.num_qubits
        where = range(n) if layout is None else layout.final_index_layout(filter_ancillas=True)
        return SparsePauliOp.from_sparse_list([("Z" * len(where), list(where), 1)], num_qubits=n)

    def _laid_out(self, observable: BaseOperator) -> BaseOperator:
        circuit, width = self._org_circuit, getattr(observable, "num_qubits", None)
        if circuit.layout is None or width in (None, circuit.num_qubits):
            return observable
        if width != self.num_virtual_qubits:
            return observable
        (found,) = as_sums(observable, width)
        return found.apply_layout(circuit.layout)

    def _specification(self) -> Expectation:
        return Expectation(self._observables)

    def _primitive_is_exact(self) -> bool:
        return is_exact_estimator(self.estimator)

    def _gradient_is_exact(self) -> bool:
        return is_exact_estimator_gradient(self.gradient)

    def _primitive_is_ideal(self) -> bool:
        noise = noise_of(self.estimator)
        return noise is not None and self._can_draw(noise)

    def _gradient_is_ideal(self) -> bool:
        noise = gradient_noise(self.gradient)
        return noise is not None and self._can_draw(noise)

    def _can_draw(self, noise: Noise) -> bool:
        # A reset takes random numbers of its own, so only without a seed are ours as good.
        seeded = noise.seed is not None and draws_while_evolving(self._org_circuit)
        return self._is_one_state and not seeded

    def _warn_not_jax(self) -> None:
        honoured = not (self._primitive_is_exact() or self._primitive_is_ideal())
        culprit = self.estimator if honoured else self.gradient
        warn_not_jax(
            type(self).__name__, culprit, "Leave estimator and gradient out to run on JAX."
        )

    def _forward(
        self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> NDArray[Any] | None:
        if self._primitive_is_exact():
            return self._jax_forward(input_data, weights)
        if self._primitive_is_ideal():
            return self._noisy_forward(input_data, weights)
        return super()._forward(input_data, weights)

    def _backward(
        self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
        if self._primitive_is_exact() or self._primitive_is_ideal():
            if self._gradient_is_exact():
                self._check_unused_seed()
                return self._jax_backward(input_data, weights)
            if self._gradient_is_ideal() and self._shift_rule is not None:
                return self._noisy_backward(self._shift_rule, input_data, weights)
        return super()._backward(input_data, weights)

    def _check_unused_seed(self) -> None:
        """Refuses a seed that is none even where there is no noise to draw, as QML does."""
        noise = gradient_noise(self.gradient)
        if noise is not None and noise.seed is not None:
            generator(noise.seed)

    def _noisy_forward(
        self, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> NDArray[np.float64]:
        noise = noise_of(self.estimator)
        assert noise is not None
        asked = self._default_precision
        precision = noise.precision if asked is None else asked
        values = self._jax_forward(input_data, weights)
        # One PUB for each observable, which holds all samples.
        added = normal_noise(values.T.shape, precision, noise.seed, pub_axes=1)
        return values + added.T

    def _noisy_backward(
        self, rule: ShiftRule, input_data: NDArray[Any] | None, weights: NDArray[Any] | None
    ) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
        noise = gradient_noise(self.gradient)
        assert noise is not None
        samples = 1 if input_data is None else len(input_data)
        drawn: Iterator[NDArray[np.float64]] | None = None

        def differences(points: NDArray[np.float64]) -> NDArray[np.float64]:
            nonlocal drawn
            if drawn is None:
                # One PUB for each observable, sample and shifted point, in this order.
                shape = (self.output_shape[0], samples, *points.shape[1:3])
                added = normal_noise(shape, *noise, pub_axes=4)
                drawn = iter(np.moveaxis(added, 0, -1))
            values = self._shifted_evaluator.value(
                points.reshape(-1, points.shape[-1]), np.zeros(0)
            )
            values = values.astype(float).reshape(*points.shape[:-1], -1)
            values = values + np.stack([next(drawn) for _ in range(len(points))])
            return (values[:, 0] - values[:, 1]) / 2

        return self._shifted_backward(rule, input_data, weights, differences)

    @cached_property
    def _shifted_evaluator(self) -> Evaluator:
        """The observables on the circuit in which every angle is a parameter."""
        assert self._shift_rule is not None
        return Evaluator(
            self._shift_rule.circuit,
            self._specification(),
            self._shift_rule.parameters,
            precision=self._precision,
            device=self._device,
            mesh=self._mesh,
        )
