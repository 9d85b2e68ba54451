"""What a thread does of a job: group after group of lanes, until none is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxqnn.sweep.cpu import sweeps
from jaxqnn.sweep.cpu.angles import cotangents_at, project, project_slope, slopes_at
from jaxqnn.sweep.cpu.columns import (
    add_columns,
    clear_columns,
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
    DIRECTIONS,
    DONE,
    GROUP,
    GROUPS,
    MEMBERS,
    OUT,
    PROGRAM,
    STATE,
    THREADS,
    TOGETHER,
    WEIGHTS,
    WRT_INPUTS,
)
from jaxqnn.sweep.cpu.layers import clear, size_of_state
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer, fetch_add, like, words
from jaxqnn.sweep.cpu.room import Room, cut
from jaxqnn.sweep.cpu.simd import gather_rows, load, scatter_rows, store, total, zeros
from jaxqnn.sweep.cpu.stages import evolve_in_stages, pull_in_stages
from jaxqnn.sweep.cpu.steps import Steps, read
from jaxqnn.sweep.cpu.strings import work_sums
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
def _fetch(steps: Steps, address: int, at: Pointer, state: Pointer) -> None:
    """Reads a state of each lane that begins at ``at``; its imaginary part comes 2^n later."""
    rows, source = 1 << steps.row_bits, like(state, address)
    for first in range(0, 2 * rows, min(rows, LANES)):
        part, row = first // rows, first % rows
        offset, to = (part << steps.num_qubits) + row, row * ROW + part * LANES
        if rows < LANES:
            for r in range(rows):
                for lane in range(LANES):
                    state[to + r * ROW + lane] = source[at[lane] + offset + r]
        else:
            gather_rows(source, at, offset, state, to)


@compiled
def _deliver(
    job: Pointer, steps: Steps, state: Pointer, address: int, at: Pointer, count: int
) -> None:
    """The inverse of ``_fetch`` for the first lanes, or for all if they are one sample's."""
    rows, out = 1 << steps.row_bits, like(state, address)
    if job[BY_LABEL]:
        count = LANES
    for first in range(0, 2 * rows, min(rows, LANES)):
        part, row = first // rows, first % rows
        offset, to = (part << steps.num_qubits) + row, row * ROW + part * LANES
        if rows < LANES:
            for r in range(rows):
                for lane in range(count):
                    out[at[lane] + offset + r] = state[to + r * ROW + lane]
        else:
            scatter_rows(state, to, out, at, offset, count)


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
def _run_evolve(job: Pointer, steps: Steps, room: Room, count: int) -> None:
    """The states of a group of lanes."""
    moved = sweeps.evolve(steps, room.values, room.work, room.states, room.other)
    _states_at(job, steps, room, 0, 1)
    _deliver(job, steps, room.other if moved else room.states, job[OUT], room.at, count)


@compiled
def _run_push(job: Pointer, steps: Steps, room: Room, count: int) -> None:
    """The states' derivatives along directions."""
    directions = job[DIRECTIONS]
    for first in range(0, directions, TOGETHER):
        several = min(TOGETHER, directions - first)
        now = room.other if _push(job, steps, room, first, several) else room.states
        for i in range(several):
            _states_at(job, steps, room, first + i, directions)
            _deliver(job, steps, state_at(steps, now, 1 + i), job[OUT], room.at, count)


@compiled
def _push(job: Pointer, steps: Steps, room: Room, first: int, several: int) -> bool:
    for i in range(several):
        read_direction(job, steps, room, first + i, i)
    values, slopes, work = room.values, room.slopes, room.work
    return sweeps.push(steps, values, slopes, work, room.states, room.other, several)


@compiled
def _run_pull(job: Pointer, steps: Steps, room: Room, count: int) -> None:
    """The columns' cotangents from bras."""
    directions, states, found = job[DIRECTIONS], room.states, room.found
    for first in range(0, directions, TOGETHER):
        several = min(TOGETHER, directions - first)
        _states_at(job, steps, room, 0, 1)
        _fetch(steps, job[STATE], room.at, states)
        for o in range(several):
            _states_at(job, steps, room, first + o, directions)
            _fetch(steps, job[BRA], room.at, state_at(steps, states, 1 + o))
        values, work, wanted = room.values, room.work, job[WRT_INPUTS]
        sweeps.pull(steps, values, work, states, room.other, several, wanted, found)
        _write_cotangents(job, steps, room, first, several, count)


@compiled
def _write_cotangents(
    job: Pointer, steps: Steps, room: Room, first: int, several: int, count: int
) -> None:
    for o in range(several):
        own = cotangents_at(steps, room.found, o)
        if steps.num_given > 0:
            project(steps, room.values, own.amplitudes)
        clear_columns(steps, room)
        add_columns(steps, room, room.columns, own)
        write_columns(job, steps, room, first + o, count)


@compiled
def _run_value(job: Pointer, steps: Steps, room: Room, count: int) -> None:
    """The outputs, by diagonals."""
    moved = sweeps.evolve(steps, room.values, room.work, room.states, room.other)
    state, outputs = room.other if moved else room.states, job[DIRECTIONS]
    out = like(state, job[OUT])
    for t in range(outputs):
        by_lane = _measure(job, steps, room, t, state)
        if job[BY_LABEL]:
            out[room.items[0] * outputs + t] = total(by_lane)
        else:
            store(room.work.angles, 0, by_lane)
            for lane in range(count):
                out[room.items[lane] * outputs + t] = room.work.angles[lane]


@compiled
def _run_jacobian(job: Pointer, steps: Steps, room: Room, count: int) -> None:
    """The columns' cotangents from the gradients of such outputs."""
    outputs, size = job[DIRECTIONS], size_of_state(steps)
    for first in range(0, outputs, TOGETHER):
        several = min(TOGETHER, outputs - first)
        moved = sweeps.evolve(steps, room.values, room.work, room.states, room.other)
        now, other = (room.other, room.states) if moved else (room.states, room.other)
        for o in range(several):
            bra = state_at(steps, now, 1 + o)
            _read_weights(job, steps, room, first + o, bra)
            for p in range(0, size, ROW):
                twice = 2.0 * load(bra, p)
                store(bra, p, twice * load(now, p))
                store(bra, p + LANES, twice * load(now, p + LANES))
        values, work, wanted = room.values, room.work, job[WRT_INPUTS]
        sweeps.pull(steps, values, work, now, other, several, wanted, room.found)
        _write_cotangents(job, steps, room, first, several, count)


@compiled
def _measure(job: Pointer, steps: Steps, room: Room, t: int, state: Pointer) -> Any:
    """sum_x weights[t, x] |psi[x]|^2 by lane; in the room of cosines and sines are the weights."""
    weights = room.work.cosine
    _read_weights(job, steps, room, t, weights)
    found = zeros()
    for p in range(0, size_of_state(steps), ROW):
        a, b = load(state, p), load(state, p + LANES)
        found = found + load(weights, p) * (a * a + b * b)
    return found


@compiled
def _read_weights(job: Pointer, steps: Steps, room: Room, t: int, to: Pointer) -> None:
    """Reads weights of the rows and lanes, in the place of the real parts of a state."""
    rows, first, source = 1 << steps.row_bits, t << steps.num_qubits, like(to, job[WEIGHTS])
    if job[BY_LABEL]:
        for lane in range(LANES):
            room.at[lane] = first + (lane << steps.row_bits)
        for row in range(0, rows, LANES):
            gather_rows(source, room.at, row, to, row * ROW)
    else:
        for row in range(rows):
            store(to, row * ROW, zeros() + source[first + row])


@compiled
def _run_curve(job: Pointer, steps: Steps, room: Room, count: int) -> None:
    """The derivatives of the columns' cotangents along directions."""
    directions, size = job[DIRECTIONS], size_of_state(steps)
    values, slopes, found = room.values, room.slopes, room.found
    # Directions of one bra share its sweep.
    together = 1 if job[BRAS] > 1 else TOGETHER
    for first in range(0, directions, together):
        several = min(together, directions - first)
        moved = _push(job, steps, room, first, several)
        now, other = (room.states, room.other) if moved else (room.other, room.states)
        _copy(other, size, now)
        for i in range(several):
            _copy(state_at(steps, other, 1 + i), size, state_at(steps, now, 2 + 2 * i))
            clear(state_at(steps, now, 3 + 2 * i), size)
        _states_at(job, steps, room, 0 if job[BRAS] == 1 else first, job[BRAS])
        _fetch(steps, job[BRA], room.at, state_at(steps, now, 1))
        sweeps.curve(steps, values, slopes, room.work, now, other, several, found)
        if steps.num_given > 0:
            for i in range(several):
                own, along = cotangents_at(steps, found, 1 + i), slopes_at(steps, slopes, i)
                project_slope(steps, values, along, found.amplitudes, own.amplitudes)
            project(steps, values, found.amplitudes)
        for i in range(several):
            clear_columns(steps, room)
            add_columns(steps, room, room.columns, cotangents_at(steps, found, 1 + i))
            # Of a product of columns the other one changes, too.
            read_direction(job, steps, room, first + i, i)
            add_columns(steps, room, room.along, found)
            write_columns(job, steps, room, first + i, count)


def _work(run: Callable[[Pointer, Steps, Room, int], None], real: Any) -> Callable[[int], None]:
    @compiled
    def work(address: int) -> None:
        job = words(address)
        group = fetch_add(address + 8 * GROUP, 1)
        if group >= job[GROUPS]:
            return
        steps = read(job[PROGRAM], job[BY_LABEL] != 0)
        room = cut(job, steps, fetch_add(address + 8 * THREADS, 1), real(0))
        while group < job[GROUPS]:
            count = _place(job, group, room.items)
            read_columns(job, steps, room)
            run(job, steps, room, count)
            fetch_add(address + 8 * DONE, 1)
            group = fetch_add(address + 8 * GROUP, 1)

    return work


def _work_in_stages(
    sweep: Callable[[int, Pointer, Steps, Room, int], None], real: Any
) -> Callable[[int], None]:
    @compiled
    def work(address: int) -> None:
        job = words(address)
        ticket = fetch_add(address + 8 * GROUP, 1)
        if ticket >= job[GROUPS]:
            return
        steps = read(job[PROGRAM], True)
        room = cut(job, steps, fetch_add(address + 8 * THREADS, 1), real(0))
        sweep(address, job, steps, room, ticket)

    return work


def work_of(real: Any) -> dict[str, Callable[[int], None]]:
    """What threads do of each kind of job whose arrays ``real`` makes pointers to.

    Each claims groups of lanes of a job until none is left, and computes them; of jobs over large
    states, tickets, see ``stages``.
    """
    return {
        "evolve": _work(_run_evolve, real),
        "push": _work(_run_push, real),
        "pull": _work(_run_pull, real),
        "curve": _work(_run_curve, real),
        "value": _work(_run_value, real),
        "jacobian": _work(_run_jacobian, real),
        "sums": work_sums(real),
        "evolve_in_stages": _work_in_stages(evolve_in_stages, real),
        "pull_in_stages": _work_in_stages(pull_in_stages, real),
    }
