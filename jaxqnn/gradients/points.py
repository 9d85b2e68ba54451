"""What the gradient classes share: their arguments as tables, and QML's options."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.providers import Options

from jaxqnn.primitives.rows import CircuitGroup


def requested_columns(
    group: CircuitGroup,
    circuits: Sequence[QuantumCircuit],
    parameters: Sequence[Sequence[Parameter]],
) -> tuple[list[int], list[list[int]]]:
    """Return the columns a group's members ask for, and each member's places among them.

    A network names one circuit and one list of parameters for every sample, so both are looked up
    by identity first: ``circuit.parameters`` sorts on every access.
    """
    all_columns: dict[int, dict[Parameter, int]] = {}
    asked: dict[tuple[int, int], list[int]] = {}
    for member in group.members:
        circuit, wanted = circuits[member], parameters[member]
        if (id(circuit), id(wanted)) not in asked:
            if id(circuit) not in all_columns:
                all_columns[id(circuit)] = {p: c for c, p in enumerate(circuit.parameters)}
            columns = all_columns[id(circuit)]
            asked[id(circuit), id(wanted)] = [columns[parameter] for parameter in wanted]
    needed = sorted({column for columns in asked.values() for column in columns})
    place = {column: position for position, column in enumerate(needed)}
    places = {key: [place[column] for column in columns] for key, columns in asked.items()}
    return needed, [places[id(circuits[m]), id(parameters[m])] for m in group.members]


def table(rows: Iterable[Sequence[float] | NDArray[Any]]) -> NDArray[np.float64]:
    """Return rows of parameter values as one table."""
    return np.asarray([np.asarray(row, dtype=np.float64) for row in rows])


def merge_options(primitive: object, options: dict[str, Any]) -> Options:
    """Return the primitive's options overridden by the given ones."""
    own = getattr(primitive, "options", None)
    # QML's exact primitives keep a plain namespace, Qiskit's a mapping, the reference ones nothing.
    merged = Options(**dict(getattr(own, "__dict__", None) or {}))
    merged.update_options(**options)
    return merged


def warn_not_jax(name: str, primitive: object, instead: type, fix: str) -> None:
    """Warn that a primitive is honoured and JAX therefore not used."""
    warnings.warn(
        f"{name} was given {type(primitive).__name__}, which is not exact, so JAX is not used: "
        f"gradients come from QML's {instead.__name__} with that primitive. "
        f"For exact gradients from JAX, pass {fix}.",
        UserWarning,
        stacklevel=3,
    )
