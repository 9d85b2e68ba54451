"""Examples as programs: a list of them, help that runs nothing, a sentence for a missing extra."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

import jaxqnn.examples
from jaxqnn.examples import barren_plateau, command, resumable
from jaxqnn.examples.__main__ import main, programs

NAMES = [name for name, _ in programs()]


def test_the_list_names_every_example(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    text = capsys.readouterr().out
    folder = Path(jaxqnn.examples.__path__[0])
    for file in folder.glob("*.py"):
        if file.name not in ("__init__.py", "__main__.py", "command.py", "data.py", "training.py"):
            assert f"\n{file.stem}\n    " in text
    assert "data" not in NAMES


def test_the_list_is_there_at_once_by_its_command() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jaxqnn.examples"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "three_ways" in done.stdout
    assert "| jax\n" not in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_help_runs_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(f"jaxqnn.examples.{name}")
    has_parser = module in (barren_plateau, resumable)
    assert has_parser or module.run is command.run
    start = module.main if has_parser else partial(command.run, module.main, module.__doc__)
    with pytest.raises(SystemExit) as ended:
        start(["--help"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: ")
    assert not err


def test_options_are_the_parameters_of_main(capsys: pytest.CaptureFixture[str]) -> None:
    def take(steps: int = 3, num_spins: int = 4) -> tuple[int, int]:
        return steps, num_spins

    assert command.run(take, "A sentence.", ["--num-spins", "2"]) == (3, 2)
    with pytest.raises(SystemExit, match="2"):
        command.run(take, "A sentence.", ["--steps", "few"])
    assert "invalid count value: 'few'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        command.run(take, "A sentence.", ["--steps", "0"])
    assert "must be at least 1, but is 0" in capsys.readouterr().err


def test_a_program_ends_as_a_shell_expects() -> None:
    with pytest.raises(SystemExit) as ended, command.program():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    reader, writer = os.pipe()
    os.close(reader)
    left = subprocess.run(
        [sys.executable, "-m", "jaxqnn.examples"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert left.stderr == b""
    assert left.returncode == 0


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("three_ways", "torch", "torch"),
        ("hybrid_digits", "torch", "torch"),
        ("resumable", "orbax.checkpoint", "checkpoint"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_a_missing_extra_is_one_sentence(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as Python marks what cannot be imported
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"jaxqnn.examples.{name}", run_name="__main__")
    said = str(ended.value.code)
    assert said.startswith(f"This example needs {module.split('.')[0]}. ")
    assert said.endswith(f"pip install 'jaxqnn[{extra}]'")
    with pytest.raises(ImportError, match=r"pip install 'jaxqnn"):
        runpy.run_module(f"jaxqnn.examples.{name}", run_name="imported")


def test_a_plot_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plateau.png"
    barren_plateau.main(["--qubits", "2", "--samples", "10", "--plot", str(file)])
    assert f"Picture saved in {file}" in capsys.readouterr().out
    assert file.stat().st_size > 1000
