"""What of a deferred circuit the results depend on.

Steps are looked at from the last to the first, with what later ones and the reading at the end do
to each qubit: nothing, only what keeps its value (a control, a phase, a reading in Z), or more.

* A step is left out if it changes only qubits that nothing looks at again, and of the others leaves
  the values, which is all that is looked at again: then it can be told from no step only by phases
  between values, and these are traced out or squared away.
* A copy is left out, and the measured qubit read in its place, if the values of that qubit are all
  that is looked at again, or if the measurement is at the end: observables pass over it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from qiskit.circuit import QuantumCircuit

from jaxqnn.circuit.deferred import Conditional, Copy, Deferral, Step
from jaxqnn.circuit.operations import (
    Block,
    ControlledFlip,
    Operation,
    PauliRotation,
    acts_on,
)


class Reads(NamedTuple):
    """What is read at the end of a circuit.

    Attributes:
        bits: Classical bits.
        values: Qubits that are read in Z only.
        states: Qubits that are read in any basis.
        is_pure: Whether amplitudes are read, of which there are none after a measurement.
    """

    bits: frozenset[int] = frozenset()
    values: frozenset[int] = frozenset()
    states: frozenset[int] = frozenset()
    is_pure: bool = False


def everything(circuit: QuantumCircuit) -> Reads:
    """All bits, and all qubits in any basis."""
    return Reads(
        bits=frozenset(range(circuit.num_clbits)), states=frozenset(range(circuit.num_qubits))
    )


class Live(NamedTuple):
    """What is left of a deferred circuit.

    Attributes:
        operations: In order.
        same_as: For each copy that was left out, the qubit to read in its place.
    """

    operations: list[Operation]
    same_as: dict[int, int]


def without_copies(steps: Iterable[Step]) -> Live:
    """The circuit of which nothing but measurements at the end was deferred."""
    operations: list[Operation] = []
    same_as: dict[int, int] = {}
    for step in steps:
        if isinstance(step, Copy):
            same_as[step.copy] = step.measured
        else:
            assert not isinstance(step, Conditional)
            operations.append(step)
    return Live(operations, same_as)


def live(deferral: Deferral, reads: Reads) -> Live:
    """The steps that what is read at the end depends on."""
    steps, wires, holders = deferral.steps, deferral.wires, deferral.holders
    at_end = deferral.copies_at_end()
    by_value = {holders[bit] for bit in reads.bits if bit in holders}
    by_value.update(wires[qubit] for qubit in reads.values)
    by_state = {wires[qubit] for qubit in reads.states}
    # Which qubits are in one step with a copy: it cannot be the same qubit as one of those.
    beside: dict[int, set[int]] = {step.copy: set() for step in steps if isinstance(step, Copy)}
    kept: list[Operation] = []
    same_as: dict[int, int] = {}
    operations: list[Operation]
    for step in reversed(steps):
        if isinstance(step, Copy):
            measured, copy = step
            if copy in at_end or measured not in by_state:
                if copy not in by_value:
                    continue
                if measured not in beside[copy]:
                    same_as[copy] = measured
                    by_value.add(measured)
                    for other in beside[copy] & beside.keys():
                        beside[other].add(measured)
                    continue
            changed, operations = {copy}, [ControlledFlip(measured, copy)]
            touched = {measured, copy}
        else:
            operations = list(step.operations) if isinstance(step, Conditional) else [step]
            touched = {qubit for operation in operations for qubit in acts_on(operation)}
            changed = {qubit for operation in operations for qubit in _changed(operation)}
            if isinstance(step, Conditional):
                touched.update(step.controls)
                changed.difference_update(step.controls)
            if changed.isdisjoint(by_value | by_state) and touched.isdisjoint(by_state):
                continue
        kept += reversed(operations)
        by_state |= changed
        by_value |= touched - changed
        for copy in touched & beside.keys():
            beside[copy] |= touched
    return Live(kept[::-1], same_as)


def _changed(operation: Operation) -> Iterable[int]:
    """The qubits whose value an operation may change."""
    match operation:
        case PauliRotation(x, _, angle):
            return acts_on(PauliRotation(x, 0, angle))
        case ControlledFlip(_, target):
            return (target,)
        case Block(qubits, matrix):
            rows, columns = np.nonzero(matrix)
            differ = np.bitwise_or.reduce(rows ^ columns)
            return [qubit for i, qubit in enumerate(qubits) if differ >> i & 1]
        case _:
            return acts_on(operation)
