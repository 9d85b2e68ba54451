"""What is said while the sweeps are compiled: the one long wait that an installation has.

Numba broadcasts each pass of its compiler and the module that it works on.  What is loaded from
disk takes no pass, so who listens hears of a compilation and of nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

COMPILING = (
    "jaxqnn: compiling for this processor, once for this installation, in about half a minute"
)
PASSES = "numba:run_pass"
"""The kind of Numba's event."""

_SWEEPS = "jaxqnn.sweep.cpu."


def _on_the_terminal(said: str) -> None:
    """A line for a person who waits, at a terminal or a notebook; no file and no pipe has it."""
    if sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules):
        print(said, file=sys.stderr, flush=True)


_tell: Callable[[str], None] = _on_the_terminal


@contextmanager
def told_to(tell: Callable[[str], None]) -> Iterator[None]:
    """Within it a progress bar, say, is told, in place of the terminal."""
    global _tell
    before, _tell = _tell, tell
    try:
        yield
    finally:
        _tell = before


@cache
def announce() -> Any:
    """From now on in this process, tell of a compilation of the sweeps, once.

    Returns:
        What Numba tells of its passes.
    """
    from numba.core import event  # not needed by who only wants to be told

    class Listener(event.Listener):
        """Hears of each pass, until the first over a function of the sweeps."""

        def on_start(self, event: Any) -> None:
            if event.data["module"].startswith(_SWEEPS) and not told:
                told.append(COMPILING)
                _tell(COMPILING)

        def on_end(self, event: Any) -> None:
            """Ends are of no interest."""

    told: list[str] = []
    listener = Listener()
    event.register(PASSES, listener)
    return listener
