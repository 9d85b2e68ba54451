"""Circuits as users have them: transpiled, with registers and measurements of any kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from oracles import Case
from qiskit import generate_preset_pass_manager
from qiskit.circuit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import PassManager

import jaxqnn

INPUTS = np.array([[0.3, -0.8, 0.5], [1.1, 0.2, -0.4]])
WEIGHTS = np.linspace(-1, 1, 6)
OBSERVABLES = [SparsePauliOp("XZI"), SparsePauliOp("ZZZ")]


@lru_cache
def _case() -> Case:
    features, ansatz = zz_feature_map(3), real_amplitudes(3, reps=1)
    return Case(features.compose(ansatz), tuple(features.parameters), tuple(ansatz.parameters))


@lru_cache
def _transpile() -> PassManager:
    """To 27 qubits, three of them far from each other and from their order."""
    return generate_preset_pass_manager(
        optimization_level=1,
        backend=GenericBackendV2(27, seed=1),
        seed_transpiler=3,
        initial_layout=[22, 5, 13],
    )


def _probabilities() -> np.ndarray:
    return np.abs(_case().states(INPUTS, WEIGHTS)) ** 2


def _expectations() -> np.ndarray:
    return _case().expectations(OBSERVABLES, INPUTS, WEIGHTS)


def _measured(*pairs: tuple[int, int], sizes: tuple[int, ...] = (3,)) -> QuantumCircuit:
    """The case's circuit with (qubit, classical bit) measured, into registers of these sizes."""
    registers = [ClassicalRegister(size, f"own{i}") for i, size in enumerate(sizes)]
    circuit = QuantumCircuit(QuantumRegister(3, "data"), *registers)
    circuit.compose(_case().circuit, inplace=True)
    for qubit, bit in pairs:
        circuit.measure(qubit, bit)
    return circuit


def _outcomes(*pairs: tuple[int, int], bits: int) -> np.ndarray:
    """The distribution of classical values, by summing over all labels."""
    found = np.zeros((len(INPUTS), 1 << bits))
    for label, column in enumerate(_probabilities().T):
        found[:, sum((label >> qubit & 1) << bit for qubit, bit in pairs)] += column
    return found


@pytest.mark.parametrize("measured", [False, True])
def test_a_transpiled_estimator_network(measured: bool) -> None:
    circuit = _case().circuit.copy()
    if measured:
        circuit.measure_all()
    isa = _transpile().run(circuit)
    laid_out = [observable.apply_layout(isa.layout) for observable in OBSERVABLES]
    for kwargs in (
        {"circuit": isa, "observables": OBSERVABLES},
        {"circuit": isa, "observables": laid_out},
        {"circuit": circuit, "observables": OBSERVABLES, "pass_manager": _transpile()},
    ):
        network = jaxqnn.EstimatorQNN(**_case().split, **kwargs)
        assert network.resources(1).num_qubits == 3
        np.testing.assert_allclose(network.forward(INPUTS, WEIGHTS), _expectations(), atol=1e-10)


@pytest.mark.parametrize("measured", [False, True])
def test_a_transpiled_sampler_network(measured: bool) -> None:
    circuit = _case().circuit.copy()
    if measured:
        circuit.measure_all()
    for kwargs in (
        {"circuit": _transpile().run(circuit)},
        {"circuit": circuit, "pass_manager": _transpile()},
    ):
        network = jaxqnn.SamplerQNN(**_case().split, **kwargs)
        np.testing.assert_allclose(network.forward(INPUTS, WEIGHTS), _probabilities(), atol=1e-10)


@pytest.mark.parametrize("prepare", [lambda c: c, lambda c: _transpile().run(c)])
@pytest.mark.parametrize(
    ("pairs", "sizes"),
    [
        (((0, 0), (1, 1), (2, 2)), (3,)),
        (((2, 0), (0, 1), (1, 2)), (3,)),
        (((2, 0), (1, 1), (0, 2)), (2, 1)),
        (((1, 3), (0, 0)), (1, 1, 2)),
        (((2, 0),), (1,)),
    ],
)
def test_outcomes_follow_the_classical_bits(
    prepare: Callable[[QuantumCircuit], QuantumCircuit],
    pairs: tuple[tuple[int, int], ...],
    sizes: tuple[int, ...],
) -> None:
    circuit = prepare(_measured(*pairs, sizes=sizes))
    # A register that nothing is measured into is not read.
    registers = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    read = [bit for r in registers if {bit for _, bit in pairs} & {*r.tolist()} for bit in r]
    pairs = tuple((qubit, read.index(bit)) for qubit, bit in pairs)
    bits = len(read)
    network = jaxqnn.SamplerQNN(
        circuit=circuit, interpret=lambda outcome: outcome, output_shape=1 << bits, **_case().split
    )
    found = network.forward(INPUTS, WEIGHTS)
    np.testing.assert_allclose(found, _outcomes(*pairs, bits=bits), atol=1e-10)


def test_outcomes_of_a_hundred_classical_bits() -> None:
    """Only what is measured of a large register counts; nothing of its size is made."""
    circuit = _measured((2, 99), (0, 70), sizes=(100,))
    seen: set[int] = set()

    def parity(outcome: int) -> int:
        seen.add(outcome)
        return outcome.bit_count() % 2

    network = jaxqnn.SamplerQNN(circuit=circuit, interpret=parity, output_shape=2, **_case().split)
    assert seen == {0, 1 << 99, 1 << 70, 1 << 99 | 1 << 70}
    joint = _outcomes((2, 0), (0, 1), bits=2)
    expected = np.stack([joint[:, 0] + joint[:, 3], joint[:, 1] + joint[:, 2]], axis=1)
    np.testing.assert_allclose(network.forward(INPUTS, WEIGHTS), expected, atol=1e-10)
    with pytest.raises(jaxqnn.JaxQNNError, match=r"100 measured bits.*interpret"):
        jaxqnn.probabilities(circuit)


@pytest.mark.parametrize("observable", ["XIIIII", "ZIIIII", "ZIZIIZ"])
def test_idle_qubits_stay_zero_and_cost_nothing(observable: str) -> None:
    circuit = QuantumCircuit(6)
    circuit.ry(0.4, 0)
    circuit.cx(0, 3)
    circuit.barrier()
    model = jaxqnn.EstimatorQNN(circuit=circuit, observables=SparsePauliOp(observable))
    assert model.resources(1).num_qubits == 2
    expected = Statevector(circuit).expectation_value(SparsePauliOp(observable)).real
    np.testing.assert_allclose(model.forward(None, None), [[expected]], atol=1e-12)
