"""What one thread works in: a piece of memory cut up once for all of a job."""

from __future__ import annotations

from typing import NamedTuple

from jaxqnn.sweep.cpu.angles import Columns, Cotangents, Slopes, Values
from jaxqnn.sweep.cpu.jit import inlined
from jaxqnn.sweep.cpu.job import (
    BATCH,
    BY_LABEL,
    CURVE,
    DIRECTIONS,
    EVOLVE,
    MEMBERS,
    OPERATION,
    PULL,
    PUSH,
    ROOM,
    ROOM_BYTES,
    TOGETHER,
)
from jaxqnn.sweep.cpu.layout import LANES
from jaxqnn.sweep.cpu.pointers import Pointer, after, numbers, words
from jaxqnn.sweep.cpu.steps import Steps
from jaxqnn.sweep.cpu.sweeps import Work


class Room(NamedTuple):
    """What one thread works in; states have a second place of the same size, see ``sweeps``."""

    items: Pointer
    at: Pointer
    columns: Columns
    values: Values
    along: Columns
    slopes: Slopes
    states: Pointer
    other: Pointer
    work: Work
    found: Cotangents
    of_columns: Columns


@inlined
def room_sizes(
    operation: int, together: int, by_label: bool, n: int, shape: tuple[int, ...]
) -> tuple[int, ...]:
    """How many eights of numbers each part of a ``Room`` takes.

    Args:
        operation: What the job does.
        together: Directions or bras at once.
        by_label: Whether lanes are labels.
        n: Qubits.
        shape: P, W, how many rotations, shared phases, samples' phases and amplitudes, and S.
    """
    inputs, weights, rotations, shared, sample, given, block = shape
    row_bits = n - 3 if by_label else n
    angles = rotations + shared + sample + n + given
    along = together if operation in (PUSH, CURVE) else 0
    found = 0
    if operation == PULL:
        found = together
    elif operation == CURVE:
        found = together + 1
    states = 1 + together
    if operation == EVOLVE:
        states = 1
    elif operation == CURVE:
        states = 2 * together + 2
    return (
        2,
        (1 + weights) + (1 + inputs + weights),
        angles + rotations + n + 1 + max(rotations, n),
        (1 + weights) + (1 + inputs + weights),
        along * (angles + 1),
        2 * states * (2 << row_bits),
        3 * (1 << row_bits),
        # The tables of a label map: its halves' and the lanes'.
        (1 << row_bits // 2) + (1 << row_bits - row_bits // 2) + 1,
        2 * block,
        found * angles,
        (1 + weights) + (1 + inputs + weights),
    )


@inlined
def cut(job: Pointer, steps: Steps, thread: int) -> Room:
    """The room of a thread, by its number among those of the job."""
    n, together = steps.num_qubits, min(TOGETHER, job[DIRECTIONS])
    rotations, shared = steps.num_layers * steps.num_rotated, steps.num_shared
    sample, given = steps.num_sample, steps.num_given
    inputs, weights = steps.num_inputs, steps.num_weights
    shape = (inputs, weights, rotations, shared, sample, given, steps.block_size)
    sizes = room_sizes(job[OPERATION], together, job[BY_LABEL] != 0, n, shape)
    eights = numbers(job[ROOM] + thread * job[ROOM_BYTES])
    items = words(job[ROOM] + thread * job[ROOM_BYTES])
    at = LANES * sizes[0]
    columns = _columns(after(eights, at), weights)
    at += LANES * sizes[1]
    cosine = after(eights, at)
    sine = after(cosine, LANES * rotations)
    phases = after(sine, LANES * rotations)
    own = after(phases, LANES * shared)
    start = after(own, LANES * sample)
    amplitudes = after(start, 2 * LANES * n)
    norm = after(amplitudes, LANES * given)
    values = Values(
        cosine,
        sine,
        phases,
        own,
        start,
        after(start, LANES * n),
        amplitudes,
        norm,
        after(norm, LANES),
        job[BY_LABEL] != 0 or job[MEMBERS] == 1 or job[BATCH] % LANES == 0,
    )
    at += LANES * sizes[2]
    along = _columns(after(eights, at), weights)
    at += LANES * sizes[3]
    of_rotations = after(eights, at)
    of_shared = after(of_rotations, LANES * together * rotations)
    of_sample = after(of_shared, LANES * together * shared)
    of_start = after(of_sample, LANES * together * sample)
    of_amplitudes = after(of_start, LANES * together * n)
    of_norm = after(of_amplitudes, LANES * together * given)
    slopes = Slopes(of_rotations, of_shared, of_sample, of_start, of_amplitudes, of_norm)
    at += LANES * sizes[4]
    states = after(eights, at)
    other = after(states, LANES * sizes[5] // 2)
    at += LANES * sizes[5]
    by_label = after(eights, at)
    at += LANES * sizes[6]
    tables = after(items, at)
    at += LANES * sizes[7]
    column = after(eights, at)
    at += LANES * sizes[8]
    count = together + 1 if job[OPERATION] == CURVE else together
    of_rotations = after(eights, at)
    of_shared = after(of_rotations, LANES * count * rotations)
    of_sample = after(of_shared, LANES * count * shared)
    of_start = after(of_sample, LANES * count * sample)
    found = Cotangents(
        of_rotations, of_shared, of_sample, of_start, after(of_start, LANES * count * n)
    )
    at += LANES * sizes[9]
    return Room(
        items,
        after(items, LANES),
        columns,
        values,
        along,
        slopes,
        states,
        other,
        Work(by_label, tables, column),
        found,
        _columns(after(eights, at), weights),
    )


@inlined
def _columns(at: Pointer, weights: int) -> Columns:
    return Columns(at, after(at, LANES * (1 + weights)))
