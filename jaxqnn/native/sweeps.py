"""The sweeps over all layers, as Numba compiles them, for eight lanes at a time."""

from __future__ import annotations

import numpy as np

from jaxqnn.batches import LANES
from jaxqnn.native.data import Array, Slopes, Steps, Values
from jaxqnn.native.jit import callable_from_python, compiled
from jaxqnn.native.layers import (
    add_generator,
    add_phase_slopes,
    apply_block,
    clear,
    copy,
    correlate,
    correlate_two,
    has_phases,
    layer_phase,
    phase_cotangents,
    relabel,
    rotate,
    start,
    turn,
)


@callable_from_python
def evolve(steps: Steps, values: Values, states: Array) -> None:
    """Writes the final state of every eight lanes: states (G, 1 + m, ROW 2^row_bits), at [:, 0]."""
    width = states.shape[0] * LANES
    work = np.empty((3, states.shape[2] // 2))
    spare = np.empty(states.shape[2])
    for group in range(states.shape[0]):
        state, other, first = states[group, 0], spare, group * LANES
        start(steps, values, first, width, state)
        moved = False
        for l in range(steps.moves.shape[0]):
            if steps.moves[l]:
                high, low, lanes = steps.high[l, 0], steps.low[l, 0], steps.lanes[l, 0]
                relabel(steps.row_bits, high, low, lanes, state, other)
                state, other, moved = other, state, not moved
            if has_phases(steps, l):
                by_lane = layer_phase(steps, values, l, first, width, work)
                turn(state, by_lane, 1.0, work)
            if steps.block[l] >= 0:
                apply_block(steps.blocks[steps.block[l], 0], state)
            else:
                rotate(steps, values, l, 1.0, state)
        if moved:
            copy(state, states[group, 0])


@callable_from_python
def undo(
    steps: Steps,
    values: Values,
    states: Array,
    of_rotations: Array,
    of_shared: Array,
    of_sample: Array,
    of_start: Array,
) -> None:
    """The reverse sweep: undoes the states beside their m bras, and notes angles' cotangents.

    Args:
        steps: The program.
        values: Its angles.
        states: (G, 1 + m, ROW 2^row_bits), spoilt: final states, then the bras, which are the
            gradients of the outputs by real and imaginary parts.
        of_rotations: (L r m W,), written where a rotation depends on a parameter.
        of_shared: (K m W,).
        of_sample: (K' m W,).
        of_start: (n m W,), written where the angle depends on a parameter.
    """
    outputs, width = states.shape[1] - 1, states.shape[0] * LANES
    work = np.empty((3, states.shape[2] // 2))
    spare = np.empty(states.shape[1:])
    for group in range(states.shape[0]):
        both, other, first = states[group], spare, group * LANES
        for l in range(steps.moves.shape[0] - 1, -1, -1):
            if steps.block[l] >= 0:
                for o in range(outputs + 1):
                    apply_block(steps.blocks[steps.block[l], 1], both[o])
            else:
                for o in range(outputs + 1):
                    rotate(steps, values, l, -1.0, both[o])
                _correlations(steps, l, both, outputs, first, width, of_rotations)
            if has_phases(steps, l):
                phase_cotangents(steps, l, both, first, width, work, of_shared, of_sample)
                by_lane = layer_phase(steps, values, l, first, width, work)
                for o in range(outputs + 1):
                    turn(both[o], by_lane, -1.0, work)
            if steps.moves[l]:
                high, low, lanes = steps.high[l, 1], steps.low[l, 1], steps.lanes[l, 1]
                for o in range(outputs + 1):
                    relabel(steps.row_bits, high, low, lanes, both[o], other[o])
                both, other = other, both
        for bit in range(steps.start_trains.shape[0]):
            if steps.start_trains[bit]:
                for o in range(outputs):
                    at = (bit * outputs + o) * width + first
                    correlate(steps.row_bits, bit, steps.signs, both[0], both[1 + o], of_start, at)


@compiled
def _correlations(
    steps: Steps, l: int, states: Array, outputs: int, first: int, width: int, out: Array
) -> None:
    """The cotangents of layer l's rotations; they commute with J, so before or after all."""
    stride = outputs * width
    start_of_layer = l * steps.rotated.shape[0] * stride + first
    waiting = -1
    for k in range(steps.rotated.shape[0]):
        if not steps.trains[l, k]:
            continue
        bit = steps.rotated[k]
        if bit >= steps.row_bits:
            for o in range(outputs):
                at = start_of_layer + k * stride + o * width
                correlate(steps.row_bits, bit, steps.signs, states[0], states[1 + o], out, at)
        elif waiting < 0:
            waiting = k
        else:
            for o in range(outputs):
                at = start_of_layer + k * stride + o * width
                at_high = start_of_layer + waiting * stride + o * width
                high = steps.rotated[waiting]
                correlate_two(bit, high, states[0], states[1 + o], out, at, at_high)
            waiting = -1
    if waiting >= 0:
        bit = steps.rotated[waiting]
        for o in range(outputs):
            at = start_of_layer + waiting * stride + o * width
            correlate(steps.row_bits, bit, steps.signs, states[0], states[1 + o], out, at)


@callable_from_python
def push(steps: Steps, values: Values, slopes: Slopes, states: Array) -> None:
    """Forward mode: final states at [:, 0], and at [:, 1:] their derivatives along T directions."""
    count, width = slopes.acts.shape[1], states.shape[0] * LANES
    num_layers, num_rotated = steps.moves.shape[0], steps.rotated.shape[0]
    work = np.empty((3, states.shape[2] // 2))
    spare = np.empty(states.shape[1:])
    for group in range(states.shape[0]):
        both, other, first = states[group], spare, group * LANES
        start(steps, values, first, width, both[0])
        for t in range(count):
            clear(both[1 + t])
            for bit in range(steps.start_trains.shape[0]):
                if steps.start_trains[bit]:
                    at = (bit * count + t) * width + first
                    add_generator(steps, bit, slopes.start, at, True, both[0], both[1 + t])
        moved = False
        for l in range(num_layers):
            if steps.moves[l]:
                high, low, lanes = steps.high[l, 0], steps.low[l, 0], steps.lanes[l, 0]
                for s in range(count + 1):
                    relabel(steps.row_bits, high, low, lanes, both[s], other[s])
                both, other, moved = other, both, not moved
            if has_phases(steps, l):
                by_lane = layer_phase(steps, values, l, first, width, work)
                for s in range(count + 1):
                    turn(both[s], by_lane, 1.0, work)
                for t in range(count):
                    if slopes.acts[l, t]:
                        add_phase_slopes(
                            steps, slopes, l, t, first, width, work[0], both[0], both[1 + t]
                        )
            for s in range(count + 1):
                if steps.block[l] >= 0:
                    apply_block(steps.blocks[steps.block[l], 0], both[s])
                else:
                    rotate(steps, values, l, 1.0, both[s])
            for k in range(num_rotated):
                for t in range(count):
                    at = (l * num_rotated + k) * count + t
                    if slopes.rotations[at] != 0.0:
                        bit, into = steps.rotated[k], both[1 + t]
                        add_generator(steps, bit, slopes.rotations, at, False, both[0], into)
        if moved:
            for s in range(count + 1):
                copy(both[s], states[group, s])
