"""The circuit families that the benchmark problems are made of.

Every family is a function of the number of qubits that returns the circuit, its input parameters
and its weight parameters. All are ordinary Qiskit circuits, as a user would write them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import (
    efficient_su2,
    excitation_preserving,
    n_local,
    real_amplitudes,
    zz_feature_map,
)
from qiskit.quantum_info import random_unitary


class ParameterizedCircuit(NamedTuple):
    """A circuit with its parameters split into inputs and weights."""

    circuit: QuantumCircuit
    input_params: Sequence[Parameter]
    weight_params: Sequence[Parameter]


def zz_real(num_qubits: int) -> ParameterizedCircuit:
    """Return the network of most Qiskit tutorials: ZZ feature map, then real amplitudes."""
    feature_map = zz_feature_map(num_qubits, reps=2)
    ansatz = real_amplitudes(num_qubits, reps=3)
    return ParameterizedCircuit(
        feature_map.compose(ansatz), list(feature_map.parameters), list(ansatz.parameters)
    )


def _after_angle_embedding(ansatz: QuantumCircuit) -> ParameterizedCircuit:
    """Put RY(x_q) on every qubit before the ansatz."""
    inputs = ParameterVector("x", ansatz.num_qubits)
    circuit = QuantumCircuit(ansatz.num_qubits)
    for qubit, angle in enumerate(inputs):
        circuit.ry(angle, qubit)
    return ParameterizedCircuit(circuit.compose(ansatz), list(inputs), list(ansatz.parameters))


def angle_real(num_qubits: int) -> ParameterizedCircuit:
    """Return an angle embedding and `real_amplitudes` with 2 repetitions, shallow for its size."""
    return _after_angle_embedding(real_amplitudes(num_qubits, reps=2))


def efficient(num_qubits: int) -> ParameterizedCircuit:
    """Return an angle embedding and `efficient_su2` with 3 repetitions."""
    return _after_angle_embedding(efficient_su2(num_qubits, reps=3))


def n_local_full(num_qubits: int) -> ParameterizedCircuit:
    """Return an angle embedding and RY, RZ layers with CZ between all pairs of qubits."""
    return _after_angle_embedding(
        n_local(num_qubits, ["ry", "rz"], "cz", entanglement="full", reps=3)
    )


def two_local_crx_rzz(num_qubits: int) -> ParameterizedCircuit:
    """Return an angle embedding and an ansatz whose entanglers carry parameters themselves."""
    return _after_angle_embedding(
        n_local(num_qubits, ["ry"], ["crx", "rzz"], entanglement="linear", reps=3)
    )


def qaoa(num_qubits: int) -> ParameterizedCircuit:
    """Return three QAOA rounds on a seeded random graph whose local fields are the inputs.

    The angles 2*gamma*x_q are products of a weight and an input, which tries every peer's (and
    our own) chain rule.
    """
    rounds = 3
    rng = np.random.default_rng(num_qubits)
    edges = [(q, (q + 1) % num_qubits) for q in range(num_qubits if num_qubits > 2 else 1)]
    extra = [(a, b) for a in range(num_qubits) for b in range(a + 2, num_qubits)]
    edges += [edge for edge in extra if edge not in edges and rng.random() < 0.25]
    couplings = rng.uniform(-1, 1, len(edges))
    fields = ParameterVector("h", num_qubits)
    gamma, beta = ParameterVector("gamma", rounds), ParameterVector("beta", rounds)

    circuit = QuantumCircuit(num_qubits)
    circuit.h(range(num_qubits))
    for step in range(rounds):
        for (a, b), coupling in zip(edges, couplings, strict=True):
            circuit.rzz(2 * coupling * gamma[step], a, b)
        for qubit in range(num_qubits):
            circuit.rz(2 * gamma[step] * fields[qubit], qubit)
        circuit.rx(2 * beta[step], range(num_qubits))
    return ParameterizedCircuit(circuit, list(fields), [*gamma, *beta])


def reuploading(num_qubits: int) -> ParameterizedCircuit:
    """Return data re-uploading: the same inputs again before each of four trainable layers."""
    layers = 4
    inputs = ParameterVector("x", num_qubits)
    weights = ParameterVector("w", 2 * num_qubits * layers)
    circuit = QuantumCircuit(num_qubits)
    remaining = iter(weights)
    for _ in range(layers):
        for qubit in range(num_qubits):
            circuit.rx(inputs[qubit], qubit)
        for qubit in range(num_qubits):
            circuit.ry(next(remaining), qubit)
            circuit.rz(next(remaining), qubit)
        for qubit in range(num_qubits - 1):
            circuit.cx(qubit, qubit + 1)
    return ParameterizedCircuit(circuit, list(inputs), list(weights))


def excitation(num_qubits: int) -> ParameterizedCircuit:
    """Return an angle embedding and the excitation-preserving ansatz (XX+YY rotations)."""
    return _after_angle_embedding(
        excitation_preserving(num_qubits, reps=2, entanglement="linear").decompose("Interaction")
    )


def unitaries(num_qubits: int) -> ParameterizedCircuit:
    """Return an angle embedding and layers of RY and constant two-qubit unitaries on neighbours."""
    layers = 3
    remaining = iter(ParameterVector("w", num_qubits * layers))
    ansatz = QuantumCircuit(num_qubits)
    for layer in range(layers):
        for qubit in range(num_qubits):
            ansatz.ry(next(remaining), qubit)
        for qubit in range(num_qubits - 1):
            seed = 1000 * layer + qubit
            ansatz.unitary(random_unitary(4, seed=seed), [qubit, qubit + 1])
    return _after_angle_embedding(ansatz)


def random_circuit(num_qubits: int) -> ParameterizedCircuit:
    """Return twelve seeded random gates a qubit, a third of them with an input or a weight."""
    rng = np.random.default_rng(1000 + num_qubits)
    num_gates = 12 * num_qubits
    inputs = ParameterVector("x", num_qubits)
    weights = ParameterVector("w", 2 * num_qubits)
    circuit = QuantumCircuit(num_qubits)
    # Every parameter appears at least once; the order and the gate are drawn.
    angles = [*inputs, *weights]
    angles += [angles[i] for i in rng.integers(len(angles), size=num_qubits)]
    angles = [angles[i] for i in rng.permutation(len(angles))]
    positions = rng.permutation(num_gates)[: len(angles)]
    angle_at = dict(zip(positions.tolist(), angles, strict=True))
    rotations = ["rx", "ry", "rz", "p", "cp", "crx", "crz", "rzz", "rxx", "ryy"]
    constants = ["h", "x", "s", "t", "sx", "cx", "cz", "swap"]
    for position in range(num_gates):
        names = rotations if position in angle_at else constants
        pairs = {"cp", "crx", "crz", "rzz", "rxx", "ryy", "cx", "cz", "swap"}
        name = str(rng.choice(names))
        if num_qubits == 1 and name in pairs:
            name = "ry" if position in angle_at else "h"
        qubits = rng.permutation(num_qubits)[: 2 if name in pairs else 1].tolist()
        arguments = [angle_at[position]] if position in angle_at else []
        getattr(circuit, name)(*arguments, *qubits)
    return ParameterizedCircuit(circuit, list(inputs), list(weights))


FAMILIES: dict[str, Callable[[int], ParameterizedCircuit]] = {
    "zz_real": zz_real,
    "angle_real": angle_real,
    "efficient_su2": efficient,
    "n_local_full": n_local_full,
    "two_local_crx_rzz": two_local_crx_rzz,
    "qaoa": qaoa,
    "reuploading": reuploading,
    "excitation": excitation,
    "unitaries": unitaries,
    "random": random_circuit,
}
