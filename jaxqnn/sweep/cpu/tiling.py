"""How the compiled sweeps take a large state: its stages as words; see ``staging``.

A row is eight neighbours, as many as an instruction works on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

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
    first_of,
    in_stages,
    selected,
)

Array = np.ndarray[Any, Any]

# Rows of a tile at most, as bits: its state, bra and phases stay in a core's second-level cache.
_MOST_BITS = 10

# The bits of a row that say where in a core's second-level cache it may be.
_NEAR_BITS = 11

# What a step is, beside what a turn may be: two rotations whose vectors are vectors of the basis.
PAIR = 1

# The words of a step: its kind, whose angle, the first of its cotangents in the stage, its vector
# by rows of the tile and by lane, its functional by rows of the tile and on the label, and who
# trains it.
STEP = 8


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
    bits = -(-row_bits // -(-row_bits // _MOST_BITS))
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
        for kind, angle, *words in _steps(stage.turns, rows, len(program.rotated.positions)):
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


def _steps(turns: list[Turn], rows: Rows, rotations: int) -> list[tuple[int, ...]]:
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
            words = (turn.angle, vector, lane, pattern, turn.functional, turn.trained)
            (in_pairs if is_plain else others).append((turn.kind, *words))
        if len(in_pairs) % 2:
            others.append(in_pairs.pop())
        found += [(PAIR, *words[1:]) for words in in_pairs]
        found += others
    return found
