"""From a Qiskit circuit to primitive operations.

A gate is lowered by its row in the gate table, by what is known of its class (see ``library.py``
for diagonals, evolutions, controls and the like), and by its Qiskit definition otherwise.  Whatever
is left is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qiskit.circuit import Measure, Parameter, QuantumCircuit, Reset

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.expressions import Expressions
from jaxqnn.circuit.library import IGNORED, Walk
from jaxqnn.circuit.operations import Block, Operation, PauliRotation, acts_on
from jaxqnn.circuit.refusals import refuse_after_measurement
from jaxqnn.circuit.start import Start
from jaxqnn.circuit.zeros import is_zero


@dataclass(frozen=True)
class Lowered:
    """A circuit as primitive operations.

    Attributes:
        qubits: The circuit's qubits that anything acts on; operations count within these. Those of
            the start come first.
        operations: What acts, in order.
        global_phase: In radians.
        expressions: The parameters' columns and the atoms found.
        start: Amplitudes of the first qubits, or None if all start as |0>.
    """

    qubits: tuple[int, ...]
    operations: tuple[Operation, ...]
    global_phase: Angle
    expressions: Expressions
    start: Start | None


def lower(circuit: QuantumCircuit, parameters: Sequence[Parameter]) -> Lowered:
    """Lowers a circuit.

    Args:
        circuit: Any circuit of unitary instructions; amplitudes may be set at its start, and
            measurements may stand at its end, which are passed over.
        parameters: The order of the parameters' columns.

    Returns:
        The operations on the qubits that are acted on.

    Raises:
        UnsupportedCircuitError: If an instruction is not unitary or has no definition; the message
            gives its index, name and qubits.
    """
    walk = Walk(Expressions(parameters))
    phases = [walk.expressions.angle(circuit.global_phase, "The circuit's global phase")]
    measured: dict[int, int] = {}
    operations: list[Operation] = []
    index_of = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    for index, item in enumerate(circuit.data):
        qubits = tuple(index_of[qubit] for qubit in item.qubits)
        if isinstance(item.operation, Measure):
            measured[qubits[0]] = index
            continue
        where = f"Instruction {index} ({item.operation.name!r} on qubits {list(qubits)})"
        if not isinstance(item.operation, IGNORED):
            refuse_after_measurement(where, qubits, measured)
        if isinstance(item.operation, Reset) and is_zero(
            qubits[0], operations, walk.start, walk.expressions.num_columns
        ):
            continue
        found, extra = walk.instruction(item.operation, qubits, where)
        operations += found
        phases.append(extra)
    first = walk.start.qubits if walk.start else ()
    acted_on = {qubit for operation in operations for qubit in acts_on(operation)}
    active = (*first, *sorted(acted_on.difference(first)))
    position = {qubit: i for i, qubit in enumerate(active)}
    return Lowered(
        active,
        tuple(_moved(operation, position) for operation in operations),
        Angle.total(phases),
        walk.expressions,
        walk.start,
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
