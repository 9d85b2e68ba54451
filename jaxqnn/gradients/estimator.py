"""JaxEstimatorGradient: QML's estimator gradient from batched adjoint sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.primitives import BaseEstimatorV2
from qiskit.providers import Options
from qiskit.quantum_info.operators.base_operator import BaseOperator
from qiskit.transpiler.passmanager import BasePassManager
from qiskit_machine_learning.gradients import (
    BaseEstimatorGradient,
    DerivativeType,
    EstimatorGradientResult,
    LinCombEstimatorGradient,
    ParamShiftEstimatorGradient,
)

from jaxqnn.arguments import check_options
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.gradients.points import merge_options, requested_columns, table, warn_not_jax
from jaxqnn.gradients.states import state_overlaps
from jaxqnn.primitives import JaxEstimator, is_exact_estimator
from jaxqnn.primitives.ideal import estimator_on_jax, noise_of
from jaxqnn.primitives.requests import Requests
from jaxqnn.primitives.rows import group_circuits


class JaxEstimatorGradient(BaseEstimatorGradient):
    r"""Exact gradients of expectation values, for QML's networks and algorithms.

    A drop-in for `ParamShiftEstimatorGradient` and `LinCombEstimatorGradient`: the same ``run``,
    the same result.  Equal circuits in one ``run`` are one batch, and one adjoint sweep gives the
    derivatives by all parameters.  With :math:`|ψ(θ)⟩` the circuit's state, the j-th entry is

    ===========  ==========================================
    ``REAL``     :math:`2\,\mathrm{Re}⟨ψ|O|∂_jψ⟩ = ∂_j⟨O⟩`
    ``IMAG``     :math:`2\,\mathrm{Im}⟨ψ|O|∂_jψ⟩`
    ``COMPLEX``  :math:`2\,⟨ψ|O|∂_jψ⟩`
    ===========  ==========================================

    ``IMAG`` depends on the global phase, which is the circuit's own: P and RZ differ.

    Args:
        estimator: None, `JaxEstimator()` and `QMLEstimator()` are exact and run on JAX.  For an
            ideal simulator with noise (`StatevectorEstimator`, those two with a precision) QML's
            parameter-shift rule (its linear-combination rule for ``IMAG`` and ``COMPLEX``) runs on
            JAX, with the noise that it would have drawn.  Any other one is honoured: QML's rule
            runs on it, and a warning says so.
        options: Default options, returned with the result.  A `DerivativeType` is accepted here
            too, and options in its place: `LinCombEstimatorGradient` has them in that order.
        derivative_type: Which of the three to return.
        pass_manager: Transpiles the circuits for an estimator that is not exact.  Exact gradients
            do not depend on it.

    Raises:
        ValueError: From ``run``, as QML's: lengths, qubits or parameters do not fit.
        UnsupportedCircuitError: From ``job.result()``, for a circuit with a ``while`` loop,
            real-time variables or anything else that no exact function has; for ``IMAG`` and
            ``COMPLEX`` also for one that measures or resets on the way, which has no one state.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.circuit import Parameter
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(Parameter("t"), 0)
        >>> job = JaxEstimatorGradient().run([circuit], [SparsePauliOp("Z")], [[0.5]])
        >>> job.result().gradients[0].round(6)  # -sin t
        array([-0.479426])
    """

    def __init__(
        self,
        estimator: BaseEstimatorV2 | None = None,
        options: Options | dict[str, Any] | DerivativeType | None = None,
        derivative_type: DerivativeType | Options | dict[str, Any] | None = DerivativeType.REAL,
        pass_manager: BasePassManager | None = None,
    ) -> None:
        """Take the arguments that are described with the class."""
        if isinstance(options, DerivativeType):
            # With the default for the other one, the swapped order leaves REAL among the options.
            swapped = None if derivative_type is DerivativeType.REAL else derivative_type
            options, derivative_type = swapped, options
        if not isinstance(derivative_type, DerivativeType):
            raise InvalidArgumentError(
                f"derivative_type must be a DerivativeType, not {derivative_type!r}. "
                "Choose REAL, IMAG or COMPLEX."
            )
        check_options(options)
        super().__init__(
            JaxEstimator() if estimator is None else estimator,
            options=options,
            derivative_type=derivative_type,
            pass_manager=pass_manager,
        )
        self._on_jax = is_exact_estimator(estimator)
        self._honouring: dict[type[BaseEstimatorGradient], BaseEstimatorGradient] = {}
        if not self._on_jax and noise_of(estimator) is None:
            warn_not_jax("JaxEstimatorGradient", estimator, self._qml_class(), "no estimator")

    @property
    def derivative_type(self) -> DerivativeType:
        """Which derivative is returned: real, imaginary or complex."""
        return self._derivative_type

    @derivative_type.setter
    def derivative_type(self, derivative_type: DerivativeType) -> None:
        self._derivative_type = derivative_type

    def _qml_class(self) -> type[BaseEstimatorGradient]:
        """Return QML's class for an estimator that is not exact."""
        if self._derivative_type is DerivativeType.REAL:
            return ParamShiftEstimatorGradient
        return LinCombEstimatorGradient

    def _honour(self) -> BaseEstimatorGradient:
        """Return QML's gradient on the estimator or its twin; it keeps circuits from run to run."""
        kind = self._qml_class()
        if kind not in self._honouring:
            self._honouring[kind] = kind(self._estimator, pass_manager=self._pass_manager)
        # Made for each run, as an estimator's precision may have been changed.
        twin = estimator_on_jax(self._estimator)
        self._honouring[kind]._estimator = twin or self._estimator
        self._honouring[kind]._derivative_type = self._derivative_type
        return self._honouring[kind]

    def _run(
        self,
        circuits: Sequence[QuantumCircuit],
        observables: Sequence[BaseOperator],
        parameter_values: Sequence[Sequence[float]] | NDArray[np.float64],
        parameters: Sequence[Sequence[Parameter]],
        **options: Any,
    ) -> EstimatorGradientResult:
        if not self._on_jax:
            return self._honour()._run(
                circuits, observables, parameter_values, parameters, **options
            )
        gradients: list[Any] = [None] * len(circuits)
        for group in group_circuits(circuits):
            needed, places = requested_columns(group, circuits, parameters)
            requests = Requests.collect(
                group,
                table(parameter_values[member] for member in group.members),
                [observables[member] for member in group.members],
            )
            found = self._gradients(requests, needed)
            for member, gradient, chosen in zip(group.members, found, places, strict=True):
                gradients[member] = gradient[chosen]
        return EstimatorGradientResult(
            gradients=gradients,
            metadata=[{"parameters": some} for some in parameters],
            options=Options(**options),
        )

    def _gradients(self, requests: Requests, columns: list[int]) -> NDArray[Any]:
        """Return the gradients of all requests, shape (requests, len(columns))."""
        if not columns:
            return np.zeros((len(requests.row), 0))
        if self._derivative_type is DerivativeType.REAL:
            return requests.gradients(columns)
        overlaps = 2 * state_overlaps(requests, columns)
        return overlaps.imag if self._derivative_type is DerivativeType.IMAG else overlaps

    def _get_local_options(self, options: dict[str, Any]) -> Options:
        return merge_options(self._estimator, options)
