"""A program as the CUDA kernels read it: one array of 32-bit words, see ``sweep.cu``.

A tile's 2^t amplitudes stand in a block's shared memory, numbered by t bits: the lane, then the
rows of ``staging``.  A small state is one tile.  Up to three rotations that commute are one step,
which a thread does in registers, on the amplitudes that their vectors lead to from one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from jaxqnn.circuit.angles import Angle
from jaxqnn.program.frames import parity
from jaxqnn.program.program import Program
from jaxqnn.program.tables import TermTable, column_order, term_table
from jaxqnn.sweep.staging import (
    PHASES,
    ROTATION,
    START,
    Rows,
    Shape,
    Staging,
    Turn,
    in_stages,
    selected,
)

Array = np.ndarray[Any, Any]

# Rotations that a thread does at once, on 2^3 amplitudes.
GROUP = 3

# Amplitudes of a row, which are read from one place of the device's memory.
_LANE_BITS = 4

# Shared memory has so many banks, as bits; threads of a warp should ask different ones.
_BANK_BITS = 5


class Plan(NamedTuple):
    """A program's stages as words, and what a launch must know of them.

    Attributes:
        words: int32, see ``sweep.cu``.
        tile_bits: t.
        num_stages: S.
        first: The first stage that does anything to a state.
        slots: How many angles have a cotangent.
        turns: The rotations' angles, three a step, over [1, weights].
        shared: The angles of phases that the batch shares, over the same.
        own: Those of the samples' own phases, over [1, inputs], or [1, inputs, weights] if any of
            them or of the start depends on a weight.
        start: The start's angles, over the same.
        of_shared: The slots' angles as those of weights; nothing for a sample's own.
        of_own: The slots' angles as those of the samples' columns; nothing for shared ones.
    """

    words: Array
    tile_bits: int
    num_stages: int
    first: int
    slots: int
    turns: TermTable
    shared: TermTable
    own: TermTable
    start: TermTable
    of_shared: TermTable
    of_own: TermTable


def plan(program: Program, most_bits: int) -> Plan:
    """The words of a program.

    Args:
        program: Without blocks and given amplitudes.
        most_bits: Of a tile.
    """
    n = program.num_qubits
    bits = min(n, most_bits)
    lane_bits = n if n == bits else _LANE_BITS
    staging = in_stages(program, Shape(lane_bits, n - lane_bits, bits - lane_bits))
    return _Writer(program, staging, lane_bits, bits).plan()


# Words of a step's record, and where in it they are; see ``sweep.cu``, which has the same numbers.
_RECORD = 32
_MOST_COSETS = 12
# Where the passes of a transform, the start's functionals and the stages' heads begin.
_ROWS, _HEADS, _HEAD = 160, 192, 64
_COLUMNS, _FREE = 4, 20

# What a block keeps in shared memory beside its tile: words, and numbers.
OTHER_WORDS = _HEADS + _HEAD + 4 * _RECORD
OTHER_NUMBERS = 4 * GROUP + 64 + 2 * GROUP * 16

# A pattern of more phases than these is summed by a warp.
_HEAVY = 4


class _Writer:
    def __init__(self, program: Program, staging: Staging, lane_bits: int, bits: int) -> None:
        self._program, self._staging = program, staging
        self._lane_bits, self._bits = lane_bits, bits
        self._words: list[int] = []
        # Angles in the order of the steps that use them; of slots, whether they are a sample's own.
        self._turns: list[Angle] = []
        self._phases: dict[bool, list[Angle]] = {False: [], True: []}
        self._slots: list[tuple[bool, Angle]] = []

    def plan(self) -> Plan:
        """The plan."""
        units = [1 << i for i in range(self._bits)]
        passes = [units[i : i + GROUP] for i in range(0, self._bits, GROUP)]
        stages = self._staging.stages
        self._words = [0] * (_HEADS + _HEAD * len(stages))
        for i, vectors in enumerate(passes):
            self._put(_RECORD * i, [0, len(vectors), *[0] * GROUP, *self._group(vectors)])
        self._put(_ROWS, self._staging.first.rows)
        for i, stage in enumerate(stages):
            head = self._stage(stage.turns, stage.completed(), len(passes))
            self._put(_HEADS + _HEAD * i, head)
        acts = [any(t.kind != START for t in stage.turns) for stage in stages]
        first = next((i for i, does in enumerate(acts) if does), len(acts) - 1)
        inputs, weights = column_order(self._program)
        shared_at = {c: 1 + i for i, c in enumerate(weights)}
        own_at = {c: 1 + i for i, c in enumerate([*inputs, *weights])}
        own = [*self._phases[True], *self._program.start]
        columns = len(inputs) + len(weights) * any(a.depends_on(weights) for a in own)
        of_shared = [Angle() if is_own else angle for is_own, angle in self._slots]
        of_own = [angle if is_own else Angle() for is_own, angle in self._slots]
        return Plan(
            np.array(self._words, np.int64).astype(np.uint32).view(np.int32),
            self._bits,
            len(stages),
            first,
            len(self._slots),
            term_table(self._turns, shared_at, len(weights)),
            term_table(self._phases[False], shared_at, len(weights)),
            term_table(self._phases[True], own_at, columns),
            term_table(self._program.start, own_at, columns),
            term_table(of_shared, shared_at, len(weights)),
            term_table(of_own, own_at, columns),
        )

    def _put(self, at: int, words: Sequence[int]) -> None:
        self._words[at : at + len(words)] = [word & 0xFFFFFFFF for word in words]

    def _append(self, words: Sequence[int]) -> int:
        """Where the words are."""
        at = len(self._words)
        self._words += [word & 0xFFFFFFFF for word in words]
        return at

    def _stage(self, turns: Sequence[Turn], rows: Rows, passes: int) -> list[int]:
        """The head of a stage: its steps, labels of the tile's bits, bits that number the tiles."""
        first = len(self._turns) // GROUP
        records = [self._step(group, rows) for group in _groups(turns)]
        at = self._append([word for r in records for word in (*r, *[0] * (_RECORD - len(r)))])
        columns = [*(1 << bit for bit in range(self._lane_bits)), *rows.basis]
        row_bits = self._program.num_qubits - self._lane_bits
        free = [p + self._lane_bits for p in range(row_bits) if p not in rows.pivots]
        missing = [0] * (_FREE - _COLUMNS - len(columns))
        return [len(records), at, first, passes, *columns, *missing, *free]

    def _step(self, turns: Sequence[Turn], rows: Rows) -> list[int]:
        if turns[0].kind == PHASES:
            self._turns += [Angle()] * GROUP
            return self._phase_step(turns[0], rows)
        missing = [0] * (GROUP - len(turns))
        # A start angle turns nothing, and is where its cotangent is read off.
        angles = [self._angle(turn) if turn.kind == ROTATION else Angle() for turn in turns]
        self._turns += [*angles, *[Angle()] * len(missing)]
        vectors, patterns = [], []
        mask = (1 << self._lane_bits) - 1
        for turn in turns:
            made, lane = rows.coordinates(turn.vector)
            vectors.append(made << self._lane_bits | lane)
            row_pattern = rows.pattern(turn.functional) << self._lane_bits
            patterns.append(row_pattern | turn.functional & mask)
        return [
            turns[0].kind,
            len(turns),
            *(self._slot_of(turn) for turn in turns),
            *missing,
            *self._group(vectors),
            *patterns,
            *missing,
            *(turn.functional for turn in turns),
        ]

    def _group(self, vectors: Sequence[int]) -> list[int]:
        """Three vectors, and up to twelve that lead from one of their cosets to each."""
        cosets = _complement(vectors, self._bits)
        missing = [0] * (_MOST_COSETS - len(cosets))
        return [*vectors, *[0] * (GROUP - len(vectors)), *cosets, *missing]

    def _angle(self, turn: Turn) -> Angle:
        if turn.kind == START:
            return self._program.start[turn.angle]
        layer, k = divmod(turn.angle, len(self._program.rotated.positions))
        return self._program.layers[layer].rotations[k]

    def _slot_of(self, turn: Turn) -> int:
        return self._new_slot(self._angle(turn), is_own=turn.kind == START) if turn.trained else -1

    def _new_slot(self, angle: Angle, *, is_own: bool) -> int:
        self._slots.append((is_own, angle))
        return len(self._slots) - 1

    def _phase_step(self, turn: Turn, rows: Rows) -> list[int]:
        """The record of a layer's phases: those of many phases are the first of the patterns."""
        frame = self._staging.frames[turn.angle]
        by_pattern: dict[int, list[list[int]]] = {}
        lane_mask = (1 << self._lane_bits) - 1
        for mask, angle in self._program.layers[turn.angle].phases:
            moved = selected(frame.rows, mask)
            pattern = rows.pattern(moved) << self._lane_bits | moved & lane_mask
            is_own = self._program.is_per_sample(angle)
            place = len(self._phases[is_own])
            self._phases[is_own].append(angle)
            slot = -1 if angle.is_constant else self._new_slot(angle, is_own=is_own)
            source = -1 - place if is_own else place
            by_pattern.setdefault(pattern, []).append([source, moved, slot, pattern])
        groups = sorted(by_pattern.values(), key=len, reverse=True)
        entries = [entry for group in groups for entry in group]
        begin = np.cumsum([0, *map(len, groups)]).tolist()
        patterns = [
            word
            for group, start, end in zip(groups, begin, begin[1:], strict=False)
            for word in (group[0][3], start, end)
        ]
        trains = any(entry[2] >= 0 for entry in entries)
        return [
            PHASES,
            len(groups),
            self._append(patterns),
            sum(len(group) > _HEAVY for group in groups),
            len(entries),
            self._append([word for entry in entries for word in entry]),
            int(trains),
        ]


def _groups(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    """Turns that are done at once."""
    group: list[Turn] = []
    for turn in turns:
        fits = (
            group
            and turn.kind == group[0].kind != PHASES
            and len(group) < GROUP
            and all(_apart(turn, other) for other in group)
        )
        if group and not fits:
            yield group
            group = []
        group.append(turn)
    if group:
        yield group


def _apart(one: Turn, other: Turn) -> bool:
    """Whether neither of two rotations changes what is first and second for the other."""
    return not (parity(one.functional & other.vector) or parity(other.functional & one.vector))


def _complement(vectors: Sequence[int], bits: int) -> list[int]:
    """Vectors that lead from one coset of the span to each; the first five to different banks."""
    span = [selected(vectors, mask) for mask in range(1 << len(vectors))]
    found: list[int] = []
    whole = _Span(vectors)
    banks = _Span(())
    low = (1 << _BANK_BITS) - 1
    units = [1 << i for i in range(bits)]
    # First those that go to a new bank, in the order of labels; then whatever is left.
    for unit, shift in product(units, span):
        if len(banks) < _BANK_BITS and not whole.has(unit) and not banks.has((unit ^ shift) & low):
            banks.add((unit ^ shift) & low)
            whole.add(unit)
            found.append(unit ^ shift)
    for unit in units:
        if not whole.has(unit):
            whole.add(unit)
            found.append(unit)
    assert len(found) == bits - len(vectors)
    return found


class _Span:
    """Sums of vectors over GF(2)."""

    def __init__(self, vectors: Sequence[int]) -> None:
        self._reduced: dict[int, int] = {}
        for vector in vectors:
            self.add(vector)

    def __len__(self) -> int:
        return len(self._reduced)

    def has(self, vector: int) -> bool:
        """Whether a vector is a sum of those that were added."""
        return not self._left(vector)

    def add(self, vector: int) -> None:
        """Adds a vector, if it is new."""
        if left := self._left(vector):
            self._reduced[left.bit_length()] = left

    def _left(self, vector: int) -> int:
        while vector and vector.bit_length() in self._reduced:
            vector ^= self._reduced[vector.bit_length()]
        return vector
