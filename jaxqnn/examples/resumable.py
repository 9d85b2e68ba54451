"""Training that can be stopped at any moment and goes on where it was.

    python -m jaxqnn.examples.resumable runs/first --steps 500

Every step's weights and optimiser state are written by orbax (``pip install "jaxqnn[checkpoint]"``)
before the next step is reported, so a process that is killed loses at most the step in progress:
the same command takes it up again and ends with the same weights and the same curve in
``losses.csv``. What a step does depends on its number alone, the samples it draws included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map

import jaxqnn
from jaxqnn.examples.command import count, missing, program

try:
    import orbax.checkpoint as ocp
except ImportError:
    raise missing(__name__, "orbax", "checkpoint") from None

SAMPLES, BATCH, SEED = 64, 16, 0


def network(num_qubits: int) -> jaxqnn.EstimatorQNN:
    """A feature map and an ansatz, measured in Z on every qubit."""
    features, ansatz = zz_feature_map(num_qubits, reps=1), real_amplitudes(num_qubits, reps=2)
    circuit = QuantumCircuit(num_qubits)
    circuit.compose(features, inplace=True)
    circuit.compose(ansatz, inplace=True)
    return jaxqnn.EstimatorQNN(
        circuit=circuit, input_params=features.parameters, weight_params=ansatz.parameters
    )


def data(num_qubits: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Points of two kinds, labelled 1 and -1."""
    rng = np.random.default_rng(SEED)
    labels = rng.choice([-1.0, 1.0], SAMPLES)
    points = rng.normal(size=(SAMPLES, num_qubits)) * 0.3 + 0.5 * labels[:, None]
    return points.astype(np.float32), labels.astype(np.float32)


def train(directory: Path, steps: int, num_qubits: int = 4) -> None:
    """Trains up to a step, from the last one that the directory holds.

    Args:
        directory: Where checkpoints and ``losses.csv`` are; made if it is not there.
        steps: The step to end at, counted from the very first.
        num_qubits: The network's size.
    """
    qnn, (points, labels) = network(num_qubits), data(num_qubits)
    optimiser = optax.adam(0.05)

    @jax.jit
    def step(weights: jax.Array, memory: Any, x: jax.Array, y: jax.Array) -> Any:
        def loss(weights: jax.Array) -> jax.Array:
            return jnp.mean((qnn.apply(x, weights)[:, 0] - y) ** 2)

        value, gradient = jax.value_and_grad(loss)(weights)
        updates, memory = optimiser.update(gradient, memory)
        return optax.apply_updates(weights, updates), memory, value

    rng = np.random.default_rng(SEED + 1)
    weights = jnp.asarray(rng.uniform(-1, 1, qnn.num_weights), jnp.float32)
    # The curve is part of the state, so that it can never disagree with the weights.
    state = {"weights": weights, "memory": optimiser.init(weights), "losses": np.zeros(0)}
    directory = directory.absolute()
    with ocp.CheckpointManager(
        directory / "checkpoints",
        options=ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False),
    ) as manager:
        first = manager.latest_step() or 0
        if first:
            state["losses"] = np.zeros(first)
            state = manager.restore(first, args=ocp.args.StandardRestore(state))
            print(f"going on after step {first}", flush=True)
        for number in progress(first, steps, state):
            rows = np.random.default_rng((SEED, number)).choice(SAMPLES, BATCH, replace=False)
            weights, memory, loss = step(
                state["weights"], state["memory"], points[rows], labels[rows]
            )
            losses = np.append(state["losses"], float(loss))
            state.update(weights=weights, memory=memory, losses=losses)
            manager.save(number + 1, args=ocp.args.StandardSave(state))
    curve = state["losses"]
    np.savetxt(directory / "losses.csv", curve, header="loss", comments="")
    print(
        f"{len(curve)} steps done, loss {curve[-1]:.4f}; the curve is in {directory / 'losses.csv'}"
    )


def claim(directory: Path, num_qubits: int) -> None:
    """Notes what is trained in a directory.

    Args:
        directory: See ``train``.
        num_qubits: See ``train``.

    Raises:
        ValueError: If it is a network of another size.
    """
    file = directory / "qubits"
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{num_qubits}\n")
    kept = int(file.read_text())
    if kept != num_qubits:
        raise ValueError(
            f"{directory} holds the training of a network of {kept} qubits, not {num_qubits}: "
            f"pass --qubits {kept}, or another directory"
        )


def progress(first: int, steps: int, state: dict[str, Any]) -> Iterator[int]:
    """Counts the steps that are left, and tells how it goes once a second."""
    begun = told = time.monotonic()
    for number in range(first, steps):
        yield number
        now = time.monotonic()
        if now - told >= 1 or number in (first, steps - 1):
            told, rate = now, (number + 1 - first) / (now - begun)
            left = (steps - number - 1) / rate
            print(
                f"step {number + 1}/{steps}  loss {float(state['losses'][-1]):.4f}  "
                f"{rate:.1f} steps/s  {left:.0f} s left",
                flush=True,
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Train a network; kill it; run it again.")
    parser.add_argument("directory", type=Path, help="for checkpoints and losses.csv")
    parser.add_argument("--steps", type=count, default=500, help="the step to end at [500]")
    parser.add_argument("--qubits", type=count, default=4, help="[4]")
    given = parser.parse_args(arguments)
    with program():
        try:
            claim(given.directory, given.qubits)
        except ValueError as error:
            parser.error(str(error))
        train(given.directory, given.steps, given.qubits)


if __name__ == "__main__":
    main()
