"""Circuits are equal by what they compute, and only equal ones share an evaluation."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives import StatevectorEstimator

import jaxqnn
from jaxqnn.primitives.keys import circuit_key
from jaxqnn.primitives.rows import group_circuits


def ansatz(num_qubits: int = 2) -> QuantumCircuit:
    return real_amplitudes(num_qubits, reps=1)


def test_equal_circuits_are_grouped_though_built_apart() -> None:
    measured = ansatz()
    measured.measure_all()
    circuits = [ansatz(), ansatz(3), ansatz(), measured, ansatz(3)]
    assert [group.members for group in group_circuits(circuits)] == [[0, 2], [1, 4], [3]]


def test_equal_circuits_are_equal_by_what_they_compute() -> None:
    angles = ParameterVector("t", 2)

    def build(*, flip: bool = False, scale: float = 2.0) -> QuantumCircuit:
        inner = QuantumCircuit(2, name="inner")
        inner.rx(angles[0], 0)
        inner.cx(0, 1, ctrl_state=0 if flip else 1)
        circuit = QuantumCircuit(3)
        circuit.append(inner.to_gate(), [2, 0])
        circuit.append(inner.to_gate().control(1), [0, 1, 2])
        circuit.unitary(np.diag([1, 1j]), [1])
        circuit.ry(scale * angles[1] + angles[0] ** 2, 1)
        return circuit

    assert circuit_key(build()) == circuit_key(build())
    assert circuit_key(build()) != circuit_key(build(flip=True))
    assert circuit_key(build()) != circuit_key(build(scale=2.0 + 1e-12))


def test_a_changed_circuit_is_another_one() -> None:
    circuit = ansatz()
    estimator = jaxqnn.JaxEstimator()
    for change in (lambda: None, lambda: circuit.x(0), lambda: circuit.data.pop(0)):
        change()
        pub = (circuit, "ZI", np.linspace(-1, 2, circuit.num_parameters))
        np.testing.assert_allclose(
            estimator.run([pub]).result()[0].data.evs,
            StatevectorEstimator().run([pub]).result()[0].data.evs,
            atol=1e-10,
        )
