"""The gate list in PennyLane's operators, shared by its two devices."""

from __future__ import annotations

from typing import Any

import pennylane as qml

from ..problems import Problem
from ..translate import Op

GATES = {
    "h": qml.Hadamard,
    "x": qml.X,
    "y": qml.Y,
    "z": qml.Z,
    "s": qml.S,
    "t": qml.T,
    "sx": qml.SX,
    "cx": qml.CNOT,
    "cz": qml.CZ,
    "swap": qml.SWAP,
    "rx": qml.RX,
    "ry": qml.RY,
    "rz": qml.RZ,
    "cp": qml.ControlledPhaseShift,
    "crx": qml.CRX,
    "cry": qml.CRY,
    "crz": qml.CRZ,
    "rxx": qml.IsingXX,
    "ryy": qml.IsingYY,
    "rzz": qml.IsingZZ,
}


def apply_op(op: Op, angle: Any, num_qubits: int) -> qml.operation.Operator:
    """Return the PennyLane operator of one gate (and queue it, inside a QNode)."""
    # PennyLane's first wire is the most significant bit.
    wires = [num_qubits - 1 - qubit for qubit in op.qubits]
    if op.matrix is not None:
        return qml.QubitUnitary(op.matrix, wires=wires[::-1])
    if op.name in ("sdg", "tdg"):
        return qml.adjoint(GATES[op.name[0]](wires=wires))
    if op.name == "xx_plus_yy":
        return qml.IsingXY(-angle, wires=wires)
    return GATES[op.name](wires=wires) if op.angle is None else GATES[op.name](angle, wires=wires)


def measurements(
    problem: Problem, *, dense: bool = False
) -> list[qml.measurements.MeasurementProcess]:
    """Return what the problem measures: its observables, or all probabilities.

    Args:
        problem: The problem.
        dense: Whether a sum of Pauli terms becomes one matrix, not term by term.
    """
    wires = list(range(problem.qubits))
    if problem.kind == "probabilities":
        return [qml.probs(wires=wires)]
    if problem.kind == "z_each":
        return [qml.expval(qml.Z(wire)) for wire in reversed(wires)]
    if problem.kind == "pauli_sum":
        (operator,) = problem.observables
        if dense:
            return [qml.expval(qml.Hermitian(operator.to_matrix(), wires=wires))]
        # A label's first letter is the most significant bit's, as is the first wire.
        terms = [qml.pauli.string_to_pauli_word(label) for label in operator.paulis.to_labels()]
        return [qml.expval(qml.dot(operator.coeffs.real, terms))]
    return [qml.expval(qml.prod(*(qml.Z(wire) for wire in wires)))]
