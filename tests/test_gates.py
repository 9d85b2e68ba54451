"""Every gate of Qiskit's library, on random states and qubits, global phase included."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import qiskit.circuit.library as library
from layer_form import on_circuit
from qiskit.circuit import Gate, QuantumCircuit
from qiskit.circuit.annotated_operation import AnnotatedOperation
from qiskit.circuit.library.data_preparation.state_preparation import UniformSuperpositionGate
from qiskit.quantum_info import (
    Clifford,
    Operator,
    Pauli,
    SparseObservable,
    SparsePauliOp,
    Statevector,
    random_clifford,
    random_statevector,
    random_unitary,
)
from random_circuits import STANDARD

from jaxqnn.circuit.modifiers import to_z
from jaxqnn.program.build import build
from jaxqnn.program.program import check

# Qiskit's PauliEvolutionGate.to_matrix makes SciPy say this of its own matrices.
pytestmark = pytest.mark.filterwarnings("ignore:.*CSC.*")

_RANDOM = np.random.default_rng(11)
_ANGLES = _RANDOM.uniform(-3, 3, 8).tolist()
_HAMILTONIAN = SparsePauliOp(
    ["XXI", "YYI", "ZZI", "IXX", "IYY", "IZZ", "ZII", "IXI"], _RANDOM.uniform(-1, 1, 8)
)


def _prepared(num_qubits: int) -> QuantumCircuit:
    """An entangled state without symmetry."""
    circuit = QuantumCircuit(num_qubits)
    for _ in range(2):
        for qubit in range(num_qubits):
            circuit.u(*_RANDOM.uniform(-3, 3, 3), qubit)
        for qubit in range(num_qubits - 1):
            circuit.cz(qubit, qubit + 1)
    return circuit


def _agrees(gate: Any, spare: int = 1) -> None:
    """Compares with the gate's own Operator, applied to qubits in random order."""
    circuit = _prepared(gate.num_qubits + spare)
    qubits = _RANDOM.permutation(circuit.num_qubits)[: gate.num_qubits].tolist()
    expected = Statevector(circuit).evolve(Operator(gate), qubits)
    circuit.append(gate, qubits)
    built = build(circuit, [], [])
    check(built.program)
    np.testing.assert_allclose(on_circuit(built, []), expected.data, atol=1e-10)


def _with_angles(gate: Gate) -> Gate:
    if not gate.params:
        return gate
    return gate.base_class(*_RANDOM.uniform(-3, 3, len(gate.params)))


@pytest.mark.parametrize("name", STANDARD)
def test_standard_gate_and_its_relatives(name: str) -> None:
    gate = _with_angles(STANDARD[name])
    _agrees(gate)
    _agrees(gate.inverse())
    _agrees(gate.power(0.5, annotated=True) if name != "global_phase" else gate)
    if gate.num_qubits:
        _agrees(gate.control(1, ctrl_state=0, annotated=False))
        _agrees(gate.control(2, ctrl_state=1, annotated=True))
        modified = gate.control(1, annotated=True).inverse(annotated=True)
        _agrees(modified.power(3, annotated=True))
        _agrees(AnnotatedOperation(modified, []).control(1, ctrl_state=0))


def _unitary(num_qubits: int) -> library.UnitaryGate:
    return library.UnitaryGate(random_unitary(1 << num_qubits, seed=num_qubits))


LIBRARY: dict[str, Callable[[], Any]] = {
    **{f"unitary {n}": partial(_unitary, n) for n in (1, 2, 3, 6)},
    "controlled unitary": lambda: _unitary(2).control(2, ctrl_state=1, annotated=False),
    "annotated unitary": lambda: _unitary(2).control(2, annotated=True).inverse(annotated=True),
    "root": lambda: library.RXGate(0.7).control(1, annotated=True).power(0.3, annotated=True),
    "diagonal": lambda: library.DiagonalGate(np.exp(1j * _RANDOM.uniform(-3, 3, 16))),
    "Pauli": lambda: library.PauliGate("XYZI"),
    "permutation": lambda: library.PermutationGate([2, 0, 3, 1]),
    **{f"{n} controls": partial(library.MCXGate, n) for n in (3, 4, 5, 7)},
    "open controls": lambda: library.MCXGate(4, ctrl_state=5),
    "phase": lambda: library.MCPhaseGate(0.7, 5, ctrl_state=7),
    "QFT": lambda: library.QFTGate(5),
    "inverse QFT": lambda: library.QFTGate(4).inverse(),
    "state preparation": lambda: library.StatePreparation(random_statevector(8, seed=3)),
    "inverse preparation": lambda: library.StatePreparation(
        random_statevector(8, seed=3)
    ).inverse(),
    "prepared label": lambda: library.StatePreparation("01+-rl"),
    "isometry": lambda: library.Isometry(random_unitary(8, seed=5).data[:, :4], 0, 0),
    "multiplexed RX": lambda: library.UCRXGate(_ANGLES),
    "multiplexed RY": lambda: library.UCRYGate(_ANGLES),
    "multiplexed RZ": lambda: library.UCRZGate(_ANGLES),
    "multiplexer": lambda: library.UCGate([random_unitary(2, seed=i).data for i in range(4)]),
    "linear function": lambda: library.LinearFunction(np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])),
    "Clifford": lambda: random_clifford(4, seed=1),
    "named Clifford": lambda: Clifford.from_label("XYZ"),
    "Molmer-Sorensen": lambda: library.MSGate(3, 0.5),
    "rotation vector": lambda: library.RVGate(0.1, 0.2, 0.3),
    "commuting evolution": lambda: library.PauliEvolutionGate(
        SparsePauliOp(["ZZI", "IZZ", "III"], [0.3, 0.4, 0.2]), 0.8
    ),
    "evolution": lambda: library.PauliEvolutionGate(_HAMILTONIAN, 0.8),
    "evolution of a list": lambda: library.PauliEvolutionGate(
        [SparsePauliOp(["XX"]), SparsePauliOp(["ZI"])], 0.8
    ),
    "evolutions of single qubits": lambda: library.PauliEvolutionGate(
        SparsePauliOp(["XII", "ZII", "YII", "IIX"], [0.3, 0.4, 0.2, 0.5]), 0.8
    ),
    "evolution of projectors": lambda: library.PauliEvolutionGate(SparseObservable("0+Z"), 0.8),
    "controlled evolution": lambda: library.PauliEvolutionGate(_HAMILTONIAN, 0.8).control(
        2, ctrl_state=1
    ),
    "Hamiltonian": lambda: library.HamiltonianGate(_HAMILTONIAN.to_matrix(), 0.4),
    "many controls, many targets": lambda: library.MCMTGate(library.RXGate(0.4), 2, 2),
    "adder": lambda: library.ModularAdderGate(2),
    "multiplier": lambda: library.MultiplierGate(2),
    "comparator": lambda: library.IntegerComparatorGate(3, 5),
    "Pauli rotations": lambda: library.PolynomialPauliRotationsGate(3, [0.1, 0.2, 0.3]),
    "uniform superposition": lambda: UniformSuperpositionGate(5, 3),
    "oracle": lambda: library.PhaseOracleGate("a & (b | ~c)"),
    "quantum volume": lambda: library.quantum_volume(4, 3, seed=1).to_gate(),
    "IQP": lambda: library.random_iqp(4, seed=2).to_gate(),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_library_gate(name: str) -> None:
    _agrees(LIBRARY[name]())


@pytest.mark.parametrize(
    ("gate", "state"),
    [
        (library.MCXGate(10), 1023),
        (library.MCPhaseGate(0.7, 10, ctrl_state=7), 7),
        (library.RYGate(0.4).control(10, ctrl_state=1000, annotated=True), 1000),
    ],
    ids=["X", "phase", "RY"],
)
def test_more_controls_than_parities_are_written_out_for(gate: Any, state: int) -> None:
    circuit = _prepared(11)
    order = _RANDOM.permutation(11).tolist()
    amplitudes = Statevector(circuit).data.copy()
    labels = np.arange(amplitudes.size)
    controls = sum((labels >> qubit & 1) << i for i, qubit in enumerate(order[:-1]))
    low = labels[(controls == state) & (labels >> order[-1] & 1 == 0)]
    high = low | 1 << order[-1]
    base = gate.base_op if isinstance(gate, AnnotatedOperation) else gate.base_gate
    pair = base.to_matrix() @ np.stack([amplitudes[low], amplitudes[high]])
    amplitudes[low], amplitudes[high] = pair
    circuit.append(gate, order)
    np.testing.assert_allclose(on_circuit(build(circuit, [], []), []), amplitudes, atol=1e-10)


@pytest.mark.parametrize("label", ["X", "ZYX", "IZZ", "YIY", "XZY"])
def test_every_string_is_turned_to_z(label: str) -> None:
    pauli = Pauli(label)
    x, z = (sum(1 << int(i) for i in np.flatnonzero(part)) for part in (pauli.x, pauli.z))
    before, pivot, after = to_z(x, z)
    assert len(before) == len(after)
    assert (x or z) >> pivot & 1


def test_names_do_not_decide() -> None:
    """A user's gate may bear the name of one of Qiskit's."""
    for name in ("x", "barrier", "measure", "delay", "reset"):
        body = QuantumCircuit(1, name=name)
        body.ry(0.3, 0)
        _agrees(body.to_gate())


def test_controls_on_a_cu_gate_keep_its_phase() -> None:
    """Qiskit's CUGate is no plain control of its base gate: it has an angle of its own."""
    gate = library.CUGate(0.1, 0.2, 0.3, 0.4)
    _agrees(gate.control(2, ctrl_state=2, annotated=False))
    _agrees(gate.control(2, ctrl_state=2, annotated=True))


@pytest.mark.parametrize("num_qubits", [1, 3])
@pytest.mark.parametrize("make", [library.Initialize, library.StatePreparation])
def test_amplitudes_at_the_start(make: Callable[..., Any], num_qubits: int) -> None:
    state = random_statevector(1 << num_qubits, seed=num_qubits)
    circuit = QuantumCircuit(num_qubits + 2)
    circuit.ry(0.4, 0)
    circuit.append(make(state), range(1, num_qubits + 1))
    circuit.append(make(random_statevector(2, seed=9)), [num_qubits + 1])
    circuit.cx(0, 1)
    built = build(circuit, [], [])
    check(built.program)
    np.testing.assert_allclose(on_circuit(built, []), Statevector(circuit).data, atol=1e-10)


@pytest.mark.parametrize("what", ["01+-rl", 5])
def test_labels_and_numbers_at_the_start(what: str | int) -> None:
    circuit = QuantumCircuit(6)
    circuit.initialize(what, range(6))
    found = on_circuit(build(circuit, [], []), [])
    np.testing.assert_allclose(found, Statevector(circuit).data, atol=1e-10)
