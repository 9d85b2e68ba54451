"""What one thread works in: a piece of memory cut up once for all of a job."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxqnn.sweep.cpu.angles import Columns, Cotangents, Slopes, Values
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.job import (
    BATCH,
    BY_LABEL,
    CHUNKS,
    CURVE,
    DIRECTIONS,
    EVOLVE,
    IS_SINGLE,
    JACOBIAN,
    MEMBERS,
    OPERATION,
    PROGRAM,
    PULL,
    PUSH,
    ROOM,
    ROOM_BYTES,
    SHARED_BYTES,
    TILED,
    TOGETHER,
    VALUE,
)
from jaxqnn.sweep.cpu.layout import LANES
from jaxqnn.sweep.cpu.pointers import Pointer, after, like, numbers, words
from jaxqnn.sweep.cpu.steps import Steps
from jaxqnn.sweep.cpu.sweeps import Work


class TileRoom(NamedTuple):
    """What a thread needs besides if it sweeps in stages; its states are tiles then.

    Attributes:
        labels: (2^t,) of the rows of a tile.
        patterns: (2^t,) of the same, see ``tiles.start_patterns``.
        cosine: (N 8,) of a stage's rotations.
        tangent: (N 8,) with the signs that they have on a tile.
        own: (2 8,) a correlation.
        factors: See ``tiles.start_factors``.
    """

    labels: Pointer
    patterns: Pointer
    cosine: Pointer
    tangent: Pointer
    own: Pointer
    factors: Pointer


class Room(NamedTuple):
    """What one thread works in; states have a second place of the same size, see ``sweeps``.

    States are of the precision of the job's arrays; so are what is multiplied with them, cosines,
    sines and tangents. Angles, and all that is added up, are of double precision.
    """

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
    tiled: TileRoom


@compiled
def room_sizes(
    operation: int, single: bool, together: int, by_label: bool, n: int, shape: tuple[int, ...]
) -> tuple[int, ...]:
    """How many eights of numbers of double precision each part of a ``Room`` takes.

    Args:
        operation: What the job does.
        single: Whether its arrays are of single precision.
        together: Directions or bras at once.
        by_label: Whether lanes are labels.
        n: Qubits.
        shape: P, W, how many rotations, shared phases, samples' phases and amplitudes, S, and of
            states that are swept in stages the bits of a tile and the steps, else 0.
    """
    inputs, weights, rotations, shared, sample, given, block, tile_bits, turns = shape
    row_bits = n - 3 if by_label else n
    if tile_bits > 0:
        row_bits = tile_bits
    angles = rotations + shared + sample + n + given
    along = together if operation in (PUSH, CURVE) else 0
    found = 0
    if operation in (PULL, JACOBIAN):
        found = together
    elif operation == CURVE:
        found = together + 1
    states = 1 + together
    if operation in (EVOLVE, VALUE):
        states = 1
    elif operation == CURVE:
        states = 2 * together + 2
    return (
        2,
        (1 + weights) + (1 + inputs + weights),
        angles + rotations + n + 1 + max(rotations, n),
        (1 + weights) + (1 + inputs + weights),
        along * (angles + 1),
        2 * states * (2 << row_bits) // (2 if single else 1),
        (1 << row_bits) + (2 << row_bits) // (2 if single else 1),
        # The tables of a label map: its halves' and the lanes'.
        (1 << row_bits // 2) + (1 << row_bits - row_bits // 2) + 1,
        2 * block,
        found * angles,
        (1 + weights) + (1 + inputs + weights),
        # A tile's labels, a stage's angles, a correlation, and the start's factors.
        -(-(2 << tile_bits) // LANES) + 2 * turns + 2 + (1 + n // 5 << 5) if tile_bits > 0 else 0,
    )


@compiled
def shared_numbers(
    operation: int, together: int, outputs: int, n: int, single: bool, head: Any
) -> int:
    """How many numbers the threads have in common that sweep in stages, a multiple of eight.

    They are the states of a reverse sweep, for each chunk of tiles the sums of what it found, and
    the cotangents; or what each chunk measured.
    """
    if operation == VALUE:
        return LANES * -(-CHUNKS * outputs // LANES)
    if operation != PULL:
        return 0
    angles = head[5] * head[6] + head[7] + head[8] + n
    states = (1 + together) * (2 << n) // (2 if single else 1)
    return states + together * (2 * CHUNKS * head[17] + LANES * angles)


@compiled
def cut(job: Pointer, steps: Steps, thread: int, real: Pointer) -> Room:
    """The room of a thread, by its number among those of the job.

    Args:
        job: The job.
        steps: Its program.
        thread: The number.
        real: Any pointer to numbers of the precision of the job's arrays.
    """
    n, together = steps.num_qubits, min(TOGETHER, job[DIRECTIONS])
    rotations, shared = steps.num_layers * steps.num_rotated, steps.num_shared
    sample, given = steps.num_sample, steps.num_given
    inputs, weights = steps.num_inputs, steps.num_weights
    head = words(job[PROGRAM])
    tile_bits = head[15] if job[TILED] else 0
    shape = (
        inputs,
        weights,
        rotations,
        shared,
        sample,
        given,
        steps.block_size,
        tile_bits,
        head[16],
    )
    single = job[IS_SINGLE] != 0
    sizes = room_sizes(job[OPERATION], single, together, job[BY_LABEL] != 0, n, shape)
    address = job[ROOM] + job[SHARED_BYTES] + thread * job[ROOM_BYTES]
    eights, items = numbers(address), words(address)
    at = LANES * sizes[0]
    columns = _columns(after(eights, at), weights)
    at += LANES * sizes[1]
    cosine = after(eights, at)
    tangent = after(cosine, LANES * rotations)
    phases = after(tangent, LANES * rotations)
    own = after(phases, LANES * shared)
    start = after(own, LANES * sample)
    amplitudes = after(start, 2 * LANES * n)
    norm = after(amplitudes, LANES * given)
    values = Values(
        like(real, cosine),
        like(real, tangent),
        phases,
        own,
        like(real, start),
        like(real, after(start, LANES * n)),
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
    states = like(real, after(eights, at))
    other = after(states, LANES * sizes[5] // (1 if single else 2))
    at += LANES * sizes[5]
    angles, size = after(eights, at), LANES << (tile_bits if tile_bits > 0 else steps.row_bits)
    turns = like(real, after(angles, size))
    at += LANES * sizes[6]
    tables = after(items, at)
    at += LANES * sizes[7]
    column = like(real, after(eights, at))
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
    of_columns = _columns(after(eights, at), weights)
    at += LANES * sizes[10]
    labels, cosine_here = after(items, at), after(eights, at + max(2 << tile_bits, LANES))
    tangent_here = after(cosine_here, LANES * head[16])
    own_here = after(tangent_here, LANES * head[16])
    return Room(
        items,
        after(items, LANES),
        columns,
        values,
        along,
        slopes,
        states,
        other,
        Work(angles, turns, after(turns, size), tables, column),
        found,
        of_columns,
        TileRoom(
            labels,
            after(labels, 1 << tile_bits),
            like(real, cosine_here),
            like(real, tangent_here),
            own_here,
            like(real, after(own_here, 2 * LANES)),
        ),
    )


@compiled
def _columns(at: Pointer, weights: int) -> Columns:
    return Columns(at, after(at, LANES * (1 + weights)))
