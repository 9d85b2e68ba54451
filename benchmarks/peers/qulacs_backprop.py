"""Qulacs' parametric circuits and their C++ backpropagation, one sample at a time."""

from __future__ import annotations

import numpy as np
from qulacs import Observable, ParametricQuantumCircuit, QuantumState
from qulacs.gate import sqrtX

from ..problems import Problem
from ..translate import Op, translate
from . import Gradient
from .per_sample import gradient_from_angles

CONSTANTS = {
    **{name: f"add_{name.upper()}_gate" for name in ("h", "x", "y", "z", "s", "t")},
    "sdg": "add_Sdag_gate",
    "tdg": "add_Tdag_gate",
    "cx": "add_CNOT_gate",
    "cz": "add_CZ_gate",
    "swap": "add_SWAP_gate",
}
# Qulacs' number of each Pauli matrix.
X, Y, Z = 1, 2, 3
AXES = {"x": X, "y": Y, "z": Z}


def why_not(problem: Problem) -> str | None:
    """Say that Qulacs backpropagates observables only."""
    if problem.kind == "probabilities":
        return "Qulacs backpropagates observables; it has no gradient of all probabilities"
    return None


def build(problem: Problem) -> Gradient:
    """Return the gradient by `ParametricQuantumCircuit.backprop`."""
    translation = translate(problem)
    num_qubits = translation.num_qubits
    circuit = ParametricQuantumCircuit(num_qubits)
    # The angle that each parameter of the Qulacs circuit follows, and by which factor.
    sources: list[int] = []
    factors: list[float] = []
    for op in translation.ops:
        for index, factor in _add(circuit, op):
            sources.append(index)
            factors.append(factor)
    pauli_strings = (
        [f"Z {qubit}" for qubit in range(num_qubits)]
        if problem.kind == "z_each"
        else [" ".join(f"Z {qubit}" for qubit in range(num_qubits))]
    )
    observables = []
    for string in pauli_strings:
        observable = Observable(num_qubits)
        observable.add_operator(1.0, string)
        observables.append(observable)
    scale = np.array(factors)
    chain = np.zeros((len(sources), len(translation.table.constant)))
    chain[np.arange(len(sources)), sources] = scale
    state = QuantumState(num_qubits)
    needs_value = problem.kind == "training"

    def differentiate(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        for position, value in enumerate((scale * angles[sources]).tolist()):
            circuit.set_parameter(position, value)
        values = np.zeros(len(observables))
        if needs_value:
            state.set_zero_state()
            circuit.update_quantum_state(state)
            values = np.array([o.get_expectation_value(state) for o in observables])
        return values, np.array([circuit.backprop(o) for o in observables]) @ chain

    return gradient_from_angles(problem, translation, differentiate)


def _add(circuit: ParametricQuantumCircuit, op: Op) -> list[tuple[int, float]]:
    """Append one gate; return (angle, factor) of each Qulacs parameter that it adds.

    Qulacs' rotations have the sign opposite to Qiskit's, hence the minus signs.
    """
    if op.angle is None:
        if op.name == "sx":
            circuit.add_gate(sqrtX(*op.qubits))
        else:
            getattr(circuit, CONSTANTS[op.name])(*op.qubits)
        return []
    if op.name in ("rx", "ry", "rz"):
        getattr(circuit, f"add_parametric_{op.name.upper()}_gate")(*op.qubits, 0.0)
        return [(op.angle, -1.0)]
    pair = list(op.qubits)
    if op.name in ("rxx", "ryy", "rzz"):
        axis = AXES[op.name[-1]]
        circuit.add_parametric_multi_Pauli_rotation_gate(pair, [axis, axis], 0.0)
        return [(op.angle, -1.0)]
    if op.name == "xx_plus_yy":
        circuit.add_parametric_multi_Pauli_rotation_gate(pair, [X, X], 0.0)
        circuit.add_parametric_multi_Pauli_rotation_gate(pair, [Y, Y], 0.0)
        return [(op.angle, -0.5), (op.angle, -0.5)]
    # A controlled rotation is half of the rotation, and half of it back where the control is 1.
    axis = AXES["z" if op.name == "cp" else op.name[-1]]
    control, target = pair
    added = [(op.angle, -0.5), (op.angle, 0.5)]
    getattr(circuit, f"add_parametric_R{'_XYZ'[axis]}_gate")(target, 0.0)
    circuit.add_parametric_multi_Pauli_rotation_gate([control, target], [Z, axis], 0.0)
    if op.name == "cp":
        circuit.add_parametric_RZ_gate(control, 0.0)
        added.append((op.angle, -0.5))
    return added
