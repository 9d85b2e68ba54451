"""Wherever distances are judged, NaN fails: libraries broken on purpose are caught."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit import qpy
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from typer.testing import CliRunner

import jaxqnn
from jaxqnn.cli import check, networks
from jaxqnn.cli.app import app
from jaxqnn.cli.bench import time_backward
from jaxqnn.verify.report import largest

CIRCUIT = real_amplitudes(2, reps=1)
POINTS = 3
Function = Callable[..., Any]


@pytest.mark.parametrize("place", range(3))
def test_the_largest_of_errors_keeps_a_nan_anywhere(place: int) -> None:
    errors = [1e-16, 2.0, 1e-3]
    assert largest(errors) == 2.0
    errors[place] = math.nan
    assert math.isnan(largest(errors))
    assert math.isnan(largest([np.array(errors), np.ones(2)]))
    assert math.isnan(largest([]))


def broken_values(row: int) -> Callable[[Function], Function]:
    """Makes functions whose last number of a row is NaN."""

    def broken(function: Function) -> Function:
        def values(params: Any) -> jax.Array:
            found = jnp.asarray(function(params))
            return found.at[row, -1].set(jnp.nan) if found.ndim == 2 else found

        return values

    return broken


def broken_slope(parameter: int) -> Callable[[Function], Function]:
    """Makes functions whose values are right and whose derivative by one parameter is NaN."""

    def broken(function: Function) -> Function:
        def values(params: Any) -> jax.Array:
            unknown = 0 * jnp.sqrt(0 * jnp.asarray(params)[..., parameter])
            return function(params) + unknown[..., None]

        return values

    return broken


@pytest.mark.parametrize(
    ("name", "broken", "quantity"),
    [
        *(("statevector", broken_values(row), "state_error") for row in range(POINTS)),
        *(("expectation", broken_values(row), "expectation_error") for row in range(POINTS)),
        *(("expectation", broken_slope(k), "gradient_error") for k in range(4)),
    ],
)
def test_check_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    broken: Callable[[Function], Function],
    quantity: str,
) -> None:
    make = getattr(jaxqnn, name)
    monkeypatch.setattr(check, name, lambda circuit: broken(make(circuit)))
    with (file := tmp_path / "circuit.qpy").open("wb") as stream:
        qpy.dump(CIRCUIT, stream)
    result = CliRunner().invoke(app, ["check", str(file), "--json"])
    assert result.exit_code == 1, result.output
    report = json.loads(result.stdout)
    assert not report["passed"]
    assert math.isnan(report["circuits"][0][quantity])


class NanGradient(jaxqnn.EstimatorQNN):
    """One entry of one gradient is NaN."""

    part = 0

    def backward(self, input_data: Any, weights: Any) -> Any:
        parts = [np.array(part) for part in super().backward(input_data, weights)]
        parts[self.part][-1, ..., -1] = np.nan
        return tuple(parts)


class NanWeightGradient(NanGradient):
    part = 1


@pytest.mark.parametrize("network", [NanGradient, NanWeightGradient])
def test_verify_bench_and_demo_fail(
    network: type[jaxqnn.EstimatorQNN], monkeypatch: pytest.MonkeyPatch
) -> None:
    feature_map = zz_feature_map(2, reps=1)
    qnn = network(
        circuit=feature_map.compose(CIRCUIT),
        input_params=feature_map.parameters,
        weight_params=CIRCUIT.parameters,
        input_gradients=True,
    )
    report = jaxqnn.verify(qnn, samples=2)
    assert not report.passed
    assert math.isnan(report.max_error)

    monkeypatch.setattr("jaxqnn.cli.bench.NETWORKS", {"EstimatorQNN": network})
    timing = time_backward("EstimatorQNN", 2, batch=2, repeats=1, seed=0)
    assert math.isnan(timing.max_error)
    assert not timing.passed

    row = networks._row("broken", qnn, seed=0)
    assert not row.passed


def test_a_right_circuit_passes() -> None:
    """The tests above break what is whole."""
    circuit: QuantumCircuit = CIRCUIT
    found = check.check_circuit(circuit, points=POINTS, directions=1, seed=0, atol=1e-10)
    assert found.passed
