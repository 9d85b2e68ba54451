"""The errors jaxqnn raises.

All derive from QML's own error, so code that guards a QML call guards ours too.
"""

from __future__ import annotations

from qiskit_machine_learning import QiskitMachineLearningError


class JaxQNNError(QiskitMachineLearningError):
    """Something a caller passed cannot be used; the message says what, where, and what to do."""


class UnsupportedCircuitError(JaxQNNError, ValueError):
    """The circuit has an instruction that no exact, differentiable statevector function has."""


class InvalidArgumentError(JaxQNNError, ValueError):
    """An argument is of the wrong kind, shape or value, or does not fit the others."""
