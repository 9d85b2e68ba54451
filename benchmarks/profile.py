"""How far sweeps are from copies of their states: `python -m benchmarks.profile`.

Each of the points that the project's aim is stated in, on one piece of the batch, beside what a
plain copy of its states takes on the same machine. A piece is swept by one thread; one large state
is shared out among all cores, and the copy beside it is NumPy's, on one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console

from jaxqnn.backends.compiled import CompiledBackend
from jaxqnn.sweep.cpu.job import PULL
from jaxqnn.sweep.cpu.request import Sizes

from .peers.ours import network
from .problems import TARGETS, Problem
from .results import machine
from .tables import Rows, to_markdown

_PARTS = ("copy", "states", "outputs", "Jacobian", "outputs and vjp")

# Seconds for each part.
_MEASURE = 1.0


def main() -> None:
    """Print the table in Markdown."""
    rows = Rows(
        "One piece of the batch, microseconds; in brackets, how many copies of its states that is",
        ["workload", "samples", "threads", "layers", *_PARTS],
        [list(row(target.problem)) for target in TARGETS if target.problem.kind != "training"],
        [],
    )
    about = [f"{name}: {value}  " for name, value in machine().items()]
    Console(width=200).print("\n".join([*about, "", to_markdown(rows)]), markup=False)


def row(problem: Problem) -> Iterator[str]:
    """One line of the table."""
    qnn = network(problem)
    evaluator = qnn._evaluator
    model = evaluator.model
    backend = CompiledBackend(model, "double")
    size = evaluator.plan(problem.batch).pieces[0].size
    columns = problem.inputs[:size], problem.weights
    state = backend._evolved(*columns)
    other = np.zeros_like(state)
    cotangent = np.ones((size, model.measurement.num_outputs))

    unit = seconds(lambda: np.copyto(other, state))
    yield problem.title
    yield str(size)
    job = Sizes(1, size, directions=model.measurement.num_outputs)
    yield str(backend._threads(PULL, job))
    yield str(len(model.program.layers))
    yield f"{1e6 * unit:.1f}"
    yield shown(seconds(lambda: backend._evolved(*columns)), unit)
    yield shown(seconds(lambda: backend.value(*columns)), unit)
    yield shown(
        seconds(lambda: backend.jacobian(*columns, wrt_inputs=problem.input_gradients)), unit
    )
    yield shown(seconds(lambda: backend.linearized(*columns)[1](cotangent)), unit)


def seconds(call: Callable[[], object]) -> float:
    """The median time of a call."""
    call()
    times: list[float] = []
    deadline = time.perf_counter() + _MEASURE
    while not times or time.perf_counter() < deadline:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def shown(duration: float, unit: float) -> str:
    """Microseconds, and how many copies that is."""
    return f"{1e6 * duration:.0f} ({duration / unit:.1f})"


if __name__ == "__main__":
    main()
