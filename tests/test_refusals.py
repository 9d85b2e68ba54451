"""What cannot be exact is refused by name, with its place and a remedy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from layer_form import on_circuit
from qiskit import generate_preset_pass_manager
from qiskit.circuit import (
    ClassicalRegister,
    Gate,
    Instruction,
    Parameter,
    QuantumCircuit,
    QuantumRegister,
)
from qiskit.circuit.library import PauliEvolutionGate, RXGate
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Kraus, SparsePauliOp, Statevector
from qiskit_machine_learning import QiskitMachineLearningError
from versions import EVOLUTION_IS_EXACT

import jaxqnn
from jaxqnn.program.build import build

Make = Callable[[QuantumCircuit], object]


def _wide_evolution(circuit: QuantumCircuit) -> None:
    chain = [("XX", [i, i + 1], 1.0) for i in range(11)] + [("Z", [i], 1.0) for i in range(12)]
    operator = SparsePauliOp.from_sparse_list(chain, num_qubits=12)
    circuit.add_register(QuantumRegister(10, "more"))
    circuit.append(PauliEvolutionGate(operator, Parameter("t")), range(12))


REFUSED: dict[str, tuple[Make, str]] = {
    "opaque gate": (
        lambda c: c.append(Gate("oracle", 2, []), [1, 0]),
        r"Instruction 2 \('oracle' on qubits \[1, 0\]\) is opaque.*UnitaryGate",
    ),
    "opaque instruction": (
        lambda c: c.append(Instruction("mystery", 1, 0, []), [0]),
        r"Instruction 2 \('mystery' on qubits \[0\]\) is opaque",
    ),
    "noise": (
        lambda c: c.append(
            Kraus([np.sqrt(0.5) * np.eye(2), np.sqrt(0.5) * np.eye(2)[::-1]]).to_instruction(), [1]
        ),
        r"Instruction 2 \('kraus' on qubits \[1\]\) is a noise channel",
    ),
    "root with a parameter": (
        lambda c: c.append(
            RXGate(Parameter("t")).control(1, annotated=True).power(0.5, annotated=True), [0, 1]
        ),
        r"\('annotated' on qubits \[0, 1\]\) is a fractional power",
    ),
}
if EVOLUTION_IS_EXACT:  # a product formula has no width
    REFUSED["wide evolution"] = (_wide_evolution, r"\('PauliEvolution' .*12 qubits.*decompose")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    make, message = REFUSED[name]
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1))
    circuit.h(0)
    circuit.cx(0, 1)
    make(circuit)
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=message) as caught:
        jaxqnn.expectation(circuit)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, QiskitMachineLearningError)


def test_instructions_to_aer_are_refused() -> None:
    library = pytest.importorskip("qiskit_aer.library")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.append(library.SaveStatevector(2), [0, 1])
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=r"save_statevector.*Aer simulator"):
        jaxqnn.statevector(circuit)


def test_harmless_forms_are_taken() -> None:
    """Resets of fresh qubits, barriers and delays after measurements, repeated measurements."""
    circuit = QuantumCircuit(2, 2)
    circuit.reset([0, 1])
    circuit.initialize([0.6, 0.8], 0)
    circuit.measure(0, 0)
    circuit.barrier()
    circuit.delay(10, 0)
    circuit.measure(0, 1)
    with circuit.box():
        circuit.ry(0.5, 1)
    built = build(circuit, [], [])
    assert built.qubits == (0, 1)
    found = jaxqnn.probabilities(circuit)([])
    np.testing.assert_allclose(found, [0.36, 0, 0, 0.64], atol=1e-6)


def test_resets_of_qubits_that_are_still_zero_are_taken() -> None:
    """A transpiler routes qubits before the reset that begins their initialize, and leaves it."""
    angle = Parameter("a")
    circuit = QuantumCircuit(3)
    circuit.ry(angle, 2)
    circuit.initialize([0.6, 0.0, 0.0, 0.8], [0, 1])
    circuit.cx(0, 2)
    line = GenericBackendV2(
        4, ["rz", "sx", "x", "cx"], coupling_map=[[0, 1], [1, 2], [2, 3]], seed=1
    )
    for level in range(4):
        isa = generate_preset_pass_manager(
            level, backend=line, seed_transpiler=1, initial_layout=[0, 3, 1]
        ).run(circuit)
        assert "reset" in isa.count_ops()
        network = jaxqnn.EstimatorQNN(
            circuit=isa, observables=SparsePauliOp("ZIZ"), weight_params=[angle]
        )
        # 0.6 |a, 00> + 0.8 |pi - a, 11>: Z on the turned qubit times Z on the first.
        np.testing.assert_allclose(network.forward(None, [0.7]), [[np.cos(0.7)]], atol=1e-8)


@pytest.mark.parametrize(
    ("prepare", "zero"),
    [
        (lambda c, a: (c.ry(a, 0), c.cx(0, 1), c.rz(a, 1), c.cx(0, 1)), True),
        (lambda c, a: (c.h(1), c.p(a, 1), c.cx(1, 0), c.swap(0, 2), c.x(1), c.swap(0, 1)), True),
        (lambda c, a: (c.rx(a, 1), c.rx(-a, 1)), True),
        (lambda c, a: c.rx(1e-8 * a, 1), False),
        (lambda c, a: (c.initialize([0, 0.6, 0, 0.8], [2, 0]), c.x(2), c.swap(1, 2)), True),
        (lambda c, a: (c.unitary(np.eye(8)[::-1], [0, 1, 2]), c.ccx(0, 2, 1)), True),
        (lambda c, a: (c.h(0), c.cx(0, 1), c.h(0)), False),
    ],
    ids=["returned", "moved", "undone", "nearly", "prepared", "block", "entangled"],
)
def test_a_reset_is_taken_where_the_qubit_is_zero_for_all_parameters(
    prepare: Callable[[QuantumCircuit, Parameter], object], zero: bool
) -> None:
    angle = Parameter("a")
    circuit = QuantumCircuit(3)
    prepare(circuit, angle)
    kept = circuit.copy()
    circuit.reset(1)
    if zero:
        values = [0.4] * circuit.num_parameters
        found = on_circuit(build(circuit, [], list(circuit.parameters)), values)
        expected = Statevector(kept.assign_parameters(values))
        np.testing.assert_allclose(found, expected.data, atol=1e-10)
    else:
        with pytest.raises(jaxqnn.UnsupportedCircuitError, match=r"'reset' .* no one state"):
            jaxqnn.statevector(circuit)


def test_a_reset_that_too_many_qubits_have_led_to_takes_a_qubit() -> None:
    circuit = QuantumCircuit(14)
    circuit.h(0)
    for qubit in range(13):
        circuit.cx(qubit, qubit + 1)
    circuit.cx(12, 13)
    circuit.reset(13)
    assert build(circuit, [], []).num_added == 1


class _Tabulated(Gate):
    """A user's gate with a matrix for numbers alone."""

    def __init__(self, angle: object) -> None:
        super().__init__("tabulated", 1, [angle])

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return RXGate(float(self.params[0])).to_matrix()


def test_a_matrix_that_needs_numbers_is_refused_for_parameters_alone() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(_Tabulated(0.3), [0])
    expected = [[np.cos(0.15), -1j * np.sin(0.15)]]
    np.testing.assert_allclose([on_circuit(build(circuit, [], []), [])], expected, atol=1e-15)
    circuit.append(_Tabulated(Parameter("a")), [0])
    with pytest.raises(jaxqnn.UnsupportedCircuitError, match=r"Instruction 1 .*for numbers alone"):
        build(circuit, [], list(circuit.parameters))
