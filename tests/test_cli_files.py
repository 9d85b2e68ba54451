"""Files that cannot be read: one sentence that names the file and the remedy that fits."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from qiskit import qpy
from qiskit.circuit.library import real_amplitudes
from typer.testing import CliRunner

from jaxqnn.cli.app import app
from jaxqnn.cli.files import load
from jaxqnn.errors import JaxQNNError


def whole() -> bytes:
    stream = BytesIO()
    qpy.dump(real_amplitudes(2, reps=1), stream)
    return stream.getvalue()


GOOD = whole()
ANEW, CORRECT = "save it anew with qiskit.qpy.dump", "Correct it there"

FAULTS = [
    ("cut.qpy", GOOD[: len(GOOD) * 2 // 3], "cannot be read: ", ANEW),
    ("hurt.qpy", GOOD[:40] + b"\xff" * 40 + GOOD[80:], "cannot be read: ", ANEW),
    ("newer.qpy", GOOD[:6] + b"\x63" + GOOD[7:], "says QPY version 99", "Install the Qiskit"),
    ("zip.qpy", b"PK\x03\x04 and so on", "does not begin with QISKIT", "qiskit.qpy.dump"),
    ("none.qpy", b"", "is empty", "qiskit.qpy.dump"),
    ("bad2.qasm", b"OPENQASM 2.0;\nnonsense q;", "line 2,0: 'nonsense' is not defined", CORRECT),
    ("bad3.qasm", b"OPENQASM 3.0;\nnonsense q;", "line 2,0: gate 'nonsense'", CORRECT),
    ("open3.qasm", b"OPENQASM 3.0;\nqubit[2 q;", "line 2,", CORRECT),
    (
        "loop3.qasm",
        b'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit q;\nwhile(true){x q;}',
        "line 4,6: conditions must be 'bit == const bool' or 'bitarray == const int', not 'const ",
        "bool'. Correct it there",
    ),
    ("include.qasm", b'OPENQASM 2.0;\ninclude "foo.inc";', "unable to find 'foo.inc'", CORRECT),
    ("binary.qasm", bytes(range(256)), "byte 128 is not UTF-8", "Name the file by its format"),
    ("none.qasm", b"// nothing\n", "is empty", "Save a circuit"),
    ("circuit.py", b"raise SystemExit(7)", "no known ending", ".qpy"),
]


@pytest.mark.parametrize("command", ["check", "info"])
@pytest.mark.parametrize(
    ("name", "content", "told", "remedy"), FAULTS, ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_is_one_sentence(
    tmp_path: Path, command: str, name: str, content: bytes, told: str, remedy: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    result = CliRunner().invoke(app, [command, str(file)])
    assert result.exit_code == 2
    assert not result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("jaxqnn: ")
    assert name in line
    assert told in line
    assert remedy in line
    for noise in ("\x1b", "x1b", "Backtrace", "crates/", "Error:", "\\n"):
        assert noise not in line


def test_files_damaged_anywhere_are_refused_or_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No panic of Qiskit's Rust comes through, as an exception or as text."""
    rng = np.random.default_rng(0)
    file = tmp_path / "damaged.qpy"
    read = 0
    for _ in range(60):
        content = bytearray(GOOD[: rng.integers(10, len(GOOD) + 1)])
        for place in rng.integers(20, max(21, len(content)), 2):
            content[place % len(content)] = rng.integers(256)
        file.write_bytes(content)
        with suppress(JaxQNNError):
            load(file)
            read += 1
    assert read < 30
    assert not capfd.readouterr().err
