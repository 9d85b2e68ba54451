"""jaxqnn as a user of QML calls it: the drop-in networks, and `apply` under `jax.grad`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

import jaxqnn

from ..problems import Problem, parity
from . import Gradient


def why_not(problem: Problem) -> str | None:
    """Do every problem."""


def network(problem: Problem, **options: Any) -> jaxqnn.EstimatorQNN | jaxqnn.SamplerQNN:
    """Return the problem's drop-in network; `options` are `precision` and `device`."""
    circuit, inputs, weights = problem.parameterized
    common: dict[str, Any] = {
        "circuit": circuit,
        "input_params": inputs,
        "weight_params": weights,
        "input_gradients": problem.input_gradients,
        **options,
    }
    if not problem.is_sampler:
        return jaxqnn.EstimatorQNN(observables=problem.observables, **common)
    if problem.kind == "parity":
        common |= {"interpret": parity, "output_shape": 2}
    return jaxqnn.SamplerQNN(**common)


def build(problem: Problem) -> Gradient:
    """Return the network's `backward`, or the jitted gradient of the loss over `apply`."""
    qnn = network(problem)
    if problem.kind != "training":
        return qnn.backward
    targets = jnp.asarray(problem.targets)

    def loss(weights: Any, inputs: Any) -> Any:
        return jnp.mean((qnn.apply(inputs, weights)[:, 0] - targets) ** 2)

    step = jax.jit(jax.grad(loss))
    return lambda inputs, weights: (None, step(weights, inputs))
