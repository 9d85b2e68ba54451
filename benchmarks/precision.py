"""What single precision costs and gains: `python -m benchmarks.precision`.

`EstimatorQNN` with `precision="single"` beside `"double"`, forward and backward by inputs and
weights. Each has a process of its own, so that the peak memory is its own, and the largest
difference of their values and of their gradients is what the shorter numbers lose.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from jaxqnn.verify.report import largest

from .memory import peak_rss, rss
from .peers.ours import network
from .problems import Problem
from .profile import seconds
from .race import ROOT, worker_environment
from .results import machine
from .tables import Rows, megabytes, ratio, to_markdown
from .tables import seconds as shown

RESULTS = Path(__file__).parent / "results" / "precision.md"
PRECISIONS = ("double", "single")
PROBLEMS = [
    Problem("z_product", 12, 1),
    Problem("z_product", 12, 16),
    *(Problem("z_product", n, 1) for n in (16, 18, 20)),
]
COLUMNS = ["workload", "float64", "float32", "ratio", "memory, float64", "memory, float32"]
COLUMNS += ["peak, float64", "peak, float32", "values differ by", "gradients differ by"]


class Run(NamedTuple):
    """One network in one precision: seconds of its gradient, bytes of its process, its arrays."""

    steady_s: float
    grown: int
    peak: int
    arrays: list[np.ndarray]


def main() -> None:
    """Print and keep the table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, help="problem, precision, file for values: no table")
    one = parser.parse_args().one
    if one is not None:
        key, precision, path = one
        run = measured(Problem.from_key(key), precision)
        np.savez(path, *run.arrays)
        print(json.dumps([run.steady_s, run.grown, run.peak]))
        return
    lines = [f"{name}: {value}  " for name, value in machine().items()]
    cells = [row(problem) for problem in PROBLEMS]
    title = "Single precision beside double"
    text = "\n".join([*lines, "", to_markdown(Rows(title, COLUMNS, cells, []))])
    Console(width=200).print(text, markup=False)
    RESULTS.write_text(text)


def measured(problem: Problem, precision: str) -> Run:
    """Run one network in this process."""
    before = rss()
    qnn = network(problem, precision=precision)
    gradients = qnn.backward(problem.inputs, problem.weights)
    values = qnn.forward(problem.inputs, problem.weights)
    steady = seconds(partial(qnn.backward, problem.inputs, problem.weights))
    return Run(steady, peak_rss() - before, peak_rss(), [np.asarray(values), *gradients])


def apart(problem: Problem, precision: str) -> Run:
    """Run one network in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        command = [sys.executable, "-m", "benchmarks.precision", "--one", problem.key]
        done = subprocess.run(
            [*command, precision, path],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=worker_environment(),
        )
        with np.load(path) as parts:
            arrays = [parts[name] for name in sorted(parts.files)]
    steady, grown, peak = json.loads(done.stdout.splitlines()[-1])
    return Run(steady, grown, peak, arrays)


def row(problem: Problem) -> list[str]:
    """One line of the table."""
    double, single = (apart(problem, precision) for precision in PRECISIONS)
    drifts = [abs(one - two) for one, two in zip(double.arrays, single.arrays, strict=True)]
    return [
        problem.title,
        shown(double.steady_s),
        shown(single.steady_s),
        ratio(double.steady_s / single.steady_s),
        *(megabytes(run.grown) for run in (double, single)),
        *(megabytes(run.peak) for run in (double, single)),
        f"{largest(drifts[:1]):.0e}",
        f"{largest(drifts[1:]):.0e}",
    ]


if __name__ == "__main__":
    main()
