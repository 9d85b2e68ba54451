"""``statevector``, ``expectation`` and ``probabilities`` against Qiskit's ``Statevector``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import CASES, Case, mixed, observables, one_qubit, values
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp, Statevector

import jaxqnn

BATCH = 5
DOUBLE, SINGLE = 1e-12, 2e-6


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Runs each test in JAX's 64-bit mode; the tests of dtypes choose another inside."""
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", CASES)
def test_states_and_probabilities_are_those_of_statevector(name: str) -> None:
    case = CASES[name]()
    inputs, weights = values(case, BATCH)
    expected = case.states(inputs, weights)
    found = jaxqnn.statevector(case.circuit, **case.split)(inputs, weights)
    assert found.shape == (BATCH, 2**case.circuit.num_qubits)
    np.testing.assert_allclose(found, expected, atol=DOUBLE)
    found = jaxqnn.probabilities(case.circuit, **case.split)(inputs, weights)
    np.testing.assert_allclose(found, abs(expected) ** 2, atol=DOUBLE)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=DOUBLE)


def test_without_a_split_parameters_come_in_the_circuits_order() -> None:
    late, early = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(3)
    circuit.ry(early, 0)
    circuit.cx(0, 1)
    circuit.rx(late, 1)
    assert list(circuit.parameters) == [late, early]
    params = np.random.default_rng(1).uniform(-2, 2, (BATCH, 2))
    found = jaxqnn.statevector(circuit)(params)
    expected = Case(circuit, (), (late, early)).states(np.zeros((BATCH, 0)), params)
    np.testing.assert_allclose(found, expected, atol=DOUBLE)


def reordered(order: Callable[[list[Parameter]], tuple[list[Parameter], list[Parameter]]]) -> Case:
    case = mixed()
    inputs, weights = order([*case.inputs, *case.weights])
    return Case(case.circuit, tuple(inputs), tuple(weights))


SPLITS = {
    "reversed": lambda p: (p[2::-1], p[:2:-1]),
    "interleaved": lambda p: (p[::2], p[1::2]),
    "exchanged": lambda p: (p[3:], p[:3]),
    "all inputs": lambda p: (p, []),
    "all weights": lambda p: ([], p),
}


@pytest.mark.parametrize("name", SPLITS)
def test_parameters_may_be_split_in_any_way(name: str) -> None:
    case = reordered(SPLITS[name])
    inputs, weights = values(case, BATCH)
    found = jaxqnn.statevector(case.circuit, **case.split)(inputs, weights)
    np.testing.assert_allclose(found, case.states(inputs, weights), atol=DOUBLE)


def test_one_split_may_be_left_out() -> None:
    case = reordered(SPLITS["all inputs"])
    inputs, _ = values(case, BATCH)
    found = jaxqnn.expectation(case.circuit, input_params=case.inputs)(inputs, [])
    other = jaxqnn.expectation(case.circuit, weight_params=case.inputs)([], inputs)
    np.testing.assert_allclose(found, other, atol=DOUBLE)


def test_parameters_are_told_apart_by_identity() -> None:
    first, second = ParameterVector("same", 1), ParameterVector("other", 1)
    circuit = QuantumCircuit(3)
    circuit.ry(first[0], 0)
    circuit.ry(second[0], 1)
    found = jaxqnn.expectation(
        circuit, [Pauli("IIZ"), Pauli("IZI")], input_params=second, weight_params=first
    )([0.3], [1.1])
    np.testing.assert_allclose(found, np.cos([1.1, 0.3]), atol=DOUBLE)


SHAPES = {
    "one point": ((3,), (4,)),
    "a batch": ((BATCH, 3), (4,)),
    "two axes": ((2, BATCH, 3), (4,)),
    "pairs": ((BATCH, 3), (BATCH, 4)),
    "an ensemble at one point": ((3,), (2, 4)),
    "an ensemble on a batch": ((BATCH, 3), (2, 1, 4)),
    "a batch of an ensemble": ((BATCH, 1, 3), (2, 4)),
    "an ensemble, each its batch": ((2, BATCH, 3), (2, 1, 4)),
    "pairs beside an axis": ((2, 1, 3), (2, BATCH, 4)),
    "axes of one": ((1, 1, 3), (1, 4)),
    "no samples": ((0, 3), (4,)),
    "no members": ((BATCH, 3), (0, 1, 4)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_leading_axes_broadcast(name: str) -> None:
    case, (x_shape, w_shape) = mixed(), SHAPES[name]
    random = np.random.default_rng(2)
    inputs, weights = random.uniform(-2, 2, x_shape), random.uniform(-2, 2, w_shape)
    found = jaxqnn.statevector(case.circuit, **case.split)(inputs, weights)
    assert found.shape == (*np.broadcast_shapes(x_shape[:-1], w_shape[:-1]), 8)
    np.testing.assert_allclose(found, case.states(inputs, weights), atol=DOUBLE)


@pytest.mark.parametrize(("inputs", "weights"), [((2, 3), (4,)), ((2, 1, 3), (BATCH, 4))])
def test_atoms_of_both_kinds_broadcast(inputs: tuple[int, ...], weights: tuple[int, ...]) -> None:
    case, random = CASES["atoms"](), np.random.default_rng(3)
    x, w = random.uniform(-2, 2, inputs), random.uniform(-2, 2, weights)
    found = jaxqnn.statevector(case.circuit, **case.split)(x, w)
    np.testing.assert_allclose(found, case.states(x, w), atol=DOUBLE)


@pytest.mark.parametrize("shape", [(0,), (BATCH, 0), (2, BATCH, 0)])
def test_a_circuit_without_parameters_has_batches_too(shape: tuple[int, ...]) -> None:
    case = CASES["constant"]()
    found = jaxqnn.statevector(case.circuit)(np.zeros(shape))
    expected = np.broadcast_to(Statevector(case.circuit).data, (*shape[:-1], 8))
    np.testing.assert_allclose(found, expected, atol=DOUBLE)


def test_a_circuit_on_which_nothing_acts() -> None:
    empty = QuantumCircuit(2)
    np.testing.assert_allclose(jaxqnn.statevector(empty)([]), [1, 0, 0, 0])
    np.testing.assert_allclose(jaxqnn.expectation(empty)([]), [1])
    np.testing.assert_allclose(jaxqnn.probabilities(empty)([]), [1, 0, 0, 0])


DTYPES = {
    # The mode, the arguments' types, and the real type of the result.
    "default": (False, np.float64, np.float64, np.float32),
    "double": (True, np.float64, np.float64, np.float64),
    "single in the 64-bit mode": (True, np.float32, np.float32, np.float32),
    "mixed": (True, np.float32, np.float64, np.float64),
    "half": (False, np.float16, np.float16, np.float32),
    "integers": (False, np.int64, np.int64, np.float32),
    "integers in the 64-bit mode": (True, np.int64, np.int64, np.float64),
    "integers beside single": (True, np.int64, np.float32, np.float32),
}


@pytest.mark.parametrize("mode", DTYPES)
def test_the_dtype_follows_the_arguments_and_the_mode(mode: str) -> None:
    enabled, of_inputs, of_weights, expected = DTYPES[mode]
    case = mixed()
    inputs, weights = (2 * part for part in values(case, BATCH))
    inputs, weights = inputs.astype(of_inputs), weights.astype(of_weights)
    with jax.enable_x64(enabled):
        state = jaxqnn.statevector(case.circuit, **case.split)(inputs, weights)
        mean = jaxqnn.expectation(case.circuit, **case.split)(inputs, weights)
    assert mean.dtype == expected
    assert state.dtype == np.result_type(expected, np.complex64)
    atol = DOUBLE if expected is np.float64 else SINGLE
    np.testing.assert_allclose(state, case.states(inputs, weights), atol=atol)


def test_one_function_serves_both_modes() -> None:
    case = mixed()
    inputs, weights = values(case, BATCH)
    function = jaxqnn.expectation(case.circuit, **case.split)
    found = []
    for enabled in (False, True, False):
        with jax.enable_x64(enabled):
            found.append(function(inputs, weights))
    assert [part.dtype for part in found] == [np.float32, np.float64, np.float32]
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(found[0], found[1], atol=SINGLE)


UNREADABLE: dict[str, Any] = {
    "of more digits": np.ones(4, np.longdouble),
    "of another byte order": np.ones(4, np.dtype(float).newbyteorder()),
    "with a mask": np.ma.masked_equal(np.arange(4.0), 1),
    "of objects": np.ones(4, object),
    "of words": ["word"] * 4,
    "of ragged rows": [[1.0], [1.0, 2.0]],
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_arrays_that_jax_does_not_know_are_refused_by_name(kind: str) -> None:
    function = jaxqnn.expectation(one_qubit().circuit)
    with pytest.raises(jaxqnn.JaxQNNError, match="params cannot be read as an array"):
        function(UNREADABLE[kind])


def test_arguments_may_be_lists_and_jax_arrays() -> None:
    case = one_qubit()
    function = jaxqnn.expectation(case.circuit, **case.split)
    expected = function(np.array([0.1]), np.array([0.2]))
    assert function([0.1], [0.2]) == expected
    assert function(jnp.array([0.1]), (0.2,)) == expected


@pytest.mark.parametrize("name", CASES)
def test_calling_twice_gives_the_same_and_leaves_arguments_alone(name: str) -> None:
    case = CASES[name]()
    inputs, weights = values(case, BATCH)
    kept = inputs.copy(), weights.copy()
    function = jaxqnn.statevector(case.circuit, **case.split)
    np.testing.assert_array_equal(function(inputs, weights), function(inputs, weights))
    np.testing.assert_array_equal(inputs, kept[0])
    np.testing.assert_array_equal(weights, kept[1])


def test_changing_the_circuit_later_changes_nothing() -> None:
    circuit = QuantumCircuit(3)
    circuit.ry(Parameter("t"), 0)
    function = jaxqnn.expectation(circuit)
    before = function([0.4])
    circuit.x(0)
    np.testing.assert_array_equal(function([0.4]), before)


OBSERVABLES = {
    "default": (None, [SparsePauliOp("ZZZ")]),
    "a label": ("XZY", [SparsePauliOp("XZY")]),
    "a Pauli": (Pauli("IXZ"), [Pauli("IXZ")]),
    "a Pauli with a sign": (Pauli("-YYI"), [Pauli("-YYI")]),
    "a sum": (SparsePauliOp(["XXI", "ZII"], [0.3, -2]), [SparsePauliOp(["XXI", "ZII"], [0.3, -2])]),
    "an operator": (Operator(Pauli("ZYX")), [Operator(Pauli("ZYX"))]),
    "zero": (SparsePauliOp("XXX", 0), [SparsePauliOp("XXX", 0)]),
    "repeated": ([Pauli("IIZ")] * 2, [Pauli("IIZ")] * 2),
    "many": (observables(3), observables(3)),
}


@pytest.mark.parametrize("name", OBSERVABLES)
def test_observables_of_every_kind(name: str) -> None:
    given, meant = OBSERVABLES[name]
    case = mixed()
    inputs, weights = values(case, BATCH)
    found = jaxqnn.expectation(case.circuit, given, **case.split)(inputs, weights)
    np.testing.assert_allclose(found, case.expectations(meant, inputs, weights), atol=DOUBLE)


def test_a_hermitian_matrix_is_an_observable() -> None:
    random = np.random.default_rng(4)
    matrix = random.normal(size=(8, 8)) + 1j * random.normal(size=(8, 8))
    observable = Operator(matrix + matrix.conj().T)
    case = mixed()
    inputs, weights = values(case, BATCH)
    found = jaxqnn.expectation(case.circuit, observable, **case.split)(inputs, weights)
    expected = case.expectations([observable], inputs, weights)
    np.testing.assert_allclose(found, expected, atol=10 * DOUBLE)


INTERPRETS: dict[str, tuple[Callable[[int], Any], Any]] = {
    "parity": (lambda outcome: outcome.bit_count() % 2, 2),
    "a permutation": (lambda outcome: 7 - outcome, 8),
    "room to spare": (lambda outcome: outcome, 11),
    "pairs": (lambda outcome: (outcome % 2, outcome // 2), (2, 4)),
    "one class": (lambda outcome: 0, 1),
    "numpy integers": (lambda outcome: np.int64(outcome % 3), (3,)),
}


@pytest.mark.parametrize("name", INTERPRETS)
def test_classes_add_up_probabilities(name: str) -> None:
    interpret, shape = INTERPRETS[name]
    case = mixed()
    inputs, weights = values(case, BATCH)
    found = jaxqnn.probabilities(case.circuit, interpret, shape, **case.split)(inputs, weights)
    expected = np.zeros((BATCH, *np.atleast_1d(shape)))
    for outcome, probability in enumerate(abs(case.states(inputs, weights).T) ** 2):
        index = interpret(outcome)
        expected[(slice(None), *np.atleast_1d(index))] += probability
    np.testing.assert_allclose(found, expected, atol=DOUBLE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["inputs", "weights"])
def test_what_is_not_finite_never_gives_a_finite_number(bad: float, where: str) -> None:
    case = mixed()
    inputs, weights = values(case, BATCH)
    (inputs if where == "inputs" else weights)[..., 1] = bad
    for function in (jaxqnn.statevector, jaxqnn.probabilities, jaxqnn.expectation):
        found = function(case.circuit, **case.split)(inputs, weights)
        assert np.all(np.isnan(found))
