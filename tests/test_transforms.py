"""JAX's transformations of the functions: they compose, and all derivatives agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_all_close
from oracles import CASES, Case, Floats, differences, mixed, observables, small, values
from qiskit.circuit import Parameter, QuantumCircuit

import jaxqnn

BATCH = 5
ATOL = 1e-12


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Runs each test in JAX's 64-bit mode."""
    with jax.enable_x64(True):
        yield


@cache
def expectation(case: Case, **keywords: Any) -> Any:
    """The three test observables of a case."""
    return jaxqnn.expectation(
        case.circuit, observables(case.circuit.num_qubits), **case.split, **keywords
    )


MIXED = mixed()
X, W = values(MIXED, BATCH)
ENSEMBLE = np.random.default_rng(5).uniform(-2, 2, (2, len(MIXED.weights)))


def loss(inputs: Any, weights: Any) -> jax.Array:
    """A scalar that depends on every output unevenly."""
    found = expectation(MIXED)(inputs, weights)
    return jnp.sum(jnp.sin(found) @ jnp.arange(1.0, 4.0, dtype=found.dtype))


# Derivatives ------------------------------------------------------------------------------------


def parts(state: Any) -> Any:
    """Real and imaginary parts, one after the other."""
    return jnp.concatenate([state.real, state.imag], axis=-1)


@pytest.mark.parametrize(
    ("name", "kind"), [("mixed", "state"), ("mixed", "probabilities"), ("one qubit", "state")]
)
def test_jacobians_are_those_of_differences(name: str, kind: str) -> None:
    case = CASES[name]()
    x, w = values(case)
    states = jaxqnn.statevector(case.circuit, **case.split)
    pairs: dict[str, tuple[Any, Any]] = {
        "state": (lambda x, w: parts(states(x, w)), lambda x, w: parts(case.states(x, w))),
        "probabilities": (
            jaxqnn.probabilities(case.circuit, **case.split),
            lambda x, w: abs(case.states(x, w)) ** 2,
        ),
    }
    function, oracle = pairs[kind]
    by_inputs, by_weights = jax.jacrev(function, argnums=(0, 1))(x, w)
    np.testing.assert_allclose(by_inputs, differences(lambda x: oracle(x, w), x), atol=1e-8)
    np.testing.assert_allclose(by_weights, differences(lambda w: oracle(x, w), w), atol=1e-8)


def test_complex_cotangents_pull_back() -> None:
    function = jaxqnn.statevector(MIXED.circuit, **MIXED.split)
    state, pull = jax.vjp(function, X, W)
    cotangent = np.random.default_rng(6).normal(size=(2, *state.shape)) @ np.eye(8)
    cotangent = cotangent[0] + 1j * cotangent[1]
    found = pull(jnp.asarray(cotangent))

    def paired(x: Any, w: Any) -> Any:
        return np.sum((cotangent * MIXED.states(x, w)).real)

    np.testing.assert_allclose(found[0], differences(lambda x: paired(x, W), X), atol=1e-7)
    np.testing.assert_allclose(found[1], differences(lambda w: paired(X, w), W), atol=1e-7)


# Compiling --------------------------------------------------------------------------------------


def test_jit_changes_nothing() -> None:
    np.testing.assert_allclose(jax.jit(loss)(X, W), loss(X, W), atol=ATOL)
    eager = jax.grad(loss, argnums=(0, 1))(X, W)
    for compiled in (
        jax.jit(jax.grad(loss, argnums=(0, 1))),
        jax.grad(jax.jit(loss), argnums=(0, 1)),
    ):
        assert_all_close(compiled(X, W), eager, atol=ATOL)


def test_a_training_loop_runs_inside_jit() -> None:
    @jax.jit
    def train(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        def step(weights: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            value, gradient = jax.value_and_grad(loss, argnums=1)(X, weights)
            return weights - 0.02 * gradient, value

        return jax.lax.scan(step, weights, None, length=4)

    _, curve = train(jnp.asarray(W))
    assert np.all(np.diff(curve) < 0)
    weights, expected = W, []
    for _ in range(4):
        expected.append(loss(X, weights))
        weights = weights - 0.02 * jax.grad(loss, argnums=1)(X, weights)
    np.testing.assert_allclose(curve, expected, atol=ATOL)


def test_rematerialisation_changes_nothing() -> None:
    found = jax.grad(jax.checkpoint(loss), argnums=1)(X, W)
    np.testing.assert_allclose(found, jax.grad(loss, argnums=1)(X, W), atol=ATOL)


# Mapping ----------------------------------------------------------------------------------------

# Where each of three nested maps, the outermost first, runs over the inputs and the weights.
MAPS: dict[str, list[tuple[int | None, int | None]]] = {
    "inputs": [(0, None)],
    "weights": [(None, 0)],
    "pairs": [(0, 0)],
    "inputs, weights": [(0, None), (None, 0)],
    "weights, inputs, weights": [(None, 0), (0, None), (None, 0)],
    "pairs, inputs, weights": [(0, 0), (0, None), (None, 0)],
    "weights, pairs, inputs": [(None, 0), (0, 0), (0, None)],
}
SIZE = 2


def nested(function: Any, axes: list[tuple[int | None, int | None]]) -> Any:
    for pair in reversed(axes):
        function = jax.vmap(function, in_axes=pair)
    return function


def looped(function: Any, axes: list[tuple[int | None, int | None]], x: Floats, w: Floats) -> Any:
    """The same as ``nested``, one point at a time."""
    if not axes:
        return jax.tree.map(np.asarray, function(x, w))
    (of_inputs, of_weights), *rest = axes
    found = [
        looped(function, rest, x if of_inputs is None else x[i], w if of_weights is None else w[i])
        for i in range(SIZE)
    ]
    return jax.tree.map(lambda *parts: np.stack(parts), *found)


def mapped_arguments(axes: list[tuple[int | None, int | None]]) -> tuple[Floats, Floats]:
    random = np.random.default_rng(8)
    by_inputs, by_weights = (sum(pair[i] == 0 for pair in axes) for i in (0, 1))
    return (
        random.uniform(-2, 2, (*[SIZE] * by_inputs, BATCH, 3)),
        random.uniform(-2, 2, (*[SIZE] * by_weights, 4)),
    )


@pytest.mark.parametrize("name", list(MAPS)[-3:])
def test_maps_of_the_function(name: str) -> None:
    x, w = mapped_arguments(MAPS[name])
    function = expectation(MIXED)
    np.testing.assert_allclose(
        nested(function, MAPS[name])(x, w), looped(function, MAPS[name], x, w), atol=ATOL
    )


@pytest.mark.parametrize("name", MAPS)
def test_gradients_inside_maps(name: str) -> None:
    x, w = mapped_arguments(MAPS[name])
    gradient = jax.grad(loss, argnums=(0, 1))
    found, expected = nested(gradient, MAPS[name])(x, w), looped(gradient, MAPS[name], x, w)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=ATOL), found, expected)


@pytest.mark.parametrize("name", MAPS)
def test_gradients_of_maps(name: str) -> None:
    x, w = mapped_arguments(MAPS[name])
    many = nested(loss, MAPS[name])
    found = jax.grad(lambda x, w: many(x, w).sum(), argnums=(0, 1))(x, w)
    each = looped(jax.grad(loss, argnums=(0, 1)), MAPS[name], x, w)
    for argument, (part, expected) in enumerate(zip(found, each, strict=True)):
        # Axes that an argument does not have are those it was shared along.
        shared = tuple(i for i, pair in enumerate(MAPS[name]) if pair[argument] is None)
        np.testing.assert_allclose(part, expected.sum(axis=shared), atol=ATOL)


def test_maps_over_other_axes() -> None:
    function = expectation(MIXED)
    found = jax.vmap(function, in_axes=(1, None), out_axes=1)(X[:, None, :].repeat(SIZE, 1), W)
    expected = np.stack([function(X, W)] * SIZE, axis=1)
    np.testing.assert_allclose(found, expected, atol=ATOL)


def test_a_map_is_the_native_batch() -> None:
    function = expectation(MIXED)
    one_by_one = jax.vmap(function, in_axes=(0, None))(X, W)
    np.testing.assert_allclose(one_by_one, function(X, W), atol=ATOL)
    # No loop over samples: the mapped program evolves once, as the batched one does.
    for f in (function, jax.vmap(function, in_axes=(0, None))):
        program = str(jax.make_jaxpr(f)(X, W))
        assert program.count("jaxqnn_evolve[") == 1
        assert "while[" not in program


def test_maps_of_the_state_and_its_gradient() -> None:
    function = jaxqnn.statevector(MIXED.circuit, **MIXED.split)
    found = jax.vmap(jax.vmap(function, (None, 0)), (0, None))(X, ENSEMBLE)
    expected = MIXED.states(X[:, None], ENSEMBLE)
    np.testing.assert_allclose(found, expected, atol=ATOL)

    def overlap(x: Any, w: Any) -> jax.Array:
        return jnp.abs(jnp.sum(function(x, w))) ** 2

    found = jax.vmap(jax.vmap(jax.grad(overlap, 1), (None, 0)), (0, None))(X, ENSEMBLE)
    for i, j in np.ndindex(BATCH, len(ENSEMBLE)):
        np.testing.assert_allclose(found[i, j], jax.grad(overlap, 1)(X[i], ENSEMBLE[j]), atol=ATOL)


# Native batches ---------------------------------------------------------------------------------


def test_each_member_of_an_ensemble_has_its_own_gradient() -> None:
    found = jax.grad(loss, argnums=(0, 1))(X, ENSEMBLE[:, None])
    parts = [jax.grad(loss, argnums=(0, 1))(X, weights) for weights in ENSEMBLE]
    np.testing.assert_allclose(found[0], sum(part[0] for part in parts), atol=ATOL)
    np.testing.assert_allclose(found[1][:, 0], [part[1] for part in parts], atol=ATOL)


def test_paired_batches_have_a_gradient_for_each_pair() -> None:
    weights = np.random.default_rng(9).uniform(-2, 2, (BATCH, 4))
    found = jax.grad(loss, argnums=(0, 1))(X, weights)
    for i in range(BATCH):
        parts = jax.grad(loss, argnums=(0, 1))(X[i], weights[i])
        assert_all_close((part[i] for part in found), parts, atol=ATOL)


def test_one_point_seen_by_an_ensemble() -> None:
    found = jax.grad(loss, argnums=(0, 1))(X[0], ENSEMBLE)
    parts = [jax.grad(loss, argnums=(0, 1))(X[0], weights) for weights in ENSEMBLE]
    np.testing.assert_allclose(found[0], sum(part[0] for part in parts), atol=ATOL)
    np.testing.assert_allclose(found[1], [part[1] for part in parts], atol=ATOL)


def test_an_empty_batch_has_zero_gradients() -> None:
    by_inputs, by_weights = jax.grad(loss, argnums=(0, 1))(X[:0], W)
    assert by_inputs.shape == (0, 3)
    np.testing.assert_array_equal(by_weights, np.zeros(4))


# Forward mode and second order ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jvp", "jacfwd", "jvp of vmap", "jvp of jit", "linearize"])
def test_forward_mode_is_a_product_with_the_jacobian(name: str) -> None:
    function = expectation(MIXED)
    random = np.random.default_rng(10)
    along = random.normal(size=X.shape), random.normal(size=W.shape)
    by_inputs, by_weights = jax.jacrev(function, argnums=(0, 1))(X, W)
    expected = np.tensordot(by_inputs, along[0], 2) + by_weights @ along[1]
    calls: dict[str, Callable[[], Any]] = {
        "jvp": lambda: jax.jvp(function, (X, W), along)[1],
        "jacfwd": lambda: (
            np.tensordot(jax.jacfwd(function)(X, W), along[0], 2)
            + jax.jacfwd(function, argnums=1)(X, W) @ along[1]
        ),
        "jvp of vmap": lambda: jax.jvp(jax.vmap(function, (0, None)), (X, W), along)[1],
        "jvp of jit": lambda: jax.jvp(jax.jit(function), (X, W), along)[1],
        "linearize": lambda: jax.linearize(function, X, W)[1](*along),
    }
    np.testing.assert_allclose(calls[name](), expected, atol=ATOL)


def test_a_third_derivative_is_right() -> None:
    t = Parameter("t")
    circuit = QuantumCircuit(1)
    circuit.ry(t, 0)
    mean = jaxqnn.expectation(circuit)  # <Z> = cos t

    def cosine(t: Any) -> jax.Array:
        return mean(t[None])[0]

    for first, second, third in (
        (jax.jacrev, jax.jacrev, jax.jacrev),
        (jax.jacrev, jax.jacfwd, jax.jacrev),
        (jax.jacfwd, jax.jacfwd, jax.jacfwd),
    ):
        np.testing.assert_allclose(third(second(first(cosine)))(0.4), np.sin(0.4), atol=ATOL)


def test_penalties_on_second_derivatives_train() -> None:
    """What physics-informed training does: by weights, of a second derivative by an input."""
    case = small()
    x, w = values(case)
    function = jaxqnn.expectation(case.circuit, **case.split)

    def curvature(x: Any, w: Any) -> jax.Array:
        return jnp.sum(jax.hessian(lambda x: function(x, w)[0])(x) ** 2)

    found = jax.grad(curvature, argnums=1)(x, w)
    expected = differences(lambda w: curvature(x, w), w)
    np.testing.assert_allclose(found, expected, atol=1e-7)


# Control flow, and other ways to run ------------------------------------------------------------


def test_inside_control_flow() -> None:
    gradient = jax.grad(loss, argnums=1)

    def descend(w: Any) -> Any:
        return jax.lax.fori_loop(0, 3, lambda _, w: w - 0.1 * gradient(X, w), w)

    def either(w: Any) -> Any:
        return jax.lax.cond(w[0] > 0, lambda w: loss(X, w), lambda w: 2 * loss(X, w), w)

    expected = W
    for _ in range(3):
        expected = expected - 0.1 * gradient(X, expected)
    np.testing.assert_allclose(jax.jit(descend)(W), expected, atol=ATOL)
    factor = 1 if W[0] > 0 else 2
    np.testing.assert_allclose(jax.grad(either)(W), factor * gradient(X, W), atol=ATOL)


def test_compiled_ahead_of_time() -> None:
    gradient = jax.jit(jax.grad(loss, argnums=1))
    np.testing.assert_allclose(
        gradient.lower(X, W).compile()(X, W), jax.grad(loss, argnums=1)(X, W), atol=ATOL
    )


def test_inside_shard_map() -> None:
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("batch",))
    spec = jax.sharding.PartitionSpec
    spread = jax.shard_map(
        expectation(MIXED), mesh=mesh, in_specs=(spec("batch"), spec()), out_specs=spec("batch")
    )
    np.testing.assert_allclose(spread(X, W), expectation(MIXED)(X, W), atol=ATOL)
    found = jax.grad(lambda w: jnp.sum(jnp.sin(spread(X, w))))(W)
    expected = jax.grad(lambda w: jnp.sum(jnp.sin(expectation(MIXED)(X, w))))(W)
    np.testing.assert_allclose(found, expected, atol=ATOL)
