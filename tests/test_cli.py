"""The command line, as a user calls it."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
from qiskit import qasm2, qasm3, qpy
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.library import UnitaryGate, real_amplitudes, zz_feature_map
from qiskit.quantum_info import random_unitary
from typer.testing import CliRunner

from jaxqnn.cli import networks
from jaxqnn.cli.app import app
from jaxqnn.cli.files import load
from jaxqnn.cli.output import seconds, size
from jaxqnn.errors import JaxQNNError


def run(*arguments: str | Path, code: int = 0) -> str:
    """Standard output of a command, whose exit code must be `code`."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def run_json(*arguments: str | Path, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code))


def save(file: Path, circuits: Sequence[QuantumCircuit]) -> Path:
    with file.open("wb") as stream:
        qpy.dump(list(circuits), stream)
    return file


@pytest.fixture
def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.fixture
def rotation() -> QuantumCircuit:
    circuit = QuantumCircuit(2, name="rotation")
    theta = Parameter("theta")
    circuit.ry(theta, 0)
    circuit.crx(2 * theta, 0, 1)
    return circuit


@pytest.fixture
def midway() -> QuantumCircuit:
    """It measures on the way."""
    circuit = QuantumCircuit(1, 1, name="midway")
    circuit.ry(Parameter("theta"), 0)
    circuit.measure(0, 0)
    circuit.ry(0.7, 0)
    return circuit


@pytest.fixture
def endless() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1, name="endless")
    with circuit.while_loop((circuit.clbits[0], 0)):
        circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_the_commands_and_the_exit_codes(option: str) -> None:
    assert "--atol" in run("check", option)
    text = run(option)
    for word in ("demo", "check", "info", "bench", "Exit codes"):
        assert word in text


def test_version() -> None:
    assert run("--version").startswith("jaxqnn ")


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "jaxqnn", "--version"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.startswith(b"jaxqnn")


def test_importing_the_library_imports_no_command_line() -> None:
    code = "import sys, jaxqnn; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"typer", "optax", "matplotlib", "torch"} & set(loaded)


def test_check_takes_several_circuits(
    tmp_path: Path, bell: QuantumCircuit, rotation: QuantumCircuit
) -> None:
    report = run_json("check", save(tmp_path / "two.qpy", [bell, rotation]))
    assert report["passed"]
    assert [entry["name"] for entry in report["circuits"]] == ["bell", "rotation"]
    assert report["circuits"][0]["gradient_error"] is None
    assert report["circuits"][1]["parameters"] == ["theta"]
    assert report["circuits"][1]["gradient_error"] < 1e-9


def test_check_reads_both_openqasm_versions(
    tmp_path: Path, bell: QuantumCircuit, rotation: QuantumCircuit
) -> None:
    two, three = tmp_path / "two.qasm", tmp_path / "three.qasm"
    qasm2.dump(bell, two)
    three.write_text("// a comment first\n" + qasm3.dumps(rotation))
    assert "ok" in run("check", two)
    assert "ok" in run("check", three)
    assert load(three)[0].num_parameters == 1


def test_check_reads_openqasm_with_qiskits_older_gates(tmp_path: Path) -> None:
    file = tmp_path / "old.qasm"
    file.write_text('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; rzz(0.3) q[0], q[1]; sx q[0];')
    assert run_json("check", file)["passed"]


def test_check_fails_with_code_1(tmp_path: Path) -> None:
    file = save(tmp_path / "deep.qpy", [real_amplitudes(4, reps=5)])
    assert "FAILED" in run("check", file, "--atol", "0", code=1)


def test_check_names_what_it_does_not_support(
    tmp_path: Path, bell: QuantumCircuit, endless: QuantumCircuit
) -> None:
    text = run("check", save(tmp_path / "some.qpy", [bell, endless]), code=2)
    assert "bell" in text
    assert "circuit 'endless': Instruction" in text


def test_check_and_info_take_what_measures_on_the_way(
    tmp_path: Path, midway: QuantumCircuit
) -> None:
    file = save(tmp_path / "m.qpy", [midway])
    report = run_json("check", file)["circuits"][0]
    assert report["passed"]
    assert report["state_error"] is None
    assert report["expectation_error"] < 1e-10
    assert report["gradient_error"] < 1e-7
    assert "1, 1 of them acted on, and 1 for measurements on the way" in run("info", file)


def test_check_refuses_what_does_not_fit(tmp_path: Path) -> None:
    wide = QuantumCircuit(60)
    wide.h(range(60))
    assert "needs about 128.0 EiB" in run("check", save(tmp_path / "w.qpy", [wide]), code=2)


def test_a_missing_file_is_wrong_usage() -> None:
    run("check", "nowhere.qpy", code=2)


def test_no_number_is_no_tolerance(tmp_path: Path, bell: QuantumCircuit) -> None:
    file = save(tmp_path / "b.qpy", [bell])
    assert "must be a number" in run("check", file, "--atol", "nan", code=2)


def test_the_demos_networks_have_gradients_that_could_be_wrong() -> None:
    """Of <YY> all are zero, as of who computes nothing; a sign mistaken in <ZZ> is found."""
    rows = list(networks.network_rows())
    assert len(rows) == networks.NUM_ROWS
    assert all(row.passed for row in rows)
    qnn = networks.estimator_network("ZZ")
    qnn.input_gradients = True
    for gradient in qnn.backward([0.3], [0.4]):
        assert gradient is not None
        assert abs(gradient).min() > 0.1


def test_an_empty_file_of_circuits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JaxQNNError, match="no circuit"):
        load(save(tmp_path / "empty.qpy", []))


def test_info_shows_the_program(tmp_path: Path, rotation: QuantumCircuit) -> None:
    file = save(tmp_path / "r.qpy", [rotation])
    text = run("info", file)
    for word in ("rotation", "theta", "layers", "one state", "program on 2 qubits"):
        assert word in text
    (entry,) = run_json("info", file, "--batch", "8")["circuits"]
    assert entry["qubits"] == 2
    assert entry["parameters"] == ["theta"]
    assert entry["state_bytes"] == 4 * 16
    assert entry["batch"] == 8


def test_info_cuts_long_programs_short(tmp_path: Path) -> None:
    file = save(tmp_path / "long.qpy", [real_amplitudes(12, reps=12)])
    short, full = run("info", file), run("info", file, "--full")
    assert "shown by --full" in short
    assert len(full.splitlines()) > len(short.splitlines())


def test_info_takes_circuits_too_wide_to_run(tmp_path: Path) -> None:
    file = save(tmp_path / "wide.qpy", [real_amplitudes(40, reps=1)])
    (entry,) = run_json("info", file)["circuits"]
    assert entry["state_bytes"] == 2**40 * 16
    assert "TiB" in run("info", file)


def test_info_names_what_it_does_not_support(
    tmp_path: Path, bell: QuantumCircuit, endless: QuantumCircuit
) -> None:
    """The good circuits are shown, and the bad one is named in the words of `check`."""
    file = save(tmp_path / "m.qpy", [bell, endless, bell])
    text = run("info", file, code=2)
    assert text.count("bell") == 2
    (line,) = (line for line in text.splitlines() if "endless" in line)
    assert line.startswith("jaxqnn: m.qpy: circuit 'endless': Instruction 0")
    assert line in run("check", file, code=2)


def test_info_defines_every_symbol_of_its_listing(tmp_path: Path) -> None:
    """Whatever a line of the listing begins with, and its letters, are in the lines before it."""
    listed = set()
    clifford = QuantumCircuit(2)
    clifford.h(0)
    clifford.cx(0, 1)
    block = QuantumCircuit(3)
    block.append(UnitaryGate(random_unitary(8, seed=1)), [0, 1, 2])
    for circuit in (real_amplitudes(3).compose(zz_feature_map(3)), clifford, block):
        text = run("info", save(tmp_path / "r.qpy", [circuit]), "--full")
        told, listing = text.split("program on")[1].split("\n\n", 1)
        for line in listing.splitlines():
            word = line.split()[0] if line.split() else ""
            if word and word != "layer":
                listed.add(word)
                assert f"    {word}" in told
            for letter in set(re.findall(r"\b([pxq])\d", line)):
                assert f"{letter}0" in told
    assert listed == {"start", "map", "phase", "rotate", "block", "labels"}


def test_circuits_of_nothing_read_well(tmp_path: Path) -> None:
    nothing, less = QuantumCircuit(3, name="nothing"), QuantumCircuit(name="less")
    file = save(tmp_path / "e.qpy", [nothing, less])
    text = run("info", file, code=2)
    assert "3, none of them acted on" in text
    assert "layers               none" in text
    assert "up to" not in text
    assert "circuit 'less': The circuit has no qubits" in text
    assert "ok" in run("check", save(tmp_path / "n.qpy", [nothing]))


def test_the_keys_are_the_same_in_every_command(tmp_path: Path, rotation: QuantumCircuit) -> None:
    file = save(tmp_path / "r.qpy", [rotation])
    checked, shown = run_json("check", file), run_json("info", file)
    assert checked.keys() == shown.keys() == {"passed", "circuits", "refused"}
    for entry in (checked["circuits"][0], shown["circuits"][0]):
        assert entry["name"] == "rotation"
        assert entry["qubits"] == 2
        assert entry["num_parameters"] == 1
        assert entry["parameters"] == ["theta"]
    timed = run_json("bench", "--qubits", "2", "--batch", "1", "--repeats", "1")
    assert timed["passed"]
    assert timed["start_seconds"] > 0
    assert {"network", "qubits", "num_parameters", "max_error"} <= timed["timings"][0].keys()
    assert {"qubits", "qml_seconds", "max_error", "ratio", "passed"} <= timed["script"].keys()


def test_bench_compares_times_and_plots(tmp_path: Path) -> None:
    picture = tmp_path / "times.png"
    report = run_json("bench", "--qubits", "2", "--batch", "2", "--plot", picture)
    assert report["passed"]
    assert [timing["network"] for timing in report["timings"]] == ["EstimatorQNN", "SamplerQNN"]
    for timing in report["timings"]:
        assert timing["passed"]
        assert timing["ratio"] > 1
    # The sampler's draws are the same, so every step's objective is.
    assert report["script"]["max_error"] == 0
    assert report["script"]["steps"] > 10
    assert_picture(picture)


def test_plot_is_refused_before_any_work(tmp_path: Path) -> None:
    assert ".png" in run("bench", "--plot", tmp_path / "times.doc", code=2)
    assert "no directory" in run("demo", "--plot", tmp_path / "no" / "a.png", code=2)


@pytest.mark.slow
def test_the_demo_runs_to_its_end(tmp_path: Path) -> None:
    picture = tmp_path / "demo.png"
    report = run_json("demo", "--plot", picture)
    assert report["passed"]
    assert [row["input_gradient"] for row in report["networks"]] == [
        None,
        [1, 1, 1],
        None,
        [1, 1, 1],
        None,
        [1, 4, 2],
        [1, 2, 2],
    ]
    training = report["training"]
    assert training["losses"][-1] < training["losses"][0] / 2
    assert training["test_accuracies"][-1] > 0.9
    assert all(timing["ratio"] > 100 for timing in report["timings"])
    assert report["seconds"] < 180  # 90 on two idle cores; here other tests run beside it
    assert_picture(picture)


@pytest.mark.slow
def test_the_demo_is_plain_text_when_piped() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jaxqnn", "demo", "--steps", "3"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in done.stdout
    told = [line for line in done.stderr.splitlines() if line]
    assert all(line.startswith("No gradient function") for line in told)  # QML 0.9.0's log
    for word in ("(1, 4, 2)", "test accuracy", "ratio", "All values agree with Qiskit's."):
        assert word in done.stdout


def assert_picture(file: Path) -> None:
    """The file is a picture, and not of one colour."""
    pixels = matplotlib.image.imread(file)
    assert pixels.shape[0] > 300
    assert pixels[..., :3].std() > 0.01


def test_units() -> None:
    assert [seconds(t) for t in (2.5e-5, 0.0042, 3.0)] == ["25 us", "4.2 ms", "3 s"]
    assert [size(b) for b in (16, 2**14, 2**44)] == ["16 B", "16.0 KiB", "16.0 TiB"]
