"""Random circuits with gates made of circuits, bound twice and run by the same few primitives.

A failure names its seed: ``random_template(seed)`` makes the circuit again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator
from oracles import differences
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    InverseModifier,
    ParameterVector,
    PowerModifier,
    QuantumCircuit,
)
from qiskit.quantum_info import SparsePauliOp, Statevector
from random_circuits import STANDARD, random_angle

import jaxqnn

WIDTH = 4
OBSERVABLE = SparsePauliOp(["XYZI", "IZIX", "YIIZ", "IIYI"], [0.5, -1.25, 0.75, 1.0])

# One of each for all circuits: what they keep from one run must not reach another.
ESTIMATOR, SAMPLER = jaxqnn.JaxEstimator(), jaxqnn.JaxSampler()
GRADIENT, OUTCOMES = jaxqnn.JaxEstimatorGradient(), jaxqnn.JaxSamplerGradient()


def _inner(random: Generator, angle: Callable[[], Any]) -> QuantumCircuit:
    """A few standard gates on one qubit or two, and a global phase that controls make visible."""
    width = int(random.integers(1, 3))
    circuit = QuantumCircuit(width, global_phase=angle())
    names = [name for name, gate in STANDARD.items() if 0 < gate.num_qubits <= width]
    for _ in range(3):
        gate = STANDARD[str(random.choice(names))]
        if gate.params:
            gate = gate.base_class(*[angle() for _ in gate.params])
        circuit.append(gate, random.permutation(width)[: gate.num_qubits].tolist())
    return circuit


def _modified(random: Generator, circuit: QuantumCircuit) -> Any:
    """The circuit as a gate on at most three qubits, under one modifier or several."""
    gate, state = circuit.to_gate(), int(random.integers(2))
    found: list[Callable[[], Any]] = [
        lambda: gate.control(1, ctrl_state=state, annotated=False),
        lambda: gate.inverse().control(1, ctrl_state=state, annotated=False),
        lambda: circuit.control(1, ctrl_state=state, annotated=False).to_gate(),
        lambda: circuit.repeat(2).to_gate().control(1, annotated=False),
        lambda: AnnotatedOperation(gate, [ControlModifier(1, state), InverseModifier()]),
        lambda: AnnotatedOperation(gate, [PowerModifier(-2), ControlModifier(1, state)]),
        lambda: gate.repeat(2),
        lambda: gate,
    ]
    if circuit.num_qubits == 1:
        found += [
            lambda: gate.control(2, ctrl_state=2 * state, annotated=False),
            lambda: gate.control(1, annotated=False).control(1, ctrl_state=state, annotated=False),
        ]
    return found[random.integers(len(found))]()


def random_template(seed: int) -> tuple[QuantumCircuit, ParameterVector]:
    """A circuit with three parameters inside its gates made of circuits, and two beside them.

    What is beside them stays as it is when the three are bound, and must not tell circuits apart.
    """
    random = np.random.default_rng([seed, 7])
    parameters, beside = ParameterVector("p", 3), ParameterVector("q", 2)

    def angle() -> Any:
        return random_angle(random, [*parameters])

    circuit = QuantumCircuit(WIDTH)
    circuit.h(range(WIDTH))
    for parameter in beside:
        gate = _modified(random, _inner(random, angle))
        circuit.append(gate, random.permutation(WIDTH)[: gate.num_qubits].tolist())
        circuit.rx(parameter, int(random.integers(WIDTH)))
    return circuit, parameters


def _state(circuit: QuantumCircuit, values: Any) -> Statevector:
    return Statevector(
        circuit.assign_parameters(dict(zip(circuit.parameters, values, strict=True)))
    )


def _check(seed: int, *, slopes: bool) -> None:
    template, parameters = random_template(seed)
    random = np.random.default_rng([seed, 8])
    inside = [parameter for parameter in parameters if parameter in template.parameters]
    fixed = [parameter for parameter in inside if random.random() < 0.8]
    for _ in range(2):
        circuit = template.assign_parameters(
            dict(zip(fixed, random.uniform(-2, 2, len(fixed)), strict=True))
        )
        points = random.uniform(-2, 2, (2, circuit.num_parameters))
        states = [_state(circuit, point) for point in points]
        found = ESTIMATOR.run([(circuit, OBSERVABLE, points)]).result()[0].data.evs
        means = [state.expectation_value(OBSERVABLE).real for state in states]
        error = np.abs(found - means).max()
        assert error < 1e-10, f"random_template({seed}): means are off by {error:.1e}"
        measured = circuit.copy()
        measured.measure_all()
        (result,) = SAMPLER.run([(measured, points)]).result()
        for outcomes, state in zip(result.data.meas.get_probabilities(), states, strict=True):
            exact = state.probabilities_dict()
            keys = exact.keys() | outcomes.keys()
            error = max(abs(outcomes.get(key, 0.0) - exact.get(key, 0.0)) for key in keys)
            assert error < 1e-10, f"random_template({seed}): outcomes are off by {error:.1e}"
        if slopes:
            _check_slopes(seed, circuit, measured, points[0])


def _check_slopes(seed: int, circuit: QuantumCircuit, measured: QuantumCircuit, point: Any) -> None:
    found = GRADIENT.run([circuit], [OBSERVABLE], [point]).result().gradients[0]

    def mean(values: Any) -> Any:
        return np.array(_state(circuit, values).expectation_value(OBSERVABLE).real)

    error = np.abs(found - differences(mean, point)).max()
    assert error < 1e-6, f"random_template({seed}): slopes are off by {error:.1e}"
    rows = OUTCOMES.run([measured], [point]).result().gradients[0]
    found = np.array([[row[outcome] for row in rows] for outcome in range(1 << WIDTH)])
    expected = differences(lambda values: _state(circuit, values).probabilities(), point)
    error = np.abs(found - expected).max()
    assert error < 1e-6, f"random_template({seed}): outcomes' slopes are off by {error:.1e}"


def test_gates_made_of_circuits_bound_twice() -> None:
    for seed in range(16):
        _check(seed, slopes=seed % 5 == 0)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 3200, 100))
def test_many_gates_made_of_circuits_bound_twice(first: int) -> None:
    for seed in range(first, first + 100):
        _check(seed, slopes=seed % 5 == 0)
