"""How a large state is swept, whatever the machine: in stages, each of which passes over it once.

Label maps move nothing here.  A state keeps its amplitudes where the program leaves them at the
end, and what a layer says of its own labels is said of those: a rotation of a bit pairs a label y
with y ^ vector, its sign is the parity of functional & y, and a phase's mask is another mask.

A *row* is neighbours of a state, whose labels differ in the lowest bits, the lane.  A *tile* is the
rows that a stage's vectors lead to from one of them.  A stage is a run of the program's steps whose
vectors span no more rows than a tile has; it goes from tile to tile, and does all of its steps on
each.  Within a tile rows are numbered by the basis: row b is the xor of those vectors that b
selects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxqnn.circuit.angles import Angle
from jaxqnn.program.frames import Frame, parity
from jaxqnn.program.program import Program
from jaxqnn.program.tables import inverse_map

# What a turn is: the phases of a layer, a rotation, or a start angle, which only a cotangent asks
# for.
PHASES, ROTATION, START = 0, 2, 3

# Who trains an angle: nobody, columns of the samples alone, or (also) columns that are shared.
SAMPLES, SHARED = 1, 2


class Turn(NamedTuple):
    """A rotation or a layer's phases, by what it does to labels of the end.

    Attributes:
        kind: PHASES, ROTATION or START.
        angle: The layer, the place in (L, r), or the bit.
        vector: What leads from a label to its partner.
        functional: Its parity tells which of a pair is the first.
        trained: 0, SAMPLES or SHARED; of a layer's phases the largest.
    """

    kind: int
    angle: int
    vector: int = 0
    functional: int = 0
    trained: int = 0


class Shape(NamedTuple):
    """What a tile may be on a machine.

    Attributes:
        lane_bits: Of the labels in a row.
        row_bits: Of the rows in a state.
        bits: Of the rows in a tile.
        near_bits: The bits of a row that say where in a cache it may be; 0 if that is no matter.
    """

    lane_bits: int
    row_bits: int
    bits: int
    near_bits: int = 0


class Rows:
    """Vectors whose rows are independent, and what others are in terms of them."""

    def __init__(self, lane_bits: int) -> None:
        self.basis: list[int] = []
        self._lane_bits = lane_bits
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
        return made, (vector ^ selected(self.basis, made)) & ((1 << self._lane_bits) - 1)

    def pattern(self, functional: int) -> int:
        """A functional on the tile's numbers of rows."""
        return sum(parity(functional & vector) << i for i, vector in enumerate(self.basis))

    def _left(self, vector: int) -> tuple[int, int]:
        rows, made = vector >> self._lane_bits, 0
        while rows and rows.bit_length() - 1 in self._reduced:
            own, makers = self._reduced[rows.bit_length() - 1]
            rows, made = rows ^ own, made ^ makers
        return rows, made


class Stage:
    """Turns that are taken in one pass."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._rows, self._near = Rows(shape.lane_bits), Rows(shape.lane_bits)
        self._near_mask = (1 << shape.near_bits + shape.lane_bits) - 1
        self.turns: list[Turn] = []

    def take(self, turns: list[Turn]) -> list[Turn]:
        """Adds the rotations for whose vectors there is room; returns the others.

        A tile of rows that are all far apart has few places in a cache, which are found by the
        lower bits of an address.  So each stage gets its share of near ones.
        """
        while turns:
            row_bits, most = self._shape.row_bits, self._shape.bits
            share = min(self._shape.near_bits, row_bits) * len(self._rows.basis)
            wants_near = len(self._near.basis) * row_bits <= share
            turns = sorted(turns, key=lambda turn: self._is_near(turn) != wants_near)
            taken = next((t for t in turns if self._rows.add(t.vector, most)), None)
            if taken is None:
                return turns
            self._near.add(taken.vector & self._near_mask, row_bits)
            self.turns.append(taken)
            turns.remove(taken)
        return turns

    def _is_near(self, turn: Turn) -> bool:
        """Whether a rotation would lead to new rows in the part of an address that matters."""
        return not self._near.has(turn.vector & self._near_mask)

    def completed(self) -> Rows:
        """The rows of a whole tile."""
        turns = [turn for turn in self.turns if turn.vector in self._rows.basis]
        lane_bits, most = self._shape.lane_bits, self._shape.bits
        for position in range(self._shape.row_bits):
            unit = 1 << position + lane_bits
            for turn in turns:
                # So that the rotation's sign does not see it.
                unit ^= turn.vector * parity(turn.functional & unit)
            self._rows.add(unit, most)
        # Vectors that stay in the lane come first, so that long runs of rows keep theirs.
        found = Rows(lane_bits)
        for vector in sorted(self._rows.basis, key=lambda v: v % (1 << lane_bits) != 0):
            found.add(vector, most)
        return found


class Staging(NamedTuple):
    """A program in stages.

    Attributes:
        first: The labels of the start, by those of the end.
        frames: Those of each layer after its map.
        stages: In order.
    """

    first: Frame
    frames: Sequence[Frame]
    stages: Sequence[Stage]


def in_stages(program: Program, shape: Shape) -> Staging:
    """As few stages as a first fit finds; the rotations of a layer commute."""
    first, *frames = _frames(program)
    of_samples = program.sample_columns
    starts = [
        Turn(START, i, first.columns[i], first.rows[i], trained_by(angle, of_samples))
        for i, angle in enumerate(program.start)
        if not angle.is_constant
    ]
    stages, waiting = [Stage(shape)], starts
    count = len(program.rotated.positions)
    for l, (layer, frame) in enumerate(zip(program.layers, frames, strict=True)):
        rotations = zip(program.rotated.positions, layer.rotations, strict=False)
        turns = [
            Turn(
                ROTATION,
                l * count + k,
                frame.columns[bit],
                frame.rows[bit],
                trained_by(angle, of_samples),
            )
            for k, (bit, angle) in enumerate(rotations)
            if not angle.is_zero
        ]
        # Rotations that commute wait for each other, so that there is a choice.
        if layer.phases or not all(commute(one, other) for one in waiting for other in turns):
            _place(stages, waiting, shape)
            waiting = []
        if layer.phases:
            trained = max(trained_by(angle, of_samples) for _, angle in layer.phases)
            stages[-1].turns.append(Turn(PHASES, l, trained=trained))
        waiting += turns
    _place(stages, waiting, shape)
    return Staging(first, frames, stages)


def trained_by(angle: Angle, of_samples: frozenset[int]) -> int:
    """Who trains an angle: 0, SAMPLES or SHARED; the columns of the samples are known."""
    if angle.is_constant:
        return 0
    return SAMPLES if angle.columns <= of_samples else SHARED


def first_of(trained: Sequence[int], least: int) -> int:
    """The first that at least ``least`` trains, or how many there are."""
    return next((i for i, who in enumerate(trained) if who >= least), len(trained))


def commute(one: Turn, other: Turn) -> bool:
    """Whether two rotations may change places."""
    return parity(one.functional & other.vector) == parity(other.functional & one.vector)


def _place(stages: list[Stage], turns: list[Turn], shape: Shape) -> None:
    while turns := stages[-1].take(turns):
        stages.append(Stage(shape))


def _frames(program: Program) -> list[Frame]:
    """The labels of the start and of each layer after its map, by those of the end."""
    frames = [Frame.identity(program.num_qubits)]
    for layer in reversed(program.layers):
        columns = frames[-1].columns
        moved = [selected(columns, mask) for mask in inverse_map(layer.label_map)]
        frames.append(Frame.from_columns(moved))
    return frames[::-1]


def selected(vectors: Sequence[int], mask: int) -> int:
    """The xor of the vectors that a mask selects."""
    found = 0
    for i, vector in enumerate(vectors):
        if mask >> i & 1:
            found ^= vector
    return found
