"""Answer many requests (row, observable) for one circuit in as few batches as possible.

A network asks for all its observables on all its samples, a sweep for one observable per point,
and either may name a row or an observable again and again.  Distinct rows and observables are
found first; then observables wanted on the same rows share one evolution of these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxqnn.measure import Expectation
from jaxqnn.primitives.keys import observable_key
from jaxqnn.primitives.rows import CircuitGroup, RowEvaluator, unique_rows

# Below this share of wanted (row, observable) pairs, separate evolutions are the lesser waste.
_DENSE = 0.25


@dataclass(frozen=True)
class Requests:
    """Request k is for observable ``observables[observable[k]]`` on row ``rows[row[k]]``."""

    group: CircuitGroup
    rows: NDArray[np.float64]
    row: NDArray[np.intp]
    observables: list[Any]
    observable: NDArray[np.intp]

    @classmethod
    def collect(
        cls, group: CircuitGroup, rows: NDArray[np.float64], observables: Sequence[Any]
    ) -> Requests:
        """Find the distinct rows and observables of requests given in full, one per row."""
        distinct, row = unique_rows(rows)
        # The same object need not be inspected twice: a network repeats it for every sample.
        keys: dict[int, Hashable] = {}
        places: dict[Hashable, int] = {}
        found: list[Any] = []
        observable = np.empty(len(rows), dtype=np.intp)
        for k, candidate in enumerate(observables):
            if id(candidate) not in keys:
                key = observable_key(candidate)
                keys[id(candidate)] = id(candidate) if key is None else key
            key = keys[id(candidate)]
            if key not in places:
                places[key] = len(found)
                found.append(candidate)
            observable[k] = places[key]
        return cls(group, distinct, row, found, observable)

    def values(self) -> NDArray[np.float64]:
        """Return the expectation value of every request, shape (requests,)."""
        return self.answer(lambda rows, chosen: self._evaluator(chosen).value(rows))

    def gradients(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """Return the gradient of every request, shape (requests, len(columns))."""
        return self.answer(lambda rows, chosen: self._evaluator(chosen).jacobian(rows, columns))

    def answer(
        self, compute: Callable[[NDArray[np.float64], list[Any]], NDArray[Any]]
    ) -> NDArray[Any]:
        """Run ``compute(rows, observables) -> (rows, observables, ...)`` and pick every request."""
        answers: NDArray[Any] | None = None
        for rows, observables in self._blocks():
            block = compute(self.rows[rows], [self.observables[place] for place in observables])
            if answers is None:
                answers = np.empty((len(self.row), *block.shape[2:]), dtype=block.dtype)
            here = np.isin(self.observable, observables)
            answers[here] = block[
                np.searchsorted(rows, self.row[here]),
                np.searchsorted(observables, self.observable[here]),
            ]
        assert answers is not None, "a group has at least one request"
        return answers

    def _evaluator(self, observables: list[Any]) -> RowEvaluator:
        keys = [observable_key(observable) for observable in observables]
        what = None if None in keys else ("expectation", *keys)
        circuit = self.group.circuit
        return self.group.evaluator(what, lambda: RowEvaluator(circuit, Expectation(observables)))

    def _blocks(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Return (rows, observables) blocks that together hold every wanted pair."""
        wanted = np.zeros((len(self.observables), len(self.rows)), dtype=bool)
        wanted[self.observable, self.row] = True
        if wanted.mean() >= _DENSE:
            return [(np.arange(len(self.rows)), np.arange(len(self.observables)))]
        blocks: dict[bytes, list[int]] = {}
        for place, pattern in enumerate(wanted):
            blocks.setdefault(pattern.tobytes(), []).append(place)
        return [
            (np.flatnonzero(wanted[places[0]]), np.asarray(places)) for places in blocks.values()
        ]
