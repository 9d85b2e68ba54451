"""QML's parameter-shift rule of one circuit, as tables of points to evaluate.

QML gives every angle of every parameterised gate a parameter of its own, shifts each by a quarter
turn either way, and adds up by the chain rule: a parameter that is in several gates, or in one with
a factor, is shifted in each gate on its own.  For gates exp(-i t P / 2) the rule is exact,

    d f / d t = (f(t + pi/2) - f(t - pi/2)) / 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, ParameterExpression, QuantumCircuit
from qiskit.transpiler.passes import TranslateParameterizedGates
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient

from jaxqnn.errors import InvalidArgumentError

Floats = NDArray[np.float64]


class ShiftRule:
    """The rule for one circuit.

    Args:
        circuit: With measurements or without.

    Attributes:
        circuit: The same with a parameter of its own in every angle, and without a global phase.
        parameters: Those parameters, in the order of their gates.

    Raises:
        TranspilerError: If a gate has no form that QML's rule knows.
    """

    def __init__(self, circuit: QuantumCircuit) -> None:
        translate = TranslateParameterizedGates(ParamShiftEstimatorGradient.SUPPORTED_GATES)
        translated = translate(circuit)
        self._columns = {p: column for column, p in enumerate(circuit.parameters)}
        self._angles: list[ParameterExpression] = []
        self.circuit = translated.copy_empty_like()
        self.circuit.global_phase = 0
        own: list[Parameter] = []
        for instruction in translated.data:
            operation = instruction.operation
            if operation.is_parameterized():
                operation = operation.to_mutable()
                for place, angle in enumerate(operation.params):
                    if isinstance(angle, ParameterExpression):
                        own.append(Parameter(f"angle{len(own)}"))
                        operation.params[place] = own[-1]
                        self._angles.append(angle)
            self.circuit.append(operation, instruction.qubits, instruction.clbits)
        self.parameters = tuple(own)

    def angles_of(self, parameters: Sequence[Parameter]) -> list[int]:
        """The angles that these parameters are in, in the order in which QML shifts them."""
        return list(
            dict.fromkeys(
                k
                for parameter in parameters
                for k, angle in enumerate(self._angles)
                if parameter in angle.parameters
            )
        )

    def shifted(self, points: Floats, chosen: Sequence[int]) -> Floats:
        """The points to evaluate ``self.circuit`` at.

        Args:
            points: Values of the circuit's parameters in their own order, (points, parameters).
            chosen: The angles to shift.

        Returns:
            (points, 2, chosen, angles): shifted up, and then down.
        """
        angles = self._values(points, self._angles)
        steps = np.zeros((2, len(chosen), len(self._angles)))
        steps[0, np.arange(len(chosen)), chosen] = np.pi / 2
        steps[1] = -steps[0]
        return angles[:, None, None] + steps

    def chain(
        self,
        differences: Floats,
        points: Floats,
        chosen: Sequence[int],
        parameters: Sequence[Parameter],
    ) -> Floats:
        """The derivatives by parameters, from those by angles.

        Args:
            differences: Derivatives of some outputs, (points, chosen, outputs).
            points: See ``shifted``.
            chosen: See ``shifted``.
            parameters: What to differentiate by.

        Returns:
            (points, outputs, parameters).
        """
        slopes = np.zeros((len(points), len(chosen), len(parameters)))
        for j, parameter in enumerate(parameters):
            inside = [i for i, k in enumerate(chosen) if parameter in self._angles[k].parameters]
            gradients = [self._angles[chosen[i]].gradient(parameter) for i in inside]
            slopes[:, inside, j] = self._values(points, gradients)
        return differences.swapaxes(1, 2) @ slopes

    def _values(self, points: Floats, expressions: Sequence[Any]) -> Floats:
        """Numbers and expressions at every point, (points, expressions)."""
        found = np.empty((len(points), len(expressions)))
        known: dict[ParameterExpression, Floats] = {}
        for k, expression in enumerate(expressions):
            if isinstance(expression, Parameter):
                found[:, k] = points[:, self._columns[expression]]
            elif not isinstance(expression, ParameterExpression):
                found[:, k] = expression
            else:
                # A feature map repeats its expressions.
                if expression not in known:
                    known[expression] = _bound(expression, points, self._columns)
                found[:, k] = known[expression]
        return found


def _bound(
    expression: ParameterExpression, points: Floats, columns: Mapping[Parameter, int]
) -> Floats:
    """An expression's value at every point, computed once for equal arguments."""
    parameters = list(expression.parameters)
    arguments = points[:, [columns[parameter] for parameter in parameters]]
    distinct, where = np.unique(arguments, axis=0, return_inverse=True)
    try:
        values = [
            float(expression.bind(dict(zip(parameters, row, strict=True))))
            for row in distinct.tolist()
        ]
    except (TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        raise InvalidArgumentError(
            f"The angle {expression} has no real value at one of the points: {error}. Choose "
            "other inputs or weights."
        ) from error
    return np.array(values)[where.reshape(-1)]
