"""Run as a script: what forked processes say of each path, with JAX started before or not."""

from __future__ import annotations

import json
import multiprocessing
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map

import jaxqnn

SECONDS = 120


def network(num_qubits: int, **keywords: Any) -> jaxqnn.EstimatorQNN:
    features, ansatz = zz_feature_map(num_qubits), real_amplitudes(num_qubits)
    return jaxqnn.EstimatorQNN(
        circuit=features.compose(ansatz),
        input_params=features.parameters,
        weight_params=ansatz.parameters,
        input_gradients=True,
        **keywords,
    )


def gradient(qnn: jaxqnn.EstimatorQNN) -> list[float]:
    random = np.random.default_rng(0)
    x, w = random.normal(size=(64, qnn.num_inputs)), random.normal(size=qnn.num_weights)
    return [float(np.abs(part).sum()) for part in qnn.backward(x, w) if part is not None]


def paths() -> dict[str, Callable[[], list[float]]]:
    """By name: what is computed, and on what."""
    angle = Parameter("t")
    circuit = QuantumCircuit(1)
    circuit.ry(angle.sin(), 0)
    with_sine = jaxqnn.EstimatorQNN(circuit=circuit, weight_params=[angle])
    function = jaxqnn.expectation(real_amplitudes(3))
    return {
        "double": partial(gradient, network(4)),
        "threads": partial(gradient, network(12)),
        "single": partial(gradient, network(4, precision="single")),
        "sine": partial(gradient, with_sine),
        "function": lambda: np.asarray(function(np.ones(12)), float).tolist(),
    }


def answer(name: str) -> list[float] | str:
    try:
        return PATHS[name]()
    except jaxqnn.JaxQNNError as error:
        return str(error)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # what JAX and Python say of every fork
    PATHS = paths()
    names = sys.argv[2:] or list(PATHS)
    before = [answer(name) for name in names] if sys.argv[1] == "started" else None
    found = []
    for name in names:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found.append(pool.apply_async(answer, (name,)).get(SECONDS))
    print(json.dumps({"before": before, "names": names, "found": found}))
