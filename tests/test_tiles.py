"""Large states, swept tile by tile: the same numbers as small ones, whoever does which tile.

Most run with tiles of a few rows, so that small circuits have many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_all_close
from complex_step import derivatives
from oracles import Case, observables
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import efficient_su2, real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp
from random_circuits import STANDARD

import jaxqnn
from jaxqnn.backends import Precision, compiled
from jaxqnn.backends.compiled import CompiledBackend
from jaxqnn.measure import Expectation, State
from jaxqnn.measure.specification import Specification
from jaxqnn.model import Model
from jaxqnn.program.frames import parity
from jaxqnn.sweep.cpu import tiling
from jaxqnn.sweep.cpu.written import HEAD

# Qiskit's PauliEvolutionGate.to_matrix makes SciPy say this of its own matrices.
pytestmark = pytest.mark.filterwarnings("ignore:.*CSC.*")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tiles of eight rows, for circuits of six qubits and more."""
    monkeypatch.setattr(tiling, "TILED_QUBITS", 6)
    monkeypatch.setattr(tiling, "_MOST_BITS", 3)
    with jax.enable_x64(True):
        yield


def is_tiled(model: Model) -> bool:
    return bool(model.arrays.words[:HEAD][15])


def model_of(case: Case, specification: Specification) -> Model:
    return Model(case.circuit, specification, case.inputs, case.weights)


def network(num_qubits: int) -> Case:
    """Phases of the samples' own, and a start that trains."""
    features, ansatz = zz_feature_map(num_qubits, reps=1), efficient_su2(num_qubits, reps=1)
    start = ParameterVector("s", num_qubits)
    circuit = QuantumCircuit(num_qubits)
    for qubit, angle in enumerate(start):
        circuit.ry(angle, qubit)
    circuit = circuit.compose(features).compose(ansatz)
    return Case(circuit, (*start, *features.parameters), tuple(ansatz.parameters))


def random_network(seed: int, num_qubits: int, num_gates: int) -> Case:
    """Gates that no dense matrix is needed for, in any order."""
    random = np.random.default_rng(seed)
    x, w = ParameterVector("x", 2), ParameterVector("w", 3)
    circuit = QuantumCircuit(num_qubits)
    names = [name for name, gate in STANDARD.items() if 0 < gate.num_qubits <= 2]
    for parameter in (*x, *w):
        circuit.ry(parameter, int(random.integers(num_qubits)))
    for _ in range(num_gates):
        gate = STANDARD[str(random.choice(names))]
        angles = [random.choice([*x, *w]) * random.integers(1, 3) for _ in gate.params]
        gate = gate.base_class(*angles) if angles else gate
        circuit.append(gate, random.permutation(num_qubits)[: gate.num_qubits].tolist())
    return Case(circuit, tuple(x), tuple(w))


def diagonals(num_qubits: int) -> list[SparsePauliOp]:
    """More observables than are swept at once, which the sweep measures itself."""
    pairs = [(q % num_qubits, (q + 1) % num_qubits) for q in range(10)]
    terms = [[("Z", [a], 1.0 + q), ("ZZ", [a, b], -0.5)] for q, (a, b) in enumerate(pairs)]
    return [SparsePauliOp.from_sparse_list(each, num_qubits) for each in terms]


def drawn(case: Case, batch: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    sizes = (batch, len(case.inputs)), len(case.weights)
    return random.normal(size=sizes[0]), random.normal(size=sizes[1])


def test_states_of_random_circuits(small: None) -> None:
    tiled = 0
    for seed in range(60):
        case = random_network(seed, 6 + seed % 4, 25)
        x, w = drawn(case, 2)
        expected = case.states(x, w)
        precisions: tuple[tuple[Precision, float], ...] = ("double", 1e-11), ("single", 2e-6)
        for precision, atol in precisions:
            model = model_of(case, State())
            dtype = np.float64 if precision == "double" else np.float32
            found = CompiledBackend(model, precision).value(x.astype(dtype), w.astype(dtype))
            real, imaginary = np.split(found.astype(float), 2, axis=1)
            exact = expected
            if precision == "single":
                exact = case.states(x.astype(dtype).astype(float), w.astype(dtype).astype(float))
            np.testing.assert_allclose(real + 1j * imaginary, exact, atol=atol, err_msg=str(seed))
        tiled += is_tiled(model)
    assert tiled > 40


@pytest.mark.parametrize("num_qubits", [6, 8])
@pytest.mark.parametrize("kind", [observables, diagonals])
def test_derivatives(
    small: None, kind: Callable[[int], list[SparsePauliOp]], num_qubits: int
) -> None:
    case = network(num_qubits)
    measured = kind(num_qubits)
    model = model_of(case, Expectation(measured))
    assert is_tiled(model)
    x, w = drawn(case, 2)
    backend = CompiledBackend(model, "double")
    values, (by_inputs, by_weights) = backend.value(x, w), backend.jacobian(x, w, wrt_inputs=True)
    for row, own, of_x, of_w in zip(x, values, by_inputs, by_weights, strict=True):
        expected, slopes = derivatives(case, measured, row, w)
        np.testing.assert_allclose(own, expected, atol=1e-11)
        np.testing.assert_allclose(np.concatenate([of_x, of_w], axis=-1), slopes, atol=1e-9)


def test_derivatives_of_random_circuits(small: None) -> None:
    for seed in range(20):
        case = random_network(seed, 6 + seed % 4, 25)
        measured = observables(case.circuit.num_qubits)
        x, w = drawn(case, 1)
        backend = CompiledBackend(model_of(case, Expectation(measured)), "double")
        found = backend.jacobian(x, w, wrt_inputs=True)
        _, slopes = derivatives(case, measured, x[0], w)
        joined = np.concatenate([part[0] for part in found], axis=-1)
        np.testing.assert_allclose(joined, slopes, atol=1e-9, err_msg=str(seed))


def test_more_bras_than_are_swept_at_once(small: None) -> None:
    case = network(7)
    sums = [SparsePauliOp.from_sparse_list([(p, [q], 1.0)], 7) for p in "XYZ" for q in range(7)]
    x, w = drawn(case, 2)
    of_all = CompiledBackend(model_of(case, Expectation(sums)), "double")
    found = of_all.jacobian(x, w, wrt_inputs=True)
    for o, one in enumerate(sums):
        alone = CompiledBackend(model_of(case, Expectation(one)), "double")
        expected = (part[:, 0] for part in alone.jacobian(x, w, wrt_inputs=True))
        assert_all_close((part[:, o] for part in found), expected, atol=1e-12)


@pytest.mark.parametrize("count", [1, 3])
def test_pullbacks_of_one_parameter(small: None, count: int) -> None:
    """With one column there is one cotangent to keep, however many outputs it comes from."""
    t = ParameterVector("t", 1)
    circuit = QuantumCircuit(7)
    circuit.h(range(6))
    circuit.cx(0, 6)
    for qubit in range(7):
        circuit.ry(t[0] * (1 + qubit), qubit)
    measured = diagonals(7)[:count]
    case = Case(circuit, (), tuple(t))
    model = model_of(case, Expectation(measured))
    assert is_tiled(model)
    x, w = drawn(case, 2)
    values, pull = CompiledBackend(model, "double").linearized(x, w)
    cotangent = np.random.default_rng(1).normal(size=values.shape)
    expected, slopes = derivatives(case, measured, x[0], w)
    np.testing.assert_allclose(values, [expected] * 2, atol=1e-11)
    np.testing.assert_allclose(pull(cotangent)[1], (cotangent @ slopes).sum(axis=0), atol=1e-9)


@pytest.mark.parametrize("kind", [observables, diagonals])
def test_single_precision(small: None, kind: Callable[[int], list[SparsePauliOp]]) -> None:
    case = network(7)
    model = model_of(case, Expectation(kind(7)))
    x, w = (part.astype(np.float32) for part in drawn(case, 2))
    single = CompiledBackend(model, "single").jacobian(x, w, wrt_inputs=True)
    double = CompiledBackend(model, "double").jacobian(
        x.astype(float), w.astype(float), wrt_inputs=True
    )
    for found, expected in zip(single, double, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize("threads", [2, 5, 64])
@pytest.mark.parametrize("kind", [observables, diagonals])
def test_threads_change_no_digit(
    small: None,
    kind: Callable[[int], list[SparsePauliOp]],
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = network(9)
    model = model_of(case, Expectation(kind(9)))
    x, w = drawn(case, 3)
    alone = CompiledBackend(model, "double")
    alone._cores = 1
    monkeypatch.setattr(compiled, "cores", lambda: threads)
    several = CompiledBackend(model, "double")
    np.testing.assert_array_equal(several.value(x, w), alone.value(x, w))
    for _ in range(20):
        slopes = (each.jacobian(x, w, wrt_inputs=True) for each in (several, alone))
        for found, expected in zip(*slopes, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_jax_s_transforms(small: None) -> None:
    case = network(7)
    measured = observables(7)
    function = jaxqnn.expectation(case.circuit, measured, **case.split)
    x, w = drawn(case, 2)
    starts = np.stack([w, w + 0.5])
    ensemble = jax.jit(jax.vmap(jax.jacrev(function, argnums=(0, 1)), in_axes=(None, 0)))(x, starts)
    for e, start in enumerate(starts):
        for b, row in enumerate(x):
            _, slopes = derivatives(case, measured, row, start)
            inputs = x.shape[1]
            np.testing.assert_allclose(ensemble[0][e, b, :, b], slopes[:, :inputs], atol=1e-9)
            np.testing.assert_allclose(ensemble[1][e, b], slopes[:, inputs:], atol=1e-9)
    hessian = jax.jit(jax.hessian(lambda w: jnp.sum(function(x, w))))(w)
    by_forward = jax.jit(jax.jacfwd(jax.jacfwd(lambda w: jnp.sum(function(x, w)))))(w)
    np.testing.assert_allclose(hessian, by_forward, atol=1e-9)


@pytest.mark.parametrize("num_qubits", [14, 15])
def test_as_large_as_they_are(num_qubits: int) -> None:
    features = zz_feature_map(num_qubits, reps=1, entanglement="linear")
    ansatz = real_amplitudes(num_qubits, reps=2)
    case = Case(features.compose(ansatz), tuple(features.parameters), tuple(ansatz.parameters))
    model = model_of(case, Expectation(SparsePauliOp("Z" * num_qubits)))
    assert is_tiled(model)
    x, w = drawn(case, 1)
    state = CompiledBackend(model_of(case, State()), "double").value(x, w)
    real, imaginary = np.split(state, 2, axis=1)
    np.testing.assert_allclose(real + 1j * imaginary, case.states(x, w), atol=1e-12)
    _, by_weights = CompiledBackend(model, "double").jacobian(x, w, wrt_inputs=True)
    # A rotation's derivative is half the difference of two shifts.
    signs = 1 - 2.0 * np.array([parity(label) for label in range(1 << num_qubits)])
    for i in (0, w.size - 1):
        shifts = [w + s * np.pi / 2 * (np.arange(w.size) == i) for s in (1, -1)]
        plus, minus = (abs(case.states(x, shift)) ** 2 @ signs for shift in shifts)
        np.testing.assert_allclose(by_weights[0, 0, i], (plus - minus)[0] / 2, atol=1e-11)
