"""What a thread does of a job: group after group of lanes, until none is left."""

from __future__ import annotations

from jaxqnn.sweep.cpu import sweeps
from jaxqnn.sweep.cpu.angles import cotangents_at, project, project_slope, slopes_at
from jaxqnn.sweep.cpu.columns import (
    add_columns,
    number,
    put,
    read_columns,
    read_direction,
    write_columns,
)
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.job import (
    BATCH,
    BRA,
    BRAS,
    BY_LABEL,
    CURVE,
    DIRECTIONS,
    DONE,
    GROUP,
    GROUPS,
    IS_SINGLE,
    MEMBERS,
    OPERATION,
    OUT,
    PROGRAM,
    PUSH,
    STATE,
    THREADS,
    TOGETHER,
)
from jaxqnn.sweep.cpu.layers import clear, size_of_state
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer, fetch_add, numbers, singles, words
from jaxqnn.sweep.cpu.room import Room, cut
from jaxqnn.sweep.cpu.simd import gather_rows, load, scatter_rows, store
from jaxqnn.sweep.cpu.stages import sweep_in_stages
from jaxqnn.sweep.cpu.steps import Steps, read
from jaxqnn.sweep.cpu.sweeps import state_at


@compiled
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
                    state[place] = number(job, address, at[lane] + offset + row)
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
                    put(job, address, at[lane] + offset + row, state[place])
        elif job[IS_SINGLE]:
            for row in range(0, rows, LANES):
                place = row * ROW + part * LANES
                scatter_rows(state, place, singles(address), at, offset + row, count)
        else:
            for row in range(0, rows, LANES):
                place = row * ROW + part * LANES
                scatter_rows(state, place, numbers(address), at, offset + row, count)


@compiled
def _states_at(job: Pointer, steps: Steps, room: Room, t: int, directions: int) -> None:
    """Where each lane's state begins among (E, T, B, 2, 2^n)."""
    batch, size = job[BATCH], 2 << steps.num_qubits
    for lane in range(LANES):
        e, b = room.items[lane] // batch, room.items[lane] % batch
        room.at[lane] = ((e * directions + t) * batch + b) * size
        if job[BY_LABEL]:
            room.at[lane] += lane << steps.row_bits


@compiled
def _copy(state: Pointer, size: int, out: Pointer) -> None:
    for p in range(0, size, LANES):
        store(out, p, load(state, p))


@compiled
def _forward(job: Pointer, steps: Steps, room: Room, first: int, several: int) -> bool:
    for i in range(several):
        read_direction(job, steps, room, first + i, i)
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
            add_columns(steps, room, room.columns, cotangents_at(steps, found, i + derives))
            if derives:
                # Of a product of columns the other one changes, too.
                read_direction(job, steps, room, first + i, i)
                add_columns(steps, room, room.along, found)
            write_columns(job, steps, room, first + i, count)


@compiled
def work_forward(address: int) -> None:
    """Claims groups of lanes of an EVOLVE or PUSH until none is left, and computes them."""
    job = words(address)
    group = fetch_add(address + 8 * GROUP, 1)
    if group >= job[GROUPS]:
        return
    steps = read(job[PROGRAM], job[BY_LABEL] != 0)
    room = cut(job, steps, fetch_add(address + 8 * THREADS, 1))
    while group < job[GROUPS]:
        count = _place(job, group, room.items)
        read_columns(job, steps, room)
        _run_forward(job, steps, room, count)
        fetch_add(address + 8 * DONE, 1)
        group = fetch_add(address + 8 * GROUP, 1)


@compiled
def work_back(address: int) -> None:
    """The same of a PULL or CURVE."""
    job = words(address)
    group = fetch_add(address + 8 * GROUP, 1)
    if group >= job[GROUPS]:
        return
    steps = read(job[PROGRAM], job[BY_LABEL] != 0)
    room = cut(job, steps, fetch_add(address + 8 * THREADS, 1))
    while group < job[GROUPS]:
        count = _place(job, group, room.items)
        read_columns(job, steps, room)
        _run_reverse(job, steps, room, count)
        fetch_add(address + 8 * DONE, 1)
        group = fetch_add(address + 8 * GROUP, 1)


@compiled
def work_in_stages(address: int) -> None:
    """Claims tickets of a job over large states until none is left; see ``stages``."""
    job = words(address)
    ticket = fetch_add(address + 8 * GROUP, 1)
    if ticket >= job[GROUPS]:
        return
    steps = read(job[PROGRAM], True)
    room = cut(job, steps, fetch_add(address + 8 * THREADS, 1))
    sweep_in_stages(address, job, steps, room, ticket)
