"""Jacobians of a JAX function of one sample, as every JAX peer's user would write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil

from ..problems import Problem
from ..translate import translate
from . import Gradient

Outputs = Callable[[Any], Any]


def gradient_from_outputs(problem: Problem, outputs: Outputs) -> Gradient:
    """Return the problem's gradient from `outputs(params)`, a JAX function of one sample.

    Args:
        problem: The problem.
        outputs: Takes the parameters (inputs, then weights) of shape (P,). Returns the n
            expectations for `z_each`, the 2**n probabilities for `probabilities`, the one of the
            Pauli terms for `pauli_sum`, and the scalar <Z..Z> for all other kinds.
    """
    num_inputs = len(problem.parameterized.input_params)

    if problem.kind == "training":
        targets = jnp.asarray(problem.targets)

        def loss(weights: Any, inputs: Any) -> Any:
            predict = jax.vmap(lambda x: outputs(jnp.concatenate([x, weights])))
            return jnp.mean((predict(inputs) - targets) ** 2)

        step = jax.jit(jax.grad(loss))
        return lambda inputs, weights: (None, step(weights, inputs))

    if problem.kind == "weights":
        slopes = jax.grad(lambda weights, x: outputs(jnp.concatenate([x, weights])))
        by_weights = jax.jit(jax.vmap(slopes, in_axes=(None, 0)))
        return lambda inputs, weights: (None, by_weights(weights, inputs)[:, None])

    # One scalar: reverse mode. Many outputs but few parameters: forward mode.
    if problem.kind == "probabilities":
        derivative = jax.jacfwd(outputs)
    elif problem.kind == "z_each":
        derivative = jax.jacrev(outputs)
    else:
        derivative = jax.grad(outputs)

    @jax.jit
    def jacobian(inputs: Any, weights: Any) -> tuple[Any, Any]:
        def of_sample(x: Any) -> Any:
            return jnp.atleast_2d(derivative(jnp.concatenate([x, weights])))

        rows = jax.vmap(of_sample)(inputs)
        if problem.kind == "parity":
            # The two class probabilities are (1 +- <Z..Z>) / 2: one backward pass serves both.
            rows = jnp.concatenate([rows, -rows], axis=1) / 2
        return rows[..., :num_inputs], rows[..., num_inputs:]

    return jacobian


def why_too_large(problem: Problem) -> str | None:
    """Say that reverse mode keeps the state of every gate, where there is no room for them."""
    gates = len(translate(problem).ops)
    needed = gates * problem.batch * 2**problem.qubits * np.dtype(complex).itemsize
    if needed <= psutil.virtual_memory().total:
        return None
    return f"reverse mode keeps the state after each of {gates} gates: {needed / 1e9:.0f} GB"


def outputs_of_amplitudes(problem: Problem, amplitudes: Any) -> Any:
    """Return what `gradient_from_outputs` asks for from the 2**n amplitudes of a state."""
    probabilities = amplitudes.real**2 + amplitudes.imag**2
    if problem.kind == "probabilities":
        return probabilities
    if problem.kind == "z_each":
        return jnp.asarray(z_signs(problem.qubits)) @ probabilities
    if problem.kind == "pauli_sum":
        # Hundreds of random strings fill half of the matrix: a dense one is the fastest.
        matrix = jnp.asarray(problem.observables[0].to_matrix())
        return (amplitudes.conj() @ (matrix @ amplitudes)).real
    return jnp.asarray(z_signs(problem.qubits).prod(axis=0)) @ probabilities


def z_signs(num_qubits: int) -> np.ndarray:
    """Return the eigenvalues of Z_i on every label, of shape (n, 2**n)."""
    labels = np.arange(2**num_qubits)
    return 1.0 - 2.0 * (labels >> np.arange(num_qubits)[:, None] & 1)
