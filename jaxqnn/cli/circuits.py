"""The circuits of a file, one after the other: those that cannot be handled stop no other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from qiskit.circuit import QuantumCircuit

from jaxqnn.cli.output import complain
from jaxqnn.errors import JaxQNNError

Result = TypeVar("Result")
Refused = list[dict[str, str]]


def each(
    circuits: Sequence[QuantumCircuit], act: Callable[[QuantumCircuit], Result]
) -> tuple[list[Result], Refused]:
    """What `act` returns of each circuit, and name and reason of those that it refuses."""
    results: list[Result] = []
    refused: Refused = []
    for circuit in circuits:
        try:
            results.append(act(circuit))
        except JaxQNNError as error:
            refused.append({"name": circuit.name, "error": error.message})
    return results, refused


def report(passed: bool, results: Sequence[dict[str, Any]], refused: Refused) -> dict[str, Any]:
    """The JSON object of every command that takes a file."""
    return {"passed": passed and not refused, "circuits": list(results), "refused": refused}


def complain_of(refused: Refused, file: Path) -> None:
    """A line on stderr for each circuit that was refused."""
    for entry in refused:
        complain(f"{file.name}: circuit {entry['name']!r}: {entry['error']}")
