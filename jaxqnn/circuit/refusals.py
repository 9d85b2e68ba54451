"""Instructions that no exact statevector function has, refused by name and with a remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from qiskit.circuit import ControlFlowOp, Measure, Operation, Reset, Store

from jaxqnn.errors import UnsupportedCircuitError

_QISKIT_INSTEAD = "or use Qiskit's own network with a sampling primitive for this circuit."


def refuse_not_unitary(gate: Operation, where: str) -> None:
    """Raises for what is known not to be unitary.

    Args:
        gate: Any operation.
        where: Names its index, name and qubits.

    Raises:
        UnsupportedCircuitError: If it resets, measures, branches or uses classical values.
    """
    if isinstance(gate, Reset):
        _refuse(where, "resets qubits that were acted on before", "Remove it, " + _QISKIT_INSTEAD)
    if isinstance(gate, Measure):
        _refuse(
            where, "measures inside another instruction", "Measure at the circuit's end instead."
        )
    if isinstance(gate, ControlFlowOp):
        _refuse(
            where,
            "is control flow, whose branches a statevector does not choose between",
            "Unroll it or remove it, " + _QISKIT_INSTEAD,
        )
    if isinstance(gate, Store):
        _refuse(where, "stores a classical value", "Remove it, " + _QISKIT_INSTEAD)


def refuse_late_start(where: str) -> NoReturn:
    """Raises for amplitudes set on qubits that were acted on."""
    _refuse(
        where,
        "sets amplitudes of qubits that were acted on before, which is not unitary",
        "Move it to the circuit's start, or use StatePreparation, which is a gate.",
    )


def refuse_opaque(gate: Operation, where: str, error: Exception | None = None) -> NoReturn:
    """Raises for an instruction of which only the name is known."""
    if type(gate).__module__.startswith("qiskit_aer"):
        _refuse(
            where,
            "is an instruction to the Aer simulator, not a gate",
            "Remove it from the circuit.",
        )
    if getattr(gate, "name", "") in ("kraus", "superop", "quantum_channel"):
        _refuse(
            where,
            "is a noise channel, which takes no pure state to a pure state",
            "Remove it, " + _QISKIT_INSTEAD,
        )
    if getattr(gate, "name", "") == "rv":
        _refuse(
            where,
            f"has parameters, and Qiskit defines it for numbers alone: {error}",
            "Write it as rotations by rx, ry, rz or u.",
        )
    if isinstance(error, TypeError):
        _refuse(
            where,
            "has a definition or a matrix for numbers alone, not for its parameters",
            "Build it from standard gates, whose angles may be parameters, or bind them.",
        )
    reason = "has no definition and no matrix" if error is None else f"has no definition: {error}"
    _refuse(
        where,
        f"is opaque: it {reason.rstrip('.')}",
        "Transpile the circuit if Qiskit can synthesise it, give it a definition, or replace it "
        "with a UnitaryGate.",
    )


def refuse_after_measurement(
    where: str, qubits: Sequence[int], measured: Mapping[int, int]
) -> None:
    """Raises if an instruction acts on a qubit that was measured before.

    Args:
        where: Names the instruction.
        qubits: What it acts on.
        measured: The index of the measurement of each measured qubit.

    Raises:
        UnsupportedCircuitError: If it does.
    """
    for qubit in qubits:
        if qubit in measured:
            _refuse(
                where,
                f"acts on qubit {qubit} after its measurement (instruction {measured[qubit]})",
                "Only measurements at the end can be passed over: remove the measurement, "
                + _QISKIT_INSTEAD,
            )


def _refuse(where: str, what: str, remedy: str) -> NoReturn:
    raise UnsupportedCircuitError(f"{where} {what}. {remedy}")
