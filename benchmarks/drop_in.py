"""What changing one line gains: every door into jaxqnn beside the QML call it replaces.

Run with ``python -m benchmarks.drop_in``.  Four qubits, 16 samples, float64: QML's time is one
call, which takes seconds; ours is the first call, compilation included, and the best of nine more.
Values are compared first.  Each row has a process of its own, so that "first" is the first of a
process.  Rows are those of the README's table "What to change in your script".
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.algorithms import QSVC, VQC, NeuralNetworkClassifier
from qiskit_machine_learning.connectors import TorchConnector as QMLTorchConnector
from qiskit_machine_learning.gradients import LinCombQGT
from qiskit_machine_learning.kernels import FidelityQuantumKernel
from qiskit_machine_learning.neural_networks import EffectiveDimension, EstimatorQNN, SamplerQNN
from qiskit_machine_learning.optimizers import COBYLA, SLSQP
from qiskit_machine_learning.primitives import QMLEstimator

import jaxqnn
import jaxqnn.sklearn

RESULTS = Path(__file__).parent / "results" / "drop_in.md"
QUBITS, SAMPLES = 4, 16
EXACT = "the same network, accelerate(exact=True)"
FEATURE_MAP = zz_feature_map(QUBITS, reps=2)
ANSATZ = real_amplitudes(QUBITS, reps=3)
RNG = np.random.default_rng(0)
INPUTS = RNG.uniform(-1, 1, (SAMPLES, QUBITS))
WEIGHTS = RNG.uniform(-1, 1, ANSATZ.num_parameters)
LABELS = np.where(INPUTS[:, 0] > 0, 1, -1)
POINTS = RNG.uniform(-1, 1, (200, ANSATZ.num_parameters))

# What rounding leaves of an optimiser's steps. Exact values are not those of shots, on purpose.
TOLERANCE = 1e-5

Call = Callable[[], Any]


def network(cls: type, **options: Any) -> Any:
    """One of the networks on the benchmark's circuit."""
    return cls(
        circuit=FEATURE_MAP.compose(ANSATZ),
        input_params=FEATURE_MAP.parameters,
        weight_params=ANSATZ.parameters,
        **options,
    )


def exact(**options: Any) -> Any:
    """QML's EstimatorQNN on its exact estimator."""
    return network(EstimatorQNN, estimator=QMLEstimator(), **options)


def backward(qnn: Any) -> Call:
    return lambda: qnn.backward(INPUTS, WEIGHTS)


def torch_step(connector: Any) -> Call:
    inputs = torch.as_tensor(INPUTS, dtype=torch.float32).requires_grad_()
    leaves = [inputs, *connector.parameters()]
    return lambda: torch.autograd.grad(connector(inputs).pow(2).sum(), leaves)


def dimension(qnn: Any) -> Call:
    weights = np.tile(WEIGHTS, (4, 1))
    return lambda: EffectiveDimension(qnn, weights, INPUTS).get_effective_dimension(1000)


def kernel(cls: type) -> Call:
    points = np.random.default_rng(1).uniform(-1, 1, (24, QUBITS))
    fidelity = cls(feature_map=FEATURE_MAP)
    return lambda: fidelity.evaluate(points)


def machine(library: Any, fidelity: Any) -> Call:
    points = np.random.default_rng(1).uniform(-1, 1, (24, QUBITS))
    labels = np.where(points[:, 0] > 0, 1, -1)
    model = library(QSVC(quantum_kernel=fidelity, tol=1e-9))  # so that rounding decides nothing
    return lambda: model.fit(points, labels).dual_coef_


def gradient_step() -> tuple[Call, Call]:
    """A gradient by the weights for an optimiser: `jit(grad)` of ours, QML's two passes."""
    ours, theirs = network(jaxqnn.EstimatorQNN), exact()
    step = jax.jit(jax.grad(lambda w: ((ours.apply(INPUTS, w)[:, 0] - LABELS) ** 2).mean()))

    def passes() -> Any:
        misfits = 2 * (theirs.forward(INPUTS, WEIGHTS) - LABELS[:, None])
        return (theirs.backward(INPUTS, WEIGHTS)[1][:, 0] * misfits).mean(axis=0)

    def one() -> Any:
        with jax.enable_x64(True):
            return jax.block_until_ready(step(WEIGHTS))

    return one, passes


def trained() -> tuple[Call, Call]:
    """Ours and QML's training of the classifier that most people train first."""
    labels = np.eye(2)[(INPUTS[:, 0] > 0).astype(int)]

    def made() -> VQC:
        return VQC(
            feature_map=FEATURE_MAP,
            ansatz=ANSATZ,
            optimizer=COBYLA(maxiter=30),
            sampler=StatevectorSampler(seed=1),
            initial_point=WEIGHTS,
        )

    return (
        lambda: jaxqnn.accelerate(made()).fit(INPUTS, labels).weights,
        lambda: made().fit(INPUTS, labels).weights,
    )


def rows() -> list[tuple[str, Call, Call]]:
    """Each door: its name, our call and QML's."""
    parity = {
        "interpret": lambda outcome: outcome.bit_count() % 2,
        "output_shape": 2,
        "input_gradients": True,
    }
    classifier = NeuralNetworkClassifier(exact(), optimizer=SLSQP(maxiter=3), initial_point=WEIGHTS)
    twin = jaxqnn.accelerate(classifier)
    wrapped = jaxqnn.sklearn.NeuralNetworkClassifier(
        network(jaxqnn.EstimatorQNN), optimizer=SLSQP(maxiter=3), initial_point=WEIGHTS
    )
    observable = SparsePauliOp(["Z" * QUBITS, "X" * QUBITS], [1, 0.5])
    measured = ANSATZ.measure_all(inplace=False)
    return [
        (
            "EstimatorQNN.backward",
            backward(network(jaxqnn.EstimatorQNN, input_gradients=True)),
            backward(exact(input_gradients=True)),
        ),
        (
            "SamplerQNN.backward, parity",
            backward(network(jaxqnn.SamplerQNN, **parity)),
            backward(network(SamplerQNN, **parity)),
        ),
        (
            "SamplerQNN.backward, parity, 1024 shots",
            backward(network(jaxqnn.SamplerQNN, sampler=StatevectorSampler(seed=1), **parity)),
            backward(network(SamplerQNN, sampler=StatevectorSampler(seed=1), **parity)),
        ),
        (
            "QML EstimatorQNN, gradient=JaxEstimatorGradient()",
            backward(exact(input_gradients=True, gradient=jaxqnn.JaxEstimatorGradient())),
            backward(exact(input_gradients=True)),
        ),
        (
            "QML SamplerQNN, gradient=JaxSamplerGradient()",
            backward(network(SamplerQNN, gradient=jaxqnn.JaxSamplerGradient(), **parity)),
            backward(network(SamplerQNN, **parity)),
        ),
        (
            EXACT,
            backward(
                jaxqnn.accelerate(
                    network(SamplerQNN, sampler=StatevectorSampler(seed=1), **parity), exact=True
                )
            ),
            backward(network(SamplerQNN, sampler=StatevectorSampler(seed=1), **parity)),
        ),
        (
            "TorchConnector, forward and backward",
            torch_step(jaxqnn.TorchConnector(network(jaxqnn.EstimatorQNN), WEIGHTS)),
            torch_step(QMLTorchConnector(exact(input_gradients=True), WEIGHTS)),
        ),
        (
            "classifier.fit, 3 steps of SLSQP, accelerate()",
            lambda: twin.fit(INPUTS, LABELS).weights,
            lambda: classifier.fit(INPUTS, LABELS).weights,
        ),
        (
            "sklearn.NeuralNetworkClassifier.fit, 3 steps of SLSQP",
            lambda: wrapped.fit(INPUTS, LABELS).weights,
            lambda: classifier.fit(INPUTS, LABELS).weights,
        ),
        ("jit(grad(loss)) of qnn.apply, as optax takes it", *gradient_step()),
        (
            "EffectiveDimension, 4 x 16 samples",
            dimension(network(jaxqnn.EstimatorQNN)),
            dimension(exact()),
        ),
        (
            "JaxEstimator, 200 points",
            lambda: jaxqnn.JaxEstimator().run([(ANSATZ, observable, POINTS)]).result()[0].data.evs,
            lambda: StatevectorEstimator().run([(ANSATZ, observable, POINTS)]).result()[0].data.evs,
        ),
        (
            "JaxSampler, 200 points of 1024 shots",
            lambda: (
                jaxqnn.JaxSampler(shots=1024, seed=1)
                .run([(measured, POINTS)])
                .result()[0]
                .data.meas.array
            ),
            lambda: (
                StatevectorSampler(default_shots=1024, seed=1)
                .run([(measured, POINTS)])
                .result()[0]
                .data.meas.array
            ),
        ),
        ("VQC.fit, StatevectorSampler, 30 steps of COBYLA, accelerate()", *trained()),
        (
            "FidelityQuantumKernel, 24 points",
            kernel(jaxqnn.FidelityQuantumKernel),
            kernel(FidelityQuantumKernel),
        ),
        (
            "QSVC.fit, 24 points, accelerate()",
            machine(jaxqnn.accelerate, FidelityQuantumKernel(feature_map=FEATURE_MAP)),
            machine(lambda model: model, FidelityQuantumKernel(feature_map=FEATURE_MAP)),
        ),
        (
            "JaxQGT, 16 parameters",
            lambda: jaxqnn.JaxQGT().run([ANSATZ], [WEIGHTS]).result().qgts,
            lambda: LinCombQGT(QMLEstimator()).run([ANSATZ], [WEIGHTS]).result().qgts,
        ),
    ]


def timed(call: Call) -> tuple[float, Any]:
    """Seconds of a call, and what it returns."""
    begin = time.perf_counter()
    found = call()
    return time.perf_counter() - begin, found


def arrays(found: Any) -> list[np.ndarray]:
    """The arrays that a call returns, one or several of them or None."""
    parts = found if isinstance(found, tuple | list) else [found]
    return [np.asarray(part, dtype=float) for part in parts if part is not None]


def main() -> None:
    """Prints and keeps the table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", type=int, help="one row, in this process")
    chosen = parser.parse_args().row
    warnings.simplefilter("ignore")
    if chosen is None:
        lines = ["| call | QML | jaxqnn, first | jaxqnn | ratio |", "|---|---|---|---|---|"]
        print(*lines, sep="\n", flush=True)
        for row in range(len(rows())):
            command = [sys.executable, "-m", "benchmarks.drop_in", "--row", str(row)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            lines.append(done.stdout.splitlines()[-1])
            print(lines[-1], flush=True)
        RESULTS.write_text("\n".join(["# What changing one line gains", "", *lines, ""]))
        return
    name, ours, theirs = rows()[chosen]
    first, found = timed(ours)
    before, expected = timed(theirs)
    for mine, other in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_allclose(mine, other, atol=np.inf if name == EXACT else TOLERANCE, rtol=0)
    steady = min(timed(ours)[0] for _ in range(9))
    print(
        f"| {name} | {before:.3g} s | {first:.2g} s | {1e3 * steady:.2g} ms "
        f"| {before / steady:,.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
