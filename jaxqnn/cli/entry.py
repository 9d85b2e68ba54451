"""The entry point: standard streams that may be closed, full or narrow in letters, and Ctrl-C.

Nothing here or in `jaxqnn.cli.app` imports JAX or Qiskit before a command needs them, so that
`--help` answers at once and Ctrl-C is heard from the start.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from typing import Any

REFUSED = 2
INTERRUPTED = 130
"""What a shell reports of a program that SIGINT ended: 128 + 2."""


def main() -> None:
    """Entry point of the command `jaxqnn`."""
    hear_interrupts()
    sys.stdout, sys.stderr = _stream(sys.stdout, 1), _stream(sys.stderr, 2)
    from jaxqnn.cli.app import app  # Typer and Rich, a tenth of a second: Ctrl-C comes first

    try:
        app(prog_name="jaxqnn")
    except OSError as error:
        print(f"jaxqnn: {error.strerror or error}: {error.filename or 'output'}", file=sys.stderr)
        raise SystemExit(REFUSED) from None


def hear_interrupts() -> None:
    """Make Ctrl-C end the process at once, with code 130.

    Python would raise KeyboardInterrupt only when the compiler, LAPACK or Qiskit at work returns,
    seconds later. A thread that waits for the signal's number need not wait for them.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return  # `nohup`, or a background job: whoever started us wants no interrupt
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, lambda *_: None)

    def wait() -> None:
        while signal.SIGINT not in os.read(heard, 1):
            pass
        if os.isatty(2):
            os.write(2, b"\r\x1b[2K\x1b[?25h")  # the progress bar's line, and the cursor it hid
        os._exit(INTERRUPTED)

    threading.Thread(target=wait, name="interrupts", daemon=True).start()


class _Raw(io.FileIO):
    """A file whose reader may leave, as `head -1` does, and that tells of any other fault once."""

    lost = False

    def write(self, data: Any) -> int:
        """Write, or pretend to once nothing can be written any more."""
        if self.lost:
            return len(data)
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            self.lost = True
            return len(data)
        except OSError as error:
            self.lost = True
            error.filename = "standard output" if self.fileno() == 1 else "standard error"
            raise


def _stream(stream: Any, number: int) -> Any:
    """Standard output or error, which writes the number of a letter its encoding has not."""
    try:
        os.fstat(number)
        encoding = stream.encoding
        stream.flush()
    except (OSError, AttributeError):  # closed by who started us
        return open(os.devnull, "w", encoding="utf-8")
    return io.TextIOWrapper(
        io.BufferedWriter(_Raw(number, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
