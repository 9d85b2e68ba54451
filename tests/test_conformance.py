"""Every lowering of the sweeps, on every kind of circuit and measurement, in every derivative.

The oracle shares no code with the package: matrices, one after another, and complex steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from complex_step import derivatives
from oracles import CASES, Case, differences, observables, values, with_blocks
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import efficient_su2, zz_feature_map
from qiskit_machine_learning.circuit.library import raw_feature_vector

import jaxqnn
from jaxqnn.sweep import foreign

# What complex steps leave.
ATOL = 1e-9


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    """Runs each test in JAX's 64-bit mode."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def lowering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the primitives are lowered to."""
    name: str = request.param
    if name == "XLA":
        monkeypatch.setattr(foreign, "_is_registered", lambda: False)
    if name == "CUDA":
        request.getfixturevalue("emulated_gpu")
    return name


def given_amplitudes(num_features: int, num_qubits: int) -> Case:
    """A start from the inputs themselves, beside other qubits' rotations by inputs and weights."""
    features = raw_feature_vector(num_features)
    x, w = features.parameters, ParameterVector("w", 4)
    circuit = QuantumCircuit(num_qubits)
    circuit.compose(features, range(features.num_qubits), inplace=True)
    for q in range(features.num_qubits, num_qubits):
        circuit.ry(w[0] + x[0], q)
        circuit.cx(q, q - 1)
    for q in range(num_qubits):
        circuit.u(w[1], w[2], w[3] * x[1], q)
        circuit.cx(q, (q + 1) % num_qubits)
    circuit.ry(w[1], 0)
    return Case(circuit, tuple(x), tuple(w))


def feature_map(num_qubits: int) -> Case:
    """What most people start with."""
    features, ansatz = zz_feature_map(num_qubits, reps=1), efficient_su2(num_qubits, reps=1)
    few = dict(zip(ansatz.parameters[3:], np.linspace(-1, 1, len(ansatz.parameters)), strict=False))
    bound = ansatz.assign_parameters(few)
    return Case(
        features.compose(bound), tuple(features.parameters[:]), tuple(ansatz.parameters[:3])
    )


MADE: dict[str, Callable[[], Case]] = {
    **CASES,
    "blocks": lambda: with_blocks(4),
    "wide blocks": lambda: with_blocks(7),
    "given": lambda: given_amplitudes(4, 3),
    "wide given": lambda: given_amplitudes(4, 6),
    "given lanes": lambda: given_amplitudes(16, 6),
    "feature map": lambda: feature_map(3),
}
# Three samples or fewer of six qubits and more: lanes are labels; else they are samples.
POINTS = [
    ("mixed", 9),
    ("atoms", 2),
    ("one qubit", 3),
    ("constant", 2),
    ("blocks", 9),
    ("wide blocks", 1),
    ("given", 3),
    ("wide given", 2),
    ("given lanes", 1),
    ("feature map", 8),
]

# XLA compiles its form for seconds, so it has every kind of step once.
BY_XLA = ("mixed", "atoms", "blocks", "given")

# What the kernels do, here emulated: their steps are those of XLA's form otherwise.
BY_KERNELS = ("mixed", "atoms", "one qubit", "constant", "feature map")


def lowered(
    names: tuple[str, ...], by_xla: tuple[str, ...], by_kernels: tuple[str, ...] = ()
) -> pytest.MarkDecorator:
    """Cases by the compiled sweeps, and some of them by XLA's form or by the CUDA kernels."""
    points = [("compiled", *point) for point in POINTS if point[0] in names]
    points += [("XLA", *point) for point in POINTS if point[0] in by_xla]
    points += [("CUDA", *point) for point in POINTS if point[0] in by_kernels]
    return pytest.mark.parametrize(("lowering", "name", "batch"), points, indirect=["lowering"])


def drawn(case: Case, batch: int) -> tuple[Any, Any]:
    x, w = values(case, batch)
    return x + 3 * (len(case.inputs) >= 4), w  # amplitudes away from zero


@lowered(tuple(MADE), BY_XLA, BY_KERNELS)
def test_first_derivatives_of_expectations(name: str, batch: int, lowering: str) -> None:
    case = MADE[name]()
    x, w = drawn(case, batch)
    measured = observables(case.circuit.num_qubits)
    function = jaxqnn.expectation(case.circuit, measured, **case.split)
    found = [derivatives(case, measured, row, w) for row in x]
    expected, slopes = (
        np.array([f[0] for f in found]),
        np.array([f[1].reshape(len(measured), -1) for f in found]),
    )
    of_inputs, of_weights = slopes[..., : x.shape[1]], slopes[..., x.shape[1] :]
    random = np.random.default_rng(1)
    along = random.normal(size=x.shape), random.normal(size=w.shape)
    cotangent = random.normal(size=expected.shape)

    @jax.jit
    def everything(x: Any, w: Any) -> Any:
        value, tangent = jax.jvp(function, (x, w), along)
        pulled = jax.vjp(function, x, w)[1](cotangent)
        per_sample = jax.vmap(jax.jacrev(function, argnums=(0, 1)), in_axes=(0, None))(x, w)
        return value, tangent, pulled, per_sample, jax.jacfwd(function, argnums=1)(x, w)

    value, tangent, pulled, per_sample, forward = everything(x, w)
    close(value, expected, 1e-12)
    close(tangent, np.einsum("bmp,bp->bm", of_inputs, along[0]) + of_weights @ along[1])
    close(pulled[0], np.einsum("bm,bmp->bp", cotangent, of_inputs))
    close(pulled[1], np.einsum("bm,bmw->w", cotangent, of_weights))
    close(per_sample[0], of_inputs)
    close(per_sample[1], of_weights)
    close(forward, of_weights)


@lowered(tuple(name for name in MADE if name != "constant"), ("mixed",))
def test_second_derivatives_of_expectations(name: str, batch: int, lowering: str) -> None:
    case = MADE[name]()
    x, w = drawn(case, batch)
    x = x[:1] if lowering == "XLA" else x[:3]
    measured = observables(case.circuit.num_qubits)[1:2]
    function = jaxqnn.expectation(case.circuit, measured, **case.split)

    def total(p: Any) -> jax.Array:
        inputs = jnp.asarray(x).at[0].set(p[: x.shape[1]])
        return jnp.sum(jnp.sin(function(inputs, p[x.shape[1] :])))

    def slope(p: Any) -> Any:
        gradient: Any = 0
        for i, row in enumerate(x):
            own = p[: x.shape[1]] if i == 0 else row
            value, found = derivatives(case, measured, own, p[x.shape[1] :])
            own_slope = np.cos(value) @ found
            gradient = gradient + (
                own_slope if i == 0 else own_slope * (np.arange(p.size) >= x.shape[1])
            )
        return gradient

    every = np.concatenate([x[0], w])
    expected = differences(slope, every, 1e-4)
    nestings: list[tuple[Any, Any]] = [(jax.jacfwd, jax.jacrev)]
    if lowering == "compiled":
        nestings += [(jax.jacrev, jax.jacrev), (jax.jacrev, jax.jacfwd), (jax.jacfwd, jax.jacfwd)]
    for outer, inner in nestings[: 4 if name in ("mixed", "wide given") else 2]:
        found = jax.jit(outer(inner(total)))(every)
        close(found, expected, 1e-6)
        close(found, found.T)


@lowered(("mixed", "wide given"), ("mixed",), ("mixed",))
def test_states_and_probabilities(name: str, batch: int, lowering: str) -> None:
    del batch
    case = MADE[name]()
    x, w = drawn(case, 2)
    state = jaxqnn.statevector(case.circuit, **case.split)
    chances = jaxqnn.probabilities(case.circuit, **case.split)
    expected = case.states(x, w)
    close(state(x, w), expected, 1e-12)
    close(chances(x, w), abs(expected) ** 2, 1e-12)
    found = jax.jit(jax.jacfwd(lambda w: chances(x, w)))(w)
    close(found, differences(lambda w: abs(case.states(x, w)) ** 2, w), 1e-8)
    close(jax.jit(jax.jacrev(lambda w: chances(x, w)))(w), found)


@lowered(("mixed", "wide given", "wide blocks"), ("given",), ("mixed",))
def test_single_precision(name: str, batch: int, lowering: str) -> None:
    del batch
    case = MADE[name]()
    x, w = drawn(case, 2)
    function = jaxqnn.expectation(case.circuit, **case.split)
    gradient = jax.jit(jax.jacrev(function, argnums=(0, 1)))
    single = gradient(x.astype(np.float32), w.astype(np.float32))
    for found, expected in zip(single, gradient(x, w), strict=True):
        assert found.dtype == np.float32
        close(found, expected, 2e-5)


def close(found: Any, expected: Any, atol: float = ATOL) -> None:
    np.testing.assert_allclose(found, expected, atol=atol * max(1, np.abs(expected).max(initial=0)))
