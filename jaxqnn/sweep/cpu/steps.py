"""A program as the compiled sweeps read it: views of the parts of its words."""

from __future__ import annotations

from typing import NamedTuple

from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES
from jaxqnn.sweep.cpu.pointers import Pointer, numbers, words
from jaxqnn.sweep.cpu.written import HEAD
from jaxqnn.sweep.staging import SAMPLES, SHARED


class Terms(NamedTuple):
    """Polynomials of degree two at most, angle after angle.

    angle[a] = sum_t coefficient[t] p[first[t]] p[second[t]] over begin[a] <= t < begin[a + 1], with
    ``p`` the constant 1 followed by the columns.
    """

    begin: Pointer
    first: Pointer
    second: Pointer
    coefficient: Pointer


class Steps(NamedTuple):
    """A program as pointers to its parts, without padding.

    Attributes:
        num_qubits: n.
        row_bits: How many bits a row's number has: n, or n - 3 if lanes are labels.
        given_bits: How many of the lowest bits start from given amplitudes.
        num_given: A, real and imaginary parts of those, or 0.
        num_inputs: P, columns of each sample.
        num_weights: W, columns that the batch shares.
        weights_in_samples: Whether angles of the samples depend on the shared columns too.
        num_layers: L.
        num_rotated: r, rotations of a layer.
        num_shared: K, phases that the batch shares.
        num_sample: K', phases of each sample.
        block_size: S.
        rotated: (r,) the bit of each rotation.
        moves: (L,) whether the layer's label map is any but the identity.
        maps: (L 2 n,) the columns of the label map and of its inverse.
        trains: (L r,) whether a rotation depends on a parameter.
        shared_masks: (K,).
        shared_range: (L + 1,) the first of each layer.
        sample_masks: (K',).
        sample_range: (L + 1,).
        start_trained: (n,) who trains a start angle, see ``staging``.
        phases_trained: (L,) who trains any of a layer's phases.
        earliest: (2,) the first step that is trained, by shared columns and by any: -1 is the
            start, 2 l are layer l's phases, 2 l + 1 its rotations, and 2 L is none.
        block: (L,) index of the layer's block, -1 for none.
        blocks: (D 2 2 S S,) on the most significant bits: each and its adjoint, as real and
            imaginary parts; where lanes are labels, see ``by_lane``, in its order.
        shared: The L r rotations and K phases over the shared columns.
        sample: The K' phases, n start angles and given amplitudes over [inputs, shared columns].
        signs: (64,) (-1)^parity(i & lane), by i and lane.
    """

    num_qubits: int
    row_bits: int
    given_bits: int
    num_given: int
    num_inputs: int
    num_weights: int
    weights_in_samples: int
    num_layers: int
    num_rotated: int
    num_shared: int
    num_sample: int
    block_size: int
    rotated: Pointer
    moves: Pointer
    maps: Pointer
    trains: Pointer
    shared_masks: Pointer
    shared_range: Pointer
    sample_masks: Pointer
    sample_range: Pointer
    start_trained: Pointer
    phases_trained: Pointer
    earliest: Pointer
    block: Pointer
    blocks: Pointer
    shared: Terms
    sample: Terms
    signs: Pointer


@compiled
def is_wanted(trained: int, wrt_inputs: int) -> bool:
    """Whether who trains an angle asks for its cotangent; the samples' columns may not."""
    return trained == SHARED or (trained == SAMPLES and wrt_inputs != 0)


@compiled
def read(address: int, by_label: bool) -> Steps:
    """The parts of a program's words; ``by_label`` is whether lanes are labels."""
    head = words(address)
    n, layers, count, shared, own, given = head[0], head[5], head[6], head[7], head[8], head[9]
    rotated = address + 8 * HEAD
    moves = rotated + 8 * count
    maps = moves + 8 * layers
    trains = maps + 16 * layers * n
    shared_masks = trains + 8 * layers * count
    shared_range = shared_masks + 8 * shared
    sample_masks = shared_range + 8 * (layers + 1)
    sample_range = sample_masks + 8 * own
    start_trained = sample_range + 8 * (layers + 1)
    phases_trained = start_trained + 8 * n
    block = phases_trained + 8 * layers
    of_shared = block + 8 * layers
    of_sample = of_shared + 8 * (layers * count + shared + 1 + 3 * head[12])
    signs = of_sample + 8 * (own + n + given + 1 + 3 * head[13])
    blocks = signs + 8 * LANES * LANES
    if by_label:
        blocks += 32 * head[10] * head[11] * head[11]
    return Steps(
        n,
        n - LANE_BITS if by_label else n,
        head[1],
        given,
        head[2],
        head[3],
        head[4],
        layers,
        count,
        shared,
        own,
        head[11],
        words(rotated),
        words(moves),
        words(maps),
        words(trains),
        words(shared_masks),
        words(shared_range),
        words(sample_masks),
        words(sample_range),
        words(start_trained),
        words(phases_trained),
        words(address + 8 * 19),
        words(block),
        numbers(blocks),
        _terms(of_shared, layers * count + shared, head[12]),
        _terms(of_sample, own + n + given, head[13]),
        numbers(signs),
    )


@compiled
def _terms(at: int, num_angles: int, num_terms: int) -> Terms:
    first = at + 8 * (num_angles + 1)
    return Terms(
        words(at),
        words(first),
        words(first + 8 * num_terms),
        numbers(first + 16 * num_terms),
    )
