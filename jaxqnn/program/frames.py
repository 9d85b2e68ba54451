"""Linear maps on labels over GF(2), with vectors and functionals as integer bit masks.

A frame names the n bits of a label by n independent functionals of the *reference* label x, the
label the program started with.  CX, SWAP and relabellings change a frame and move no amplitude.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def parity(mask: int) -> int:
    """The sum of the bits, modulo two."""
    return mask.bit_count() & 1


@dataclass(frozen=True)
class Frame:
    """A basis of functionals and its dual basis of vectors: parity(rows[i] & columns[j]) = [i=j].

    Attributes:
        rows: rows[i] is the functional of x that gives bit i of the frame's label.
        columns: columns[j] is the reference label whose frame label is the unit vector j.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @staticmethod
    def identity(num_bits: int) -> Frame:
        """The frame whose label is the reference label."""
        units = tuple(1 << i for i in range(num_bits))
        return Frame(units, units)

    @staticmethod
    def from_columns(columns: Sequence[int]) -> Frame:
        """The frame with the given unit vectors."""
        # Rows and columns are dual to each other, so either determines the other alike.
        return Frame(_dual(columns), tuple(columns))

    def functional(self, mask: int) -> int:
        """A parity of the reference label, as a mask on this frame's label."""
        return sum(1 << j for j, column in enumerate(self.columns) if parity(mask & column))

    def vector(self, vector: int) -> int:
        """A reference label, as this frame's label."""
        return sum(1 << i for i, row in enumerate(self.rows) if parity(row & vector))

    def map_from(self, other: Frame) -> tuple[int, ...]:
        """Columns of the map that takes this frame's label to the other frame's."""
        return tuple(other.vector(column) for column in self.columns)

    def with_bits(self, bits: Sequence[int], pairs: Sequence[tuple[int, int]]) -> Frame:
        """The nearest frame that has the given qubits as these bits.

        Args:
            bits: Positions in the label, as many as there are pairs.
            pairs: For each of the bits, a qubit's (vector, functional); they are dual to one
                another.

        Returns:
            A frame with the pairs' functionals as these bits and the pairs' vectors as unit
            vectors. The other bits stay where they are as far as they can, which keeps the
            amplitudes of one gather close together.
        """
        num_bits = len(self.rows)
        # Made blind to the pairs' vectors, this frame's own functionals span what is left.
        candidates = []
        for row in self.rows:
            for vector, functional in pairs:
                if parity(row & vector):
                    row ^= functional
            candidates.append(row)
        chosen: list[int | None] = [None] * num_bits
        for bit, (_, functional) in zip(bits, pairs, strict=True):
            chosen[bit] = functional
        space = _Span(functional for _, functional in pairs)
        spare = []
        for position, row in enumerate(candidates):
            if space.add(row):
                if chosen[position] is None:
                    chosen[position] = row
                else:
                    spare.append(row)
        rows = [spare.pop(0) if row is None else row for row in chosen]
        return Frame(tuple(rows), _dual(rows))


class _Span:
    """A growing set of independent masks, in echelon form."""

    def __init__(self, masks: Iterable[int]) -> None:
        self._by_top: dict[int, int] = {}
        for mask in masks:
            self.add(mask)

    def add(self, mask: int) -> bool:
        """Adds a mask; False if it was in the span already."""
        while mask:
            top = mask.bit_length()
            if top not in self._by_top:
                self._by_top[top] = mask
                return True
            mask ^= self._by_top[top]
        return False


def _dual(rows: Sequence[int]) -> tuple[int, ...]:
    """The columns of the inverse, by Gauss-Jordan elimination."""
    n = len(rows)
    # Each entry: the row in the low n bits, the same combination of the identity above it.
    work = [row | 1 << (n + i) for i, row in enumerate(rows)]
    for bit in range(n):
        pivot = next(i for i in range(bit, n) if work[i] >> bit & 1)
        work[bit], work[pivot] = work[pivot], work[bit]
        for i in range(n):
            if i != bit and work[i] >> bit & 1:
                work[i] ^= work[bit]
    inverse_rows = [entry >> n for entry in work]
    return tuple(
        sum(1 << i for i, row in enumerate(inverse_rows) if row >> j & 1) for j in range(n)
    )
