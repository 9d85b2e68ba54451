"""How a large state is swept: in stages, each of which takes it through the cache once.

Label maps move nothing here.  A state keeps its amplitudes where the program leaves them at the
end, and what a layer says of its own labels is said of those: a rotation of a bit pairs a label y
with y ^ vector, its sign is the parity of functional & y, and a phase's mask is another mask.

A *row* is eight neighbours of a state, whose labels differ in the lowest three bits, the lane.  A
*tile* is the rows that a stage's vectors lead to from one of them.  A stage is a run of the
program's steps whose vectors span no more rows than a tile has; it goes from tile to tile, and does
all of its steps on each.  Within a tile rows are numbered by the basis: row b is the xor of those
vectors that b selects.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from jaxqnn.program.frames import Frame, parity
from jaxqnn.program.program import Program
from jaxqnn.program.tables import inverse_map
from jaxqnn.sweep.cpu.layout import LANE_BITS, TILED_QUBITS

Array = np.ndarray[Any, Any]

# Rows of a tile at most, as bits: its state, bra and phases stay in a core's second-level cache.
_MOST_BITS = 10

# The bits of a row that say where in a core's second-level cache it may be.
_NEAR_BITS = 11
_NEAR = (1 << _NEAR_BITS + LANE_BITS) - 1

# What a step is: the phases of a layer, two rotations whose vectors are vectors of the basis, one
# rotation of any kind, or a start angle, which only a cotangent asks for.
PHASES, PAIR, ROTATION, START = range(4)

# The words of a step: its kind, whose angle, the first of its cotangents in the stage, its vector
# by rows of the tile and by lane, its functional by rows of the tile and on the label, and whether
# a parameter is behind it.
STEP = 8


class _Turn(NamedTuple):
    """A rotation or a layer's phases, by what it does to labels of the end."""

    kind: int
    angle: int
    vector: int = 0
    functional: int = 0
    trains: bool = False


class Tiling(NamedTuple):
    """A program's stages as words.

    Attributes:
        head: How many stages, bits of a tile's rows, steps, and cotangents of a stage at most.
        parts: In the order of ``tiles.Tiles``.
    """

    head: tuple[int, int, int, int]
    parts: list[Array]


Masks = Sequence[Sequence[int]]


def tile(program: Program, shared: Masks, own: Masks) -> Tiling:
    """The stages of a program; none if it is small or has steps that no stage takes.

    Args:
        program: The program.
        shared: The masks of each layer's phases that the batch shares.
        own: Those of the samples' own.
    """
    if not is_tiled(program):
        return Tiling((0, 0, 0, 0), [])
    row_bits = program.num_qubits - LANE_BITS
    bits = -(-row_bits // -(-row_bits // _MOST_BITS))
    first, *frames = _frames(program)
    begin, steps, bases, free, acts, most = [0], [], [], [], [], 0
    patterns: tuple[list[tuple[int, int]], ...] = [], []
    for stage in _stages(program, first, frames, row_bits, bits):
        rows = stage.completed()
        bases.append(rows.basis)
        free.append([p for p in range(row_bits) if p not in rows.pivots])
        acts.append(any(turn.kind != START for turn in stage.turns))
        count = 0
        for kind, angle, *words in _steps(stage.turns, rows, len(program.rotated.positions)):
            steps.append((kind, angle, count, *words))
            count += kind != PHASES
            if kind == PHASES:
                for found, masks in zip(patterns, (shared, own), strict=True):
                    moved = [_selected(frames[angle].rows, mask) for mask in masks[angle]]
                    found += [(rows.pattern(mask), mask) for mask in moved]
                    count += len(moved)
        most = max(most, count)
        begin.append(len(steps))
    head = len(bases), bits, len(steps), most
    parts = [begin, acts, bases, free, steps, *patterns, first.rows]
    return Tiling(head, [np.array(part, np.int64).reshape(-1) for part in parts])


def is_tiled(program: Program) -> bool:
    """Whether a program's states are large, and all of its steps some that stages take."""
    has_blocks = any(layer.block is not None for layer in program.layers)
    return program.num_qubits >= TILED_QUBITS and not has_blocks and not program.amplitudes


def _frames(program: Program) -> list[Frame]:
    """The labels of the start and of each layer after its map, by those of the end."""
    frames = [Frame.identity(program.num_qubits)]
    for layer in reversed(program.layers):
        columns = frames[-1].columns
        moved = [_selected(columns, mask) for mask in inverse_map(layer.label_map)]
        frames.append(Frame.from_columns(moved))
    return frames[::-1]


def _selected(vectors: Sequence[int], mask: int) -> int:
    """The xor of the vectors that a mask selects."""
    found = 0
    for i, vector in enumerate(vectors):
        if mask >> i & 1:
            found ^= vector
    return found


class _Rows:
    """Vectors whose rows are independent, and what others are in terms of them."""

    def __init__(self) -> None:
        self.basis: list[int] = []
        self._reduced: dict[int, tuple[int, int]] = {}  # by top bit: rows, and who made them

    @property
    def pivots(self) -> set[int]:
        """A row bit of each vector; rows without any of these bits lead one to each tile."""
        return set(self._reduced)

    def add(self, vector: int, most: int) -> bool:
        """Adds a vector if it is new and there is room; whether it is in the span then."""
        rows, made = self._left(vector)
        if rows and len(self.basis) < most:
            self._reduced[rows.bit_length() - 1] = rows, made ^ 1 << len(self.basis)
            self.basis.append(vector)
            return True
        return not rows

    def has(self, vector: int) -> bool:
        """Whether a vector's rows are in the span."""
        return not self._left(vector)[0]

    def coordinates(self, vector: int) -> tuple[int, int]:
        """Which of the basis a vector's rows are the sum of, and the lanes that this leaves."""
        _, made = self._left(vector)
        return made, (vector ^ _selected(self.basis, made)) & ((1 << LANE_BITS) - 1)

    def pattern(self, functional: int) -> int:
        """A functional on the tile's numbers of rows."""
        return sum(parity(functional & vector) << i for i, vector in enumerate(self.basis))

    def _left(self, vector: int) -> tuple[int, int]:
        rows, made = vector >> LANE_BITS, 0
        while rows and rows.bit_length() - 1 in self._reduced:
            own, makers = self._reduced[rows.bit_length() - 1]
            rows, made = rows ^ own, made ^ makers
        return rows, made


class _Stage:
    def __init__(self, row_bits: int, bits: int) -> None:
        self._row_bits, self._bits = row_bits, bits
        self._rows, self._near = _Rows(), _Rows()
        self.turns: list[_Turn] = []

    def take(self, turns: list[_Turn]) -> list[_Turn]:
        """Adds the rotations for whose vectors there is room; returns the others.

        A tile of rows that are all far apart has few places in a cache, which are found by the
        lower bits of an address.  So each stage gets its share of near ones.
        """
        while turns:
            share = min(_NEAR_BITS, self._row_bits) * len(self._rows.basis)
            wants_near = len(self._near.basis) * self._row_bits <= share
            turns = sorted(turns, key=lambda turn: self._is_near(turn) != wants_near)
            taken = next((t for t in turns if self._rows.add(t.vector, self._bits)), None)
            if taken is None:
                return turns
            self._near.add(taken.vector & _NEAR, self._row_bits)
            self.turns.append(taken)
            turns.remove(taken)
        return turns

    def _is_near(self, turn: _Turn) -> bool:
        """Whether a rotation would lead to new rows in the part of an address that matters."""
        return not self._near.has(turn.vector & _NEAR)

    def completed(self) -> _Rows:
        """The rows of a whole tile."""
        turns = [turn for turn in self.turns if turn.vector in self._rows.basis]
        for position in range(self._row_bits):
            unit = 1 << position + LANE_BITS
            for turn in turns:
                # So that the rotation's sign does not see it.
                unit ^= turn.vector * parity(turn.functional & unit)
            self._rows.add(unit, self._bits)
        # Vectors that stay in the lane come first, so that long runs of rows keep theirs.
        found = _Rows()
        for vector in sorted(self._rows.basis, key=lambda v: v % (1 << LANE_BITS) != 0):
            found.add(vector, self._bits)
        return found


def _stages(
    program: Program, first: Frame, frames: Sequence[Frame], row_bits: int, bits: int
) -> list[_Stage]:
    """As few as a first fit finds; the rotations of a layer commute."""
    starts = [
        _Turn(START, i, first.columns[i], first.rows[i], trains=True)
        for i, angle in enumerate(program.start)
        if not angle.is_constant
    ]
    stages, waiting = [_Stage(row_bits, bits)], starts
    count = len(program.rotated.positions)
    for l, (layer, frame) in enumerate(zip(program.layers, frames, strict=True)):
        rotations = zip(program.rotated.positions, layer.rotations, strict=False)
        turns = [
            _Turn(
                ROTATION,
                l * count + k,
                frame.columns[bit],
                frame.rows[bit],
                not angle.is_constant,
            )
            for k, (bit, angle) in enumerate(rotations)
            if not angle.is_zero
        ]
        # Rotations that commute wait for each other, so that there is a choice.
        if layer.phases or not all(_commute(one, other) for one in waiting for other in turns):
            _place(stages, waiting, row_bits, bits)
            waiting = []
        if layer.phases:
            stages[-1].turns.append(_Turn(PHASES, l))
        waiting += turns
    _place(stages, waiting, row_bits, bits)
    return stages


def _commute(one: _Turn, other: _Turn) -> bool:
    return parity(one.functional & other.vector) == parity(other.functional & one.vector)


def _place(stages: list[_Stage], turns: list[_Turn], row_bits: int, bits: int) -> None:
    while turns := stages[-1].take(turns):
        stages.append(_Stage(row_bits, bits))


def _steps(turns: list[_Turn], rows: _Rows, rotations: int) -> list[tuple[int, ...]]:
    """The steps of a stage, as words; what of a layer is in pairs comes first."""
    found: list[tuple[int, ...]] = []
    for _, group in groupby(turns, lambda turn: (turn.kind, turn.angle // rotations)):
        in_pairs: list[tuple[int, ...]] = []
        others: list[tuple[int, ...]] = []
        for turn in group:
            vector, lane = rows.coordinates(turn.vector)
            pattern = rows.pattern(turn.functional)
            plain = turn.kind == ROTATION and lane == 0 and vector == pattern
            is_plain = plain and vector.bit_count() == 1
            words = (turn.angle, vector, lane, pattern, turn.functional, turn.trains)
            (in_pairs if is_plain else others).append((turn.kind, *words))
        if len(in_pairs) % 2:
            others.append(in_pairs.pop())
        found += [(PAIR, *words[1:]) for words in in_pairs]
        found += others
    return found
