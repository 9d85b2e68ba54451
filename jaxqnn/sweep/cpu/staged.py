"""What a stage does to one tile, forward and back, and the cotangents that it finds there."""

from __future__ import annotations

from jaxqnn.sweep.cpu.angles import Values
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layers import clear, rotate_two, transform, turn
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer, after, odd
from jaxqnn.sweep.cpu.room import Room
from jaxqnn.sweep.cpu.simd import load, store
from jaxqnn.sweep.cpu.slopes import correlate_two, label_cotangents, undo_two
from jaxqnn.sweep.cpu.steps import Steps, is_wanted
from jaxqnn.sweep.cpu.tiles import Tiles, correlate_any, rotate_any, top
from jaxqnn.sweep.cpu.tiling import PAIR, STEP
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
    """The cosines and sines of a stage's rotations, with the signs that they have on a tile."""
    first = tiles.begin[stage]
    for j in range(first, tiles.begin[stage + 1]):
        kind, angle = tiles.steps[j * STEP], tiles.steps[j * STEP + 1] * LANES
        if kind in (PAIR, ROTATION):
            at = (j - first) * LANES
            store(room.tiled.cosine, at, load(values.cosine, angle))
            store(room.tiled.sine, at, load(values.sine, angle) * _signs(steps, tiles, j, row))


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
    steps: Steps, tiles: Tiles, l: int, row: int, values: Values, size: int, work: Pointer
) -> None:
    _put_down(steps, tiles, l, row, values, size, work)
    cos_sin(work, LANES * size, after(work, LANES * size), after(work, ROW * size))


@compiled
def _rotate_pair(tiles: Tiles, j: int, at: int, way: float, room: Room, tile: Pointer) -> None:
    size = ROW << tiles.bits
    one, other = top(tiles.steps[j * STEP + 3]), top(tiles.steps[(j + 1) * STEP + 3])
    cosine, sine = room.tiled.cosine, room.tiled.sine
    if one < other:
        rotate_two(tile, size, one, other, cosine, sine, at, at + LANES, way)
    else:
        rotate_two(tile, size, other, one, cosine, sine, at + LANES, at, way)


@compiled
def _rotate_single(tiles: Tiles, j: int, at: int, way: float, room: Room, tile: Pointer) -> None:
    turns, p = tiles.steps, j * STEP
    cosine, sine = room.tiled.cosine, room.tiled.sine
    vector, lane, pattern = turns[p + 3], turns[p + 4], turns[p + 5]
    rotate_any(1 << tiles.bits, vector, lane, pattern, cosine, sine, at, way, tile)


@compiled
def forward(
    steps: Steps, tiles: Tiles, stage: int, row: int, values: Values, room: Room, tile: Pointer
) -> None:
    """All steps of a stage on a tile."""
    size, first, work = 1 << tiles.bits, tiles.begin[stage], room.work.phases
    _set_turns(steps, tiles, stage, row, values, room)
    j = first
    while j < tiles.begin[stage + 1]:
        kind, at = kind_of(tiles, j), (j - first) * LANES
        if kind == PHASES:
            _set_phases(steps, tiles, tiles.steps[j * STEP + 1], row, values, size, work)
            turn(size, tile, True, 1.0, work)
        elif kind == PAIR:
            _rotate_pair(tiles, j, at, 1.0, room, tile)
            j += 1
        elif kind == ROTATION:
            _rotate_single(tiles, j, at, 1.0, room, tile)
        j += 1


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
    size, first, work = 1 << tiles.bits, tiles.begin[stage], room.work.phases
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
        goes_on = not (ends and _is_beside(steps, tiles, j, last))
        if kind == PHASES:
            l = tiles.steps[j * STEP + 1]
            for o in range(bras if wanted else 0):
                clear(work, LANES * size)
                label_cotangents(size, state, after(state, (1 + o) * length), work)
                transform(work, LANES * size)
                to = after(found, o * most + tiles.steps[j * STEP + 2] * LANES)
                _note_phases(steps, tiles, l, row, work, to)
            if goes_on:
                _set_phases(steps, tiles, l, row, values, size, work)
            for s in range(1 + bras if goes_on else 0):
                turn(size, after(state, s * length), True, -1.0, work)
        elif kind == PAIR:
            j -= 1
            _undo_pair(steps, tiles, j, (j - first) * LANES, row, room, bras, goes_on, found)
        else:
            if wanted:
                _note_single(steps, tiles, j, row, room, bras, found)
            if kind == ROTATION and goes_on:
                for s in range(1 + bras):
                    tile = after(state, s * length)
                    _rotate_single(tiles, j, (j - first) * LANES, -1.0, room, tile)
        j -= 1


@compiled
def _is_beside(steps: Steps, tiles: Tiles, j: int, last: int) -> bool:
    """Whether a step is the last to be swept, or a rotation of its layer: those commute."""
    if j == last:
        return True
    for i in (j, last):
        if kind_of(tiles, i) not in (PAIR, ROTATION):
            return False
    count = steps.num_rotated
    return tiles.steps[j * STEP + 1] // count == tiles.steps[last * STEP + 1] // count


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
    at: int,
    row: int,
    room: Room,
    bras: int,
    goes_on: bool,
    found: Pointer,
) -> None:
    """Undoes two rotations of a tile and its bras if it goes on, and adds their cotangents."""
    length, own, state = ROW << tiles.bits, room.tiled.own, room.states
    low, high = top(tiles.steps[j * STEP + 3]), top(tiles.steps[(j + 1) * STEP + 3])
    of_low, of_high, at_high = 0, LANES, at + LANES
    if low > high:
        low, high, of_low, of_high, at, at_high = high, low, of_high, of_low, at_high, at
    cosine, sine = room.tiled.cosine, room.tiled.sine
    # The state as it is before is needed for every bra, so it comes with the last.
    for o in range(bras - 1, -1, -1):
        bra = after(state, (1 + o) * length)
        clear(own, 2 * LANES)
        if o > 0 or not goes_on:
            correlate_two(length, low, high, state, bra, own, of_low, of_high)
        if o > 0 and goes_on:
            rotate_two(bra, length, low, high, cosine, sine, at, at_high, -1.0)
        elif goes_on:
            undo_two(length, low, high, cosine, sine, at, at_high, state, bra, own, of_low, of_high)
        for i in range(2):
            if tiles.steps[(j + i) * STEP + 7]:
                to = (o * tiles.most + tiles.steps[(j + i) * STEP + 2]) * LANES
                more = _signs(steps, tiles, j + i, row) * load(own, i * LANES)
                store(found, to, load(found, to) + more)


@compiled
def _note_single(
    steps: Steps, tiles: Tiles, j: int, row: int, room: Room, bras: int, found: Pointer
) -> None:
    length, own, p = ROW << tiles.bits, room.tiled.own, j * STEP
    vector, lane, pattern = tiles.steps[p + 3], tiles.steps[p + 4], tiles.steps[p + 5]
    for o in range(bras):
        clear(own, LANES)
        bra = after(room.states, (1 + o) * length)
        correlate_any(1 << tiles.bits, vector, lane, pattern, room.states, bra, own, 0)
        to = (o * tiles.most + tiles.steps[p + 2]) * LANES
        store(found, to, load(found, to) + _signs(steps, tiles, j, row) * load(own, 0))
