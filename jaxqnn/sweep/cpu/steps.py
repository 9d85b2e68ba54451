"""A program as the compiled sweeps read it: views of the parts of its words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES
from jaxqnn.sweep.cpu.pointers import numbers, words
from jaxqnn.sweep.cpu.written import HEAD

Array = np.ndarray[Any, Any]


class Terms(NamedTuple):
    """Polynomials of degree two at most, angle after angle.

    angle[a] = sum_t coefficient[t] p[first[t]] p[second[t]] over begin[a] <= t < begin[a + 1], with
    ``p`` the constant 1 followed by the columns.
    """

    begin: Array
    first: Array
    second: Array
    coefficient: Array


class Steps(NamedTuple):
    """A program as arrays, without padding.

    L layers of r rotations, K phases shared by the batch and K' of each sample, n qubits.

    Attributes:
        num_qubits: n.
        row_bits: How many bits a row's number has: n, or n - 3 if lanes are labels.
        given_bits: How many of the lowest bits start from given amplitudes.
        num_inputs: P, columns of each sample.
        num_weights: W, columns that the batch shares.
        weights_in_samples: Whether angles of the samples depend on the shared columns too.
        rotated: (r,) the bit of each rotation.
        moves: (L,) whether the layer's label map is any but the identity.
        maps: (L 2 n,) the columns of the label map and of its inverse.
        trains: (L r,) whether a rotation depends on a parameter.
        shared_masks: (K,).
        shared_range: (L + 1,) the first of each layer.
        sample_masks: (K',).
        sample_range: (L + 1,).
        start_trains: (n,) whether a start angle depends on a parameter.
        block: (L,) index of the layer's block, -1 for none.
        block_size: S.
        blocks: (D 2 2 S S,) on the most significant bits: each and its adjoint, as real and
            imaginary parts; where lanes are labels, see ``by_lane``, in its order.
        shared: The L r rotations and K phases over the shared columns.
        sample: The K' phases, n start angles and given amplitudes over [inputs, shared columns].
        signs: (64,) (-1)^parity(i & lane), by i and lane.
    """

    num_qubits: int
    row_bits: int
    given_bits: int
    num_inputs: int
    num_weights: int
    weights_in_samples: int
    rotated: Array
    moves: Array
    maps: Array
    trains: Array
    shared_masks: Array
    shared_range: Array
    sample_masks: Array
    sample_range: Array
    start_trains: Array
    block: Array
    block_size: int
    blocks: Array
    shared: Terms
    sample: Terms
    signs: Array


@compiled
def read(address: int, by_label: bool) -> Steps:
    """The views of a program's words; ``by_label`` is whether lanes are labels."""
    head = words(address, HEAD)
    n, layers, count, shared, own = head[0], head[5], head[6], head[7], head[8]
    num_sample = own + n + head[9]
    at = address + 8 * HEAD
    rotated = words(at, count)
    at += 8 * count
    moves = words(at, layers)
    at += 8 * layers
    maps = words(at, 2 * layers * n)
    at += 16 * layers * n
    trains = words(at, layers * count)
    at += 8 * layers * count
    shared_masks = words(at, shared)
    at += 8 * shared
    shared_range = words(at, layers + 1)
    at += 8 * (layers + 1)
    sample_masks = words(at, own)
    at += 8 * own
    sample_range = words(at, layers + 1)
    at += 8 * (layers + 1)
    start_trains = words(at, n)
    at += 8 * n
    block = words(at, layers)
    at += 8 * layers
    of_shared = _read_terms(at, layers * count + shared, head[12])
    at += 8 * (layers * count + shared + 1 + 3 * head[12])
    of_sample = _read_terms(at, num_sample, head[13])
    at += 8 * (num_sample + 1 + 3 * head[13])
    signs = numbers(at, LANES * LANES)
    at += 8 * LANES * LANES
    size = 4 * head[10] * head[11] * head[11]
    blocks = numbers(at + 8 * size if by_label else at, size)
    return Steps(
        n,
        n - LANE_BITS if by_label else n,
        head[1],
        head[2],
        head[3],
        head[4],
        rotated,
        moves,
        maps,
        trains,
        shared_masks,
        shared_range,
        sample_masks,
        sample_range,
        start_trains,
        block,
        head[11],
        blocks,
        of_shared,
        of_sample,
        signs,
    )


@compiled
def _read_terms(at: int, num_angles: int, num_terms: int) -> Terms:
    begin = words(at, num_angles + 1)
    at += 8 * (num_angles + 1)
    return Terms(
        begin,
        words(at, num_terms),
        words(at + 8 * num_terms, num_terms),
        numbers(at + 16 * num_terms, num_terms),
    )
