"""The CUDA kernels, emulated on a CPU; ``test_on_gpu`` has what only a GPU can show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_all_close
from oracles import CASES, Case, observables, values
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import efficient_su2, real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp

import jaxqnn
from jaxqnn.backends.backend import Precision
from jaxqnn.backends.compiled import CompiledBackend
from jaxqnn.backends.jitted import JittedBackend
from jaxqnn.measure import sums
from jaxqnn.measure.outcomes import PauliSums
from jaxqnn.measure.specification import Expectation, Probabilities, Specification
from jaxqnn.model import Model
from jaxqnn.sweep import foreign
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.gpu import calls, kernels, plan
from jaxqnn.sweep.gpu import sums as on_cuda
from jaxqnn.sweep.gpu.job import KERNELS


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Runs each test in JAX's 64-bit mode."""
    with jax.enable_x64(True):
        yield


def built(num_qubits: int, ansatz: Any, reps: int) -> Case:
    """A feature map, an ansatz, and an angle that has both an input and a weight."""
    features, weights = zz_feature_map(num_qubits, reps=1), ansatz(num_qubits, reps=reps)
    circuit = QuantumCircuit(num_qubits)
    circuit.compose(features, inplace=True)
    circuit.compose(weights, inplace=True)
    circuit.rzz(weights.parameters[0] * features.parameters[0], 0, num_qubits - 1)
    return Case(circuit, tuple(features.parameters), tuple(weights.parameters))


def arrays_of(case: Case) -> ProgramArrays:
    return Model(case.circuit, Expectation(None), case.inputs, case.weights).arrays


def operands(program: ProgramArrays, dtype: Any, members: int, batch: int, count: int) -> Any:
    """Columns of members and samples, and bras."""
    random = np.random.default_rng(3)
    inputs, weights = program.column_counts
    shapes = (
        (members, batch, inputs),
        (members, weights),
        (members, count, batch, 2, 1 << program.num_qubits),
    )
    return tuple(jnp.asarray(random.normal(size=shape), dtype) for shape in shapes)


@pytest.mark.parametrize(
    ("num_qubits", "bits", "ansatz", "members", "batch", "count", "classes"),
    [
        (5, 12, efficient_su2, 1, 3, 1, 1),
        (6, 12, real_amplitudes, 2, 2, 2, 2),
        (7, 6, real_amplitudes, 2, 2, 3, 1),
        (8, 6, efficient_su2, 1, 2, 2, 2),
        (9, 7, efficient_su2, 1, 1, 2, 1),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_states_in_one_tile_and_in_many(
    num_qubits: int,
    bits: int,
    ansatz: Any,
    members: int,
    batch: int,
    count: int,
    classes: int,
    dtype: Any,
    emulated_gpu: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = arrays_of(built(num_qubits, ansatz, 2))
    with jax.enable_x64(dtype is np.float64):
        compare_with_the_cpus(program, dtype, bits, members, batch, count, classes, monkeypatch)


def compare_with_the_cpus(
    program: ProgramArrays,
    dtype: Any,
    bits: int,
    members: int,
    batch: int,
    count: int,
    classes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, w, bra = operands(program, dtype, members, batch, count)
    assert foreign._is_registered()
    psi = jax.jit(lambda *given: foreign.evolve(program, *given))(x, w)
    expected = jax.jit(lambda *given: foreign.pull(program, *given, classes=classes))(
        x, w, psi, bra
    )
    monkeypatch.setattr(calls, "_WHOLE_BITS", {4: bits, 8: bits})
    monkeypatch.setattr(calls, "_TILE_BITS", {4: bits, 8: bits})
    # Fewer blocks than tiles: each goes on to further ones.
    monkeypatch.setattr(calls, "_CHUNKS", 3)
    rounding = 1e-12 if dtype is np.float64 else 3e-6
    state = jax.jit(lambda x, w: calls.evolve(program, x, w))(x, w)
    np.testing.assert_allclose(state, psi, atol=rounding)
    found = jax.jit(lambda *given: calls.pull(program, *given, classes=classes))(x, w, psi, bra)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=rounding * np.abs(theirs).max(initial=1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_stays_none(dtype: Any, bad: float, emulated_gpu: None) -> None:
    """Single precision's phases are integers, which have no NaN."""
    program = arrays_of(built(4, efficient_su2, 1))
    x, w, _ = operands(program, dtype, 2, 3, 1)
    evolve = jax.jit(lambda x, w: calls.evolve(program, x, w))
    of_input = evolve(x.at[0, 1, 0].set(bad), w)
    assert np.all(np.isnan(of_input[0, 1]))
    assert np.all(np.isfinite(of_input[0, 2]))
    assert np.all(np.isfinite(of_input[1]))
    of_weight = evolve(x, w.at[1, 0].set(bad))
    assert np.all(np.isnan(of_weight[1]))
    assert np.all(np.isfinite(of_weight[0]))


def test_tiles_fit_into_the_shared_memory_of_a_block(
    emulated_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an H100, an A100, a GeForce RTX and a T4, and of one that has hardly any."""
    for kibibytes, single, double in ((227, 13, 12), (163, 13, 12), (99, 12, 11), (64, 11, 10)):
        monkeypatch.setattr(kernels, "shared_bytes", lambda kib=kibibytes: kib << 10)
        assert (calls.whole_bits(4), calls.whole_bits(8)) == (single, double)
    monkeypatch.setattr(kernels, "shared_bytes", lambda: 10 << 10)
    program = arrays_of(built(8, real_amplitudes, 1))
    x, w, _ = operands(program, np.float64, 1, 1, 1)
    assert calls.whole_bits(8) < 8
    assert foreign._is_registered()
    expected = jax.jit(lambda *given: foreign.evolve(program, *given))(x, w)
    state = jax.jit(lambda x, w: calls.evolve(program, x, w))(x, w)
    np.testing.assert_allclose(state, expected, atol=1e-12)


@pytest.mark.parametrize("bits", [1, 3, 7, 12, 13])
def test_cosets_are_all_reached_from_different_banks(bits: int) -> None:
    random = np.random.default_rng(bits)
    for _ in range(20):
        span = plan._Span(())
        vectors: list[int] = []
        while len(vectors) < min(bits, plan.GROUP):
            vector = int(random.integers(1, 1 << bits))
            if not span.has(vector):
                span.add(vector)
                vectors.append(vector)
        cosets = plan._complement(vectors, bits)
        whole = plan._Span([*vectors, *cosets])
        assert len(whole) == bits
        # The threads of a warp differ in the first five, and so do their banks where they can.
        banks = plan._Span([vector & 31 for vector in cosets[:5]])
        if bits - len(vectors) >= 5 and bits >= 12:
            assert len(banks) == 5


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("num_qubits", "batch", "outputs"), [(1, 2, 1), (3, 4, 2), (12, 2, 2)])
def test_sums_of_strings(
    num_qubits: int, batch: int, outputs: int, dtype: Any, emulated_gpu: None
) -> None:
    random = np.random.default_rng(num_qubits)
    ansatz = real_amplitudes(num_qubits, reps=1)
    measured = []
    for _ in range(outputs):
        labels = ["".join(random.choice(list("IXYZ"), num_qubits)) for _ in range(20)]
        # One of them flips bits, so that no table of the diagonal is made.
        measured.append(SparsePauliOp([*labels, "X" * num_qubits], random.normal(size=21)))
    measurement = Model(ansatz, Expectation(measured), (), tuple(ansatz.parameters)).measurement
    assert isinstance(measurement, PauliSums)
    shape = (batch, 2, 1 << num_qubits)
    bra, ket = (jnp.asarray(random.normal(size=shape), dtype) for _ in range(2))
    weight = jnp.asarray(random.normal(size=(batch, outputs)), dtype)
    arrays = measurement.arrays(ket)
    rounding = 1e-11 if dtype is np.float64 else 2e-3
    means = jax.jit(lambda *given: on_cuda.means(*given, outputs=outputs))(*arrays, bra, ket)
    expected = sums.means_p.bind(*arrays, bra, ket, outputs=outputs)
    np.testing.assert_allclose(means, expected, atol=rounding)
    image = jax.jit(on_cuda.image)(*arrays, ket, weight)
    np.testing.assert_allclose(image, sums.image(arrays, ket, weight), atol=rounding)


def test_derivatives_of_sums_of_strings() -> None:
    """<psi|O|psi> is quadratic: three terms are all of its series."""
    ansatz = real_amplitudes(3, reps=1)
    model = Model(ansatz, Expectation(observables(3)), (), tuple(ansatz.parameters))
    state, tangent = np.random.default_rng(0).normal(size=(2, 2, 2, 8))
    function = model.measurement.outputs
    value, along = jax.jvp(function, (state,), (tangent,))
    hessian = jax.jvp(lambda s: jax.jvp(function, (s,), (tangent,))[1], (state,), (tangent,))[1]
    np.testing.assert_allclose(hessian, 2 * function(jnp.asarray(tangent)), atol=1e-12)
    both = function(jnp.asarray(state + tangent))
    np.testing.assert_allclose(both, value + along + hessian / 2, atol=1e-12)
    cotangent = np.random.default_rng(1).normal(size=value.shape)
    (pulled,) = jax.vjp(function, jnp.asarray(state))[1](cotangent)
    np.testing.assert_allclose(np.sum(pulled * tangent), np.sum(cotangent * along), atol=1e-12)
    mapped = jax.vmap(function)(jnp.stack([state, tangent]))
    np.testing.assert_allclose(mapped[0], value, atol=1e-12)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize(
    "specification",
    [Expectation(None), None, Probabilities(None, None)],
)
def test_networks_by_the_primitives(
    precision: Precision, specification: Specification | None
) -> None:
    """The backend of a GPU, here on a CPU, against the one that is a CPU's own."""
    case = CASES["atoms"]()
    specification = specification or Expectation(observables(case.circuit.num_qubits))
    model = Model(case.circuit, specification, case.inputs, case.weights)
    dtype = np.dtype(np.float64 if precision == "double" else np.float32)
    x, w = (np.asarray(part, dtype) for part in values(case, 3))
    jitted, compiled = JittedBackend(model, precision), CompiledBackend(model, precision)
    atol = 1e-12 if precision == "double" else 1e-4
    np.testing.assert_allclose(jitted.value(x, w), compiled.value(x, w), atol=atol)
    for mine, theirs in zip(
        jitted.jacobian(x, w, wrt_inputs=True),
        compiled.jacobian(x, w, wrt_inputs=True),
        strict=True,
    ):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, theirs, atol=atol)
    (outputs, pull), (_, expected) = jitted.linearized(x, w), compiled.linearized(x, w)
    cotangent = np.random.default_rng(0).normal(size=outputs.shape).astype(dtype)
    assert_all_close(pull(cotangent), expected(cotangent), atol=atol)


@pytest.mark.parametrize("name", KERNELS)
def test_nvrtc_compiles_every_kernel(name: str) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    code = kernels.compiled(name, "90")
    assert code[:4] == b"\x7fELF"
    assert name.encode() in code


def test_without_cuda_there_is_one_warning_and_xlas_form(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    kernels.are_here.cache_clear()
    with pytest.warns(RuntimeWarning, match=r"CUDA kernels cannot be used.*jaxqnn\[gpu\]"):
        assert not kernels.are_here()
    assert not kernels.are_here()
    kernels.are_here.cache_clear()


def test_a_refused_launch_is_an_error(emulated_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    program = arrays_of(CASES["mixed"]())
    x, w, _ = operands(program, np.float64, 1, 1, 1)
    # More shared memory than there is.
    monkeypatch.setattr(calls, "OTHER_NUMBERS", 1 << 20)
    monkeypatch.setattr(kernels, "shared_bytes", lambda: 1 << 30)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"refused to launch a sweep.*001"):
        jax.block_until_ready(jax.jit(lambda x, w: calls.evolve(program, x, w))(x, w))


def test_a_network_in_torch_hands_its_arrays_over(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    case = CASES["mixed"]()
    network = jaxqnn.EstimatorQNN(
        circuit=case.circuit, input_params=list(case.inputs), weight_params=list(case.weights)
    )
    x, w = values(case, 3)
    found = []
    for stays in (False, True):
        monkeypatch.setattr("jaxqnn.torch.stays_on_device", lambda *_, stays=stays: stays)
        layer = jaxqnn.TorchConnector(network, torch.tensor(w))
        data = torch.tensor(x, dtype=torch.float32, requires_grad=True)
        output = layer(data)
        (output**2).sum().backward()
        assert output.dtype == data.grad.dtype == torch.float32
        found.append((output.detach(), data.grad, layer.weight.grad))
    assert_all_close(*found, atol=1e-6)
