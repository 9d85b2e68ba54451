"""From a Qiskit circuit to primitive operations.

A gate is lowered by its row in the gate table, by its matrix if it is a small constant unitary, and
by its Qiskit definition otherwise.  Whatever is left is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from qiskit.circuit import ControlFlowOp, Instruction, Parameter, QuantumCircuit
from qiskit.circuit.library import (
    PauliEvolutionGate,
    PermutationGate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import SparsePauliOp

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.expressions import Expressions
from jaxqnn.circuit.gates import GATES, IGNORED
from jaxqnn.circuit.operations import Block, Operation, PauliRotation, Swap
from jaxqnn.errors import UnsupportedCircuitError

_STANDARD_GATES = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}


@dataclass(frozen=True)
class Lowered:
    """A circuit as primitive operations.

    Attributes:
        qubits: The circuit's qubits that anything acts on; operations count within these.
        operations: What acts, in order.
        global_phase: In radians.
        expressions: The parameters' columns and the atoms found.
    """

    qubits: tuple[int, ...]
    operations: tuple[Operation, ...]
    global_phase: Angle
    expressions: Expressions


def lower(
    circuit: QuantumCircuit, parameters: Sequence[Parameter], *, block_qubits: int = 4
) -> Lowered:
    """Lowers a circuit.

    Args:
        circuit: Any circuit of unitary instructions; measurements may stand at its end and are
            passed over.
        parameters: The order of the parameters' columns.
        block_qubits: The widest constant unitary that stays whole.

    Returns:
        The operations on the qubits that are acted on.

    Raises:
        UnsupportedCircuitError: If an instruction is not unitary or has no definition; the message
            gives its index, name and qubits.
    """
    walk = _Walk(Expressions(parameters), min(block_qubits, max(1, circuit.num_qubits)))
    phase = walk.expressions.angle(circuit.global_phase, "The circuit's global phase")
    measured: dict[int, int] = {}
    operations: list[Operation] = []
    index_of = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    for index, item in enumerate(circuit.data):
        qubits = tuple(index_of[qubit] for qubit in item.qubits)
        name = item.operation.name
        if name == "measure":
            measured[qubits[0]] = index
            continue
        where = f"Instruction {index} ({name!r} on qubits {list(qubits)})"
        if name not in IGNORED:
            _refuse_after_measurement(where, qubits, measured)
        found, extra = walk.instruction(item.operation, qubits, where)
        operations += found
        phase += extra
    active = sorted({qubit for operation in operations for qubit in _acts_on(operation)})
    position = {qubit: i for i, qubit in enumerate(active)}
    return Lowered(
        tuple(active),
        tuple(_moved(operation, position) for operation in operations),
        phase,
        walk.expressions,
    )


@dataclass(frozen=True)
class _Walk:
    """Lowers instructions, going down definitions."""

    expressions: Expressions
    block_qubits: int

    def instruction(
        self, gate: Instruction, qubits: tuple[int, ...], where: str
    ) -> tuple[list[Operation], Angle]:
        name = gate.name
        if name in IGNORED:
            return [], Angle()
        if isinstance(gate, ControlFlowOp) or name in ("reset", "measure", "initialize"):
            raise UnsupportedCircuitError(
                f"{where} is not unitary, so the circuit has no exact statevector gradient. "
                "Remove it, or use Qiskit's own network for this circuit."
            )
        if name == "global_phase":
            return [], self.expressions.angle(gate.params[0], where)
        if isinstance(gate, PermutationGate):
            return list(_permutation(gate.pattern.tolist(), qubits)), Angle()
        if isinstance(gate, PauliEvolutionGate):
            return self._evolution(gate, qubits, where)
        if self._has_row(gate):
            angles = [self.expressions.angle(value, where) for value in gate.params]
            return GATES[name](*angles, *qubits)
        if isinstance(gate, UnitaryGate) and 1 < len(qubits) <= self.block_qubits:
            return [Block(qubits, np.asarray(gate.to_matrix()))], Angle()
        return self._definition(gate, qubits, where)

    def _has_row(self, gate: Instruction) -> bool:
        # Names are not unique: a user's gate may be called "u". Qiskit's own have a known class.
        # (A gate with an open control has another name, and goes by its definition.)
        return gate.name in GATES and gate.base_class is _STANDARD_GATES[gate.name]

    def _definition(
        self, gate: Instruction, qubits: tuple[int, ...], where: str
    ) -> tuple[list[Operation], Angle]:
        try:
            definition = gate.definition
        except (QiskitError, NotImplementedError, AttributeError) as error:
            raise UnsupportedCircuitError(f"{where} has no definition: {error}") from error
        if definition is None:
            raise UnsupportedCircuitError(
                f"{where} is opaque: it has no definition and no known matrix. "
                "Give it a definition, or replace it with a UnitaryGate."
            )
        operations: list[Operation] = []
        phase = self.expressions.angle(definition.global_phase, where)
        index_of = {qubit: i for i, qubit in enumerate(definition.qubits)}
        for item in definition.data:
            inner = tuple(qubits[index_of[qubit]] for qubit in item.qubits)
            found, extra = self.instruction(
                item.operation, inner, f"{where}, in its {item.operation.name!r}"
            )
            operations += found
            phase += extra
        return operations, phase

    def _evolution(
        self, gate: PauliEvolutionGate, qubits: tuple[int, ...], where: str
    ) -> tuple[list[Operation], Angle]:
        terms = gate.operator if isinstance(gate.operator, list) else [gate.operator]
        operator = sum(
            (SparsePauliOp(term) for term in terms[1:]), start=SparsePauliOp(terms[0])
        ).simplify()
        if not _commute(operator):
            if gate.time.__class__ in (int, float) and len(qubits) <= self.block_qubits:
                return [Block(qubits, np.asarray(gate.to_matrix()))], Angle()
            raise UnsupportedCircuitError(
                f"{where} evolves under terms that do not commute, and its time is a parameter or "
                f"it is wider than {self.block_qubits} qubits. Decompose it first, which fixes "
                "the product formula you mean."
            )
        time = self.expressions.angle(gate.time, where)
        operations: list[Operation] = []
        phase = Angle()
        for pauli, coefficient in zip(operator.paulis, operator.coeffs, strict=True):
            angle = time.scaled(2.0 * float(np.real(coefficient)))
            x = sum(1 << qubits[i] for i in np.flatnonzero(pauli.x))
            z = sum(1 << qubits[i] for i in np.flatnonzero(pauli.z))
            if x or z:
                operations.append(PauliRotation(x, z, angle))
            else:
                phase += angle.scaled(-0.5)
        return operations, phase


def _commute(operator: SparsePauliOp) -> bool:
    return all(a.commutes(b) for a, b in combinations(operator.paulis, 2))


def _permutation(pattern: Sequence[int], qubits: tuple[int, ...]) -> Iterator[Operation]:
    """Swaps that bring qubit pattern[i] to place i, as Qiskit's PermutationGate has it."""
    holds = list(range(len(pattern)))
    for place, wanted in enumerate(pattern):
        other = holds.index(wanted)
        if other != place:
            yield Swap(qubits[place], qubits[other])
            holds[place], holds[other] = holds[other], holds[place]


def _refuse_after_measurement(
    where: str, qubits: tuple[int, ...], measured: dict[int, int]
) -> None:
    for qubit in qubits:
        if qubit in measured:
            raise UnsupportedCircuitError(
                f"{where} acts on qubit {qubit} after its measurement (instruction "
                f"{measured[qubit]}). Only measurements at the end can be passed over: remove "
                "the measurement, or use Qiskit's own network for this circuit."
            )


def _acts_on(operation: Operation) -> Iterator[int]:
    match operation:
        case PauliRotation(x, z):
            mask = x | z
            while mask:
                low = mask & -mask
                yield low.bit_length() - 1
                mask ^= low
        case Block(qubits):
            yield from qubits
        case _:
            yield from vars(operation).values()


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
