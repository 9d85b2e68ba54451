"""Where the time of a gradient goes, part by part: `python -m benchmarks.profile`.

Each of the points that the project's aim is stated in, on one thread and one piece of the batch,
beside what a plain copy of the states takes on the same machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console

from jaxqnn.batches import LANES
from jaxqnn.native import sweeps
from jaxqnn.native.data import ROW
from jaxqnn.native.kernels import Kernels, angle_cotangents

from .peers.ours import network
from .problems import TARGETS, Problem
from .results import machine
from .tables import Rows, to_markdown

# Seconds for each part.
_MEASURE = 1.0


def main() -> None:
    """Print the table in Markdown."""
    rows = Rows(
        "One thread, microseconds; in brackets, how many copies of the states take as long",
        ["workload", "samples", "layers", "copy", "angles", "forward", "bras", "reverse", "chain"],
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
    kernels = Kernels(model)
    size = evaluator.plan(problem.batch).pieces[0].size
    x, w = problem.inputs[:size], problem.weights
    lowered = kernels._lowered_for(x)
    values = lowered.values(x, w)
    outputs = min(model.num_outputs, x.shape[1] + w.size)
    states = np.zeros((lowered.groups(size), 1 + outputs, ROW << lowered.steps.row_bits))
    by_row = states.reshape(*states.shape[:2], -1, 2, LANES)
    other = np.zeros_like(states[:, 0])
    of_angles = angle_cotangents(lowered, values, states)

    unit = seconds(lambda: np.copyto(other, states[:, 0]))
    yield problem.title
    yield str(size)
    yield str(lowered.steps.moves.size)
    yield f"{1e6 * unit:.1f}"
    yield shown(seconds(lambda: lowered.values(x, w)), unit)
    if outputs < model.num_outputs:
        unit_directions = np.eye(outputs)
        at = x.shape[1]
        slopes = lowered.slopes(x, w, unit_directions[:, :at], unit_directions[:, at:])
        yield shown(seconds(lambda: sweeps.push(lowered.steps, values, slopes, states)), unit)
        yield shown(seconds(lambda: kernels._outcomes.tangents(by_row, size)), unit)
        yield from ("-", "-")
        return
    yield shown(seconds(lambda: sweeps.evolve(lowered.steps, values, states)), unit)
    yield shown(seconds(lambda: kernels._outcomes.write_bras(by_row)), unit)
    yield shown(seconds(lambda: angle_cotangents(lowered, values, states)), unit)
    yield shown(seconds(lambda: lowered.pull(x, w, *of_angles)), unit)


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
