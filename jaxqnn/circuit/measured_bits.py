"""Which classical bits an outcome is read from: the one definition that everything goes by.

The register ``meas``, which ``measure_all`` makes, where it is measured; else every register that
is measured, and every measured bit that is in no register.  A register is read whole: bits of it
that nothing measures are zero.
"""

from __future__ import annotations

from typing import NamedTuple

from qiskit.circuit import Barrier, ControlFlowOp, Delay, Measure, QuantumCircuit

# The register that qiskit-machine-learning reads alone.
_ALONE = "meas"


class Reading(NamedTuple):
    """A measurement into a classical bit, the last one.

    Attributes:
        qubit: What it measures.
        moment: How many instructions have acted on the qubit by then. Bits that read one qubit at
            one moment are equal.
    """

    qubit: int
    moment: int


def last_readings(circuit: QuantumCircuit) -> dict[int, Reading | None]:
    """The last measurement into each classical bit that is measured.

    Args:
        circuit: Any circuit.

    Returns:
        By the bit's index; None where it may be one inside a branch, a loop or an instruction.
    """
    qubits = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    clbits = {clbit: i for i, clbit in enumerate(circuit.clbits)}
    moments = [0] * circuit.num_qubits
    found: dict[int, Reading | None] = {}
    for item in circuit.data:
        if item.name == "measure":
            qubit = qubits[item.qubits[0]]
            found[clbits[item.clbits[0]]] = Reading(qubit, moments[qubit])
        elif item.name not in ("barrier", "delay"):
            if item.clbits:
                for place in _written(item.operation):
                    found[clbits[item.clbits[place]]] = None
            for bit in item.qubits:
                moments[qubits[bit]] += 1
    return found


def _written(operation: object) -> set[int]:
    """Which of its classical bits an instruction may measure into, by their places."""
    if isinstance(operation, Measure):
        return {0}
    if isinstance(operation, Barrier | Delay):
        return set()
    if isinstance(operation, ControlFlowOp):
        bodies = operation.blocks
    else:
        definition = getattr(operation, "definition", None)
        bodies = () if definition is None else (definition,)
    return {
        body.find_bit(item.clbits[place]).index
        for body in bodies
        for item in body.data
        if item.clbits
        for place in _written(item.operation)
    }


def read_bits(circuit: QuantumCircuit) -> tuple[int, ...]:
    """The classical bits of an outcome.

    Args:
        circuit: Any circuit.

    Returns:
        Their indices, the outcome's least significant bit first; none if nothing is measured.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> circuit = QuantumCircuit(2, 2)
        >>> circuit.measure_all()
        >>> read_bits(circuit)
        (2, 3)
    """
    written = last_readings(circuit).keys()
    registers = [[circuit.find_bit(bit).index for bit in register] for register in circuit.cregs]
    measured = [bits for bits in registers if not written.isdisjoint(bits)]
    for register, bits in zip(circuit.cregs, registers, strict=True):
        if register.name == _ALONE and bits in measured:
            return tuple(bits)
    return tuple(sorted(written | {bit for bits in measured for bit in bits}))
