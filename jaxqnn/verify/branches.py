"""Every outcome of a circuit that measures on the way, each followed by itself on Qiskit's states.

The part of `reference` that such circuits need.  Nothing is deferred and nothing compiled: a
measurement makes two branches of one, with the projected `Statevector` and its bits in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from qiskit.circuit import (
    BoxOp,
    CircuitInstruction,
    ClassicalRegister,
    Clbit,
    ControlFlowOp,
    ForLoopOp,
    Gate,
    IfElseOp,
    Measure,
    QuantumCircuit,
    Reset,
    SwitchCaseOp,
)
from qiskit.circuit.controlflow import CASE_DEFAULT
from qiskit.circuit.library import Initialize
from qiskit.quantum_info import Statevector
from qiskit_machine_learning.circuit.library.raw_feature_vector import ParameterizedInitialize

from jaxqnn.circuit.conditions import evaluate
from jaxqnn.errors import JaxQNNError, UnsupportedCircuitError

# A probability of this size is the rounding of zero.
_NEGLIGIBLE = 1e-28

_MOST_BRANCHES = 1 << 12


class Branch(NamedTuple):
    """One sequence of outcomes.

    Attributes:
        state: Its squared norm is the branch's probability.
        bits: The classical bits by index.
    """

    state: Statevector
    bits: tuple[int, ...]


def measures_on_the_way(circuit: QuantumCircuit) -> bool:
    """Whether anything but measurements at the end keeps a circuit from having one state."""
    touched: set[Any] = set()
    measured: set[Any] = set()
    for item in circuit.data:
        if isinstance(item.operation, Measure):
            measured.update(item.qubits)
        elif item.name in ("barrier", "delay"):
            pass
        elif (
            isinstance(item.operation, ControlFlowOp)
            or item.clbits
            or not measured.isdisjoint(item.qubits)
            or (_resets(item.operation) and not touched.isdisjoint(item.qubits))
        ):
            return True
        touched.update(item.qubits)
    return False


def branches(circuit: QuantumCircuit, *, measure_at_end: bool = True) -> list[Branch]:
    """All branches of a circuit whose parameters are bound.

    Args:
        circuit: Unitary instructions, measurements, resets, branches and loops of fixed length.
        measure_at_end: Whether measurements at the end are made, or passed over.

    Returns:
        Those that can happen.

    Raises:
        UnsupportedCircuitError: If it has an instruction of another kind.
        JaxQNNError: If there are too many.
    """
    flat = circuit.copy_empty_like()
    for item in _flat(circuit):
        flat.append(item)
    if not measure_at_end:
        flat = _without_final(flat)
    start = Branch(Statevector.from_int(0, (2,) * circuit.num_qubits), (0,) * circuit.num_clbits)
    bits = {bit: index for index, bit in enumerate(circuit.clbits)}
    return _run(flat, [start], range(circuit.num_qubits), bits)


def _resets(operation: Any) -> bool:
    if isinstance(operation, Gate):
        return False
    # The latter has no definition until its parameters are bound.
    if isinstance(operation, Reset | Initialize | ParameterizedInitialize):
        return True
    definition = getattr(operation, "definition", None)
    return definition is not None and any(_resets(item.operation) for item in definition.data)


def _is_pure(operation: Any) -> bool:
    return not (
        isinstance(operation, Measure | ControlFlowOp)
        or getattr(operation, "num_clbits", 0) > 0
        or _resets(operation)
    )


def _flat(circuit: QuantumCircuit) -> Iterator[CircuitInstruction]:
    """The instructions with loops, boxes and instructions that measure opened."""
    for item in circuit.data:
        match item.operation:
            case ForLoopOp(params=[values, variable, body]):
                bodies = [
                    body.assign_parameters({variable: value})
                    if variable in body.parameters
                    else body
                    for value in values
                ]
            case BoxOp(blocks=[body]):
                bodies = [body]
            case Measure() | Reset() | ControlFlowOp():
                yield item
                continue
            case operation if _is_pure(operation):
                yield item
                continue
            case operation:
                bodies = [operation.definition]
        for body in bodies:
            inside, outside = (*body.qubits, *body.clbits), (*item.qubits, *item.clbits)
            outer = dict(zip(inside, outside, strict=True))
            for inner in _flat(body):
                yield inner.replace(
                    qubits=[outer[bit] for bit in inner.qubits],
                    clbits=[outer.get(bit, bit) for bit in inner.clbits],
                )


def _without_final(circuit: QuantumCircuit) -> QuantumCircuit:
    """Without measurements after which nothing has their qubit or what they read."""
    acted_on: set[Any] = set()
    read: set[Any] = set()
    kept = []
    for item in reversed(circuit.data):
        if isinstance(item.operation, Measure):
            at_end = acted_on.isdisjoint(item.qubits) and read.isdisjoint(item.clbits)
            read.difference_update(item.clbits)
            if at_end:
                continue
        elif item.name not in ("barrier", "delay"):
            acted_on.update(item.qubits)
            read.update(item.clbits)
        kept.append(item)
    found = circuit.copy_empty_like()
    for item in reversed(kept):
        found.append(item)
    return found


def _run(
    circuit: QuantumCircuit,
    found: list[Branch],
    qubits: Sequence[int],
    bits: Mapping[Clbit, int],
) -> list[Branch]:
    phase = np.exp(1j * float(circuit.global_phase))
    found = [branch._replace(state=phase * branch.state) for branch in found]
    qubit_of = dict(zip(circuit.qubits, qubits, strict=True))
    for item in _flat(circuit):
        where = [qubit_of[qubit] for qubit in item.qubits]
        into = [bits[bit] for bit in item.clbits]
        found = [
            after for branch in found for after in _step(item.operation, branch, where, into, bits)
        ]
        if len(found) > _MOST_BRANCHES:
            raise JaxQNNError(
                f"The circuit has more than {_MOST_BRANCHES} branches, and each would be followed "
                "by itself. Verify a smaller one."
            )
    return found


def _step(
    operation: Any,
    branch: Branch,
    qubits: list[int],
    into: list[int],
    bits: Mapping[Clbit, int],
) -> list[Branch]:
    match operation:
        case _ if operation.name in ("barrier", "delay"):
            return [branch]
        case Measure() | Reset():
            return list(_outcomes(branch, qubits[0], into))
        case IfElseOp() | SwitchCaseOp():
            body = _chosen(operation, branch, bits)
            if body is None:
                return [branch]
            inner = dict(zip(body.clbits, into, strict=True))
            return _run(body, [branch], qubits, {**bits, **inner})
        case ControlFlowOp():
            raise UnsupportedCircuitError(
                f"{operation.name!r} has no fixed number of branches. Unroll it."
            )
    return [branch._replace(state=branch.state.evolve(operation, qubits))]


def _outcomes(branch: Branch, qubit: int, into: list[int]) -> Iterator[Branch]:
    """Both outcomes of a measurement; of a reset if it goes into no bit."""
    ones = np.arange(branch.state.dim) >> qubit & 1 == 1
    for outcome in range(2):
        amplitudes = np.where(ones == bool(outcome), branch.state.data, 0)
        if np.vdot(amplitudes, amplitudes).real <= _NEGLIGIBLE:
            continue
        if into:
            kept = list(branch.bits)
            kept[into[0]] = outcome
            yield Branch(Statevector(amplitudes, branch.state.dims()), tuple(kept))
        else:
            if outcome:
                amplitudes = amplitudes[np.arange(amplitudes.size) ^ (1 << qubit)]
            yield Branch(Statevector(amplitudes, branch.state.dims()), branch.bits)


def _chosen(operation: Any, branch: Branch, bits: Mapping[Clbit, int]) -> QuantumCircuit | None:
    """The body that a branch enters."""

    def value(target: Any) -> int:
        if isinstance(target, Clbit):
            return branch.bits[bits[target]]
        if isinstance(target, ClassicalRegister):
            return sum(value(bit) << i for i, bit in enumerate(target))
        known = {bit: branch.bits[index] for bit, index in bits.items()}
        return evaluate(target, known, f"{operation.name!r}")

    if isinstance(operation, IfElseOp):
        condition = operation.condition
        target, wanted = condition if isinstance(condition, tuple) else (condition, 1)
        bodies = [*operation.blocks, None]
        return bodies[0] if value(target) == int(wanted) else bodies[1]
    cases = list(operation.cases_specifier())
    found = value(operation.target)
    by_label = {label: body for labels, body in cases for label in labels}
    return by_label.get(found, by_label.get(CASE_DEFAULT))
