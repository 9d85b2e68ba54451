"""Every public name of ``qiskit.circuit.library``: true state and gradient, or a clear refusal.

The names are found by introspection, so that a new class of Qiskit's fails here until it is known.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import qiskit.circuit.library as library
from layer_form import on_circuit
from oracles import differences
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import (
    Pauli,
    SparsePauliOp,
    Statevector,
    random_hermitian,
    random_statevector,
    random_unitary,
)

import jaxqnn
from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Expectation
from jaxqnn.program.build import build
from jaxqnn.program.program import check

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*CSC.*",  # Qiskit's PauliEvolutionGate.to_matrix, of SciPy's matrices
    "ignore::DeprecationWarning",  # the circuit classes that functions have replaced
)

A, B, C = (Parameter(name) for name in "abc")
ADJACENT = [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
INTERACTIONS = [[6, 5, 3], [5, 4, 5], [3, 5, 1]]
FLAGS = [1, -1, 0]
BOOLEANS = [1, -1, 1, 1]
ORACLE = "a & (b | ~c)"
HAMILTONIAN = SparsePauliOp(["XXI", "ZII", "IYZ"], [0.3, -0.8, 0.5])
COST = SparsePauliOp(["ZZI", "IZZ"])
FUNCTION = {"slope": [1, 0.5], "offset": [0, 0.1], "domain": (0, 1), "image": (0, 1)}


def _rotation() -> QuantumCircuit:
    circuit = QuantumCircuit(1, global_phase=B)
    circuit.rx(A, 0)
    return circuit


def _marked() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.rz(A, 0)
    circuit.cz(0, 1)
    return circuit


def _ansatz() -> QuantumCircuit:
    return library.real_amplitudes(2, reps=1)


def _inverse_sine(x: np.ndarray) -> np.ndarray:
    return np.arcsin(1 / (x + 2))


# Arguments, where they are not all angles.
ARGUMENTS: dict[str, Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]] = {
    name: (lambda given=given: given)  # type: ignore[misc]
    for names, *given in (
        ("AND AndGate OR OrGate", (3, FLAGS), {}),
        ("BitFlipOracleGate PhaseOracle PhaseOracleGate", (ORACLE,), {}),
        ("BitwiseXorGate XOR", (3, 5), {}),
        ("Barrier QFT QFTGate", (3,), {}),
        ("CDKMRippleCarryAdder DraperQFTAdder FullAdderGate HalfAdderGate", (2,), {}),
        ("HRSCumulativeMultiplier InnerProduct InnerProductGate", (2,), {}),
        ("ModularAdderGate MultiplierGate RGQFTMultiplier", (2,), {}),
        ("VBERippleCarryAdder", (1,), {}),
        ("WeightedAdder WeightedSumGate", (2, [1, 2]), {}),
        ("Diagonal DiagonalGate", ([1, 1j, -1, np.exp(0.4j)],), {}),
        ("ExactReciprocal ExactReciprocalGate", (2, 0.5), {}),
        ("FourierChecking fourier_checking", (BOOLEANS, BOOLEANS[::-1]), {}),
        ("GMS", (3, [[0, 0.1, 0.2], [0.1, 0, 0.3], [0.2, 0.3, 0]]), {}),
        ("GR", (3, 0.3, 0.4), {}),
        ("GRX GRY", (3, 0.3), {}),
        ("GRZ", (3, A), {}),
        ("GraphState GraphStateGate", (ADJACENT,), {}),
        ("HiddenLinearFunction hidden_linear_function", (ADJACENT,), {}),
        ("IQP iqp", (INTERACTIONS,), {}),
        ("HamiltonianGate", (random_hermitian(4, seed=1), 2 * A), {}),
        ("Initialize StatePreparation", (random_statevector(4, seed=2),), {}),
        ("IntegerComparator IntegerComparatorGate", (2, 2), {}),
        ("Isometry", (random_unitary(8, seed=3).data[:, :2], 0, 0), {}),
        (
            "LinearAmplitudeFunction LinearAmplitudeFunctionGate",
            (2,),
            FUNCTION | {"breakpoints": [0, 0.5]},
        ),
        ("LinearFunction", ([[1, 1, 0], [0, 1, 1], [0, 0, 1]],), {}),
        ("LinearPauliRotations LinearPauliRotationsGate", (2, 0.3, 0.2, "X"), {}),
        ("MCGupDiag", (random_unitary(2, seed=4).data, 2, 0, 0), {}),
        ("MCMT MCMTVChain", (library.ZGate(), 2, 2), {}),
        ("MCMTGate", (library.RXGate(A), 2, 2), {"ctrl_state": 1}),
        ("MCPhaseGate MCU1Gate", (A, 3), {}),
        ("MCXGate MCXGrayCode MCXRecursive", (4,), {}),
        ("MCXVChain", (4,), {"dirty_ancillas": True}),
        ("MSGate", (3, A), {}),
        ("NLocal TwoLocal", (3, library.RXGate(A), library.CRZGate(B)), {"reps": 1}),
        ("n_local", (3, "rx", "crz"), {"reps": 1}),
        ("EfficientSU2 efficient_su2 RealAmplitudes real_amplitudes", (3,), {"reps": 1}),
        ("ExcitationPreserving excitation_preserving", (3,), {"reps": 1, "mode": "fsim"}),
        ("PauliTwoDesign pauli_two_design", (3,), {"reps": 1, "seed": 1}),
        ("PauliFeatureMap pauli_feature_map", (3,), {"paulis": ["Z", "XY", "ZYX"]}),
        ("ZFeatureMap ZZFeatureMap z_feature_map zz_feature_map", (2,), {}),
        ("EvolvedOperatorAnsatz evolved_operator_ansatz", ([HAMILTONIAN, COST],), {}),
        ("hamiltonian_variational_ansatz", (HAMILTONIAN,), {}),
        ("QAOAAnsatz qaoa_ansatz", (COST,), {}),
        ("GroverOperator grover_operator", (_marked(),), {}),
        ("PhaseEstimation phase_estimation", (2, _rotation()), {}),
        ("UnitaryOverlap unitary_overlap", (_ansatz(), _ansatz()), {}),
        ("PauliEvolutionGate", (HAMILTONIAN, A * B), {}),
        ("PauliGate", ("XYZ",), {}),
        ("PauliProductMeasurement", (Pauli("XZ"),), {}),
        ("PauliProductRotationGate", (Pauli("-XYZ"), A), {}),
        ("Permutation", (3, [2, 0, 1]), {}),
        ("PermutationGate", ([2, 0, 1],), {}),
        ("PiecewiseChebyshev", (_inverse_sine, 2, [0, 2], 2), {}),
        ("PiecewiseChebyshevGate", (_inverse_sine, 2, 2, [0, 2]), {}),
        (
            "PiecewiseLinearPauliRotations PiecewiseLinearPauliRotationsGate",
            (2, [0, 2], [0.3, 0.5], [0.1, 0.2]),
            {},
        ),
        (
            "PiecewisePolynomialPauliRotations PiecewisePolynomialPauliRotationsGate",
            (2, [0, 2], [[0.1, 0.2], [0.3, 0.4]]),
            {},
        ),
        ("PolynomialPauliRotations PolynomialPauliRotationsGate", (2, [0.1, 0.2, 0.3]), {}),
        ("QuadraticForm", (2, [[A, 0], [0, B]], [1, C], 0), {}),
        ("QuadraticFormGate", (2, [[1, 0], [0, 1]], [1, 2], 0), {}),
        ("QuantumVolume quantum_volume", (3, 2), {"seed": 1}),
        ("random_bitwise_xor random_iqp", (3, 1), {}),
        ("UCGate", ([random_unitary(2, seed=i).data for i in range(4)],), {}),
        ("UCPauliRotGate", ([0.1, 0.2, 0.3, 0.4], "X"), {}),
        ("UCRXGate UCRYGate UCRZGate", ([0.1, 0.2, 0.3, 0.4],), {}),
        ("UniformSuperpositionGate", (3, 2), {}),
        ("UnitaryGate", (random_unitary(4, seed=5),), {}),
    )
    for name in str(names).split()
}

ABSTRACT = ("BlueprintCircuit", "FunctionalPauliRotations")
NO_CIRCUIT = (*ABSTRACT, "get_standard_gate_name_mapping")

REFUSED = {
    "PauliProductMeasurement": r"in its 'cx' .* acts after a measurement, .* no one state",
    "RVGate": r"\('rv' on .*unbound parameters.*Write it as rotations by rx, ry, rz or u",
    "Reset": r"\('reset' on .* resets, .* no one state.* or remove it",
}

NAMES = [
    name
    for name, found in vars(library).items()
    if not name.startswith("_") and callable(found) and name not in NO_CIRCUIT
]


def _weighted_sum() -> library.UnitaryGate:
    """s0, s1, and their sum with weights 1 and 2 added to the two qubits above, modulo four."""
    labels = np.arange(16)
    sums = (labels // 4 + labels % 4) % 4
    matrix = np.zeros((16, 16))
    matrix[labels % 4 + 4 * sums, labels] = 1
    return library.UnitaryGate(matrix)


# What Statevector takes in place of those it does not.
STAND_INS: dict[str, Callable[[], Any]] = {
    "Measure": library.IGate,
    "WeightedSumGate": _weighted_sum,
}


def _made(name: str) -> Any:
    """A small instance, its angles all parameters."""
    make = getattr(library, name)
    if name in ARGUMENTS:
        given, keywords = ARGUMENTS[name]()
        return make(*given, **keywords)
    wanted = [
        parameter
        for parameter in inspect.signature(make).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and (parameter.default is parameter.empty or parameter.name == "theta")
    ]
    return make(*(Parameter(f"t{i}") for i in range(len(wanted))))


def _applied(instruction: Any, random: np.random.Generator, *, fresh: bool) -> QuantumCircuit:
    """The instruction on shuffled qubits of an entangled state, or of |0...0>."""
    if isinstance(instruction, QuantumCircuit):
        instruction = instruction.to_instruction()
    width = instruction.num_qubits + 1
    circuit = QuantumCircuit(width, instruction.num_clbits)
    for qubit in range(width):
        angles = random.uniform(-2, 2, 3)
        if not fresh:
            circuit.u(*angles, qubit)
    for qubit in range(0 if fresh else width - 1):
        circuit.cz(qubit, qubit + 1)
    qubits = random.permutation(width)[: instruction.num_qubits].tolist()
    circuit.append(instruction, qubits, range(instruction.num_clbits))
    return circuit


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_state_and_gradient(name: str) -> None:
    instruction = _made(name)
    fresh = name == "Initialize"
    circuit = _applied(instruction, np.random.default_rng(7), fresh=fresh)
    other = STAND_INS[name]() if name in STAND_INS else instruction
    oracle = _applied(other, np.random.default_rng(7), fresh=fresh)
    parameters = list(circuit.parameters)
    values = np.random.default_rng(8).uniform(-2, 2, len(parameters))

    def state(values: np.ndarray) -> Statevector:
        return Statevector(oracle.assign_parameters(dict(zip(parameters, values, strict=True))))

    built = build(circuit, [], parameters)
    check(built.program)
    np.testing.assert_allclose(on_circuit(built, values), state(values).data, atol=1e-10)
    if not parameters:
        return
    observables = [
        SparsePauliOp([letter * circuit.num_qubits for letter in "XYZ"], [1.0, -0.5, 0.75])
    ]
    evaluator = Evaluator(circuit, Expectation(observables), [], parameters)
    _, slope = evaluator.jacobian(np.zeros((1, 0)), values)
    assert slope is not None
    expected = differences(
        lambda v: [state(v).expectation_value(observable).real for observable in observables],
        values,
    )
    np.testing.assert_allclose(slope[0], expected, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in REFUSED if name in NAMES])
def test_refusal(name: str) -> None:
    circuit = _applied(_made(name), np.random.default_rng(7), fresh=False)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=REFUSED[name]):
        jaxqnn.statevector(circuit)


@pytest.mark.parametrize("name", ABSTRACT)
def test_what_is_left_out_cannot_be_made(name: str) -> None:
    with pytest.raises(TypeError, match="abstract"):
        getattr(library, name)()


def test_rotations_about_a_vector_of_numbers() -> None:
    """RVGate is refused for its parameters alone."""
    circuit = _applied(library.RVGate(0.1, 0.2, 0.3), np.random.default_rng(7), fresh=False)
    found = on_circuit(build(circuit, [], []), [])
    np.testing.assert_allclose(found, Statevector(circuit).data, atol=1e-10)


@pytest.mark.parametrize("num_qubits", [1, 3])
@pytest.mark.parametrize("controls", [0, 2])
def test_the_time_of_a_hamiltonian_may_be_a_parameter(num_qubits: int, controls: int) -> None:
    """Its trace is a phase, which controls make visible."""
    matrix = random_hermitian(1 << num_qubits, seed=num_qubits)
    gate = library.HamiltonianGate(matrix, 2 * A - 0.3)
    if controls:
        gate = gate.control(controls, ctrl_state=1, annotated=True)
    circuit = _applied(gate, np.random.default_rng(7), fresh=False)
    state = Statevector(circuit.assign_parameters({A: 0.8}))
    np.testing.assert_allclose(on_circuit(build(circuit, [A], []), [0.8]), state.data, atol=1e-10)


def test_a_hamiltonian_too_wide_to_diagonalise_is_refused() -> None:
    circuit = QuantumCircuit(11)
    circuit.append(library.HamiltonianGate(np.eye(1 << 11), A), range(11))
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=r"11 qubits .* PauliEvolutionGate"):
        jaxqnn.expectation(circuit)
