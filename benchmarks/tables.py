"""Results as tables: one description of rows, printed by rich or written as Markdown."""

from __future__ import annotations

import math
from typing import NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from .peers import PEERS
from .race import Lap
from .results import Result


class Rows(NamedTuple):
    """A table before it is drawn; `notes` stand below it."""

    title: str
    columns: list[str]
    cells: list[list[str]]
    notes: list[str]


def seconds(value: float | None) -> str:
    """Return a time with three significant digits and a fitting unit."""
    if value is None or math.isnan(value):
        return "-"
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value < 1000 * scale else f"{value:.0f} s"
    return f"{value * 1e6:.2g} µs"


def megabytes(value: int | None) -> str:
    """Return bytes in MB."""
    return "-" if value is None else f"{value / 1e6:.0f} MB"


def ratio(value: float | None) -> str:
    """Return a ratio with two significant digits or more."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def of_problem(result: Result) -> Rows:
    """Return all that was measured on one problem, fastest first."""
    columns = ["peer", "compile", "first call", "steady", "ratio", "memory", "peak", "error"]
    second = any(lap.second_s is not None for lap in result.laps)
    columns += ["second circuit"] * second
    cells = []
    for lap in sorted(result.timed, key=lambda lap: lap.steady_s or 0.0):
        row = [
            PEERS[lap.peer].title,
            seconds(lap.compile_s),
            seconds(lap.first_s),
            seconds(lap.steady_s),
            ratio(result.ratio_of(lap)),
            megabytes(lap.grown_bytes),
            megabytes(lap.peak_bytes),
            "unchecked" if lap.max_error is None else f"{lap.max_error:.0e}",
        ]
        cells.append(row + [seconds(lap.second_s)] * second)
    notes = [
        f"{PEERS[lap.peer].title}: {lap.status}: {lap.reason}"
        for lap in result.laps
        if lap.status != "timed"
    ]
    return Rows(result.problem.title, columns, cells, notes)


def of_targets(results: list[Result]) -> Rows:
    """Return the table of the aim: best peer's steady time over ours, against least and aim."""
    cells = []
    for result in results:
        target, ours, best = result.target, result.ours, result.best_peer
        if target is None:
            continue
        value = result.ratio
        reached = "-" if value is None else "no" if value < target.least else "least"
        if value is not None and value >= target.aim:
            reached = "aim"
        cells.append(
            [
                result.problem.title,
                seconds(ours.steady_s if ours else None),
                PEERS[ours.peer].title if ours else "-",
                seconds(best.steady_s if best else None),
                PEERS[best.peer].title if best else "-",
                ratio(value),
                f"{target.least:g}",
                f"{target.aim:g}",
                reached,
            ]
        )
    columns = ["workload", "ours", "by", "best peer", "which", "ratio", "least", "aim", "reached"]
    return Rows("Steady time of the best peer over ours, float64", columns, cells, [])


def summary(results: list[Result]) -> Rows:
    """Return one line a problem, with every peer's steady time."""
    peers = list(dict.fromkeys(lap.peer for result in results for lap in result.laps))
    cells = []
    for result in results:
        laps = {lap.peer: lap for lap in result.laps}
        times = [_steady_or_status(laps.get(peer)) for peer in peers]
        cells.append([result.problem.title, *times, ratio(result.ratio)])
    return Rows("Steady times", ["workload", *peers, "ratio"], cells, [])


def _steady_or_status(lap: Lap | None) -> str:
    if lap is None:
        return "-"
    return seconds(lap.steady_s) if lap.status == "timed" else lap.status


def to_rich(rows: Rows) -> Group:
    """Return the table for a terminal."""
    table = Table(title=rows.title, title_justify="left")
    for index, column in enumerate(rows.columns):
        is_text = index == 0 or column in ("which", "by", "reached")
        table.add_column(column, justify="left" if is_text else "right", overflow="fold")
    for cells in rows.cells:
        table.add_row(*cells)
    return Group(table, *(Text(note, style="dim") for note in rows.notes))


def to_markdown(rows: Rows) -> str:
    """Return the table as Markdown under its title."""
    lines = [f"### {rows.title}", "", "| " + " | ".join(rows.columns) + " |"]
    lines.append("|" + "---|" * len(rows.columns))
    for cells in rows.cells:
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", *(f"- {note}" for note in rows.notes)]
    return "\n".join(lines) + "\n"
