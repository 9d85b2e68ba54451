"""The resumable example: killed and started again, it ends where an undisturbed run ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("orbax.checkpoint")

from jaxqnn.examples import resumable

STEPS = 30


def command(directory: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "jaxqnn.examples.resumable"),
        *(str(directory), "--steps", str(STEPS), "--qubits", "2"),
    ]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_curve(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with subprocess.Popen(command(killed), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith(f"step 1/{STEPS}  loss ")
        assert "steps/s" in said
        assert "s left" in said
        # Killed as the next checkpoints are written, wherever that happens to be.
        while len(list((killed / "checkpoints").iterdir())) < 2:
            pass
        process.kill()
    assert not (killed / "losses.csv").exists()
    again = subprocess.run(
        command(killed), check=True, capture_output=True, text=True, timeout=200
    ).stdout
    done = int(again.splitlines()[0].removeprefix("going on after step "))
    assert 1 <= done < STEPS
    subprocess.run(command(whole), check=True, capture_output=True, timeout=200)
    curves = [np.loadtxt(path / "losses.csv", skiprows=1) for path in (killed, whole)]
    assert curves[0].shape == (STEPS,)
    np.testing.assert_allclose(curves[0], curves[1], rtol=0, atol=1e-7)


def test_another_network_is_not_trained_in_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resumable.claim(tmp_path, 3)
    resumable.claim(tmp_path, 3)
    with pytest.raises(SystemExit) as ended:
        resumable.main([str(tmp_path), "--qubits", "4"])
    assert ended.value.code == 2
    assert "network of 3 qubits, not 4: pass --qubits 3" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "qubits"]
