"""A program and its angles as the compiled sweeps read them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxqnn.batches import LANES

Array = np.ndarray[Any, Any]

# Numbers in a row of a state: eight real parts, eight imaginary parts.
ROW = 2 * LANES


class Steps(NamedTuple):
    """A program as arrays, without padding.

    L layers of r rotations, K phases shared by the batch and K' of each sample, n qubits.

    Attributes:
        row_bits: How many bits a row's number has: n, or n - 3 if lanes are labels.
        rotated: (r,) the bit of each rotation, the most significant first.
        moves: (L,) whether the layer's label map is any but the identity.
        high: (L, 2, H) the label map and its inverse on the row's high bits.
        low: (L, 2, H') the same on its low bits; a row x goes to high[..] xor low[..].
        lanes: (L, 2, 8) the same on the lanes' bits; zeros if lanes are samples.
        trains: (L, r) whether a rotation depends on a parameter.
        shared_masks: (K,).
        shared_range: (L + 1,) the first of each layer.
        sample_masks: (K',).
        sample_range: (L + 1,).
        start_trains: (n,) whether a start angle depends on a parameter.
        block: (L,) index of the layer's block, -1 for none.
        blocks: (D, 2, 2, S, S) on the most significant bits of the rows: each and its adjoint, as
            real and imaginary parts.
        signs: (64,) (-1)^parity(i & lane), by i and lane.
    """

    row_bits: int
    rotated: Array
    moves: Array
    high: Array
    low: Array
    lanes: Array
    trains: Array
    shared_masks: Array
    shared_range: Array
    sample_masks: Array
    sample_range: Array
    start_trains: Array
    block: Array
    blocks: Array
    signs: Array


class Values(NamedTuple):
    """What the parameters make of a program's angles; W columns, eight for each group of lanes.

    Attributes:
        cosine: (L, r) of half the rotation angles.
        sine: (L, r).
        shared: (K,) phases.
        sample: (K' W,) phases.
        start_cosine: (n W,) of half the start angles.
        start_sine: (n W,).
    """

    cosine: Array
    sine: Array
    shared: Array
    sample: Array
    start_cosine: Array
    start_sine: Array


class Slopes(NamedTuple):
    """Derivatives of the angles along T directions.

    Attributes:
        rotations: (L r T,).
        shared: (K T,).
        sample: (K' T W,).
        start: (n T W,).
        acts: (L, T) whether any phase of the layer changes.
    """

    rotations: Array
    shared: Array
    sample: Array
    start: Array
    acts: Array
