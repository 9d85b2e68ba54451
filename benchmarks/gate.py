"""Whether a change costs speed: the working tree beside an earlier commit, in turns.

    python -m benchmarks.gate COMMIT [--rounds 5] [--loss 0.05]

Both run networks' passes of 2 to 20 qubits and gradients under `jit`, in processes of their own,
one after the other, so that both meet the same hours of a shared host.  The least time of all
rounds counts.  Exits with 1 if a row lost more than ``--loss``.  Either runs this very file, so it
takes nothing from `benchmarks`, which an earlier commit has in another state.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp

import jaxqnn

ROOT = Path(__file__).parents[1]

# (qubits, samples) of networks' passes; seconds for each row.
SIZES = ((2, 1), (4, 64), (8, 64), (12, 16), (16, 1), (18, 1), (20, 1))
_SECONDS = 1.0


def least(function: Callable[[], object]) -> float:
    """The shortest of as many calls as fit into a second, after a first one."""
    function()
    found, end = [], time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found, default=np.inf)


def rows() -> dict[str, float]:
    """Seconds of each row, by the jaxqnn that this process has."""
    found = {}
    random = np.random.default_rng(0)
    for qubits, batch in SIZES:
        features, ansatz = zz_feature_map(qubits, reps=2), real_amplitudes(qubits, reps=3)
        network = jaxqnn.EstimatorQNN(
            circuit=features.compose(ansatz),
            input_params=features.parameters,
            weight_params=ansatz.parameters,
            input_gradients=True,
        )
        x, w = random.normal(size=(batch, qubits)), random.normal(size=network.num_weights)
        name = f"{qubits} qubits, batch {batch}"
        found[f"forward, {name}"] = least(partial(network.forward, x, w))
        found[f"backward, {name}"] = least(partial(network.backward, x, w))
    found.update(_jitted(random))
    return found


def _jitted(random: np.random.Generator) -> dict[str, float]:
    features, ansatz = zz_feature_map(8, reps=2), real_amplitudes(8, reps=3)
    labels = ["".join(random.choice(list("IXYZ"), 8)) for _ in range(50)]
    measured = {"Z..Z": SparsePauliOp("Z" * 8), "50 strings": SparsePauliOp(labels)}
    found = {}
    for name, observable in measured.items():
        function = jaxqnn.expectation(
            features.compose(ansatz),
            [observable],
            input_params=features.parameters,
            weight_params=ansatz.parameters,
        )
        gradient = jax.jit(jax.grad(lambda w, x, f=function: (f(x, w) ** 2).mean()))
        x, w = random.normal(size=(64, 8)), random.normal(size=ansatz.num_parameters)
        with jax.enable_x64(True):
            time_of_one = least(partial(_finished, gradient, w, x))
        found[f"jit(grad), {name}, 8 qubits, batch 64"] = time_of_one
    return found


def _finished(function: Callable[..., jax.Array], *arguments: np.ndarray) -> jax.Array:
    return jax.block_until_ready(function(*arguments))


def run_in(folder: Path) -> dict[str, float]:
    """The rows by the jaxqnn of a folder."""
    done = subprocess.run(
        [sys.executable, "-P", str(Path(__file__).resolve()), "--here"],
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(before: dict[str, float], after: dict[str, float], loss: float) -> list[str]:
    """The rows that lost more than a share of their speed."""
    return [name for name, time in before.items() if after[name] > (1 + loss) * time]


def main(arguments: list[str] | None = None) -> int:
    """Runs the gate; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loss", type=float, default=0.05)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.here:
        print(json.dumps(rows()))
        return 0
    if options.commit is None:
        parser.error("Name a commit to compare with, for example HEAD~1.")
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder) / "earlier"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(earlier), options.commit], check=True)
        try:
            before, after = run_in(earlier), run_in(ROOT)
            for _ in range(options.rounds - 1):
                for times, place in ((before, earlier), (after, ROOT)):
                    for name, found in run_in(place).items():
                        times[name] = min(times[name], found)
        finally:
            subprocess.run([*git, "remove", "--force", str(earlier)], check=True)
    for name, first in before.items():
        now = after[name]
        print(f"{name:45} {first * 1e3:9.3f} ms {now * 1e3:9.3f} ms {now / first:5.2f}")
    lost = compare(before, after, options.loss)
    if lost:
        print(f"More than {options.loss:.0%} slower: {'; '.join(lost)}.")
    return bool(lost)


if __name__ == "__main__":
    raise SystemExit(main())
