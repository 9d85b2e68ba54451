"""Seeded random circuits over everything that is lowered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.random import Generator
from oracles import Case
from qiskit import generate_preset_pass_manager
from qiskit.circuit import CircuitError, ClassicalRegister, Gate, ParameterVector, QuantumCircuit
from qiskit.circuit.library import (
    DiagonalGate,
    HamiltonianGate,
    Initialize,
    Isometry,
    LinearFunction,
    MCMTGate,
    MCPhaseGate,
    MCXGate,
    PauliEvolutionGate,
    PauliGate,
    PermutationGate,
    QFTGate,
    RYGate,
    StatePreparation,
    UCGate,
    UCRXGate,
    UCRYGate,
    UCRZGate,
    UnitaryGate,
    efficient_su2,
    excitation_preserving,
    get_standard_gate_name_mapping,
    qaoa_ansatz,
    quantum_volume,
    real_amplitudes,
    zz_feature_map,
)
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import (
    SparsePauliOp,
    random_clifford,
    random_hermitian,
    random_statevector,
    random_unitary,
)
from qiskit_machine_learning.circuit.library import raw_feature_vector

STANDARD = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if name not in ("measure", "reset", "delay")
}

Draw = Callable[[], Any]

# Of two parameters and a number, with a value where |a|, |b| < REACH: every operation there is, and
# kinks and branches near the origin and far from it.
REACH = 12.0
EXPRESSIONS: list[Callable[[Any, Any, float], Any]] = [
    lambda a, b, c: c,
    lambda a, b, c: a,
    lambda a, b, c: c * a,
    lambda a, b, c: c * a + b,
    lambda a, b, c: a * b,
    lambda a, b, c: (c - a) * (c - b),
    lambda a, b, c: (a - b / 2) ** 2,
    lambda a, b, c: (c * a).sin() + b,
    lambda a, b, c: (2 * a).cos() * (c * b),
    lambda a, b, c: (a / 9).tan(),
    lambda a, b, c: (a / 13).arcsin() - (b / 13).arccos(),
    lambda a, b, c: (c * a - b).arctan(),
    lambda a, b, c: (a / 4).exp() * c,
    lambda a, b, c: (a + 13).log() + b**3 / 80,
    lambda a, b, c: abs(a) * b - abs(b - 2.5),
    lambda a, b, c: a.sign() * b + c,
    lambda a, b, c: (a + 13) ** 0.5 - 2 ** (b / 4),
    lambda a, b, c: (a + 13) ** (b / 8),
    lambda a, b, c: b / (a + 13) - 1 / (13.5 - b),
    lambda a, b, c: a.conjugate() - c,
    lambda a, b, c: abs(a - 3) + c * abs(b + 5),
    lambda a, b, c: (a - 3).sign() * abs(a - b - 1),
    lambda a, b, c: (a - 3 + abs(a - 3)) / 2 - (a.sign() + 1) * b / 2,
    lambda a, b, c: ((a - 3) ** 2) ** 0.5 * c,
    lambda a, b, c: (a + c).sin().arcsin() + b.tan().arctan(),
    lambda a, b, c: (b + 2).cos().arccos() - c,
    lambda a, b, c: abs(a * b - 50) / 4,
    lambda a, b, c: abs((3.1 - a) * (2.2 - b)) / 4,
    lambda a, b, c: abs((a + c).log()) - abs((b - 3) ** 0.5),
    lambda a, b, c: abs(abs(abs(a) - 4) - 2) * c,
]


def random_angle(random: Generator, parameters: Any) -> Any:
    """An expression of two parameters, perhaps the same one twice, or a number."""
    a, b = random.choice(parameters, 2)
    make = EXPRESSIONS[random.integers(len(EXPRESSIONS))]
    number = float(random.uniform(-2, 2))
    found = make(a, b, number)
    # An expression that loses its parameters on the way is none that Qiskit binds.
    return found if getattr(found, "parameters", ()) else number


def random_gate(random: Generator, width: int, angle: Draw, *, exact: bool = True) -> Gate:
    """A gate on at most ``width`` qubits, its angles drawn by ``angle``.

    Without ``exact``, one that Qiskit's transpiler takes, and not for a product formula.
    """
    if random.random() < 0.7:
        names = [name for name, gate in STANDARD.items() if gate.num_qubits <= width]
        standard = STANDARD[str(random.choice(names))]
        if standard.params:
            standard = standard.base_class(*[angle() for _ in standard.params])
        return standard
    size = int(random.integers(1, min(width, 3) + 1))
    makers = _makers(random, width, size, angle)
    if exact:
        makers += [
            lambda: PauliEvolutionGate(_hamiltonian(random, width), angle()),
            lambda: PauliEvolutionGate([_hamiltonian(random, size) for _ in range(2)], angle()),
            lambda: HamiltonianGate(random_hermitian(1 << size, seed=random), angle()),
        ]
    return makers[random.integers(len(makers))]()


def _makers(random: Generator, width: int, size: int, angle: Draw) -> list[Callable[[], Gate]]:
    """What there is beside the standard gates, on up to ``width`` qubits or on ``size``."""
    rotations = random.uniform(-3, 3, 1 << (size - 1)).tolist()
    found: list[Callable[[], Gate]] = [
        lambda: DiagonalGate(np.exp(1j * random.uniform(-3, 3, 1 << size))),
        lambda: UnitaryGate(random_unitary(1 << size, seed=random)),
        lambda: PauliGate("".join(random.choice(list("IXYZ"), size))),
        lambda: PermutationGate(random.permutation(width)),
        lambda: LinearFunction(PermutationGate(random.permutation(size))),
        lambda: random_clifford(size, seed=random).to_circuit().to_gate(),
        lambda: QFTGate(size).inverse(),
        lambda: UCRXGate(rotations),
        lambda: UCRYGate(rotations),
        lambda: UCRZGate(rotations),
        lambda: UCGate([random_unitary(2, seed=random).data for _ in rotations]),
        lambda: Isometry(random_unitary(1 << size, seed=random).data[:, : 1 << size // 2], 0, 0),
        lambda: StatePreparation(random_statevector(1 << size, seed=random)),
    ]
    if width > 1:
        state = int(random.integers(1 << (width - 1)))
        found += [
            lambda: MCXGate(width - 1, ctrl_state=state),
            lambda: MCPhaseGate(angle(), width - 1, ctrl_state=state),
            lambda: MCMTGate(RYGate(angle()), 1, width - 1, ctrl_state=state & 1),
            lambda: _library_circuit(random, angle),
        ]
    return found


def _hamiltonian(random: Generator, width: int) -> SparsePauliOp:
    """Three strings that need not commute."""
    labels = ["".join(random.choice(list("IXYZ"), width)) for _ in range(3)]
    return SparsePauliOp(labels, random.normal(size=3))


def _library_circuit(random: Generator, angle: Draw) -> Gate:
    """An ansatz or feature map on two qubits as one gate, its parameters drawn anew."""
    makers: list[Callable[[], QuantumCircuit]] = [
        lambda: real_amplitudes(2, reps=1),
        lambda: efficient_su2(2, reps=1),
        lambda: excitation_preserving(2, reps=1, mode="fsim"),
        lambda: zz_feature_map(2, reps=1, parameter_prefix="y"),
        lambda: qaoa_ansatz(SparsePauliOp(["ZZ", "IZ"]), reps=1),
        lambda: quantum_volume(2, 2, seed=int(random.integers(1 << 31))),
    ]
    circuit = makers[random.integers(len(makers))]()
    return circuit.assign_parameters([angle() for _ in circuit.parameters]).to_gate()


def random_case(seed: int, num_qubits: int = 3, num_gates: int = 12, *, exact: bool = True) -> Case:
    """A circuit with two inputs and three weights, in angles of every degree and kind.

    Without ``exact``, it is one that Qiskit's transpiler takes, without roots of gates, of
    which it may choose others.
    """
    random = np.random.default_rng(seed)
    x, w = ParameterVector("x", 2), ParameterVector("w", 3)

    def angle() -> Any:
        return random_angle(random, [*x, *w])

    circuit = QuantumCircuit(num_qubits, global_phase=x[0] - x[1] * w[0] + w[1] + w[2] + angle())
    if num_qubits > 1 and random.random() < 0.4:
        _start(circuit, random, [*x, *w] if exact else [])
    for _ in range(num_gates):
        gate = random_gate(random, num_qubits, angle, exact=exact)
        qubits = [int(q) for q in random.permutation(num_qubits)]
        variant = random.integers(8)
        if not gate.num_qubits or isinstance(gate, Isometry):
            pass
        elif variant == 0 and not isinstance(gate, PermutationGate):
            with suppress(CircuitError):  # Qiskit 2.0 cannot invert its own LinearFunction
                gate = gate.inverse()
        elif variant == 1 and gate.num_qubits < num_qubits:
            state = int(random.integers(2))
            gate = gate.control(1, ctrl_state=state, annotated=_has_parameters(gate))
        elif variant == 2:
            gate = gate.power(int(random.integers(-2, 4)), annotated=True)
        elif variant == 3 and exact and not _has_parameters(gate):
            gate = gate.power(float(random.uniform(-1, 2)), annotated=True)
        elif variant == 4:
            gate = gate.repeat(2)
        circuit.append(gate, qubits[: gate.num_qubits])
    return Case(circuit, tuple(x), tuple(w))


def _start(circuit: QuantumCircuit, random: Generator, parameters: list[Any]) -> None:
    """Amplitudes on two qubits: numbers, or parameters (if any) and their products."""
    qubits = [int(q) for q in random.permutation(circuit.num_qubits)[:2]]
    kind = random.integers(3 if parameters else 2)
    if kind == 2:
        features = raw_feature_vector(4)
        a, b = random.choice(parameters, 2)
        amplitudes = [a, a * b, 1.5, b - 0.5]
        circuit.compose(features.assign_parameters(amplitudes), qubits, inplace=True)
    else:
        make = Initialize if kind else StatePreparation
        circuit.append(make(random_statevector(4, seed=random)), qubits)


def with_measurements(circuit: QuantumCircuit, seed: int) -> tuple[QuantumCircuit, dict[int, int]]:
    """Some qubits measured into registers of any size and name, and which bit reads which qubit."""
    random = np.random.default_rng([seed, 3])
    sizes = [int(size) for size in random.integers(1, 3, random.integers(1, 4))]
    names = random.permutation(["meas", "c", "zeta", "alpha"])
    measured = circuit.copy()
    for size, name in zip(sizes, names, strict=False):
        measured.add_register(ClassicalRegister(size, str(name)))
    count = int(random.integers(1, min(circuit.num_qubits, sum(sizes)) + 1))
    qubits = random.permutation(circuit.num_qubits)[:count].tolist()
    bits = random.permutation(sum(sizes))[:count].tolist()
    measured.measure(qubits, bits)
    return measured, dict(zip(bits, qubits, strict=True))


def transpiled(circuit: QuantumCircuit, seed: int) -> QuantumCircuit:
    """The circuit on a line of more qubits, at any level, from any place."""
    random = np.random.default_rng([seed, 4])
    width = circuit.num_qubits + 3
    line = [[i, i + 1] for i in range(width - 1)]
    gates = [["rz", "sx", "x", "cx"], ["rx", "ry", "rz", "rzz"], ["u", "ecr"]]
    backend = GenericBackendV2(
        width, gates[random.integers(len(gates))], coupling_map=line, seed=seed
    )
    return generate_preset_pass_manager(
        int(random.integers(4)),
        backend=backend,
        seed_transpiler=seed,
        initial_layout=random.permutation(width)[: circuit.num_qubits].tolist(),
    ).run(circuit)


def _has_parameters(gate: Gate) -> bool:
    return any(getattr(value, "parameters", None) for value in gate.params)
