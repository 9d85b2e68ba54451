"""Results as pictures: time against qubits, time against batch, and ratios."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .peers import PEERS
from .results import Result

mpl.use("Agg")

MARKERS = "osD^vP*Xh"


def draw(results: list[Result], path: Path) -> None:
    """Write one figure with every picture that the results have the points for."""
    panels = _curves(results)
    rated = [result for result in results if result.ratio is not None]
    columns = 2
    cells = len(panels) + bool(rated)
    if not cells:
        return
    rows = -(-cells // columns)
    figure = Figure(figsize=(6.5 * columns, 4.5 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (title, label, curves) in zip(axes, panels, strict=False):
        _draw_curves(axis, title, label, curves)
    if rated:
        _draw_ratios(axes[len(panels)], rated)
    for axis in axes[cells:]:
        axis.set_axis_off()
    figure.savefig(path, dpi=120)


Curves = dict[str, list[tuple[int, float]]]


def _curves(results: list[Result]) -> list[tuple[str, str, Curves]]:
    """Return (title, x label, curves) of every line of problems with two or more points."""
    found: dict[tuple[str, str], Curves] = defaultdict(lambda: defaultdict(list))
    for result in results:
        problem = result.problem
        name = f"{problem.kind}, {problem.family}"
        for lap in result.timed:
            if lap.steady_s is None:
                continue
            by_size = (f"{name}, batch {problem.batch}", "qubits")
            found[by_size][lap.peer].append((problem.qubits, lap.steady_s))
            by_batch = (f"{name}, {problem.qubits} qubits", "batch")
            found[by_batch][lap.peer].append((problem.batch, lap.steady_s))
    return [
        (title, label, curves)
        for (title, label), curves in found.items()
        if any(len({x for x, _ in points}) > 1 for points in curves.values())
    ]


def _draw_curves(axis: Axes, title: str, label: str, curves: Curves) -> None:
    for index, peer in enumerate(PEERS):
        if peer in curves:
            xs, ys = zip(*sorted(curves[peer]), strict=True)
            width = 2.5 if PEERS[peer].ours else 1.2
            marker = MARKERS[index % len(MARKERS)]
            axis.plot(xs, ys, marker=marker, linewidth=width, label=PEERS[peer].title)
    axis.set(title=title, xlabel=label, ylabel="steady seconds a call", yscale="log")
    if label == "batch":
        axis.set_xscale("log", base=2)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)


def _draw_ratios(axis: Axes, results: list[Result]) -> None:
    titles = [result.problem.title for result in results]
    axis.barh(titles, [result.ratio or 0.0 for result in results], color="tab:blue")
    for row, result in enumerate(results):
        if result.target is not None:
            axis.plot([result.target.least] * 2, [row - 0.4, row + 0.4], color="tab:red")
            axis.plot([result.target.aim] * 2, [row - 0.4, row + 0.4], color="tab:green")
    axis.invert_yaxis()
    axis.tick_params(axis="y", labelsize=7)
    axis.set(title="best peer's steady time over ours (red: least, green: aim)", xlabel="ratio")
