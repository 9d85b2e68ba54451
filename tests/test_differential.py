"""Random circuits against Qiskit's ``Statevector``, Aer's, and a simulator of complex angles.

A failure names its seed: ``random_case(seed)`` makes the circuit again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from branches import distribution, means_before_end, on_points
from complex_step import derivatives
from layer_form import on_circuit
from oracles import Case, differences, joined
from qiskit import transpile
from qiskit.circuit import AnnotatedOperation, ControlledGate, PowerModifier, QuantumCircuit
from qiskit.circuit.library import HamiltonianGate, PauliEvolutionGate, UnitaryGate
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp
from qiskit_aer import AerSimulator
from random_circuits import REACH, random_case, transpiled, with_measurements
from random_dynamic import random_dynamic_case

import jaxqnn
from jaxqnn.backends import Precision
from jaxqnn.circuit.measured_bits import read_bits
from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Expectation, Probabilities
from jaxqnn.measure.specification import State
from jaxqnn.program.build import build
from jaxqnn.program.program import check

# Qiskit's PauliEvolutionGate makes SciPy say this of its own matrices.
pytestmark = pytest.mark.filterwarnings("ignore:.*CSC.*", "ignore:.*csr_matrix.*")

OBSERVABLES = [
    SparsePauliOp(["XYZ", "ZIX", "III"], [0.5, -1.25, 0.75]),
    SparsePauliOp("ZZZ"),
    SparsePauliOp("IYI"),
]


def _points(seed: int, reach: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([seed, 1])
    return random.uniform(-reach, reach, (2, 2)), random.uniform(-reach, reach, 3)


def _check_states(case: Case, seed: int) -> None:
    """The layer form, run by the plain interpreter, and the compiled sweeps in both precisions."""
    built = build(case.circuit, case.inputs, case.weights)
    check(built.program)
    single, double = (
        Evaluator(case.circuit, State(), case.inputs, case.weights, precision=precision)
        for precision in ("single", "double")
    )
    for reach in (REACH, 2.0):
        # Whole numbers of 2^-16, which both precisions hold.
        inputs, weights = (np.round(part * 65536) / 65536 for part in _points(seed, reach))
        expected = case.states(inputs, weights)
        found = [on_circuit(built, values) for values in joined(inputs, weights)]
        error = np.abs(found - expected).max()
        assert error < 1e-10, f"random_case({seed}) is off by {error:.1e} within {reach}"
        error = np.abs(_amplitudes(double, inputs, weights) - expected).max()
        assert error < 1e-10, f"random_case({seed}) runs {error:.1e} off within {reach}"
        error = np.abs(_amplitudes(single, inputs, weights) - expected).max()
        # Rounding may cost what it costs to move the parameters by it, in steep functions much.
        moved = [_amplitudes(double, inputs * by, weights * by) for by in (1 - 1e-6, 1 + 1e-6)]
        bound = 1e-4 + 10 * np.abs(moved - expected).max()
        assert error < bound, f"random_case({seed}) in single runs {error:.1e} off within {reach}"
    if seed % 3 == 0:
        aers = _aer(_bound(case, inputs[0], weights))
        if case.circuit.count_ops().keys() & {"initialize", "ParameterizedInitialize"}:
            # Aer prepares amplitudes up to a phase.
            overlap = np.vdot(aers, found[0])
            aers = aers * overlap / abs(overlap)
        error = np.abs(found[0] - aers).max()
        assert error < 1e-10, f"random_case({seed}) is off by {error:.1e} from Aer's"


def _amplitudes(evaluator: Evaluator, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    real, imaginary = np.split(evaluator.value(inputs, weights).astype(float), 2, axis=1)
    return np.asarray(real + 1j * imaginary)


def _bound(case: Case, inputs: np.ndarray, weights: np.ndarray) -> QuantumCircuit:
    values = np.concatenate([inputs, weights])
    return case.circuit.assign_parameters(
        dict(zip((*case.inputs, *case.weights), values, strict=True))
    )


def _aer(circuit: QuantumCircuit) -> np.ndarray:
    """Aer's statevector, of a circuit it can only approximate or choose a branch of as matrices.

    It has product formulas for evolutions, and other roots of gates with an eigenvalue of -1; and
    it takes Qiskit's multiplexers for its own, which are something else.
    """
    exact = circuit.copy_empty_like()
    for item in circuit.data:
        gate = item.operation
        if _needs_matrix(gate):
            gate = UnitaryGate(Operator(gate))
        exact.append(gate, item.qubits)
    simulator = AerSimulator(method="statevector")
    exact = transpile(exact, simulator, optimization_level=0)
    exact.save_statevector()
    return np.asarray(simulator.run(exact).result().get_statevector())


def _needs_matrix(gate: Any) -> bool:
    match gate:
        case PauliEvolutionGate() | HamiltonianGate():
            return True
        case _ if gate.name == "multiplexer":
            return True
        case AnnotatedOperation():
            powers = [m.power for m in gate.modifiers if isinstance(m, PowerModifier)]
            if not all(float(power).is_integer() for power in powers):
                return True
            return _needs_matrix(gate.base_op)
        case ControlledGate() if _needs_matrix(gate.base_gate):
            return True
    definition = getattr(gate, "definition", None)
    return definition is not None and any(_needs_matrix(item.operation) for item in definition.data)


def _check_derivatives(case: Case, seed: int) -> None:
    """Values and Jacobians of the engine, at points that ``_check_states`` sees as states."""
    evaluator = Evaluator(case.circuit, Expectation(OBSERVABLES), case.inputs, case.weights)
    for reach in (REACH, 2.0):
        by_weights = _check_slopes(case, seed, evaluator, reach)
    if seed % 3 == 0:
        inputs, weights = _points(seed)

        def of_weights(w: np.ndarray) -> np.ndarray:
            return case.expectations(OBSERVABLES, inputs, w)

        # Central differences of a function with derivatives of up to some hundred.
        error = np.abs(by_weights - differences(of_weights, weights)).max()
        assert error < 1e-6, f"random_case({seed}): differences are off by {error:.1e}"


def _check_slopes(case: Case, seed: int, evaluator: Evaluator, reach: float) -> np.ndarray:
    inputs, weights = _points(seed, reach)
    value = evaluator.value(inputs, weights)
    error = np.abs(value - case.expectations(OBSERVABLES, inputs, weights)).max()
    assert error < 1e-10, f"random_case({seed}): values are off by {error:.1e}"
    by_inputs, by_weights = evaluator.jacobian(inputs, weights)
    assert by_inputs is not None
    assert by_weights is not None
    found = np.concatenate([by_inputs, by_weights], axis=-1)
    for row, slope, of_row in zip(inputs, found, value, strict=True):
        expected, exact = derivatives(case, OBSERVABLES, row, weights)
        error = np.abs(expected - of_row).max()
        assert error < 1e-10, f"random_case({seed}): values are off by {error:.1e}"
        error = np.abs(slope - exact).max()
        assert error < 1e-8, f"random_case({seed}): derivatives are off by {error:.1e}"
    return by_weights


def _check_outcomes(case: Case, seed: int) -> None:
    """Registers of any name, number and order, some unread, and qubits measured in any order."""
    inputs, weights = _points(seed, REACH)
    measured, qubit_of = with_measurements(case.circuit, seed)
    registers = {r.name: [measured.find_bit(b).index for b in r] for r in measured.cregs}
    used = {name: bits for name, bits in registers.items() if qubit_of.keys() & set(bits)}
    read = used["meas"] if "meas" in used else [bit for bits in used.values() for bit in bits]
    size = 1 << len(read)
    network = jaxqnn.SamplerQNN(
        circuit=measured, interpret=lambda outcome: outcome, output_shape=size, **case.split
    )
    labels = np.arange(1 << case.circuit.num_qubits)
    outcomes = np.zeros_like(labels)
    for place, bit in enumerate(read):
        if bit in qubit_of:
            outcomes |= (labels >> qubit_of[bit] & 1) << place
    expected = np.zeros((len(inputs), size))
    for label, column in enumerate((np.abs(case.states(inputs, weights)) ** 2).T):
        expected[:, outcomes[label]] += column
    error = np.abs(network.forward(inputs, weights) - expected).max()
    assert error < 1e-10, f"random_case({seed}), measured: off by {error:.1e}"


def _check_transpiled(case: Case, seed: int) -> None:
    """Observables and default outcomes follow a transpiler's layout."""
    inputs, weights = _points(seed, REACH)
    isa = transpiled(case.circuit, seed)
    expected = case.expectations(OBSERVABLES, inputs, weights)
    laid_out = [observable.apply_layout(isa.layout) for observable in OBSERVABLES]
    for observables in (OBSERVABLES, laid_out):
        network = jaxqnn.EstimatorQNN(circuit=isa, observables=observables, **case.split)
        error = np.abs(network.forward(inputs, weights) - expected).max()
        # Qiskit's synthesis of unitaries and states rounds.
        assert error < 1e-7, f"random_case({seed}), transpiled: off by {error:.1e}"


def _check_branches(case: Case, seed: int) -> None:
    """Measurements on the way: means over all branches, and all bits' distribution, by three ways.

    The deferred circuit is run by the plain interpreter, and what was added to it is traced out.
    """
    inputs, weights = _points(seed)
    labels = np.arange(1 << case.circuit.num_qubits)
    for observables in (OBSERVABLES, OBSERVABLES[1:2]):
        built = build(case.circuit, case.inputs, case.weights, Expectation(observables).reads)
        matrices = [observable.to_matrix() for observable in observables]
        states = [on_circuit(built, values) for values in joined(inputs, weights)]
        parts = [state.reshape(-1, labels.size) for state in states]
        found = [[np.einsum("ai,ij,aj->", s.conj(), m, s).real for m in matrices] for s in parts]
        mean = partial(means_before_end, observables=observables)
        expected = on_points(case, inputs, weights, mean)
        error = np.abs(np.array(found) - expected).max()
        assert error < 1e-10, f"random_dynamic_case({seed}): means are off by {error:.1e}"
        bounds: tuple[tuple[Precision, float], ...] = ("double", 1e-10), ("single", 1e-4)
        for precision, bound in bounds:
            measure = Expectation(observables)
            evaluator = Evaluator(
                case.circuit, measure, case.inputs, case.weights, precision=precision
            )
            error = np.abs(evaluator.value(inputs, weights) - expected).max()
            assert error < bound, f"random_dynamic_case({seed}) in {precision}: {error:.1e} off"
    bits = read_bits(case.circuit)
    if not bits:
        return
    built = build(case.circuit, case.inputs, case.weights, Probabilities().reads)
    states = [on_circuit(built, values) for values in joined(inputs, weights)]
    labels = np.arange(states[0].size)
    outcomes = np.zeros_like(labels)
    for i, bit in enumerate(bits):
        if bit in built.bits:
            outcomes |= (labels >> built.bits[bit] & 1) << i
    shares = [np.bincount(outcomes, np.abs(s) ** 2, 1 << len(bits)) for s in states]
    expected = on_points(case, inputs, weights, lambda c: distribution(c, bits))
    error = np.abs(np.array(shares) - expected).max()
    assert error < 1e-10, f"random_dynamic_case({seed}): outcomes are off by {error:.1e}"


def _check_branch_derivatives(case: Case, seed: int) -> None:
    """The same through the engine, and its derivatives."""
    inputs, weights = _points(seed)
    evaluator = Evaluator(case.circuit, Expectation(OBSERVABLES), case.inputs, case.weights)

    def exact(w: np.ndarray) -> np.ndarray:
        return on_points(case, inputs, w, lambda c: means_before_end(c, OBSERVABLES))

    error = np.abs(evaluator.value(inputs, weights) - exact(weights)).max()
    assert error < 1e-10, f"random_dynamic_case({seed}): means are off by {error:.1e}"
    _, by_weights = evaluator.jacobian(inputs, weights)
    error = np.abs(by_weights - differences(exact, weights)).max()
    assert error < 1e-5, f"random_dynamic_case({seed}): derivatives are off by {error:.1e}"


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_states_of_random_circuits(first: int) -> None:
    for seed in range(first, first + 20):
        _check_states(random_case(seed), seed)


def test_states_of_wider_random_circuits() -> None:
    for seed in range(100, 106):
        _check_states(random_case(seed, num_qubits=6, num_gates=30), seed)


@pytest.mark.parametrize("seed", range(4))
def test_derivatives_of_random_circuits(seed: int) -> None:
    _check_derivatives(random_case(seed), seed)


@pytest.mark.parametrize("seed", range(300, 304))
def test_outcomes_of_random_measurements(seed: int) -> None:
    _check_outcomes(random_case(seed), seed)


@pytest.mark.parametrize("seed", range(400, 404))
def test_random_circuits_transpiled(seed: int) -> None:
    _check_transpiled(random_case(seed, exact=False), seed)


@pytest.mark.parametrize("first", range(500, 530, 10))
def test_random_measurements_on_the_way(first: int) -> None:
    for seed in range(first, first + 10):
        _check_branches(random_dynamic_case(seed), seed)


def test_derivatives_of_random_circuits_with_branches() -> None:
    for seed in range(600, 603):
        _check_branch_derivatives(random_dynamic_case(seed), seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 2300, 100))
def test_states_of_many_random_circuits(first: int) -> None:
    for seed in range(first, first + 100):
        _check_states(random_case(seed, 2 + seed % 5, 8 + seed % 30), seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 2400, 100))
def test_many_random_measurements_on_the_way(first: int) -> None:
    for seed in range(first, first + 100):
        _check_branches(random_dynamic_case(seed, 3, 8 + seed % 12), seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1100, 20))
def test_derivatives_of_many_random_circuits_with_branches(first: int) -> None:
    for seed in range(first, first + 20):
        _check_branch_derivatives(random_dynamic_case(seed), seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1100, 20))
def test_derivatives_of_many_random_circuits(first: int) -> None:
    for seed in range(first, first + 20):
        _check_derivatives(random_case(seed), seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1100, 20))
def test_outcomes_of_many_random_measurements(first: int) -> None:
    for seed in range(first, first + 20):
        _check_outcomes(random_case(seed), seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1100, 20))
def test_many_random_circuits_transpiled(first: int) -> None:
    for seed in range(first, first + 20):
        _check_transpiled(random_case(seed, exact=False), seed)


def test_observables_cover_every_letter() -> None:
    letters = {
        letter for o in OBSERVABLES for label in o.paulis for letter in Pauli(label).to_label()
    }
    assert letters == set("IXYZ")
