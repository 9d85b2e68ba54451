"""Whole programs in the shape of QML's tutorials, with its imports and with ours.

Run with ``python -m benchmarks.scripts``.  A script takes the classes from a library that it is
given, and is the same for both: what changes is one import, or `accelerate` around a model.  Seeds
are equal, so the curves of the objective must be.  Each script has a process of its own for each
library.  "Training" are the seconds of its loop, first calls and the loading of machine code
included; "again" those of the same loop a second time; "program" those of the whole process, from
Python's start through all imports to its end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import real_amplitudes, z_feature_map, zz_feature_map
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning import connectors, kernels, neural_networks
from qiskit_machine_learning.algorithms import NeuralNetworkClassifier, NeuralNetworkRegressor
from qiskit_machine_learning.optimizers import COBYLA, L_BFGS_B
from sklearn.datasets import load_iris
from sklearn.preprocessing import minmax_scale
from sklearn.svm import SVC

import jaxqnn
from jaxqnn.cli.script import train_on_irises

RESULTS = Path(__file__).parent / "results" / "scripts.md"
# Exact values agree to rounding, and what is drawn from them exactly.
TOLERANCE = 1e-6
# Steps that are compared: of equal values COBYLA prefers one by its last digit, and goes on there.
COMPARED = 6

Curve = list[float]
Library = Any

QML = SimpleNamespace(
    EstimatorQNN=neural_networks.EstimatorQNN,
    SamplerQNN=neural_networks.SamplerQNN,
    FidelityQuantumKernel=kernels.FidelityQuantumKernel,
    TorchConnector=connectors.TorchConnector,
    accelerate=lambda model: model,
)
LIBRARIES: dict[str, Library] = {"qml": QML, "jaxqnn": jaxqnn}


def _irises(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Irises of two kinds, (count, 4) between 0 and 1, and which of them each is."""
    data = load_iris()
    places = np.random.default_rng(0).permutation(100)[:count]
    return minmax_scale(data.data[:100])[places], data.target[:100][places]


def vqc_on_irises(library: Library, size: int) -> Curve:
    """VQC under COBYLA with the sampler that the tutorials pass; `jaxqnn bench` has it, too."""
    return train_on_irises(library.accelerate, 4 * size, 3 * size, seed=1)


def _estimator_qnn(library: Library, num_qubits: int, **options: Any) -> Any:
    features = zz_feature_map(num_qubits, reps=1) if num_qubits > 1 else z_feature_map(1, reps=1)
    ansatz = real_amplitudes(num_qubits, reps=1)
    return library.EstimatorQNN(
        circuit=features.compose(ansatz),
        input_params=features.parameters,
        weight_params=ansatz.parameters,
        **options,
    )


def classifier(library: Library, size: int) -> Curve:
    """A classifier on an estimator with noise, trained without gradients."""
    curve: Curve = []
    estimator = StatevectorEstimator(default_precision=0.02, seed=1)
    network = _estimator_qnn(library, 2, estimator=estimator)
    x = np.random.default_rng(1).uniform(-1, 1, (4 * size, 2))
    model = NeuralNetworkClassifier(
        network,
        optimizer=COBYLA(maxiter=4 * size),
        initial_point=np.full(network.num_weights, 0.4),
        callback=lambda _, objective: curve.append(float(objective)),
    )
    model.fit(x, np.where(x.sum(axis=1) > 0, 1, -1))
    return curve


def regressor(library: Library, size: int) -> Curve:
    """A regressor trained by its gradients, parameter shifts on the estimator."""
    curve: Curve = []
    network = _estimator_qnn(library, 1, estimator=StatevectorEstimator(seed=1))
    x = np.linspace(-np.pi, np.pi, 4 * size)[:, None]
    model = NeuralNetworkRegressor(
        network,
        optimizer=L_BFGS_B(maxiter=size),
        initial_point=np.full(network.num_weights, 0.4),
        callback=lambda _, objective: curve.append(float(objective)),
    )
    model.fit(x, np.sin(x[:, 0]))
    return curve


def _two_qubits(angles: Any) -> QuantumCircuit:
    """What a convolution does to a pair of neighbours."""
    pair = QuantumCircuit(2)
    pair.rz(-np.pi / 2, 1)
    pair.cx(1, 0)
    pair.rz(angles[0], 0)
    pair.ry(angles[1], 1)
    pair.cx(0, 1)
    pair.ry(angles[2], 1)
    return pair


def convolutional(library: Library, size: int) -> Curve:
    """A quantum convolutional network: 8 qubits, then 4, 2 and 1."""
    curve: Curve = []
    features, ansatz, left = z_feature_map(8), QuantumCircuit(8), list(range(8))
    for level in range(3):
        angles = iter(ParameterVector(f"c{level}", 6 * len(left)))
        pairs = [
            *zip(left[::2], left[1::2], strict=True),
            *zip(left[1:-1:2], left[2::2], strict=True),
        ]
        pairs += zip(left[::2], left[1::2], strict=True)
        for pair in pairs:
            ansatz.compose(_two_qubits([next(angles) for _ in range(3)]), pair, inplace=True)
        left = left[1::2]
    network = library.EstimatorQNN(
        circuit=features.compose(ansatz),
        observables=SparsePauliOp("Z" + "I" * 7),
        input_params=features.parameters,
        weight_params=ansatz.parameters,
        estimator=StatevectorEstimator(seed=1),
    )
    random = np.random.default_rng(2)
    x = random.uniform(0, np.pi / 2, (4 * size, 8))
    model = NeuralNetworkClassifier(
        network,
        optimizer=COBYLA(maxiter=2 * size),
        initial_point=random.uniform(-1, 1, network.num_weights),
        callback=lambda _, objective: curve.append(float(objective)),
    )
    model.fit(x, np.where(x[:, 0] > x[:, 4], 1, -1))
    return curve


def autoencoder(library: Library, size: int) -> Curve:
    """An autoencoder of samples, whose trash qubits a swap test compares with |0>."""
    latent, trash = 3, 2
    width = latent + trash
    circuit = QuantumCircuit(width + trash + 1)
    circuit.add_register(ClassicalRegister(1))
    features, ansatz = z_feature_map(width), real_amplitudes(width, reps=3)
    circuit.compose(features, range(width), inplace=True)
    circuit.compose(ansatz, range(width), inplace=True)
    ancilla = width + trash
    circuit.h(ancilla)
    for i in range(trash):
        circuit.cswap(ancilla, latent + i, width + i)
    circuit.h(ancilla)
    circuit.measure(ancilla, 0)
    network = library.SamplerQNN(
        circuit=circuit,
        input_params=features.parameters,
        weight_params=ansatz.parameters,
        interpret=lambda outcome: outcome,
        output_shape=2,
        sampler=StatevectorSampler(seed=1),
    )
    curve: Curve = []
    samples = np.random.default_rng(4).uniform(0, 1, (size, width))

    def cost(weights: np.ndarray) -> float:
        curve.append(float(network.forward(samples, weights)[:, 1].mean()))
        return curve[-1]

    COBYLA(maxiter=12 * size).minimize(cost, np.linspace(0, 1, ansatz.num_parameters))
    return curve


def generator(library: Library, size: int) -> Curve:
    """A qGAN in PyTorch: a sampled quantum generator against a classical discriminator."""
    torch.manual_seed(0)
    qubits, curve = 3, []
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    ansatz = real_amplitudes(qubits, reps=2)
    circuit.compose(ansatz, inplace=True)
    network = library.SamplerQNN(
        circuit=circuit,
        input_params=[],
        weight_params=ansatz.parameters,
        sampler=StatevectorSampler(seed=1),
    )
    start = np.random.default_rng(3).uniform(-1, 1, ansatz.num_parameters)
    generates = library.TorchConnector(network, start)
    judges = torch.nn.Sequential(
        torch.nn.Linear(1, 16), torch.nn.LeakyReLU(0.2), torch.nn.Linear(16, 1), torch.nn.Sigmoid()
    )
    grid = torch.arange(1 << qubits)[:, None] / (1 << qubits)
    target = torch.softmax(-((grid[:, 0] - 0.5) ** 2) * 20, 0)
    train_generator = torch.optim.Adam(generates.parameters(), lr=0.05)
    train_judge = torch.optim.Adam(judges.parameters(), lr=0.05)
    for _ in range(2 * size):
        fake = generates(torch.tensor([])).reshape(-1)
        verdict = judges(grid)[:, 0]
        loss = -(target * verdict.log() + fake.detach() * (1 - verdict).log()).sum()
        train_judge.zero_grad()
        loss.backward()
        train_judge.step()
        train_generator.zero_grad()
        own = -(fake * judges(grid)[:, 0].detach().log()).sum()
        own.backward()
        train_generator.step()
        curve.append(own.item())
    return curve


def kernel(library: Library, size: int) -> Curve:
    """A support vector machine on a quantum kernel."""
    x, y = _irises(6 * size)
    made = library.FidelityQuantumKernel(feature_map=zz_feature_map(4, reps=2))
    matrix = made.evaluate(x)
    model = SVC(kernel="precomputed").fit(matrix, y)
    return [float(model.score(matrix, y)), *matrix[0].tolist()]


SCRIPTS: dict[str, Callable[[Library, int], Curve]] = {
    script.__name__: script
    for script in (
        vqc_on_irises,
        classifier,
        regressor,
        convolutional,
        autoencoder,
        generator,
        kernel,
    )
}


def main() -> None:
    """Runs every script with both libraries, and prints and keeps the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="*", choices=[[], *SCRIPTS], help="default: all")
    parser.add_argument("--size", type=int, default=8, help="of the data and the training")
    parser.add_argument("--only", choices=LIBRARIES, help="one library, in this process")
    arguments = parser.parse_args()
    names = arguments.scripts or list(SCRIPTS)
    if arguments.only:
        warnings.simplefilter("ignore")
        library = LIBRARIES[arguments.only]
        for name in vars(QML):
            getattr(library, name)  # what a script imports at its head
        print(json.dumps(_timed(SCRIPTS[names[0]], library, arguments.size)))
        return
    lines = [
        "| script | steps | training, QML | jaxqnn | ratio | again, QML | jaxqnn | ratio | "
        "program, QML | jaxqnn | ratio | curves differ by |",
        "|" + "---|" * 12,
    ]
    for name in names:
        ours, theirs = (
            _in_a_process(name, library, arguments.size) for library in ("jaxqnn", "qml")
        )
        pair = ours["curve"][:COMPARED], theirs["curve"][:COMPARED]
        difference = float(np.abs(np.subtract(*pair)).max())
        if difference > TOLERANCE:
            raise SystemExit(f"{name}: the curves differ by {difference:.1e}; nothing is compared.")
        times = "".join(
            f"| {theirs[part]:.3g} s | {ours[part]:.2g} s | {theirs[part] / ours[part]:.3g} "
            for part in ("training", "again", "program")
        )
        words = name.replace("_", " ")
        lines.append(f"| {words} | {len(ours['curve'])} {times}| {difference:.0e} |")
        print(lines[-1], flush=True)
    if not arguments.scripts:
        RESULTS.write_text("\n".join(["# Tutorials' scripts", "", *lines, ""]))


def _timed(script: Callable[[Library, int], Curve], library: Library, size: int) -> dict[str, Any]:
    """The curve, and the seconds of the first run in this process and of the second."""
    begin = time.perf_counter()
    curve = script(library, size)
    middle = time.perf_counter()
    script(library, size)
    return {"training": middle - begin, "again": time.perf_counter() - middle, "curve": curve}


def _in_a_process(name: str, library: str, size: int) -> dict[str, Any]:
    """What a process of its own says of a script; of its own seconds the second run's are not."""
    command = [sys.executable, "-m", "benchmarks.scripts", name, "--only", library]
    begin = time.perf_counter()
    done = subprocess.run(
        [*command, "--size", str(size)], check=True, capture_output=True, text=True
    )
    whole = time.perf_counter() - begin
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"program": whole - found["again"]}


if __name__ == "__main__":
    main()
