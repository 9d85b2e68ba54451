"""Seconds of `backward`, qiskit-machine-learning's and ours, on one batch."""

import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from qiskit.circuit.library import real_amplitudes, zz_feature_map

from jaxqnn import EstimatorQNN, SamplerQNN
from jaxqnn.cli.output import print_table, say, seconds
from jaxqnn.verify.report import largest
from jaxqnn.verify.verification import qml_twin

Network = Literal["EstimatorQNN", "SamplerQNN"]

NETWORKS: dict[Network, Any] = {"EstimatorQNN": EstimatorQNN, "SamplerQNN": SamplerQNN}

TOLERANCE = 1e-8
"""QML's exact sampler goes through integer counts, which costs it about 1e-11."""


@dataclass(frozen=True)
class Timing:
    """One problem, both libraries; its values compared first.

    Attributes:
        first_seconds: A new circuit's network and its first call, in a process that has run others.
        steady_seconds: The median of later calls.
    """

    network: Network
    qubits: int
    batch: int
    num_parameters: int
    qml_seconds: float
    first_seconds: float
    steady_seconds: float
    max_error: float

    @property
    def ratio(self) -> float:
        """How many of our steady calls fit in one of QML's."""
        return self.qml_seconds / self.steady_seconds

    @property
    def passed(self) -> bool:
        """Whether both libraries computed the same numbers."""
        return self.max_error <= TOLERANCE


def problem(network: Network, qubits: int) -> EstimatorQNN | SamplerQNN:
    """The benchmark's network: ZZ feature map, real amplitudes, gradients by all parameters."""
    feature_map, ansatz = zz_feature_map(qubits, reps=2), real_amplitudes(qubits, reps=3)
    qnn: EstimatorQNN | SamplerQNN = NETWORKS[network](
        circuit=feature_map.compose(ansatz),
        input_params=feature_map.parameters,
        weight_params=ansatz.parameters,
        input_gradients=True,
    )
    return qnn


def start() -> float:
    """Seconds of a process's first call, which loads the machine code; call it before others."""
    ansatz = real_amplitudes(1, reps=1)
    qnn = EstimatorQNN(circuit=ansatz, weight_params=ansatz.parameters)
    return _timed(qnn, None, np.zeros(qnn.num_weights))[0]


def time_backward(network: Network, qubits: int, batch: int, repeats: int, seed: int) -> Timing:
    """Compare, then time, one batch; QML's run once, ours `repeats` times (the median counts)."""
    begun = time.perf_counter()
    qnn = problem(network, qubits)
    building = time.perf_counter() - begun
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(-1.0, 1.0, (batch, qnn.num_inputs))
    weights = rng.uniform(-np.pi, np.pi, qnn.num_weights)

    first_call, ours = _timed(qnn, inputs, weights)
    qml, theirs = _timed(qml_twin(qnn), inputs, weights)
    difference = largest(abs(mine - other) for mine, other in zip(ours, theirs, strict=True))
    steady = [_timed(qnn, inputs, weights)[0] for _ in range(repeats)]
    return Timing(
        network,
        qubits,
        batch,
        num_parameters=qnn.num_inputs + qnn.num_weights,
        qml_seconds=qml,
        first_seconds=building + first_call,
        steady_seconds=statistics.median(steady),
        max_error=difference,
    )


def print_timings(timings: list[Timing]) -> None:
    """The table of `demo` and of `bench`, and what its columns are."""
    first = timings[0]
    print_table(
        f"Seconds of backward, batch {first.batch}, gradients by inputs and weights",
        ("network", "qubits", "params", "QML", "first", "steady", "ratio", "distance"),
        [
            (
                timing.network,
                timing.qubits,
                timing.num_parameters,
                seconds(timing.qml_seconds),
                seconds(timing.first_seconds),
                seconds(timing.steady_seconds),
                f"{timing.ratio:,.0f}x" if timing.passed else "-",
                f"{timing.max_error:.0e}" if timing.passed else "WRONG",
            )
            for timing in timings
        ],
    )
    say(
        "QML: one call. first: a new circuit, its network and first call, in a process that has "
        "run others. steady: the median of later calls."
    )


def timing_json(timing: Timing) -> dict[str, Any]:
    """A timing with what is derived from it."""
    return asdict(timing) | {"ratio": timing.ratio, "passed": timing.passed}


def _timed(qnn: Any, inputs: Any, weights: Any) -> tuple[float, Any]:
    """Seconds of one `backward`, and what it returned (NumPy arrays, so it has ended)."""
    start = time.perf_counter()
    gradients = qnn.backward(inputs, weights)
    return time.perf_counter() - start, gradients
