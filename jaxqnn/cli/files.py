"""Circuits from files, through Qiskit's own loaders; nothing in a file is executed."""

import io
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from qiskit import qasm2, qasm3, qpy
from qiskit.circuit import QuantumCircuit

from jaxqnn.errors import JaxQNNError

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VERSION = re.compile(r"^\s*OPENQASM\s+(\d+)", re.MULTILINE)
_ESCAPE_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RUST_ERROR = re.compile(r"Error: ([^\n]*)")  # under the heading of Qiskit's Rust backtrace
_MAGIC = b"QISKIT"


def load(file: Path) -> list[QuantumCircuit]:
    """The circuits of a `.qpy` or `.qasm` file (OpenQASM 2 or 3, told apart by the header).

    Raises:
        JaxQNNError: If the file's name or content is not of these formats, or it has no circuit.
    """
    read, remedy = _reader(file)
    said = io.StringIO()
    try:
        with _stderr_into(said):
            circuits = read(file)
    except (KeyboardInterrupt, SystemExit, JaxQNNError):
        raise
    except BaseException as error:  # each loader has its own classes, and Rust panics have another
        raise JaxQNNError(
            f"{file} cannot be read: {_reason(error, said.getvalue(), file)} {remedy}"
        ) from error
    if not circuits:
        raise JaxQNNError(f"{file} contains no circuit. Save one with qiskit.qpy.dump.")
    for index, circuit in enumerate(circuits):
        if not isinstance(circuit, QuantumCircuit):
            raise JaxQNNError(
                f"Entry {index} of {file} is a {type(circuit).__name__}, not a QuantumCircuit. "
                "Save the circuit alone."
            )
    return circuits


def _reader(file: Path) -> tuple[Callable[[Path], list[QuantumCircuit]], str]:
    """How to read a file, and what to do where it cannot be read."""
    readers = {
        ".qpy": (_qpy, "It is damaged or cut short: save it anew with qiskit.qpy.dump."),
        ".qasm": (_qasm, "Correct it there."),
        ".qasm2": (_qasm2, "Correct it there."),
        ".qasm3": (_qasm3, "Correct it there."),
    }
    try:
        return readers[file.suffix.lower()]
    except KeyError:
        raise JaxQNNError(
            f"{file} has no known ending. Known are .qpy (qiskit.qpy.dump) and .qasm "
            "(OpenQASM 2 or 3)."
        ) from None


def _qpy(file: Path) -> list[QuantumCircuit]:
    with file.open("rb") as stream:
        head = stream.read(len(_MAGIC) + 1)
        if head[:-1] != _MAGIC:
            what = "is empty" if not head else f"does not begin with {_MAGIC.decode()}"
            raise JaxQNNError(
                f"{file} is no QPY file: it {what}. Write circuits with qiskit.qpy.dump, or name "
                "an OpenQASM file .qasm."
            )
        if head[-1] > qpy.common.QPY_VERSION:
            raise JaxQNNError(
                f"{file} cannot be read: it says QPY version {head[-1]}, and this Qiskit reads "
                f"versions up to {qpy.common.QPY_VERSION}. Install the Qiskit that wrote it, or "
                f"save it there with qiskit.qpy.dump(..., version={qpy.common.QPY_VERSION})."
            )
        stream.seek(0)
        return list(qpy.load(stream))


def _qasm(file: Path) -> list[QuantumCircuit]:
    try:
        code = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise JaxQNNError(
            f"{file} is no OpenQASM file: byte {error.start} is not UTF-8 text. Name the file by "
            "its format: .qpy, or .qasm for text."
        ) from error
    code = _COMMENT.sub("", code)
    if not code.strip():
        raise JaxQNNError(f"{file} is empty. Save a circuit in it with qiskit.qasm2.dump.")
    version = _VERSION.search(code)
    return _qasm3(file) if version and int(version[1]) >= 3 else _qasm2(file)


def _qasm2(file: Path) -> list[QuantumCircuit]:
    circuit = qasm2.load(
        file,
        custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
        custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
    )
    return [_named(circuit, file)]


def _qasm3(file: Path) -> list[QuantumCircuit]:
    return [_named(qasm3.load(str(file)), file)]


def _named(circuit: QuantumCircuit, file: Path) -> QuantumCircuit:
    circuit.name = file.stem
    return circuit


@contextmanager
def _stderr_into(said: io.StringIO) -> Iterator[None]:
    """Keep what loaders print, a parser's line of an error; a Rust panic's backtrace goes."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _reason(error: BaseException, said: str, file: Path) -> str:
    """What a loader says, in one line: its message may be a Rust backtrace in colours."""
    # Qiskit's errors print as their repr; what they say is their message.
    text = str(getattr(error, "message", None) or error)
    text = _unquoted(_ESCAPE_CODE.sub("", text).strip()) or said.strip() or _offence(error)
    if found := _RUST_ERROR.search(text):
        text = found[1]
    line = text.splitlines()[0].strip()
    for place in (f"{file}:", f"{file.name}:"):  # OpenQASM 2 says file:line,column: what
        line = line.removeprefix(place)
    if re.match(r"\d+,\d+: ", line):
        line = f"line {line}"
    return line if line.endswith(".") else f"{line}."


def _unquoted(text: str) -> str:
    """A message without quotes around all of it, as errors that print as their repr have them."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] in "'\"" else text


def _offence(error: BaseException) -> str:
    """Where OpenQASM 3's parser stopped, which its error keeps to itself."""
    for cause in getattr(error.__cause__, "args", ()):
        token = getattr(cause, "offendingToken", None)
        if token is not None:
            return f"{token.line},{token.column}: {token.text!r} is not expected here"
    return f"{type(error).__name__}, and no word where"
