"""Qiskit circuits as plain gate lists and angle tables, the common ground of all peers.

Each peer gets the same gate list and writes every gate in its own fastest native form. Angles are
evaluated together: theta_k = c_k + sum_i L_ki p_i + sum_m q_m p_i(m) p_j(m), so that no peer pays
for one small expression per gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression

from .problems import Problem

CONSTANT_GATES = frozenset(["h", "x", "y", "z", "s", "sdg", "t", "tdg", "sx", "cx", "cz", "swap"])
ANGLE_GATES = frozenset(
    ["rx", "ry", "rz", "p", "cp", "crx", "cry", "crz", "rxx", "ryy", "rzz", "xx_plus_yy"]
)


class Op(NamedTuple):
    """One gate.

    Attributes:
        name: Qiskit's name.
        qubits: The first is the least significant bit of the matrix's labels.
        angle: An index into the angle table, or None for a constant gate.
        matrix: The matrix of a `unitary`, or None for a gate that its name tells.
    """

    name: str
    qubits: tuple[int, ...]
    angle: int | None = None
    matrix: np.ndarray | None = None


@dataclass(frozen=True)
class AngleTable:
    """All angles of a circuit as quadratic polynomials of its parameters.

    Attributes:
        constant: c, of shape (K,).
        linear: L, of shape (K, P).
        rows: The angle that each product belongs to, of shape (M,).
        factors: The two parameters of each product, of shape (2, M).
        products: The coefficients q of the products, of shape (M,).
    """

    constant: np.ndarray
    linear: np.ndarray
    rows: np.ndarray
    factors: np.ndarray
    products: np.ndarray

    def angles(self, params: Any, xp: Any = np) -> Any:
        """Return the angles of shape (K,) at `params` of shape (P,), with numpy or jax.numpy."""
        theta = xp.asarray(self.constant) + xp.asarray(self.linear) @ params
        if len(self.rows):
            scatter = np.zeros((len(self.constant), len(self.rows)))
            scatter[self.rows, np.arange(len(self.rows))] = self.products
            theta = theta + xp.asarray(scatter) @ (
                params[self.factors[0]] * params[self.factors[1]]
            )
        return theta

    def jacobian(self, params: np.ndarray) -> np.ndarray:
        """Return d theta_k / d p_i of shape (K, P) at `params` of shape (P,)."""
        derivative = self.linear.copy()
        first, second = self.factors
        np.add.at(derivative, (self.rows, first), self.products * params[second])
        np.add.at(derivative, (self.rows, second), self.products * params[first])
        return derivative

    def moved_by(self, first: int) -> np.ndarray:
        """Return which angles depend on a parameter of index `first` or later, of shape (K,)."""
        of_products = self.rows[(self.factors >= first).any(axis=0)]
        return np.any(self.linear[:, first:], axis=1) | np.isin(
            np.arange(len(self.constant)), of_products
        )


class Translation(NamedTuple):
    """A problem's circuit as gates and angles; parameters are inputs, then weights."""

    num_qubits: int
    ops: list[Op]
    table: AngleTable


def translate(problem: Problem, *, ladders: bool = True) -> Translation:
    """Return the problem's circuit as a gate list and an angle table.

    Args:
        problem: The problem.
        ladders: Whether CX P CX on the same pair becomes one RZZ, which most simulators apply
            faster than three gates.
    """
    circuit, inputs, weights = problem.parameterized
    params = [*inputs, *weights]
    ops, angles = _read_gates(circuit)
    if ladders:
        ops = _fuse_ladders(ops)
    used = sorted({op.angle for op in ops if op.angle is not None})
    renumber = {old: new for new, old in enumerate(used)}
    ops = [op if op.angle is None else op._replace(angle=renumber[op.angle]) for op in ops]
    return Translation(circuit.num_qubits, ops, _tabulate([angles[k] for k in used], params))


def _read_gates(circuit: QuantumCircuit) -> tuple[list[Op], list[Any]]:
    ops: list[Op] = []
    angles: list[Any] = []
    for index, instruction in enumerate(circuit.data):
        name = instruction.name
        qubits = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        if name in CONSTANT_GATES:
            ops.append(Op(name, qubits))
        elif name in ANGLE_GATES:
            if name == "xx_plus_yy" and instruction.operation.params[1] != 0:
                raise ValueError(f"Instruction {index} ({name!r}) has a phase beta; use beta = 0.")
            # A phase is an RZ up to a global phase, which no output here can see.
            ops.append(Op("rz" if name == "p" else name, qubits, len(angles)))
            angles.append(instruction.operation.params[0])
        elif name == "unitary":
            ops.append(Op(name, qubits, matrix=instruction.operation.to_matrix()))
        elif name != "barrier":
            raise ValueError(
                f"Instruction {index} ({name!r} on qubits {qubits}) has no translation. "
                "Add it to benchmarks/translate.py and to every peer, or decompose the circuit."
            )
    return ops, angles


def _fuse_ladders(ops: list[Op]) -> list[Op]:
    """Turn CX(a,b) RZ(b) CX(a,b) into RZZ(a,b)."""
    fused: list[Op] = []
    for op in ops:
        if op.name == "cx" and len(fused) >= 2:
            control, target = op.qubits
            middle, first = fused[-1], fused[-2]
            if first == op and middle.name == "rz" and middle.qubits == (target,):
                fused[-2:] = [Op("rzz", (control, target), middle.angle)]
                continue
        fused.append(op)
    return fused


def _tabulate(angles: list[Any], params: list[Parameter]) -> AngleTable:
    """Expand every angle around zero, and check that nothing of third order was left out."""
    position = {param: i for i, param in enumerate(params)}
    constant = np.zeros(len(angles))
    linear = np.zeros((len(angles), len(params)))
    rows: list[int] = []
    factors: list[tuple[int, int]] = []
    products: list[float] = []
    for k, angle in enumerate(angles):
        variables = _variables(angle)
        constant[k] = _at_zero(angle)
        for first in variables:
            slope = angle.gradient(first)
            linear[k, position[first]] = _at_zero(slope)
            for second in _variables(slope):
                if position[second] < position[first]:
                    continue  # seen from the other side
                curvature = slope.gradient(second)
                if _variables(curvature):
                    raise ValueError(
                        f"The angle {angle} is not a quadratic polynomial. "
                        "Benchmark circuits keep to those."
                    )
                rows.append(k)
                factors.append((position[first], position[second]))
                products.append(_at_zero(curvature) / (2 if first == second else 1))
    pairs = np.array(factors, dtype=int).reshape(-1, 2).T
    return AngleTable(constant, linear, np.array(rows, dtype=int), pairs, np.array(products))


def _variables(value: object) -> list[Parameter]:
    return list(value.parameters) if isinstance(value, ParameterExpression) else []


def _at_zero(value: ParameterExpression | complex) -> float:
    if isinstance(value, ParameterExpression):
        value = value.bind(dict.fromkeys(value.parameters, 0.0)).numeric()
    return complex(value).real
