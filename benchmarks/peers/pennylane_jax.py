"""PennyLane's default.qubit with backpropagation, under jax.jit and jax.vmap."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pennylane as qml

from ..problems import Problem
from ..translate import translate
from . import Gradient
from .from_outputs import gradient_from_outputs, why_too_large
from .pennylane_gates import apply_op, measurements


def why_not(problem: Problem) -> str | None:
    """Do every problem that its intermediate states leave room for."""
    return why_too_large(problem)


def build(problem: Problem) -> Gradient:
    """Return the jitted gradient of a backprop QNode."""
    # default.qubit has its own fast CNOT and RZ; as one IsingZZ it takes 1.1 to 2 times longer.
    num_qubits, ops, table = translate(problem, ladders=False)
    device = qml.device("default.qubit", wires=num_qubits)

    @qml.qnode(device, interface="jax", diff_method="backprop")
    def network(theta: Any) -> Any:
        for op in ops:
            apply_op(op, None if op.angle is None else theta[op.angle], num_qubits)
        # Traced term by term, hundreds of terms compile for minutes.
        found = measurements(problem, dense=True)
        return found[0] if len(found) == 1 else found

    def outputs(params: Any) -> Any:
        result = network(table.angles(params, jnp))
        return jnp.stack(result) if problem.kind == "z_each" else result

    return gradient_from_outputs(problem, outputs)
