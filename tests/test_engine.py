"""The engine itself: analytic cases, its two gradient paths, and what rounding costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import CASES, mixed, observables, values
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import Pauli, Statevector

import jaxqnn
from jaxqnn.engine import layers
from jaxqnn.engine.trigonometry import cos_sin
from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Expectation, Probabilities, Specification, State
from jaxqnn.program.build import build

BATCH = 5
ATOL = 1e-12


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Runs each test in JAX's 64-bit mode."""
    with jax.enable_x64(True):
        yield


# Known answers ----------------------------------------------------------------------------------

ANGLES = np.linspace(-7, 7, BATCH)[:, None]


def evaluator_of(*arguments: Any, **keywords: Any) -> Any:
    """An evaluator, whose halves of a Jacobian may be None."""
    return Evaluator(*arguments, **keywords)


def rotated(gate: str, observable: str, size: int = 3) -> Any:
    """<observable> as a function of the angle of one gate on |0>, as inputs."""
    angle = Parameter("t")
    circuit = QuantumCircuit(size)
    getattr(circuit, gate)(angle, 0)
    return evaluator_of(circuit, Expectation(Pauli(observable)), [angle])


@pytest.mark.parametrize(
    ("gate", "observable", "value", "slope"),
    [
        ("ry", "IIZ", np.cos, lambda t: -np.sin(t)),
        ("ry", "IIX", np.sin, np.cos),
        ("rx", "IIZ", np.cos, lambda t: -np.sin(t)),
        ("rx", "IIY", lambda t: -np.sin(t), lambda t: -np.cos(t)),
        ("rz", "IIZ", np.ones_like, np.zeros_like),
        ("p", "IIX", np.zeros_like, np.zeros_like),
    ],
)
def test_one_rotation(gate: str, observable: str, value: Any, slope: Any) -> None:
    evaluator = rotated(gate, observable)
    np.testing.assert_allclose(evaluator.value(ANGLES, []), value(ANGLES), atol=ATOL)
    by_inputs, by_weights = evaluator.jacobian(ANGLES, [])
    np.testing.assert_allclose(by_inputs[:, 0], slope(ANGLES), atol=ATOL)
    assert by_weights.shape == (BATCH, 1, 0)


def test_a_phase_on_an_entangled_state_counts_every_qubit() -> None:
    # <X..X> of (|0..0> + e^{i n t} |1..1>)/sqrt 2 is cos(n t).
    angle = Parameter("t")
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    for qubit in range(3):
        circuit.p(angle, qubit)
    evaluator = evaluator_of(circuit, Expectation(Pauli("XXX")), [angle])
    np.testing.assert_allclose(evaluator.value(ANGLES, []), np.cos(3 * ANGLES), atol=ATOL)
    found, _ = evaluator.jacobian(ANGLES, [])
    np.testing.assert_allclose(found[:, 0], -3 * np.sin(3 * ANGLES), atol=ATOL)


def test_an_eigenstate_has_no_gradient() -> None:
    case = mixed()
    x, w = values(case, BATCH)
    identity = evaluator_of(case.circuit, Expectation(Pauli("III")), case.inputs, case.weights)
    for found in identity.jacobian(x, w):
        np.testing.assert_allclose(found, 0, atol=ATOL)
    probabilities = evaluator_of(case.circuit, Probabilities(), case.inputs, case.weights)
    for found in probabilities.jacobian(x, w):
        np.testing.assert_allclose(found.sum(axis=1), 0, atol=ATOL)


# Two paths --------------------------------------------------------------------------------------

SPECIFICATIONS: dict[str, Specification] = {
    "diagonal": Expectation(),
    "Pauli sums": Expectation(observables(3)),
    "probabilities": Probabilities(),
    "classes": Probabilities(lambda outcome: outcome % 3, 3),
    "state": State(),
}


@pytest.mark.parametrize(
    ("case_name", "name"), [("atoms", "Pauli sums"), *(("mixed", name) for name in SPECIFICATIONS)]
)
def test_the_vjp_is_a_product_with_the_jacobian(case_name: str, name: str) -> None:
    case = CASES[case_name]()
    evaluator = evaluator_of(case.circuit, SPECIFICATIONS[name], case.inputs, case.weights)
    x, w = values(case, BATCH)
    by_inputs, by_weights = evaluator.jacobian(x, w)
    cotangent = np.random.default_rng(1).normal(size=(BATCH, evaluator.model.num_outputs))
    of_inputs, of_weights = evaluator.vjp(x, w, cotangent)
    np.testing.assert_allclose(of_inputs, np.einsum("bm,bmp->bp", cotangent, by_inputs), atol=ATOL)
    np.testing.assert_allclose(of_weights, np.einsum("bm,bmp->p", cotangent, by_weights), atol=ATOL)


@pytest.mark.parametrize("case_name", ["mixed", "atoms"])
def test_half_of_a_jacobian_is_that_half(case_name: str) -> None:
    case = CASES[case_name]()
    evaluator = evaluator_of(case.circuit, Expectation(), case.inputs, case.weights)
    x, w = values(case, BATCH)
    by_inputs, by_weights = evaluator.jacobian(x, w)
    for wanted in (True, False):
        found = evaluator.jacobian(x, w, wrt_inputs=wanted, wrt_weights=not wanted)
        assert (found[0] is None, found[1] is None) == (not wanted, wanted)
        kept, expected = (found[0], by_inputs) if wanted else (found[1], by_weights)
        np.testing.assert_allclose(kept, expected, atol=ATOL)


# Programs --------------------------------------------------------------------------------------


def test_a_product_of_rotations_takes_no_layers() -> None:
    x, w = ParameterVector("x", 3), ParameterVector("w", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(x[qubit] * w[qubit], qubit)
    program = build(circuit, list(x), list(w)).program
    assert not program.layers
    case_inputs = np.random.default_rng(2).uniform(-2, 2, (BATCH, 3))
    weights = np.array([0.5, -1.0, 2.0])
    evaluator = evaluator_of(circuit, Expectation(), list(x), list(w))
    angles = case_inputs * weights
    value = np.prod(np.cos(angles), axis=1)
    np.testing.assert_allclose(evaluator.value(case_inputs, weights)[:, 0], value, atol=ATOL)
    by_inputs, by_weights = evaluator.jacobian(case_inputs, weights)
    slope = -np.tan(angles) * value[:, None]
    np.testing.assert_allclose(by_inputs[:, 0], slope * weights, atol=1e-11)
    np.testing.assert_allclose(by_weights[:, 0], slope * case_inputs, atol=1e-11)


@pytest.mark.parametrize("reach", [1 << 31, 1])
def test_a_label_map_of_more_numbers_than_an_index_reaches(
    monkeypatch: pytest.MonkeyPatch, reach: int
) -> None:
    monkeypatch.setattr(layers, "_MOST_INDEXED", reach)
    rng = np.random.default_rng(0)
    state, index = rng.normal(size=(3, 4, 2, 16)), jnp.asarray(rng.permutation(16), np.uint32)
    np.testing.assert_array_equal(layers.relabel(jnp.asarray(state), index), state[..., index])


@pytest.mark.parametrize("shape", [(1 << 17, 2, 2, 1 << 12), (1, 2, 1 << 31)])
def test_a_label_map_of_states_as_large_as_a_gpu_holds_can_be_traced(shape: Any) -> None:
    state = jax.ShapeDtypeStruct(shape, np.float32)
    index = jax.ShapeDtypeStruct(shape[-1:], np.uint32)
    assert jax.eval_shape(layers.relabel, state, index).shape == shape


# Rounding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reach", [1e-3, 1.0, 4 * np.pi, 64 * np.pi, 1e4])
def test_sine_and_cosine(dtype: Any, reach: float) -> None:
    x = np.linspace(-reach, reach, 20001).astype(dtype)
    cosine, sine = cos_sin(jnp.asarray(x))
    assert cosine.dtype == sine.dtype == dtype
    exact = x.astype(np.float64)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(cosine, np.cos(exact), rtol=0, atol=1.5 * eps)
    np.testing.assert_allclose(sine, np.sin(exact), rtol=0, atol=1.5 * eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sine_and_cosine_at_special_points(dtype: Any) -> None:
    quarters = np.arange(-32, 33) * np.pi / 4
    cosine, sine = cos_sin(jnp.asarray(quarters.astype(dtype)))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(cosine, np.cos(quarters.astype(dtype).astype(float)), atol=2 * eps)
    np.testing.assert_allclose(sine, np.sin(quarters.astype(dtype).astype(float)), atol=2 * eps)
    zero = jnp.zeros(1, dtype)
    np.testing.assert_array_equal(cos_sin(zero), ([1], [0]))
    for bad in (np.nan, np.inf, -np.inf):
        assert np.all(np.isnan(cos_sin(jnp.full(3, bad, dtype))))


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4, 1e6])
def test_large_angles_lose_only_their_own_digits(scale: float) -> None:
    case = mixed()
    x, w = values(case, BATCH)
    # The oracle's product and sum of parameters round differently, by an ulp of the angle.
    x, w = np.round(scale * x), np.round(w)
    found = jaxqnn.statevector(case.circuit, **case.split)(x, w)
    np.testing.assert_allclose(found, case.states(x, w), atol=ATOL + 8 * np.spacing(4 * scale))


def deep(layers: int) -> tuple[QuantumCircuit, list[Parameter]]:
    """Layers of rotations about two axes and of entangling gates, two parameters in all."""
    w = ParameterVector("w", 2)
    circuit = QuantumCircuit(3)
    for layer in range(layers):
        for qubit in range(3):
            circuit.ry(w[0] + 0.1 * qubit, qubit)
            circuit.rz(w[1] - 0.1 * layer, qubit)
        circuit.cx(layer % 3, (layer + 1) % 3)
    return circuit, list(w)


@pytest.mark.parametrize("depth", [16, 250])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_rounding_grows_no_faster_than_documented(precision: Any, depth: int) -> None:
    # adjoint.md: 4 eps a layer in a value, eps a layer and gate in a derivative.
    circuit, weights = deep(depth)
    point, nothing = np.array([0.7, -0.4]), np.zeros((1, 0))
    measured = Expectation(observables(3))
    evaluator = evaluator_of(circuit, measured, (), weights, precision=precision)
    drift = float(np.finfo(np.float32 if precision == "single" else float).eps) * depth
    assert len(evaluator.model.program.layers) == depth
    state = Statevector(circuit.assign_parameters(point))
    expected = [state.expectation_value(observable).real for observable in observables(3)]
    np.testing.assert_allclose(evaluator.value(nothing, point)[0], expected, atol=4 * drift)
    if precision == "single":
        exact = evaluator_of(circuit, measured, (), weights)
        np.testing.assert_allclose(
            evaluator.jacobian(nothing, point)[1],
            exact.jacobian(nothing, point)[1],
            atol=drift * 3 * depth,
        )
