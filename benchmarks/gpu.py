"""jaxqnn on the CPU against jaxqnn on a GPU: `python -m benchmarks.gpu --help`.

Every GPU value is compared with the CPU's of the same precision, so of the same rounded arguments,
before its time is taken; errors are relative to the largest of the derivatives compared. Without a
GPU nothing is measured and the exit status is 2.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import typer
from rich.console import Console

from jaxqnn.verify.report import largest

from . import tables
from .peers import Gradient
from .peers.ours import network
from .peers.ours_vjp import loss_gradient
from .problems import Problem
from .results import machine

console = Console(width=None if sys.stdout.isatty() else 160)

PROBLEMS = [
    *(Problem("z_product", 4, batch) for batch in (64, 16384)),
    *(Problem("z_product", 8, batch) for batch in (1, 64, 1024, 4096, 16384)),
    *(Problem("z_product", 12, batch) for batch in (1, 64, 1024)),
    *(Problem("z_product", n, 1) for n in (16, 20, 22, 24)),
    Problem("z_product", 16, 16),
    Problem("z_each", 8, 1024),
    Problem("parity", 8, 4096),
    Problem("probabilities", 6, 256),
    *(Problem("training", n, batch) for n, batch in ((8, 4096), (12, 1024), (20, 1))),
]
# Of the largest derivative.
TOLERANCE = {"double": 1e-10, "single": 1e-5}


class Run(NamedTuple):
    """One network on one device."""

    device: str
    precision: str
    first_s: float
    steady_s: float
    error: float | None


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Within it this thread, and those that it starts, run on so many of the CPU's cores."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(every)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def main(
    keys: Annotated[
        list[str] | None, typer.Argument(help="Problems, such as z_product/zz_real/12q/b16.")
    ] = None,
    max_qubits: Annotated[int, typer.Option(help="Leave out larger problems.")] = 26,
    cpu_cores: Annotated[int, typer.Option(help="Cores that the CPU's times are of.")] = 2,
    max_cpu_qubits: Annotated[
        int, typer.Option(help="Larger problems run on the GPU alone, their values unchecked.")
    ] = 24,
    measure: Annotated[float, typer.Option(help="Seconds of steady calls a point.")] = 2.0,
    output: Annotated[Path, typer.Option(help="Folder for gpu.json and gpu.md.")] = Path(
        "benchmarks/results"
    ),
) -> None:
    """Check the GPU's gradients against the CPU's, then time both."""
    gpu = find_gpu()
    if gpu is None:
        console.print(
            f"No GPU: JAX {jax.__version__} sees only {jax.default_backend()}. Nothing was "
            'measured. With an NVIDIA GPU: pip install -U "jax[cuda13]" (or cuda12).',
            style="red",
            markup=False,
        )
        raise typer.Exit(2)
    output.mkdir(parents=True, exist_ok=True)
    problems = [Problem.from_key(key) for key in keys] if keys else PROBLEMS
    problems = [problem for problem in problems if problem.qubits <= max_qubits]
    console.print(f"GPU: {gpu.device_kind}")
    cells: list[list[str]] = []
    records: list[dict[str, Any]] = []
    wrong: list[str] = []
    for problem in problems:
        runs = compare(problem, gpu, measure, cpu_cores if problem.qubits <= max_cpu_qubits else 0)
        records.append({"key": problem.key, "runs": [run._asdict() for run in runs]})
        cells.append(row(problem, runs))
        console.print("  ".join(cells[-1]))
        wrong += [
            f"{problem.title}, {run.precision}: differs from the CPU by {run.error:.1e}"
            for run in runs
            if run.error is not None and not run.error <= TOLERANCE[run.precision]
        ]
    columns = ["workload", "CPU", "GPU, first", "GPU", "CPU/GPU", "GPU, single: first"]
    columns += ["GPU, single", "error", "error, single"]
    about = {**machine(), "gpu": str(gpu.device_kind), "jax": jax.__version__}
    title = f"{about['gpu']}, and {cpu_cores} cores of {about['cpu']} in double precision"
    rows = tables.Rows(title, columns, cells, wrong)
    console.print(tables.to_rich(rows))
    document = {"machine": about, "problems": records}
    (output / "gpu.json").write_text(json.dumps(document, indent=1) + "\n")
    (output / "gpu.md").write_text(tables.to_markdown(rows))
    if wrong:
        raise typer.Exit(1)


def find_gpu() -> jax.Device | None:
    """Return JAX's first GPU, or None."""
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        return None


def compare(problem: Problem, gpu: jax.Device, measure_s: float, cpu_cores: int) -> list[Run]:
    """Return the runs on the CPU, if it has any cores, and on the GPU in both precisions.

    A run whose values are wrong is not timed: its times are NaN.
    """
    runs: list[Run] = []
    cpu = jax.devices("cpu")[0]
    for precision in TOLERANCE:
        error = None
        gradient = gradient_on(problem, gpu, precision)
        first, values = first_call(gradient, problem)
        if cpu_cores:
            with on_cores(cpu_cores):
                on_cpu = gradient_on(problem, cpu, precision)
                first_cpu, expected = first_call(on_cpu, problem)
                if precision == "double":
                    steady = measure(on_cpu, problem, measure_s)
                    runs.append(Run("cpu", precision, first_cpu, steady, None))
            pairs = zip(values, expected, strict=True)
            error = largest(abs(mine - its) / abs(its).max() for mine, its in pairs)
        is_right = error is None or error <= TOLERANCE[precision]
        steady = measure(gradient, problem, measure_s) if is_right else float("nan")
        runs.append(Run("gpu", precision, first, steady, error))
    return runs


def first_call(gradient: Gradient, problem: Problem) -> tuple[float, list[np.ndarray]]:
    """Return the seconds of a first call, and its values."""
    started = time.perf_counter()
    result = gradient(problem.inputs, problem.weights)
    values = [np.asarray(part) for part in result if part is not None]
    return time.perf_counter() - started, values


def gradient_on(problem: Problem, device: jax.Device, precision: str) -> Gradient:
    """Return jaxqnn's gradient on one device."""
    qnn = network(problem, precision=precision, device=device)
    return loss_gradient(problem, qnn) if problem.kind == "training" else qnn.backward


def measure(gradient: Gradient, problem: Problem, seconds: float) -> float:
    """Return the median of calls over `seconds`, three at least unless one takes longer.

    The networks return NumPy arrays, so each call ends when the device has finished and the
    result is on the host.
    """
    inputs, weights = problem.inputs, problem.weights
    times: list[float] = []
    while sum(times) < seconds or (len(times) < 3 and sum(times) < 10 * seconds):
        started = time.perf_counter()
        gradient(inputs, weights)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def row(problem: Problem, runs: list[Run]) -> list[str]:
    """Return the table's cells of one problem."""
    found = {(run.device, run.precision): run for run in runs}
    cpu, double, single = (
        found.get(key) for key in (("cpu", "double"), ("gpu", "double"), ("gpu", "single"))
    )
    assert double is not None
    assert single is not None
    errors = ["unchecked" if run.error is None else f"{run.error:.0e}" for run in (double, single)]
    return [
        problem.title,
        tables.seconds(cpu.steady_s) if cpu else "-",
        tables.seconds(double.first_s),
        tables.seconds(double.steady_s),
        tables.ratio(cpu.steady_s / double.steady_s) if cpu else "-",
        tables.seconds(single.first_s),
        tables.seconds(single.steady_s),
        *errors,
    ]


if __name__ == "__main__":
    typer.run(main)
