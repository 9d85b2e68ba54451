"""Run the benchmarks: `python -m benchmarks.run --help`."""

from __future__ import annotations

import fnmatch
import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from . import plots, tables
from .peers import PEERS, missing, versions
from .problems import PROBLEMS, TARGETS, Problem
from .race import Rules, race
from .results import Result, from_json, machine, to_json

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
# Tables are wide: a pipe, unlike a terminal, need not fold them.
console = Console(width=None if sys.stdout.isatty() else 160)


@app.command()
def main(
    pattern: Annotated[
        list[str] | None,
        typer.Argument(help="Problems: exact keys, or patterns such as 'z_product/*/8q/*'."),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Run exactly the points of the project's aim.")
    ] = False,
    peers: Annotated[str, typer.Option(help="Comma-separated peers; see --list.")] = ",".join(
        PEERS
    ),
    max_qubits: Annotated[int, typer.Option(help="Leave out larger problems.")] = 24,
    limit: Annotated[
        float, typer.Option(help="Seconds a peer has for its first gradient.")
    ] = 120.0,
    measure: Annotated[
        float, typer.Option(help="Seconds of steady calls for each peer and problem.")
    ] = 5.0,
    rounds: Annotated[int, typer.Option(help="Turns that those calls are spread over.")] = 5,
    second: Annotated[
        bool, typer.Option("--second", help="Also time a second circuit of the same size.")
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="First calls of a new installation: Numba's cache is empty."),
    ] = False,
    output: Annotated[
        Path, typer.Option(help="Folder for results.json, results.md and results.png.")
    ] = Path("benchmarks/results"),
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Only print and draw an earlier results.json.")
    ] = False,
    list_only: Annotated[
        bool, typer.Option("--list", help="List problems and peers, and stop.")
    ] = False,
) -> None:
    """Check every peer's values against the others', then time them in turns."""
    chosen = [target.problem for target in TARGETS] if table else select(pattern or ["*"])
    chosen = [problem for problem in chosen if problem.qubits <= max_qubits]
    if list_only:
        _print_list(chosen)
        return
    output.mkdir(parents=True, exist_ok=True)
    if redraw:
        _publish(*from_json(output / "results.json"), output)
        return
    names = [name.strip() for name in peers.split(",") if name.strip()]
    unknown = [name for name in names if name not in PEERS]
    if unknown or not names:
        raise typer.BadParameter(f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if not chosen:
        raise typer.BadParameter(f"no problem matches {pattern}; see --list")
    for name in names:
        install = missing(name)
        if install is not None:
            console.print(f"{PEERS[name].title} is left out; to have it: {install}", style="yellow")

    # A run that is told to end must take its workers along, and `race` does so on any exception.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    rules = Rules(limit_s=limit, measure_s=measure, rounds=rounds, second=second, fresh=fresh)
    about = machine()
    results: list[Result] = []
    for number, problem in enumerate(chosen, 1):
        with console.status("") as status:
            say = partial(_say, status, f"{number}/{len(chosen)} {problem.title}")
            laps = race(problem, names, rules, say, hopeless=partial(hopeless, results=results))
        results.append(Result(problem, laps))
        console.print(tables.to_rich(tables.of_problem(results[-1])))
        # Written after every problem: a long run that is interrupted keeps what it has.
        document = to_json(results, rules, about)
        (output / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    _publish(results, about, output)


def _say(status: Status, place: str, line: str) -> None:
    status.update(f"{place}: {line}")


def select(patterns: list[str]) -> list[Problem]:
    """Return the problems that the patterns name; an exact key need not be in the list."""
    chosen: list[Problem] = []
    for pattern in patterns:
        found = [problem for problem in PROBLEMS if fnmatch.fnmatch(problem.key, pattern)]
        if not found and not any(letter in pattern for letter in "*?["):
            try:
                found = [Problem.from_key(pattern)]
            except ValueError as error:
                raise typer.BadParameter(str(error)) from error
        chosen += [problem for problem in found if problem not in chosen]
    return chosen


def hopeless(peer: str, problem: Problem, results: list[Result]) -> str | None:
    """Return a reason not to try: the peer was over the limit on a smaller problem already."""
    for result in results:
        smaller = result.problem
        if smaller.qubits <= problem.qubits and smaller.cost <= problem.cost:
            for lap in result.laps:
                if lap.peer == peer and lap.status == "over limit":
                    return f"not tried, as it was over the limit on {smaller.key}"
    return None


def _print_list(problems: list[Problem]) -> None:
    for problem in problems:
        console.print(f"{problem.key:40s} {problem.title}")
    for name, peer in PEERS.items():
        found = " ".join(f"{package} {version}" for package, version in versions(name).items())
        console.print(f"{name:40s} {peer.title}: {missing(name) or found}")


def _publish(results: list[Result], about: dict[str, str | int], output: Path) -> None:
    """Print the summary; write the Markdown and the plots."""
    closing = [tables.summary(results)]
    if any(result.target for result in results):
        closing.append(tables.of_targets(results))
    for rows in closing:
        console.print(tables.to_rich(rows))
    installed: dict[str, str] = {}
    for result in results:
        for lap in result.laps:
            installed |= lap.versions
    lines = [f"{name}: {value}  " for name, value in {**about, **installed}.items()]
    every = [*closing, *(tables.of_problem(result) for result in results)]
    markdown = "\n".join(["# Benchmark results", "", *lines, "", *map(tables.to_markdown, every)])
    (output / "results.md").write_text(markdown)
    plots.draw(results, output / "results.png")
    console.print(f"Written: {output}/results.json, results.md, results.png")


if __name__ == "__main__":
    app()
