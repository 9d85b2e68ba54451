"""What single precision gains on this machine, and what it loses: a table in Markdown.

    python -m benchmarks.precision [--output FOLDER]

Networks' `backward` by inputs and weights in both precisions, each size and precision in a process
of its own: the least time, by how much the process grew, and the largest difference of a value and
of a derivative from double precision.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np

import jaxqnn

from .gate import least
from .problems import Problem
from .results import machine

SIZES = ((12, 16), (14, 1), (16, 1), (18, 1), (20, 1))
Precision = Literal["double", "single"]


def measured(qubits: int, batch: int, precision: Precision) -> dict[str, Any]:
    """Seconds, bytes, and the results themselves."""
    problem = Problem("z_product", qubits, batch)
    circuit, input_params, weight_params = problem.parameterized
    network = jaxqnn.EstimatorQNN(
        circuit=circuit,
        input_params=input_params,
        weight_params=weight_params,
        input_gradients=True,
        precision=precision,
    )
    x, w = problem.inputs, problem.weights
    small = Problem("z_product", qubits, 1)
    network.forward(small.inputs, w)  # loads machine code, whatever it takes
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = least(lambda: network.backward(x, w), 4.0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    value, gradients = network.forward(x, w), network.backward(x, w)
    return {
        "seconds": seconds,
        "bytes": 1024 * grown,
        "value": value.reshape(-1).tolist(),
        "gradient": np.concatenate([part.reshape(-1) for part in gradients]).tolist(),
    }


def table() -> str:
    """The table of all sizes."""
    lines = [
        "| size | double | single | ratio | value off by | a derivative | grown, double | single |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for qubits, batch in SIZES:
        double, single = (_apart(qubits, batch, precision) for precision in ("double", "single"))
        value, gradient = (
            np.max(np.abs(np.subtract(single[key], double[key]))) for key in ("value", "gradient")
        )
        ratio = double["seconds"] / single["seconds"]
        times = " | ".join(f"{1e3 * one['seconds']:.3g} ms" for one in (double, single))
        grown = " | ".join(f"{one['bytes'] / 2**20:.0f} MiB" for one in (double, single))
        size = f"{qubits} qubits, batch {batch}"
        lines.append(f"| {size} | {times} | {ratio:.2f} | {value:.0e} | {gradient:.0e} | {grown} |")
    return "\n".join(lines)


def _apart(qubits: int, batch: int, precision: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.precision", "--one"]
    command += [str(qubits), str(batch), precision]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Prints the table and writes it to `precision.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        qubits, batch, precision = options.one
        print(json.dumps(measured(int(qubits), int(batch), precision)))
        return
    about = "\n".join(f"{name}: {value}  " for name, value in machine().items())
    text = f"# Single precision beside double\n\n{about}\n\n{table()}\n"
    (options.output / "precision.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
