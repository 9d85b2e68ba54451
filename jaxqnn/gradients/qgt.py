"""JaxQGT: QML's quantum geometric tensor from one Jacobian of the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.primitives import BaseEstimatorV2
from qiskit.providers import Options
from qiskit.transpiler.passmanager import BasePassManager
from qiskit_machine_learning.gradients import DerivativeType, LinCombQGT
from qiskit_machine_learning.gradients.base.base_qgt import BaseQGT
from qiskit_machine_learning.gradients.base.qgt_result import QGTResult

from jaxqnn.arguments import as_size, check_options
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.gradients.points import requested_columns, table, warn_not_jax
from jaxqnn.gradients.states import geometric_tensors
from jaxqnn.primitives import JaxEstimator, is_exact_estimator
from jaxqnn.primitives.rows import group_circuits, unique_rows

_Precision = float | Sequence[float | None] | None


class JaxQGT(BaseQGT):
    r"""The quantum geometric tensor of a circuit's state, for QML's `QFI` and natural gradients.

    .. math::
        G_{ij} = ⟨∂_iψ|∂_jψ⟩ - ⟨∂_iψ|ψ⟩⟨ψ|∂_jψ⟩

    A drop-in for `LinCombQGT`, which runs of the order of P² circuits for P parameters.  Here one
    Jacobian of the state, 2**qubits by P, gives the whole tensor as a matrix product (Stokes et
    al., "Quantum Natural Gradient", Quantum 4, 269, 2020).  The Fisher information matrix is
    4 Re G: ``QFI(JaxQGT())``.

    Args:
        estimator: None, `JaxEstimator()` and `QMLEstimator()` are exact and run on JAX.  Any other
            one is honoured: QML's `LinCombQGT` runs on it, and a warning says so.
        phase_fix: Whether to subtract the second term.
        derivative_type: ``COMPLEX`` for G, ``REAL`` or ``IMAG`` for a part of it.
        precision: Handed to an estimator that is not exact, and returned with the result.
        pass_manager: Transpiles the circuits for an estimator that is not exact.
        options: ``precision`` under its older name: a mapping that may hold that one entry.

    Raises:
        ValueError: From ``run``, as QML's: lengths or parameters do not fit.
        UnsupportedCircuitError: From ``job.result()``, for a circuit that measures or resets on the
            way, or has anything else that no exact statevector function has.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.circuit import Parameter
        >>> from qiskit_machine_learning.gradients import QFI
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(Parameter("a"), 0), circuit.rz(Parameter("b"), 0)
        >>> fisher = QFI(JaxQGT()).run([circuit], [[0.5, 0.3]]).result().qfis[0]
        >>> fisher.diagonal().round(6)  # 1, sin² a
        array([1.      , 0.229849])
    """

    def __init__(
        self,
        estimator: BaseEstimatorV2 | None = None,
        phase_fix: bool = True,
        derivative_type: DerivativeType = DerivativeType.COMPLEX,
        *,
        precision: float | None = None,
        pass_manager: BasePassManager | None = None,
        options: Options | dict[str, Any] | None = None,
    ) -> None:
        """Take the arguments that are described with the class."""
        check_options(options)
        if not isinstance(derivative_type, DerivativeType):
            raise InvalidArgumentError(
                f"derivative_type must be a DerivativeType, not {derivative_type!r}. "
                "Choose REAL, IMAG or COMPLEX."
            )
        if precision is not None:
            as_size("precision", precision)
        given = Options(**dict(options or {}))
        super().__init__(
            JaxEstimator() if estimator is None else estimator,
            phase_fix,
            derivative_type,
            given.get("precision") if precision is None else precision,
            pass_manager=pass_manager,
        )
        self._honouring: LinCombQGT | None = None
        if not is_exact_estimator(estimator):
            warn_not_jax("JaxQGT", estimator, LinCombQGT, "no estimator")
            self._honouring = LinCombQGT(
                estimator, phase_fix, derivative_type, pass_manager=pass_manager
            )

    def _run(
        self,
        circuits: Sequence[QuantumCircuit],
        parameter_values: Sequence[Sequence[float]],
        parameters: Sequence[Sequence[Parameter]],
        *,
        precision: _Precision,
    ) -> QGTResult:
        if self._honouring is not None:
            self._honouring.derivative_type = self.derivative_type
            return self._honouring._run(circuits, parameter_values, parameters, precision=precision)
        qgts: list[Any] = [None] * len(circuits)
        for group in group_circuits(circuits):
            needed, places = requested_columns(group, circuits, parameters)
            rows, row = unique_rows(table(parameter_values[member] for member in group.members))
            tensors = self._part(geometric_tensors(group, rows, needed, self._phase_fix))
            for member, point, chosen in zip(group.members, row, places, strict=True):
                qgts[member] = tensors[point][np.ix_(chosen, chosen)]
        return QGTResult(
            qgts=qgts,
            derivative_type=self.derivative_type,
            metadata=[[{"parameters": some}] for some in parameters],
            precision=_reported(precision, len(circuits)),
        )

    def _part(self, tensors: NDArray[np.complex128]) -> NDArray[Any]:
        if self.derivative_type is DerivativeType.REAL:
            return tensors.real
        if self.derivative_type is DerivativeType.IMAG:
            return tensors.imag
        return tensors


def _reported(precision: _Precision, num_circuits: int) -> float | Sequence[float]:
    """Return the precision of the result as QML does: the exact estimator's is zero."""
    if precision is None or isinstance(precision, int | float):
        return 0.0 if precision is None else precision
    if len(precision) != num_circuits:
        raise InvalidArgumentError(
            f"precision has {len(precision)} entries for {num_circuits} circuits. "
            "Give one number, or one for each circuit."
        )
    return [0.0 if one is None else one for one in precision]
