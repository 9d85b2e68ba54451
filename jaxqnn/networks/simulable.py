"""Circuits that an ideal simulator takes as one state, so that only noise or shots are drawn."""

from __future__ import annotations

from qiskit import QiskitError
from qiskit.circuit import Gate, Instruction, QuantumCircuit
from qiskit.circuit.library import Initialize
from qiskit_machine_learning.circuit.library.raw_feature_vector import ParameterizedInitialize

from jaxqnn.errors import UnsupportedCircuitError

_SILENT = ("barrier", "delay")
# They reset their qubits before they prepare a state.
_PREPARATIONS = (Initialize, ParameterizedInitialize)


def evolves_at_random(circuit: QuantumCircuit) -> bool:
    """Whether Qiskit's `Statevector` would draw an outcome that matters while it evolves.

    That are resets of qubits that something has acted on, resets within a gate's definition (which
    may be such), and control flow.
    """
    touched: set[object] = set()
    for instruction in circuit.data:
        operation = instruction.operation
        if operation.name in _SILENT:
            continue
        if operation.name == "reset" or isinstance(operation, _PREPARATIONS):
            if not touched.isdisjoint(instruction.qubits):
                return True
        elif getattr(operation, "blocks", ()) or _has_reset(operation):
            return True
        if operation.name != "reset":
            touched.update(instruction.qubits)
    return False


def draws_while_evolving(circuit: QuantumCircuit) -> bool:
    """Whether `Statevector` would draw at all: a certain outcome takes a random number as well."""
    return any(
        instruction.operation.name == "reset"
        or isinstance(instruction.operation, _PREPARATIONS)
        or _has_reset(instruction.operation)
        for instruction in circuit.data
    )


def _has_reset(operation: object) -> bool:
    """Whether there is a reset somewhere in a definition; gates are unitary, and have none."""
    if isinstance(operation, Gate) or not isinstance(operation, Instruction):
        return False
    if operation.name in ("measure", *_SILENT):
        return False
    try:
        definition = operation.definition
    except QiskitError:  # it has none until its parameters are bound
        return True
    return definition is not None and any(
        inner.name == "reset"
        or isinstance(inner.operation, _PREPARATIONS)
        or _has_reset(inner.operation)
        for inner in definition.data
    )


def without_measurements(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit without classical bits, measurements and barriers."""
    bare = QuantumCircuit(circuit.qubits, global_phase=circuit.global_phase)
    for instruction in circuit.data:
        if instruction.name not in ("measure", *_SILENT):
            bare.append(instruction.operation, instruction.qubits)
    return bare


def active_qubits(circuit: QuantumCircuit) -> set[int]:
    """The qubits that something acts on; the others stay zero."""
    return {
        circuit.find_bit(qubit).index
        for instruction in circuit.data
        if instruction.name not in ("measure", *_SILENT)
        for qubit in instruction.qubits
    }


def measured_qubits(circuit: QuantumCircuit) -> dict[int, int]:
    """The qubit that each classical bit reads at the end, both by index.

    Raises:
        UnsupportedCircuitError: If something acts on a qubit after its measurement, or on a
            classical bit without being one; Qiskit's sampler takes no such circuit.
    """
    found: dict[int, int] = {}
    measured: set[int] = set()
    for index, item in enumerate(circuit.data):
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.name == "measure":
            found[circuit.find_bit(item.clbits[0]).index] = qubits[0]
            measured.add(qubits[0])
        elif item.name not in _SILENT and (item.clbits or not measured.isdisjoint(qubits)):
            raise UnsupportedCircuitError(
                f"Instruction {index} ({item.name!r} on qubits {qubits}) follows a measurement, or "
                "acts on classical bits, so no single distribution can be drawn from. Measure at "
                "the end."
            )
    return found
