"""qiskit-machine-learning's own networks with its default gradients, the parameter shift."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit_machine_learning.neural_networks import EstimatorQNN, NeuralNetwork, SamplerQNN
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler

from ..problems import Problem, parity
from . import Gradient


def why_not(problem: Problem) -> str | None:
    """Do every problem, given time."""


def build(problem: Problem) -> Gradient:
    """Return `backward` of the problem's network on exact primitives."""
    circuit, inputs, weights = problem.parameterized
    common: dict[str, Any] = {
        "input_params": inputs,
        "weight_params": weights,
        "input_gradients": problem.input_gradients,
    }
    if not problem.is_sampler:
        network = EstimatorQNN(
            circuit=circuit,
            estimator=QMLEstimator(),
            observables=problem.observables,
            default_precision=0.0,
            **common,
        )
        return gradient_of_network(problem, network)
    if problem.kind == "parity":
        common |= {"interpret": parity, "output_shape": 2}
    return gradient_of_network(problem, SamplerQNN(circuit=circuit, sampler=QMLSampler(), **common))


def gradient_of_network(problem: Problem, network: NeuralNetwork) -> Gradient:
    """Return the problem's gradient by `forward` and `backward` of a QML network."""
    if problem.kind != "training":
        return network.backward
    targets = problem.targets

    def step(inputs: np.ndarray, weights: np.ndarray) -> tuple[None, np.ndarray]:
        residual = network.forward(inputs, weights)[:, 0] - targets
        _, derivative = network.backward(inputs, weights)
        assert derivative is not None
        return None, 2 / len(inputs) * (residual @ np.asarray(derivative)[:, 0])

    return step
