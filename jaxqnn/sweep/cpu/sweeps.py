"""The sweeps over all layers, for one group of eight lanes.

Each has its formula in ``sweep/adjoint.md``.  Several states stand one after the other; beside them
is room for as many.  Layers move them from one place to the other, and what a sweep returns is
whether they ended in the second.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxqnn.sweep.cpu.angles import Cotangents, Slopes, Values, cotangents_at, slopes_at
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layers import (
    clear,
    has_phases,
    layer_phase,
    relabel,
    rotate,
    size_of_state,
    turn,
)
from jaxqnn.sweep.cpu.layout import LANES
from jaxqnn.sweep.cpu.pointers import Pointer, after
from jaxqnn.sweep.cpu.slopes import (
    add_phases,
    add_rotations,
    add_start,
    label_cotangents,
    note_phases,
    note_rotations,
    note_start,
    undo_rotations,
)
from jaxqnn.sweep.cpu.starts import given, given_cotangent, start
from jaxqnn.sweep.cpu.steps import Steps, is_wanted


class Work(NamedTuple):
    """Room for a layer.

    Attributes:
        angles: (8 2^row_bits,) what a layer's phases are, or their cotangents, by label.
        cosine: (8 2^row_bits,) of those.
        sine: (8 2^row_bits,) directly behind.
        tables: Words for the halves of a label map.
        column: (2 S 8,), what a block acts on at once.
    """

    angles: Pointer
    cosine: Pointer
    sine: Pointer
    tables: Pointer
    column: Pointer


@compiled
def state_at(steps: Steps, states: Pointer, s: int) -> Pointer:
    """The state s of several."""
    return after(states, s * size_of_state(steps))


@compiled
def _relabel(
    steps: Steps, l: int, inverse: int, work: Work, now: Pointer, other: Pointer, count: int
) -> None:
    maps = after(steps.maps, (2 * l + inverse) * steps.num_qubits)
    for s in range(count):
        relabel(steps, maps, work.tables, state_at(steps, now, s), state_at(steps, other, s))


@compiled
def _turn(
    steps: Steps, values: Values, l: int, way: float, work: Work, now: Pointer, count: int
) -> None:
    cosine, sine = work.cosine, work.sine
    by_lane = layer_phase(steps, values, l, work.angles, cosine, sine)
    for s in range(count):
        turn(1 << steps.row_bits, state_at(steps, now, s), by_lane, way, cosine, sine)


@compiled
def _rotate(
    steps: Steps, values: Values, l: int, way: float, work: Work, now: Pointer, count: int
) -> None:
    for s in range(count):
        rotate(steps, values, l, way, work.column, state_at(steps, now, s))


@compiled
def evolve(steps: Steps, values: Values, work: Work, now: Pointer, other: Pointer) -> bool:
    """The final state."""
    moved = False
    start(steps, values, now)
    for l in range(steps.num_layers):
        if steps.moves[l]:
            _relabel(steps, l, 0, work, now, other, 1)
            now, other, moved = other, now, not moved
        if has_phases(steps, l):
            _turn(steps, values, l, 1.0, work, now, 1)
        _rotate(steps, values, l, 1.0, work, now, 1)
    return moved


@compiled
def push(
    steps: Steps,
    values: Values,
    slopes: Slopes,
    work: Work,
    now: Pointer,
    other: Pointer,
    count: int,
) -> bool:
    """The final state, and after it its derivatives along ``count`` directions."""
    moved = False
    start(steps, values, now)
    for t in range(count):
        own, to = slopes_at(steps, slopes, t), state_at(steps, now, 1 + t)
        clear(to, size_of_state(steps))
        if steps.num_given > 0:
            given(steps, values, own.amplitudes, to)
        add_start(steps, own.start, 1.0, now, to)
    for l in range(steps.num_layers):
        if steps.moves[l]:
            _relabel(steps, l, 0, work, now, other, count + 1)
            now, other, moved = other, now, not moved
        if has_phases(steps, l):
            _turn(steps, values, l, 1.0, work, now, count + 1)
            for t in range(count):
                to = state_at(steps, now, 1 + t)
                add_phases(steps, l, slopes_at(steps, slopes, t), 1.0, work.angles, now, to)
        _rotate(steps, values, l, 1.0, work, now, count + 1)
        for t in range(count):
            own, to = slopes_at(steps, slopes, t), state_at(steps, now, 1 + t)
            add_rotations(steps, l, own.rotations, 1.0, now, to)
    return moved


@compiled
def pull(
    steps: Steps,
    values: Values,
    work: Work,
    now: Pointer,
    other: Pointer,
    bras: int,
    wrt_inputs: int,
    found: Cotangents,
) -> None:
    """The angles' cotangents from the final state and ``bras`` bras after it.

    What comes before the earliest step that is wanted is not undone.

    Args:
        steps: The program.
        values: Its angles.
        work: Room.
        now: The final state and its bras; they are spoilt.
        other: Room for as many.
        bras: How many.
        wrt_inputs: Whether angles are wanted that only the samples' columns train.
        found: The cotangents from each bra.
    """
    labels, size, earliest = work.angles, LANES << steps.row_bits, steps.earliest[wrt_inputs]
    _clear_cotangents(steps, bras, found)
    for l in range(steps.num_layers - 1, max(earliest, 0) // 2 - 1, -1):
        if earliest == 2 * l + 1:
            for o in range(bras):
                own, bra = cotangents_at(steps, found, o), state_at(steps, now, 1 + o)
                note_rotations(steps, l, now, bra, own.rotations)
            break
        undo_rotations(steps, values, l, work.column, now, bras, found)
        if has_phases(steps, l):
            for o in range(bras if is_wanted(steps.phases_trained[l], wrt_inputs) else 0):
                own, bra = cotangents_at(steps, found, o), state_at(steps, now, 1 + o)
                clear(labels, size)
                label_cotangents(1 << steps.row_bits, now, bra, labels)
                note_phases(steps, l, labels, own.shared, own.sample)
            if earliest == 2 * l:
                break
            _turn(steps, values, l, -1.0, work, now, 1 + bras)
        if steps.moves[l]:
            _relabel(steps, l, 1, work, now, other, 1 + bras)
            now, other = other, now
    for o in range(bras if earliest < 0 else 0):
        own, bra = cotangents_at(steps, found, o), state_at(steps, now, 1 + o)
        note_start(steps, now, bra, own.start)
        if steps.num_given > 0:
            given_cotangent(steps, values, bra, own.amplitudes)


@compiled
def curve(
    steps: Steps,
    values: Values,
    slopes: Slopes,
    work: Work,
    now: Pointer,
    other: Pointer,
    count: int,
    found: Cotangents,
) -> None:
    """The angles' cotangents from one bra, and their derivatives along directions.

    Args:
        steps: The program.
        values: Its angles.
        slopes: Their derivatives along T = ``count`` directions.
        work: Room.
        now: The final state, its bra, and of each direction the state's derivative and the bra's;
            they are spoilt.
        other: Room for as many.
        count: T.
        found: The cotangents, then their derivatives.
    """
    labels, every, size = work.angles, 2 + 2 * count, LANES << steps.row_bits
    _clear_cotangents(steps, 1 + count, found)
    for l in range(steps.num_layers - 1, -1, -1):
        _rotate(steps, values, l, -1.0, work, now, every)
        for t in range(2 * count):
            along, to = slopes_at(steps, slopes, t // 2), state_at(steps, now, 2 + t)
            add_rotations(steps, l, along.rotations, -1.0, state_at(steps, now, t % 2), to)
        turns = has_phases(steps, l)
        for o in range(1 + count):
            own = cotangents_at(steps, found, o)
            if turns:
                clear(labels, size)
            # Along a direction both the state and the bra change.
            for s in range(min(1 + o, 2)):
                state, bra = _pair(steps, now, o, s)
                note_rotations(steps, l, state, bra, own.rotations)
                if turns:
                    label_cotangents(1 << steps.row_bits, state, bra, labels)
            if turns:
                note_phases(steps, l, labels, own.shared, own.sample)
        if turns:
            _turn(steps, values, l, -1.0, work, now, every)
            for t in range(2 * count):
                along, to = slopes_at(steps, slopes, t // 2), state_at(steps, now, 2 + t)
                add_phases(steps, l, along, -1.0, work.angles, state_at(steps, now, t % 2), to)
        if steps.moves[l]:
            _relabel(steps, l, 1, work, now, other, every)
            now, other = other, now
    for o in range(1 + count):
        own = cotangents_at(steps, found, o)
        for s in range(min(1 + o, 2)):
            state, bra = _pair(steps, now, o, s)
            note_start(steps, state, bra, own.start)
    if steps.num_given > 0:
        for t in range(count):
            # The other bits' start changes, too, and its generator is skew.
            along, of_bra = slopes_at(steps, slopes, t), state_at(steps, now, 3 + 2 * t)
            add_start(steps, along.start, -1.0, state_at(steps, now, 1), of_bra)
            own = cotangents_at(steps, found, 1 + t)
            given_cotangent(steps, values, of_bra, own.amplitudes)
        given_cotangent(steps, values, state_at(steps, now, 1), found.amplitudes)


@compiled
def _clear_cotangents(steps: Steps, count: int, found: Cotangents) -> None:
    clear(found.rotations, LANES * count * steps.num_layers * steps.num_rotated)
    clear(found.shared, LANES * count * steps.num_shared)
    clear(found.sample, LANES * count * steps.num_sample)
    clear(found.start, LANES * count * steps.num_qubits)
    clear(found.amplitudes, LANES * count * steps.num_given)


@compiled
def _pair(steps: Steps, now: Pointer, o: int, s: int) -> tuple[Pointer, Pointer]:
    """The state and the bra whose correlation is, s = 0 and 1 together, cotangent o."""
    if o == 0:
        return now, state_at(steps, now, 1)
    if s == 0:
        return state_at(steps, now, 2 * o), state_at(steps, now, 1)
    return now, state_at(steps, now, 2 * o + 1)
