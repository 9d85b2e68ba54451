"""Instructions that no exact statevector function has, refused by name and with a remedy."""

from __future__ import annotations

from typing import NoReturn

from qiskit.circuit import (
    BreakLoopOp,
    ContinueLoopOp,
    ControlFlowOp,
    Measure,
    Operation,
    Reset,
    Store,
    WhileLoopOp,
)

from jaxqnn.errors import UnsupportedCircuitError

_QISKIT_INSTEAD = "or use Qiskit's own network with a sampling primitive for this circuit."


def refuse_not_unitary(gate: Operation, where: str) -> None:
    """Raises for what neither is unitary nor can be deferred.

    Args:
        gate: Any operation.
        where: Names its index, name and qubits.

    Raises:
        UnsupportedCircuitError: If it resets, measures or branches inside a gate, repeats as long
            as a measured value says, or uses real-time variables.
    """
    if isinstance(gate, WhileLoopOp):
        _refuse(
            where,
            "repeats as long as a measured value says, so how often has no bound",
            "Unroll it: as many rounds as matter, each under an if_test, " + _QISKIT_INSTEAD,
        )
    if isinstance(gate, BreakLoopOp | ContinueLoopOp):
        _refuse(
            where,
            "leaves a round of a loop",
            "Put what follows under an if_test instead, " + _QISKIT_INSTEAD,
        )
    if isinstance(gate, Store):
        refuse_real_time(where, "stores a real-time variable")
    if isinstance(gate, Reset | Measure | ControlFlowOp):
        _refuse(
            where,
            "is not unitary, and stands inside a gate",
            "Move it out of the gate, into the circuit.",
        )


def refuse_real_time(where: str, what: str) -> NoReturn:
    """Raises for classical values that are more than bits."""
    _refuse(
        where,
        what,
        "Use conditions on classical bits and registers, which are exact here, " + _QISKIT_INSTEAD,
    )


def refuse_mixed(where: str) -> NoReturn:
    """Raises where a state is asked for and there is a mixture."""
    _refuse(
        where,
        "resets, decides, or acts after a measurement, so there is no one state at the end",
        "Use expectation or probabilities, which average over all outcomes, or remove it.",
    )


def refuse_late_start(where: str) -> NoReturn:
    """Raises for amplitudes with parameters on qubits that were acted on, or under a condition."""
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


def _refuse(where: str, what: str, remedy: str) -> NoReturn:
    raise UnsupportedCircuitError(f"{where} {what}. {remedy}")
