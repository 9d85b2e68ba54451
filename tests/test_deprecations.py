"""No call of ours is one that qiskit-machine-learning (QML) says will go.

Its main branch is 1.0-dev. What it says of that is in the deprecations of the version at hand.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dill
import numpy as np
import pytest
import torch
from kernel_pairs import KERNELS, LABELS, OF_STATES, WITH_FIDELITY, X, Y, build
from network_pairs import ANSATZ, FEATURE_MAP, NETWORK, WEIGHTS, parity
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit_machine_learning import kernels as qml_kernels
from qiskit_machine_learning import neural_networks as qml
from qiskit_machine_learning.algorithms import (
    QSVC,
    QSVR,
    VQC,
    VQR,
    NeuralNetworkClassifier,
    NeuralNetworkRegressor,
    PegasosQSVC,
)
from qiskit_machine_learning.gradients import QFI
from qiskit_machine_learning.kernels.algorithms import QuantumKernelTrainer
from qiskit_machine_learning.neural_networks import EffectiveDimension
from qiskit_machine_learning.optimizers import COBYLA, SPSA
from qiskit_machine_learning.utils.adjust_num_qubits import derive_num_qubits_feature_map_ansatz
from versions import QML

import jaxqnn
import jaxqnn.sklearn

# What every message of QML's own `issue_deprecation_msg` has in it.
QMLS = r"(?s).*(as of qiskit-machine-learning|seeded via qiskit\.utils)"

IMPORTED: dict[str, Any] = {
    "EstimatorQNN": {"observables": None},
    "EstimatorQNN with noise": {"estimator": StatevectorEstimator(seed=1)},
    "SamplerQNN": {"interpret": parity, "output_shape": 2},
    "SamplerQNN with shots": {"sampler": StatevectorSampler(seed=1)},
}
NOISY = {"estimator": StatevectorEstimator(seed=1)}
START = np.full(ANSATZ.num_parameters, 0.2)
FEW: dict[str, Any] = {"optimizer": COBYLA(maxiter=8), "initial_point": START}
OF_MODEL: dict[str, Any] = {"feature_map": FEATURE_MAP, "ansatz": ANSATZ, **FEW}


def network(name: str, **changes: Any) -> Any:
    made = getattr(jaxqnn, name.split()[0])
    return made(**NETWORK, **IMPORTED[name], input_gradients=True, **changes)


def both_passes(name: str) -> None:
    made = network(name)
    made.forward(X, WEIGHTS)
    made.backward(X, WEIGHTS)
    copied = dill.loads(dill.dumps(made))
    np.testing.assert_array_equal(copied.forward(X, WEIGHTS), made.forward(X, WEIGHTS))


def trained(model: Any, targets: Any) -> None:
    model.fit(X, targets)
    model.predict(Y)
    model.score(X, targets)


def accelerated(model: Any, targets: Any) -> None:
    trained(jaxqnn.accelerate(model), targets)
    trained(jaxqnn.accelerate(model, exact=True), targets)


def kernel(name: str, **changes: Any) -> None:
    for made in (build(jaxqnn, name, **changes), build(qml_kernels, name, **changes)):
        twin = jaxqnn.accelerate(made)
        assert twin.evaluate(X, Y).shape == (len(X), len(Y))
        assert twin.evaluate(X).shape == (len(X), len(X))


def torch_layer() -> None:
    layer = jaxqnn.TorchConnector(network("EstimatorQNN"), WEIGHTS)
    layer(torch.tensor(X, requires_grad=True)).sum().backward()


def gradients() -> None:
    point = [WEIGHTS]
    observable = network("EstimatorQNN").observables[0]
    jaxqnn.JaxEstimatorGradient().run([ANSATZ], [observable], point).result()
    measured = ANSATZ.measure_all(inplace=False)
    jaxqnn.JaxSamplerGradient().run([measured], point).result()
    QFI(jaxqnn.JaxQGT()).run([ANSATZ], point).result()
    qml.EstimatorQNN(**NETWORK, gradient=jaxqnn.JaxEstimatorGradient()).backward(X, WEIGHTS)


def kernel_trainer() -> None:
    made = build(jaxqnn, "TrainableFidelityQuantumKernel")
    optimizer = SPSA(maxiter=2, learning_rate=0.1, perturbation=0.1)
    QuantumKernelTrainer(made, optimizer=optimizer, initial_point=START).fit(X, LABELS)


SIGNS, ONE_HOT = LABELS, np.eye(2)[(LABELS + 1) // 2]

WORK: dict[str, Callable[[], Any]] = {
    **{name: partial(both_passes, name) for name in IMPORTED},
    **{name: partial(kernel, name) for name in KERNELS},
    **{f"{name} with shots": partial(kernel, name, shots=30) for name in OF_STATES},
    **{f"{name} unprojected": partial(kernel, name, enforce_psd=False) for name in WITH_FIDELITY},
    "classifier": lambda: trained(NeuralNetworkClassifier(network("EstimatorQNN"), **FEW), SIGNS),
    "regressor": lambda: trained(NeuralNetworkRegressor(network("EstimatorQNN"), **FEW), SIGNS),
    "in a pipeline": lambda: trained(
        jaxqnn.sklearn.NeuralNetworkClassifier(network("EstimatorQNN"), **FEW), SIGNS
    ),
    "VQC": lambda: accelerated(VQC(**OF_MODEL, sampler=StatevectorSampler(seed=1)), ONE_HOT),
    "VQR": lambda: accelerated(VQR(**OF_MODEL, **NOISY), SIGNS),
    "accelerated classifier": lambda: accelerated(
        NeuralNetworkClassifier(qml.EstimatorQNN(**NETWORK, **NOISY), **FEW), SIGNS
    ),
    "QSVC": lambda: accelerated(QSVC(quantum_kernel=build(qml_kernels, OF_STATES[0])), SIGNS),
    "QSVR": lambda: accelerated(QSVR(quantum_kernel=build(qml_kernels, OF_STATES[0])), SIGNS),
    "PegasosQSVC": lambda: accelerated(
        PegasosQSVC(quantum_kernel=build(qml_kernels, OF_STATES[0]), num_steps=9), SIGNS
    ),
    "QuantumKernelTrainer": kernel_trainer,
    "TorchConnector": torch_layer,
    "gradients": gradients,
    "EffectiveDimension": lambda: EffectiveDimension(
        network("EstimatorQNN"), WEIGHTS[None], X
    ).get_effective_dimension(100),
    "verify": lambda: jaxqnn.verify(network("SamplerQNN"), samples=2),
    "export": lambda: jaxqnn.export(network("EstimatorQNN")),
}


@pytest.mark.parametrize("name", WORK)
def test_nothing_that_we_call_will_go(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=QMLS, category=DeprecationWarning)
        WORK[name]()


@pytest.mark.parametrize(
    "call",
    [
        lambda path: NeuralNetworkClassifier(network("EstimatorQNN")).save(str(path / "model")),
        pytest.param(
            lambda _: derive_num_qubits_feature_map_ansatz(num_qubits=2),
            marks=pytest.mark.skipif(QML < (0, 9, 1), reason="0.9.1 says so first"),
        ),
    ],
)
def test_what_will_go_is_caught(call: Any, tmp_path: Path) -> None:
    """The filter above knows QML's messages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=QMLS, category=DeprecationWarning)
        with pytest.raises(DeprecationWarning):
            call(tmp_path)
