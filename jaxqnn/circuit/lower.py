"""From a Qiskit circuit to primitive operations.

A gate is lowered by its row in the gate table, by what is known of its class (see ``library.py``
for diagonals, evolutions, controls and the like), and by its Qiskit definition otherwise; what
measures, resets or branches on the way is deferred (see ``deferred.py``).  Whatever is left is
refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.deferred import Deferral
from jaxqnn.circuit.expressions import Expressions
from jaxqnn.circuit.library import Walk
from jaxqnn.circuit.liveness import Reads, everything, live, without_copies
from jaxqnn.circuit.operations import Block, Operation, PauliRotation, acts_on
from jaxqnn.circuit.refusals import refuse_mixed
from jaxqnn.circuit.start import Start


@dataclass(frozen=True)
class Lowered:
    """A circuit as primitive operations.

    Attributes:
        qubits: The qubits that anything acts on; operations count within these. Those of the start
            come first. Beyond the circuit's own are those that deferred measurements and resets
            have added.
        operations: What acts, in order.
        global_phase: In radians.
        expressions: The parameters' columns and the atoms found.
        start: Amplitudes of the first qubits, or None if all start as |0>.
        bits: The qubit that holds each classical bit that is read; bits that are zero are left out.
        reasons: The instruction that each qubit beyond the circuit's own is for, in their order.
    """

    qubits: tuple[int, ...]
    operations: tuple[Operation, ...]
    global_phase: Angle
    expressions: Expressions
    start: Start | None
    bits: Mapping[int, int]
    reasons: tuple[str, ...]


def lower(
    circuit: QuantumCircuit,
    parameters: Sequence[Parameter],
    reads: Callable[[QuantumCircuit], Reads] = everything,
) -> Lowered:
    """Lowers a circuit.

    Args:
        circuit: Any circuit of unitary instructions, measurements, resets and branches; amplitudes
            may be set.
        parameters: The order of the parameters' columns.
        reads: What is read at the end. Measurements at the end that nothing reads are passed over.

    Returns:
        The operations on the qubits that are acted on.

    Raises:
        UnsupportedCircuitError: If an instruction can be none of these or has no definition, or a
            state is read of which there is none; the message gives its index, name and qubits.
    """
    walk = Walk(Expressions(parameters))
    deferral = Deferral(circuit, walk)
    wires, holders = deferral.wires, deferral.holders
    if deferral.cause is not None:
        read = reads(circuit)
        if read.is_pure:
            refuse_mixed(deferral.cause)
        found = live(deferral, read)
        kept_bits = {bit: wire for bit, wire in holders.items() if bit in read.bits}
    else:
        found = without_copies(deferral.steps)
        kept_bits = holders
    # A circuit's qubit is numbered as itself in the end, whatever it has become on the way.
    number = {wire: qubit for qubit, wire in enumerate(wires)}
    for wire in range(deferral.num_wires):
        if wire not in found.same_as:
            number.setdefault(wire, len(number))
    number |= {copy: number[wire] for copy, wire in found.same_as.items()}

    first = tuple(number[wire] for wire in walk.start.qubits) if walk.start else ()
    acted_on = {number[wire] for operation in found.operations for wire in acts_on(operation)}
    active = (*first, *sorted(acted_on.difference(first)))
    added = {number[wire]: where for wire, where in deferral.reasons.items()}
    reasons = tuple(added[qubit] for qubit in active if qubit >= circuit.num_qubits)
    place = {qubit: i for i, qubit in enumerate(active)}
    position = {wire: place[qubit] for wire, qubit in number.items() if qubit in place}
    return Lowered(
        active,
        tuple(_moved(operation, position) for operation in found.operations),
        Angle.total(deferral.phases),
        walk.expressions,
        walk.start,
        {bit: number[wire] for bit, wire in kept_bits.items()},
        reasons,
    )


def _moved(operation: Operation, position: dict[int, int]) -> Operation:
    match operation:
        case PauliRotation(x, z, angle):
            return PauliRotation(_moved_mask(x, position), _moved_mask(z, position), angle)
        case Block(qubits, matrix):
            return Block(tuple(position[q] for q in qubits), matrix)
        case _:
            return type(operation)(*(position[q] for q in vars(operation).values()))


def _moved_mask(mask: int, position: dict[int, int]) -> int:
    total = 0
    while mask:
        low = mask & -mask
        total |= 1 << position[low.bit_length() - 1]
        mask ^= low
    return total
