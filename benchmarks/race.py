"""A race: all peers on one problem, checked against one another, then timed in turns."""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxqnn.verify.report import largest

from .peers import PEERS, missing
from .problems import Problem

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Rules:
    """How a race is run.

    Attributes:
        limit_s: The most seconds for a peer to import, build and give its first gradient, and
            for any one reply after that.
        measure_s: Seconds of steady calls for each peer, over all rounds; a peer whose call is
            longer is called once.
        rounds: The turns that each peer's calls are spread over, so that a disturbance of the
            machine meets all peers.
        atol: The largest difference from the other peers' values with which a peer is timed.
        second: Whether to time another circuit of the same size in the same process.
        fresh: Whether workers find nothing that Numba has compiled, as in a new installation.
    """

    limit_s: float = 120.0
    measure_s: float = 5.0
    rounds: int = 5
    atol: float = 1e-7
    second: bool = False
    fresh: bool = False


@dataclass
class Lap:
    """What came of one peer on one problem; times in seconds, memory in bytes.

    `status` is `timed`, `skipped` (absent, or cannot do this exactly), `over limit`, `refused`
    (its values disagree) or `failed`; `reason` says why, for all but `timed`.
    """

    peer: str
    status: str = "timed"
    reason: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    import_s: float | None = None
    compile_s: float | None = None
    programs: int | None = None
    first_s: float | None = None
    second_s: float | None = None
    steady_s: float | None = None
    round_s: list[float] = field(default_factory=list)
    calls: int = 0
    peak_bytes: int | None = None
    grown_bytes: int | None = None
    max_error: float | None = None

    def lost(self, status: str, reason: str) -> Lap:
        """Return this lap as not timed, with the reason."""
        return dataclasses.replace(self, status=status, reason=reason)


class Failed(Exception):
    """A worker ended without an answer."""


class Worker:
    """A peer's process, idle except while it answers."""

    def __init__(self, peer: str, problem: Problem, folder: Path, *, fresh: bool) -> None:
        self.peer = peer
        self.values_path = folder / f"{peer}.npz"
        own = {"NUMBA_CACHE_DIR": str(folder / f"{peer}.numba")} if fresh else {}
        self._log = (folder / f"{peer}.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", peer, problem.key, self.values_path],
            cwd=ROOT,
            env=worker_environment() | own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            bufsize=1,
        )

    def ask(self, limit_s: float, **command: Any) -> dict[str, Any]:
        """Send a command (none: wait for the report of the first call); return the reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if command:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(limit_s):
                raise TimeoutError
        line = self._process.stdout.readline()
        if not line:
            raise Failed(self._last_words())
        reply: dict[str, Any] = json.loads(line)
        return reply

    def values(self) -> list[np.ndarray]:
        """Return the arrays of the first call."""
        with np.load(self.values_path) as parts:
            return [parts[name] for name in sorted(parts.files)]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def _last_words(self) -> str:
        self._process.wait()
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().splitlines() if line.strip()]
        ended = f"ended with status {self._process.returncode}"
        return f"{ended}: {lines[-1]}" if lines else ended


def worker_environment() -> dict[str, str]:
    """Return the environment of all workers: float64, on the CPU."""
    return {**os.environ, "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}


def race(
    problem: Problem,
    peers: Sequence[str],
    rules: Rules,
    say: Callable[[str], None] = lambda _: None,
    *,
    hopeless: Callable[[str, Problem], str | None] = lambda *_: None,
) -> list[Lap]:
    """Run every peer on the problem and return a lap for each, in the order of `peers`.

    Args:
        problem: The problem.
        peers: Keys of `PEERS`.
        rules: Limits and repetitions.
        say: Called with a line of progress.
        hopeless: Returns a reason not to try a peer at all, from what earlier races showed.
    """
    laps: dict[str, Lap] = {}
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for peer in peers:
                reason = hopeless(peer, problem)
                if reason is not None:
                    laps[peer] = Lap(peer).lost("over limit", reason)
                    continue
                say(f"{PEERS[peer].title}: first call")
                laps[peer], worker = _start(peer, problem, Path(folder), rules)
                if worker is not None:
                    workers[peer] = worker
            for peer, reason in _disagreements(workers, laps, rules.atol).items():
                laps[peer] = laps[peer].lost("refused", reason)
                workers.pop(peer).close()
            _take_turns(workers, laps, rules, say)
        finally:
            for worker in workers.values():
                worker.close()
    return [laps[peer] for peer in peers]


def _start(peer: str, problem: Problem, folder: Path, rules: Rules) -> tuple[Lap, Worker | None]:
    """Start a worker and wait for its first call."""
    lap = Lap(peer)
    install = missing(peer)
    if install is not None:
        return lap.lost("skipped", f"not installed: {install}"), None
    worker = Worker(peer, problem, folder, fresh=rules.fresh)
    try:
        report = worker.ask(rules.limit_s)
    except TimeoutError:
        lap = lap.lost("over limit", f"no gradient after {rules.limit_s:.0f} s")
    except Failed as error:
        lap = lap.lost("failed", str(error))
    else:
        if report.pop("status") == "ready":
            return dataclasses.replace(lap, **report), worker
        lap = lap.lost("skipped", report["reason"])
    worker.close()
    return lap, None


def _disagreements(workers: dict[str, Worker], laps: dict[str, Lap], atol: float) -> dict[str, str]:
    """Return the peers whose values are not those of the others, each with what differs.

    The reference is the median of all peers, entry by entry: with three or more, one wrong peer
    cannot move it. Two that differ are both refused.
    """
    values = {peer: worker.values() for peer, worker in workers.items()}
    found: dict[str, str] = {}
    shapes = {peer: tuple(part.shape for part in parts) for peer, parts in values.items()}
    common = statistics.mode(shapes.values()) if shapes else ()
    nobody_agrees = len(shapes) > 1 == list(shapes.values()).count(common)
    for peer, parts in values.items():
        if shapes[peer] != common or nobody_agrees:
            found[peer] = f"shapes {shapes[peer]}, others {[*set(shapes.values())]}"
        elif not all(np.isfinite(part).all() for part in parts):
            found[peer] = "values that are not finite"
    alike = {peer: parts for peer, parts in values.items() if peer not in found}
    references = [np.median(np.stack(parts), axis=0) for parts in zip(*alike.values(), strict=True)]
    for peer, parts in alike.items():
        pairs = zip(parts, references, strict=True)
        error = largest(abs(part - reference) for part, reference in pairs)
        laps[peer].max_error = error if len(alike) > 1 else None
        if not error <= atol:
            found[peer] = f"differs from the other peers by {error:.1e} (limit {atol:.0e})"
    return found


def _take_turns(
    workers: dict[str, Worker], laps: dict[str, Lap], rules: Rules, say: Callable[[str], None]
) -> None:
    """Time steady calls round by round, then read each worker's memory."""
    times: dict[str, list[float]] = {peer: [] for peer in workers}
    used = dict.fromkeys(workers, 0.0)

    def ask(peer: str, **command: Any) -> dict[str, Any]:
        try:
            return workers[peer].ask(rules.limit_s, **command)
        except TimeoutError:
            laps[peer] = laps[peer].lost("over limit", f"no reply after {rules.limit_s:.0f} s")
        except Failed as error:
            laps[peer] = laps[peer].lost("failed", str(error))
        workers.pop(peer).close()
        return {}

    for round_index in range(rules.rounds):
        say(f"steady calls, round {round_index + 1} of {rules.rounds}")
        for peer in [peer for peer in workers if used[peer] < rules.measure_s]:
            started = time.perf_counter()
            reply = ask(peer, do="measure", seconds=rules.measure_s / rules.rounds)
            used[peer] += time.perf_counter() - started
            if reply:
                times[peer] += reply["times"]
                laps[peer].round_s.append(statistics.median(reply["times"]))
    for peer in list(workers):
        laps[peer].calls = len(times[peer])
        laps[peer].steady_s = statistics.median(times[peer])
        memory = ask(peer, do="memory")
        if memory:
            laps[peer].peak_bytes, laps[peer].grown_bytes = memory["peak"], memory["grown"]
        if rules.second and peer in workers:
            say(f"{PEERS[peer].title}: first call of a second circuit")
            laps[peer].second_s = ask(peer, do="second").get("second_s")
