"""The command line on narrow, foreign, closed and full outputs, and under Ctrl-C."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import pytest
from qiskit import qpy
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import Statevector
from typer.testing import CliRunner

import jaxqnn
from jaxqnn.cli import check
from jaxqnn.cli.app import app
from jaxqnn.cli.bench import Timing, print_timings
from jaxqnn.cli.demo import _print_networks
from jaxqnn.cli.networks import NetworkRow
from jaxqnn.cli.script import ScriptTiming, print_script
from jaxqnn.verify import reference

# As a shell starts it in the foreground, whatever the tests themselves are run by.
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
COMMAND = [sys.executable, "-c", START + "from jaxqnn.cli import main; main()"]
MARKUP = "[bold]x[/red] :smile: \x1b[31mé"
PRINTED = r"[bold]x[/red] :smile: \x1b[31mé"


def save(file: Path, *circuits: QuantumCircuit) -> Path:
    with file.open("wb") as stream:
        qpy.dump(list(circuits), stream)
    return file


def rotation(name: str, count: int = 1) -> QuantumCircuit:
    circuit = QuantumCircuit(2, name=name)
    for angle in ParameterVector("θ", count):
        circuit.ry(angle, 0)
        circuit.cx(0, 1)
    return circuit


def test_help_answers_at_once() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert "Exit codes" in done.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 0.5


def test_help_imports_neither_jax_nor_qiskit() -> None:
    code = (
        "import sys; from jaxqnn.cli.app import app; app(['info', '-h'], standalone_mode=False)"
        "; sys.exit(str({'jax', 'qiskit', 'numpy', 'qiskit_machine_learning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize("count", [1, 40])
def test_check_costs_a_few_runs_however_many_parameters(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = 0

    class Counted(Statevector):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            nonlocal runs
            runs += isinstance(arguments[0], QuantumCircuit)
            super().__init__(*arguments, **named)

    monkeypatch.setattr("jaxqnn.cli.check.Statevector", Counted)
    monkeypatch.setattr(reference, "Statevector", Counted)
    moved, said = 0, []

    def advance(detail: str, steps: int = 1) -> None:
        nonlocal moved
        moved += steps
        said.append(detail)

    circuit = rotation("r", count)
    found = check.check_circuit(
        circuit, points=3, directions=1, seed=0, atol=1e-10, advance=advance
    )
    assert found.passed
    assert runs == 3 + check.DIFFERENCE_RUNS
    assert moved == check.num_steps(circuit, points=3, directions=1)
    assert any("compiling" in detail for detail in said)
    assert any("gradient" in detail for detail in said)


@pytest.mark.parametrize("wrong", range(5))
def test_one_wrong_slope_among_many_is_found(wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(circuit: QuantumCircuit) -> Any:
        right = jaxqnn.expectation(circuit)

        def function(params: Any) -> jax.Array:
            one = params[..., wrong] - jax.lax.stop_gradient(params[..., wrong])
            return right(params) + 1e-5 * one[..., None]

        return function

    monkeypatch.setattr(check, "expectation", broken)
    found = check.check_circuit(rotation("r", 5), points=2, directions=1, seed=0, atol=1e-10)
    assert found.expectation_error < 1e-12
    assert not found.passed
    assert found.gradient_error is not None
    assert 1e-6 < found.gradient_error < 1e-5


def test_gates_that_turn_many_times_pass() -> None:
    """Differences over the usual step would miss a hundred turns within it."""
    circuit, angle = QuantumCircuit(1), Parameter("t")
    for _ in range(50):
        circuit.ry(20 * angle, 0)
    found = check.check_circuit(circuit, points=1, directions=1, seed=0, atol=1e-10)
    assert found.passed


@pytest.mark.parametrize("command", ["check", "info"])
def test_names_are_printed_as_they_are(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # or else long names are shortened
    file = save(tmp_path / "[red]a[b].qpy", rotation(MARKUP))
    text = CliRunner().invoke(app, [command, str(file)]).stdout
    assert PRINTED in text
    assert "\x1b" not in text
    if command == "check":
        assert "[red]a[b].qpy" in text


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_nothing_is_cut(
    columns: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    name = "the_first_of_all_the_circuits_that_were_ever_named_at_length"
    file = save(tmp_path / "c.qpy", rotation(name))
    checked = CliRunner().invoke(app, ["check", str(file)]).stdout
    assert "the_" in checked
    assert "gth" in checked.split("verdict")[0] + checked.split("verdict")[-1]
    assert " ok" in checked

    timing = Timing("EstimatorQNN", 12, 16, 12345, 1234.5, 0.5, 1e-4, 1e-16)
    print_timings([timing, timing])
    timed = capsys.readouterr().out
    for whole in (
        "EstimatorQNN",
        "12345",
        "1.23e+03 s",
        "500 ms",
        "100 us",
        "12,345,000x",
        "1e-16",
    ):
        assert timed.count(whole) == 2
    usual = Timing("SamplerQNN", 12, 16, 52, 123.4, 1e-4, 0.0126, 1e-16)
    print_timings([usual])
    one_line = any({"network", "distance"} <= {*line.split()} for line in _lines(capsys))
    assert one_line == (columns == 80)  # a table where it fits, with little between its cells
    print_script(ScriptTiming("VQC on irises", 4, 1000, 1234.5, 1e-4, 1e-16))
    scripted = capsys.readouterr().out
    for whole in ("1000", "1.23e+03 s", "100 us", "12,345,000x", "1e-16"):
        assert whole in scripted
    row = NetworkRow(
        "+ interpret=parity, 2 classes", (1, 2), (16, 2, 100), (16, 2, 400), 1e-16, True
    )
    _print_networks([row])
    shown = capsys.readouterr().out
    for whole in ("(16, 2, 100)", "(16, 2, 400)", "1e-16", "ok"):
        assert whole in shown
    for line in (checked + timed + scripted + shown).splitlines():
        assert len(line) <= columns, line
        assert "…" not in line


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("command", ["check", "info", "bench", "demo"])
def test_help_is_not_cut(columns: int, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = CliRunner().invoke(app, [command, "--help"], terminal_width=columns).stdout
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= columns


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_output_of_few_letters(tmp_path: Path, encoding: str) -> None:
    file = save(tmp_path / "c.qpy", rotation("θλ"))
    done = subprocess.run(
        [*COMMAND, "info", str(file)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(rb"\u03b8\u03bb")
    assert not done.stderr


@pytest.mark.parametrize(("tolerance", "code"), [("1e-10", 0), ("-1", 1)])
def test_a_reader_who_leaves_changes_no_verdict(tmp_path: Path, tolerance: str, code: int) -> None:
    file = save(tmp_path / "c.qpy", rotation("c"))
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ["check", str(file), "--atol", tolerance]
    done = subprocess.run([*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has this device")
@pytest.mark.parametrize("arguments", [["info"], ["check", "--json"]])
def test_a_full_disk_is_one_sentence(tmp_path: Path, arguments: list[str]) -> None:
    file = save(tmp_path / "c.qpy", rotation("c"))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments, str(file)], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.stderr == "jaxqnn: No space left on device: standard output\n"
    assert done.returncode == 2


@pytest.mark.parametrize("wait", [1.0, 5.0])
def test_ctrl_c_ends_at_once_and_a_second_prints_nothing(tmp_path: Path, wait: float) -> None:
    many = [rotation(f"c{number}", 200) for number in range(50)]
    with subprocess.Popen(
        [*COMMAND, "check", str(save(tmp_path / "c.qpy", *many))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        time.sleep(wait)
        assert process.poll() is None
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - begun < 1
    assert process.returncode == 130
    assert out == err == b""
