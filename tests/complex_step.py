"""An independent simulator whose parameters may be complex, and derivatives by complex steps.

A gate's matrix is analytic in its angles, but <psi(p)|O|psi(p)> is not: it has conj(p) in it. Its
continuation is f(p) = <psi(conj p)|O|psi(p)>, equal to it for real p, and there Im f = 0. So
Im f(p + i h) = h f'(p) - h^3 f'''(p)/6 + ... has no large part to cancel, and two steps remove the
second term: f' = (8 Im f(p + i h) - Im f(p + 2 i h)) / 6h + O(h^4). What is left is rounding, a
hundredth of that of central differences of their best step.

Nothing here is shared with the package: gates are matrices, applied one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oracles import Case
from qiskit.circuit import (
    AnnotatedOperation,
    ControlledGate,
    ControlModifier,
    InverseModifier,
    Parameter,
    ParameterExpression,
    QuantumCircuit,
)
from qiskit.circuit.library import (
    CUGate,
    HamiltonianGate,
    Initialize,
    PauliEvolutionGate,
    StatePreparation,
    UGate,
)
from qiskit.quantum_info import Operator
from qiskit.quantum_info.operators.base_operator import BaseOperator
from qiskit_machine_learning.circuit.library.raw_feature_vector import ParameterizedInitialize
from scipy.linalg import expm
from versions import EVOLUTION_IS_EXACT

Complexes = NDArray[np.complexfloating]
Values = Mapping[Parameter, complex]

STEP = 1e-5

PREPARATIONS = (Initialize, ParameterizedInitialize, StatePreparation)

I, X, Y, Z = np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])


def derivatives(
    case: Case, observables: Sequence[BaseOperator], inputs: Sequence[float], weights: Any
) -> tuple[Complexes, Complexes]:
    """Expectations (m,) and their derivatives (m, inputs + weights), of one sample."""
    point = np.array([*inputs, *weights], complex)
    parameters = (*case.inputs, *case.weights)
    matrices = [np.asarray(observable.to_matrix()) for observable in observables]

    units = STEP * np.eye(point.size)
    steps = [k * unit for unit in units for k in (1j, -1j, 2j, -2j)]
    points = [dict(zip(parameters, (point + step).tolist(), strict=True)) for step in (0, *steps)]
    here, *states = _final_states(case.circuit, points)
    value = np.array([np.vdot(here, matrix @ here) for matrix in matrices])
    slopes = []
    for i in range(0, len(states), 4):
        near, far = (
            np.array([np.vdot(bra, matrix @ ket).imag for matrix in matrices])
            for ket, bra in (states[i : i + 2], states[i + 2 : i + 4])
        )
        slopes.append((8 * near - far) / (6 * STEP))
    return value.real, np.array(slopes).T


def _final_states(circuit: QuantumCircuit, points: Sequence[Values]) -> Complexes:
    """The circuit's state at each of several points, from |0...0>."""
    states = np.zeros((len(points), 1 << circuit.num_qubits), complex)
    states[:, 0] = [np.exp(1j * number(circuit.global_phase, values)) for values in points]
    fresh = set(range(circuit.num_qubits))
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        parameters = _parameters(item.operation)
        at: dict[tuple[complex, ...], Complexes] = {}
        found = []
        for values in points:
            own = tuple(values[parameter] for parameter in parameters)
            if own not in at:
                at[own] = _whole(item.operation, values, fresh.issuperset(qubits))
            found.append(at[own])
        states = _on_each(np.array(found), qubits, states)
        fresh.difference_update(qubits)
    return states


def _parameters(gate: Any) -> tuple[Parameter, ...]:
    """All that a gate's matrix may depend on."""
    if isinstance(gate, AnnotatedOperation):
        return _parameters(gate.base_op)
    found: set[Parameter] = set()
    for value in gate.params:
        found |= set(getattr(value, "parameters", ()))
    if isinstance(gate, PauliEvolutionGate) and isinstance(gate.time, ParameterExpression):
        found |= set(gate.time.parameters)
    if not isinstance(gate, PREPARATIONS) and type(gate.definition) is QuantumCircuit:
        found |= set(gate.definition.parameters)
    return tuple(found)


def _on_each(found: Complexes, qubits: Sequence[int], states: Complexes) -> Complexes:
    """Matrices (P, 2^m, 2^m) on some qubits of states (P, 2^n), each on its own."""
    n, m = states.shape[1].bit_length() - 1, len(qubits)
    tensor = states.reshape((-1,) + (2,) * n)
    axes = [n - qubit for qubit in reversed(qubits)]
    first = np.moveaxis(tensor, axes, range(1, m + 1))
    moved = (found @ first.reshape(len(states), 1 << m, -1)).reshape(first.shape)
    return np.moveaxis(moved, range(1, m + 1), axes).reshape(states.shape)


def _whole(gate: Any, values: Values, is_start: bool) -> Complexes:
    """A gate's matrix, or one that takes |0> where a preparation at the start does."""
    if is_start and isinstance(gate, PREPARATIONS):
        vector = np.array([number(value, values) for value in gate.params])
        found = np.zeros((vector.size, vector.size), complex)
        is_given = isinstance(gate, ParameterizedInitialize)
        found[:, 0] = vector / np.sqrt(vector @ vector if is_given else 1)
        return found
    return matrix(gate, values)


def _applied(circuit: QuantumCircuit, values: Values, columns: Complexes) -> Complexes:
    """The circuit on each of several states."""
    columns = np.exp(1j * number(circuit.global_phase, values)) * columns
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        columns = _on(matrix(item.operation, values), qubits, columns)
    return columns


def _on(found: Complexes, qubits: Sequence[int], columns: Complexes) -> Complexes:
    """A matrix on some qubits, the first of them its least significant bit."""
    n, m = columns.shape[0].bit_length() - 1, len(qubits)
    tensor = columns.reshape((2,) * n + (-1,))
    axes = [n - 1 - qubit for qubit in reversed(qubits)]
    moved = np.tensordot(found.reshape((2,) * (2 * m)), tensor, axes=(range(m, 2 * m), axes))
    return np.moveaxis(moved, range(m), axes).reshape(columns.shape)


def number(value: Any, values: Values) -> complex:
    """A number, or an expression at complex values of its parameters."""
    if not isinstance(value, ParameterExpression) or not value.parameters:
        return complex(value)
    given = {parameter: values[parameter] for parameter in value.parameters}
    text = str(value).lower()  # Qiskit 2.0 writes Abs
    if not any(name in text for name in ("abs", "sign", "conj")):
        return complex(value.bind(given))
    # These Qiskit takes of complex numbers, and there they are not analytic: a five-point formula.
    real = {parameter: v.real for parameter, v in given.items()}

    def at(parameter: Parameter, distance: float) -> float:
        return complex(value.bind({**real, parameter: real[parameter] + distance})).real

    total = complex(value.bind(real)).real + 0j
    for parameter, v in given.items():
        near, far = (at(parameter, h) - at(parameter, -h) for h in (1e-4, 2e-4))
        total += 1j * v.imag * (8 * near - far) / 12e-4
    return total


def matrix(gate: Any, values: Values) -> Complexes:
    """The matrix of a gate at complex values of its parameters."""
    match gate:
        case AnnotatedOperation():
            found = matrix(gate.base_op, values)
            for modifier in gate.modifiers:
                if isinstance(modifier, InverseModifier):
                    found = np.linalg.inv(found)
                elif isinstance(modifier, ControlModifier):
                    found = _controlled(found, modifier.num_ctrl_qubits, modifier.ctrl_state)
                elif float(modifier.power).is_integer():
                    found = np.linalg.matrix_power(found, int(modifier.power))
                else:
                    assert not _has_parameters(gate.base_op)
                    found = np.asarray(Operator(found).power(modifier.power).data)
            return found
        case PauliEvolutionGate() if EVOLUTION_IS_EXACT:
            operators = gate.operator if isinstance(gate.operator, list) else [gate.operator]
            total = sum(operator.to_matrix() for operator in operators)
            return expm(-1j * number(gate.time, values) * total)
        case HamiltonianGate():
            return expm(-1j * number(gate.params[1], values) * gate.params[0])
        case _ if not _has_parameters(gate):
            return np.asarray(Operator(gate).data)
        case CUGate():
            *angles, phase = gate.params
            found = np.exp(1j * number(phase, values)) * matrix(UGate(*angles), values)
            return _controlled(found, 1, gate.ctrl_state)
        case _ if gate.name in MATRICES:
            return MATRICES[gate.name](*(number(value, values) for value in gate.params))
        case ControlledGate() if (
            gate.num_qubits == gate.num_ctrl_qubits + gate.base_gate.num_qubits
        ):
            return _controlled(
                matrix(gate.base_gate, values), gate.num_ctrl_qubits, gate.ctrl_state
            )
    return _applied(gate.definition, values, np.eye(1 << gate.num_qubits, dtype=complex))


def _has_parameters(gate: Any) -> bool:
    if isinstance(gate, AnnotatedOperation):
        return _has_parameters(gate.base_op)
    return any(getattr(value, "parameters", None) for value in gate.params) or (
        bool(gate.definition.parameters) if type(gate.definition) is QuantumCircuit else False
    )


def _controlled(found: Complexes, count: int, state: int) -> Complexes:
    """Controls are the least significant qubits."""
    wide = np.eye(found.shape[0] << count, dtype=complex)
    at = state + (np.arange(found.shape[0]) << count)
    wide[np.ix_(at, at)] = found
    return wide


def _rotation(*letters: NDArray[Any]) -> Callable[[complex], Complexes]:
    """exp(-i t/2 P); the last letter acts on the first qubit."""
    pauli = reduce(np.kron, letters)
    return lambda t: np.cos(t / 2) * np.eye(pauli.shape[0]) - 1j * np.sin(t / 2) * pauli


def _u(theta: complex, phi: complex, lam: complex) -> Complexes:
    c, s = np.cos(theta / 2), np.sin(theta / 2)
    return np.array(
        [[c, -np.exp(1j * lam) * s], [np.exp(1j * phi) * s, np.exp(1j * (phi + lam)) * c]]
    )


def _exchange(first: int, second: int) -> Callable[[complex, complex], Complexes]:
    """A rotation between two of the four basis states, with a phase."""

    def found(theta: complex, beta: complex) -> Complexes:
        wide = np.eye(4, dtype=complex)
        wide[first, first] = wide[second, second] = np.cos(theta / 2)
        wide[first, second] = -1j * np.sin(theta / 2) * np.exp(-1j * beta)
        wide[second, first] = -1j * np.sin(theta / 2) * np.exp(1j * beta)
        return wide

    return found


MATRICES: dict[str, Callable[..., Complexes]] = {
    "rx": _rotation(X),
    "ry": _rotation(Y),
    "rz": _rotation(Z),
    "rxx": _rotation(X, X),
    "ryy": _rotation(Y, Y),
    "rzz": _rotation(Z, Z),
    "rzx": _rotation(X, Z),
    "p": lambda t: np.diag([1, np.exp(1j * t)]),
    "u1": lambda t: np.diag([1, np.exp(1j * t)]),
    "u": _u,
    "u3": _u,
    "u2": lambda phi, lam: _u(np.pi / 2, phi, lam),
    "r": lambda t, phi: _rotation(np.cos(phi) * X + np.sin(phi) * Y)(t),
    "xx_plus_yy": _exchange(1, 2),
    "xx_minus_yy": _exchange(0, 3),
    "global_phase": lambda t: np.array([[np.exp(1j * t)]]),
}
