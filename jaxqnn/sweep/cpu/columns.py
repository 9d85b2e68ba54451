"""The columns of the samples at work, read from a job's arrays, and their cotangents, written."""

from __future__ import annotations

from jaxqnn.sweep.cpu.angles import (
    Columns,
    Cotangents,
    pull,
    set_sample,
    set_shared,
    set_slopes,
    slopes_at,
)
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.job import (
    ALONG_W,
    ALONG_X,
    BATCH,
    BY_LABEL,
    CLASSES,
    DIRECTIONS,
    OUT_W,
    OUT_X,
    WRT_INPUTS,
    W,
    X,
)
from jaxqnn.sweep.cpu.layers import clear
from jaxqnn.sweep.cpu.layout import LANES
from jaxqnn.sweep.cpu.pointers import Pointer, after, like
from jaxqnn.sweep.cpu.room import Room
from jaxqnn.sweep.cpu.simd import load, store, zeros
from jaxqnn.sweep.cpu.steps import Steps


@compiled
def _read_lanes(room: Room, address: int, i: int, to: Pointer) -> None:
    """Reads one number for each lane, the i-th from where the lane's begin."""
    source = like(room.states, address)
    for lane in range(LANES):
        to[lane] = source[room.at[lane] + i]


@compiled
def read_columns(job: Pointer, steps: Steps, room: Room) -> None:
    """The columns of the lanes' samples, and all their angles."""
    inputs, weights, batch, at = steps.num_inputs, steps.num_weights, job[BATCH], room.at
    shared, sample = room.columns.shared, room.columns.sample
    store(shared, 0, zeros() + 1.0)
    store(sample, 0, zeros() + 1.0)
    for lane in range(LANES):
        at[lane] = room.items[lane] * inputs
    for c in range(inputs):
        _read_lanes(room, job[X], c, after(sample, (1 + c) * LANES))
    for lane in range(LANES):
        at[lane] = room.items[lane] // batch * weights
    for c in range(weights):
        _read_lanes(room, job[W], c, after(shared, (1 + c) * LANES))
        store(sample, (1 + inputs + c) * LANES, load(shared, (1 + c) * LANES))
    set_shared(steps, room.columns, room.values)
    set_sample(steps, room.columns, room.values)


@compiled
def read_direction(job: Pointer, steps: Steps, room: Room, t: int, place: int) -> None:
    """Direction t of the columns, and the angles' slopes along it, to their place."""
    inputs, weights, at = steps.num_inputs, steps.num_weights, room.at
    batch, classes, directions = job[BATCH], job[CLASSES], job[DIRECTIONS]
    shared, sample = room.along.shared, room.along.sample
    store(shared, 0, zeros())
    store(sample, 0, zeros())
    for lane in range(LANES):
        e, b = room.items[lane] // batch, room.items[lane] % batch
        at[lane] = ((e * directions + t) * batch + b) * inputs
    for c in range(inputs):
        _read_lanes(room, job[ALONG_X], c, after(sample, (1 + c) * LANES))
    for lane in range(LANES):
        e, b = room.items[lane] // batch, room.items[lane] % batch
        at[lane] = ((e * directions + t) * classes + b // (batch // classes)) * weights
    for c in range(weights):
        _read_lanes(room, job[ALONG_W], c, after(shared, (1 + c) * LANES))
        store(sample, (1 + inputs + c) * LANES, load(shared, (1 + c) * LANES))
    slopes = slopes_at(steps, room.slopes, place)
    set_slopes(steps, room.columns, room.values, room.along, slopes)


@compiled
def clear_columns(steps: Steps, room: Room) -> None:
    """Zeros for ``add_columns`` to add to."""
    clear(room.of_columns.shared, LANES * (1 + steps.num_weights))
    clear(room.of_columns.sample, LANES * (1 + steps.num_inputs + steps.num_weights))


@compiled
def add_columns(steps: Steps, room: Room, columns: Columns, found: Cotangents) -> None:
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
def write_columns(job: Pointer, steps: Steps, room: Room, t: int, count: int) -> None:
    """Writes the columns' cotangents (E, T, B, P) and (E, T, B, W)."""
    inputs, weights = steps.num_inputs, steps.num_weights
    batch, directions = job[BATCH], job[DIRECTIONS]
    shared, sample = room.of_columns.shared, room.of_columns.sample
    to_inputs, to_weights = like(room.states, job[OUT_X]), like(room.states, job[OUT_W])
    if job[BY_LABEL]:
        # Each lane has its labels' part.
        _sum_lanes(shared, LANES * (1 + weights))
        _sum_lanes(sample, LANES * (1 + inputs + weights))
    for lane in range(count):
        e, b = room.items[lane] // batch, room.items[lane] % batch
        row = (e * directions + t) * batch + b
        for c in range(inputs):
            own = sample[(1 + c) * LANES + lane] if job[WRT_INPUTS] else 0.0
            to_inputs[row * inputs + c] = own
        for c in range(weights):
            own = shared[(1 + c) * LANES + lane]
            if steps.weights_in_samples:
                own += sample[(1 + inputs + c) * LANES + lane]
            to_weights[row * weights + c] = own


@compiled
def _sum_lanes(columns: Pointer, size: int) -> None:
    for c in range(0, size, LANES):
        total = 0.0
        for lane in range(LANES):
            total += columns[c + lane]
        columns[c] = total
