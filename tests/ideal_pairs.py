"""Ideal simulators with noise or shots, by their seeds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from comparing import assert_all_close, dense
from network_pairs import WEIGHTS
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit_machine_learning.gradients import (
    ParamShiftEstimatorGradient,
    ParamShiftSamplerGradient,
)
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler

X = np.random.default_rng(0).uniform(0.2, 1, (2, 2))
Primitive = Callable[[Any], dict[str, Any]]

# From a seed to a network's arguments.
ESTIMATORS: dict[str, Primitive] = {
    "reference": lambda seed: {"estimator": StatevectorEstimator(seed=seed)},
    "with precision": lambda seed: {
        "estimator": StatevectorEstimator(default_precision=0.1, seed=seed)
    },
    "QML's": lambda seed: {
        "estimator": QMLEstimator(default_precision=0.1, seed=seed),
        "default_precision": 0.2,
    },
    "exact forward": lambda seed: {
        "estimator": StatevectorEstimator(default_precision=0.1, seed=seed),
        "default_precision": 0.0,
    },
    "gradient": lambda seed: {
        "gradient": ParamShiftEstimatorGradient(
            StatevectorEstimator(default_precision=0.1, seed=seed)
        )
    },
}
SAMPLERS: dict[str, Primitive] = {
    "reference": lambda seed: {"sampler": StatevectorSampler(seed=seed)},
    "few shots": lambda seed: {"sampler": StatevectorSampler(default_shots=7, seed=seed)},
    "QML's": lambda seed: {"sampler": QMLSampler(shots=100, seed=seed)},
    "gradient": lambda seed: {
        "gradient": ParamShiftSamplerGradient(StatevectorSampler(default_shots=50, seed=seed))
    },
}
SEEDS: dict[str, Callable[[], Any]] = {
    "integer": lambda: 3,
    "generator": lambda: np.random.default_rng(3),
}


def run(network: Any, inputs: Any = X, weights: Any = WEIGHTS) -> list[Any]:
    """Forward and backward, twice, as dense arrays; a stream of draws goes on from call to call."""
    found = []
    for _ in range(2):
        found += [network.forward(inputs, weights), *network.backward(inputs, weights)]
    return [dense(part) for part in found]


# A draw is the same or it is not: no error relative to a large number counts.
assert_same = partial(assert_all_close, rtol=0, atol=1e-9)
