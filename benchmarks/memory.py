"""Resident memory of this process."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def rss() -> int:
    """Return the resident bytes of now (of the peak so far, where only that is known)."""
    return _status("VmRSS") or peak_rss()


def peak_rss() -> int:
    """Return the most resident bytes so far.

    Linux keeps `ru_maxrss` of the parent across `exec`; VmHWM is the process's own.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _status("VmHWM") or peak * (1 if sys.platform == "darwin" else 1024)


def _status(field: str) -> int | None:
    if not STATUS.exists():
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None
