"""JAX's strict and debugging settings change no number and raise nowhere.

``conftest.py`` runs all tests of the functions with implicit promotion forbidden; here are the rest
of what computes by JAX, and the other settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from oracles import Case, observables, values
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit_machine_learning.circuit.library import raw_feature_vector

import jaxqnn

Numbers = list[Any]


@contextmanager
def strict_promotion() -> Iterator[None]:
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "promotion": strict_promotion,
    "NaN": lambda: jax.debug_nans(True),
    "leaks": jax.checking_leaks,
}


def classes(outcome: int) -> int:
    return outcome % 3


def scalar(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Depends on every output, real and imaginary part."""

    def total(*arguments: Any) -> jax.Array:
        found = function(*arguments)
        return jnp.sum(jnp.sin(found.real)) + jnp.sum(found.imag**3)

    return total


@cache
def case() -> Case:
    """Two qubits: an angle that is no polynomial, one of both kinds of parameters, and CX."""
    x, w = ParameterVector("x", 1), ParameterVector("w", 2)
    circuit = QuantumCircuit(2)
    circuit.ry(x[0].sin(), 0)
    circuit.rzz(x[0] * w[0], 0, 1)
    circuit.cx(0, 1)
    circuit.rx(w[1], 1)
    return Case(circuit, tuple(x), tuple(w))


def polynomial() -> Case:
    """The same without functions of parameters."""
    x, w = case().inputs, case().weights
    circuit = QuantumCircuit(2)
    circuit.ry(x[0], 0)
    circuit.rzz(x[0] * w[0], 0, 1)
    circuit.rx(w[1], 1)
    return Case(circuit, x, w)


def arrays(*batch: int) -> tuple[jax.Array, jax.Array]:
    x, w = values(case(), *batch)
    return jnp.asarray(x), jnp.asarray(w)


def functions() -> Numbers:
    """Values and gradients of all three, in a batch, under jit and under vmap; integers too."""
    (x, w), circuit, split = arrays(3), case().circuit, case().split
    state = jaxqnn.statevector(circuit, **split)
    mean = jaxqnn.expectation(circuit, observables(2), **split)
    classes_of = jaxqnn.probabilities(circuit, classes, 3, **split)
    by_both = jax.value_and_grad(scalar(classes_of), argnums=(0, 1))
    return [
        jax.jit(jax.value_and_grad(scalar(state), argnums=(0, 1)))(x, w),
        jax.grad(scalar(mean), 1)(x[0], w),
        jax.vmap(by_both, in_axes=(0, None))(x, w),
        mean([1], [2.0, 1.0]),
    ]


def higher() -> Numbers:
    """A Hessian, forward mode, and an ensemble."""
    x, w = arrays(2)
    function = jaxqnn.expectation(polynomial().circuit, **polynomial().split)
    return [
        jax.hessian(scalar(function), 1)(x[0], w),
        jax.jvp(lambda w: function(x, w), (w,), (jnp.ones_like(w),)),
        function(x, jnp.stack([w, 2 * w])[:, None]),
    ]


def given_amplitudes() -> Numbers:
    circuit = raw_feature_vector(4)
    circuit.ry(0.3, 0)
    function = jaxqnn.expectation(circuit)
    return [jax.value_and_grad(scalar(function))(jnp.asarray([0.5, -1.0, 0.0, 2.0]))]


def exported() -> Numbers:
    function = jaxqnn.expectation(case().circuit, observables(2), **case().split)
    call = jax.export.deserialize(bytearray(jaxqnn.export(function))).call
    return [jax.value_and_grad(scalar(call), 1)(*arrays(2))]


def networks(**keywords: Any) -> Numbers:
    """Forward, backward, vjp and apply, with functions of parameters and without."""
    found: Numbers = []
    for each in (case(), polynomial()):
        common = {"circuit": each.circuit, **each.split, "input_gradients": True, **keywords}
        qnn = jaxqnn.EstimatorQNN(observables=observables(2), **common)
        x, w = values(each, 3)
        output, pull = qnn.vjp(x, w)
        found += [qnn.forward(x, w), *qnn.backward(x, w), output, *pull(output)]
    qnn = jaxqnn.SamplerQNN(interpret=classes, output_shape=3, **common)
    return [*found, *qnn.backward(x, w), qnn.apply(x, w)]


def on_a_mesh() -> Numbers:
    mesh = Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("batch", "state"))
    circuit, split = polynomial().circuit, polynomial().split
    function = jaxqnn.expectation(circuit, observables(2), **split, mesh=mesh)
    qnn = jaxqnn.SamplerQNN(circuit=circuit, **split, input_gradients=True, mesh=mesh)
    return [
        jax.value_and_grad(scalar(function), argnums=(0, 1))(*arrays(2)),
        *qnn.backward(*values(case(), 2)),
    ]


def primitives() -> Numbers:
    """The estimator, the sampler, both gradients and the metric."""
    circuit, observable = case().circuit, observables(2)[1]
    point = np.linspace(0.1, 0.9, circuit.num_parameters)
    measured = circuit.measure_all(inplace=False)
    counts = jaxqnn.JaxSampler(shots=100, seed=0).run([(measured, point)]).result()[0]
    of_estimator = jaxqnn.JaxEstimatorGradient().run([circuit], [observable], [point])
    of_sampler = jaxqnn.JaxSamplerGradient().run([measured], [point])
    return [
        jaxqnn.JaxEstimator().run([(circuit, observable, point)]).result()[0].data.evs,
        sorted(counts.data.meas.get_int_counts().items()),
        of_estimator.result().gradients,
        [sorted(part.items()) for part in of_sampler.result().gradients[0]],
        jaxqnn.JaxQGT().run([circuit], [point]).result().qgts,
    ]


# Whether in 64 bits, what to compute, and under what: a search for leaks compiles everything anew.
USES: dict[str, tuple[bool, Callable[[], Numbers], tuple[str, ...]]] = {
    "functions": (True, functions, ("promotion", "NaN", "leaks")),
    "functions, 32 bits": (False, functions, ("promotion",)),
    "higher derivatives": (True, higher, ("promotion", "NaN")),
    "given amplitudes": (True, given_amplitudes, ("promotion", "NaN")),
    "export": (True, exported, ("promotion", "NaN")),
    "networks": (False, networks, ("promotion", "NaN")),
    "networks, 64 bits": (True, networks, ("promotion", "NaN", "leaks")),
    "single precision": (False, lambda: networks(precision="single"), ("promotion", "NaN")),
    "single, 64 bits": (True, lambda: networks(precision="single"), ("promotion", "leaks")),
    "mesh": (True, on_a_mesh, ("promotion", "NaN", "leaks")),
    "primitives": (False, primitives, ("promotion", "NaN", "leaks")),
}


def computed(name: str, setting: AbstractContextManager[Any]) -> Numbers:
    is_double, use, _ = USES[name]
    with jax.enable_x64(is_double), setting:
        found = use()
    return [np.asarray(leaf) for leaf in jax.tree.leaves(found)]


@cache
def expected(name: str) -> Numbers:
    return computed(name, nullcontext())


@pytest.mark.parametrize(
    ("name", "setting"), [(name, setting) for name in USES for setting in USES[name][2]]
)
def test_a_setting_changes_nothing(name: str, setting: str) -> None:
    found = computed(name, SETTINGS[setting]())
    assert len(found) == len(expected(name)) > 0
    for mine, plain in zip(found, expected(name), strict=True):
        assert mine.dtype == plain.dtype
        assert not np.isnan(mine).any()
        np.testing.assert_allclose(mine, plain, rtol=1e-6, atol=1e-6)
