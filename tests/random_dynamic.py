"""Seeded random circuits that measure, reset and decide on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from oracles import Case
from qiskit.circuit import (
    ClassicalRegister,
    Parameter,
    ParameterVector,
    QuantumCircuit,
    QuantumRegister,
)
from qiskit.circuit.classical import expr
from qiskit.quantum_info import random_statevector
from random_circuits import random_angle, random_gate

# More would make the deferred circuit, and the oracle's branches, too many.
_MOST_OUTCOMES = 6


class _Maker:
    """Appends random instructions to a circuit, or to the body of one that is open."""

    def __init__(self, circuit: QuantumCircuit, random: Generator, parameters: Any) -> None:
        self.circuit, self.random, self.parameters = circuit, random, parameters
        self.left = _MOST_OUTCOMES

    def angle(self) -> Any:
        return random_angle(self.random, self.parameters)

    def qubit(self) -> int:
        return int(self.random.integers(self.circuit.num_qubits))

    def bit(self) -> int:
        return int(self.random.integers(self.circuit.num_clbits))

    def gate(self) -> None:
        gate = random_gate(self.random, self.circuit.num_qubits, self.angle)
        qubits = [int(q) for q in self.random.permutation(self.circuit.num_qubits)]
        self.circuit.append(gate, qubits[: gate.num_qubits])

    def simple_gate(self) -> None:
        """One that a branch may hold: no dense matrix, which controls would make too large."""
        kind = self.random.integers(6)
        a, b = (int(q) for q in self.random.permutation(self.circuit.num_qubits)[:2])
        c = self.circuit
        [
            lambda: c.ry(self.angle(), a),
            lambda: c.u(self.angle(), 0.4, self.angle(), a),
            lambda: c.cx(a, b),
            lambda: c.h(a),
            lambda: c.rzz(self.angle(), a, b),
            lambda: c.x(a),
        ][kind]()

    def condition(self) -> Any:
        c, d = self.circuit.cregs[:2]
        kind = self.random.integers(7)
        return [
            lambda: (self.circuit.clbits[self.bit()], int(self.random.integers(2))),
            lambda: (c, int(self.random.integers(4))),
            lambda: expr.bit_not(c[0]),
            lambda: expr.logic_and(c[0], expr.logic_not(d[0])),
            lambda: expr.less(c, int(self.random.integers(1, 4))),
            lambda: expr.not_equal(expr.bit_xor(c, 1), 2),
            lambda: expr.logic_or(expr.equal(c, 3), d[0]),
        ][kind]()

    def measure(self) -> None:
        if self.left:
            self.left -= 1
            self.circuit.measure(self.qubit(), self.bit())

    def reset(self) -> None:
        if self.left:
            self.left -= 1
            self.circuit.reset(self.qubit())

    def body(self, depth: int) -> None:
        for _ in range(int(self.random.integers(1, 4))):
            kind = self.random.random()
            if kind < 0.15:
                self.measure()
            elif kind < 0.25:
                self.reset()
            elif kind < 0.4 and depth:
                self.branch(depth - 1)
            else:
                self.simple_gate()

    def branch(self, depth: int) -> None:
        kind = self.random.random()
        if kind < 0.65:
            with self.circuit.if_test(self.condition()) as otherwise:
                self.body(depth)
            if self.random.random() < 0.5:
                with otherwise:
                    self.body(depth)
        elif kind < 0.85:
            with self.circuit.switch(self.circuit.cregs[0]) as case:
                with case(0, 2):
                    self.body(depth)
                with case(case.DEFAULT):
                    self.body(depth)
        else:
            with self.circuit.for_loop([1, 3], Parameter(f"k{self.left}{depth}")) as step:
                self.circuit.rx(step * self.angle() / 3, self.qubit())
                self.simple_gate()

    def start_again(self) -> None:
        if self.left:
            self.left -= 1
            self.circuit.initialize(random_statevector(2, seed=self.random), self.qubit())

    def inside(self) -> None:
        """A measurement inside an instruction."""
        if self.left:
            self.left -= 1
            body = QuantumCircuit(1, 1, name="readout", global_phase=0.3)
            body.h(0)
            body.measure(0, 0)
            self.circuit.append(body.to_instruction(), [self.qubit()], [self.bit()])


def random_dynamic_case(seed: int, num_qubits: int = 3, num_steps: int = 12) -> Case:
    """A circuit with two inputs and three weights, of two registers and a bit of its own.

    Some have a register that nothing is measured into, ``meas`` among their names, or not.
    """
    random = np.random.default_rng([seed, 7])
    x, w = ParameterVector("x", 2), ParameterVector("w", 3)
    circuit = QuantumCircuit(
        QuantumRegister(num_qubits, "q"), ClassicalRegister(2, "c"), ClassicalRegister(1, "d")
    )
    maker = _Maker(circuit, random, [*x, *w])
    for parameter in (*x, *w):
        circuit.ry(parameter, maker.qubit())
    for _ in range(num_steps):
        kind = random.random()
        if kind < 0.2:
            maker.measure()
        elif kind < 0.28:
            maker.reset()
        elif kind < 0.45:
            maker.branch(1)
        elif kind < 0.5:
            maker.start_again()
        elif kind < 0.53:
            maker.inside()
        elif kind < 0.75:
            maker.simple_gate()
        else:
            maker.gate()
    if random.random() < 0.3:
        circuit.add_register(ClassicalRegister(1, "unread"))
    if random.random() < 0.6:
        circuit.barrier()
        circuit.measure(maker.qubit(), 0)
        circuit.delay(5, 0)
    if random.random() < 0.3:
        circuit.measure_all()
    return Case(circuit, tuple(x), tuple(w))
