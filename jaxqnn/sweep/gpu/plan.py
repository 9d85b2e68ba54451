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

from jaxqnn.program.frames import parity
from jaxqnn.program.program import Program
from jaxqnn.program.tables import Tables
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
        turns: The place among the rotations of each angle of each step, three a step; one past the
            last for none.
        of_shared: The slot of each angle of the shared table, ``slots`` for none.
        of_sample: The slot of each angle of the samples' table, ``slots`` for none.
    """

    words: Array
    tile_bits: int
    num_stages: int
    first: int
    slots: int
    turns: Array
    of_shared: Array
    of_sample: Array


def plan(program: Program, tables: Tables, most_bits: int) -> Plan:
    """The words of a program.

    Args:
        program: Without blocks and given amplitudes.
        tables: The same as tables; angles are counted as these do.
        most_bits: Of a tile.
    """
    n = program.num_qubits
    bits = min(n, most_bits)
    lane_bits = n if n == bits else _LANE_BITS
    staging = in_stages(program, Shape(lane_bits, n - lane_bits, bits - lane_bits))
    return _Writer(program, tables, staging, lane_bits, bits).plan()


# Words of a step's record, and where in it they are; see ``sweep.cu``, which has the same numbers.
_RECORD = 32
_MOST_COSETS = 12
# Where the passes of a transform, the start's functionals and the stages' heads begin.
_ROWS, _HEADS, _HEAD = 160, 192, 64
_COLUMNS, _FREE = 4, 20

# What a block keeps in shared memory beside its tile: words, and numbers.
OTHER_WORDS = _HEADS + _HEAD + 2 * _RECORD
OTHER_NUMBERS = 4 * GROUP + 64 + 2 * GROUP * 16

# A pattern of more phases than these is summed by a warp.
_HEAVY = 4


class _Writer:
    def __init__(
        self, program: Program, tables: Tables, staging: Staging, lane_bits: int, bits: int
    ) -> None:
        self._program, self._staging = program, staging
        self._lane_bits, self._bits = lane_bits, bits
        self._phases = _place_phases(program, tables)
        self._slots = 0
        length = tables.map_high.shape[0] * sum(tables.group_sizes)
        self._of_shared = np.full(length + tables.shared_masks.size, -1)
        self._of_sample = np.full(tables.sample_masks.size + program.num_qubits, -1)
        self._num_rotations, self._num_own = length, tables.sample_masks.size
        self._words: list[int] = []
        self._turns: list[int] = []

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
        nothing = self._slots
        return Plan(
            np.array(self._words, np.int64).astype(np.uint32).view(np.int32),
            self._bits,
            len(stages),
            first,
            self._slots,
            np.array(self._turns, np.int32),
            np.where(self._of_shared < 0, nothing, self._of_shared).astype(np.int32),
            np.where(self._of_sample < 0, nothing, self._of_sample).astype(np.int32),
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
        angles = [turn.angle if turn.kind == ROTATION else self._num_rotations for turn in turns]
        if turns[0].kind == PHASES:
            self._turns += [self._num_rotations] * GROUP
            return self._phase_step(turns[0], rows)
        missing = [0] * (GROUP - len(turns))
        self._turns += [*angles, *[self._num_rotations] * len(missing)]
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

    def _slot_of(self, turn: Turn) -> int:
        if not turn.trains:
            return -1
        if turn.kind == START:
            return self._new_slot(self._of_sample, self._num_own + turn.angle)
        return self._new_slot(self._of_shared, turn.angle)

    def _new_slot(self, table: Array, place: int) -> int:
        table[place] = self._slots
        self._slots += 1
        return self._slots - 1

    def _phase_step(self, turn: Turn, rows: Rows) -> list[int]:
        """The record of a layer's phases: those of many phases are the first of the patterns."""
        frame = self._staging.frames[turn.angle]
        by_pattern: dict[int, list[list[int]]] = {}
        lane_mask = (1 << self._lane_bits) - 1
        for mask, is_own, place, trains in self._phases[turn.angle]:
            moved = selected(frame.rows, mask)
            pattern = rows.pattern(moved) << self._lane_bits | moved & lane_mask
            slot = -1
            if trains and is_own:
                slot = self._new_slot(self._of_sample, place)
            elif trains:
                slot = self._new_slot(self._of_shared, self._num_rotations + place)
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


_Phase = tuple[int, bool, int, bool]


def _place_phases(program: Program, tables: Tables) -> list[list[_Phase]]:
    """Each layer's phases.

    Of each its mask, whether the samples have their own, the place of its angle in the tables, and
    whether a parameter is behind it.
    """
    width = {
        False: tables.shared_masks.shape[1],
        True: tables.sample_masks.shape[1],
    }
    ranges = {False: tables.shared_range, True: tables.sample_range}
    found: list[list[_Phase]] = []
    for l, layer in enumerate(program.layers):
        count = {False: 0, True: 0}
        phases = []
        for mask, angle in layer.phases:
            is_own = program.is_per_sample(angle)
            place = int(ranges[is_own][l]) * width[is_own] + count[is_own]
            count[is_own] += 1
            phases.append((mask, is_own, place, not angle.is_constant))
        found.append(phases)
    return found
