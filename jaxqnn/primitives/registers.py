"""Which qubit each classical bit reads, and how outcomes are cut into registers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from jaxqnn.errors import UnsupportedCircuitError


@dataclass(frozen=True)
class RegisterReading:
    """A classical register and, for each of its bits, the place of the qubit it reads.

    ``places`` index the circuit's measured qubits in increasing order; None is an unmeasured bit.
    """

    name: str
    places: tuple[int | None, ...]


@dataclass(frozen=True)
class Reading:
    """The final measurements of a circuit."""

    qubits: tuple[int, ...]
    registers: tuple[RegisterReading, ...]


def final_measurements(circuit: QuantumCircuit) -> Reading:
    """Return what the circuit's registers read once everything else is done.

    As in Qiskit's `StatevectorSampler`, the last measurement into a bit counts.

    Raises:
        UnsupportedCircuitError: If something acts on a qubit after its measurement.
    """
    free_qubits = set(range(circuit.num_qubits))
    free_clbits = set(range(circuit.num_clbits))
    reads: dict[tuple[str, int], int] = {}
    for index, instruction in reversed([*enumerate(circuit.data)]):
        if instruction.name == "measure":
            location = circuit.find_bit(instruction.clbits[0])
            qubit = circuit.find_bit(instruction.qubits[0]).index
            if qubit not in free_qubits:
                raise UnsupportedCircuitError(
                    f"Instruction {index} ('measure' on qubit {qubit}) is followed by another "
                    "instruction on its qubit, so there is no exact distribution of one state. "
                    "Measure at the end, or use Qiskit Aer's sampler for this circuit."
                )
            if location.index in free_clbits:
                reads |= {(register.name, bit): qubit for register, bit in location.registers}
                free_clbits.remove(location.index)
        elif instruction.name not in ("barrier", "delay"):
            free_qubits -= {circuit.find_bit(bit).index for bit in instruction.qubits}
    qubits = tuple(sorted(set(reads.values())))
    place = {qubit: index for index, qubit in enumerate(qubits)}
    registers = tuple(
        RegisterReading(
            register.name,
            tuple(
                place[reads[register.name, bit]] if (register.name, bit) in reads else None
                for bit in range(register.size)
            ),
        )
        for register in circuit.cregs
    )
    return Reading(qubits, registers)


def pack_bits(outcomes: NDArray[np.int64], register: RegisterReading) -> NDArray[np.uint8]:
    """Return the register's value of each outcome, as the bytes of a `BitArray`.

    Bit ``places[i]`` of an outcome becomes bit i of the register; the bytes are big-endian and the
    first is padded with zeros, which is `BitArray`'s layout.
    """
    num_bits = len(register.places)
    num_bytes = -(-num_bits // 8)
    bits = np.zeros((*outcomes.shape, 8 * num_bytes), dtype=np.uint8)
    for index, place in enumerate(register.places):
        if place is not None:
            bits[..., -1 - index] = (outcomes >> place) & 1
    return np.packbits(bits, axis=-1)
