"""PennyLane Lightning's C++ adjoint differentiation, called through its device interface.

Calling the device directly leaves out a QNode's per-call overhead, which would dominate small
circuits: this is the fastest way in that PennyLane documents.
"""

from __future__ import annotations

import numpy as np
import pennylane as qml
from pennylane.devices import ExecutionConfig
from pennylane.tape import QuantumScript

from ..problems import Problem
from ..translate import translate
from . import Gradient
from .pennylane_gates import apply_op, measurements
from .per_sample import gradient_from_angles


def why_not(problem: Problem) -> str | None:
    """Say that adjoint differentiation is for expectation values only."""
    if problem.kind == "probabilities":
        return "Lightning's adjoint differentiation is for expectation values, not probabilities"
    return None


def build(problem: Problem) -> Gradient:
    """Return the gradient by `lightning.qubit`'s adjoint method."""
    translation = translate(problem)
    num_qubits, ops, table = translation
    device = qml.device("lightning.qubit", wires=num_qubits)
    config = device.setup_execution_config(ExecutionConfig(gradient_method="adjoint"))
    with qml.QueuingManager.stop_recording():
        found = measurements(problem)
        gates = [apply_op(op, None if op.angle is None else 0.0, num_qubits) for op in ops]
    script = QuantumScript(gates, found)
    positions = [k for k, op in enumerate(op for op in ops if op.angle is not None)]
    script.trainable_params = positions
    sources = [op.angle for op in ops if op.angle is not None]
    chain = np.zeros((len(sources), len(table.constant)))
    chain[positions, sources] = 1.0
    needs_value = problem.kind == "training"

    def differentiate(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bound = script.bind_new_parameters(angles[sources].tolist(), positions)
        if needs_value:
            values, derivative = device.execute_and_compute_derivatives(bound, config)
        else:
            values, derivative = 0.0, device.compute_derivatives(bound, config)
        return np.atleast_1d(values), np.reshape(derivative, (len(found), -1)) @ chain

    return gradient_from_angles(problem, translation, differentiate)
