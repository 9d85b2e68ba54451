"""What makes two circuits, or two observables, the same computation.

A key is a hashable value that is equal only where the results are equal.  Two circuits that differ
in nothing but their `Parameter` objects have one key, because points are rows of numbers in
``circuit.parameters`` order; a circuit that is changed in place gets another key.  Where nothing
cheap is certain (a gate class with a definition of its own), the object itself is the key: then
equal circuits may be told apart, but never different ones confused.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from qiskit.circuit import (
    CircuitInstruction,
    ControlledGate,
    Gate,
    Instruction,
    Operation,
    Parameter,
    ParameterExpression,
    QuantumCircuit,
)
from qiskit.circuit.library import UnitaryGate
from qiskit.quantum_info import Operator, Pauli, SparseObservable, SparsePauliOp

# Instructions that their name and parameters describe completely, besides the standard gates.
_NAMED = frozenset({"barrier", "delay", "measure", "reset"})


class _Same:
    """An object compared by identity, and kept alive so that the identity stays its own."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


def circuit_key(circuit: QuantumCircuit) -> Hashable:
    """Return a value equal for circuits that compute the same from the same row of numbers."""
    parameters = circuit.parameters
    # Names are unique within a circuit, so a printed expression and the list of names say it all.
    columns = {parameter: column for column, parameter in enumerate(parameters)}
    names = tuple(parameter.name for parameter in parameters)
    registers = tuple(
        (register.name, tuple(circuit.find_bit(bit).index for bit in register))
        for register in circuit.cregs
    )
    return (circuit.num_qubits, registers, names, *_body(circuit, columns))


def _body(circuit: QuantumCircuit, columns: dict[Parameter, int]) -> tuple[Hashable, ...]:
    qubits = {bit: index for index, bit in enumerate(circuit.qubits)}
    clbits = {bit: index for index, bit in enumerate(circuit.clbits)}
    rows = [
        (
            tuple([qubits[bit] for bit in instruction.qubits]),
            tuple([clbits[bit] for bit in instruction.clbits]),
            _instruction(instruction, columns),
        )
        for instruction in circuit.data
    ]
    return (len(clbits), _number(circuit.global_phase, columns), tuple(rows))


def _instruction(instruction: CircuitInstruction, columns: dict[Parameter, int]) -> Hashable:
    name = instruction.name
    if instruction.is_standard_gate() or name in _NAMED:
        return (name, tuple([_number(value, columns) for value in instruction.params]))
    return (name, _operation(instruction.operation, columns))


def _operation(operation: Operation, columns: dict[Parameter, int]) -> Hashable:
    kind = type(operation)
    if kind is UnitaryGate:
        return np.asarray(operation.params[0]).tobytes()
    if kind is ControlledGate:
        control = (operation.num_ctrl_qubits, operation.ctrl_state)
        return (control, operation.base_gate.name, _operation(operation.base_gate, columns))
    if kind in (Gate, Instruction) and operation.definition is not None:
        return _body(operation.definition, columns)
    if getattr(kind, "__module__", "").startswith("qiskit.circuit.library.standard_gates"):
        return (
            kind,
            getattr(operation, "ctrl_state", None),
            tuple(_number(value, columns) for value in operation.params),
        )
    values = tuple(_number(value, columns) for value in getattr(operation, "params", ()))
    return (_Same(operation), values)


def _number(value: Any, columns: dict[Parameter, int]) -> Hashable:
    if isinstance(value, Parameter):
        # A definition may hold a parameter under a circuit that has it under the same identity.
        return ("column", columns.get(value, _Same(value)))
    if isinstance(value, ParameterExpression):
        used = tuple(sorted((p.name, columns.get(p, -1)) for p in value.parameters))
        return ("expression", str(value), used)
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    if isinstance(value, int | float | complex | str | np.number):
        return value
    return _Same(value)


def observable_key(observable: object) -> Hashable:
    """Return a value equal for observables with the same terms in the same order."""
    if isinstance(observable, Pauli):
        observable = SparsePauliOp(observable)
    if isinstance(observable, SparsePauliOp):
        paulis = observable.paulis
        arrays = (paulis.x, paulis.z, paulis.phase, observable.coeffs)
        return (observable.num_qubits, *(np.asarray(array).tobytes() for array in arrays))
    if isinstance(observable, SparseObservable):
        arrays = (
            observable.coeffs,
            observable.bit_terms,
            observable.indices,
            observable.boundaries,
        )
        return (observable.num_qubits, *(np.asarray(array).tobytes() for array in arrays))
    if isinstance(observable, Operator):
        return (observable.data.shape, observable.data.tobytes())
    return _Same(observable)
