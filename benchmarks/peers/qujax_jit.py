"""qujax under jit and vmap."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import qujax

from ..problems import Problem
from ..translate import Op, translate
from . import Gradient
from .from_outputs import gradient_from_outputs, outputs_of_amplitudes, why_too_large

GATES = {
    **{name: name.upper() for name in ("h", "x", "y", "z", "s", "t", "sx", "cx", "cz", "swap")},
    "sdg": "Sdg",
    "tdg": "Tdg",
    "rx": "Rx",
    "ry": "Ry",
    "rz": "Rz",
    "crx": "CRx",
    "cry": "CRy",
    "crz": "CRz",
    "cp": "CU1",
    "rxx": "XXPhase",
    "ryy": "YYPhase",
    "rzz": "ZZPhase",
}


def xx_plus_yy(angle: Any) -> Any:
    """Return Qiskit's XX+YY rotation."""
    return qujax.gates.ISWAP(-angle)


def gate(op: Op) -> Any:
    """Return what qujax takes for a gate: a name, a function of the angle, or a tensor."""
    if op.matrix is not None:
        return jnp.asarray(op.matrix.reshape((2,) * 2 * len(op.qubits)))
    return xx_plus_yy if op.name == "xx_plus_yy" else GATES[op.name]


def wires(op: Op, num_qubits: int) -> list[int]:
    """Return qujax's numbers of the gate's qubits; in a tensor, too, the first is the largest."""
    found = [num_qubits - 1 - qubit for qubit in op.qubits]
    return found if op.matrix is None else found[::-1]


def why_not(problem: Problem) -> str | None:
    """Do every problem that its intermediate states leave room for."""
    return why_too_large(problem)


def build(problem: Problem) -> Gradient:
    """Return the jitted gradient of the qujax state."""
    num_qubits, ops, table = translate(problem)
    # qujax's first qubit is the most significant bit, and its angles are in units of pi.
    state = qujax.get_params_to_statetensor_func(
        [gate(op) for op in ops],
        [wires(op, num_qubits) for op in ops],
        [[] if op.angle is None else [op.angle] for op in ops],
        num_qubits,
    )

    def outputs(params: Any) -> Any:
        amplitudes = state(table.angles(params, jnp) / jnp.pi).reshape(-1)
        return outputs_of_amplitudes(problem, amplitudes)

    return gradient_from_outputs(problem, outputs)
