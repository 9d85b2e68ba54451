"""A program lowered to the arrays of the compiled sweeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxqnn.batches import LANES
from jaxqnn.circuit.angles import Angle
from jaxqnn.native.data import Array, Slopes, Steps, Values
from jaxqnn.native.polynomials import Floats, Polynomials
from jaxqnn.program.program import Program
from jaxqnn.program.tables import column_order, combinations, inverse_map

LANE_BITS = LANES.bit_length() - 1

# Phases up to this keep their digits; larger ones are reduced first, which takes longer.
_LARGE_PHASE = 64.0


class Lowered:
    """A program's steps, and its angles as polynomials.

    Args:
        program: The program; without given amplitudes.
        by_label: Whether lanes are the most significant bits of the labels, else samples.
    """

    def __init__(self, program: Program, *, by_label: bool) -> None:
        self.num_qubits, self.by_label = program.num_qubits, by_label
        self.steps = _steps(program, by_label)
        inputs, weights = column_order(program)
        self.num_inputs, self.num_weights = len(inputs), len(weights)
        count = len(program.rotated.positions)
        rotations = [
            angle
            for layer in program.layers
            for angle in (*layer.rotations, *[Angle()] * (count - len(layer.rotations)))
        ]
        shared, sample = _phases(program, per_sample=False), _phases(program, per_sample=True)
        self._shared = Polynomials(
            [*rotations, *(angle for layer in shared for _, angle in layer)],
            {c: i for i, c in enumerate(weights)},
        )
        own = [*(angle for layer in sample for _, angle in layer), *program.start]
        self._sample = Polynomials(own, {c: i for i, c in enumerate([*inputs, *weights])})
        self.weights_in_samples = any(angle.depends_on(weights) for angle in own)

    @property
    def num_rotations(self) -> int:
        """L r."""
        return self.steps.trains.size

    @property
    def num_shared(self) -> int:
        """L r + K angles that the batch shares."""
        return self.num_rotations + self.steps.shared_masks.size

    @property
    def num_phases(self) -> int:
        """K' phases of each sample."""
        return self.steps.sample_masks.size

    @property
    def num_sample(self) -> int:
        """K' + n angles of each sample."""
        return self.num_phases + self.num_qubits

    def groups(self, batch: int) -> int:
        """G, the groups of eight lanes that a batch takes."""
        return batch if self.by_label else -(-batch // LANES)

    def values(self, inputs: Floats, weights: Floats) -> Values:
        """The angles of inputs (B, P) and weights (W,)."""
        shared = self._shared.evaluate(weights[:, None])[:, 0]
        sample = self._spread(self._sample.evaluate(self._columns(inputs, weights)))
        half = 0.5 * shared[: self.num_rotations].reshape(self.steps.trains.shape)
        half_start = 0.5 * sample[self.num_phases :].reshape(-1)
        return Values(
            np.cos(half),
            np.sin(half),
            _reduced(shared[self.num_rotations :]),
            _reduced(sample[: self.num_phases].reshape(-1)),
            np.cos(half_start),
            np.sin(half_start),
        )

    def slopes(
        self, inputs: Floats, weights: Floats, towards_inputs: Floats, towards_weights: Floats
    ) -> Slopes:
        """The angles' derivatives along directions (T, P) and (T, W), the same for all samples."""
        count, batch = towards_inputs.shape[0], inputs.shape[0]
        shared = self._shared.push(weights[:, None], towards_weights.T[:, :, None])[..., 0]
        along = towards_inputs.T
        if self.weights_in_samples:
            along = np.concatenate([along, towards_weights.T])
        along = np.broadcast_to(along[:, :, None], (*along.shape, batch))
        sample = self._sample.push(self._columns(inputs, weights), along)
        sample = self._spread(sample.reshape(-1, batch))
        sample = sample.reshape(self.num_sample, count, sample.shape[1])
        phases, of_samples = shared[self.num_rotations :], sample[: self.num_phases]
        num_layers = self.steps.moves.size
        acts = np.zeros((num_layers, count), np.bool_)
        for l in range(num_layers):
            own = slice(*self.steps.sample_range[l : l + 2])
            acts[l] = np.any(of_samples[own] != 0, axis=(0, 2))
            acts[l] |= np.any(phases[slice(*self.steps.shared_range[l : l + 2])] != 0, axis=0)
        return Slopes(
            shared[: self.num_rotations].reshape(-1),
            phases.reshape(-1),
            of_samples.reshape(-1),
            sample[self.num_phases :].reshape(-1),
            acts,
        )

    def pull(
        self, inputs: Floats, weights: Floats, of_shared: Floats, of_sample: Floats
    ) -> tuple[Floats, Floats]:
        """Cotangents of inputs (B, m, P) and weights (B, m, W) from those of the angles.

        Args:
            inputs: (B, P).
            weights: (W,).
            of_shared: (L r + K, m, 8 G).
            of_sample: (K' + n, m, 8 G).
        """
        batch = inputs.shape[0]
        of_weights = self._shared.pull(weights[:, None], self._gathered(of_shared, batch))
        columns = self._columns(inputs, weights)
        of_columns = self._sample.pull(columns, self._gathered(of_sample, batch))
        if self.weights_in_samples:
            of_weights = of_weights + of_columns[self.num_inputs :]
        return (
            np.ascontiguousarray(of_columns[: self.num_inputs].transpose(2, 1, 0)),
            np.ascontiguousarray(of_weights.transpose(2, 1, 0)),
        )

    def _columns(self, inputs: Floats, weights: Floats) -> Floats:
        if not self.weights_in_samples:
            return inputs.T
        repeated = np.broadcast_to(weights[:, None], (weights.size, inputs.shape[0]))
        return np.concatenate([inputs.T, repeated])

    def _spread(self, values: Floats) -> Floats:
        """(A, B) -> (A, 8 G): a sample in each lane, the last one repeated; or in eight lanes."""
        if self.by_label:
            return np.repeat(values, LANES, axis=1)
        missing = -values.shape[1] % LANES
        if not missing:
            return np.ascontiguousarray(values)
        return np.concatenate([values, np.repeat(values[:, -1:], missing, axis=1)], axis=1)

    def _gathered(self, cotangent: Floats, batch: int) -> Floats:
        """(A, m, 8 G) -> (A, m, B)."""
        if not self.by_label:
            return cotangent[:, :, :batch]
        return cotangent.reshape(*cotangent.shape[:2], batch, LANES).sum(axis=3)


def _steps(program: Program, by_label: bool) -> Steps:
    n, layers = program.num_qubits, program.layers
    row_bits = n - LANE_BITS if by_label else n
    high_bits = row_bits // 2
    both = [(layer.label_map, inverse_map(layer.label_map)) for layer in layers]
    columns = np.array(both, np.int64).reshape(len(layers), 2, n)
    lanes = combinations(columns[:, :, row_bits:])
    if not by_label:
        lanes = np.zeros((len(layers), 2, LANES), np.int64)
    count = len(program.rotated.positions)
    trains = np.zeros((len(layers), count), np.bool_)
    for l, layer in enumerate(layers):
        trains[l, : len(layer.rotations)] = [not angle.is_constant for angle in layer.rotations]
    shared, sample = _phases(program, per_sample=False), _phases(program, per_sample=True)
    block, blocks = _blocks(program)
    signs = 1.0 - 2.0 * (np.bitwise_count(np.arange(LANES)[:, None] & np.arange(LANES)) & 1)
    return Steps(
        row_bits=row_bits,
        rotated=np.array(program.rotated.positions, np.int64),
        moves=np.any(columns[:, 0] != 1 << np.arange(n), axis=1),
        high=combinations(columns[:, :, row_bits - high_bits : row_bits]),
        low=combinations(columns[:, :, : row_bits - high_bits]),
        lanes=lanes,
        trains=trains,
        shared_masks=_masks(shared),
        shared_range=_range(shared),
        sample_masks=_masks(sample),
        sample_range=_range(sample),
        start_trains=np.array([not angle.is_constant for angle in program.start], np.bool_),
        block=block,
        blocks=blocks,
        signs=signs.reshape(-1),
    )


_Phases = Sequence[Sequence[tuple[int, Angle]]]


def _phases(program: Program, *, per_sample: bool) -> _Phases:
    """Each layer's phases that are, or are not, the samples' own."""
    return [
        [phase for phase in layer.phases if program.is_per_sample(phase[1]) == per_sample]
        for layer in program.layers
    ]


def _masks(phases: _Phases) -> Array:
    return np.array([mask for layer in phases for mask, _ in layer], np.int64)


def _range(phases: _Phases) -> Array:
    return np.cumsum([0, *(len(layer) for layer in phases)], dtype=np.int64)


def _blocks(program: Program) -> tuple[Array, Array]:
    """Each layer's block, -1 for none, and all of them, as wide as the widest."""
    index = np.full(len(program.layers), -1, np.int64)
    present = [(l, x.block) for l, x in enumerate(program.layers) if x.block is not None]
    size = max([2, *(block.shape[0] for _, block in present)])
    blocks = np.zeros((len(present), 2, 2, size, size))
    for i, (l, block) in enumerate(present):
        wide = np.kron(block, np.eye(size // block.shape[0]))
        index[l], blocks[i] = i, [[w.real, w.imag] for w in (wide, wide.conj().T)]
    return index, blocks


def _reduced(phases: Floats) -> Floats:
    """Phases modulo 4 pi, the period of what half of one turns."""
    if np.abs(phases).max(initial=0.0) > _LARGE_PHASE:
        return np.fmod(phases, 4 * np.pi)
    return phases
