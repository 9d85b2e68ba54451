"""Circuits from files, through Qiskit's own loaders; nothing in a file is executed."""

import re
from collections.abc import Callable
from pathlib import Path

from qiskit import qasm2, qasm3, qpy
from qiskit.circuit import QuantumCircuit

from jaxqnn.errors import JaxQNNError

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VERSION = re.compile(r"^\s*OPENQASM\s+(\d+)", re.MULTILINE)


def load(file: Path) -> list[QuantumCircuit]:
    """The circuits of a `.qpy` or `.qasm` file (OpenQASM 2 or 3, told apart by the header).

    Raises:
        JaxQNNError: If the file's name or content is not of these formats, or it has no circuit.
    """
    read = _reader(file)
    try:
        circuits = read(file)
    except Exception as error:  # each loader has its own error classes
        raise JaxQNNError(
            f"{file} cannot be read: {_first_line(error)} Save it anew with Qiskit's own writers."
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


def _reader(file: Path) -> Callable[[Path], list[QuantumCircuit]]:
    readers = {".qpy": _qpy, ".qasm": _qasm, ".qasm2": _qasm2, ".qasm3": _qasm3}
    try:
        return readers[file.suffix.lower()]
    except KeyError:
        raise JaxQNNError(
            f"{file} has no known ending. Known are .qpy (qiskit.qpy.dump) and .qasm "
            "(OpenQASM 2 or 3)."
        ) from None


def _qpy(file: Path) -> list[QuantumCircuit]:
    with file.open("rb") as stream:
        return list(qpy.load(stream))


def _qasm(file: Path) -> list[QuantumCircuit]:
    code = _COMMENT.sub("", file.read_text(encoding="utf-8"))
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


def _first_line(error: Exception) -> str:
    text = str(error).strip().strip("'\"").splitlines()
    return text[0] if text else type(error).__name__
