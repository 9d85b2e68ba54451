"""jaxqnn's `vjp`, the way to a training step without writing JAX."""

from __future__ import annotations

import numpy as np

import jaxqnn

from ..problems import Problem
from . import Gradient
from .ours import network


def why_not(problem: Problem) -> str | None:
    """Say that this way is for training steps."""
    return None if problem.kind == "training" else "only training steps; others are `jaxqnn`"


def build(problem: Problem) -> Gradient:
    """Return the loss's gradient of the problem's network."""
    return loss_gradient(problem, network(problem))


def loss_gradient(problem: Problem, qnn: jaxqnn.EstimatorQNN | jaxqnn.SamplerQNN) -> Gradient:
    """Return one `vjp` and its pullback of the loss's slope."""
    targets = problem.targets[:, None]

    def step(inputs: np.ndarray, weights: np.ndarray) -> tuple[None, np.ndarray]:
        output, pullback = qnn.vjp(inputs, weights)
        _, weight_cotangent = pullback(2 / len(inputs) * (np.asarray(output) - targets))
        assert weight_cotangent is not None  # every problem has weights
        return None, weight_cotangent

    return step
