"""JaxQGT against QML's LinCombQGT, the definition, and a closed form."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from comparing import assert_refused_alike
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_machine_learning.gradients import QFI, DerivativeType, LinCombQGT
from qiskit_machine_learning.gradients.base.base_qgt import BaseQGT
from qiskit_machine_learning.primitives import QMLEstimator

import jaxqnn

ATOL = 1e-9


def points(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, shape)


def circuit_of_three() -> QuantumCircuit:
    a, b, c = (Parameter(name) for name in "abc")
    circuit = QuantumCircuit(2)
    circuit.ry(a, 0)
    circuit.rx(b, 1)
    circuit.cx(0, 1)
    circuit.rz(c, 0)
    circuit.rzz(a * b, 0, 1)
    circuit.rx(2 * c, 1)
    return circuit


@pytest.mark.parametrize("phase_fix", [True, False])
@pytest.mark.parametrize("derivative_type", list(DerivativeType))
def test_is_the_linear_combination(derivative_type: DerivativeType, phase_fix: bool) -> None:
    circuit = circuit_of_three()
    a, b, c = circuit.parameters
    arguments = ([circuit] * 3, points(3, 3), [None, [c, a], [b]])
    ours = jaxqnn.JaxQGT(None, phase_fix, derivative_type).run(*arguments).result()
    theirs = LinCombQGT(QMLEstimator(), phase_fix, derivative_type).run(*arguments).result()
    for mine, reference in zip(ours.qgts, theirs.qgts, strict=True):
        assert mine.shape == reference.shape
        assert mine.dtype == reference.dtype
        np.testing.assert_allclose(mine, reference, atol=ATOL)
    assert ours.derivative_type is theirs.derivative_type
    assert ours.metadata == theirs.metadata
    assert ours.precision == theirs.precision


def test_is_its_definition_for_controlled_gates() -> None:
    """Gates that QML's rule cannot differentiate."""
    a, b = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.cry(a, 0, 1)
    circuit.cp(a + b, 1, 0)
    circuit.u(b, a, 0.3, 1)
    values, step = points(2), 1e-5
    plus, minus = (
        np.stack(
            [Statevector(circuit.assign_parameters(values + s * unit)).data for unit in np.eye(2)]
        )
        for s in (step, -step)
    )
    state = Statevector(circuit.assign_parameters(values)).data
    derivatives = (plus - minus) / (2 * step)
    overlaps = derivatives.conj() @ state
    expected = derivatives.conj() @ derivatives.T - np.outer(overlaps, overlaps.conj())
    found = jaxqnn.JaxQGT().run([circuit], [values]).result().qgts[0]
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_mixed_circuits_in_one_run() -> None:
    circuits = [circuit_of_three(), real_amplitudes(3, reps=1), circuit_of_three()]
    values = [points(3), points(6), points(3, seed=1)]
    together = jaxqnn.JaxQGT().run(circuits, values).result().qgts
    for circuit, row, tensor in zip(circuits, values, together, strict=True):
        alone = jaxqnn.JaxQGT().run(circuit, [row]).result().qgts[0]
        np.testing.assert_allclose(tensor, alone, atol=1e-12)


def test_fisher_information_of_a_product_of_rotations() -> None:
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("a"), 0)
    circuit.rz(Parameter("b"), 0)
    qgt = jaxqnn.JaxQGT()
    assert isinstance(qgt, BaseQGT)
    angles = np.linspace(-3, 3, 5)
    fisher = QFI(qgt).run([circuit] * 5, [[angle, 0.4] for angle in angles]).result().qfis
    expected = [np.diag([1, np.sin(angle) ** 2]) for angle in angles]
    np.testing.assert_allclose(fisher, expected, atol=1e-12)
    assert qgt.derivative_type is DerivativeType.COMPLEX


def test_precision_is_reported_as_in_qml() -> None:
    circuits, values = [circuit_of_three()] * 2, points(2, 3)
    for ours, theirs in (
        (jaxqnn.JaxQGT(), LinCombQGT(QMLEstimator())),
        (jaxqnn.JaxQGT(QMLEstimator()), LinCombQGT(QMLEstimator())),
    ):
        for precision in (None, 0.2, [0.1, 0.3], [0.1, None]):
            mine = ours.run(circuits, values, precision=precision).result().precision
            reference = theirs.run(circuits, values, precision=precision).result().precision
            assert mine == reference
    assert QFI(jaxqnn.JaxQGT(), precision=0.2).run(circuits, values).result().precision == 0.2
    assert jaxqnn.JaxQGT(precision=0.3).run(circuits, values).result().precision == 0.3
    assert jaxqnn.JaxQGT(options={"precision": 0.3}).precision == 0.3


@pytest.mark.parametrize(
    "arguments",
    [
        ([circuit_of_three()] * 2, points(1, 3)),
        ([circuit_of_three()], points(1, 2)),
        ([circuit_of_three()], points(1, 3), [[Parameter("stranger")]]),
        ([QuantumCircuit(1)], [[]]),
    ],
)
def test_refuses_what_qml_refuses(arguments: Any) -> None:
    ours, theirs = jaxqnn.JaxQGT(), LinCombQGT(QMLEstimator())
    assert_refused_alike(partial(ours.run, *arguments), partial(theirs.run, *arguments))


def test_other_estimators_are_honoured() -> None:
    circuit, values = QuantumCircuit(1), points(1, 2)
    circuit.ry(Parameter("a"), 0)
    circuit.rz(Parameter("b"), 0)
    with pytest.warns(UserWarning, match="JAX is not used"):
        qgt = jaxqnn.JaxQGT(StatevectorEstimator(default_precision=0.1, seed=5))
    ours = QFI(qgt).run([circuit], values).result()
    theirs = QFI(LinCombQGT(StatevectorEstimator(default_precision=0.1, seed=5)))
    reference = theirs.run([circuit], values).result()
    np.testing.assert_array_equal(ours.qfis[0], reference.qfis[0])
    assert ours.precision == reference.precision == 0.1


def test_natural_gradient_descends_faster_than_the_gradient() -> None:
    """Quantum natural gradient descent on the ground energy of a transverse-field Ising pair."""
    hamiltonian = SparsePauliOp(["ZZ", "XI", "IX"], [-1.0, -0.5, -0.5])
    circuit = real_amplitudes(2, reps=1)
    estimator, gradient, fisher = (
        jaxqnn.JaxEstimator(),
        jaxqnn.JaxEstimatorGradient(),
        QFI(jaxqnn.JaxQGT()),
    )

    def descend(natural: bool) -> float:
        values = np.full(4, 0.3)
        for _ in range(20):
            step = gradient.run([circuit], [hamiltonian], [values]).result().gradients[0]
            if natural:
                metric = fisher.run([circuit], [values]).result().qfis[0] / 4
                step = np.linalg.lstsq(metric + 1e-3 * np.eye(4), step, rcond=None)[0]
            values = values - 0.1 * step
        return float(estimator.run([(circuit, hamiltonian, values)]).result()[0].data.evs)

    ground = np.linalg.eigvalsh(hamiltonian.to_matrix())[0]
    assert descend(natural=True) - ground < 0.2 * (descend(natural=False) - ground)
