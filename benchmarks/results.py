"""What a run found: records, ratios, JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .peers import PEERS
from .problems import TARGETS, Problem, Target
from .race import Lap, Rules

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Result:
    """One problem and the laps of all peers on it."""

    problem: Problem
    laps: list[Lap]

    @property
    def timed(self) -> list[Lap]:
        """The laps with a steady time."""
        return [lap for lap in self.laps if lap.status == "timed"]

    @property
    def ours(self) -> Lap | None:
        """The fastest lap of jaxqnn."""
        return _fastest([lap for lap in self.timed if PEERS[lap.peer].ours])

    @property
    def best_peer(self) -> Lap | None:
        """The fastest lap that is not jaxqnn's."""
        return _fastest([lap for lap in self.timed if not PEERS[lap.peer].ours])

    @property
    def ratio(self) -> float | None:
        """The best peer's steady time over ours."""
        return None if self.best_peer is None else self.ratio_of(self.best_peer)

    def ratio_of(self, lap: Lap) -> float | None:
        """Return the lap's steady time over ours.

        Where both have all rounds it is the median of the rounds' ratios, because a disturbance
        that lasts a round meets both sides of that ratio.
        """
        if self.ours is None or lap.steady_s is None or self.ours.steady_s is None:
            return None
        if len(lap.round_s) == len(self.ours.round_s):
            pairs = zip(lap.round_s, self.ours.round_s, strict=True)
            return statistics.median(theirs / ours for theirs, ours in pairs)
        return lap.steady_s / self.ours.steady_s

    @property
    def target(self) -> Target | None:
        """The stated aim at this problem, if there is one."""
        return next((target for target in TARGETS if target.problem == self.problem), None)


def _fastest(laps: list[Lap]) -> Lap | None:
    return min(laps, key=lambda lap: lap.steady_s or float("inf"), default=None)


def machine() -> dict[str, str | int]:
    """Return what a reader must know to compare these numbers with others."""
    model = platform.processor()
    if CPU_INFO.exists():
        names = [line for line in CPU_INFO.read_text().splitlines() if "model name" in line]
        model = names[0].split(":", 1)[1].strip() if names else model
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "cpu": model or platform.machine(),
        "cores": usable_cores(),
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "load_at_start": f"{load:.1f}",
    }


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def to_json(results: list[Result], rules: Rules, about: dict[str, str | int]) -> dict[str, Any]:
    """Return everything measured, in plain types."""
    return {
        "machine": about,
        "problems": [
            {
                "key": result.problem.key,
                "title": result.problem.title,
                "rules": dataclasses.asdict(rules),
                "ratio": result.ratio,
                "best_peer": result.best_peer.peer if result.best_peer else None,
                "least": result.target.least if result.target else None,
                "aim": result.target.aim if result.target else None,
                "peers": [dataclasses.asdict(lap) for lap in result.laps],
            }
            for result in results
        ],
    }


def from_json(path: Path) -> tuple[list[Result], dict[str, str | int]]:
    """Read the results that `to_json` wrote, so that plots and tables can be made again."""
    document = json.loads(path.read_text())
    results = [
        Result(Problem.from_key(entry["key"]), [Lap(**lap) for lap in entry["peers"]])
        for entry in document["problems"]
    ]
    return results, document["machine"]
