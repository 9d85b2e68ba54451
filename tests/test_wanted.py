"""Derivatives by weights alone, for which a sweep ends where the weights begin.

Where they begin is a matter of structure, so there is a circuit here for every place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_all_close
from complex_step import derivatives
from oracles import CASES, Case, differences, observables, with_blocks
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import efficient_su2, real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.circuit.library import raw_feature_vector

import jaxqnn
from jaxqnn.backends.compiled import CompiledBackend
from jaxqnn.measure import Expectation, Probabilities
from jaxqnn.model import Model
from jaxqnn.sweep import foreign
from jaxqnn.sweep.cpu import tiling
from jaxqnn.sweep.cpu.job import GROUPS, PULL
from jaxqnn.sweep.cpu.request import Sizes, template
from jaxqnn.sweep.cpu.written import HEAD
from jaxqnn.sweep.primitive import evolve, pull_p

N = 8  # so that there are several stages, and lanes may be labels
ATOL = 1e-9
CIRCUITS: dict[str, Callable[[], Case]] = {
    "mixed": CASES["mixed"],
    "atoms": CASES["atoms"],
    "one qubit": CASES["one qubit"],
    "blocks": lambda: with_blocks(4),
}


def made(function: Callable[[QuantumCircuit, Any, Any], None]) -> Callable[[], Case]:
    """Notes the case that a function fills a circuit of, under the function's name."""

    def case() -> Case:
        x, w = ParameterVector("x", 3), ParameterVector("w", 3)
        circuit = QuantumCircuit(N)
        function(circuit, x, w)
        used = circuit.parameters
        return Case(circuit, *(tuple(p for p in every if p in used) for every in (x, w)))

    CIRCUITS[function.__name__] = case
    return case


def entangle(circuit: QuantumCircuit) -> None:
    for q in range(N):
        circuit.cx(q, (q + 1) % N)
        circuit.ry(0.3 + q, q)
        circuit.rz(0.7 - q, q)


def encode(circuit: QuantumCircuit, x: Any) -> None:
    circuit.h(range(N))
    for q in range(N):
        circuit.p(x[q % 3], q)
        circuit.rzz(x[q % 3] * x[(q + 1) % 3], q, (q + 1) % N)
        circuit.rx(x[(q + 1) % 3], q)


def train(circuit: QuantumCircuit, w: Any) -> None:
    for q in range(N):
        circuit.ry(w[q % 3], q)
    entangle(circuit)


@made
def feature_map_before_ansatz(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    encode(circuit, x)
    entangle(circuit)
    train(circuit, w)
    train(circuit, w)


@made
def uploaded_again(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    for _ in range(2):
        encode(circuit, x)
        train(circuit, w)
    encode(circuit, x)
    entangle(circuit)


@made
def weights_at_the_start(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    train(circuit, w)
    encode(circuit, x)


@made
def start_of_inputs(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    for q in range(N):
        circuit.ry(x[q % 3], q)
    entangle(circuit)
    train(circuit, w)


@made
def start_of_both(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    for q in range(N):
        circuit.ry(x[0] * w[q % 3], q)
    entangle(circuit)
    encode(circuit, x)


@made
def weights_in_the_last_rotation(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    encode(circuit, x)
    entangle(circuit)
    circuit.ry(w[0], 0)


@made
def weights_in_the_last_phases(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    encode(circuit, x)
    entangle(circuit)
    circuit.rzz(w[0], 0, 1)
    circuit.p(w[1] * x[0], 2)
    circuit.p(x[1], 3)
    circuit.h(range(N))


@made
def a_weight_times_an_input(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    encode(circuit, x)
    circuit.rx(x[0] * w[0] + 0.2, 1)
    encode(circuit, x)
    train(circuit, w)


@made
def expressions_of_both(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    circuit.rx((x[0] * w[1]).sin(), 0)
    entangle(circuit)
    circuit.ry(x[1].exp(), 1)
    train(circuit, w)


@made
def expressions_of_inputs(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    circuit.rx(x[0].sin(), 0)
    circuit.ry((x[1] * x[2]).cos(), 1)
    entangle(circuit)
    train(circuit, w)


@made
def no_weights(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    encode(circuit, x)
    entangle(circuit)


@made
def no_inputs(circuit: QuantumCircuit, x: Any, w: Any) -> None:
    entangle(circuit)
    train(circuit, w)


def given(of_weights: bool) -> Case:
    """A start from amplitudes of one kind, and rotations of the other."""
    features = raw_feature_vector(4)
    own, w = features.parameters, ParameterVector("w", 3)
    circuit = QuantumCircuit(N)
    circuit.compose(features, range(2), inplace=True)
    entangle(circuit)
    train(circuit, w)
    return Case(circuit, *((tuple(w), tuple(own)) if of_weights else (tuple(own), tuple(w))))


CIRCUITS["amplitudes of inputs"] = lambda: given(of_weights=False)
CIRCUITS["amplitudes of weights"] = lambda: given(of_weights=True)


@pytest.fixture(params=["layers", "stages"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """How the compiled sweeps take a state; in stages with tiles of eight rows."""
    if request.param == "stages":
        monkeypatch.setattr(tiling, "TILED_QUBITS", 6)
        monkeypatch.setattr(tiling, "_MOST_BITS", 3)
    with jax.enable_x64(True):
        yield request.param


def drawn(case: Case, batch: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(batch)
    sizes = (batch, len(case.inputs)), len(case.weights)
    return random.uniform(0.5, 2, sizes[0]), random.uniform(0.5, 2, sizes[1])


def slopes_of(case: Case, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The oracle's derivatives, (B, m, P + W)."""
    measured = observables(case.circuit.num_qubits)
    return np.array([derivatives(case, measured, row, w)[1] for row in x]).reshape(
        len(x), len(measured), -1
    )


@pytest.mark.parametrize("name", CIRCUITS)
def test_a_backend_asked_for_weights(name: str, way: str) -> None:
    case = CIRCUITS[name]()
    measured = observables(case.circuit.num_qubits)
    model = Model(case.circuit, Expectation(measured), case.inputs, case.weights)
    diagonal = Model(case.circuit, Expectation(measured[:1]), case.inputs, case.weights)
    for batch in (1, 9):  # lanes are labels, and samples
        x, w = drawn(case, batch)
        expected = slopes_of(case, x, w)[..., x.shape[1] :]
        cotangent = np.random.default_rng(0).normal(size=expected.shape[:2])
        for one, part in ((model, slice(None)), (diagonal, slice(1))):
            backend = CompiledBackend(one, "double")
            found = [
                backend.jacobian(x, w, wrt_inputs=False)[1],
                backend.linearized(x, w, wrt_inputs=False)[1](cotangent[:, part])[1],
            ]
            pulled = np.einsum("bm,bmw->w", cotangent[:, part], expected[:, part])
            assert_all_close(found, (expected[:, part], pulled), atol=ATOL)


@pytest.mark.parametrize("name", CIRCUITS)
def test_jax_s_gradients_by_one_of_both(name: str, way: str) -> None:
    case = CIRCUITS[name]()
    measured = observables(case.circuit.num_qubits)
    function = jaxqnn.expectation(case.circuit, measured, **case.split)
    x, w = drawn(case, 2)
    slopes = slopes_of(case, x, w)
    of_inputs, of_weights = slopes[..., : x.shape[1]], slopes[..., x.shape[1] :]

    @jax.jit
    def found(x: Any, w: Any) -> Any:
        each = jax.vmap(jax.jacrev(function, argnums=1), in_axes=(0, None))(x, w)
        starts = jnp.stack([w, w])
        return (
            jax.jacrev(function, argnums=1)(x, w),
            each,
            jax.vmap(jax.jacrev(function, argnums=1), in_axes=(None, 0))(x, starts)[1],
            jax.grad(lambda w: jnp.sum(function(x, w)))(w),
            jax.grad(lambda x: jnp.sum(function(x, w)))(x),
        )

    expected = [of_weights] * 3 + [of_weights.sum(axis=(0, 1)), of_inputs.sum(axis=1)]
    assert_all_close(found(x, w), expected, atol=ATOL)


@pytest.mark.parametrize("name", [name for name in CIRCUITS if not name.startswith("no_")])
def test_second_derivatives_by_one_and_by_both(name: str) -> None:
    case = CIRCUITS[name]()
    measured = observables(case.circuit.num_qubits)[1:2]
    function = jaxqnn.expectation(case.circuit, measured, **case.split)
    x, w = drawn(case, 1)
    inputs = x.shape[1]
    every = np.concatenate([x[0], w])

    def slope(p: Any) -> Any:
        return derivatives(case, measured, p[:inputs], p[inputs:])[1].reshape(-1)

    expected = differences(slope, every, 1e-4)
    with jax.enable_x64(True):

        def value(x: Any, w: Any) -> Any:
            return function(x, w)[0]

        by_weights, by_inputs = jax.grad(value, 1), jax.grad(value, 0)
        point = jnp.asarray(x[0]), jnp.asarray(w)
        for derive in (jax.jacrev, jax.jacfwd):
            found = [
                jax.jit(derive(by_weights, 1))(*point),
                jax.jit(derive(by_weights, 0))(*point),
                jax.jit(derive(by_inputs, 1))(*point),
            ]
            parts = (
                expected[inputs:, inputs:],
                expected[inputs:, :inputs],
                expected[:inputs, inputs:],
            )
            assert_all_close(found, parts, atol=1e-6)


@pytest.mark.parametrize("form", ["compiled", "XLA", "CUDA"])
def test_cotangents_of_inputs_that_nobody_wants_are_zeros(
    form: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == "XLA":
        monkeypatch.setattr(foreign, "_is_registered", lambda: False)
    if form == "CUDA":
        request.getfixturevalue("emulated_gpu")
    case = CIRCUITS["uploaded_again"]()
    program = Model(case.circuit, Expectation(), case.inputs, case.weights).arrays
    with jax.enable_x64(True):
        x, w = [jnp.asarray(part)[None] for part in drawn(case, 4)]
        psi = evolve(program, x, w)
        bra = jnp.asarray(np.random.default_rng(0).normal(size=(1, 2, *psi.shape[1:])))

        def pulled(wrt_inputs: bool, x: Any, w: Any, bra: Any) -> Any:
            params = {"program": program, "classes": 2, "wrt_inputs": wrt_inputs}
            return pull_p.bind(x, w, psi, bra, **params)

        whole, alone = (jax.jit(pulled, static_argnums=0)(way, x, w, bra) for way in (True, False))
        assert np.abs(whole[0]).min() > 0
        assert_all_close(alone, (np.zeros(whole[0].shape), whole[1]), atol=1e-12)
        # Nor do they change: neither with the columns, nor as a map of what they are made of.
        _, slopes = jax.jvp(partial(pulled, False), (x, w, bra), (x, w, bra))
        _, all_slopes = jax.jvp(partial(pulled, True), (x, w, bra), (x, w, bra))
        assert_all_close(slopes, (np.zeros(whole[0].shape), all_slopes[1]), atol=1e-12)
        _, back = jax.vjp(partial(pulled, False, x, w), bra)
        (expected,) = jax.vjp(lambda bra: pulled(True, x, w, bra)[1], bra)[1](alone[1])
        np.testing.assert_allclose(back(whole[:1] + alone[1:])[0], expected, atol=1e-12)


def test_jax_asks_for_what_it_is_asked_for() -> None:
    case = CIRCUITS["uploaded_again"]()
    function = jaxqnn.expectation(case.circuit, **case.split)
    x, w = drawn(case, 2)
    for wanted, asks in ((1, False), (0, True), ((0, 1), True)):
        derive = jax.grad(lambda x, w: jnp.sum(function(x, w)), argnums=wanted)
        assert f"wrt_inputs={asks}" in str(jax.make_jaxpr(derive)(x, w))


@pytest.mark.parametrize("way", ["stages"], indirect=True)
def test_stages_before_the_weights_are_not_swept(way: str) -> None:
    groups = {}
    for name in ("feature_map_before_ansatz", "weights_at_the_start", "no_weights", "no_inputs"):
        case = CIRCUITS[name]()
        model = Model(case.circuit, Expectation(), case.inputs, case.weights)
        head = tuple(model.arrays.words[:HEAD].tolist())
        groups[name] = [
            int(template(PULL, Sizes(1, 1, wrt_inputs=wanted), head, 1)[GROUPS])
            for wanted in (True, False)
        ]
    whole, some = groups["feature_map_before_ansatz"]
    assert some < whole
    whole, some = groups["weights_at_the_start"]
    assert some == whole
    whole, some = groups["no_weights"]
    assert some < whole
    whole, some = groups["no_inputs"]
    assert some == whole


def test_networks_and_pytorch() -> None:
    torch = pytest.importorskip("torch")
    features, ansatz = zz_feature_map(3, reps=2), real_amplitudes(3, reps=1)
    sizes = {"input_params": features.parameters, "weight_params": ansatz.parameters}
    random = np.random.default_rng(0)
    x, w = random.normal(size=(4, 3)), random.normal(size=ansatz.num_parameters)
    networks: list[Any] = [
        jaxqnn.EstimatorQNN(
            circuit=features.compose(ansatz),
            observables=SparsePauliOp(["ZZZ", "XIX"], [1, 0.5]),
            input_gradients=wanted,
            **sizes,
        )
        for wanted in (True, False)
    ]
    both, alone = networks
    assert alone.backward(x, w)[0] is None
    np.testing.assert_allclose(alone.backward(x, w)[1], both.backward(x, w)[1], atol=1e-12)
    output, pull = both.vjp(x, w)
    same, pull_alone = both.vjp(x, w, input_gradients=False)
    np.testing.assert_allclose(same, output)
    of_inputs, of_weights = pull_alone(output)
    assert of_inputs is None
    np.testing.assert_allclose(of_weights, pull(output)[1], atol=1e-12)
    layers = [jaxqnn.TorchConnector(both, torch.as_tensor(w)) for _ in range(2)]
    for layer, wanted in zip(layers, (True, False), strict=True):
        data = torch.tensor(x, requires_grad=wanted)
        layer(data).square().sum().backward()
        assert (data.grad is None) == (not wanted)
    np.testing.assert_allclose(layers[0].weight.grad, layers[1].weight.grad, atol=1e-12)


def test_more_outputs_than_weights() -> None:
    """Then derivatives go forward, along the weights alone."""
    features, ansatz = zz_feature_map(4, reps=1), efficient_su2(4, reps=0, su2_gates=["ry"])
    case = Case(features.compose(ansatz), tuple(features.parameters), tuple(ansatz.parameters))
    backend = CompiledBackend(
        Model(case.circuit, Probabilities(), case.inputs, case.weights), "double"
    )
    x, w = drawn(case, 2)
    found = backend.jacobian(x, w, wrt_inputs=False)[1]
    expected = differences(lambda w: abs(case.states(x, w)) ** 2, w)
    np.testing.assert_allclose(found, expected, atol=1e-8)
