"""What the examples share: a circuit, a network, a training loop, a score."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import optax
from jax import lax
from qiskit.circuit import ParameterVector, QuantumCircuit

from jaxqnn import EstimatorQNN
from jaxqnn.examples.data import FloatArray


def reuploading(
    num_qubits: int, layers: int
) -> tuple[QuantumCircuit, ParameterVector, ParameterVector]:
    """A circuit that encodes its inputs anew before each trainable layer.

    Such circuits are Fourier series of their inputs, with one more frequency for each layer
    (Schuld, Sweke and Meyer, arXiv:2008.08605).

    Returns:
        The circuit, its inputs (one a qubit) and its weights (two a qubit and layer).
    """
    inputs = ParameterVector("x", num_qubits)
    weights = ParameterVector("w", 2 * num_qubits * layers)
    circuit = QuantumCircuit(num_qubits)
    for layer in range(layers):
        # None after the last rotations: it would cancel some of them in <Z...Z>.
        for qubit in range(num_qubits - 1 if layer else 0):
            circuit.cx(qubit, qubit + 1)
        first = 2 * num_qubits * layer
        for qubit in range(num_qubits):
            circuit.ry(inputs[qubit], qubit)
            circuit.rz(weights[first + qubit], qubit)
            circuit.ry(weights[first + num_qubits + qubit], qubit)
    return circuit, inputs, weights


def classifier() -> EstimatorQNN:
    """Two inputs, two layers; the sign of the output <ZZ> is the class."""
    circuit, inputs, weights = reuploading(num_qubits=2, layers=2)
    return EstimatorQNN(circuit=circuit, input_params=inputs, weight_params=weights)


def initial_weights(num_weights: int, seed: int = 0) -> FloatArray:
    """Random weights to begin with."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, num_weights)


def minimise(
    loss: Callable[[jax.Array], jax.Array],
    weights: jax.Array,
    optimiser: optax.GradientTransformation,
    steps: int,
) -> tuple[jax.Array, jax.Array]:
    """Follows the gradient of a loss; it can be put under `jax.jit` and `jax.vmap`.

    Returns:
        The weights after the last step, and the loss before each step, shape (steps,).
    """

    def step(
        carry: tuple[jax.Array, optax.OptState], _: None
    ) -> tuple[tuple[jax.Array, optax.OptState], jax.Array]:
        weights, state = carry
        value, gradient = jax.value_and_grad(loss)(weights)
        updates, state = optimiser.update(gradient, state, weights)
        return (optax.apply_updates(weights, updates), state), value

    begin = (weights, optimiser.init(weights))
    (weights, _), losses = lax.scan(step, begin, length=steps)
    return weights, losses


def accuracy(outputs: FloatArray, labels: FloatArray) -> float:
    """The fraction of samples whose output has the sign of the label."""
    return float(np.mean((outputs >= 0) == (labels > 0)))
