"""Many machines: two processes that share the samples train to the weights of one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WORKER = Path(__file__).with_name("distributed_worker.py")


def run(processes: int) -> list[dict[str, Any]]:
    """Starts the processes together and returns what each printed; none is left behind."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [
        subprocess.Popen(
            [sys.executable, WORKER, str(processes), str(index), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    try:
        found = [process.communicate(timeout=240) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, (_, errors) in zip(started, found, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in found]


@pytest.mark.slow
def test_two_processes_train_to_the_weights_of_one() -> None:
    (alone,) = run(1)
    both = run(2)
    assert [found["devices"] for found in (alone, *both)] == [1, 2, 2]
    assert alone["losses"][-1] < alone["losses"][0]
    for found in both:
        for key in ("weights", "losses", "gradient"):
            np.testing.assert_allclose(found[key], alone[key], atol=1e-10)
