"""Many devices: eight forced on the host give what one gives, each with its part of the memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layer_form import final_amplitudes
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import real_amplitudes

from jaxqnn.errors import JaxQNNError
from jaxqnn.program.build import build
from jaxqnn.program.frames import Frame
from jaxqnn.program.program import Layer, Program, check
from jaxqnn.sharding.placement import Placement, place
from jaxqnn.verify.report import largest

WORKER = Path(__file__).with_name("mesh_worker.py")


def on_eight_devices(part: str) -> Any:
    """What the worker finds, in a process of its own: devices cannot be added to this one."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    environment = os.environ | {"XLA_FLAGS": flags}
    found = subprocess.run(
        [sys.executable, WORKER, part],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=280,
    )
    return json.loads(found.stdout.splitlines()[-1])[part]


@pytest.mark.slow
def test_functions_and_their_gradients_are_those_of_one_device() -> None:
    errors = on_eight_devices("functions")
    assert set(errors) == {"state", "expectation", "samples", "probabilities"}
    for name, found in errors.items():
        assert largest(found) < 1e-10, (name, found)


@pytest.mark.slow
def test_inputs_that_a_user_spread_out_stay_so() -> None:
    found = on_eight_devices("spread")
    assert largest(found["errors"]) < 1e-12
    assert found["rows"] == [2, 2, 2]  # of sixteen samples


@pytest.mark.slow
def test_networks_on_a_mesh_return_what_they_return_without() -> None:
    errors = on_eight_devices("networks")
    assert [len(errors[name]) for name in ("forward", "backward", "vjp")] == [1, 2, 2]
    assert largest(errors.values()) < 1e-10


@pytest.mark.slow
def test_the_jacobian_of_all_outcomes_on_a_mesh_is_that_without() -> None:
    errors = on_eight_devices("outcomes")
    assert [len(errors[name]) for name in ("tangents", "cotangents")] == [2, 1]
    assert largest(errors.values()) < 1e-10


@pytest.mark.slow
def test_what_is_exact_is_exact_on_a_mesh() -> None:
    found = on_eight_devices("exactness")
    assert found["means"] == [0.0, 1.0, 1.0]
    assert found["probabilities"] == [0.5, *[0.0] * 254, 0.5]
    assert found["scaled"] == pytest.approx([found["scaled"][0]] * 3, abs=1e-14)


@pytest.mark.slow
def test_ensembles_of_weights_run_on_a_mesh() -> None:
    assert on_eight_devices("ensemble") < 1e-10


def test_a_mesh_of_samples_has_derivatives_of_every_mode() -> None:
    assert largest(on_eight_devices("derivatives").values()) < 1e-10


@pytest.mark.slow
def test_each_device_has_an_eighth_of_the_memory_and_the_state_is_never_gathered() -> None:
    found = on_eight_devices("memory")
    state = 16 << 18
    assert found["device"] < 14 * state / 8, found
    assert found["device"] < 1.5 * found["whole"] / 8, found
    taken = found["device"] + found["program"]
    assert 1 / 1.5 < taken / found["predicted"] < 1.5, found
    assert found["all_gather"] == 0
    # One exchange in the forward loop, one in the reverse loop, however many layers there are.
    assert found["all_to_all"] > 0


@pytest.mark.slow
def test_a_statevector_stays_on_its_devices() -> None:
    assert on_eight_devices("state") == {"shape": [2, 1024], "parts": [[1, 256]], "devices": 8}


@pytest.mark.slow
def test_a_mesh_that_cannot_be_used_says_why() -> None:
    messages = on_eight_devices("refusals")
    assert '"batch" (samples) nor "state"' in messages["axes"]
    assert "3 devices" in messages["power"]
    assert "too small for 8 devices" in messages["small"]
    assert "mesh shares states out" in messages["curvature"]


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("device_bits", [0, 1, 2])
def test_a_placed_program_has_the_state_of_the_whole_one(device_bits: int, in_order: bool) -> None:
    rng = np.random.default_rng(device_bits)
    for _ in range(5):
        program = build(random_circuit(7, rng), [], []).program
        placement = place(program, device_bits, in_circuit_order=in_order)
        check_placement(placement)
        np.testing.assert_allclose(
            final_amplitudes(joined(placement), []), final_amplitudes(program, []), atol=1e-12
        )
        if in_order:
            n, s = 7, device_bits
            order = [*range(n - s, n), *range(n - s)]
            rows = {qubit: 1 << bit for bit, qubit in enumerate(order)}
            assert placement.final.frame.rows == tuple(rows[q] for q in range(n))


def test_amplitudes_move_about_once_in_a_repetition() -> None:
    for reps in (1, 4, 8):
        ansatz = real_amplitudes(16, reps=reps)
        program = build(ansatz, [], list(ansatz.parameters)).program
        placement = place(program, 3)
        assert len(placement.program.layers) > 3 * reps
        assert placement.num_exchanges <= 2 * reps


def test_a_state_that_is_too_small_is_refused() -> None:
    ansatz = real_amplitudes(4, reps=1)
    program = build(ansatz, [], list(ansatz.parameters)).program
    with pytest.raises(JaxQNNError, match="4 qubits is too small for 4 devices: 7 qubits"):
        place(program, 2)


@pytest.mark.slow
def test_given_amplitudes_on_a_mesh_are_those_of_one_device() -> None:
    errors = on_eight_devices("amplitudes")
    assert set(errors) == {"all", "some", "constant"}
    assert largest(errors.values()) < 1e-10


def random_circuit(n: int, rng: np.random.Generator) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    for _ in range(40):
        a, b = (int(q) for q in rng.choice(n, 2, replace=False))
        angle = float(rng.normal())
        match int(rng.integers(8)):
            case 0:
                circuit.ry(angle, a)
            case 1:
                circuit.rx(angle, a)
            case 2:
                circuit.rzz(angle, a, b)
            case 3:
                circuit.cx(a, b)
            case 4:
                circuit.swap(a, b)
            case 5:
                circuit.x(a)
            case 6:
                circuit.crx(angle, a, b)
            case _:
                circuit.rxx(angle, a, b)
    return circuit


def joined(placement: Placement) -> Program:
    """The placed program on whole labels, each exchange as a label map."""
    s, local = placement.device_bits, placement.program
    n = local.num_qubits + s
    layers = []
    for layer, masks, offset, swapped in zip(
        local.layers,
        placement.device_masks,
        placement.offsets,
        placement.exchanges,
        strict=True,
    ):
        layers.append(
            replace(
                layer,
                label_map=(
                    *(1 << i | column << s for i, column in enumerate(offset)),
                    *(column << s for column in layer.label_map),
                ),
                phases=tuple(
                    (mask << s | own, angle)
                    for (mask, angle), own in zip(layer.phases, masks, strict=True)
                ),
            )
        )
        if swapped:
            bits = list(range(n))
            bits[:s], bits[n - s :] = bits[n - s :], bits[:s]
            layers.append(Layer(tuple(1 << bit for bit in bits)))
    count = local.num_qubits
    return replace(
        placement.final,
        start=(*local.start[count:], *local.start[:count]),
        layers=tuple(layers),
    )


def check_placement(placement: Placement) -> None:
    # A phase of which only the device's part is left has no local mask, which ``check`` refuses.
    layers = tuple(replace(layer, phases=()) for layer in placement.program.layers)
    local = placement.program
    check(replace(local, layers=layers, start=local.start[: local.num_qubits]))
    frame = placement.final.frame
    assert Frame.from_columns(frame.columns).rows == frame.rows


def test_parameters_stay_symbols_in_a_placement() -> None:
    w = ParameterVector("w", 6)
    circuit = QuantumCircuit(6)
    for q in range(6):
        circuit.rx(w[q], q)
    circuit.rzz(w[0] * w[1], 0, 5)
    program = build(circuit, [], list(w)).program
    values = np.random.default_rng(2).normal(size=6)
    np.testing.assert_allclose(
        final_amplitudes(joined(place(program, 1)), list(values)),
        final_amplitudes(program, list(values)),
        atol=1e-12,
    )
