"""The sweeps over large states: stage after stage, each shared out among all threads.

A stage's tiles are independent, so threads claim chunks of them; a ticket is one chunk of one
stage, and tickets are in order.  Who has one waits until all earlier stages are done, which threads
at work will do, whoever comes late or never: nobody waits for a thread that is not at work.  What a
chunk finds it leaves apart, and it is added up in order, so that a result does not depend on who
did what.
"""

from __future__ import annotations

from jaxqnn.sweep.cpu.angles import Cotangents, cotangents_at
from jaxqnn.sweep.cpu.columns import (
    add_columns,
    clear_columns,
    read_columns,
    write_columns,
)
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.job import (
    BATCH,
    BRA,
    CHUNKS,
    DIRECTIONS,
    DONE,
    GROUP,
    GROUPS,
    IS_SINGLE,
    OPERATION,
    OUT,
    PROGRAM,
    ROOM,
    STATE,
    TOGETHER,
    VALUE,
    WEIGHTS,
    WRT_INPUTS,
)
from jaxqnn.sweep.cpu.layers import clear
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES, ROW
from jaxqnn.sweep.cpu.pointers import (
    Pointer,
    after,
    fetch,
    fetch_add,
    give_way,
    like,
    numbers,
)
from jaxqnn.sweep.cpu.room import Room
from jaxqnn.sweep.cpu.simd import load, store, total, zeros
from jaxqnn.sweep.cpu.staged import forward, kind_of, reverse
from jaxqnn.sweep.cpu.steps import Steps
from jaxqnn.sweep.cpu.tiles import (
    Tiles,
    fill,
    first_row,
    gather,
    read_tiles,
    scatter,
    start_factors,
    start_pattern,
    start_patterns,
    tabulate,
)
from jaxqnn.sweep.cpu.tiling import STEP
from jaxqnn.sweep.staging import PHASES, START

_LANE = LANES - 1

# How often a thread looks whether the others are done before it lets go of its core.
_PATIENCE = 2000


@compiled
def _write(tile: Pointer, steps: Steps, row: int, room: Room, size: int, run: int, to: int) -> None:
    half, labels = 1 << steps.num_qubits, room.tiled.labels
    scatter(tile, labels, size, run, row, half, like(tile, to))


@compiled
def _settle(
    steps: Steps, tiles: Tiles, stage: int, parts: Pointer, chunks: int, bras: int, to: Cotangents
) -> None:
    """Adds up what the chunks of a stage found, (C, m, most), into the first lane of each angle."""
    for j in range(tiles.begin[stage], tiles.begin[stage + 1]):
        kind, angle, slot = kind_of(tiles, j), tiles.steps[j * STEP + 1], tiles.steps[j * STEP + 2]
        for o in range(bras):
            own = cotangents_at(steps, to, o)
            if kind == PHASES:
                begin, end = steps.shared_range[angle], steps.shared_range[angle + 1]
                _add_up(tiles, parts, chunks, bras, o, slot, begin, end, own.shared)
                slot_of_sample = slot + end - begin
                begin, end = steps.sample_range[angle], steps.sample_range[angle + 1]
                _add_up(tiles, parts, chunks, bras, o, slot_of_sample, begin, end, own.sample)
            elif kind == START and angle >= 0:
                _add_up(tiles, parts, chunks, bras, o, slot, angle, angle + 1, own.start)
            elif angle >= 0:
                _add_up(tiles, parts, chunks, bras, o, slot, angle, angle + 1, own.rotations)


@compiled
def _add_up(
    tiles: Tiles,
    parts: Pointer,
    chunks: int,
    bras: int,
    o: int,
    slot: int,
    begin: int,
    end: int,
    to: Pointer,
) -> None:
    for angle in range(begin, end):
        whole = 0.0
        for chunk in range(chunks):
            whole += parts[(chunk * bras + o) * tiles.most + slot + angle - begin]
        to[angle * LANES] = whole


@compiled
def _first_acting(tiles: Tiles) -> int:
    """The stage that makes the start: the first that does anything to it, or the last."""
    stage = 0
    while stage + 1 < tiles.num_stages and tiles.acts[stage] == 0:
        stage += 1
    return stage


@compiled
def _forward_chunk(
    job: Pointer, steps: Steps, tiles: Tiles, stage: int, begin: int, end: int, room: Room
) -> None:
    is_first = stage == _first_acting(tiles)
    if not (is_first or tiles.acts[stage]):
        return
    size, tiled = 1 << tiles.bits, room.tiled
    run = tabulate(tiles, stage, tiled.labels)
    if is_first:
        start_factors(steps, tiles, room.values, tiled.factors)
        start_patterns(steps, tiles, stage, tiled.patterns)
    number = 4 if job[IS_SINGLE] else 8
    states = job[STATE] if job[OPERATION] == VALUE else job[OUT]
    address = states + number * (2 << steps.num_qubits) * room.items[0]
    for tile in range(begin, end):
        row = first_row(steps, tiles, stage, tile)
        if is_first:
            pattern = start_pattern(steps, tiles, row << LANE_BITS)
            fill(steps, pattern, tiled.patterns, tiled.factors, size, room.states)
        else:
            source, half = like(room.states, address), 1 << steps.num_qubits
            gather(source, half, row, tiled.labels, size, run, room.states)
        forward(steps, tiles, stage, row, room.values, room, room.states)
        _write(room.states, steps, row, room, size, run, address)


@compiled
def _num_cotangents(steps: Steps, tiles: Tiles, stage: int) -> int:
    """How many cotangents a stage finds of each bra."""
    last = tiles.begin[stage + 1] - 1
    if last < tiles.begin[stage]:
        return 0
    l, slot = tiles.steps[last * STEP + 1], tiles.steps[last * STEP + 2]
    if kind_of(tiles, last) != PHASES:
        return slot + 1
    shared = steps.shared_range[l + 1] - steps.shared_range[l]
    return slot + shared + steps.sample_range[l + 1] - steps.sample_range[l]


@compiled
def _reverse_chunk(
    job: Pointer,
    steps: Steps,
    tiles: Tiles,
    index: int,
    begin: int,
    end: int,
    room: Room,
    first: int,
    bras: int,
    part: Pointer,
) -> None:
    """A chunk of the stage that is ``index`` from the last, of bras from ``first`` on."""
    stage, size = tiles.num_stages - 1 - index, 1 << tiles.bits
    found, length = room.found.rotations, tiles.most * LANES
    run, count = tabulate(tiles, stage, room.tiled.labels), _num_cotangents(steps, tiles, stage)
    for o in range(bras):
        clear(after(found, o * length), LANES * count)
    number = 4 if job[IS_SINGLE] else 8
    bytes_of_state = number * (2 << steps.num_qubits)
    item, batch = room.items[0], job[BATCH]
    for tile in range(begin, end):
        row = first_row(steps, tiles, stage, tile)
        for s in range(1 + bras):
            address = job[ROOM] + bytes_of_state * s
            half, to = 1 << steps.num_qubits, after(room.states, s * ROW * size)
            is_made = index == 0 and s > 0 and job[BRA] == 0
            if index == 0:
                address = job[STATE] + bytes_of_state * item
                if is_made:
                    address, half = job[WEIGHTS] + bytes_of_state // 2 * (first + s - 1), 0
                elif s > 0:
                    which = (item // batch * job[DIRECTIONS] + first + s - 1) * batch + item % batch
                    address = job[BRA] + bytes_of_state * which
            gather(like(to, address), half, row, room.tiled.labels, size, run, to)
            if is_made:
                for p in range(0, ROW * size, LANES):
                    store(to, p, 2.0 * load(to, p) * load(room.states, p))
        reverse(steps, tiles, stage, row, room.values, room, bras, job[WRT_INPUTS], found)
        if stage > tiles.earliest[job[WRT_INPUTS]]:
            for s in range(1 + bras):
                address = job[ROOM] + bytes_of_state * s
                own = after(room.states, s * ROW * size)
                _write(own, steps, row, room, size, run, address)
    for o in range(bras):
        for slot in range(count):
            part[o * tiles.most + slot] = total(load(found, o * length + slot * LANES))


@compiled
def _common(job: Pointer, steps: Steps, tiles: Tiles, together: int) -> tuple[Pointer, Cotangents]:
    """What chunks found, of two stages, and the cotangents; see ``room.shared_numbers``."""
    states = (1 + together) * (2 << steps.num_qubits) // (2 if job[IS_SINGLE] else 1)
    parts = numbers(job[ROOM] + 8 * states)
    rotations = after(parts, 2 * CHUNKS * together * tiles.most)
    shared = after(rotations, LANES * together * steps.num_layers * steps.num_rotated)
    sample = after(shared, LANES * together * steps.num_shared)
    start = after(sample, LANES * together * steps.num_sample)
    end = after(start, LANES * together * steps.num_qubits)
    return parts, Cotangents(rotations, shared, sample, start, end)


@compiled
def _attend(job: Pointer, steps: Steps, room: Room, item: int) -> int:
    """Reads the columns of a sample; returns which it is."""
    for lane in range(LANES):
        room.items[lane] = item
    read_columns(job, steps, room)
    return item


@compiled
def _await(address: int, tickets: int) -> None:
    """Returns when so many tickets are done."""
    waited = 0
    while fetch(address + 8 * DONE) < tickets:
        waited += 1
        if waited > _PATIENCE:
            # The core may be what another thread with an earlier ticket waits for.
            give_way(0)


@compiled
def _num_tiles(steps: Steps, tiles: Tiles) -> int:
    return 1 << steps.num_qubits - LANE_BITS - tiles.bits


@compiled
def _measure_chunk(
    job: Pointer, steps: Steps, chunk: int, chunks: int, item: int, room: Room
) -> None:
    """The outputs' sums over a part of the labels."""
    size, outputs, sums = 1 << steps.num_qubits, job[DIRECTIONS], numbers(job[ROOM])
    begin, end = chunk * size // chunks, (chunk + 1) * size // chunks
    states, weights = like(room.states, job[STATE]), like(room.states, job[WEIGHTS])
    for t in range(outputs):
        state, own = after(states, 2 * size * item), after(weights, size * t)
        sums[chunk * outputs + t] = _weighted(state, own, begin, end, size)


@compiled
def _weighted(state: Pointer, weights: Pointer, begin: int, end: int, size: int) -> float:
    found = zeros()
    for p in range(begin, end, LANES):
        a, b = load(state, p), load(state, p + size)
        found = found + load(weights, p) * (a * a + b * b)
    return total(found)


@compiled
def _sum_measured(job: Pointer, chunks: int, item: int, room: Room) -> None:
    outputs, sums = job[DIRECTIONS], numbers(job[ROOM])
    out = like(room.states, job[OUT])
    for t in range(outputs):
        whole = 0.0
        for chunk in range(chunks):
            whole += sums[chunk * outputs + t]
        out[item * outputs + t] = whole


@compiled
def evolve_in_stages(address: int, job: Pointer, steps: Steps, room: Room, ticket: int) -> None:
    """Does ticket after ticket of an EVOLVE or VALUE, from one that was claimed on."""
    tiles = read_tiles(steps, job[PROGRAM])
    count = _num_tiles(steps, tiles)
    chunks, present = min(CHUNKS, count), -1
    # To measure is two stages more: the chunks' sums, and theirs.
    stages = tiles.num_stages + (2 if job[OPERATION] == VALUE else 0)
    while ticket < job[GROUPS]:
        chunk, before = ticket % chunks, ticket // chunks
        stage, item = before % stages, before // stages
        if item != present:
            present = _attend(job, steps, room, item)
        _await(address, before * chunks)
        begin, end = chunk * count // chunks, (chunk + 1) * count // chunks
        if stage < tiles.num_stages:
            _forward_chunk(job, steps, tiles, stage, begin, end, room)
        elif stage == tiles.num_stages:
            _measure_chunk(job, steps, chunk, chunks, item, room)
        elif chunk == 0:
            _sum_measured(job, chunks, item, room)
        fetch_add(address + 8 * DONE, 1)
        ticket = fetch_add(address + 8 * GROUP, 1)


@compiled
def pull_in_stages(address: int, job: Pointer, steps: Steps, room: Room, ticket: int) -> None:
    """The same of a PULL; a stage's cotangents are added up while the next is swept."""
    tiles = read_tiles(steps, job[PROGRAM])
    count = _num_tiles(steps, tiles)
    chunks, present = min(CHUNKS, count), -1
    together, directions = min(TOGETHER, job[DIRECTIONS]), job[DIRECTIONS]
    # Stages before the earliest that is wanted are not swept.
    swept = tiles.num_stages - tiles.earliest[job[WRT_INPUTS]]
    indices, rounds = swept + 1, -(-directions // together)
    parts, found = _common(job, steps, tiles, together)
    while ticket < job[GROUPS]:
        chunk, before = ticket % chunks, ticket // chunks
        index, turn_of = before % indices, before // indices
        item, first = turn_of // rounds, turn_of % rounds * together
        if item != present:
            present = _attend(job, steps, room, item)
        _await(address, before * chunks)
        begin, end = chunk * count // chunks, (chunk + 1) * count // chunks
        bras = min(together, directions - first)
        length = bras * tiles.most
        if index < swept:
            own = after(parts, (index % 2 * chunks + chunk) * length)
            _reverse_chunk(job, steps, tiles, index, begin, end, room, first, bras, own)
        if chunk == 0:
            if index > 0:
                before_that = after(parts, (index - 1) % 2 * chunks * length)
                stage = tiles.num_stages - index
                _settle(steps, tiles, stage, before_that, chunks, bras, found)
            else:
                angles = steps.num_layers * steps.num_rotated + steps.num_shared
                angles += steps.num_sample + steps.num_qubits
                clear(found.rotations, LANES * together * angles)
            if index == swept:
                for o in range(bras):
                    clear_columns(steps, room)
                    add_columns(steps, room, room.columns, cotangents_at(steps, found, o))
                    write_columns(job, steps, room, first + o, 1)
        fetch_add(address + 8 * DONE, 1)
        ticket = fetch_add(address + 8 * GROUP, 1)
