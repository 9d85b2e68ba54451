"""A branch-by-branch simulator: every outcome of every measurement is followed by itself.

The oracle of circuits that measure on the way.  It keeps a vector and the classical bits for each
branch, projects, and decides conditions by plain integers: nothing is deferred.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oracles import Case, Complexes, Floats
from qiskit.circuit import ClassicalRegister, Clbit, ControlFlowOp, QuantumCircuit
from qiskit.circuit.classical import expr
from qiskit.circuit.controlflow import CASE_DEFAULT
from qiskit.quantum_info import Operator
from qiskit.quantum_info.operators.base_operator import BaseOperator


@dataclass(frozen=True)
class Branch:
    """A vector whose squared norm is the branch's probability, qubit 0 its last axis; the bits."""

    state: Complexes
    bits: tuple[int, ...]


def branches(circuit: QuantumCircuit) -> list[Branch]:
    """All branches of a circuit without parameters."""
    state = np.zeros((2,) * circuit.num_qubits, complex)
    state[(0,) * circuit.num_qubits] = 1
    qubits, bits = list(range(circuit.num_qubits)), {b: i for i, b in enumerate(circuit.clbits)}
    return list(_run(circuit, Branch(state, (0,) * circuit.num_clbits), qubits, bits))


def distribution(circuit: QuantumCircuit, bits: Sequence[int]) -> Floats:
    """Probabilities of the outcomes whose bit i is classical bit bits[i]."""
    found = np.zeros(1 << len(bits))
    for branch in branches(circuit):
        outcome = sum(branch.bits[bit] << i for i, bit in enumerate(bits))
        found[outcome] += np.linalg.norm(branch.state) ** 2
    return found


def without_final(circuit: QuantumCircuit) -> QuantumCircuit:
    """Without measurements after which nothing has their qubit or what they read.

    Observables pass over them, as they pass over those that `remove_final_measurements` removes.
    """
    acted_on: set[Any] = set()
    read: set[Any] = set()
    kept = []
    for item in reversed(circuit.decompose("readout").data):
        if item.name == "measure":
            at_end = acted_on.isdisjoint(item.qubits) and read.isdisjoint(item.clbits)
            read.difference_update(item.clbits)
            if at_end:
                continue
        elif item.name not in ("barrier", "delay"):
            acted_on.update(item.qubits)
            read.update(item.clbits)
        kept.append(item)
    found = circuit.copy_empty_like()
    found.data = kept[::-1]
    return found


def means(circuit: QuantumCircuit, observables: Sequence[BaseOperator]) -> Floats:
    """Expectation values over all branches."""
    matrices = [np.asarray(observable.to_matrix()) for observable in observables]
    states = [branch.state.reshape(-1) for branch in branches(circuit)]
    return np.array([sum(np.vdot(s, m @ s).real for s in states) for m in matrices])


def means_before_end(circuit: QuantumCircuit, observables: Sequence[BaseOperator]) -> Floats:
    """The same, measurements at the end passed over."""
    return means(without_final(circuit), observables)


def on_points(
    case: Case, rows: Floats, weights: Floats, compute: Callable[[QuantumCircuit], Floats]
) -> NDArray[np.float64]:
    """Of a circuit bound at each row of inputs."""
    parameters = (*case.inputs, *case.weights)
    points = [dict(zip(parameters, [*row, *weights], strict=True)) for row in rows]
    return np.array([compute(case.circuit.assign_parameters(point)) for point in points])


def _run(
    circuit: QuantumCircuit, start: Branch, qubits: Sequence[int], bits: Mapping[Clbit, int]
) -> Iterator[Branch]:
    phase = np.exp(1j * float(circuit.global_phase))
    found = [replace(start, state=start.state * phase)]
    for item in circuit.data:
        where = [qubits[circuit.find_bit(qubit).index] for qubit in item.qubits]
        into = [bits[bit] for bit in item.clbits]
        found = [
            after for branch in found for after in _step(item.operation, branch, where, into, bits)
        ]
    yield from found


def _step(
    gate: Any, branch: Branch, qubits: list[int], into: list[int], bits: Mapping[Clbit, int]
) -> Iterator[Branch]:
    if gate.name in ("barrier", "delay"):
        yield branch
    elif gate.name in ("measure", "reset"):
        for outcome in range(2):
            state = _project(branch.state, qubits[0], outcome)
            if not np.any(state):
                continue
            if gate.name == "reset":
                yield Branch(state if not outcome else _flip(state, qubits[0]), branch.bits)
            else:
                kept = list(branch.bits)
                kept[into[0]] = outcome
                yield Branch(state, tuple(kept))
    elif isinstance(gate, ControlFlowOp):
        yield from _control_flow(gate, branch, qubits, into, bits)
    elif _is_unitary(gate):
        yield replace(branch, state=_applied(Operator(gate).data, branch.state, qubits))
    else:
        body = gate.definition
        yield from _run(body, branch, qubits, {**bits, **dict(zip(body.clbits, into, strict=True))})


def _control_flow(
    gate: Any, branch: Branch, qubits: list[int], into: list[int], bits: Mapping[Clbit, int]
) -> Iterator[Branch]:
    def value(target: Any) -> int:
        return _value(target, lambda bit: branch.bits[bits[bit]])

    bodies = []
    if gate.name == "if_else":
        condition = gate.condition
        pair = condition if isinstance(condition, tuple) else (condition, 1)
        bodies = list(gate.blocks[0 if value(pair[0]) == int(pair[1]) else 1 :][:1])
    elif gate.name == "switch_case":
        cases = list(gate.cases_specifier())
        chosen = [block for labels, block in cases if value(gate.target) in labels]
        bodies = chosen or [block for labels, block in cases if CASE_DEFAULT in labels]
    elif gate.name == "for_loop":
        values, variable, body = gate.params
        used = variable is not None and variable in body.parameters
        bodies = [body.assign_parameters({variable: v}) if used else body for v in values]
    else:
        bodies = [gate.blocks[0]]
    found = [branch]
    for body in bodies:
        inner = {**bits, **dict(zip(body.clbits, into, strict=True))}
        found = [after for one in found for after in _run(body, one, qubits, inner)]
    yield from found


def _is_unitary(gate: Any) -> bool:
    definition = getattr(gate, "definition", None)
    if gate.name in ("measure", "reset", "initialize") or isinstance(gate, ControlFlowOp):
        return False
    return definition is None or all(_is_unitary(item.operation) for item in definition.data)


def _axis(state: Complexes, qubit: int) -> int:
    return state.ndim - 1 - qubit


def _project(state: Complexes, qubit: int, outcome: int) -> Complexes:
    found = np.zeros_like(state)
    index = [slice(None)] * state.ndim
    index[_axis(state, qubit)] = slice(outcome, outcome + 1)
    found[tuple(index)] = state[tuple(index)]
    return found


def _flip(state: Complexes, qubit: int) -> Complexes:
    return np.flip(state, _axis(state, qubit))


def _applied(matrix: Any, state: Complexes, qubits: list[int]) -> Complexes:
    m = len(qubits)
    axes = [_axis(state, qubit) for qubit in reversed(qubits)]
    tensor = np.asarray(matrix).reshape((2,) * (2 * m))
    return np.moveaxis(np.tensordot(tensor, state, (range(m, 2 * m), axes)), range(m), axes)


_OPERATIONS = {
    "BIT_AND": operator.and_,
    "BIT_OR": operator.or_,
    "BIT_XOR": operator.xor,
    "LOGIC_AND": operator.and_,
    "LOGIC_OR": operator.or_,
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "LESS": operator.lt,
    "LESS_EQUAL": operator.le,
    "GREATER": operator.gt,
    "GREATER_EQUAL": operator.ge,
    "SHIFT_LEFT": operator.lshift,
    "SHIFT_RIGHT": operator.rshift,
}


def _value(target: Any, bit: Callable[[Clbit], int]) -> int:
    width = getattr(getattr(target, "type", None), "width", 1)
    if isinstance(target, Clbit):
        return bit(target)
    if isinstance(target, ClassicalRegister):
        return sum(bit(one) << i for i, one in enumerate(target))
    if isinstance(target, expr.Var):
        return _value(target.var, bit)
    if isinstance(target, expr.Value):
        return int(target.value)
    if isinstance(target, expr.Index):
        return _value(target.target, bit) >> _value(target.index, bit) & 1
    if isinstance(target, expr.Binary):
        sides = _value(target.left, bit), _value(target.right, bit)
        return int(_OPERATIONS[target.op.name](*sides)) & (1 << width) - 1
    operand = _value(target.operand, bit)
    if isinstance(target, expr.Cast):
        return int(operand != 0) if width == 1 else operand & (1 << width) - 1
    return ~operand & (1 << width) - 1  # a negation, of bits or of a truth
