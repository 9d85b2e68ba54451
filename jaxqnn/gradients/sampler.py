"""JaxSamplerGradient: QML's sampler gradient from batched derivatives of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.primitives import BaseSamplerV2
from qiskit.providers import Options
from qiskit.transpiler.passmanager import BasePassManager
from qiskit_machine_learning.gradients import (
    BaseSamplerGradient,
    ParamShiftSamplerGradient,
    SamplerGradientResult,
)

from jaxqnn.arguments import check_options
from jaxqnn.gradients.points import merge_options, requested_columns, table, warn_not_jax
from jaxqnn.measure import Probabilities
from jaxqnn.primitives import JaxSampler, is_exact_sampler
from jaxqnn.primitives.ideal import sampler_on_jax, shots_of
from jaxqnn.primitives.rows import (
    CircuitGroup,
    RowEvaluator,
    group_circuits,
    unique_rows,
)


class JaxSamplerGradient(BaseSamplerGradient):
    r"""Exact gradients of outcome probabilities, for QML's networks and algorithms.

    A drop-in for `ParamShiftSamplerGradient`: the same ``run``, the same result.  Equal circuits in
    one ``run`` are one batch.  ``gradients[i][j][k]`` is :math:`∂p_k/∂θ_j` of circuit i, for every
    outcome k, an integer whose bit 0 is the first classical bit.  As in QML, a register named
    ``meas`` is read alone; without it all measured registers are, and a circuit without classical
    bits as if all its qubits were measured.

    Args:
        sampler: None, `JaxSampler()` and `QMLSampler()` are exact and run on JAX.  For an ideal
            simulator with shots (`StatevectorSampler`, those two with a number) QML's
            parameter-shift rule runs on JAX, with the shots that it would have drawn.  Any other
            one is honoured: QML's rule runs on it, and a warning says so.
        options: Default options, returned with the result.
        pass_manager: Transpiles the circuits for a sampler that is not exact.  Exact gradients do
            not depend on it.

    Raises:
        ValueError: From ``run``, as QML's: lengths or parameters do not fit.
        UnsupportedCircuitError: From ``job.result()``, for a circuit with a ``while`` loop,
            real-time variables, or anything else that no exact function has.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.circuit import Parameter
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(Parameter("t"), 0)
        >>> circuit.measure_all()
        >>> job = JaxSamplerGradient().run([circuit], [[0.5]])
        >>> {k: round(p, 6) for k, p in job.result().gradients[0][0].items()}  # ∓ sin(t)/2
        {0: -0.239713, 1: 0.239713}
    """

    def __init__(
        self,
        sampler: BaseSamplerV2 | None = None,
        options: Options | dict[str, Any] | None = None,
        pass_manager: BasePassManager | None = None,
    ) -> None:
        """Take the arguments that are described with the class."""
        check_options(options)
        super().__init__(
            JaxSampler() if sampler is None else sampler,
            options=options,
            pass_manager=pass_manager,
        )
        self._honouring: ParamShiftSamplerGradient | None = None
        if not is_exact_sampler(sampler):
            if shots_of(sampler) is None:
                warn_not_jax("JaxSamplerGradient", sampler, ParamShiftSamplerGradient, "no sampler")
            self._honouring = ParamShiftSamplerGradient(sampler, pass_manager=pass_manager)

    def _run(
        self,
        circuits: Sequence[QuantumCircuit],
        parameter_values: Sequence[Sequence[float]],
        parameters: Sequence[Sequence[Parameter]],
        **options: Any,
    ) -> SamplerGradientResult:
        if self._honouring is not None:
            # Made for each run, as a sampler's shots may have been changed.
            self._honouring._sampler = sampler_on_jax(self._sampler) or self._sampler
            return self._honouring._run(circuits, parameter_values, parameters, **options)
        gradients: list[Any] = [None] * len(circuits)
        for group in group_circuits(circuits):
            needed, places = requested_columns(group, circuits, parameters)
            rows, row = unique_rows(table(parameter_values[member] for member in group.members))
            jacobian = _jacobian(group, rows, needed)
            for member, point, chosen in zip(group.members, row, places, strict=True):
                gradients[member] = [
                    dict(enumerate(derivatives)) for derivatives in jacobian[point, chosen].tolist()
                ]
        return SamplerGradientResult(
            gradients=gradients,
            metadata=[[{"parameters": some}] for some in parameters],
            options=Options(**options),
        )

    def _get_local_options(self, options: dict[str, Any]) -> Options:
        return merge_options(self._sampler, options)


def _jacobian(
    group: CircuitGroup, rows: NDArray[np.float64], columns: Sequence[int]
) -> NDArray[np.float64]:
    """Return the derivatives of all outcomes, shape (rows, columns, outcomes)."""
    if not columns:
        return np.zeros((len(rows), 0, 0))
    evaluator = group.evaluator(
        "outcomes",
        lambda: RowEvaluator(group.circuit, Probabilities()),
    )
    return np.ascontiguousarray(evaluator.jacobian(rows, columns).swapaxes(1, 2))
