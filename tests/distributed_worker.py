"""One process of ``test_distributed``: trains on its share of the samples, or alone on all."""

from __future__ import annotations

import json
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map

import jaxqnn

STEPS, SAMPLES, QUBITS = 5, 8, 4


def network(mesh: Mesh) -> jaxqnn.EstimatorQNN:
    features, ansatz = zz_feature_map(QUBITS, reps=1), real_amplitudes(QUBITS, reps=1)
    circuit = QuantumCircuit(QUBITS)
    circuit.compose(features, inplace=True)
    circuit.compose(ansatz, inplace=True)
    return jaxqnn.EstimatorQNN(
        circuit=circuit,
        input_params=features.parameters,
        weight_params=ansatz.parameters,
        mesh=mesh,
    )


def train(mesh: Mesh) -> dict[str, Any]:
    """Weights and losses of a few steps; every process has its own rows of the data."""
    rng = np.random.default_rng(3)
    inputs, targets = rng.normal(size=(SAMPLES, QUBITS)), rng.choice([-1.0, 1.0], SAMPLES)
    share = SAMPLES // jax.process_count()
    mine = slice(jax.process_index() * share, (jax.process_index() + 1) * share)
    rows = NamedSharding(mesh, PartitionSpec("batch"))
    x, y = (
        jax.make_array_from_process_local_data(rows, values[mine]) for values in (inputs, targets)
    )
    qnn, optimiser = network(mesh), optax.adam(0.1)

    def loss(weights: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean((qnn.apply(x, weights)[:, 0] - y) ** 2)

    @jax.jit
    def step(weights: jax.Array, memory: Any, x: jax.Array, y: jax.Array) -> Any:
        value, gradient = jax.value_and_grad(loss)(weights, x, y)
        updates, memory = optimiser.update(gradient, memory)
        return optax.apply_updates(weights, updates), memory, value

    everywhere = NamedSharding(mesh, PartitionSpec())
    weights = jax.device_put(np.full(2 * QUBITS, 0.1), everywhere)
    memory = jax.device_put(optimiser.init(np.full(2 * QUBITS, 0.1)), everywhere)
    losses = []
    for _ in range(STEPS):
        weights, memory, value = step(weights, memory, x, y)
        losses.append(float(value))
    # The networks' own NumPy interface takes the whole batch on every process.
    found = np.asarray(weights)
    gradient = qnn.backward(inputs, found)[1]
    assert gradient is not None
    return {
        "weights": found.tolist(),
        "losses": losses,
        "gradient": gradient.tolist(),
        "devices": jax.device_count(),
    }


if __name__ == "__main__":
    processes, index, port = (int(text) for text in sys.argv[1:4])
    jax.config.update("jax_enable_x64", True)
    if processes > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, index)
    print(json.dumps(train(Mesh(np.array(jax.devices()), ("batch",)))))
