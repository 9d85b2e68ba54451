"""Amplitudes a circuit starts from: StatePreparation, Initialize and QML's raw feature vectors.

On qubits that nothing has acted on, such an instruction is not a gate but the start itself. The
amplitudes may be parameters: they are read as angles are, and normalised where the state is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qiskit.circuit import ParameterExpression

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.expressions import Expressions
from jaxqnn.errors import UnsupportedCircuitError

_WIDEST_TABLE = 20


@dataclass(frozen=True)
class Start:
    """An amplitude vector on some qubits, up to its norm; all others start as |0>.

    Attributes:
        qubits: qubits[0] is the least significant bit of the vector's index.
        real: The amplitudes' real parts, 2^len(qubits).
        imaginary: Their imaginary parts.
    """

    qubits: tuple[int, ...]
    real: tuple[Angle, ...]
    imaginary: tuple[Angle, ...]

    def beside(self, other: Start, where: str) -> Start:
        """The product with a start on other qubits, as the more significant part."""
        if len(self.qubits) + len(other.qubits) > _WIDEST_TABLE:
            raise UnsupportedCircuitError(
                f"{where} starts more than {_WIDEST_TABLE} qubits from given amplitudes, together "
                "with those before it. Prepare fewer."
            )
        try:
            pairs = [
                (a * c - b * d, a * d + b * c)
                for c, d in zip(other.real, other.imaginary, strict=True)
                for a, b in zip(self.real, self.imaginary, strict=True)
            ]
        except ValueError as error:
            raise UnsupportedCircuitError(
                f"{where} is a second vector of amplitudes, and its products with the first have "
                "parameters to a higher power than two. Prepare one of them by gates."
            ) from error
        return Start(
            (*self.qubits, *other.qubits),
            tuple(real for real, _ in pairs),
            tuple(imaginary for _, imaginary in pairs),
        )


def start_from(
    values: Sequence[complex | ParameterExpression],
    qubits: tuple[int, ...],
    expressions: Expressions,
    where: str,
) -> Start:
    """Reads the amplitudes of an instruction.

    Args:
        values: Numbers or real expressions.
        qubits: What they are amplitudes of.
        expressions: The parameters' columns.
        where: Names the place for error messages.

    Returns:
        The start.

    Raises:
        UnsupportedCircuitError: If all amplitudes are zero, or one is not finite.
    """
    real, imaginary = [], []
    for value in values:
        if isinstance(value, ParameterExpression) and value.parameters:
            real.append(expressions.angle(value, where))
            imaginary.append(Angle())
        else:
            number = complex(value)
            real.append(expressions.angle(number.real, where))
            imaginary.append(expressions.angle(number.imag, where))
    if all(angle.is_zero for angle in (*real, *imaginary)):
        raise UnsupportedCircuitError(
            f"{where}: all amplitudes are zero, so there is no state to start from. Give one that "
            "is not."
        )
    assert len(real) == 1 << len(qubits)
    return Start(qubits, tuple(real), tuple(imaginary))
