"""What a stage does to one tile, forward and back, and the cotangents that it finds there."""

from __future__ import annotations

from jaxqnn.sweep.cpu.angles import Values
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layers import clear, transform, turn
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES, ROW
from jaxqnn.sweep.cpu.pairs import Pair, Turns, read_pair, rotate_pair, turns_at, undo_pair
from jaxqnn.sweep.cpu.pointers import Pointer, after, odd
from jaxqnn.sweep.cpu.room import Room
from jaxqnn.sweep.cpu.simd import load, store, zeros
from jaxqnn.sweep.cpu.slopes import label_cotangents
from jaxqnn.sweep.cpu.steps import Steps, is_wanted
from jaxqnn.sweep.cpu.sweeps import Work
from jaxqnn.sweep.cpu.tiles import Tiles
from jaxqnn.sweep.cpu.tiling import STEP
from jaxqnn.sweep.cpu.trigonometry import cos_sin
from jaxqnn.sweep.staging import PHASES, ROTATION

_LANE = LANES - 1


@compiled
def kind_of(tiles: Tiles, j: int) -> int:
    """What step j is."""
    return tiles.steps[j * STEP]


@compiled
def _set_turns(
    steps: Steps, tiles: Tiles, stage: int, row: int, values: Values, room: Room
) -> None:
    """The cosines and tangents of a stage's rotations, with the signs that they have on a tile."""
    first = tiles.begin[stage]
    for j in range(first, tiles.begin[stage + 1]):
        kind, angle = tiles.steps[j * STEP], tiles.steps[j * STEP + 1] * LANES
        if kind != ROTATION:
            continue
        at = (j - first) * LANES
        if angle < 0:
            store(room.tiled.cosine, at, zeros() + 1.0)
            store(room.tiled.tangent, at, zeros())
        else:
            store(room.tiled.cosine, at, load(values.cosine, angle))
            own = load(values.tangent, angle) * _signs(steps, tiles, j, row)
            store(room.tiled.tangent, at, own)


@compiled
def _signs(steps: Steps, tiles: Tiles, j: int, row: int) -> float:
    """The signs of a rotation on a tile, by lane."""
    functional = tiles.steps[j * STEP + 6]
    sign = 1.0 - 2.0 * odd((functional >> LANE_BITS) & row)
    return sign * load(steps.signs, (functional & _LANE) * LANES)


@compiled
def _put_down(
    steps: Steps, tiles: Tiles, l: int, row: int, values: Values, size: int, labels: Pointer
) -> None:
    """The angles of layer l's phases on a tile's labels; see ``layers.put_down``."""
    clear(labels, LANES * size)
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        at, mask = tiles.shared[2 * k] * LANES, tiles.shared[2 * k + 1]
        own = _phase_signs(steps, mask, row) * load(values.shared, k * LANES)
        store(labels, at, load(labels, at) - own)
    for k in range(steps.sample_range[l], steps.sample_range[l + 1]):
        at, mask = tiles.sample[2 * k] * LANES, tiles.sample[2 * k + 1]
        own = _phase_signs(steps, mask, row) * load(values.sample, k * LANES)
        store(labels, at, load(labels, at) - own)
    transform(labels, LANES * size)


@compiled
def _phase_signs(steps: Steps, mask: int, row: int) -> float:
    """Half the signs of a mask on a tile's first row, by lane."""
    sign = 0.5 - odd((mask >> LANE_BITS) & row)
    return sign * load(steps.signs, (mask & _LANE) * LANES)


@compiled
def _set_phases(
    steps: Steps, tiles: Tiles, l: int, row: int, values: Values, size: int, work: Work
) -> None:
    _put_down(steps, tiles, l, row, values, size, work.angles)
    cos_sin(work.angles, LANES * size, work.cosine, work.sine)


@compiled
def forward(
    steps: Steps, tiles: Tiles, stage: int, row: int, values: Values, room: Room, tile: Pointer
) -> None:
    """All steps of a stage on a tile."""
    size, first, work = 1 << tiles.bits, tiles.begin[stage], room.work
    _set_turns(steps, tiles, stage, row, values, room)
    j = first
    while j < tiles.begin[stage + 1]:
        kind, at = kind_of(tiles, j), (j - first) * LANES
        if kind == PHASES:
            _set_phases(steps, tiles, tiles.steps[j * STEP + 1], row, values, size, work)
            turn(size, tile, True, 1.0, work.cosine, work.sine)
        elif kind == ROTATION:
            turns = turns_at(room.tiled.cosine, room.tiled.tangent, at, 1.0)
            rotate_pair(size, read_pair(tiles, j), turns, tile)
        j += 1 if kind == PHASES else 2


@compiled
def reverse(
    steps: Steps,
    tiles: Tiles,
    stage: int,
    row: int,
    values: Values,
    room: Room,
    bras: int,
    wrt_inputs: int,
    found: Pointer,
) -> None:
    """Undoes a stage on a tile and its bras; adds the cotangents to ``found``, (m, most, 8).

    What comes before the earliest step that is wanted is not undone.
    """
    size, first, work = 1 << tiles.bits, tiles.begin[stage], room.work
    length, most = ROW * size, tiles.most * LANES
    state = room.states
    _set_turns(steps, tiles, stage, row, values, room)
    last, ends = first, stage == tiles.earliest[wrt_inputs]
    if ends:
        while not is_wanted(tiles.steps[last * STEP + 7], wrt_inputs):
            last += 1
    j = tiles.begin[stage + 1] - 1
    while j >= last:
        kind, wanted = kind_of(tiles, j), is_wanted(tiles.steps[j * STEP + 7], wrt_inputs)
        goes_on = not (ends and tiles.steps[j * STEP + 9] == tiles.steps[last * STEP + 9])
        if kind == PHASES:
            l = tiles.steps[j * STEP + 1]
            for o in range(bras if wanted else 0):
                clear(work.angles, LANES * size)
                label_cotangents(size, state, after(state, (1 + o) * length), work.angles)
                transform(work.angles, LANES * size)
                to = after(found, o * most + tiles.steps[j * STEP + 2] * LANES)
                _note_phases(steps, tiles, l, row, work.angles, to)
            if goes_on:
                _set_phases(steps, tiles, l, row, values, size, work)
            for s in range(1 + bras if goes_on else 0):
                turn(size, after(state, s * length), True, -1.0, work.cosine, work.sine)
        else:
            j -= 1
            wanted = wanted or is_wanted(tiles.steps[j * STEP + 7], wrt_inputs)
            pair, goes_on = read_pair(tiles, j), goes_on and kind == ROTATION
            turns = turns_at(room.tiled.cosine, room.tiled.tangent, (j - first) * LANES, -1.0)
            if wanted:
                _undo_pair(steps, tiles, j, pair, turns, row, room, bras, goes_on, found)
            else:
                for s in range(1 + bras if goes_on else 0):
                    rotate_pair(size, pair, turns, after(state, s * length))
        j -= 1


@compiled
def _note_phases(
    steps: Steps, tiles: Tiles, l: int, row: int, labels: Pointer, found: Pointer
) -> None:
    """Adds the cotangents of a layer's phases, from the transformed ones of the labels."""
    to = 0
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        at, mask = tiles.shared[2 * k] * LANES, tiles.shared[2 * k + 1]
        own = _phase_signs(steps, mask, row) * load(labels, at)
        store(found, to, load(found, to) - own)
        to += LANES
    for k in range(steps.sample_range[l], steps.sample_range[l + 1]):
        at, mask = tiles.sample[2 * k] * LANES, tiles.sample[2 * k + 1]
        own = _phase_signs(steps, mask, row) * load(labels, at)
        store(found, to, load(found, to) - own)
        to += LANES


@compiled
def _undo_pair(
    steps: Steps,
    tiles: Tiles,
    j: int,
    pair: Pair,
    turns: Turns,
    row: int,
    room: Room,
    bras: int,
    goes_on: bool,
    found: Pointer,
) -> None:
    """Undoes two rotations of a tile and its bras if it goes on, and adds their cotangents."""
    size, length, own, state = 1 << tiles.bits, ROW << tiles.bits, room.tiled.own, room.states
    # The state as it is before is needed for every bra, so it is undone with the first, the last.
    for o in range(bras - 1, -1, -1):
        bra = after(state, (1 + o) * length)
        undo_pair(size, pair, turns, state, bra, goes_on and o == 0, own)
        if o > 0 and goes_on:
            rotate_pair(size, pair, turns, bra)
        for i in range(2):
            if tiles.steps[(j + i) * STEP + 7]:
                to = (o * tiles.most + tiles.steps[(j + i) * STEP + 2]) * LANES
                more = _signs(steps, tiles, j + i, row) * load(own, i * LANES)
                store(found, to, load(found, to) + more)
