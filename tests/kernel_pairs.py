"""Kernels of every kind, as jaxqnn's and as QML's, and their matrices by brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.quantum_info import Statevector

MAP = zz_feature_map(2, reps=1)
TRAINED = real_amplitudes(2, reps=1)
TRAINABLE: dict[str, Any] = {
    "feature_map": TRAINED.compose(MAP),
    "training_parameters": TRAINED.parameters,
}
VALUES = [0.3, -0.8, 1.1, 0.4]
X = np.random.default_rng(0).uniform(0, 1, (5, 2))
Y = np.concatenate([X[1:3], np.random.default_rng(1).uniform(0, 1, (2, 2))])
TWICE = np.concatenate([X, X[:2]])
LABELS = np.array([1, -1, 1, 1, -1])

KERNELS: dict[str, dict[str, Any]] = {
    "FidelityQuantumKernel": {"feature_map": MAP},
    "FidelityStatevectorKernel": {"feature_map": MAP},
    "TrainableFidelityQuantumKernel": TRAINABLE,
    "TrainableFidelityStatevectorKernel": TRAINABLE,
}
WITH_FIDELITY = [name for name in KERNELS if "Quantum" in name]
OF_STATES = [name for name in KERNELS if "Statevector" in name]


def build(library: Any, name: str, **changes: Any) -> Any:
    kernel = getattr(library, name)(**(KERNELS[name] | changes))
    if hasattr(kernel, "assign_training_parameters"):
        kernel.assign_training_parameters(VALUES)
    return kernel


def brute_force(points: np.ndarray, others: np.ndarray, name: str) -> np.ndarray:
    """|<x|y>|^2 of Qiskit's states, one at a time."""
    arguments = KERNELS[name]
    circuit = arguments["feature_map"]
    fixed = dict(zip(arguments.get("training_parameters", []), VALUES, strict=False))
    free = [p for p in circuit.parameters if p not in fixed]

    def state(point: np.ndarray) -> np.ndarray:
        values = fixed | dict(zip(free, point.tolist(), strict=True))
        return np.asarray(Statevector(circuit.assign_parameters(values)))

    return np.array([[abs(np.vdot(state(x), state(y))) ** 2 for y in others] for x in points])
