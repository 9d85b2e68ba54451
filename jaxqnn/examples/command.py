"""What makes a module a program: its options, its help, and one sentence for a missing extra."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


def run(main: Callable[..., Any], text: str | None, arguments: Sequence[str] | None = None) -> Any:
    """Call an example's ``main`` with what the command line says; ``--help`` does not call it.

    Args:
        main: Its parameters are numbers of at least one with defaults, and become options.
        text: The module's docstring.
        arguments: The command line; the process's own if it is None.

    Returns:
        What ``main`` returns.

    Example:
        >>> def main(steps: int = 60) -> int:
        ...     return steps
        >>> run(main, "An example.", ["--steps", "3"])
        3
    """
    lines = (text or "").strip().splitlines()
    parser = argparse.ArgumentParser(
        description=lines[0],
        epilog="\n".join(line for line in lines[1:] if not line.startswith("    python -m")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, parameter in inspect.signature(main).parameters.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=count,
            default=parameter.default,
            help=f"[{parameter.default}]",
        )
    options = parser.parse_args(arguments)
    with program():
        return main(**vars(options))


@contextmanager
def program() -> Iterator[None]:
    """Within it neither Ctrl-C nor a reader who leaves, as ``head -1`` does, is a traceback."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # what a shell says of it: 128 + SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more at its end


def count(text: str) -> int:
    """A whole number of at least one, from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but is {number}")
    return number


def missing(name: str, module: str, extra: str) -> BaseException:
    """What to raise where a module that an extra brings cannot be imported.

    Args:
        name: The ``__name__`` of who needs it.
        module: What it needs.
        extra: The extra of jaxqnn that brings it.

    Returns:
        An ImportError; if the program was started by its name, the end of it with one sentence.

    Example:
        >>> missing("jaxqnn.examples.hybrid_digits", "torch", "torch")
        ImportError("This example needs torch. Install it with: pip install 'jaxqnn[torch]'")
    """
    told = f"This example needs {module}. Install it with: pip install 'jaxqnn[{extra}]'"
    return SystemExit(told) if name == "__main__" else ImportError(told, name=module)
