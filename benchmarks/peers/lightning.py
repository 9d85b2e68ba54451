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
    # The matrix of a constant gate is a parameter of the script, too. What lies before the first
    # one to differentiate is not swept back, which is most of a feature map.
    first = 0 if problem.input_gradients else len(problem.parameterized.input_params)
    wanted = table.moved_by(first)
    places = [op.angle for op in ops if op.angle is not None or op.matrix is not None]
    positions = [k for k, angle in enumerate(places) if angle is not None]
    sources = [angle for angle in places if angle is not None]
    trainable = [k for k in positions if wanted[places[k]]]
    script.trainable_params = trainable
    chain = np.zeros((len(trainable), len(table.constant)))
    chain[np.arange(len(trainable)), [places[k] for k in trainable]] = 1.0
    needs_value = problem.kind == "training"

    def differentiate(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bound = script.bind_new_parameters(angles[sources].tolist(), positions)
        if needs_value:
            values, derivative = device.execute_and_compute_derivatives(bound, config)
        else:
            values, derivative = 0.0, device.compute_derivatives(bound, config)
        return np.atleast_1d(values), np.reshape(derivative, (len(found), -1)) @ chain

    return gradient_from_angles(problem, translation, differentiate)
