"""Seeded random circuits over everything that is lowered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from oracles import Case
from qiskit.circuit import Gate, ParameterVector, QuantumCircuit
from qiskit.circuit.library import (
    DiagonalGate,
    MCXGate,
    PauliEvolutionGate,
    PauliGate,
    PermutationGate,
    QFTGate,
    UCRYGate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import SparsePauliOp, random_unitary

STANDARD = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if name not in ("measure", "reset", "delay")
}


def random_gate(random: Generator, width: int, angle: Callable[[], Any]) -> Gate:
    """A gate on at most ``width`` qubits, its angles drawn by ``angle``."""
    names = [name for name, gate in STANDARD.items() if gate.num_qubits <= width]
    standard = STANDARD[str(random.choice(names))]
    if standard.params:
        standard = standard.base_class(*[angle() for _ in standard.params])
    two = random.normal(size=3)
    makers: list[Callable[[], Gate]] = [
        lambda: DiagonalGate(np.exp(1j * random.uniform(-3, 3, 4))),
        lambda: UnitaryGate(random_unitary(4, seed=random)),
        lambda: PauliGate("".join(random.choice(list("IXYZ"), 2))),
        lambda: PermutationGate(random.permutation(width)),
        lambda: MCXGate(width - 1, ctrl_state=int(random.integers(1 << (width - 1)))),
        lambda: QFTGate(width).inverse(),
        lambda: UCRYGate(random.uniform(-3, 3, 2).tolist()),
        lambda: PauliEvolutionGate(SparsePauliOp(["XX", "ZI", "YZ"], two), angle()),
        lambda: PauliEvolutionGate(SparsePauliOp(["ZZ", "XX"], two[:2]), angle()),
    ]
    if random.random() < 0.75 or width < 2:
        return standard
    return makers[random.integers(len(makers))]()


def random_case(seed: int, num_qubits: int = 3, num_gates: int = 12) -> Case:
    """A circuit with two inputs and three weights, in angles of every degree and kind."""
    random = np.random.default_rng(seed)
    x, w = ParameterVector("x", 2), ParameterVector("w", 3)

    def angle() -> Any:
        a, b = random.choice([*x, *w], 2)
        c = float(random.uniform(-2, 2))
        return [c, a, c * a, c * a + b, a * b, (c - a) * (c - b), (c * a).sin() + b][
            random.integers(7)
        ]

    circuit = QuantumCircuit(num_qubits, global_phase=x[0] - x[1] * w[0] + w[1] + w[2])
    for _ in range(num_gates):
        gate = random_gate(random, num_qubits, angle)
        qubits = [int(q) for q in random.permutation(num_qubits)]
        variant = random.integers(8)
        if variant == 0 and gate.num_qubits and _can_be_modified(gate):
            gate = gate.inverse()
        elif variant == 1 and gate.num_qubits and gate.num_qubits < num_qubits:
            state = int(random.integers(2))
            gate = gate.control(1, ctrl_state=state, annotated=_has_parameters(gate))
        elif variant == 2 and gate.num_qubits:
            gate = gate.power(2, annotated=True)
        circuit.append(gate, qubits[: gate.num_qubits])
    return Case(circuit, tuple(x), tuple(w))


def _has_parameters(gate: Gate) -> bool:
    return any(getattr(value, "parameters", None) for value in gate.params)


def _can_be_modified(gate: Gate) -> bool:
    return not isinstance(gate, PermutationGate)
