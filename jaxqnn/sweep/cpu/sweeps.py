"""The sweeps over all layers, for one group of eight lanes.

Each has its formula in ``sweep/adjoint.md``.  ``states`` are two sets of S states, (2, S, ROW
2^row_bits): layers move from one to the other, and what is returned is which set holds the result.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxqnn.sweep.cpu.angles import Slopes, Values
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layers import (
    clear,
    given,
    given_cotangent,
    has_phases,
    layer_phase,
    put_down,
    relabel,
    rotate,
    start,
    turn,
)
from jaxqnn.sweep.cpu.slopes import (
    acts_by_phases,
    add_phases,
    add_rotations,
    add_start,
    label_cotangents,
    note_phases,
    note_rotations,
    note_start,
)
from jaxqnn.sweep.cpu.steps import Array, Steps


class Work(NamedTuple):
    """Room for a layer.

    Attributes:
        phases: (3, 8 2^row_bits), a layer's angles, cosines and sines by label.
        tables: Words for the halves of a label map.
        column: (2 S 8,), what a block acts on at once.
    """

    phases: Array
    tables: Array
    column: Array


class Cotangents(NamedTuple):
    """Cotangents of the angles: (m, ...), the rest as in ``Values``."""

    rotations: Array
    shared: Array
    sample: Array
    start: Array
    amplitudes: Array


@compiled
def _maps(steps: Steps, l: int, inverse: int) -> Array:
    at = (2 * l + inverse) * steps.num_qubits
    return steps.maps[at : at + steps.num_qubits]


@compiled
def evolve(steps: Steps, values: Values, work: Work, states: Array) -> int:
    """The final state, at place 0."""
    now, other, held = states[0], states[1], 0
    start(steps, values, now[0])
    for l in range(steps.moves.shape[0]):
        if steps.moves[l]:
            relabel(steps, _maps(steps, l, 0), work.tables, now[0], other[0])
            now, other, held = other, now, 1 - held
        if has_phases(steps, l):
            by_lane = layer_phase(steps, values, l, work.phases)
            turn(now[0], by_lane, 1.0, work.phases)
        rotate(steps, values, l, 1.0, work.column, now[0])
    return held


@compiled
def push(
    steps: Steps, values: Values, slopes: Slopes, work: Work, states: Array, count: int
) -> int:
    """The final state at place 0, and its derivatives along ``count`` directions after it."""
    now, other, held = states[0], states[1], 0
    start(steps, values, now[0])
    for t in range(count):
        clear(now[1 + t])
        if steps.given_bits > 0:
            given(steps, values, slopes.amplitudes[t], now[1 + t])
        add_start(steps, slopes.start[t], 1.0, now[0], now[1 + t])
    for l in range(steps.moves.shape[0]):
        if steps.moves[l]:
            for s in range(count + 1):
                relabel(steps, _maps(steps, l, 0), work.tables, now[s], other[s])
            now, other, held = other, now, 1 - held
        if has_phases(steps, l):
            by_lane = layer_phase(steps, values, l, work.phases)
            for s in range(count + 1):
                turn(now[s], by_lane, 1.0, work.phases)
            for t in range(count):
                _add_phases(steps, l, slopes, t, 1.0, work, now[0], now[1 + t])
        for s in range(count + 1):
            rotate(steps, values, l, 1.0, work.column, now[s])
        for t in range(count):
            add_rotations(steps, l, slopes.rotations[t], 1.0, now[0], now[1 + t])
    return held


@compiled
def _add_phases(
    steps: Steps, l: int, slopes: Slopes, t: int, way: float, work: Work, state: Array, to: Array
) -> None:
    """to += way (d phi) i state, of layer l's phases along direction t."""
    if acts_by_phases(steps, l, slopes.shared[t], slopes.sample[t]):
        put_down(steps, l, slopes.shared[t], slopes.sample[t], work.phases[0])
        add_phases(work.phases[0], way, state, to)


@compiled
def pull(
    steps: Steps, values: Values, work: Work, states: Array, count: int, found: Cotangents
) -> None:
    """The angles' cotangents, from the final state at place 0 and ``count`` bras after it."""
    now, other = states[0], states[1]
    for o in range(count):
        clear(found.rotations[o])
        clear(found.start[o])
    for l in range(steps.moves.shape[0] - 1, -1, -1):
        for s in range(count + 1):
            rotate(steps, values, l, -1.0, work.column, now[s])
        for o in range(count):
            note_rotations(steps, l, now[0], now[1 + o], found.rotations[o])
        if has_phases(steps, l):
            labels = work.phases[0]
            for o in range(count):
                clear(labels)
                label_cotangents(now[0], now[1 + o], labels)
                note_phases(steps, l, labels, found.shared[o], found.sample[o])
            by_lane = layer_phase(steps, values, l, work.phases)
            for s in range(count + 1):
                turn(now[s], by_lane, -1.0, work.phases)
        if steps.moves[l]:
            for s in range(count + 1):
                relabel(steps, _maps(steps, l, 1), work.tables, now[s], other[s])
            now, other = other, now
    for o in range(count):
        note_start(steps, now[0], now[1 + o], found.start[o])
        if steps.given_bits > 0:
            given_cotangent(steps, values, now[1 + o], found.amplitudes[o])


@compiled
def curve(
    steps: Steps,
    values: Values,
    slopes: Slopes,
    work: Work,
    now: Array,
    other: Array,
    count: int,
    found: Cotangents,
) -> None:
    """Derivatives of the angles' cotangents along directions.

    Args:
        steps: The program.
        values: Its angles.
        slopes: Their derivatives along T = ``count`` directions.
        work: Room.
        now: States: the final state and its bra, then of each direction the state's derivative and
            the bra's.
        other: Room for as many.
        count: T.
        found: The cotangents themselves at place 0, their derivatives after it.
    """
    for o in range(count + 1):
        clear(found.rotations[o])
        clear(found.start[o])
    for l in range(steps.moves.shape[0] - 1, -1, -1):
        for s in range(2 * count + 2):
            rotate(steps, values, l, -1.0, work.column, now[s])
        note_rotations(steps, l, now[0], now[1], found.rotations[0])
        for t in range(count):
            of_state, of_bra = now[2 + 2 * t], now[3 + 2 * t]
            note_rotations(steps, l, of_state, now[1], found.rotations[1 + t])
            note_rotations(steps, l, now[0], of_bra, found.rotations[1 + t])
            add_rotations(steps, l, slopes.rotations[t], -1.0, now[0], of_state)
            add_rotations(steps, l, slopes.rotations[t], -1.0, now[1], of_bra)
        if has_phases(steps, l):
            labels = work.phases[0]
            clear(labels)
            label_cotangents(now[0], now[1], labels)
            note_phases(steps, l, labels, found.shared[0], found.sample[0])
            for t in range(count):
                clear(labels)
                label_cotangents(now[2 + 2 * t], now[1], labels)
                label_cotangents(now[0], now[3 + 2 * t], labels)
                note_phases(steps, l, labels, found.shared[1 + t], found.sample[1 + t])
            by_lane = layer_phase(steps, values, l, work.phases)
            for s in range(2 * count + 2):
                turn(now[s], by_lane, -1.0, work.phases)
            for t in range(count):
                for s in range(2):
                    _add_phases(steps, l, slopes, t, -1.0, work, now[s], now[2 + 2 * t + s])
        if steps.moves[l]:
            for s in range(2 * count + 2):
                relabel(steps, _maps(steps, l, 1), work.tables, now[s], other[s])
            now, other = other, now
    note_start(steps, now[0], now[1], found.start[0])
    for t in range(count):
        note_start(steps, now[2 + 2 * t], now[1], found.start[1 + t])
        note_start(steps, now[0], now[3 + 2 * t], found.start[1 + t])
        if steps.given_bits > 0:
            # The other bits' start changes, too, and its generator is skew.
            add_start(steps, slopes.start[t], -1.0, now[1], now[3 + 2 * t])
            given_cotangent(steps, values, now[3 + 2 * t], found.amplitudes[1 + t])
    if steps.given_bits > 0:
        given_cotangent(steps, values, now[1], found.amplitudes[0])
