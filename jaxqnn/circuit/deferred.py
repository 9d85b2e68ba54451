"""Measurements on the way, resets and branches, deferred: a unitary circuit of more qubits.

A measurement copies its qubit by CX onto a fresh one, which holds the classical bit from then on; a
reset goes on with a fresh qubit in the old one's place; what a branch does is controlled by the
qubits that hold the bits of its condition.  Traced over all that is not read at the end, the result
is the mean over all branches (the principle of deferred measurement: Nielsen and Chuang, section
4.4).  ``liveness.py`` then takes out the copies that are not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from qiskit.circuit import (
    AnnotatedOperation,
    BoxOp,
    Clbit,
    ControlFlowOp,
    ForLoopOp,
    Gate,
    IfElseOp,
    Instruction,
    Measure,
    Parameter,
    QuantumCircuit,
    Reset,
    SwitchCaseOp,
)
from qiskit.circuit import Operation as QiskitOperation
from qiskit.circuit.controlflow import CASE_DEFAULT
from qiskit.circuit.library import Initialize
from qiskit.exceptions import QiskitError
from qiskit_machine_learning.circuit.library.raw_feature_vector import ParameterizedInitialize

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.conditions import ALWAYS, Condition, both, choose
from jaxqnn.circuit.library import IGNORED, Walk
from jaxqnn.circuit.modifiers import Lowering
from jaxqnn.circuit.operations import ControlledFlip, Flip, Operation, Swap
from jaxqnn.circuit.refusals import (
    refuse_late_start,
    refuse_not_unitary,
    refuse_real_time,
)
from jaxqnn.circuit.zeros import is_zero


class Copy(NamedTuple):
    """CX from a measured qubit onto a fresh one."""

    measured: int
    copy: int


class Conditional(NamedTuple):
    """Operations that leave the values of ``controls`` as they are."""

    controls: tuple[int, ...]
    operations: tuple[Operation, ...]


Step = Operation | Copy | Conditional


class Scope(NamedTuple):
    """Where a circuit's instructions stand.

    Attributes:
        qubits: For each of its qubits, the outermost circuit's.
        bits: The outermost circuit's classical bit of each one that is known here.
        condition: When they are executed.
        where: Names what holds them; None for the outermost circuit.
    """

    qubits: Sequence[int]
    bits: Mapping[Clbit, int]
    condition: Condition
    where: str | None


class Deferral:
    """Lowers a circuit, its measurements deferred.

    Args:
        circuit: The circuit.
        walk: Lowers what is unitary.

    Attributes:
        steps: What acts, in order. Qubits beyond the circuit's own are fresh ones.
        phases: To be added to the global phase.
        wires: The qubit that each of the circuit's qubits has become.
        holders: The qubit that holds each classical bit; bits that are zero are left out.
        num_wires: The circuit's qubits and the fresh ones.
        reasons: The instruction that each qubit is for that the circuit does not end with.
        cause: The first instruction that is more than unitary or a measurement at the end; None if
            there is none.
    """

    def __init__(self, circuit: QuantumCircuit, walk: Walk) -> None:
        self.steps: list[Step] = []
        self.phases: list[Angle] = []
        self.wires = list(range(circuit.num_qubits))
        self.holders: dict[int, int] = {}
        self.num_wires = circuit.num_qubits
        self.reasons: dict[int, str] = {}
        self.cause: str | None = None
        self._walk = walk
        # The copies of qubits that nothing has acted on since; None of those that were |0>.
        self._copies: dict[int, int | None] = {}
        # Those of bits that a later instruction has, whatever it does with them.
        self._used: set[int] = set()
        bits = {bit: i for i, bit in enumerate(circuit.clbits)}
        self._run(circuit, Scope(self.wires.copy(), bits, ALWAYS, None))

    def copies_at_end(self) -> set[int]:
        """The copies of measurements after which no instruction has their qubit or what they read.

        Other measurements, barriers and delays aside.
        """
        return {copy for copy in self._copies.values() if copy is not None} - self._used

    def operations(self) -> Iterator[Operation]:
        """All that acts, copies included."""
        for step in self.steps:
            match step:
                case Copy(measured, copy):
                    yield ControlledFlip(measured, copy)
                case Conditional(_, operations):
                    yield from operations
                case _:
                    yield step

    def _run(self, circuit: QuantumCircuit, scope: Scope) -> None:
        qubit_of = dict(zip(circuit.qubits, scope.qubits, strict=True))
        where = scope.where or "The circuit's global phase"
        phase = self._walk.expressions.angle(circuit.global_phase, where)
        self._add(([], phase), scope.condition, where)
        for index, item in enumerate(circuit.data):
            gate, qubits = item.operation, [qubit_of[qubit] for qubit in item.qubits]
            if scope.where is None:
                where = f"Instruction {index} ({gate.name!r} on qubits {qubits})"
            else:
                where = f"{scope.where}, in its {gate.name!r}"
            bits = [scope.bits[bit] for bit in item.clbits]
            self._instruction(gate, qubits, bits, scope._replace(where=where))

    def _instruction(
        self, gate: Any, qubits: Sequence[int], bits: Sequence[int], scope: Scope
    ) -> None:
        assert scope.where is not None
        if isinstance(gate, Gate | AnnotatedOperation):
            self._unitary(gate, qubits, scope)
            return
        match gate:
            case Measure():
                self._measure(qubits[0], bits[0], scope)
            case Reset():
                self._reset(qubits[0], scope)
            case Initialize() | ParameterizedInitialize():
                self._initialize(gate, qubits, scope)
            case ControlFlowOp():
                self._control_flow(gate, qubits, bits, scope)
            case _:
                body = _body_that_measures(gate)
                if body is None:
                    self._unitary(gate, qubits, scope)
                else:
                    self._enter(body, qubits, bits, scope, scope.condition)

    def _enter(
        self,
        body: QuantumCircuit,
        qubits: Sequence[int],
        bits: Sequence[int],
        scope: Scope,
        condition: Condition,
    ) -> None:
        if condition:
            inner = dict(zip(body.clbits, bits, strict=True))
            self._run(body, Scope(qubits, {**scope.bits, **inner}, condition, scope.where))

    def _control_flow(
        self, gate: ControlFlowOp, qubits: Sequence[int], bits: Sequence[int], scope: Scope
    ) -> None:
        where = scope.where or ""
        decides = isinstance(gate, IfElseOp | SwitchCaseOp)
        if decides:
            self._use(qubits, bits, where)
        match gate:
            case BoxOp():
                chosen = [(gate.blocks[0], ALWAYS)]
            case ForLoopOp():
                chosen = [(body, ALWAYS) for body in _rounds(gate, where)]
            case IfElseOp():
                condition = gate.condition
                target, value = condition if isinstance(condition, tuple) else (condition, 1)
                when = choose(target, [{int(value)}, None], self._holder(scope), where)
                chosen = list(zip(gate.blocks, when, strict=False))
            case SwitchCaseOp():
                cases = list(gate.cases_specifier())
                groups = [None if CASE_DEFAULT in labels else labels for labels, _ in cases]
                when = choose(gate.target, groups, self._holder(scope), where)
                chosen = [(block, c) for (_, block), c in zip(cases, when, strict=True)]
            case _:
                refuse_not_unitary(gate, where)
                raise AssertionError(gate)
        for body, condition in chosen:
            self._enter(body, qubits, bits, scope, both(scope.condition, condition))
        if decides:
            # What a branch measures is not at the circuit's end, even if it is the only branch.
            self._use(qubits, bits, where)

    def _holder(self, scope: Scope) -> Any:
        return lambda bit: self.holders.get(scope.bits[bit])

    def _unitary(self, gate: QiskitOperation, qubits: Sequence[int], scope: Scope) -> None:
        if isinstance(gate, IGNORED):
            return
        wires = tuple([self.wires[qubit] for qubit in qubits])
        where = scope.where or ""
        if scope.condition != ALWAYS:
            # A state prepared in a branch is no start.
            self._walk.touched.update(wires)
        self._add(self._walk.instruction(gate, wires, where), scope.condition, where)
        self._touch(wires, where)

    def _touch(self, wires: Sequence[int], where: str) -> None:
        """Qubits are acted on: they are not what was measured any more."""
        for wire in wires:
            if wire in self._copies:
                del self._copies[wire]
                self._need(where)

    def _need(self, where: str) -> None:
        self.cause = self.cause or where

    def _use(self, qubits: Sequence[int], bits: Sequence[int], where: str) -> None:
        self._touch([self.wires[qubit] for qubit in qubits], where)
        self._used.update(self.holders[bit] for bit in bits if bit in self.holders)

    def _add(self, lowering: Lowering, condition: Condition, where: str) -> None:
        operations, phase = lowering
        if condition == ALWAYS:
            self.steps += operations
            self.phases.append(phase)
            return
        if not operations and phase.is_zero:
            return
        self._need(where)
        for cube in condition:
            controls = tuple(wire for wire, _ in cube)
            state = sum(value << i for i, (_, value) in enumerate(cube))
            found, extra = self._walk.under(lowering, controls, state, where)
            self.steps.append(Conditional(controls, tuple(found)))
            self.phases.append(extra)

    def _fresh(self, where: str) -> int:
        wire = self.num_wires
        self.num_wires += 1
        self.reasons[wire] = where
        return wire

    def _replace(self, qubit: int, where: str) -> None:
        self._need(where)
        self.reasons[self.wires[qubit]] = where
        self.wires[qubit] = self._fresh(where)

    def _measure(self, qubit: int, bit: int, scope: Scope) -> None:
        wire, where = self.wires[qubit], scope.where or ""
        if scope.condition != ALWAYS:
            self._measure_in_branch(wire, bit, scope)
            return
        if wire not in self._copies:
            self._copies[wire] = self._copied(wire, where)
        copy = self._copies[wire]
        if copy is None:
            self.holders.pop(bit, None)
        else:
            self.holders[bit] = copy

    def _copied(self, wire: int, where: str) -> int | None:
        if wire not in self._walk.touched:
            return None
        copy = self._fresh(where)
        self._walk.touched.add(copy)
        self.steps.append(Copy(wire, copy))
        return copy

    def _measure_in_branch(self, wire: int, bit: int, scope: Scope) -> None:
        """The bit is what was measured where the condition holds, and else what it was."""
        where = scope.where or ""
        old, new = self.holders.get(bit), self._fresh(where)
        self.holders[bit] = new
        self._need(where)
        if old is not None:
            self.steps.append(ControlledFlip(old, new))
            self._flip_under(scope.condition, old, new, where)
        if wire in self._walk.touched:
            self._flip_under(scope.condition, wire, new, where)
        self._walk.touched.add(new)

    def _flip_under(self, condition: Condition, control: int, target: int, where: str) -> None:
        for cube in both(condition, (((control, 1),),)):
            # The cube has the control in it.
            self._add(([Flip(target)], Angle()), (cube,), where)

    def _reset(self, qubit: int, scope: Scope) -> None:
        wire, where = self.wires[qubit], scope.where or ""
        columns = self._walk.expressions.num_columns
        if wire not in self._walk.touched or is_zero(
            wire, list(self.operations()), self._walk.start, columns
        ):
            return
        if scope.condition == ALWAYS:
            self._replace(qubit, where)
        else:
            fresh = self._fresh(where)
            self._walk.touched.add(fresh)
            self._add(([Swap(wire, fresh)], Angle()), scope.condition, where)
            self._touch([wire], where)

    def _initialize(self, gate: Any, qubits: Sequence[int], scope: Scope) -> None:
        where = scope.where or ""
        if scope.condition != ALWAYS:
            if isinstance(gate, ParameterizedInitialize):
                refuse_late_start(where)
            self._enter(gate.definition, qubits, [], scope, scope.condition)
            return
        for qubit in qubits:
            if self.wires[qubit] in self._walk.touched:
                self._replace(qubit, where)
        self._unitary(gate, qubits, scope)


def _rounds(gate: ForLoopOp, where: str) -> Iterator[QuantumCircuit]:
    """The bodies of a loop's rounds."""
    values, variable, body = gate.params
    if not isinstance(variable, Parameter | None):
        refuse_real_time(where, "counts its rounds by a real-time variable")
    for value in values:
        known = variable is not None and variable in body.parameters
        yield body.assign_parameters({variable: value}) if known else body


def _body_that_measures(gate: Any) -> QuantumCircuit | None:
    """The definition of an instruction that is not unitary, if it has one."""
    if isinstance(gate, IGNORED) or not isinstance(gate, Instruction):
        return None
    try:
        definition = gate.definition
    except (QiskitError, NotImplementedError, AttributeError, TypeError):
        return None  # refused where it is lowered
    if definition is None or not any(_is_not_unitary(item.operation) for item in definition.data):
        return None
    return definition


def _is_not_unitary(gate: Any) -> bool:
    if isinstance(gate, Gate):
        return False
    if isinstance(gate, Measure | Reset | Initialize | ParameterizedInitialize | ControlFlowOp):
        return True
    return _body_that_measures(gate) is not None
