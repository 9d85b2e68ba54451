"""What the commands print: results on stdout, progress and errors on stderr."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from jaxqnn.sweep.compiling import told_to

OK, FAILED, REFUSED = 0, 1, 2
"""Exit codes: all is well, a check failed, the request cannot be carried out."""

_PIPED_WIDTH = 110
_PADDINGS = {3: (0, 1, 0, 1), 2: (0, 0, 0, 1)}
"""By the columns between two cells of a table, of which the box's own line is one."""
_LONGEST_NAME = 32
_SHORTEST_NAME = 12
_NARROW, _WIDE = 70, 100
"""Columns of a terminal that has room for a bar beside the words, and for a long one."""

Advance = Callable[..., None]


def width() -> int:
    """Columns of the terminal, or what the variable COLUMNS says; a fixed number when piped."""
    return shutil.get_terminal_size((_PIPED_WIDTH, 24)).columns if _has_width() else _PIPED_WIDTH


def _has_width() -> bool:
    return sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()


def stdout() -> Console:
    """The console for results, for which text is text: no markup, no emoji codes."""
    return Console(width=width(), highlight=False, markup=False, emoji=False)


def say(text: str, *, bold: bool = False) -> None:
    """A sentence on stdout, wrapped at words."""
    stdout().print(Text(text, style="bold" if bold else ""))


def complain(text: str) -> None:
    """One line on stderr."""
    print(f"jaxqnn: {printable(' '.join(text.split()))}", file=sys.stderr)


def printable(text: str) -> str:
    """A name from a file, with its control characters (escape codes, newlines) written out.

    Example:
        >>> printable("red" + chr(27) + "[31m").startswith("red" + chr(92) + "x1b")
        True
    """
    return "".join(letter if letter.isprintable() else _written_out(letter) for letter in text)


def _written_out(letter: str) -> str:
    return repr(letter)[1:-1]


def shortened(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name whose middle is left out where it is long.

    Example:
        >>> shortened("a_circuit_of_many_words", 11)
        'a_ci...ords'
    """
    if len(name) <= longest:
        return name
    kept = longest - 3
    return f"{name[: kept - kept // 2]}...{name[len(name) - kept // 2 :]}"


def print_json(data: Mapping[str, Any]) -> None:
    """One JSON object on stdout, and nothing else."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table whose first column is text and whose others are numbers.

    Where the terminal is too narrow, names are shortened in the middle; where that is not enough,
    each row is printed as a list.
    """
    text = [[printable(str(cell)) for cell in row] for row in rows]
    say(printable(title), bold=True)
    longest = [max(map(len, column)) for column in zip(header, *text, strict=True)]
    least = max(len(header[0]), min(_SHORTEST_NAME, longest[0]))
    # The edges, which boxes of ASCII letters have two of, take four.
    rooms = {gap: width() - sum(other + gap for other in longest[1:]) - 4 for gap in _PADDINGS}
    gap = 3 if rooms[3] >= longest[0] else 2
    if rooms[gap] < least:
        _print_lists(header, text)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=_PADDINGS[gap])
    for position, name in enumerate(header):
        table.add_column(Text(name), justify="right" if position else "left", no_wrap=True)
    for first, *numbers in text:
        table.add_row(*map(Text, (shortened(first, rooms[gap]), *numbers)))
    stdout().print(table)


def _print_lists(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Each row as a block of lines, a line for each column."""
    longest = max(map(len, header))
    for first, *numbers in rows:
        print(f"\n{shortened(first, width())}")
        for name, number in zip(header[1:], numbers, strict=True):
            print(f"  {name:<{longest}}  {number}")
    print()


@contextmanager
def progress(label: str, total: int, *, quiet: bool = False) -> Iterator[Advance]:
    """A progress bar on stderr if that is a terminal; yields a function that moves it.

    The function takes a text to show beside the bar, what is at work or what came of it, and by how
    many steps to move: by one unless told otherwise, and by none when work begins. That the sweeps
    are compiled stands above the bar.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda detail, steps=1: None
        return
    columns = shutil.get_terminal_size().columns
    bar_width = 40 if columns >= _WIDE else 10 if columns >= _NARROW else 0
    bars = [BarColumn(bar_width)] if bar_width else []
    longest = max(_SHORTEST_NAME, columns - len(label) - 21 - bar_width)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        *bars,
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
    with bar, told_to(bar.console.print):
        task = bar.add_task(label, total=total, detail="")

        def advance(detail: str, steps: int = 1) -> None:
            bar.update(task, advance=steps, detail=shortened(printable(detail), longest))

        yield advance


@contextmanager
def refusals() -> Iterator[None]:
    """Turn the library's errors into one line on stderr and exit code 2."""
    from jaxqnn.errors import JaxQNNError  # which imports Qiskit

    try:
        yield
    except JaxQNNError as error:
        complain(error.message)
        raise typer.Exit(REFUSED) from error


def tell_saved(picture: Path | None, *, as_json: bool) -> None:
    """Where the picture is, if one was wanted; beside JSON, on stderr."""
    if picture is not None:
        print(
            f"Picture saved in {printable(str(picture))}",
            file=sys.stderr if as_json else sys.stdout,
        )


def seconds(value: float) -> str:
    """A time with a unit that suits it, to three digits."""
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        if value * factor < 999.5:
            return f"{value * factor:.3g} {unit}"
    return f"{value:.3g} s"


def size(count: float) -> str:
    """A number of bytes with a unit that suits it."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} EiB"
