"""Run by ``test_scale`` in a process of its own: the memory of one backward pass, as JSON.

Arguments: qubits, repetitions of the ansatz, samples (0: weights alone, no feature map), and
whether the compiler has been at work before (0 or 1), so that what grows is data.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map

import jaxqnn


def most_bytes() -> int:
    # Linux keeps the parent's ru_maxrss across exec; VmHWM is the process's own.
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024
    # Linux counts kibibytes, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def main(qubits: int, reps: int, samples: int, warm: int) -> None:
    if warm:
        small = real_amplitudes(2)
        network = jaxqnn.EstimatorQNN(circuit=small, weight_params=small.parameters)
        network.backward(None, np.zeros(network.num_weights))
    ansatz = real_amplitudes(qubits, reps=reps)
    circuit, inputs = ansatz, None
    if samples:
        features = zz_feature_map(qubits, reps=1)
        circuit = QuantumCircuit(qubits)
        circuit.compose(features, inplace=True)
        circuit.compose(ansatz, inplace=True)
        inputs = features.parameters
    qnn = jaxqnn.EstimatorQNN(circuit=circuit, input_params=inputs, weight_params=ansatz.parameters)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(samples, qubits)) if samples else None
    if warm:
        Path("/proc/self/clear_refs").write_text("5")  # Linux forgets the highest mark so far
    before = most_bytes()
    predicted = qnn.resources(max(samples, 1))
    begun = time.monotonic()
    gradient = qnn.backward(data, rng.normal(size=qnn.num_weights))[1]
    assert gradient is not None
    assert np.isfinite(gradient).all()
    print(
        json.dumps(
            {
                "weights": qnn.num_weights,
                "state": predicted.state_bytes,
                "predicted": predicted.peak_bytes,
                "before": before,
                "grown": most_bytes() - before,
                "seconds": time.monotonic() - begun,
            }
        )
    )


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:5]))
