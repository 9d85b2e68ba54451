"""A job: one of the sweeps over a whole batch, shared out among threads by groups of lanes.

A job is a block of words: what to do, the sizes, and the addresses of what is read and written.
Every thread runs ``work`` on the same block; each claims one group after the other until none is
left.  Arrays are of either precision, all of one: x (E, B, P), w (E, W), states (E, B, 2, 2^n),
directions and cotangents of the columns (E, T, B, P) and (E, T, B, W) (directions of w one for each
of C groups of samples, (E, T, C, W)), of the states (E, T, B, 2, 2^n).
"""

from __future__ import annotations

from typing import NamedTuple

from jaxqnn.sweep.cpu import sweeps
from jaxqnn.sweep.cpu.angles import (
    Columns,
    Cotangents,
    Slopes,
    Values,
    cotangents_at,
    project,
    project_slope,
    pull,
    set_sample,
    set_shared,
    set_slopes,
    slopes_at,
)
from jaxqnn.sweep.cpu.jit import compiled, inlined
from jaxqnn.sweep.cpu.layers import clear, size_of_state
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer, after, fetch_add, numbers, singles, words
from jaxqnn.sweep.cpu.simd import gather_rows, load, scatter_rows, store
from jaxqnn.sweep.cpu.steps import Steps, read
from jaxqnn.sweep.cpu.sweeps import Work, state_at

EVOLVE, PUSH, PULL, CURVE = range(4)

# Directions, or bras, that a sweep carries beside the state at once.
TOGETHER = 8

# The words of a job. GROUP, DONE and THREADS are counted up by the threads.
(
    GROUP,
    DONE,
    THREADS,
    HOLDERS,
    OPERATION,
    IS_SINGLE,
    BY_LABEL,
    GROUPS,
    MEMBERS,  # E
    BATCH,  # B
    DIRECTIONS,  # T
    BRAS,  # 1 or T: bras of ``CURVE``
    CLASSES,  # C
    PROGRAM,
    X,
    W,
    STATE,
    BRA,
    ALONG_X,
    ALONG_W,
    OUT,
    OUT_X,
    OUT_W,
    ROOM,
    ROOM_BYTES,
    WORKERS,
) = range(26)
SIZE = 26


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
def _cut(job: Pointer, steps: Steps, thread: int) -> Room:
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


@inlined
def _place(job: Pointer, group: int, items: Pointer) -> int:
    """Which samples (e B + b) the lanes of a group are, the last one repeated; how many."""
    members, batch = job[MEMBERS], job[BATCH]
    if job[BY_LABEL]:
        for lane in range(LANES):
            items[lane] = group
        return 1
    first, last = group * LANES, members * batch
    for lane in range(LANES):
        items[lane] = min(first + lane, last - 1)
    return min(LANES, last - first)


@inlined
def _number(job: Pointer, address: int, i: int) -> float:
    if job[IS_SINGLE]:
        return float(singles(address)[i])
    return numbers(address)[i]


@inlined
def _put(job: Pointer, address: int, i: int, value: float) -> None:
    if job[IS_SINGLE]:
        singles(address)[i] = value
    else:
        numbers(address)[i] = value


@compiled
def _fetch(job: Pointer, steps: Steps, address: int, at: Pointer, state: Pointer) -> None:
    """Reads a state of each lane that begins at ``at``; its imaginary part comes 2^n later."""
    rows = 1 << steps.row_bits
    for part in range(2):
        offset = part << steps.num_qubits
        if rows < LANES:
            for lane in range(LANES):
                for row in range(rows):
                    place = row * ROW + part * LANES + lane
                    state[place] = _number(job, address, at[lane] + offset + row)
        elif job[IS_SINGLE]:
            for row in range(0, rows, LANES):
                to = row * ROW + part * LANES
                gather_rows(singles(address), at, offset + row, state, to)
        else:
            for row in range(0, rows, LANES):
                to = row * ROW + part * LANES
                gather_rows(numbers(address), at, offset + row, state, to)


@compiled
def _deliver(
    job: Pointer, steps: Steps, state: Pointer, address: int, at: Pointer, count: int
) -> None:
    """The inverse of ``_fetch`` for the first lanes, or for all if they are one sample's."""
    rows = 1 << steps.row_bits
    if job[BY_LABEL]:
        count = LANES
    for part in range(2):
        offset = part << steps.num_qubits
        if rows < LANES:
            for lane in range(count):
                for row in range(rows):
                    place = row * ROW + part * LANES + lane
                    _put(job, address, at[lane] + offset + row, state[place])
        elif job[IS_SINGLE]:
            for row in range(0, rows, LANES):
                place = row * ROW + part * LANES
                scatter_rows(state, place, singles(address), at, offset + row, count)
        else:
            for row in range(0, rows, LANES):
                place = row * ROW + part * LANES
                scatter_rows(state, place, numbers(address), at, offset + row, count)


@inlined
def _states_at(job: Pointer, steps: Steps, room: Room, t: int, directions: int) -> None:
    """Where each lane's state begins among (E, T, B, 2, 2^n)."""
    batch, size = job[BATCH], 2 << steps.num_qubits
    for lane in range(LANES):
        e, b = room.items[lane] // batch, room.items[lane] % batch
        room.at[lane] = ((e * directions + t) * batch + b) * size
        if job[BY_LABEL]:
            room.at[lane] += lane << steps.row_bits


@compiled
def _read_columns(job: Pointer, steps: Steps, room: Room) -> None:
    """The columns of the lanes' samples, and all their angles."""
    inputs, weights, batch = steps.num_inputs, steps.num_weights, job[BATCH]
    shared, sample = room.columns.shared, room.columns.sample
    for lane in range(LANES):
        item = room.items[lane]
        shared[lane] = sample[lane] = 1.0
        for c in range(inputs):
            sample[(1 + c) * LANES + lane] = _number(job, job[X], item * inputs + c)
        for c in range(weights):
            own = _number(job, job[W], (item // batch) * weights + c)
            shared[(1 + c) * LANES + lane] = own
            sample[(1 + inputs + c) * LANES + lane] = own
    set_shared(steps, room.columns, room.values)
    set_sample(steps, room.columns, room.values)


@compiled
def _read_direction(job: Pointer, steps: Steps, room: Room, t: int, place: int) -> None:
    """Direction t of the columns, and the angles' slopes along it, to their place."""
    inputs, weights = steps.num_inputs, steps.num_weights
    batch, classes, directions = job[BATCH], job[CLASSES], job[DIRECTIONS]
    shared, sample = room.along.shared, room.along.sample
    for lane in range(LANES):
        e, b = room.items[lane] // batch, room.items[lane] % batch
        shared[lane] = sample[lane] = 0.0
        row = ((e * directions + t) * batch + b) * inputs
        for c in range(inputs):
            sample[(1 + c) * LANES + lane] = _number(job, job[ALONG_X], row + c)
        row = ((e * directions + t) * classes + b // (batch // classes)) * weights
        for c in range(weights):
            own = _number(job, job[ALONG_W], row + c)
            shared[(1 + c) * LANES + lane] = own
            sample[(1 + inputs + c) * LANES + lane] = own
    own = slopes_at(steps, room.slopes, place)
    set_slopes(steps, room.columns, room.values, room.along, own)


@compiled
def _add_columns(steps: Steps, room: Room, columns: Columns, found: Cotangents) -> None:
    """Adds to the columns' cotangents what those of the angles make of them."""
    of_columns = room.of_columns
    rotations, phases = steps.num_layers * steps.num_rotated, steps.num_sample
    n, shared = steps.num_qubits, rotations + steps.num_shared
    pull(steps.shared, 0, rotations, columns.shared, found.rotations, of_columns.shared)
    pull(steps.shared, rotations, shared, columns.shared, found.shared, of_columns.shared)
    pull(steps.sample, 0, phases, columns.sample, found.sample, of_columns.sample)
    pull(steps.sample, phases, phases + n, columns.sample, found.start, of_columns.sample)
    if steps.given_bits > 0:
        last = phases + n + steps.num_given
        pull(steps.sample, phases + n, last, columns.sample, found.amplitudes, of_columns.sample)


@compiled
def _write_columns(job: Pointer, steps: Steps, room: Room, t: int, count: int) -> None:
    """Writes the columns' cotangents (E, T, B, P) and (E, T, B, W)."""
    inputs, weights = steps.num_inputs, steps.num_weights
    batch, directions = job[BATCH], job[DIRECTIONS]
    shared, sample = room.of_columns.shared, room.of_columns.sample
    if job[BY_LABEL]:
        # Each lane has its labels' part.
        _sum_lanes(shared, LANES * (1 + weights))
        _sum_lanes(sample, LANES * (1 + inputs + weights))
    for lane in range(count):
        e, b = room.items[lane] // batch, room.items[lane] % batch
        row = (e * directions + t) * batch + b
        for c in range(inputs):
            _put(job, job[OUT_X], row * inputs + c, sample[(1 + c) * LANES + lane])
        for c in range(weights):
            own = shared[(1 + c) * LANES + lane]
            if steps.weights_in_samples:
                own += sample[(1 + inputs + c) * LANES + lane]
            _put(job, job[OUT_W], row * weights + c, own)


@inlined
def _sum_lanes(columns: Pointer, size: int) -> None:
    for c in range(0, size, LANES):
        total = 0.0
        for lane in range(LANES):
            total += columns[c + lane]
        columns[c] = total


@compiled
def _copy(state: Pointer, size: int, out: Pointer) -> None:
    for p in range(0, size, LANES):
        store(out, p, load(state, p))


@inlined
def _forward(job: Pointer, steps: Steps, room: Room, first: int, several: int) -> bool:
    for i in range(several):
        _read_direction(job, steps, room, first + i, i)
    values, slopes, work = room.values, room.slopes, room.work
    return sweeps.forward(steps, values, slopes, work, room.states, room.other, several)


@compiled
def _run_forward(job: Pointer, steps: Steps, room: Room, count: int) -> None:
    """EVOLVE and PUSH: what is asked for is the state, or its derivatives."""
    derives = job[OPERATION] == PUSH
    directions = job[DIRECTIONS] if derives else 1
    for first in range(0, directions, TOGETHER):
        several = min(TOGETHER, directions - first)
        moved = _forward(job, steps, room, first, several if derives else 0)
        now = room.other if moved else room.states
        for i in range(several):
            _states_at(job, steps, room, first + i, directions)
            state = state_at(steps, now, 1 + i if derives else 0)
            _deliver(job, steps, state, job[OUT], room.at, count)


@compiled
def _run_reverse(job: Pointer, steps: Steps, room: Room, count: int) -> None:
    """PULL and CURVE: the cotangents of the columns, or their derivatives."""
    derives = job[OPERATION] == CURVE
    directions, size = job[DIRECTIONS], size_of_state(steps)
    values, slopes, found = room.values, room.slopes, room.found
    # Directions of one bra share its sweep.
    together = 1 if derives and job[BRAS] > 1 else TOGETHER
    for first in range(0, directions, together):
        several = min(together, directions - first)
        now, other, bras, along = room.states, room.other, several, 0
        if derives:
            moved = _forward(job, steps, room, first, several)
            now, other = (room.states, room.other) if moved else (room.other, room.states)
            _copy(other, size, now)
            for i in range(several):
                _copy(state_at(steps, other, 1 + i), size, state_at(steps, now, 2 + 2 * i))
                clear(state_at(steps, now, 3 + 2 * i), size)
            bras, along = 1, several
        else:
            _states_at(job, steps, room, 0, 1)
            _fetch(job, steps, job[STATE], room.at, now)
        for o in range(bras):
            which = 0 if derives and job[BRAS] == 1 else first + o
            _states_at(job, steps, room, which, job[BRAS] if derives else directions)
            _fetch(job, steps, job[BRA], room.at, state_at(steps, now, 1 + o))
        sweeps.reverse(steps, values, slopes, room.work, now, other, bras, along, found)
        if steps.num_given > 0:
            for i in range(along):
                own = cotangents_at(steps, found, 1 + i)
                changed = slopes_at(steps, slopes, i)
                project_slope(steps, values, changed, found.amplitudes, own.amplitudes)
            for o in range(bras):
                project(steps, values, cotangents_at(steps, found, o).amplitudes)
        for i in range(several):
            clear(room.of_columns.shared, LANES * (1 + steps.num_weights))
            clear(room.of_columns.sample, LANES * (1 + steps.num_inputs + steps.num_weights))
            _add_columns(steps, room, room.columns, cotangents_at(steps, found, i + derives))
            if derives:
                # Of a product of columns the other one changes, too.
                _read_direction(job, steps, room, first + i, i)
                _add_columns(steps, room, room.along, found)
            _write_columns(job, steps, room, first + i, count)


@compiled
def work(address: int) -> None:
    """Claims groups of a job's lanes until none is left, and computes them."""
    job = words(address)
    group = fetch_add(address + 8 * GROUP, 1)
    if group >= job[GROUPS]:
        return
    steps = read(job[PROGRAM], job[BY_LABEL] != 0)
    room = _cut(job, steps, fetch_add(address + 8 * THREADS, 1))
    while group < job[GROUPS]:
        count = _place(job, group, room.items)
        _read_columns(job, steps, room)
        if job[OPERATION] == EVOLVE or job[OPERATION] == PUSH:
            _run_forward(job, steps, room, count)
        else:
            _run_reverse(job, steps, room, count)
        fetch_add(address + 8 * DONE, 1)
        group = fetch_add(address + 8 * GROUP, 1)
