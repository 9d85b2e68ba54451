"""The form of the sweeps that a GPU runs: here on the CPU, against Qiskit and the CPU's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.export
import numpy as np
import pytest
from oracles import CASES, Case, observables, values
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import efficient_su2, zz_feature_map
from qiskit.quantum_info import random_unitary

from jaxqnn.backends.xla import XlaBackend
from jaxqnn.engine import adjoint, evolve, kernels, target
from jaxqnn.engine.target import Target
from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Expectation
from jaxqnn.model import Model

BATCH = 3


def feature_map() -> Case:
    """More phases of the samples' own in a layer than one chunk holds."""
    features = zz_feature_map(6, reps=2)
    ansatz = efficient_su2(6, su2_gates=["rx", "rz"], reps=1)
    circuit = features.compose(ansatz)
    return Case(circuit, tuple(features.parameters), tuple(ansatz.parameters))


def many_shared_phases() -> Case:
    """More shared phases in a layer than one chunk holds, beside the samples' own."""
    n = 7
    pairs = [(a, b) for a in range(n) for b in range(a)]
    w, x = ParameterVector("w", len(pairs)), ParameterVector("x", n)
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for angle, pair in zip(w, pairs, strict=True):
        circuit.rzz(angle, *pair)
    for qubit, angle in enumerate(x):
        circuit.rz(angle, qubit)
    circuit.rx(w[0], range(n))
    return Case(circuit, tuple(x), tuple(w))


def blocks() -> Case:
    """Unitary matrices between rotations."""
    w, x = ParameterVector("w", 2), ParameterVector("x", 1)
    circuit = QuantumCircuit(4)
    circuit.ry(w[0], 0)
    circuit.unitary(random_unitary(8, seed=4), [2, 0, 3])
    circuit.rx(w[1] + x[0], 2)
    circuit.unitary(random_unitary(4, seed=5), [1, 2])
    circuit.rz(x[0], 1)
    return Case(circuit, tuple(x), tuple(w))


def given_amplitudes() -> Case:
    """A start that is no product of rotations."""
    w = ParameterVector("w", 3)
    circuit = QuantumCircuit(3)
    circuit.prepare_state(np.arange(1, 5) / np.sqrt(30), [0, 1])
    circuit.cx(1, 2)
    for qubit in range(3):
        circuit.rx(w[qubit], qubit)
    return Case(circuit, (), tuple(w))


ALL: dict[str, Callable[[], Case]] = {
    **CASES,
    "feature map": feature_map,
    "many shared phases": many_shared_phases,
    "blocks": blocks,
    "given amplitudes": given_amplitudes,
}


@pytest.fixture(params=[False, True], ids=["small", "large"])
def accelerated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA's kernels in an accelerator's form, for states that are small or large for one."""

    def accelerate(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments, Target.ACCELERATOR)

    for module in (evolve, adjoint):
        monkeypatch.setattr(module, "per_target", accelerate)
    if request.param:
        monkeypatch.setattr(target, "_FEW_NUMBERS", 0)
    for name in ("value", "jacobian", "vjp"):
        # Compiled anew: the executables of the CPU's form are in the old ones' caches.
        monkeypatch.setattr(kernels, name, anew(getattr(kernels, name)))


def anew(function: Any) -> Any:
    """A compiled function without what was compiled before."""

    def call(*arguments: Any, **keywords: Any) -> Any:
        return function.__wrapped__(*arguments, **keywords)

    return jax.jit(call, static_argnames="inputs_count")


@pytest.mark.usefixtures("accelerated")
@pytest.mark.parametrize("name", ALL)
def test_an_accelerators_form_gives_the_same(name: str) -> None:
    case = ALL[name]()
    x, w = values(case, BATCH)
    if not case.inputs:
        x = np.zeros((BATCH, 0))
    sums = observables(case.circuit.num_qubits)
    model = Model(case.circuit, Expectation(sums), case.inputs, case.weights)
    backend = XlaBackend(model, "double", None, None)
    np.testing.assert_allclose(
        backend.value(x, w), case.expectations(sums, x, w).reshape(BATCH, -1), atol=1e-12
    )
    # The compiled sweeps share no code with XLA's.
    by_inputs, by_weights = Evaluator(
        case.circuit, Expectation(sums), case.inputs, case.weights
    ).jacobian(x, w)
    assert by_inputs is not None
    assert by_weights is not None
    found = backend.jacobian(x, w, wrt_inputs=True)
    np.testing.assert_allclose(found[0], by_inputs, atol=1e-11)
    np.testing.assert_allclose(found[1], by_weights, atol=1e-11)
    cotangent = np.random.default_rng(1).normal(size=(BATCH, len(sums)))
    of_inputs, of_weights = backend.linearized(x, w)[1](cotangent)
    np.testing.assert_allclose(of_inputs, np.einsum("bo,bop->bp", cotangent, by_inputs), atol=1e-11)
    np.testing.assert_allclose(
        of_weights, np.einsum("bo,bow->w", cotangent, by_weights), atol=1e-11
    )


def lowered(*platforms: str) -> jax.export.Exported:
    """A Jacobian of six qubits for platforms that need not be there."""
    case = feature_map()
    model = Model(case.circuit, Expectation(), case.inputs, case.weights)
    num_inputs, num_weights = model.padded_sizes
    with jax.enable_x64(True):
        return jax.export.export(kernels.jacobian, platforms=platforms)(
            model.tables,
            model.measurement,
            jax.ShapeDtypeStruct((BATCH, num_inputs), np.float64),
            jax.ShapeDtypeStruct((num_weights,), np.float64),
        )


@pytest.mark.parametrize("platform", ["cuda", "rocm"])
def test_a_gpu_is_asked_nothing_within_a_layer(platform: str) -> None:
    # The layers forward and back: within them, each turn of a loop would make the host wait.
    assert lowered(platform).mlir_module().count("stablehlo.while") == 2
    assert lowered("cpu").mlir_module().count("stablehlo.while") > 2


def test_what_is_lowered_for_both_runs_on_the_cpu() -> None:
    case = feature_map()
    x, w = values(case, BATCH)
    model = Model(case.circuit, Expectation(), case.inputs, case.weights)
    both = lowered("cpu", "cuda")
    assert both.platforms == ("cpu", "cuda")
    columns = np.zeros((BATCH, model.padded_sizes[0]))
    columns[:, : x.shape[1]] = x
    weights = np.zeros(model.padded_sizes[1])
    weights[: w.size] = w
    with jax.enable_x64(True):
        found = both.call(model.tables, model.measurement, columns, weights)
    _, by_weights = Evaluator(case.circuit, Expectation(), case.inputs, case.weights).jacobian(x, w)
    assert by_weights is not None
    np.testing.assert_allclose(np.asarray(found[1])[..., : w.size], by_weights, atol=1e-11)
