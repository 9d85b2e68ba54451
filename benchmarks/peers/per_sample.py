"""Jacobians assembled from a simulator that differentiates one sample at a time in its gate angles.

The chain rule from gate angles to circuit parameters is one small matrix product per sample.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..problems import Problem
from ..translate import Translation
from . import Gradient

AngleGradient = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def gradient_from_angles(
    problem: Problem, translation: Translation, differentiate: AngleGradient
) -> Gradient:
    """Return the problem's gradient from `differentiate(angles) -> values, d values / d angles`.

    Args:
        problem: The problem; not `probabilities`.
        translation: The circuit's gates and angle table.
        differentiate: Takes the angles of shape (K,). Returns the m values and the (m, K)
            derivatives of the problem's m observables; those of angles that no weight moves
            may be zero where inputs are not differentiated.
    """
    num_inputs = len(problem.parameterized.input_params)
    table = translation.table

    def jacobian(inputs: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = []
        for sample in inputs:
            params = np.concatenate([sample, weights])
            _, derivative = differentiate(table.angles(params))
            rows.append(derivative @ table.jacobian(params))
        stacked = np.stack(rows)
        if problem.kind == "parity":
            # The two class probabilities are (1 +- <Z..Z>) / 2: one backward pass serves both.
            stacked = np.concatenate([stacked, -stacked], axis=1) / 2
        return stacked[..., :num_inputs], stacked[..., num_inputs:]

    def step(inputs: np.ndarray, weights: np.ndarray) -> tuple[None, np.ndarray]:
        total = np.zeros(len(weights))
        for sample, target in zip(inputs, problem.targets, strict=True):
            params = np.concatenate([sample, weights])
            value, derivative = differentiate(table.angles(params))
            slope = 2 * (value[0] - target) / len(inputs)
            total += slope * (derivative[0] @ table.jacobian(params)[:, num_inputs:])
        return None, total

    if problem.kind == "weights":
        return lambda inputs, weights: (None, jacobian(inputs, weights)[1])
    return step if problem.kind == "training" else jacobian
