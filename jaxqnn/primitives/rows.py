"""Evaluate one circuit on a table of points: rows of numbers in ``circuit.parameters`` order.

Qiskit's primitives and QML's gradients name every point in full.  Most columns of such a table are
usually constant (the weights of a network are the same for all samples), and a constant column is
cheaper: its angles are computed once for the batch.  A `RowEvaluator` therefore splits the columns
of each table it is given, and keeps an `Evaluator` for every split it has met.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from jaxqnn.evaluator import Evaluator
from jaxqnn.primitives.keys import circuit_key

_MAX_EVALUATORS = 64
_MAX_SPLITS = 8


class RowEvaluator:
    """Values and derivatives of one measurement of one circuit, on tables of points."""

    def __init__(self, circuit: QuantumCircuit, measurement: Any) -> None:
        # It lowers again for a split that comes later, and the caller may change either till then.
        self._circuit = deepcopy(circuit)
        self._measurement = deepcopy(measurement)
        self._splits: OrderedDict[bytes, tuple[NDArray[np.bool_], Evaluator]] = OrderedDict()
        self._lock = Lock()

    def value(self, rows: NDArray[np.float64]) -> NDArray[Any]:
        """Return the outcomes, shape (rows, outcomes)."""
        varies, evaluator = self._split(rows)
        return evaluator.value(rows[:, varies], rows[0, ~varies])

    def jacobian(self, rows: NDArray[np.float64], columns: Sequence[int]) -> NDArray[Any]:
        """Return the derivatives by the given columns, shape (rows, outcomes, len(columns))."""
        varies, evaluator = self._split(rows)
        wanted = np.zeros(rows.shape[1], dtype=bool)
        wanted[list(columns)] = True
        by_input, by_weight = evaluator.jacobian(
            rows[:, varies],
            rows[0, ~varies],
            wrt_inputs=bool((wanted & varies).any()),
            wrt_weights=bool((wanted & ~varies).any()),
        )
        parts = ((varies, by_input), (~varies, by_weight))
        known = next(part for _, part in parts if part is not None)
        jacobian = np.zeros((*known.shape[:2], rows.shape[1]), dtype=known.dtype)
        for mask, part in parts:
            if part is not None:
                jacobian[..., mask] = part
        return jacobian[..., list(columns)]

    def _split(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.bool_], Evaluator]:
        """Return which columns are taken as inputs, and the evaluator for that split."""
        varies = (rows != rows[0]).any(axis=0)
        with self._lock:
            # A few columns that happen to be constant this time are not worth another evaluator;
            # with a single row every split is right, and costs the same.
            fitting = [
                key
                for key, (inputs, _) in self._splits.items()
                if not (varies & ~inputs).any()
                and (len(rows) == 1 or inputs.sum() <= 2 * varies.sum())
            ]
            if fitting:
                key = min(fitting, key=lambda key: int(self._splits[key][0].sum()))
                self._splits.move_to_end(key)
                return self._splits[key]
            parameters = list(self._circuit.parameters)
            evaluator = Evaluator(
                self._circuit,
                self._measurement,
                [p for p, is_input in zip(parameters, varies, strict=True) if is_input],
                [p for p, is_input in zip(parameters, varies, strict=True) if not is_input],
            )
            self._splits[varies.tobytes()] = (varies, evaluator)
            if len(self._splits) > _MAX_SPLITS:
                self._splits.popitem(last=False)
            return varies, evaluator


_evaluators: OrderedDict[Hashable, RowEvaluator] = OrderedDict()
_evaluators_lock = Lock()


def row_evaluator(key: Hashable, build: Callable[[], RowEvaluator]) -> RowEvaluator:
    """Return the evaluator kept under this key, building it the first time."""
    with _evaluators_lock:
        found = _evaluators.get(key)
        if found is not None:
            _evaluators.move_to_end(key)
            return found
    # Lowering a circuit takes a while: other threads need not wait for it.
    built = build()
    with _evaluators_lock:
        found = _evaluators.setdefault(key, built)
        if len(_evaluators) > _MAX_EVALUATORS:
            _evaluators.popitem(last=False)
        return found


@dataclass(frozen=True)
class CircuitGroup:
    """Positions in a list of circuits that hold the same computation.

    Attributes:
        key: See ``circuit_key``; None for a circuit that is not shared with any other run.
        circuit: The first of them.
        members: The positions.
    """

    key: Hashable | None
    circuit: QuantumCircuit
    members: list[int]

    def evaluator(self, what: Hashable | None, build: Callable[[], RowEvaluator]) -> RowEvaluator:
        """Return the evaluator kept for the circuit and what is measured; None keeps nothing."""
        if self.key is None or what is None:
            return build()
        return row_evaluator((self.key, what), build)


def group_circuits(circuits: Sequence[QuantumCircuit]) -> list[CircuitGroup]:
    """Group equal circuits, in the order of their first appearance."""
    by_identity: dict[int, list[int]] = {}
    for position, circuit in enumerate(circuits):
        by_identity.setdefault(id(circuit), []).append(position)
    groups: dict[Hashable, CircuitGroup] = {}
    for members in by_identity.values():
        circuit = circuits[members[0]]
        key = circuit_key(circuit)
        group = CircuitGroup(key, circuit, [])
        group = groups.setdefault(id(circuit) if key is None else key, group)
        group.members.extend(members)
    return list(groups.values())


def unique_rows(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the distinct rows in order of appearance, and for each row its place among them."""
    places: dict[bytes, int] = {}
    inverse = [places.setdefault(row.tobytes(), len(places)) for row in rows]
    first = np.full(len(places), -1)
    for position, place in enumerate(inverse):
        if first[place] < 0:
            first[place] = position
    return rows[first], np.asarray(inverse, dtype=np.intp)
