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
    Slopes,
    Values,
    project,
    project_slope,
    pull,
    push,
    set_sample,
    set_shared,
    set_slopes,
)
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layers import clear
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.pointers import fetch_add, numbers, singles, words
from jaxqnn.sweep.cpu.simd import gather_rows, load, scatter_rows, store
from jaxqnn.sweep.cpu.steps import Array, Steps, read
from jaxqnn.sweep.cpu.sweeps import Cotangents, Work

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
    """What one thread works in."""

    items: Array
    at: Array
    columns: Columns
    values: Values
    along: Columns
    slopes: Slopes
    states: Array
    work: Work
    found: Cotangents
    of_columns: Columns


@compiled
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


@compiled
def _cut(job: Array, steps: Steps, thread: int) -> Room:
    operation, n = job[OPERATION], steps.num_qubits
    together = min(TOGETHER, job[DIRECTIONS])
    rotations, shared = steps.trains.shape[0], steps.shared_masks.shape[0]
    sample = steps.sample_masks.shape[0]
    given = steps.sample.begin.shape[0] - 1 - sample - n
    inputs, weights = steps.num_inputs, steps.num_weights
    shape = (inputs, weights, rotations, shared, sample, given, steps.block_size)
    sizes = room_sizes(operation, together, job[BY_LABEL] != 0, n, shape)
    at = job[ROOM] + thread * job[ROOM_BYTES]
    items, places = words(at, LANES), words(at + 8 * LANES, LANES)
    at += 8 * LANES * sizes[0]
    columns = _columns(at, inputs, weights)
    at += 8 * LANES * sizes[1]
    start = at + 8 * LANES * (2 * rotations + shared + sample)
    values = Values(
        numbers(at, LANES * rotations),
        numbers(at + 8 * LANES * rotations, LANES * rotations),
        numbers(at + 16 * LANES * rotations, LANES * shared),
        numbers(at + 8 * LANES * (2 * rotations + shared), LANES * sample),
        numbers(start, LANES * n),
        numbers(start + 8 * LANES * n, LANES * n),
        numbers(start + 16 * LANES * n, LANES * given),
        numbers(start + 8 * LANES * (2 * n + given), LANES),
        numbers(start + 8 * LANES * (2 * n + given + 1), LANES * max(rotations, n)),
        job[BY_LABEL] != 0 or job[MEMBERS] == 1 or job[BATCH] % LANES == 0,
    )
    at += 8 * LANES * sizes[2]
    along = _columns(at, inputs, weights)
    at += 8 * LANES * sizes[3]
    count = together if operation == PUSH or operation == CURVE else 0
    each = 8 * LANES * count
    slopes = Slopes(
        numbers(at, count * rotations * LANES).reshape(count, rotations * LANES),
        numbers(at + each * rotations, count * shared * LANES).reshape(count, shared * LANES),
        numbers(at + each * (rotations + shared), count * sample * LANES).reshape(
            count, sample * LANES
        ),
        numbers(at + each * (rotations + shared + sample), count * n * LANES).reshape(
            count, n * LANES
        ),
        numbers(at + each * (rotations + shared + sample + n), count * given * LANES).reshape(
            count, given * LANES
        ),
        numbers(at + each * (rotations + shared + sample + n + given), count * LANES).reshape(
            count, LANES
        ),
    )
    at += 8 * LANES * sizes[4]
    full = ROW << steps.row_bits
    held = sizes[5] * LANES // (2 * full)
    states = numbers(at, 2 * held * full).reshape(2, held, full)
    at += 8 * LANES * sizes[5]
    phases = numbers(at, 3 * LANES << steps.row_bits).reshape(3, LANES << steps.row_bits)
    at += 8 * LANES * sizes[6]
    tables = words(at, LANES * sizes[7])
    at += 8 * LANES * sizes[7]
    column = numbers(at, LANES * sizes[8])
    at += 8 * LANES * sizes[8]
    count = 0
    if operation == PULL:
        count = together
    elif operation == CURVE:
        count = together + 1
    each = 8 * LANES * count
    found = Cotangents(
        numbers(at, count * rotations * LANES).reshape(count, rotations * LANES),
        numbers(at + each * rotations, count * shared * LANES).reshape(count, shared * LANES),
        numbers(at + each * (rotations + shared), count * sample * LANES).reshape(
            count, sample * LANES
        ),
        numbers(at + each * (rotations + shared + sample), count * n * LANES).reshape(
            count, n * LANES
        ),
        numbers(at + each * (rotations + shared + sample + n), count * given * LANES).reshape(
            count, given * LANES
        ),
    )
    at += 8 * LANES * sizes[9]
    of_columns = _columns(at, inputs, weights)
    work = Work(phases, tables, column)
    return Room(items, places, columns, values, along, slopes, states, work, found, of_columns)


@compiled
def _columns(at: int, inputs: int, weights: int) -> Columns:
    return Columns(
        numbers(at, LANES * (1 + weights)),
        numbers(at + 8 * LANES * (1 + weights), LANES * (1 + inputs + weights)),
    )


@compiled
def _place(job: Array, group: int, items: Array) -> int:
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


@compiled
def _number(job: Array, address: int, i: int) -> float:
    if job[IS_SINGLE]:
        return float(singles(address)[i])
    return numbers(address)[i]


@compiled
def _put(job: Array, address: int, i: int, value: float) -> None:
    if job[IS_SINGLE]:
        singles(address)[i] = value
    else:
        numbers(address)[i] = value


@compiled
def _fetch(job: Array, steps: Steps, address: int, at: Array, state: Array) -> None:
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
def _deliver(job: Array, steps: Steps, state: Array, address: int, at: Array, count: int) -> None:
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


@compiled
def _states_at(job: Array, steps: Steps, room: Room, t: int, directions: int) -> None:
    """Where each lane's state begins among (E, T, B, 2, 2^n)."""
    batch, size = job[BATCH], 2 << steps.num_qubits
    for lane in range(LANES):
        e, b = room.items[lane] // batch, room.items[lane] % batch
        room.at[lane] = ((e * directions + t) * batch + b) * size
        if job[BY_LABEL]:
            room.at[lane] += lane << steps.row_bits


@compiled
def _read_columns(job: Array, steps: Steps, room: Room) -> None:
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
def _read_direction(job: Array, steps: Steps, room: Room, t: int, place: int) -> None:
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
    set_slopes(steps, room.columns, room.values, room.along, room.slopes, place)


@compiled
def _add_columns(steps: Steps, room: Room, columns: Columns, o: int) -> None:
    """Adds to the columns' cotangents what those of the angles at place o make of them."""
    found, of_columns = room.found, room.of_columns
    rotations, phases = steps.trains.shape[0], steps.sample_masks.shape[0]
    n, shared = steps.num_qubits, steps.shared.begin.shape[0] - 1
    pull(steps.shared, 0, rotations, columns.shared, found.rotations[o], of_columns.shared)
    pull(steps.shared, rotations, shared, columns.shared, found.shared[o], of_columns.shared)
    pull(steps.sample, 0, phases, columns.sample, found.sample[o], of_columns.sample)
    pull(steps.sample, phases, phases + n, columns.sample, found.start[o], of_columns.sample)
    if steps.given_bits > 0:
        last = steps.sample.begin.shape[0] - 1
        own = found.amplitudes[o]
        pull(steps.sample, phases + n, last, columns.sample, own, of_columns.sample)


@compiled
def _write_columns(job: Array, steps: Steps, room: Room, t: int, count: int) -> None:
    """Writes the columns' cotangents (E, T, B, P) and (E, T, B, W)."""
    inputs, weights = steps.num_inputs, steps.num_weights
    batch, directions = job[BATCH], job[DIRECTIONS]
    shared, sample = room.of_columns.shared, room.of_columns.sample
    if job[BY_LABEL]:
        # Each lane has its labels' part.
        _sum_lanes(shared)
        _sum_lanes(sample)
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


@compiled
def _sum_lanes(columns: Array) -> None:
    for c in range(0, columns.shape[0], LANES):
        total = 0.0
        for lane in range(LANES):
            total += columns[c + lane]
        columns[c] = total


@compiled
def _clear(columns: Columns) -> None:
    clear(columns.shared)
    clear(columns.sample)


@compiled
def _copy(state: Array, out: Array) -> None:
    for p in range(0, state.shape[0], LANES):
        store(out, p, load(state, p))


@compiled
def _evolve(job: Array, steps: Steps, room: Room, count: int) -> None:
    held = sweeps.evolve(steps, room.values, room.work, room.states)
    _states_at(job, steps, room, 0, 1)
    _deliver(job, steps, room.states[held, 0], job[OUT], room.at, count)


@compiled
def _push_directions(job: Array, steps: Steps, room: Room, first: int, several: int) -> int:
    for i in range(several):
        _read_direction(job, steps, room, first + i, i)
    return sweeps.push(steps, room.values, room.slopes, room.work, room.states, several)


@compiled
def _push(job: Array, steps: Steps, room: Room, count: int) -> None:
    directions = job[DIRECTIONS]
    for first in range(0, directions, TOGETHER):
        several = min(TOGETHER, directions - first)
        held = _push_directions(job, steps, room, first, several)
        for i in range(several):
            _states_at(job, steps, room, first + i, directions)
            _deliver(job, steps, room.states[held, 1 + i], job[OUT], room.at, count)


@compiled
def _pull(job: Array, steps: Steps, room: Room, count: int) -> None:
    directions, now = job[DIRECTIONS], room.states[0]
    for first in range(0, directions, TOGETHER):
        several = min(TOGETHER, directions - first)
        _states_at(job, steps, room, 0, 1)
        _fetch(job, steps, job[STATE], room.at, now[0])
        for i in range(several):
            _states_at(job, steps, room, first + i, directions)
            _fetch(job, steps, job[BRA], room.at, now[1 + i])
        sweeps.pull(steps, room.values, room.work, room.states, several, room.found)
        for i in range(several):
            _clear(room.of_columns)
            if steps.given_bits > 0:
                project(room.values, room.found.amplitudes[i])
            _add_columns(steps, room, room.columns, i)
            _write_columns(job, steps, room, first + i, count)


@compiled
def _curve(job: Array, steps: Steps, room: Room, count: int) -> None:
    directions, bras = job[DIRECTIONS], job[BRAS]
    # Directions of one bra share its sweep.
    together = TOGETHER if bras == 1 else 1
    for first in range(0, directions, together):
        several = min(together, directions - first)
        held = _push_directions(job, steps, room, first, several)
        pushed, now = room.states[held], room.states[1 - held]
        _copy(pushed[0], now[0])
        _states_at(job, steps, room, 0 if bras == 1 else first, bras)
        _fetch(job, steps, job[BRA], room.at, now[1])
        for i in range(several):
            _copy(pushed[1 + i], now[2 + 2 * i])
            clear(now[3 + 2 * i])
        values, slopes, found = room.values, room.slopes, room.found
        sweeps.curve(steps, values, slopes, room.work, now, pushed, several, found)
        if steps.given_bits > 0:
            for i in range(several):
                project_slope(values, slopes, i, found.amplitudes[0], found.amplitudes[1 + i])
            project(values, found.amplitudes[0])
        for i in range(several):
            # Of a product of columns: the angle's cotangent changes, and so does the other column.
            _clear(room.of_columns)
            _add_columns(steps, room, room.columns, 1 + i)
            _read_direction(job, steps, room, first + i, i)
            _add_columns(steps, room, room.along, 0)
            _write_columns(job, steps, room, first + i, count)


@compiled
def work(address: int) -> None:
    """Claims groups of a job's lanes until none is left, and computes them."""
    job = words(address, SIZE)
    group = fetch_add(address + 8 * GROUP, 1)
    if group >= job[GROUPS]:
        return
    steps = read(job[PROGRAM], job[BY_LABEL] != 0)
    room = _cut(job, steps, fetch_add(address + 8 * THREADS, 1))
    operation = job[OPERATION]
    while group < job[GROUPS]:
        count = _place(job, group, room.items)
        _read_columns(job, steps, room)
        if operation == EVOLVE:
            _evolve(job, steps, room, count)
        elif operation == PUSH:
            _push(job, steps, room, count)
        elif operation == PULL:
            _pull(job, steps, room, count)
        else:
            _curve(job, steps, room, count)
        fetch_add(address + 8 * DONE, 1)
        group = fetch_add(address + 8 * GROUP, 1)
