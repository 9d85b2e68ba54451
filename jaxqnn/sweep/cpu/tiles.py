"""The steps of a stage on the rows of one tile; see ``tiling``.

A tile stands in a buffer as a small state does: for each row eight real parts, then eight imaginary
parts.  In a state the real parts of all labels come first, then all imaginary parts.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxqnn.sweep.cpu.angles import Values
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer, after, odd, words
from jaxqnn.sweep.cpu.simd import choose, exchanged, load, store, zeros
from jaxqnn.sweep.cpu.steps import Steps
from jaxqnn.sweep.cpu.tiling import STEP

_LANE = LANES - 1


class Tiles(NamedTuple):
    """How a program is swept in stages.

    Attributes:
        num_stages: S.
        bits: t, of a tile's rows; there are 2^(n - 3 - t) tiles.
        most: Cotangents of a stage at most.
        earliest: (2,) the first stage with a step that is trained, by shared columns and by any.
        begin: (S + 1,) the first step of each stage.
        acts: (S,) whether a stage does anything to the state.
        bases: (S t,) labels.
        free: (S (n - 3 - t),) bits of the row that number the tiles.
        steps: (N STEP,) see ``tiling.STEP``.
        shared: (K 2,) of each phase its mask on the rows of a tile, and on the label.
        sample: (K' 2,) the same.
        start: (n,) the bits of the start's label, as functionals.
    """

    num_stages: int
    bits: int
    most: int
    earliest: Pointer
    begin: Pointer
    acts: Pointer
    bases: Pointer
    free: Pointer
    steps: Pointer
    shared: Pointer
    sample: Pointer
    start: Pointer


@compiled
def read_tiles(steps: Steps, address: int) -> Tiles:
    """How a program is swept in stages, from its words."""
    head = words(address)
    stages, bits, count = head[14], head[15], head[16]
    begin = address + 8 * head[18]
    acts = begin + 8 * (stages + 1)
    bases = acts + 8 * stages
    free = bases + 8 * stages * bits
    turns = free + 8 * stages * (steps.num_qubits - LANE_BITS - bits)
    shared = turns + 8 * STEP * count
    sample = shared + 16 * steps.num_shared
    return Tiles(
        stages,
        bits,
        head[17],
        words(address + 8 * 21),
        words(begin),
        words(acts),
        words(bases),
        words(free),
        words(turns),
        words(shared),
        words(sample),
        words(sample + 16 * steps.num_sample),
    )


@compiled
def first_row(steps: Steps, tiles: Tiles, stage: int, tile: int) -> int:
    """The row of a tile that the others are led to from."""
    count = steps.num_qubits - LANE_BITS - tiles.bits
    row = 0
    for i in range(count):
        row |= (tile >> i & 1) << tiles.free[stage * count + i]
    return row


@compiled
def tabulate(tiles: Tiles, stage: int, labels: Pointer) -> int:
    """The label of each row of the first tile; returns how many rows in turn have the same lane."""
    labels[0] = 0
    size, run = 1, 1
    for i in range(tiles.bits):
        vector = tiles.bases[stage * tiles.bits + i]
        for b in range(size):
            labels[size + b] = labels[b] ^ vector
        size *= 2
        if vector & _LANE == 0:
            run = size
    return run


@compiled
def gather(
    source: Pointer, half: int, row: int, labels: Pointer, size: int, run: int, tile: Pointer
) -> None:
    """Reads the tile of a row from a state with ``half`` numbers in each part."""
    for first in range(0, size, run):
        lane = labels[first] & _LANE
        if lane == 0:
            for b in range(first, first + run):
                p = ((labels[b] >> LANE_BITS) ^ row) * LANES
                store(tile, b * ROW, load(source, p))
                store(tile, b * ROW + LANES, load(source, p + half))
        else:
            for b in range(first, first + run):
                p = ((labels[b] >> LANE_BITS) ^ row) * LANES
                store(tile, b * ROW, exchanged(load(source, p), lane))
                store(tile, b * ROW + LANES, exchanged(load(source, p + half), lane))


@compiled
def scatter(
    tile: Pointer, labels: Pointer, size: int, run: int, row: int, half: int, out: Pointer
) -> None:
    """The inverse of ``gather``."""
    for first in range(0, size, run):
        lane = labels[first] & _LANE
        if lane == 0:
            for b in range(first, first + run):
                p = ((labels[b] >> LANE_BITS) ^ row) * LANES
                store(out, p, load(tile, b * ROW))
                store(out, p + half, load(tile, b * ROW + LANES))
        else:
            for b in range(first, first + run):
                p = ((labels[b] >> LANE_BITS) ^ row) * LANES
                store(out, p, exchanged(load(tile, b * ROW), lane))
                store(out, p + half, exchanged(load(tile, b * ROW + LANES), lane))


@compiled
def start_patterns(steps: Steps, tiles: Tiles, stage: int, patterns: Pointer) -> None:
    """The bits of the start's label of each row of the first tile."""
    patterns[0] = 0
    for i in range(tiles.bits):
        own = start_pattern(steps, tiles, tiles.bases[stage * tiles.bits + i])
        for b in range(1 << i):
            patterns[(1 << i) + b] = patterns[b] ^ own


@compiled
def start_pattern(steps: Steps, tiles: Tiles, label: int) -> int:
    """The bits of the start's label."""
    found = 0
    for i in range(steps.num_qubits):
        found |= odd(tiles.start[i] & label) << i
    return found


# Bits of the start's label that one factor stands for.
FACTOR_BITS = 5


@compiled
def start_factors(steps: Steps, tiles: Tiles, values: Values, factors: Pointer) -> None:
    """For each five bits of the start's label, and each lane, the products of RY(start)|0>."""
    for first in range(0, steps.num_qubits, FACTOR_BITS):
        own = after(factors, (first // FACTOR_BITS << FACTOR_BITS) * LANES)
        store(own, 0, zeros() + 1.0)
        filled = LANES
        for i in range(first, min(first + FACTOR_BITS, steps.num_qubits)):
            # In lanes where the label's bit is one, zero and one change places.
            is_zero = load(steps.signs, (tiles.start[i] & _LANE) * LANES)
            c, s = load(values.start_cosine, i * LANES), load(values.start_sine, i * LANES)
            of_zero, of_one = choose(is_zero, c, s), choose(is_zero, s, c)
            for p in range(0, filled, LANES):
                product = load(own, p)
                store(own, p, product * of_zero)
                store(own, p + filled, product * of_one)
            filled *= 2


@compiled
def fill(
    steps: Steps, first: int, patterns: Pointer, factors: Pointer, size: int, tile: Pointer
) -> None:
    """Writes a tile of the start; ``first`` is the pattern of its first row."""
    groups = -(-steps.num_qubits // FACTOR_BITS)
    for b in range(size):
        pattern = patterns[b] ^ first
        product = load(factors, (pattern & (1 << FACTOR_BITS) - 1) * LANES)
        for g in range(1, groups):
            pattern >>= FACTOR_BITS
            at = (g << FACTOR_BITS) + (pattern & (1 << FACTOR_BITS) - 1)
            product = product * load(factors, at * LANES)
        store(tile, b * ROW, product)
        store(tile, b * ROW + LANES, zeros())
