"""One peer on one problem in a process of its own, driven over standard input.

The race starts this as `python -m benchmarks.worker PEER PROBLEM VALUES`. The worker imports the
peer, builds the gradient, calls it once, writes the values to the file VALUES and reports; then
it answers the commands of `Worker` in `race.py`, one JSON line each. Nothing else runs in this
process, so the first call is a first call and the peak memory is the peer's own.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np

from .compile_clock import CompileClock
from .memory import peak_rss, rss
from .peers import PEERS, Gradient, load, versions
from .problems import Problem

# The circuit that `second` builds: same size, other gates. Its first call shows what a user who
# tries several circuits waits for each.
SECOND_FAMILY = {"efficient_su2": "n_local_full"}


def main(name: str, key: str, values_path: str) -> None:
    """Run one peer on one problem and serve timing commands until told to stop."""
    channel = _take_stdout()
    problem = Problem.from_key(key)
    started = time.perf_counter()
    module = load(name)
    imported = time.perf_counter() - started
    reason = module.why_not(problem)
    if reason is not None:
        return _say(channel, {"status": "skipped", "reason": reason})
    uses_jax = "jax" in PEERS[name].packages
    inputs, weights = problem.inputs, problem.weights
    before = rss()
    with CompileClock(uses_jax) as clock:
        gradient, values, first = _first_call(module.build, problem)
    np.savez(values_path, *(part for part in values if part is not None))
    _say(
        channel,
        {
            "status": "ready",
            "versions": versions(name),
            "import_s": imported,
            "first_s": first,
            "compile_s": clock.seconds if uses_jax else None,
            "programs": clock.programs if uses_jax else None,
        },
    )
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "measure":
            reply: dict[str, Any] = {
                "times": _measure(gradient, inputs, weights, command["seconds"])
            }
        elif command["do"] == "memory":
            reply = {"peak": peak_rss(), "grown": peak_rss() - before}
        elif command["do"] == "second":
            family = SECOND_FAMILY.get(problem.family, "efficient_su2")
            other = dataclasses.replace(problem, family=family)
            reply = {"second_s": _first_call(module.build, other)[2]}
        else:
            return None
        _say(channel, reply)
    return None


def _take_stdout() -> TextIO:
    """Return standard output for ourselves; what libraries print goes to standard error."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return channel


def _say(channel: TextIO, message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def _first_call(
    build: Callable[[Problem], Gradient], problem: Problem
) -> tuple[Gradient, tuple[np.ndarray | None, ...], float]:
    """Return the gradient, its values, and the time from the circuit to those values."""
    inputs, weights = problem.inputs, problem.weights
    started = time.perf_counter()
    gradient = build(problem)
    result = _finished(gradient(inputs, weights))
    seconds = time.perf_counter() - started
    return gradient, tuple(_dense(part) for part in result), seconds


def _finished(result: Any) -> Any:
    """Wait for JAX's asynchronous arrays; other peers return finished ones."""
    for part in result:
        if hasattr(part, "block_until_ready"):
            part.block_until_ready()
    return result


def _dense(part: Any) -> np.ndarray | None:
    return None if part is None else np.asarray(part)


def _measure(gradient: Gradient, inputs: Any, weights: Any, seconds: float) -> list[float]:
    """Return the times of calls over `seconds`, at least one, at most 2000.

    The first call after a pause warms the caches again and counts only if no other fits.
    """
    times: list[float] = []
    deadline = time.perf_counter() + seconds
    while not times or (time.perf_counter() < deadline and len(times) < 2000):
        started = time.perf_counter()
        _finished(gradient(inputs, weights))
        times.append(time.perf_counter() - started)
    return times[1:] or times


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
