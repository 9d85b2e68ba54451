"""How the compiled sweeps take a large state: its stages as words; see ``staging``.

A row is eight neighbours, as many as an instruction works on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxqnn.program.frames import parity
from jaxqnn.program.program import Program
from jaxqnn.sweep.cpu.layout import LANE_BITS, TILED_QUBITS
from jaxqnn.sweep.staging import (
    PHASES,
    ROTATION,
    SAMPLES,
    SHARED,
    START,
    Rows,
    Shape,
    Turn,
    commute,
    first_of,
    in_stages,
    selected,
)

Array = np.ndarray[Any, Any]

# Rows of a tile at most, as bits: its state, bra and phases stay in a core's second-level cache.
# Where the state is in none, one bit more, for what is saved then is a pass over the memory.
_MOST_BITS = 9
_FAR_BITS = 19

# Of three bits there is always a vector for what does nothing beside a rotation.
_LEAST_BITS = 3

# Tiles that threads share out at least, as bits.
_TILES_BITS = 4

# The bits of a row that say where in a core's second-level cache it may be.
_NEAR_BITS = 11

# How two rotations, or start angles, are taken in a pass: both keep the lane, either may exchange
# it, or the first stays in its row.
KEEP, EXCHANGE, STAY = range(3)

# The words of a step: its kind, whose angle, the first of its cotangents in the stage, its vector
# by rows of the tile and by lane, its functional by rows of the tile and on the label, who trains
# it, how it is taken, and which run of steps that commute it is of.  Rotations and start angles
# come in twos; what would be alone is with one of angle -1, which does nothing.
STEP = 10


class Tiling(NamedTuple):
    """A program's stages as words.

    Attributes:
        head: How many stages, bits of a tile's rows, steps, and cotangents of a stage at most.
        earliest: The first stage with a step that shared columns train, and that any train.
        parts: In the order of ``tiles.Tiles``.
    """

    head: tuple[int, int, int, int]
    earliest: tuple[int, int]
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
        return Tiling((0, 0, 0, 0), (0, 0), [])
    row_bits = program.num_qubits - LANE_BITS
    most = _MOST_BITS + 1 if row_bits >= _FAR_BITS else _MOST_BITS
    bits = max(_LEAST_BITS, min(row_bits - _TILES_BITS, most))
    shape = Shape(LANE_BITS, row_bits, bits, _NEAR_BITS)
    first, frames, stages = in_stages(program, shape)
    begin, steps, bases, free, acts, most = [0], [], [], [], [], 0
    patterns: tuple[list[tuple[int, int]], ...] = [], []
    for stage in stages:
        rows = stage.completed()
        bases.append(rows.basis)
        free.append([p for p in range(row_bits) if p not in rows.pivots])
        acts.append(any(turn.kind != START for turn in stage.turns))
        count = 0
        for kind, angle, *words in _steps(stage.turns, rows, bits):
            steps.append((kind, angle, count, *words))
            count += kind != PHASES
            if kind == PHASES:
                for found, masks in zip(patterns, (shared, own), strict=True):
                    moved = [selected(frames[angle].rows, mask) for mask in masks[angle]]
                    found += [(rows.pattern(mask), mask) for mask in moved]
                    count += len(moved)
        most = max(most, count)
        begin.append(len(steps))
    trained = [max((turn.trained for turn in stage.turns), default=0) for stage in stages]
    earliest = first_of(trained, SHARED), first_of(trained, SAMPLES)
    head = len(bases), bits, len(steps), most
    parts = [begin, acts, bases, free, steps, *patterns, first.rows]
    return Tiling(head, earliest, [np.array(part, np.int64).reshape(-1) for part in parts])


def is_tiled(program: Program) -> bool:
    """Whether a program's states are large, and all of its steps some that stages take."""
    has_blocks = any(layer.block is not None for layer in program.layers)
    return program.num_qubits >= TILED_QUBITS and not has_blocks and not program.amplitudes


class _Half(NamedTuple):
    """One of two steps that a pass takes, as words."""

    angle: int
    vector: int
    lane: int
    pattern: int
    functional: int
    whole: int  # the vector on labels
    trained: int


def _steps(turns: list[Turn], rows: Rows, bits: int) -> list[tuple[int, ...]]:
    """The steps of a stage, as words without their cotangents' places."""
    found: list[tuple[int, ...]] = []
    for number, run in enumerate(_runs(turns)):
        for kind in (PHASES, ROTATION, START):
            halves = []
            for turn in run:
                if turn.kind == kind:
                    words = (
                        turn.angle,
                        *rows.coordinates(turn.vector),
                        rows.pattern(turn.functional),
                    )
                    halves.append(_Half(*words, turn.functional, turn.vector, turn.trained))
            if kind == PHASES:
                found += [_words(kind, half, KEEP, number) for half in halves]
                continue
            for one, other in _in_twos(halves, bits):
                form = STAY if not one.vector else EXCHANGE if one.lane | other.lane else KEEP
                found += [_words(kind, half, form, number) for half in (one, other)]
    return found


def _runs(turns: list[Turn]) -> list[list[Turn]]:
    """Neighbours that may change places; phases stand alone."""
    runs: list[list[Turn]] = []
    for turn in turns:
        own = runs[-1] if runs and turn.kind != PHASES else []
        if own and all(one.kind != PHASES and commute(one, turn) for one in own):
            own.append(turn)
        else:
            runs.append([turn])
    return runs


def _words(kind: int, half: _Half, form: int, run: int) -> tuple[int, ...]:
    angle, vector, lane, pattern, functional, _, trained = half
    return kind, angle, vector, lane, pattern, functional, trained, form, run


def _in_twos(halves: list[_Half], bits: int) -> list[tuple[_Half, _Half]]:
    """Pairs of rotations, the second of which leads to another row than the first."""
    # What stays in its row goes with what exchanges lanes, so that few pairs have to.
    staying = [half for half in halves if not half.vector]
    others = sorted((half for half in halves if half.vector), key=lambda half: half.lane != 0)
    found = [(one, _taken(one, others[::-1], others, bits)) for one in staying]
    while others:
        one = others.pop(0)
        found.append((one, _taken(one, others, others, bits)))
    return found


def _taken(one: _Half, choice: list[_Half], others: list[_Half], bits: int) -> _Half:
    """The first of a choice that goes with a rotation, taken from the others; else nothing."""
    for other in choice:
        # Neither may lead to where the other's sign is another.
        apart = not parity(one.functional & other.whole)
        if other.vector != one.vector and apart:
            others.remove(other)
            return other
    vectors = (v for v in range(1, 1 << bits) if v != one.vector)
    return _Half(-1, next(v for v in vectors if not parity(v & one.pattern)), 0, 0, 0, 0, 0)
