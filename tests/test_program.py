"""Laws of the passes: what they keep, that they are idempotent, and that programs stay legal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from layer_form import final_amplitudes, on_circuit
from oracles import joined
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp
from random_circuits import random_case

from jaxqnn.circuit.angles import Angle
from jaxqnn.measure import Expectation, Probabilities, State
from jaxqnn.measure.specification import Specification
from jaxqnn.program.build import build
from jaxqnn.program.frames import Frame, parity
from jaxqnn.program.passes import with_global_phase, without_final_phases
from jaxqnn.program.program import Program, check

Pass = Callable[[Program], Program]
PASSES: tuple[Pass, ...] = (with_global_phase, without_final_phases)

pytestmark = pytest.mark.filterwarnings("ignore:.*CSC.*")


def _program(seed: int) -> tuple[Program, np.ndarray]:
    case = random_case(seed, num_qubits=2 + seed % 4)
    values = np.random.default_rng(seed).uniform(-2, 2, 5)
    return build(case.circuit, case.inputs, case.weights).program, values


@pytest.mark.parametrize("seed", range(300, 312))
@pytest.mark.parametrize("apply", PASSES)
def test_a_pass_is_idempotent_and_leaves_a_legal_program(apply: Pass, seed: int) -> None:
    once = apply(_program(seed)[0])
    check(once)
    assert str(apply(once)) == str(once)


@pytest.mark.parametrize("seed", range(300, 312))
def test_the_global_phase_moves_into_the_layers(seed: int) -> None:
    program, values = _program(seed)
    changed = with_global_phase(program)
    assert changed.global_phase.is_zero
    np.testing.assert_allclose(
        final_amplitudes(changed, values), final_amplitudes(program, values), atol=1e-12
    )


@pytest.mark.parametrize("seed", range(300, 312))
def test_final_phases_change_no_probability(seed: int) -> None:
    program, values = _program(seed)
    changed = without_final_phases(program)
    np.testing.assert_allclose(
        np.abs(final_amplitudes(changed, values)),
        np.abs(final_amplitudes(program, values)),
        atol=1e-12,
    )


def test_final_phases_cost_no_layer() -> None:
    circuit = real_amplitudes(3, reps=1).decompose()
    circuit.cz(0, 1)
    circuit.rz(0.3, 2)
    program = build(circuit, [], list(circuit.parameters)).program
    assert program.layers[-1].phases
    assert len(without_final_phases(program).layers) == len(program.layers) - 1


@pytest.mark.parametrize(
    ("specification", "keeps"),
    [
        (State(), True),
        (Probabilities(), False),
        (Expectation(), False),
        (Expectation(SparsePauliOp("XZ")), True),
    ],
)
def test_the_specification_says_what_is_kept(specification: Specification, keeps: bool) -> None:
    circuit = QuantumCircuit(2, global_phase=0.5)
    circuit.ry(0.3, [0, 1])
    circuit.cz(0, 1)
    program = specification.finish(circuit, build(circuit, [], []).program)
    assert bool(program.layers) == keeps
    assert program.global_phase.is_zero or isinstance(specification, Expectation)


def test_check_refuses_an_illegal_program() -> None:
    program, _ = _program(300)
    for wrong in (
        replace(program, flips=1 << program.num_qubits),
        replace(program, global_phase=Angle.column(99)),
        replace(program, start=()),
        replace(program, amplitudes=(Angle.constant(1.0),) * 3),
    ):
        with pytest.raises(AssertionError):
            check(wrong)


def test_the_printer_names_layers_and_labels() -> None:
    program, _ = _program(301)
    text = str(program)
    assert text.count("layer ") == len(program.layers)
    assert text.splitlines()[-1].startswith("labels")


@pytest.mark.parametrize("seed", range(5))
def test_frames_stay_dual(seed: int) -> None:
    random = np.random.default_rng(seed)
    frame = Frame.identity(6)
    for _ in range(6):
        vector = int(random.integers(1, 64))
        functional = next(f for f in random.permutation(64).tolist() if parity(f & vector))
        following = frame.with_bits([5], [(vector, functional)])
        for i, row in enumerate(following.rows):
            for j, column in enumerate(following.columns):
                assert parity(row & column) == (i == j)
        assert following.rows[-1] == functional
        assert following.vector(vector) == 1 << 5
        frame = following


def test_a_wide_feature_map_is_few_layers_and_lowers_at_once() -> None:
    circuit = zz_feature_map(20, reps=2)
    begin = time.perf_counter()
    program = build(circuit, list(circuit.parameters), []).program
    seconds = time.perf_counter() - begin
    # 0.1 s alone; loaded machines are many times slower.
    assert seconds < 3
    assert len(program.layers) <= 6


def test_hundreds_of_gates_lower_at_once() -> None:
    case = random_case(5, num_qubits=6, num_gates=200)
    begin = time.perf_counter()
    built = build(case.circuit, case.inputs, case.weights)
    seconds = time.perf_counter() - begin
    assert seconds < 5
    check(built.program)
    values = joined(np.full(2, 0.3), np.full(3, 0.4))
    found = on_circuit(built, values)
    np.testing.assert_allclose(found, case.states(values[:2], values[2:]), atol=1e-10)
