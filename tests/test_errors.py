"""The catalogue of errors: each names what is wrong and where, and says what to do."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from error_form import REMEDY, Entry, assert_raises
from network_pairs import ANSATZ, FEATURE_MAP, NETWORK, OwnEstimator, OwnSampler
from qiskit.circuit import Gate, Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp
from qiskit_machine_learning import QiskitMachineLearningError

import jaxqnn
from jaxqnn import JaxQNNError, UnsupportedCircuitError
from jaxqnn.errors import InvalidArgumentError

CIRCUIT: QuantumCircuit = NETWORK["circuit"]
BARE = QuantumCircuit(2)


def circuit(*steps: Callable[[QuantumCircuit], Any], qubits: int = 2) -> QuantumCircuit:
    made = QuantumCircuit(qubits, 1)
    made.h(0)
    for step in steps:
        step(made)
    return made


def state_of(made: QuantumCircuit) -> Callable[[], Any]:
    return lambda: jaxqnn.statevector(made)


def expectation_of(observables: Any) -> Callable[[], Any]:
    return lambda: jaxqnn.expectation(BARE, observables)


def estimator(**changes: Any) -> Callable[[], Any]:
    return lambda: jaxqnn.EstimatorQNN(**(NETWORK | changes))


def sampler(**changes: Any) -> Callable[[], Any]:
    return lambda: jaxqnn.SamplerQNN(**(NETWORK | changes))


T = Parameter("t")

# Name: what raises it, its class, and the words that name the place.
CATALOGUE: dict[str, Entry] = {
    # Circuits
    "a measurement in the middle": (
        state_of(circuit(lambda c: c.measure(1, 0), lambda c: c.x(1))),
        UnsupportedCircuitError,
        ("Instruction 2", "'x'", "[1]"),
    ),
    "initialise in the middle": (
        state_of(circuit(lambda c: c.initialize([0, 1], 0))),
        UnsupportedCircuitError,
        ("Instruction 1", "'initialize'", "[0]"),
    ),
    "an opaque gate inside another": (
        state_of(
            circuit(
                lambda c: c.append(
                    circuit(lambda d: d.append(Gate("mystery", 1, []), [0])).to_instruction(),
                    [0, 1],
                    [0],
                )
            )
        ),
        UnsupportedCircuitError,
        ("Instruction 1", "'mystery'"),
    ),
    # Parameters
    "a foreign parameter": (
        lambda: jaxqnn.expectation(CIRCUIT, input_params=[T], weight_params=CIRCUIT.parameters),
        ValueError,
        ("Input parameter", "'t'", "identity"),
    ),
    "a parameter left over": (
        lambda: jaxqnn.expectation(CIRCUIT, weight_params=ANSATZ.parameters),
        ValueError,
        ("x[0]", "x[1]"),
    ),
    "a parameter given twice": (
        lambda: jaxqnn.expectation(
            ANSATZ, weight_params=[*ANSATZ.parameters, ANSATZ.parameters[1]]
        ),
        ValueError,
        ("θ[1]", "twice"),
    ),
    # Observables
    "an observable too wide": (
        expectation_of([Pauli("ZZ"), Pauli("ZZZ")]),
        JaxQNNError,
        ("Observable 1", "3 qubits", "2"),
    ),
    "an observable that is not Hermitian": (
        expectation_of(SparsePauliOp(["ZZ", "XY"], [1, 2j])),
        JaxQNNError,
        ("Observable 0", "XY", "2j"),
    ),
    "a matrix that is not Hermitian": (
        expectation_of(Operator([[0, 1, 0, 0], [0] * 4, [0] * 4, [0] * 4])),
        JaxQNNError,
        ("Observable 0", "not Hermitian"),
    ),
    "an observable with a parameter": (
        expectation_of(SparsePauliOp(["ZZ"], np.array([T]))),
        JaxQNNError,
        ("Observable 0", "parameter"),
    ),
    "no observables": (expectation_of([]), JaxQNNError, ("observables", "empty")),
    "something else for an observable": (
        expectation_of([Pauli("ZZ"), 3]),
        JaxQNNError,
        ("Observable 1", "int"),
    ),
    "letters that are no Pauli string": (
        expectation_of("ZA"),
        JaxQNNError,
        ("Observable 0", "str"),
    ),
    # Probabilities
    "no output shape": (
        lambda: jaxqnn.probabilities(BARE, lambda outcome: outcome),
        JaxQNNError,
        ("output_shape", "interpret"),
    ),
    "an interpret that leaves the shape": (
        lambda: jaxqnn.probabilities(ANSATZ, lambda outcome: outcome, 3),
        JaxQNNError,
        ("outcome 3", "(3,)"),
    ),
    "an interpret with too many indices": (
        lambda: jaxqnn.probabilities(BARE, lambda outcome: (outcome, 0), 4),
        JaxQNNError,
        ("outcome 0", "(0, 0)", "(4,)"),
    ),
    "an output shape of nothing": (
        lambda: jaxqnn.probabilities(BARE, lambda outcome: 0, (2, 0)),
        JaxQNNError,
        ("output_shape", "(2, 0)"),
    ),
    "classical bits that hold nothing": (
        lambda: jaxqnn.probabilities(circuit()),
        JaxQNNError,
        ("1 classical bits",),
    ),
    # Calls
    "too few values": (
        lambda: jaxqnn.expectation(ANSATZ)(np.zeros(3)),
        JaxQNNError,
        ("params", "4", "(3,)"),
    ),
    "a scalar": (
        lambda: jaxqnn.expectation(ANSATZ)(0.5),
        JaxQNNError,
        ("params", "4", "()"),
    ),
    "batches that do not broadcast": (
        lambda: jaxqnn.expectation(
            CIRCUIT, input_params=FEATURE_MAP.parameters, weight_params=ANSATZ.parameters
        )(np.zeros((2, 2)), np.zeros((3, 4))),
        ValueError,
        ("inputs (2, 2)", "weights (3, 4)"),
    ),
    "complex values": (
        lambda: jaxqnn.expectation(ANSATZ)(np.zeros(4, complex)),
        JaxQNNError,
        ("real", "complex"),
    ),
    # Networks
    "a network's observable too wide": (
        estimator(observables=[Pauli("ZZZ")]),
        QiskitMachineLearningError,
        ("Observable 0", "3 qubits"),
    ),
    "a network's interpret that leaves the shape": (
        sampler(interpret=lambda outcome: outcome, output_shape=2),
        QiskitMachineLearningError,
        ("outcome 2", "(2,)"),
    ),
    "inputs that a network needs": (
        lambda: estimator()().forward(None, np.zeros(4)),
        ValueError,
        ("2 values of input_data", "0"),
    ),
    "weights that a network needs": (
        lambda: sampler()().backward(np.zeros(2), None),
        ValueError,
        ("4 values of weights", "0"),
    ),
    "a cotangent of another shape": (
        lambda: estimator()().vjp(np.zeros((3, 2)), np.zeros(4))[1](np.zeros(2)),
        ValueError,
        ("cotangent", "(3, 1)", "(2,)"),
    ),
    # The rest of the package
    "nothing to accelerate": (
        lambda: jaxqnn.accelerate(3),
        JaxQNNError,
        ("int",),
    ),
    "nothing to verify": (
        lambda: jaxqnn.verify(3),
        JaxQNNError,
        ("verify", "int"),
    ),
    "two names for one number": (
        lambda: jaxqnn.JaxSampler(shots=3, default_shots=4),
        ValueError,
        ("shots=3", "default_shots=4"),
    ),
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_error_names_the_place_and_the_remedy(name: str) -> None:
    assert_raises(*CATALOGUE[name])


def test_errors_are_qmls_too() -> None:
    assert issubclass(JaxQNNError, QiskitMachineLearningError)
    assert issubclass(UnsupportedCircuitError, JaxQNNError)
    assert issubclass(UnsupportedCircuitError, ValueError)
    assert issubclass(InvalidArgumentError, JaxQNNError)
    assert issubclass(InvalidArgumentError, ValueError)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("EstimatorQNN", {"estimator": OwnEstimator()}),
        ("SamplerQNN", {"sampler": OwnSampler()}),
    ],
)
def test_the_one_warning_says_what_to_pass_instead(name: str, given: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match="not known to be exact") as warned:
        getattr(jaxqnn, name)(**NETWORK, **given)
    (warning,) = warned
    message = str(warning.message)
    for word in (name, type(next(iter(given.values()))).__name__, "JAX is not used"):
        assert word in message
    assert REMEDY.search(message)
    assert warning.filename == __file__


def test_exact_networks_do_not_warn() -> None:
    # Warnings are errors in these tests.
    estimator()()
    sampler()()


def raised() -> Iterator[tuple[str, str]]:
    """Every message of this package's errors, as written: where, and its words and names."""
    names = {"JaxQNNError", "UnsupportedCircuitError", "InvalidArgumentError"}
    for path in sorted(Path(jaxqnn.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            if getattr(node.exc.func, "id", None) in names and node.exc.args:
                if not any(isinstance(part, ast.Constant) for part in ast.walk(node.exc.args[0])):
                    continue  # passed on from elsewhere
                words = [
                    # A remedy that the caller knows is an argument of that name.
                    part.id if isinstance(part, ast.Name) else str(part.value)
                    for part in ast.walk(node.exc.args[0])
                    if isinstance(part, ast.Name | ast.Constant)
                ]
                yield f"{path.name}:{node.lineno}", " ".join(words)


def test_every_message_in_the_sources_has_a_remedy() -> None:
    messages = dict(raised())
    assert len(messages) > 20
    assert [place for place, text in messages.items() if not REMEDY.search(text)] == []


def test_nothing_is_compiled_before_a_mistake_is_found() -> None:
    # Forty qubits could not be simulated here, yet their mistakes are told at once.
    wide = QuantumCircuit(40)
    parameters = ParameterVector("w", 40)
    for qubit in range(40):
        wide.ry(parameters[qubit], qubit)
    with pytest.raises(JaxQNNError, match="Observable 0"):
        jaxqnn.EstimatorQNN(circuit=wide, weight_params=parameters, observables=Pauli("Z"))
    wide.append(Gate("mystery", 1, []), [3])
    with pytest.raises(UnsupportedCircuitError, match="Instruction 40"):
        jaxqnn.SamplerQNN(circuit=wide, weight_params=parameters)
