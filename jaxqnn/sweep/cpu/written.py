"""A program written as one array of words, which is all that the compiled sweeps know of it.

The array stands in an XLA program as a constant, so that whatever keeps such a program (a cache on
disk, too) keeps what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxqnn.circuit.angles import Angle
from jaxqnn.program.program import Program
from jaxqnn.program.tables import column_order, inverse_map
from jaxqnn.sweep.cpu.layout import LANES
from jaxqnn.sweep.cpu.tiling import tile
from jaxqnn.sweep.staging import SAMPLES, SHARED, first_of, trained_by

Array = np.ndarray[Any, Any]

# The words before the arrays: n, m, P, W, weights_in_samples, L, r, K, K', amplitudes, D, S, terms
# of the shared angles and of the samples', the head of ``tiling``, where its words begin, the first
# steps that are trained, by shared columns and by any, and the first stages.
HEAD = 23


def write(program: Program) -> Array:
    """A program as words; ``steps.read`` is the other way."""
    n, layers = program.num_qubits, program.layers
    maps = [(layer.label_map, inverse_map(layer.label_map)) for layer in layers]
    columns = np.array(maps, np.int64).reshape(len(layers), 2, n)
    count = len(program.rotated.positions)
    rotations = [
        (*layer.rotations, *[Angle()] * (count - len(layer.rotations))) for layer in layers
    ]
    shared, own = _phases(program, per_sample=False), _phases(program, per_sample=True)
    inputs, weights = column_order(program)
    of_samples = [*(a for layer in own for _, a in layer), *program.start, *program.amplitudes]
    block, blocks = _blocks(program)
    starts, phases, turned = _trained(program)
    place = {c: 1 + i for i, c in enumerate(weights)}
    shared_terms = _terms(
        [*(a for row in rotations for a in row), *(a for layer in shared for _, a in layer)], place
    )
    place = {c: 1 + i for i, c in enumerate([*inputs, *weights])}
    sample_terms = _terms(of_samples, place)
    head = [
        n,
        program.given_bits,
        len(inputs),
        len(weights),
        any(angle.depends_on(weights) for angle in of_samples),
        len(layers),
        count,
        sum(map(len, shared)),
        sum(map(len, own)),
        len(program.amplitudes),
        blocks.shape[0],
        blocks.shape[-1],
        shared_terms[1].size,
        sample_terms[1].size,
    ]
    parts = [
        program.rotated.positions,
        np.any(columns[:, 0] != 1 << np.arange(n), axis=1),
        columns,
        [[not angle.is_constant for angle in row] for row in rotations],
        _masks(shared),
        _range(shared),
        _masks(own),
        _range(own),
        starts,
        phases,
        block,
        *shared_terms,
        *sample_terms,
        1.0 - 2.0 * (np.bitwise_count(np.arange(LANES)[:, None] & np.arange(LANES)) & 1),
        blocks,
        by_lane(blocks),
    ]
    tiles = tile(program, *([[m for m, _ in layer] for layer in kind] for kind in (shared, own)))
    written = [_as_words(part) for part in parts]
    # Steps are numbered: -1 is the start, 2 l are layer l's phases and 2 l + 1 its rotations.
    amplitudes = [trained_by(angle, program.sample_columns) for angle in program.amplitudes]
    of_start = max([*starts, *amplitudes], default=0)
    trained = [of_start, *(who for layer in zip(phases, turned, strict=True) for who in layer)]
    earliest = [first_of(trained, least) - 1 for least in (SHARED, SAMPLES)]
    head += [*tiles.head, HEAD + sum(part.size for part in written), *earliest, *tiles.earliest]
    assert len(head) == HEAD
    return np.concatenate([_as_words(head), *written, *tiles.parts])


def by_lane(blocks: Array) -> Array:
    """Blocks (D, 2, 2, S, S) as (D, 2, 2, S / 8, S, 8): the rows whose top three bits are a lane.

    What a sample's lanes get of column j in row i is then eight neighbours.
    """
    size = blocks.shape[-1]
    if size < LANES:
        return np.zeros_like(blocks)
    apart = blocks.reshape(*blocks.shape[:3], LANES, size // LANES, size)
    return np.moveaxis(apart, 3, -1)


def _trained(program: Program) -> tuple[list[int], list[int], list[int]]:
    """Who trains each start angle, and any of each layer's phases and of its rotations."""
    of_samples = program.sample_columns
    starts = [trained_by(angle, of_samples) for angle in program.start]
    phases = [[trained_by(a, of_samples) for _, a in layer.phases] for layer in program.layers]
    turned = [[trained_by(a, of_samples) for a in layer.rotations] for layer in program.layers]
    of_phases, of_turned = ([max(of, default=0) for of in each] for each in (phases, turned))
    return starts, of_phases, of_turned


_Phases = Sequence[Sequence[tuple[int, Angle]]]


def _phases(program: Program, *, per_sample: bool) -> _Phases:
    """Each layer's phases that are, or are not, the samples' own."""
    return [
        [phase for phase in layer.phases if program.is_per_sample(phase[1]) == per_sample]
        for layer in program.layers
    ]


def _masks(phases: _Phases) -> list[int]:
    return [mask for layer in phases for mask, _ in layer]


def _range(phases: _Phases) -> Array:
    return np.cumsum([0, *(len(layer) for layer in phases)], dtype=np.int64)


def _terms(angles: Sequence[Angle], place: dict[int, int]) -> tuple[Array, Array, Array, Array]:
    first, second, coefficient, begin = [], [], [], [0]
    for angle in angles:
        for monomial, value in angle.terms.items():
            factors = [place[column] for column in monomial] + [0] * (2 - len(monomial))
            first.append(factors[0])
            second.append(factors[1])
            coefficient.append(value)
        begin.append(len(first))
    return (
        np.array(begin),
        np.array(first, np.int64),
        np.array(second, np.int64),
        np.array(coefficient, np.float64),
    )


def _blocks(program: Program) -> tuple[Array, Array]:
    """Each layer's block, -1 for none, and all of them, as wide as the widest."""
    index = np.full(len(program.layers), -1, np.int64)
    present = [(l, x.block) for l, x in enumerate(program.layers) if x.block is not None]
    # As wide as the lanes' bits, so that lanes may be labels.
    least = min(LANES, 1 << program.num_qubits)
    size = max([least if present else 1, *(block.shape[0] for _, block in present)])
    blocks = np.zeros((len(present), 2, 2, size, size))
    for i, (l, block) in enumerate(present):
        wide = np.kron(block, np.eye(size // block.shape[0]))
        index[l], blocks[i] = i, [[w.real, w.imag] for w in (wide, wide.conj().T)]
    return index, blocks


def _as_words(part: Any) -> Array:
    array = np.asarray(part)
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, np.float64).reshape(-1).view(np.int64)
    return np.ascontiguousarray(array, np.int64).reshape(-1)
