"""The compiled sweeps against XLA's form, in both their layouts, and when they are chosen."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import jax
import numpy as np
import pytest
from comparing import assert_all_close
from jax.sharding import Mesh
from oracles import Case, observables, with_blocks
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import efficient_su2, real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp, Statevector
from random_circuits import random_case

import jaxqnn
from jaxqnn.backends import Backend, Precision, choose
from jaxqnn.backends.compiled import CompiledBackend
from jaxqnn.backends.jitted import JittedBackend
from jaxqnn.batches import NativeFootprint, plan
from jaxqnn.measure import Expectation, Probabilities, Specification, State
from jaxqnn.measure.outcomes import Classes, Diagonal
from jaxqnn.model import Model
from jaxqnn.sweep import foreign
from jaxqnn.sweep.cpu import sums as native
from jaxqnn.sweep.cpu.layout import LANES, lanes_are_labels

ATOL = 1e-11


def tutorial(num_qubits: int) -> Case:
    features = zz_feature_map(num_qubits, reps=2)
    ansatz = real_amplitudes(num_qubits, reps=2)
    inputs, weights = tuple(features.parameters), tuple(ansatz.parameters)
    return Case(features.compose(ansatz), inputs, weights)


def angle_embedding(num_qubits: int) -> Case:
    """A start that depends on the inputs, and shared phases in every layer."""
    x = ParameterVector("x", num_qubits)
    circuit = QuantumCircuit(num_qubits)
    for q in range(num_qubits):
        circuit.ry(x[q], q)
    ansatz = efficient_su2(num_qubits, reps=1)
    return Case(circuit.compose(ansatz), tuple(x), tuple(ansatz.parameters))


def one_qubit() -> Case:
    x, w = ParameterVector("x", 1), ParameterVector("w", 2)
    circuit = QuantumCircuit(1)
    circuit.rx(x[0] * w[0], 0)
    circuit.u(w[1], x[0], w[0] - 1, 0)
    return Case(circuit, tuple(x), tuple(w))


CASES: dict[str, Callable[[], Case]] = {
    "one qubit": one_qubit,
    "two qubits": lambda: tutorial(2),
    "tutorial": lambda: tutorial(6),
    "two groups of rotations": lambda: tutorial(11),
    "blocks": lambda: with_blocks(6),
    "embedding": lambda: angle_embedding(7),
    # Of those that start from no amplitudes, some have roots of negative numbers.
    "random": lambda: random_case(1, 4),
    "wide random": lambda: random_case(3, 6),
}

SPECIFICATIONS: dict[str, Callable[[int], Specification]] = {
    "Z": lambda n: Expectation(),
    "Pauli sums": lambda n: Expectation(observables(n)),
    "one Pauli sum": lambda n: Expectation(observables(n)[1]),
    "ten diagonals": lambda n: Expectation(
        [SparsePauliOp.from_sparse_list([("Z", [q % n], 1.0 + q)], n) for q in range(10)]
    ),
    "classes": lambda n: Probabilities(lambda outcome: outcome % 3, 3),
    "probabilities": lambda n: Probabilities(),
    "one probability": lambda n: Probabilities(bits=(0,)),
    "amplitudes": lambda n: State(),
}


def double(case: Case) -> CompiledBackend:
    return CompiledBackend(Model(case.circuit, Expectation(), case.inputs, case.weights), "double")


def drawn(case: Case, batch: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(batch)
    return random.normal(size=(batch, len(case.inputs))), random.normal(size=len(case.weights))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("tutorial", kind) for kind in SPECIFICATIONS),
        ("one qubit", "Z"),
        ("two qubits", "probabilities"),
        ("two qubits", "amplitudes"),
        ("two groups of rotations", "Z"),
        ("blocks", "Pauli sums"),
        ("embedding", "probabilities"),
        ("random", "Pauli sums"),
        ("wide random", "classes"),
    ],
)
def test_they_agree_with_xla(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "_is_registered", lambda: False)  # so that it is XLA's form
    case = CASES[name]()
    model = Model(
        case.circuit, SPECIFICATIONS[kind](case.circuit.num_qubits), case.inputs, case.weights
    )
    compiled, xla = CompiledBackend(model, "double"), JittedBackend(model, "double")
    x, w = drawn(case, 17)
    value, (by_inputs, by_weights) = xla.value(x, w), xla.jacobian(x, w, wrt_inputs=True)
    cotangent = np.random.default_rng(0).normal(size=value.shape)
    for rows in (slice(3), slice(None)):  # lanes are labels, samples
        outputs, pull = compiled.linearized(x[rows], w)
        np.testing.assert_allclose(outputs, value[rows], atol=ATOL)
        pull(value[rows])  # keeps the states for the next
        found = [
            compiled.value(x[rows], w),
            *compiled.jacobian(x[rows], w, wrt_inputs=True),
            *pull(cotangent[rows]),
        ]
        expected = [
            value[rows],
            by_inputs[rows],
            by_weights[rows],
            np.einsum("bm,bmp->bp", cotangent[rows], by_inputs[rows]),
            np.einsum("bm,bmw->w", cotangent[rows], by_weights[rows]),
        ]
        assert_all_close(found, expected, atol=ATOL)


@pytest.mark.parametrize("batch", [1, 4, 5, 8, 9, 16])
def test_every_batch_is_its_samples(batch: int) -> None:
    case = tutorial(6)
    backend = double(case)
    x, w = drawn(case, batch)
    values, (by_inputs, by_weights) = backend.value(x, w), backend.jacobian(x, w, wrt_inputs=True)
    for i in range(batch):
        np.testing.assert_allclose(values[i], backend.value(x[i : i + 1], w)[0], atol=ATOL)
        alone = backend.jacobian(x[i : i + 1], w, wrt_inputs=True)
        np.testing.assert_allclose(by_inputs[i], alone[0][0], atol=ATOL)
        np.testing.assert_allclose(by_weights[i], alone[1][0], atol=ATOL)


def test_both_layouts_are_taken() -> None:
    assert lanes_are_labels(6, 4)
    assert lanes_are_labels(16, 64)
    assert not lanes_are_labels(6, 5)
    assert not lanes_are_labels(5, 1)


@pytest.mark.parametrize("batch", [2, 11])
def test_nan_and_infinity_stay_in_their_sample(batch: int) -> None:
    case = tutorial(6)
    backend = double(case)
    x, w = drawn(case, batch)
    clean = backend.jacobian(x, w, wrt_inputs=True)
    x[0, 1], x[1, 2] = np.nan, np.inf
    assert np.isnan(backend.value(x, w)[:2]).all()
    for found, expected in zip(backend.jacobian(x, w, wrt_inputs=True), clean, strict=True):
        assert np.isnan(found[:2]).any(axis=(1, 2)).all()
        np.testing.assert_allclose(found[2:], expected[2:], atol=ATOL)


@pytest.mark.parametrize("scale", [1e2, 1e6, 1e9, 1e200])
def test_large_angles_lose_only_their_own_digits(scale: float) -> None:
    x = ParameterVector("x", 6)
    circuit = QuantumCircuit(6)
    circuit.h(range(6))
    for q in range(6):
        circuit.rz(x[q], q)
        circuit.cx(q, (q + 1) % 6)
    circuit.h(range(6))
    model = Model(circuit, Probabilities(), tuple(x), ())
    values = scale * np.random.default_rng(1).normal(size=(3, 6))
    found = CompiledBackend(model, "double").value(values, np.zeros(0))
    expected = [Statevector(circuit.assign_parameters(row)).probabilities() for row in values]
    np.testing.assert_allclose(found, expected, atol=max(1e-12, 1e-15 * scale))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("num_qubits", [3, 7, 14])
@pytest.mark.parametrize(("precision", "atol"), [("double", 1e-14), ("single", 1e-6)])
def test_half_turns(num_qubits: int, precision: Precision, atol: float) -> None:
    """Their tangents are as large as any of a float."""
    w = ParameterVector("w", num_qubits)
    circuit = QuantumCircuit(num_qubits)
    circuit.ry(0.3, range(num_qubits))
    circuit.cz(0, range(1, num_qubits))
    for qubit, angle in enumerate(w):
        circuit.ry(angle, qubit)
    nearest = np.pi * np.array([1, -1, 3, 5, -7])
    turns = [nearest, np.nextafter(nearest, 0), np.nextafter(nearest, 99 * nearest)]
    values = np.resize(np.concatenate(turns), num_qubits)
    backend = CompiledBackend(Model(circuit, State(), (), tuple(w)), precision)
    dtype = np.float64 if precision == "double" else np.float32
    found = backend.value(np.zeros((1, 0), dtype), values.astype(dtype))[0].astype(float)
    exact = Statevector(circuit.assign_parameters(values.astype(dtype).astype(float)))
    real, imaginary = np.split(found, 2)
    np.testing.assert_allclose(real + 1j * imaginary, exact.data, atol=atol)


def test_they_are_chosen_where_they_can_run() -> None:
    case = tutorial(3)

    def chosen(
        specification: Specification, precision: Precision = "double", mesh: Mesh | None = None
    ) -> type:
        model = Model(case.circuit, specification, case.inputs, case.weights)
        return type(choose(model, precision, None, mesh))

    assert chosen(Expectation()) is CompiledBackend
    assert chosen(Probabilities()) is CompiledBackend
    assert chosen(Expectation(), "single") is CompiledBackend
    assert chosen(State()) is CompiledBackend
    mesh = Mesh(np.array(jax.devices()[:1]), ("batch",))
    assert chosen(Expectation(), mesh=mesh) is JittedBackend
    many = SparsePauliOp(["".join(p) for p in itertools.product("XYZ", repeat=3)])
    assert chosen(Expectation(many)) is CompiledBackend


@pytest.mark.parametrize(
    ("num_qubits", "batch", "threads"), [(2, 3, 1), (3, 2, 1), (5, 3, 1), (12, 1, 3)]
)
def test_sums_of_many_strings(
    num_qubits: int, batch: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = tutorial(num_qubits)
    random = np.random.default_rng(2)
    labels = ["".join(random.choice(list("IXYZ"), num_qubits)) for _ in range(60)]
    flips = SparsePauliOp("X" * num_qubits)
    measured = [SparsePauliOp(labels, random.normal(size=len(labels))) + flips, flips]
    model = Model(case.circuit, Expectation(measured), case.inputs, case.weights)
    x, w = drawn(case, batch)
    cotangent = random.normal(size=(batch, 2))
    monkeypatch.setattr(native, "_MANY", 0)
    monkeypatch.setattr(native, "cores", lambda: threads)
    monkeypatch.setattr(native, "_template", native._template.__wrapped__)  # remembers others

    def everything(backend: Backend) -> list[np.ndarray]:
        value, pull = backend.linearized(x, w)
        return [value, *pull(cotangent), *backend.jacobian(x, w, wrt_inputs=True)]

    eager, within = (make(model, "double") for make in (CompiledBackend, JittedBackend))
    found = everything(eager)
    np.testing.assert_allclose(found[0], case.expectations(measured, x, w), atol=ATOL)
    assert_all_close(everything(within), found, atol=ATOL)
    monkeypatch.setattr(foreign, "_is_registered", lambda: False)  # so that it is XLA's form
    by_xla = JittedBackend(
        Model(case.circuit, Expectation(measured), case.inputs, case.weights), "double"
    )
    assert_all_close(everything(by_xla), found, atol=ATOL)


def test_classes_without_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    case, specification = tutorial(4), Probabilities(lambda outcome: outcome % 3, 4)
    x, w = drawn(case, 3)
    cotangent = np.random.default_rng(1).normal(size=(3, 4))

    def everything(make: type[CompiledBackend | JittedBackend], kind: type) -> list[np.ndarray]:
        model = Model(case.circuit, specification, case.inputs, case.weights)
        assert isinstance(model.measurement, kind)
        backend = make(model, "double")
        value, pull = backend.linearized(x, w)
        return [value, *pull(cotangent), *backend.jacobian(x, w, wrt_inputs=True)]

    by_table = everything(CompiledBackend, Diagonal)
    monkeypatch.setattr("jaxqnn.measure.specification._DENSE_CLASSES", 0)
    for make in (CompiledBackend, JittedBackend):
        assert_all_close(everything(make, Classes), by_table, atol=ATOL)


def test_threads_share_a_batch() -> None:
    footprint = NativeFootprint(12, 1, 8, num_layers=10)
    pieces = plan(40, footprint).pieces
    assert sum(piece.stop - piece.start for piece in pieces) == 40
    assert all(piece.size == piece.stop - piece.start for piece in pieces)
    assert all(piece.size % LANES == 0 for piece in pieces[:-1])
    case = tutorial(12)
    qnn = jaxqnn.EstimatorQNN(circuit=case.circuit, input_gradients=True, **case.split)
    x, w = drawn(case, 20)
    expected = double(case).jacobian(x, w, wrt_inputs=True)
    assert_all_close(qnn.backward(x, w), expected, atol=ATOL)
