"""What is no ideal simulator is honoured, what is wrong refused; models, pickles and options."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from comparing import assert_all_close
from ideal_pairs import ESTIMATORS, SAMPLERS, X, assert_same, run
from network_pairs import NETWORK, WEIGHTS, OwnEstimator, OwnSampler, pair, parity
from qiskit import ClassicalRegister
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import (
    BackendEstimatorV2,
    BackendSamplerV2,
    StatevectorEstimator,
    StatevectorSampler,
)
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer import primitives as aer
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_machine_learning import QiskitMachineLearningError
from qiskit_machine_learning import neural_networks as qml
from qiskit_machine_learning.circuit.library import raw_feature_vector
from qiskit_machine_learning.connectors import TorchConnector as QMLTorchConnector
from qiskit_machine_learning.gradients import (
    LinCombEstimatorGradient,
    SPSAEstimatorGradient,
)
from qiskit_machine_learning.primitives import QMLSampler

import jaxqnn


def with_reset(*, at_start: bool = False) -> dict[str, Any]:
    circuit = QuantumCircuit(2)
    if not at_start:
        circuit.h(0)
        circuit.cx(0, 1)
    circuit.reset(0)
    circuit.compose(NETWORK["circuit"], inplace=True)
    return {"circuit": circuit}


def noise() -> NoiseModel:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.1, 2), ["cx"])
    return model


def on_a_backend(**primitive: Any) -> dict[str, Any]:
    """What runs on a device's own gates and couplings needs a pass manager."""
    manager = generate_preset_pass_manager(1, backend=DEVICE, seed_transpiler=1)
    return primitive | {"pass_manager": manager}


DEVICE = GenericBackendV2(2, seed=1)  # of more, QML's sampler counts the wrong qubits
AER = {"run_options": {"seed_simulator": 2}}
NOISY_AER = {"backend_options": {"noise_model": noise(), "seed_simulator": 2}}

# What a network is given beside the rest.
HONOURED: dict[str, Callable[[], dict[str, Any]]] = {
    "Aer's sampler": lambda: {"sampler": aer.SamplerV2(seed=2)},
    "Aer's estimator": lambda: {"estimator": aer.EstimatorV2(options=AER)},
    "Aer's sampler with noise": lambda: {"sampler": aer.SamplerV2(seed=2, options=NOISY_AER)},
    "Aer's estimator with noise": lambda: {"estimator": aer.EstimatorV2(options=AER | NOISY_AER)},
    "a device's sampler": lambda: on_a_backend(
        sampler=BackendSamplerV2(backend=DEVICE, options={"seed_simulator": 2})
    ),
    "a device's estimator": lambda: on_a_backend(
        estimator=BackendEstimatorV2(
            backend=DEVICE, options={"seed_simulator": 2, "default_precision": 0.1}
        )
    ),
    "own sampler": lambda: {"sampler": OwnSampler(seed=2)},
    "own estimator": lambda: {"estimator": OwnEstimator(seed=2)},
    "a reset that draws": lambda: with_reset() | {"estimator": StatevectorEstimator(seed=2)},
    "a reset that shifts the draws": lambda: (
        with_reset(at_start=True) | {"estimator": StatevectorEstimator(seed=2)}
    ),
    "another rule": lambda: {
        "gradient": LinCombEstimatorGradient(StatevectorEstimator(default_precision=0.1, seed=2))
    },
    "random directions": lambda: {
        "gradient": SPSAEstimatorGradient(StatevectorEstimator(seed=2), 0.1, seed=3)
    },
}


@pytest.mark.parametrize("case", HONOURED)
def test_what_is_not_known_is_honoured_with_one_warning(case: str) -> None:
    name = "SamplerQNN" if "sampler" in HONOURED[case]() else "EstimatorQNN"
    with pytest.warns(UserWarning, match="JAX is not used") as warned:
        ours = getattr(jaxqnn, name)(**(NETWORK | HONOURED[case]()))
    assert len(warned) == 1
    assert not ours.runs_on_jax
    theirs = getattr(qml, name)(**(NETWORK | HONOURED[case]()))
    assert_same(run(ours), run(theirs))


def test_a_reset_of_zeros_is_no_hindrance_without_a_seed() -> None:
    arguments = NETWORK | with_reset(at_start=True)
    noisy = jaxqnn.EstimatorQNN(**arguments, estimator=StatevectorEstimator())
    assert noisy.runs_on_jax
    networks = pair("SamplerQNN", arguments | {"sampler": StatevectorSampler(seed=2)})
    assert networks[0].runs_on_jax
    assert_same(*(run(network) for network in networks))


def test_a_circuit_the_sampler_refuses_is_refused() -> None:
    circuit = NETWORK["circuit"].copy()
    circuit.measure_all()
    circuit.h(0)
    arguments: dict[str, Any] = NETWORK | {"circuit": circuit, "sampler": StatevectorSampler()}
    with pytest.warns(UserWarning, match="ideal simulator of this circuit"):
        ours = jaxqnn.SamplerQNN(**arguments)
    for network in (ours, qml.SamplerQNN(**arguments)):
        with pytest.raises(QiskitMachineLearningError, match="mid-circuit measurements"):
            network.forward(X, WEIGHTS)


def test_what_has_no_rule_of_shifts_is_refused() -> None:
    circuit = raw_feature_vector(2)
    arguments: dict[str, Any] = {"circuit": circuit, "input_params": circuit.parameters}
    arguments |= {"sampler": StatevectorSampler(seed=1), "input_gradients": True}
    ours, theirs = pair("SamplerQNN", arguments)
    np.testing.assert_allclose(ours.forward(X, None), theirs.forward(X, None), atol=1e-9)
    for network in (ours, theirs):
        with pytest.raises(QiskitMachineLearningError, match="job failed"):
            network.backward(X, None)


def test_unmeasured_registers_and_idle_qubits() -> None:
    """A qubit that nothing acts on is zero, and a register that nothing is measured into too."""
    circuit = QuantumCircuit(4)
    circuit.compose(NETWORK["circuit"], [3, 1], inplace=True)
    circuit.add_register(ClassicalRegister(2, "before"), ClassicalRegister(3, "meas"))
    circuit.measure([0, 3, 1], [2, 3, 4])
    arguments: dict[str, Any] = NETWORK | {
        "circuit": circuit,
        "sampler": StatevectorSampler(default_shots=100, seed=1),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exact outcomes are read from all registers
        ours, theirs = pair("SamplerQNN", arguments)
    assert_same(run(ours), run(theirs))


@pytest.mark.parametrize("name", ["EstimatorQNN", "SamplerQNN"])
def test_pytorch_trains_a_network_with_shots_as_qml_does(name: str) -> None:
    chosen = ESTIMATORS["with precision"] if name == "EstimatorQNN" else SAMPLERS["reference"]
    found = []
    for library, connector in ((jaxqnn, jaxqnn.TorchConnector), (qml, QMLTorchConnector)):
        seed = np.random.default_rng(3)
        network = getattr(library, name)(**NETWORK, **chosen(seed), input_gradients=True)
        layer = connector(network, WEIGHTS.astype(np.float32))
        data = torch.tensor(X, dtype=torch.float32, requires_grad=True)
        (layer(data) ** 2).sum().backward()
        gradients: list[Any] = [data.grad, layer.weight.grad]
        found.append([gradient.numpy() for gradient in gradients])
    assert_all_close(*found, atol=1e-5)  # of single precision


BAD: dict[str, Any] = {
    "no shots of QML's": ("SamplerQNN", lambda: {"sampler": QMLSampler(shots=0)}),
    "infinite inputs": ("SamplerQNN", lambda: {"sampler": StatevectorSampler(seed=1)}),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused_where_qml_refuses_them(case: str) -> None:
    name, primitive = BAD[case]
    inputs = np.full((1, 2), np.nan) if case == "infinite inputs" else X
    with pytest.raises(Exception):  # noqa: B017, PT011 - QML raises many kinds
        getattr(qml, name)(**NETWORK, **primitive()).forward(inputs, WEIGHTS)
    qnn = getattr(jaxqnn, name)(**NETWORK, **primitive())
    with pytest.raises(jaxqnn.JaxQNNError, match=r"shots|not numbers") as raised:
        qnn.forward(inputs, WEIGHTS)
    assert isinstance(raised.value, ValueError)


def test_a_network_with_shots_is_pickled_with_its_seed() -> None:
    ours, theirs = pair("SamplerQNN", NETWORK | {"sampler": StatevectorSampler(seed=4)})
    expected = run(theirs)
    run(ours)
    assert_same(run(pickle.loads(pickle.dumps(ours))), expected)


def test_interpret_can_be_changed() -> None:
    networks = pair("SamplerQNN", NETWORK | {"sampler": StatevectorSampler(seed=4)})
    for network in networks:
        network.forward(X, WEIGHTS)
        network.set_interpret(parity, 2)
    assert_same(*(run(network) for network in networks))
