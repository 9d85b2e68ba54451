"""TensorCircuit-NG on its JAX backend, under jit and vmap."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import tensorcircuit as tc

from ..problems import Problem
from ..translate import translate
from . import Gradient
from .from_outputs import gradient_from_outputs, outputs_of_amplitudes, why_too_large

GATES = {
    **{name: name for name in ("h", "x", "y", "z", "s", "t", "swap", "rx", "ry", "rz")},
    **{name: name for name in ("crx", "cry", "crz", "rxx", "ryy", "rzz")},
    "sdg": "sd",
    "tdg": "td",
    "cx": "cnot",
    "cz": "cz",
    "cp": "cphase",
}


def why_not(problem: Problem) -> str | None:
    """Do every problem that its intermediate states leave room for."""
    return why_too_large(problem)


def build(problem: Problem) -> Gradient:
    """Return the jitted gradient of TensorCircuit's state."""
    tc.set_backend("jax")
    tc.set_dtype("complex128")
    num_qubits, ops, table = translate(problem)

    def outputs(params: Any) -> Any:
        theta = table.angles(params, jnp)
        circuit = tc.Circuit(num_qubits)
        for op in ops:
            # TensorCircuit's first qubit is the most significant bit.
            qubits = [num_qubits - 1 - qubit for qubit in op.qubits]
            if op.matrix is not None:
                circuit.any(*reversed(qubits), unitary=op.matrix)
            elif op.name == "sx":
                circuit.rx(*qubits, theta=jnp.pi / 2)
            elif op.name == "xx_plus_yy":
                circuit.iswap(*qubits, theta=-theta[op.angle] / jnp.pi)
            elif op.angle is None:
                getattr(circuit, GATES[op.name])(*qubits)
            else:
                getattr(circuit, GATES[op.name])(*qubits, theta=theta[op.angle])
        return outputs_of_amplitudes(problem, circuit.state())

    return gradient_from_outputs(problem, outputs)
