"""A program as padded arrays: what the engine runs.

The engine is compiled for array *shapes* alone.  Every length is padded to one of a few sizes that
depend on the number of qubits, so that circuits of one width share one executable; the layers and
phase chunks that are really there are counted at run time and padding costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from jaxqnn.circuit.angles import Angle, Monomial
from jaxqnn.program.frames import Frame
from jaxqnn.program.program import Program, RotatedBits

# NumPy arrays here; the engine holds the same tables as JAX arrays, traced ones among them.
Array: TypeAlias = Any


class TermTable(NamedTuple):
    """Polynomials as rows of terms.

    angle[a] = sum_t coefficient[a, t] p[first[a, t]] p[second[a, t]], where ``p`` is the constant 1
    followed by the columns. The same terms sorted by column, its *uses*, give the transposed
    derivative. A deep circuit has thousands of such angles, each of few terms, computed once for
    the batch.

    Attributes:
        coefficient: (A, T).
        first: (A, T) int32.
        second: (A, T) int32.
        use_source: (P, U) int32, the angle of each use of a column.
        use_coefficient: (P, U).
        use_other: (P, U) int32, the other factor of the term in ``p``.
    """

    coefficient: Array
    first: Array
    second: Array
    use_source: Array
    use_coefficient: Array
    use_other: Array


class MonomialTable(NamedTuple):
    """Polynomials over shared monomials: angle = matrix @ (p[first] p[second]).

    Computed for every sample, where one matrix product is several times faster than gathering
    terms.

    Attributes:
        matrix: (A, M).
        first: (M,) int32.
        second: (M,) int32.
        use_source: (P, U) int32, the monomial of each use of a column.
        use_coefficient: (P, U), one, or zero for padding.
        use_other: (P, U) int32, the other factor of the monomial in ``p``.
    """

    matrix: Array
    first: Array
    second: Array
    use_source: Array
    use_coefficient: Array
    use_other: Array


class Tables(NamedTuple):
    """All arrays of a program.  L layers of r rotations, C chunks of K phases, n qubits.

    Attributes:
        num_layers: int32, how many of the L rows are used.
        map_high: (L, 2^high) uint32; label map of the high bits of a label.
        map_low: (L, 2^low) uint32; label map of the low bits. A x = high[..] xor low[..].
        inverse_high: The inverse map, likewise.
        inverse_low: The inverse map, likewise.
        trainable: (L, G) int32, whether any rotation of the leading group, and of the trailing one,
            depends on a parameter; G is 1 where there is no trailing group.
        shared_masks: (C, K) uint32, phases shared by the batch.
        shared_range: (L + 1,) int32, the first chunk of each layer.
        sample_masks: (C', K) uint32, phases that differ from sample to sample.
        sample_range: (L + 1,) int32.
        block_index: (L,) int32, which block a layer applies, -1 for none.
        blocks: (D, 2, 2^b, 2^b) with b at least the leading group's size, real and imaginary
            parts; D = 0 if there are none.
        shared: Angles [rotations (L r), shared phases (C K)] over [1, weights].
        sample: Angles [sample phases (C' K), start (n)] over [1, inputs], or [1, inputs, weights]
            if any of them depends on a weight.
        amplitudes: What the lowest bits start from, real parts and then imaginary parts, over the
            same columns; None for a product state.
    """

    num_layers: Array
    map_high: Array
    map_low: Array
    inverse_high: Array
    inverse_low: Array
    trainable: Array
    shared_masks: Array
    shared_range: Array
    sample_masks: Array
    sample_range: Array
    block_index: Array
    blocks: Array
    shared: TermTable
    sample: MonomialTable
    amplitudes: TermTable | None = None

    @property
    def num_qubits(self) -> int:
        """n, from the tables' shapes."""
        return (self.map_high.shape[1] * self.map_low.shape[1]).bit_length() - 1

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """How many bits of the leading and of the trailing group a layer rotates."""
        num_rotations = self.shared.coefficient.shape[0] - self.shared_masks.size
        count = int(num_rotations // self.map_high.shape[0])
        if self.trainable.shape[1] == 1:
            return (count,)
        return (count - count // 2, count // 2)


def high_bits(num_qubits: int) -> int:
    """How many bits of a label are its high part."""
    return num_qubits // 2


def tabulate(program: Program) -> Tables:
    """Writes a program as arrays."""
    n, rotated = program.num_qubits, program.rotated
    assert rotated.trailing in (0, len(rotated.positions) // 2)
    length = _padded(len(program.layers), 16 if n <= 4 else 32 if n <= 8 else 64)
    width = 8 if n <= 3 else 16 if n <= 8 else 32
    maps = [layer.label_map for layer in program.layers]
    forward = _label_tables(maps, n, length)
    backward = _label_tables([inverse_map(label_map) for label_map in maps], n, length)
    groups = {
        per_sample: [
            [phase for phase in layer.phases if program.is_per_sample(phase[1]) == per_sample]
            for layer in program.layers
        ]
        for per_sample in (False, True)
    }
    least = 4 if n <= 4 else 16
    shared_masks, shared_angles, shared_range = _chunks(groups[False], length, width, least)
    sample_masks, sample_angles, sample_range = _chunks(groups[True], length, width, least)
    count = len(rotated.positions)
    rotations = [
        (*layer.rotations, *[Angle()] * (count - len(layer.rotations))) for layer in program.layers
    ]
    rotations += [(Angle(),) * count] * (length - len(rotations))
    blocks, block_index = _blocks(program, length)
    inputs, weights = column_order(program)
    # Column positions in p = [1, inputs, weights]; the shared angles never see an input.
    sample_at = {c: 1 + i for i, c in enumerate(inputs)}
    sample_at |= {c: 1 + padded_inputs(program) + i for i, c in enumerate(weights)}
    shared_at = {c: 1 + i for i, c in enumerate(weights)}
    weights_in_samples = any(
        angle.depends_on(weights) for angle in (*sample_angles, *program.start, *program.amplitudes)
    )
    num_sample_columns = padded_inputs(program)
    if weights_in_samples:
        num_sample_columns += padded_weights(program)
    return Tables(
        num_layers=np.int32(len(program.layers)),
        map_high=forward[0],
        map_low=forward[1],
        inverse_high=backward[0],
        inverse_low=backward[1],
        trainable=_trainable(rotations, rotated),
        shared_masks=shared_masks,
        shared_range=shared_range,
        sample_masks=sample_masks,
        sample_range=sample_range,
        block_index=block_index,
        blocks=blocks,
        shared=term_table([*chain(*rotations), *shared_angles], shared_at, padded_weights(program)),
        sample=_monomial_table([*sample_angles, *program.start], sample_at, num_sample_columns, n),
        amplitudes=term_table(program.amplitudes, sample_at, num_sample_columns)
        if program.amplitudes
        else None,
    )


def column_order(program: Program) -> tuple[list[int], list[int]]:
    """The program's columns that go to the engine as inputs and as weights, atoms last."""
    sample = program.sample_columns
    total = program.num_inputs + program.num_weights + len(program.atoms)
    first_atom = program.num_inputs + program.num_weights
    inputs = [c for c in range(total) if c in sample]
    weights = [c for c in range(program.num_inputs, total) if c not in sample]
    assert inputs[: program.num_inputs] == list(range(program.num_inputs))
    assert all(c >= first_atom for c in inputs[program.num_inputs :])
    return inputs, weights


def padded_inputs(program: Program) -> int:
    """Length the engine's inputs are padded to."""
    return _padded(len(column_order(program)[0]), 8 if program.num_qubits <= 8 else 32)


def padded_weights(program: Program) -> int:
    """Length the engine's weights are padded to."""
    return _padded(len(column_order(program)[1]), 64 if program.num_qubits <= 4 else 256)


def _padded(size: int, least: int) -> int:
    """The first of least, 4 least, 16 least, ... that is enough."""
    while least < size:
        least *= 4
    return least


def _trainable(rotations: Sequence[Sequence[Angle]], rotated: RotatedBits) -> Array:
    groups = [slice(0, rotated.leading)]
    if rotated.trailing:
        groups.append(slice(rotated.leading, None))
    return np.array(
        [[any(not a.is_constant for a in row[group]) for group in groups] for row in rotations],
        np.int32,
    )


def _label_tables(
    maps: Sequence[tuple[int, ...]], num_qubits: int, length: int
) -> tuple[Array, Array]:
    high = high_bits(num_qubits)
    low = num_qubits - high
    columns = np.zeros((length, num_qubits), np.uint32)
    columns[: len(maps)] = np.array(maps, np.uint32).reshape(len(maps), num_qubits)
    return combinations(columns[:, low:]), combinations(columns[:, :low])


def combinations(columns: Array) -> Array:
    """The xor of the columns that each number selects: (..., bits) -> (..., 2^bits)."""
    table = np.zeros((*columns.shape[:-1], 1), columns.dtype)
    for bit in range(columns.shape[-1]):
        table = np.concatenate([table, table ^ columns[..., bit : bit + 1]], axis=-1)
    return table


def inverse_map(label_map: tuple[int, ...]) -> tuple[int, ...]:
    """The columns of a label map's inverse."""
    n = len(label_map)
    # A frame whose columns are the map's has the inverse map's rows; transpose to columns.
    rows = Frame.from_columns(label_map).rows
    return tuple(sum(1 << i for i in range(n) if rows[i] >> j & 1) for j in range(n))


def _chunks(
    groups: Sequence[Sequence[tuple[int, Angle]]], length: int, width: int, least: int
) -> tuple[Array, list[Angle], Array]:
    """Phases in chunks of equal width: masks (C, K), angles in the same order, layer ranges."""
    rows: list[tuple[int, Angle]] = []
    starts = []
    for group in groups:
        starts.append(len(rows) // width)
        rows += group
        rows += [(0, Angle())] * (-len(rows) % width)
    used = len(rows) // width
    total = _padded(used, least)
    rows += [(0, Angle())] * ((total - used) * width)
    ranges = np.full(length + 1, used, np.int32)
    ranges[: len(starts)] = starts
    masks = np.array([mask for mask, _ in rows], np.uint32).reshape(total, width)
    return masks, [angle for _, angle in rows], ranges


def _blocks(program: Program, length: int) -> tuple[Array, Array]:
    """All different blocks, as wide as the widest of them, and each layer's index of its block."""
    present = [layer.block for layer in program.layers if layer.block is not None]
    # A block may be wider than the leading group.
    size = max([1 << program.rotated.leading, *(block.shape[0] for block in present)])
    index = np.full(length, -1, np.int32)
    found: dict[bytes, int] = {}
    padded = np.zeros((0, 2, size, size))
    for i, layer in enumerate(program.layers):
        if layer.block is None:
            continue
        wide = np.kron(layer.block, np.eye(size // layer.block.shape[0]))
        index[i] = found.setdefault(layer.block.tobytes(), len(found))
        if index[i] == padded.shape[0]:
            more = _padded(len(found), 16 if size <= 32 else 2) - padded.shape[0]
            padded = np.concatenate([padded, np.zeros((more, 2, size, size))])
        padded[index[i]] = wide.real, wide.imag
    return padded, index


def term_table(angles: Sequence[Angle], position: dict[int, int], num_columns: int) -> TermTable:
    """Angles as rows of terms; ``position`` says where in ``p`` a column is."""
    terms = _padded(max((len(angle.terms) for angle in angles), default=1), 4)
    coefficient = np.zeros((len(angles), terms))
    first = np.zeros((len(angles), terms), np.int32)
    second = np.zeros((len(angles), terms), np.int32)
    uses: list[list[_Use]] = [[] for _ in range(num_columns)]
    for a, angle in enumerate(angles):
        for t, (monomial, value) in enumerate(angle.terms.items()):
            coefficient[a, t] = value
            first[a, t], second[a, t] = factors = _factors(monomial, position)
            _note_uses(uses, a, factors, value)
    return TermTable(coefficient, first, second, *_use_arrays(uses, 4))


def _monomial_table(
    angles: Sequence[Angle], position: dict[int, int], num_columns: int, num_qubits: int
) -> MonomialTable:
    index: dict[Monomial, int] = {}
    for angle in angles:
        for monomial in angle.terms:
            index.setdefault(monomial, len(index))
    # Room for the pairs of a feature map, so that it shares its executable with simpler ones.
    pairs = num_qubits * (num_qubits + 1) // 2 + 1
    size = _padded(len(index), 1 << (pairs - 1).bit_length())
    matrix = np.zeros((len(angles), size))
    for a, angle in enumerate(angles):
        for monomial, value in angle.terms.items():
            matrix[a, index[monomial]] = value
    first = np.zeros(size, np.int32)
    second = np.zeros(size, np.int32)
    uses: list[list[_Use]] = [[] for _ in range(num_columns)]
    for monomial, m in index.items():
        first[m], second[m] = factors = _factors(monomial, position)
        _note_uses(uses, m, factors, 1.0)
    return MonomialTable(matrix, first, second, *_use_arrays(uses, 1 << num_qubits.bit_length()))


_Use = tuple[int, float, int]  # source, coefficient, position of the other factor


def _factors(monomial: Monomial, position: dict[int, int]) -> tuple[int, int]:
    """Positions in ``p`` of a monomial's two factors; position 0 is the constant."""
    first, second = [position[column] for column in monomial] + [0] * (2 - len(monomial))
    return first, second


def _note_uses(uses: list[list[_Use]], source: int, factors: tuple[int, int], value: float) -> None:
    for mine, other in (factors, reversed(factors)):
        if mine:
            uses[mine - 1].append((source, value, other))


def _use_arrays(uses: Sequence[Sequence[_Use]], least: int) -> tuple[Array, Array, Array]:
    width = _padded(max((len(use) for use in uses), default=1), least)
    source = np.zeros((len(uses), width), np.int32)
    coefficient = np.zeros((len(uses), width))
    other = np.zeros((len(uses), width), np.int32)
    for row, use in enumerate(uses):
        for i, (where, value, factor) in enumerate(use):
            source[row, i], coefficient[row, i], other[row, i] = where, value, factor
    return source, coefficient, other
