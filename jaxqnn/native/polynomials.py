"""Angles as polynomials of the parameters, evaluated and differentiated for a batch by NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from jaxqnn.circuit.angles import Angle, Monomial

Floats: TypeAlias = NDArray[np.floating[Any]]

# Up to this many entries, a product with the dense matrix takes less than one with the sparse.
_DENSE = 1 << 16


class Polynomials:
    """angles = matrix @ (p[first] p[second]), where ``p`` is the constant 1 and then the columns.

    Args:
        angles: A polynomials, of degree two at most.
        position: The place among the columns of each column of the program that occurs.
    """

    def __init__(self, angles: Sequence[Angle], position: Mapping[int, int]) -> None:
        index: dict[Monomial, int] = {}
        for angle in angles:
            for monomial in angle.terms:
                index.setdefault(monomial, len(index))
        terms = [
            (a, index[monomial], value)
            for a, angle in enumerate(angles)
            for monomial, value in angle.terms.items()
        ]
        shape = (len(angles), len(index))
        row, column = (np.array([term[i] for term in terms], np.intp) for i in (0, 1))
        value = np.array([term[2] for term in terms], float)
        matrix = csr_array((value, (row, column)), shape=shape)
        self._matrix, self._transposed = _Matrix(matrix), _Matrix(csr_array(matrix.T))
        factors = [
            [1 + position[c] for c in monomial] + [0] * (2 - len(monomial)) for monomial in index
        ]
        self._first, self._second = np.array(factors, np.intp).reshape(-1, 2).T.copy()
        # The derivative by each column: the monomials it is in, times their other factor.
        uses = sorted(
            (mine - 1, source, other)
            for source, (first, second) in enumerate(factors)
            for mine, other in ((first, second), (second, first))
            if mine
        )
        owner, self._source, self._other = np.array(uses, np.intp).reshape(-1, 3).T.copy()
        self._owners, self._starts = np.unique(owner, return_index=True)
        self._is_linear = not np.any(self._other)

    def evaluate(self, columns: Floats) -> Floats:
        """The angles (A, B) of columns (C, B)."""
        p = _with_one(columns)
        monomials = p[self._first]
        return self._matrix.times(monomials if self._is_linear else monomials * p[self._second])

    def pull(self, columns: Floats, cotangent: Floats) -> Floats:
        """Cotangents of the columns (C, m, B) from those of the angles (A, m, B)."""
        found = self._transposed.times(cotangent)[self._source]
        if not self._is_linear:
            found = np.add.reduceat(
                _with_one(columns)[self._other][:, None] * found, self._starts, axis=0
            )
        if self._owners.size == columns.shape[0]:
            return found
        out = np.zeros((columns.shape[0], *cotangent.shape[1:]))
        out[self._owners] = found
        return out

    def push(self, columns: Floats, tangent: Floats) -> Floats:
        """Tangents of the angles (A, T, B) from those of the columns (C, T, B)."""
        p = _with_one(columns)[:, None]
        d = np.concatenate([np.zeros((1, *tangent.shape[1:])), tangent])
        slope = d[self._first] * p[self._second] + p[self._first] * d[self._second]
        return self._matrix.times(slope)


class _Matrix:
    """A constant matrix, whose zeros are no factors: one row's NaN is not another's."""

    def __init__(self, matrix: csr_array) -> None:
        self._sparse = matrix
        self._dense = matrix.toarray() if math.prod(matrix.shape) <= _DENSE else None

    def times(self, rows: Floats) -> Floats:
        """The product with rows (R, ...)."""
        flat = rows.reshape(rows.shape[0], math.prod(rows.shape[1:]))
        found = None if self._dense is None else self._dense @ flat
        if found is None or not math.isfinite(np.add.reduce(found, axis=None)):
            found = self._sparse @ flat
        return found.reshape(found.shape[0], *rows.shape[1:])


def _with_one(columns: Floats) -> Floats:
    p = np.empty((1 + columns.shape[0], columns.shape[1]))
    p[0], p[1:] = 1.0, columns
    return p
