"""A tutorial's script, trained with qiskit-machine-learning and again through `accelerate`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.primitives import StatevectorSampler
from qiskit_machine_learning.algorithms import VQC
from qiskit_machine_learning.optimizers import COBYLA
from sklearn.datasets import load_iris
from sklearn.preprocessing import minmax_scale

from jaxqnn import accelerate
from jaxqnn.cli.bench import TOLERANCE
from jaxqnn.cli.output import print_table, seconds

_SAMPLES, _STEPS = 16, 15


@dataclass(frozen=True)
class ScriptTiming:
    """One training, both libraries; its curves compared first.

    Attributes:
        name: What is trained.
        qubits: Of its circuit.
        steps: Values of the objective.
        qml_seconds: Of the training.
        seconds: Of the same through jaxqnn, its first calls included.
        max_error: The largest difference between the objectives of a step.
    """

    name: str
    qubits: int
    steps: int
    qml_seconds: float
    seconds: float
    max_error: float

    @property
    def ratio(self) -> float:
        """How many of our trainings fit in one of QML's."""
        return self.qml_seconds / self.seconds

    @property
    def passed(self) -> bool:
        """Whether both libraries took the same way."""
        return self.max_error <= TOLERANCE


def train_on_irises(
    prepare: Callable[[VQC], Any], samples: int, steps: int, seed: int
) -> list[float]:
    """The objective at each step of a VQC on irises, under COBYLA.

    It is the classifier of the tutorials: a ZZ feature map, real amplitudes, and the sampler that
    they pass, with 1024 shots of each circuit.

    Args:
        prepare: What is done to the model before it is fitted.
        samples: How many irises, of two kinds.
        steps: Values of the objective at most.
        seed: Of the sampler.
    """
    data, curve = load_iris(), []
    places = np.random.default_rng(0).permutation(100)[:samples]
    x, y = minmax_scale(data.data[:100])[places], data.target[:100][places]
    ansatz = real_amplitudes(4, reps=2)
    model = VQC(
        feature_map=zz_feature_map(4, reps=1),
        ansatz=ansatz,
        optimizer=COBYLA(maxiter=steps),
        sampler=StatevectorSampler(seed=seed),
        initial_point=np.linspace(0, 1, ansatz.num_parameters),
        callback=lambda _, objective: curve.append(float(objective)),
    )
    prepare(model).fit(x, np.eye(2)[y])
    return curve


def time_script(seed: int) -> ScriptTiming:
    """Compares, then times, a whole training."""
    qml_seconds, expected = _timed(lambda model: model, seed)
    own_seconds, found = _timed(accelerate, seed)
    return ScriptTiming(
        "VQC on irises",
        4,
        len(found),
        qml_seconds,
        own_seconds,
        float(np.abs(np.subtract(found, expected)).max()),
    )


def print_script(timing: ScriptTiming) -> None:
    """The table of `bench`'s script."""
    print_table(
        f"Seconds of a tutorial's training: {timing.name}, COBYLA, StatevectorSampler",
        ("qubits", "samples", "steps", "QML", "jaxqnn", "ratio", "distance"),
        [
            (
                timing.qubits,
                _SAMPLES,
                timing.steps,
                seconds(timing.qml_seconds),
                seconds(timing.seconds),
                f"{timing.ratio:,.0f}x" if timing.passed else "-",
                f"{timing.max_error:.0e}" if timing.passed else "WRONG",
            )
        ],
    )


def script_json(timing: ScriptTiming) -> dict[str, Any]:
    """A timing with what is derived from it."""
    return asdict(timing) | {"ratio": timing.ratio, "passed": timing.passed}


def _timed(prepare: Callable[[VQC], Any], seed: int) -> tuple[float, list[float]]:
    begin = time.perf_counter()
    curve = train_on_irises(prepare, _SAMPLES, _STEPS, seed)
    return time.perf_counter() - begin, curve
