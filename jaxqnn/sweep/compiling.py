"""What is said while sweeps are compiled: the first of each kind in an installation is waited for.

Numba broadcasts each pass of its compiler and the module that it works on.  What is loaded from
disk takes no pass, so who listens hears of a compilation and of nothing else.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

COMPILING = "jaxqnn: compiling for this processor, once for this installation, for some seconds"
PASSES = "numba:run_pass"
"""The kind of Numba's event."""

_SWEEPS = "jaxqnn.sweep.cpu."

# Seconds without a pass after which a compilation is another wait. LLVM's part is no pass.
_PAUSE = 3.0


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
    """From now on in this process, tell of a compilation of sweeps.

    Returns:
        What Numba tells of its passes.
    """
    from numba.core import event  # not needed by who only wants to be told

    class Listener(event.Listener):
        """Hears of each pass, and tells of the first after a pause."""

        def on_start(self, event: Any) -> None:
            if event.data["module"].startswith(_SWEEPS) and time.monotonic() > heard[0] + _PAUSE:
                heard[0] = time.monotonic()
                _tell(COMPILING)

        def on_end(self, event: Any) -> None:
            if event.data["module"].startswith(_SWEEPS):
                heard[0] = time.monotonic()

    heard = [-math.inf]
    listener = Listener()
    event.register(PASSES, listener)
    return listener
