"""What makes two circuits, or two observables, the same computation.

A key is a hashable value that is equal only where the results are equal.  It is read off what the
lowering reads, and nothing else: standard gates are their names and numbers, gates made of circuits
their definitions, and any other instruction is what it is lowered to.  Two circuits that differ in
nothing but their `Parameter` objects have one key, because points are rows of numbers in
``circuit.parameters`` order; a circuit that is changed in place gets another key.  What cannot be
read has no key, and is not shared.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    BoxOp,
    CircuitInstruction,
    Clbit,
    ControlledGate,
    ControlModifier,
    Delay,
    ForLoopOp,
    Gate,
    IfElseOp,
    Instruction,
    InverseModifier,
    Measure,
    Parameter,
    ParameterExpression,
    PowerModifier,
    QuantumCircuit,
    Reset,
)
from qiskit.circuit.library import PauliEvolutionGate, UnitaryGate
from qiskit.quantum_info import Operator, Pauli, SparseObservable, SparsePauliOp

from jaxqnn.circuit.expressions import Expressions
from jaxqnn.circuit.library import Walk
from jaxqnn.errors import JaxQNNError
from jaxqnn.measure.observables import with_numbers

# Instructions that their class describes completely; a delay's duration changes no state.
_PLAIN = (Barrier, Delay, Measure, Reset)

Columns = Mapping[Parameter, int]


class _NoKeyError(Exception):
    """Something that may change without its key."""


def circuit_key(circuit: QuantumCircuit) -> Hashable | None:
    """Return a value equal for circuits that compute the same from the same row of numbers.

    Args:
        circuit: Any circuit.

    Returns:
        The key; None if nothing certain can be said, so that the circuit must not be shared.
    """
    columns = {parameter: column for column, parameter in enumerate(circuit.parameters)}
    registers = tuple(
        (register.name, tuple(circuit.find_bit(bit).index for bit in register))
        for register in circuit.cregs
    )
    try:
        return (circuit.num_qubits, registers, len(columns), *_body(circuit, columns))
    except _NoKeyError:
        return None


def _body(circuit: QuantumCircuit, columns: Columns) -> tuple[Hashable, ...]:
    qubits = {bit: index for index, bit in enumerate(circuit.qubits)}
    clbits = {bit: index for index, bit in enumerate(circuit.clbits)}
    rows = [
        (
            tuple([qubits[bit] for bit in instruction.qubits]),
            tuple([clbits[bit] for bit in instruction.clbits]),
            _instruction(instruction, columns, clbits),
        )
        for instruction in circuit.data
    ]
    return (len(clbits), _number(circuit.global_phase, columns), tuple(rows))


def _instruction(
    instruction: CircuitInstruction, columns: Columns, clbits: Mapping[Clbit, int]
) -> Hashable:
    if instruction.is_standard_gate():
        return (instruction.name, *[_number(value, columns) for value in instruction.params])
    return _operation(instruction.operation, columns, clbits)


def _operation(operation: Any, columns: Columns, clbits: Mapping[Clbit, int]) -> Hashable:
    match operation:
        case IfElseOp():
            blocks = [_body(block, columns) for block in operation.blocks]
            return ("if", _condition(operation.condition, clbits), *blocks)
        case ForLoopOp():
            values, variable, body = operation.params
            inner = columns if variable is None else {**columns, variable: len(columns)}
            return ("for", tuple(values), variable is None, _body(body, inner))
        case BoxOp():
            return ("box", _body(operation.blocks[0], columns))
        case AnnotatedOperation():
            modifiers = [_modifier(modifier, columns) for modifier in operation.modifiers]
            return (*modifiers, _operation(operation.base_op, columns, clbits))
        case PauliEvolutionGate():
            return _evolution(operation, columns)
    kind = type(operation)
    plain = getattr(operation, "base_class", kind)
    if plain in _PLAIN:
        return plain.__name__
    if kind is UnitaryGate:
        return ("unitary", _array(operation.params[0]))
    # Of a controlled gate, Qiskit binds the definition, and leaves that of the base gate stale.
    if kind in (ControlledGate, Gate, Instruction) and operation.definition is not None:
        return _body(operation.definition, columns)
    return _lowering(operation, columns)


def _condition(condition: Any, clbits: Mapping[Clbit, int]) -> Hashable:
    if not isinstance(condition, tuple):
        raise _NoKeyError  # an expression evaluated in real time
    target, value = condition
    bits = [target] if isinstance(target, Clbit) else list(target)
    if not all(bit in clbits for bit in bits):
        raise _NoKeyError
    return (tuple(clbits[bit] for bit in bits), int(value))


def _modifier(modifier: Any, columns: Columns) -> Hashable:
    match modifier:
        case InverseModifier():
            return "inverse"
        case PowerModifier(power=power):
            return ("power", _number(power, columns))
        case ControlModifier(num_ctrl_qubits=count, ctrl_state=state):
            return ("control", count, state)
    raise _NoKeyError


def _evolution(gate: PauliEvolutionGate, columns: Columns) -> Hashable:
    """An evolution by its operators and its time: what it is lowered to may be large."""
    operators = gate.operator if isinstance(gate.operator, list) else [gate.operator]
    keys = [observable_key(operator) for operator in operators]
    if None in keys or type(gate) is not PauliEvolutionGate:
        raise _NoKeyError
    # Older versions of Qiskit take the gate for its product formula, which is in its definition.
    exact = "to_matrix" in vars(PauliEvolutionGate)
    formula = None if exact else _body(gate.definition, columns)
    return ("evolution", tuple(keys), _number(gate.time, columns), formula)


def _lowering(operation: Any, columns: Columns) -> Hashable:
    """What an instruction is lowered to, whatever class it is of."""
    walk = Walk(Expressions(tuple(columns)))
    qubits = tuple(range(operation.num_qubits))
    try:
        operations, phase = walk.instruction(operation, qubits, f"{operation.name!r}")
    except JaxQNNError:
        raise _NoKeyError from None  # it is refused, with its place, when the circuit is lowered
    return (_data(operations), _data(phase), _data(walk.start), walk.expressions.atoms)


def _data(value: Any) -> Hashable:
    """Frozen dataclasses, mappings and arrays as tuples."""
    if value is None or isinstance(value, int | float | complex | str):
        return value
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, Mapping):
        return tuple(sorted(value.items()))
    if isinstance(value, list | tuple):
        return tuple([_data(part) for part in value])
    return (type(value), *[(name, _data(part)) for name, part in vars(value).items()])


def _array(value: Any) -> Hashable:
    array = np.asarray(value)
    if array.dtype == object:
        raise _NoKeyError
    return (array.shape, array.dtype.str, array.tobytes())


def _number(value: Any, columns: Columns) -> Hashable:
    if isinstance(value, Parameter):
        return ("column", _column(value, columns))
    if isinstance(value, ParameterExpression):
        if not value.parameters:
            return complex(value)
        # Under names that say the column: a user's may read like expressions themselves.
        renamed = {p: _canonical(_column(p, columns)) for p in value.parameters}
        return ("expression", str(value.subs(renamed)))
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, int | float | complex | str | np.number):
        return value
    raise _NoKeyError


def _column(parameter: Parameter, columns: Columns) -> int:
    if parameter not in columns:
        raise _NoKeyError
    return columns[parameter]


@lru_cache(maxsize=1 << 16)
def _canonical(column: int) -> Parameter:
    return Parameter(f"p{column}")


def observable_key(observable: object) -> Hashable | None:
    """Return a value equal for observables with the same terms in the same order.

    Args:
        observable: Any observable.

    Returns:
        The key; None if nothing certain can be said, so that the observable must not be shared.
    """
    if isinstance(observable, Pauli):
        observable = SparsePauliOp(observable)
    if isinstance(observable, SparsePauliOp):
        observable = with_numbers(observable)
    try:
        if isinstance(observable, SparsePauliOp):
            paulis = observable.paulis
            parts: Iterable[Any] = (paulis.x, paulis.z, paulis.phase, observable.coeffs)
            return (observable.num_qubits, *[_array(part) for part in parts])
        if isinstance(observable, SparseObservable):
            parts = (
                observable.coeffs,
                observable.bit_terms,
                observable.indices,
                observable.boundaries,
            )
            return (observable.num_qubits, *[_array(part) for part in parts])
        if isinstance(observable, Operator):
            return _array(observable.data)
    except _NoKeyError:
        pass
    return None
