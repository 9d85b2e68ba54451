"""Which measurements a circuit's registers hold at the end, and how outcomes are cut into them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from jaxqnn.circuit.measured_bits import last_readings


@dataclass(frozen=True)
class RegisterReading:
    """A classical register and, for each of its bits, the place of its outcome among all.

    None is an unmeasured bit, which is zero.
    """

    name: str
    places: tuple[int | None, ...]

    @property
    def is_measured(self) -> bool:
        """Whether anything is measured into it."""
        return any(place is not None for place in self.places)


@dataclass(frozen=True)
class Reading:
    """What a circuit's registers hold at the end.

    Attributes:
        bits: A classical bit for each distinct outcome, in the order of the measured qubits.
        registers: All of them, in the circuit's order.
    """

    bits: tuple[int, ...]
    registers: tuple[RegisterReading, ...]


def final_reading(circuit: QuantumCircuit) -> Reading:
    """Return what the circuit's registers hold once everything is done.

    As in Qiskit's `StatevectorSampler`, the last measurement into a bit counts, and bits that read
    the same qubit at the same time are one outcome.
    """
    readings = last_readings(circuit)
    # What may have been measured inside a branch has no qubit, and comes last.
    outcomes = {
        bit: (circuit.num_qubits, bit) if reading is None else reading
        for bit, reading in readings.items()
    }
    bit_of = {outcome: bit for bit, outcome in outcomes.items()}
    place = {outcome: i for i, outcome in enumerate(sorted(bit_of))}
    place_of = {bit: place[outcome] for bit, outcome in outcomes.items()}
    registers = tuple(
        RegisterReading(
            register.name, tuple(place_of.get(circuit.find_bit(bit).index) for bit in register)
        )
        for register in circuit.cregs
    )
    return Reading(tuple(bit_of[outcome] for outcome in sorted(bit_of)), registers)


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
