"""Several processes: forked workers compute or say why not, and never wait for ever."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jaxqnn


def forked(when: str, *names: str) -> Any:
    script = Path(__file__).with_name("fork_worker.py")
    done = subprocess.run(
        [sys.executable, str(script), when, *names],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        cwd=Path(jaxqnn.__file__).parents[1],
    )
    return json.loads(done.stdout)


def test_forked_workers_compute_or_say_why_not() -> None:
    told = forked("started")
    answers = dict(zip(told["names"], zip(told["before"], told["found"], strict=True), strict=True))
    for name in ("double", "single", "threads"):
        assert answers[name][1] == pytest.approx(answers[name][0], rel=1e-12)
    for name in ("sine", "function"):
        assert isinstance(answers[name][0], list)
        assert "forked after JAX had started" in answers[name][1]
        assert "spawn" in answers[name][1]


def test_workers_forked_before_jax_starts_can_do_everything() -> None:
    told = forked("fresh", "single", "sine", "function")
    assert all(isinstance(answer, list) for answer in told["found"]), told


def test_a_large_state_is_computed_where_the_interpreter_ends() -> None:
    """Python starts no threads any more when it calls what ``atexit`` was given."""
    code = (
        "import atexit\n"
        "from qiskit.circuit.library import real_amplitudes\n"
        "import jaxqnn\n"
        "ansatz = real_amplitudes(14, reps=1)\n"
        "qnn = jaxqnn.EstimatorQNN(circuit=ansatz, weight_params=ansatz.parameters)\n"
        "atexit.register(lambda: print(qnn.forward(None, [0.0] * 28)[0, 0]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout) == pytest.approx(1.0)
    assert not done.stderr
