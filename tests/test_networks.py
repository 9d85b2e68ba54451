"""The drop-in networks beside QML's own, call by call."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_all_close, dense
from network_pairs import (
    KINDS,
    NETWORK,
    OBSERVABLES,
    WEIGHTS,
    digits,
    one_parameter,
    only,
    pair,
    parity,
)
from qiskit import transpile
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import Pauli, SparsePauliOp

import jaxqnn


def assert_same(found: Any, expected: Any, atol: float = 1e-8) -> None:
    """Equal kind, shape, dtype and, up to rounding, values."""
    if isinstance(expected, tuple):
        assert isinstance(found, tuple)
        for part, other in zip(found, expected, strict=True):
            assert_same(part, other, atol)
        return
    if expected is None:
        assert found is None
        return
    assert type(found) is type(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.float64
    np.testing.assert_allclose(dense(found), dense(expected), atol=atol)


def assert_parity(ours: Any, theirs: Any, data: Any, weights: Any, atol: float = 1e-8) -> None:
    """Forward and backward, without and with input gradients, switched on later."""
    assert_same(ours.forward(data, weights), theirs.forward(data, weights), atol)
    for wanted in (False, True):
        ours.input_gradients = theirs.input_gradients = wanted
        assert_same(ours.backward(data, weights), theirs.backward(data, weights), atol)


SHAPES = {"one sample": (2,), "a batch": (3, 2), "two axes": (1, 2, 2), "three axes": (2, 1, 1, 2)}
PAIRS = [(kind, "a batch") for kind in KINDS] + [
    (kind, shape) for kind in ("observables", "sparse") for shape in SHAPES if shape != "a batch"
]


@pytest.mark.parametrize(("kind", "shape"), PAIRS)
def test_every_shape_of_inputs(kind: str, shape: str) -> None:
    data = np.random.default_rng(2).uniform(-2, 2, SHAPES[shape])
    assert_parity(*pair(*KINDS[kind]), data, WEIGHTS)


@pytest.mark.parametrize("name", ["EstimatorQNN", "SamplerQNN"])
def test_scalars_and_lists(name: str) -> None:
    assert_parity(*pair(name, one_parameter(by_input=True)), 0.3, None)
    assert_parity(*pair(name, one_parameter(by_input=False)), None, 0.3)
    assert_parity(*pair(name, NETWORK), [[0.1, 1], [2, 3]], list(WEIGHTS))


@pytest.mark.parametrize("data", [None, [], [[]], np.zeros((2, 0))], ids=str)
@pytest.mark.parametrize("name", ["EstimatorQNN", "SamplerQNN"])
def test_no_inputs(name: str, data: Any) -> None:
    assert_parity(*pair(name, only("weight_params")), data, WEIGHTS)


@pytest.mark.parametrize("weights", [None, []], ids=str)
@pytest.mark.parametrize("name", ["EstimatorQNN", "SamplerQNN"])
def test_no_weights(name: str, weights: Any) -> None:
    assert_parity(*pair(name, only("input_params")), [[0.1, 0.2], [0.3, 0.4]], weights)


def test_an_estimator_without_parameters() -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(0.4, 0)
    circuit.cx(0, 1)
    ours, theirs = pair("EstimatorQNN", {"circuit": circuit, "observables": OBSERVABLES})
    assert_parity(ours, theirs, None, None)


def test_parameters_are_taken_in_the_users_order() -> None:
    x, w = ParameterVector("b", 2), ParameterVector("a", 2)
    circuit = QuantumCircuit(2)
    circuit.ry(x[0] * w[1], 0)
    circuit.rx(w[0], 1)
    circuit.cx(0, 1)
    circuit.ry(x[1], 1)
    arguments = {"circuit": circuit, "input_params": [x[1], x[0]], "weight_params": [w[1], w[0]]}
    for name in ("EstimatorQNN", "SamplerQNN"):
        assert_parity(*pair(name, arguments), [[0.3, 0.7]], [1.1, -0.4])


@pytest.mark.parametrize(
    "observable",
    [SparsePauliOp(["ZI", "XY"], [2, 0.5]), Pauli("YZ"), [Pauli("ZZ")], tuple(OBSERVABLES)],
    ids=lambda o: type(o).__name__,
)
def test_observables_of_every_kind(observable: Any) -> None:
    arguments = NETWORK | {"observables": observable}
    assert_parity(*pair("EstimatorQNN", arguments), [[0.3, 0.7]], WEIGHTS)


def test_set_interpret_is_followed() -> None:
    ours, theirs = pair(*KINDS["sampler"])
    data = [[0.3, 0.7]]
    for interpret, shape in ((parity, 2), (digits, (2, 2)), (None, None), (parity, 4)):
        ours.set_interpret(interpret, shape)
        theirs.set_interpret(interpret, shape)
        assert ours.output_shape == theirs.output_shape
        assert_parity(ours, theirs, data, WEIGHTS)
        with jax.enable_x64(True):
            np.testing.assert_allclose(
                ours.apply(np.array(data), WEIGHTS), theirs.forward(data, WEIGHTS), atol=1e-10
            )


def test_a_measured_sampler() -> None:
    measured = NETWORK["circuit"].copy()
    measured.measure_all()
    assert_parity(*pair("SamplerQNN", NETWORK | {"circuit": measured}), [[0.3, 0.7]], WEIGHTS)


def test_a_transpiled_estimator() -> None:
    placed = transpile(
        NETWORK["circuit"], coupling_map=[[0, 1], [1, 2]], initial_layout=[2, 1], seed_transpiler=0
    )
    laid_out = [SparsePauliOp(o).apply_layout(placed.layout) for o in OBSERVABLES]
    arguments = NETWORK | {"circuit": placed, "observables": laid_out}
    assert_parity(*pair("EstimatorQNN", arguments), [0.3, 0.7], WEIGHTS)


# Precision --------------------------------------------------------------------------------------


def mode_is_double() -> bool:
    return jnp.zeros(0).dtype == np.float64


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("kind", ["estimator", "classes"])
def test_double_is_double_whatever_the_mode(kind: str, flag: bool) -> None:
    ours, theirs = pair(*KINDS[kind])
    data = [[0.3, 0.7], [-0.1, 1.5]]
    atol = 1e-10 if kind == "estimator" else 1e-8  # QML's sampler counts
    with jax.enable_x64(flag):
        assert_parity(ours, theirs, data, WEIGHTS, atol)
        assert mode_is_double() == flag
    assert not mode_is_double()


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_single_computes_in_single_and_returns_double(kind: str, flag: bool) -> None:
    name, arguments = KINDS[kind]
    single = getattr(jaxqnn, name)(**arguments, precision="single", input_gradients=True)
    double = getattr(jaxqnn, name)(**arguments, input_gradients=True)
    data = [[0.3, 0.7], [-0.1, 1.5]]
    with jax.enable_x64(flag):
        assert_same(single.forward(data, WEIGHTS), double.forward(data, WEIGHTS), atol=1e-5)
        assert_same(single.backward(data, WEIGHTS), double.backward(data, WEIGHTS), atol=1e-5)
        assert mode_is_double() == flag
    assert (single.precision, double.precision) == ("single", "double")


@pytest.mark.parametrize("precision", ["single", "double"])
def test_single_and_double_are_what_they_say(precision: Any) -> None:
    network = jaxqnn.EstimatorQNN(**NETWORK, precision=precision)
    found = network.forward([0.3, 0.7], WEIGHTS)
    is_single = np.array_equal(found, found.astype(np.float32))
    assert is_single == (precision == "single")


# apply and vjp ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_apply_is_forward_and_its_jacobian_backward(kind: str) -> None:
    network, _ = pair(*KINDS[kind])
    network.input_gradients = True
    data = np.random.default_rng(4).uniform(-2, 2, (3, 2))
    value = network.forward(data, WEIGHTS)
    gradients = network.backward(data, WEIGHTS)
    with jax.enable_x64(True):
        np.testing.assert_allclose(network.apply(data, WEIGHTS), dense(value), atol=1e-12)
        jacobian = jax.jacrev(network.apply, argnums=(0, 1))
        found = jax.vmap(jacobian, in_axes=(0, None))(data, WEIGHTS)
    assert_all_close(found, gradients, atol=1e-12)


@pytest.mark.parametrize(("kind", "shape"), PAIRS)
def test_vjp_is_a_product_with_backward(kind: str, shape: str) -> None:
    network, _ = pair(*KINDS[kind])
    network.input_gradients = True
    data = np.random.default_rng(5).uniform(-2, 2, SHAPES[shape])
    value = dense(network.forward(data, WEIGHTS))
    gradients = [dense(part) for part in network.backward(data, WEIGHTS)]
    output, pullback = network.vjp(data, WEIGHTS)
    assert output.shape == value.shape
    assert output.dtype == np.float64
    np.testing.assert_allclose(output, value, atol=1e-12)
    cotangent = np.random.default_rng(6).normal(size=output.shape)
    pulled = pullback(cotangent)
    samples = data.size // 2
    rows = cotangent.reshape(samples, -1)
    by_inputs, by_weights = (part.reshape(samples, rows.shape[1], -1) for part in gradients)
    of_inputs = np.einsum("so,sop->sp", rows, by_inputs).reshape(data.shape)
    of_weights = np.einsum("so,sop->p", rows, by_weights)
    assert_all_close(pulled, (of_inputs, of_weights), atol=1e-12)


@pytest.mark.parametrize("name", ["EstimatorQNN", "SamplerQNN"])
def test_vjp_gives_none_for_what_is_not_there(name: str) -> None:
    output, pullback = getattr(jaxqnn, name)(**only("weight_params")).vjp(None, WEIGHTS)
    of_inputs, of_weights = pullback(np.ones_like(output))
    assert of_inputs is None
    assert of_weights.shape == (4,)
    output, pullback = getattr(jaxqnn, name)(**only("input_params")).vjp([0.1, 0.2], None)
    of_inputs, of_weights = pullback(np.ones_like(output))
    assert of_inputs.shape == (2,)
    assert of_weights is None


# The process ------------------------------------------------------------------------------------

PROBE = """
import os, threading
import jax, numpy
settings = ("jax_enable_x64", "jax_default_device", "jax_default_matmul_precision",
            "jax_platforms", "jax_compilation_cache_dir", "jax_debug_nans")

def world():
    return (
        {name: getattr(jax.config, name) for name in settings},
        dict(os.environ),
        threading.active_count(),
        numpy.random.get_state()[1].tolist(),
        numpy.geterr(),
    )

before = world()
import jaxqnn
assert world() == before
"""


def test_importing_has_no_side_effects() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""
