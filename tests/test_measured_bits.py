"""Which classical bits are read: ``meas`` where it is measured, else the registers that are.

Of every circuit, the networks, the functions, the primitives and the gradients give one
distribution, and it is the one of Qiskit's state.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import pytest
from oracles import differences
from qiskit.circuit import (
    ClassicalRegister,
    Clbit,
    ParameterVector,
    QuantumCircuit,
    QuantumRegister,
)
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import Statevector
from qiskit_machine_learning.neural_networks import SamplerQNN as QMLSamplerQNN

import jaxqnn
from jaxqnn.circuit.measured_bits import read_bits

ANGLES = np.array([0.4, 1.1, -0.7])


def rotations(circuit: QuantumCircuit) -> QuantumCircuit:
    """Three different qubits, entangled."""
    for qubit, angle in enumerate(ParameterVector("w", 3)):
        circuit.ry(angle, qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    return circuit


def registers(**sizes: int) -> QuantumCircuit:
    found = (ClassicalRegister(size, name) for name, size in sizes.items())
    return rotations(QuantumCircuit(QuantumRegister(3, "q"), *found))


def measured_all(circuit: QuantumCircuit, times: int = 1) -> QuantumCircuit:
    for _ in range(times):
        circuit.measure_all()
    return circuit


def measured(
    circuit: QuantumCircuit, pairs: dict[int, int], trailing: str = "none"
) -> QuantumCircuit:
    for bit, qubit in pairs.items():
        circuit.measure(qubit, bit)
    if trailing == "delay":
        circuit.delay(100, [0, 2])
        circuit.barrier()
    return circuit


def loose() -> QuantumCircuit:
    """Bits in no register, the second of which is read."""
    circuit = QuantumCircuit(QuantumRegister(3, "q"), [Clbit(), Clbit()])
    return measured(rotations(circuit), {1: 2})


# The circuit, and the qubit of each outcome bit: None for a bit that is zero.
READINGS: dict[str, tuple[Callable[[], QuantumCircuit], list[int | None]]] = {
    "measure_all": (lambda: measured_all(registers()), [0, 1, 2]),
    "beside an unread register": (lambda: measured_all(registers(c=3)), [0, 1, 2]),
    "beside a read register": (
        lambda: measured_all(measured(registers(c=2), {0: 2, 1: 0})),
        [0, 1, 2],
    ),
    "twice": (lambda: measured_all(registers(), 2), [0, 1, 2]),
    "twice beside an unread one": (lambda: measured_all(registers(c=1), 2), [0, 1, 2]),
    "crossed": (lambda: measured(registers(c=2), {0: 2, 1: 0}), [2, 0]),
    "the second register": (lambda: measured(registers(a=2, b=2), {2: 1, 3: 0}), [1, 0]),
    "two registers": (lambda: measured(registers(a=1, b=2), {0: 2, 1: 1, 2: 0}), [2, 1, 0]),
    "a register in part": (lambda: measured(registers(a=2, b=3), {4: 2}), [None, None, 2]),
    "an unmeasured meas": (lambda: measured(registers(meas=2, b=1), {2: 1}), [1]),
    "meas in part": (lambda: measured(registers(a=1, meas=2), {0: 1, 2: 0}), [None, 0]),
    "trailing delays": (
        lambda: measured(registers(a=2, b=2), {0: 2, 1: 0, 3: 1}, "delay"),
        [2, 0, None, 1],
    ),
    "one qubit twice": (lambda: measured(registers(c=2), {0: 1, 1: 1}), [1, 1]),
    "overwritten": (lambda: measured(measured(registers(c=1), {0: 1}), {0: 2}), [2]),
    "loose": (loose, [2]),
}


def expected(qubits: list[int | None], angles: np.ndarray) -> np.ndarray:
    state = Statevector(rotations(QuantumCircuit(3)).assign_parameters(angles))
    found = np.zeros(1 << len(qubits))
    for label, probability in enumerate(state.probabilities()):
        found[sum((label >> q & 1) << i for i, q in enumerate(qubits) if q is not None)] += (
            probability
        )
    return found


def network(circuit: QuantumCircuit, size: int) -> jaxqnn.SamplerQNN:
    return jaxqnn.SamplerQNN(
        circuit=circuit, weight_params=circuit.parameters, interpret=int, output_shape=size
    )


@pytest.mark.parametrize("name", READINGS)
def test_everything_reads_the_same_bits(name: str) -> None:
    build, qubits = READINGS[name]
    circuit, exact = build(), expected(qubits, ANGLES)
    assert len(read_bits(circuit)) == len(qubits)
    size = exact.size
    with jax.enable_x64(True):
        function = jaxqnn.probabilities(circuit)
        np.testing.assert_allclose(function(ANGLES), exact, atol=1e-10)
    qnn = network(circuit, size)
    np.testing.assert_allclose(qnn.forward(None, ANGLES)[0], exact, atol=1e-10)

    slopes = differences(lambda angles: expected(qubits, angles), ANGLES)
    np.testing.assert_allclose(qnn.backward(None, ANGLES)[1][0], slopes, atol=1e-8)
    gradients = jaxqnn.JaxSamplerGradient().run([circuit], [ANGLES]).result().gradients[0]
    found = [[of_one.get(outcome, 0.0) for outcome in range(size)] for of_one in gradients]
    np.testing.assert_allclose(np.transpose(found), slopes, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in READINGS if name != "loose"])
def test_a_sampler_returns_every_register_as_the_reference_does(name: str) -> None:
    circuit = READINGS[name][0]()
    pub = (circuit, np.stack([ANGLES, 2 * ANGLES]))
    ours = jaxqnn.JaxSampler(shots=200, seed=5).run([pub]).result()[0].data
    # The reference takes a measurement before a delay for one on the way, and refuses it.
    at_end = circuit.copy_empty_like()
    for item in circuit.data:
        if item.name != "delay":
            at_end.append(item)
    reference = StatevectorSampler(default_shots=200, seed=5)
    theirs = reference.run([(at_end, pub[1])]).result()[0].data
    exact = jaxqnn.JaxSampler().run([pub]).result()[0]
    assert list(ours) == list(theirs) == list(exact.data)
    for register in theirs:
        assert ours[register] == theirs[register]
        distributions = exact.data[register]
        assert distributions.num_bits == theirs[register].num_bits
        for point in range(2):
            drawn = theirs[register].get_counts(point)
            probabilities = distributions.get_probabilities(point)
            assert sum(probabilities.values()) == pytest.approx(1)
            # Each frequency lies within five standard deviations of its probability.
            for outcome in drawn.keys() | probabilities.keys():
                p = min(probabilities.get(outcome, 0.0), 1.0)
                bound = 5 * np.sqrt(p * (1 - p) / 200)
                assert abs(drawn.get(outcome, 0) / 200 - p) <= bound + 1e-9


def test_joining_takes_what_is_measured_as_in_qml() -> None:
    circuit = measured(registers(unread=2, b=1), {2: 1})
    result = jaxqnn.JaxSampler().run([(circuit, ANGLES)]).result()[0]
    assert result.data.unread.get_probabilities() == {"00": pytest.approx(1.0)}
    assert result.join_data().get_probabilities() == result.data.b.get_probabilities()
    both = result.join_data(["unread", "b"]).get_probabilities()
    assert both == {f"{key}00": p for key, p in result.data.b.get_probabilities().items()}


@pytest.mark.parametrize("name", ["beside an unread register", "twice", "measure_all"])
def test_a_network_without_interpret_agrees_with_qml(name: str) -> None:
    """The common starts: all registers read, outcomes would be outside, or all in one class."""
    circuit = READINGS[name][0]()
    arguments = {"circuit": circuit, "weight_params": circuit.parameters}
    ours, theirs = jaxqnn.SamplerQNN(**arguments), QMLSamplerQNN(**arguments)
    np.testing.assert_allclose(ours.forward(None, ANGLES), theirs.forward(None, ANGLES), atol=1e-8)
    np.testing.assert_allclose(
        ours.backward(None, ANGLES)[1], theirs.backward(None, ANGLES)[1], atol=1e-8
    )
    assert jaxqnn.verify(ours).passed


@pytest.mark.parametrize("sampler", [jaxqnn.JaxSampler(), jaxqnn.JaxSampler(shots=4000, seed=1)])
def test_qmls_network_runs_on_our_sampler(sampler: jaxqnn.JaxSampler) -> None:
    for name in ("beside an unread register", "twice"):
        circuit = READINGS[name][0]()
        theirs = QMLSamplerQNN(
            circuit=circuit, weight_params=circuit.parameters, sampler=sampler
        ).forward(None, ANGLES)
        tolerance = 1e-8 if sampler.exact else 5 * np.sqrt(0.25 / 4000)
        np.testing.assert_allclose(theirs[0], expected([0, 1, 2], ANGLES), atol=tolerance)


def test_bits_that_nothing_measures_are_an_error() -> None:
    with pytest.raises(jaxqnn.JaxQNNError, match="measures none of them"):
        network(registers(c=2), 4)
