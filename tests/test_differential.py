"""Random circuits against Qiskit's ``Statevector`` and Aer's: states, expectations, derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from layer_form import on_circuit
from oracles import Case, differences, joined
from qiskit import transpile
from qiskit.quantum_info import Pauli, SparsePauliOp
from qiskit_aer import AerSimulator
from random_circuits import random_case

from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Expectation
from jaxqnn.program.build import build
from jaxqnn.program.program import check

# Qiskit's PauliEvolutionGate.to_matrix makes SciPy say this of its own matrices.
pytestmark = pytest.mark.filterwarnings("ignore:.*CSC.*")

OBSERVABLES = [
    SparsePauliOp(["XYZ", "ZIX", "III"], [0.5, -1.25, 0.75]),
    SparsePauliOp("ZZZ"),
    SparsePauliOp("IYI"),
]


def _points(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([seed, 1])
    return random.uniform(-2, 2, (2, 2)), random.uniform(-2, 2, 3)


def _check_states(case: Case, seed: int) -> None:
    """The layer form, run by the plain interpreter: no compilation, so many circuits."""
    inputs, weights = _points(seed)
    built = build(case.circuit, case.inputs, case.weights)
    check(built.program)
    expected = case.states(inputs, weights)
    for row, values in zip(expected, joined(inputs, weights), strict=True):
        error = np.abs(on_circuit(built, values) - row).max()
        assert error < 1e-10, f"random_case({seed}) is off by {error:.1e}"


def _check_derivatives(case: Case, seed: int) -> None:
    """Values and Jacobians of the engine."""
    inputs, weights = _points(seed)
    evaluator = Evaluator(case.circuit, Expectation(OBSERVABLES), case.inputs, case.weights)
    expected = case.expectations(OBSERVABLES, inputs, weights)
    error = np.abs(evaluator.value(inputs, weights) - expected).max()
    assert error < 1e-10, f"random_case({seed}): values are off by {error:.1e}"
    by_inputs, by_weights = evaluator.jacobian(inputs, weights)
    assert by_inputs is not None
    assert by_weights is not None
    for found, slope in (
        (
            by_inputs,
            np.stack(
                [
                    differences(lambda x: case.expectations(OBSERVABLES, x, weights), row)
                    for row in inputs
                ]
            ),
        ),
        (by_weights, differences(lambda w: case.expectations(OBSERVABLES, inputs, w), weights)),
    ):
        error = np.abs(found - slope).max()
        # Central differences of a function with derivatives of up to some hundred.
        assert error < 1e-6, f"random_case({seed}): derivatives are off by {error:.1e}"


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


@pytest.mark.parametrize("seed", range(200, 203))
def test_states_agree_with_aer(seed: int) -> None:
    case = random_case(seed)
    inputs, weights = _points(seed)
    built = build(case.circuit, case.inputs, case.weights)
    values = joined(inputs, weights)[0]
    bound = case.circuit.assign_parameters(
        dict(zip((*case.inputs, *case.weights), values, strict=True))
    )
    simulator = AerSimulator(method="statevector")
    bound = transpile(bound, simulator, optimization_level=0)
    bound.save_statevector()
    expected = simulator.run(bound).result().get_statevector().data
    # Aer synthesises what it does not know, evolutions among it, up to product formulas; the
    # overlap of those that are exact is one, and Statevector is the oracle of the others.
    if not any("Evolution" in item.operation.name for item in case.circuit.data):
        np.testing.assert_allclose(on_circuit(built, values), expected, atol=1e-10)


@pytest.mark.long
def test_many_random_circuits() -> None:
    for seed in range(1000, 1600):
        _check_states(random_case(seed, 2 + seed % 5, 8 + seed % 30), seed)
    for seed in range(1000, 1060):
        _check_derivatives(random_case(seed), seed)


def test_observables_cover_every_letter() -> None:
    letters = {
        letter for o in OBSERVABLES for label in o.paulis for letter in Pauli(label).to_label()
    }
    assert letters == set("IXYZ")
