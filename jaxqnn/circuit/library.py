"""What is known of Qiskit's instructions beyond the gate table.

``Walk`` goes down definitions until it meets a row of the table or one of the classes below.  Each
of these spares the gates of its definition, or keeps an angle exact that its definition would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    BoxOp,
    ControlledGate,
    ControlModifier,
    Delay,
    InverseModifier,
    PowerModifier,
    QuantumCircuit,
    Reset,
)
from qiskit.circuit import Operation as QiskitOperation
from qiskit.circuit.library import (
    CUGate,
    DiagonalGate,
    GlobalPhaseGate,
    HamiltonianGate,
    IGate,
    Initialize,
    MCXGate,
    PauliEvolutionGate,
    PermutationGate,
    QFTGate,
    StatePreparation,
    UCRXGate,
    UCRYGate,
    UCRZGate,
    UnitaryGate,
    WeightedSumGate,
    get_standard_gate_name_mapping,
)
from qiskit.circuit.library.standard_gates.x import MCXRecursive, MCXVChain
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator
from qiskit_machine_learning.circuit.library.raw_feature_vector import ParameterizedInitialize

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.diagonals import diagonal, multiplexed_rotation
from jaxqnn.circuit.evolution import WIDEST_BLOCK, evolution, hamiltonian
from jaxqnn.circuit.expressions import Expressions
from jaxqnn.circuit.gates import GATES, controlled_phase
from jaxqnn.circuit.modifiers import Lowering, PhaseRule, controlled, inverted, repeated
from jaxqnn.circuit.operations import Block, Operation, Swap
from jaxqnn.circuit.refusals import refuse_late_start, refuse_not_unitary, refuse_opaque
from jaxqnn.circuit.start import Start, start_from
from jaxqnn.errors import UnsupportedCircuitError

# Instructions that leave the state as it is. (Barrier and delay may hold measured qubits.)
IGNORED = (Barrier, Delay, IGate)

# A controlled phase on more qubits than this is built from narrower ones: m take 2^m - 1 parities.
_MOST_PARITIES = 10

_STANDARD_GATES = get_standard_gate_name_mapping()
_STANDARD_MODULE = "qiskit.circuit.library.standard_gates"

# Their definitions use ancillas that must be clean, or are exact up to phases only.
_NOT_PLAIN_CONTROL = (MCXRecursive, MCXVChain)

# Before Qiskit 2.2 an evolution stood for its product formula, which is its definition.
_EVOLVES_EXACTLY = "to_matrix" in vars(PauliEvolutionGate)

_NOTHING: Lowering = ([], Angle())


class Walk:
    """Lowers instructions one after another.

    Args:
        expressions: The parameters' columns; it gathers the atoms.

    Attributes:
        start: The amplitudes some qubits start from, if any.
        touched: Qubits that an instruction has acted on so far.
    """

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self.start: Start | None = None
        self.touched: set[int] = set()

    def instruction(self, gate: QiskitOperation, qubits: tuple[int, ...], where: str) -> Lowering:
        """The operations of one instruction and their phase.

        Args:
            gate: Any instruction.
            qubits: The circuit's qubits it acts on.
            where: Names it for error messages.

        Returns:
            The operations, in order, and the global phase.

        Raises:
            UnsupportedCircuitError: If the instruction, or one in its definition, is not unitary.
        """
        found = self._dispatch(gate, qubits, where)
        if not isinstance(gate, (*IGNORED, Reset)):
            self.touched.update(qubits)
        return found

    def _dispatch(self, gate: Any, qubits: tuple[int, ...], where: str) -> Lowering:
        if isinstance(gate, IGNORED):
            return _NOTHING
        if self._has_row(gate):
            angles = [self.expressions.angle(value, where) for value in gate.params]
            return GATES[gate.name](*angles, *qubits)
        fresh = self.touched.isdisjoint(qubits)
        match gate:
            case Reset() if fresh:
                return _NOTHING
            case Initialize() | ParameterizedInitialize() if not fresh:
                refuse_late_start(where)
            case ParameterizedInitialize():
                return self._start(gate.params, qubits, where)
            case StatePreparation() if fresh and _is_vector(gate):
                return self._start(gate.params, qubits, where)
            case BoxOp():
                return self.circuit(gate.blocks[0], qubits, where)
            case GlobalPhaseGate():
                return [], self.expressions.angle(gate.params[0], where)
            case PermutationGate():
                return _permutation(gate.pattern.tolist(), qubits), Angle()
            case PauliEvolutionGate() if _EVOLVES_EXACTLY:
                time = self.expressions.angle(gate.time, where)
                return evolution(gate, time, qubits, where)
            case HamiltonianGate():
                matrix, time = gate.params
                return hamiltonian(matrix, self.expressions.angle(time, where), qubits, where)
            case DiagonalGate():
                phases = np.angle(np.array(gate.params, complex))
                return diagonal(phases, qubits, Angle.constant(1.0))
            case UCRXGate() | UCRYGate() | UCRZGate():
                target = 1 << qubits[0]
                x = 0 if isinstance(gate, UCRZGate) else target
                z = 0 if isinstance(gate, UCRXGate) else target
                return multiplexed_rotation(x, z, gate.params, qubits[1:]), Angle()
            case UnitaryGate() if 1 < len(qubits) <= WIDEST_BLOCK:
                return [Block(qubits, np.asarray(gate.to_matrix()))], Angle()
            case WeightedSumGate():
                return self.circuit(_weighted_sum(gate), qubits, where)
            case AnnotatedOperation():
                return self._annotated(gate, qubits, where)
            case ControlledGate() if self._is_plain_control(gate):
                return self._controlled(gate, qubits, where)
        refuse_not_unitary(gate, where)
        return self._definition(gate, qubits, where)

    def circuit(self, circuit: QuantumCircuit, qubits: tuple[int, ...], where: str) -> Lowering:
        """The operations of a definition on these qubits."""
        operations: list[Operation] = []
        phases = [self.expressions.angle(circuit.global_phase, where)]
        index_of = {qubit: i for i, qubit in enumerate(circuit.qubits)}
        for item in circuit.data:
            found, extra = self.instruction(
                item.operation,
                tuple(qubits[index_of[qubit]] for qubit in item.qubits),
                f"{where}, in its {item.operation.name!r}",
            )
            operations += found
            phases.append(extra)
        return operations, Angle.total(phases)

    def under(
        self, lowering: Lowering, controls: Sequence[int], state: int, where: str
    ) -> Lowering:
        """Something that is lowered already, where these qubits have the values of a state."""
        if not controls:
            return lowering
        _check_width(lowering, len(controls), where)
        return controlled(lowering, controls, state, self._multi_phase(where))

    def _has_row(self, gate: QiskitOperation) -> bool:
        # Names are not unique: a user's gate may be called "u". Qiskit's own have a known class.
        # (A gate with an open control has another name, and is taken as a controlled gate.)
        if gate.name not in GATES:
            return False
        standard = _STANDARD_GATES[gate.name]
        # Controls on a CUGate have a UGate of four parameters for a base.
        return gate.base_class is standard.base_class and len(gate.params) == len(standard.params)

    def _definition(self, gate: Any, qubits: tuple[int, ...], where: str) -> Lowering:
        try:
            definition = gate.to_circuit() if hasattr(gate, "to_circuit") else gate.definition
        except (QiskitError, NotImplementedError, AttributeError, TypeError) as error:
            refuse_opaque(gate, where, error)
        if definition is None:
            if not hasattr(gate, "__array__") or len(qubits) > WIDEST_BLOCK:
                refuse_opaque(gate, where)
            try:
                matrix = Operator(gate).data
            except (QiskitError, TypeError) as error:
                refuse_opaque(gate, where, error)
            return [Block(qubits, np.asarray(matrix))], Angle()
        return self.circuit(definition, qubits, where)

    def _start(self, values: Sequence[Any], qubits: tuple[int, ...], where: str) -> Lowering:
        start = start_from(values, qubits, self.expressions, where)
        self.start = start if self.start is None else self.start.beside(start, where)
        return _NOTHING

    def _apart(self, gate: QiskitOperation, qubits: tuple[int, ...], where: str) -> Lowering:
        """A gate that another one modifies, so that it is no start."""
        self.touched.update(qubits)
        return self.instruction(gate, qubits, f"{where}, in its {gate.name!r}")

    def _is_plain_control(self, gate: ControlledGate) -> bool:
        """Whether the gate is its base gate under controls, and both are up to date."""
        base = gate.base_gate
        if base is None or gate.num_qubits != gate.num_ctrl_qubits + base.num_qubits:
            return False
        own = gate.base_class is ControlledGate
        standard = gate.base_class.__module__.startswith(_STANDARD_MODULE)
        if not (own or standard) or isinstance(gate, _NOT_PLAIN_CONTROL):
            return False
        if isinstance(base, UnitaryGate):
            return bool(gate.num_qubits <= WIDEST_BLOCK)
        # Wide ones are left to Qiskit's synthesis. Gates without a row too: Qiskit binds parameters
        # in a controlled gate's definition, but leaves that of its base gate as it was.
        return bool(gate.num_qubits <= _MOST_PARITIES) and self._has_row(base)

    def _controlled(self, gate: Any, qubits: tuple[int, ...], where: str) -> Lowering:
        count = gate.num_ctrl_qubits
        operations, phase = self._apart(gate.base_gate, qubits[count:], where)
        if isinstance(gate, CUGate):
            phase += self.expressions.angle(gate.params[3], where)
        return controlled(
            (operations, phase), qubits[:count], gate.ctrl_state, self._multi_phase(where)
        )

    def _annotated(self, gate: AnnotatedOperation, qubits: tuple[int, ...], where: str) -> Lowering:
        base = gate.base_op
        # Each control modifier puts its qubits before those there are.
        first = len(qubits) - base.num_qubits
        found = self._apart(base, qubits[first:], where)
        for modifier in gate.modifiers:
            match modifier:
                case InverseModifier():
                    found = inverted(found)
                case PowerModifier(power=power) if float(power).is_integer():
                    found = repeated(found, int(power))
                case ControlModifier(num_ctrl_qubits=count, ctrl_state=state):
                    controls = qubits[first - count : first]
                    _check_width(found, count, where)
                    found = controlled(found, controls, state, self._multi_phase(where))
                    first -= count
                case _:
                    return self._as_matrix(gate, qubits, where)
        return found

    def _as_matrix(self, gate: AnnotatedOperation, qubits: tuple[int, ...], where: str) -> Lowering:
        """For roots of gates, which have no meaning operation by operation."""
        if len(qubits) > WIDEST_BLOCK or (
            getattr(gate.base_op, "params", None)
            and any(getattr(value, "parameters", None) for value in gate.base_op.params)
        ):
            raise UnsupportedCircuitError(
                f"{where} is a fractional power of a gate with parameters, or of one on more than "
                f"{WIDEST_BLOCK} qubits. Scale the gate's angles instead."
            )
        return [Block(qubits, np.asarray(Operator(gate.to_matrix()).data))], Angle()

    def _multi_phase(self, where: str) -> PhaseRule:
        def rule(angle: Angle, qubits: Sequence[int]) -> Lowering:
            if len(qubits) <= _MOST_PARITIES:
                return controlled_phase(angle, qubits)
            # With y = x1 ... x(m-1): x(m) y = (x(m) + y - x(m) xor y) / 2
            *controls, last = qubits
            half = angle.scaled(0.5)
            flip = self._definition(MCXGate(len(controls)), tuple(qubits), where)
            alone, extra = controlled_phase(half, [last])
            back, opposite = controlled_phase(-half, [last])
            rest, phase = rule(half, controls)
            return (
                [*alone, *flip[0], *back, *flip[0], *rest],
                extra + opposite + phase + flip[1].scaled(2.0),
            )

        return rule


def _is_vector(gate: StatePreparation) -> bool:
    """Whether a state is given by its amplitudes (not by a label or a number), nor inverted."""
    return gate.name == "state_preparation" and not (gate._from_label or gate._from_int)


def _weighted_sum(gate: WeightedSumGate) -> QuantumCircuit:
    """|s>|t> -> |s>|t + sum_i weights[i] s_i>, modulo 2^m, as phases on t's Fourier transform.

    Qiskit gives the gate no definition, only a synthesis with ancillas for its transpiler.
    """
    first, m = gate.num_state_qubits, gate.num_sum_qubits
    definition = QuantumCircuit(first + m)
    definition.append(QFTGate(m), range(first, first + m))
    for qubit, weight in enumerate(gate.params):
        for bit in range(m):
            definition.cp(2 * np.pi * weight / 2 ** (m - bit), qubit, first + bit)
    definition.append(QFTGate(m).inverse(), range(first, first + m))
    return definition


def _check_width(lowering: Lowering, count: int, where: str) -> None:
    widest = max((len(o.qubits) for o in lowering[0] if isinstance(o, Block)), default=0)
    if widest and widest + count > WIDEST_BLOCK:
        raise UnsupportedCircuitError(
            f"{where} puts {count} controls on a dense unitary of {widest} qubits; the matrix "
            f"would have more than {WIDEST_BLOCK}. Decompose the unitary first."
        )


def _permutation(pattern: Sequence[int], qubits: tuple[int, ...]) -> list[Operation]:
    """Swaps that bring qubit pattern[i] to place i, as Qiskit's PermutationGate has it."""
    swaps: list[Operation] = []
    holds = list(range(len(pattern)))
    for place, wanted in enumerate(pattern):
        other = holds.index(wanted)
        if other != place:
            swaps.append(Swap(qubits[place], qubits[other]))
            holds[place], holds[other] = holds[other], holds[place]
    return swaps
