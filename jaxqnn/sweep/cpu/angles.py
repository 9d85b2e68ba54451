"""The angles of eight lanes, their derivatives and what derivatives of them add up to.

Angles are polynomials of the columns, see ``Terms``; arrays hold eight lanes of each number.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layout import LANES
from jaxqnn.sweep.cpu.simd import load, store, zeros
from jaxqnn.sweep.cpu.steps import Array, Steps, Terms
from jaxqnn.sweep.cpu.trigonometry import cos_sin

# Phases and half angles have period 4 pi. Up to this they keep their digits; larger ones are
# reduced first, which takes longer.
_LARGE = 64.0
_PERIOD = 4 * math.pi


class Columns(NamedTuple):
    """What the parameters are: [1, columns] in eight lanes each, shared ones and the samples'."""

    shared: Array
    sample: Array


class Values(NamedTuple):
    """What the columns make of a program's angles, eight lanes each.

    Attributes:
        cosine: (L r 8,) of half the rotation angles.
        sine: (L r 8,).
        shared: (K 8,) phases.
        sample: (K' 8,) phases.
        start_cosine: (n 8,) of half the start angles.
        start_sine: (n 8,).
        amplitudes: (A 8,) given ones, of norm one.
        norm: (8,) what it was.
        half: (max(L r, n) 8,) room for half angles.
        alike: Whether all lanes have the same shared columns.
    """

    cosine: Array
    sine: Array
    shared: Array
    sample: Array
    start_cosine: Array
    start_sine: Array
    amplitudes: Array
    norm: Array
    half: Array
    alike: bool


class Slopes(NamedTuple):
    """Derivatives of the angles along directions: (T, ...), the rest as in ``Values``.

    Of given amplitudes, that of the normalised ones, and (T, 8) that of their norm.
    """

    rotations: Array
    shared: Array
    sample: Array
    start: Array
    amplitudes: Array
    norm: Array


@compiled
def evaluate(terms: Terms, begin: int, end: int, p: Array, out: Array) -> None:
    """out[a - begin] = angle[a] for begin <= a < end."""
    for a in range(begin, end):
        total = zeros()
        for t in range(terms.begin[a], terms.begin[a + 1]):
            first, second = load(p, terms.first[t] * LANES), load(p, terms.second[t] * LANES)
            total = total + terms.coefficient[t] * first * second
        store(out, (a - begin) * LANES, total)


@compiled
def push(terms: Terms, begin: int, end: int, p: Array, dp: Array, out: Array) -> None:
    """The derivatives of the same angles along a direction of the columns; dp[0] is 0."""
    for a in range(begin, end):
        total = zeros()
        for t in range(terms.begin[a], terms.begin[a + 1]):
            i, j = terms.first[t] * LANES, terms.second[t] * LANES
            if i != 0:
                slope = load(dp, i) * load(p, j)
                if j != 0:
                    slope = slope + load(p, i) * load(dp, j)
                total = total + terms.coefficient[t] * slope
        store(out, (a - begin) * LANES, total)


@compiled
def pull(terms: Terms, begin: int, end: int, p: Array, cotangent: Array, of_p: Array) -> None:
    """Adds to the columns' cotangents what those of the same angles make of them."""
    for a in range(begin, end):
        own = load(cotangent, (a - begin) * LANES)
        for t in range(terms.begin[a], terms.begin[a + 1]):
            i, j = terms.first[t] * LANES, terms.second[t] * LANES
            if i != 0:
                scaled = terms.coefficient[t] * own
                store(of_p, i, load(of_p, i) + scaled * load(p, j))
                if j != 0:
                    store(of_p, j, load(of_p, j) + scaled * load(p, i))


@compiled
def set_shared(steps: Steps, columns: Columns, values: Values) -> None:
    """The rotations and the shared phases."""
    count = steps.trains.shape[0]
    half = values.half[: count * LANES]
    evaluate(steps.shared, 0, count, columns.shared, half)
    _halve(half)
    cos_sin(half, values.cosine, values.sine)
    evaluate(steps.shared, count, steps.shared.begin.shape[0] - 1, columns.shared, values.shared)
    _reduce(values.shared)


@compiled
def set_sample(steps: Steps, columns: Columns, values: Values) -> None:
    """The samples' own phases, and what they start from."""
    phases, n = steps.sample_masks.shape[0], steps.num_qubits
    evaluate(steps.sample, 0, phases, columns.sample, values.sample)
    _reduce(values.sample)
    half = values.half[: n * LANES]
    evaluate(steps.sample, phases, phases + n, columns.sample, half)
    _halve(half)
    cos_sin(half, values.start_cosine, values.start_sine)
    if steps.given_bits > 0:
        count = values.amplitudes.shape[0] // LANES
        evaluate(steps.sample, phases + n, phases + n + count, columns.sample, values.amplitudes)
        _normalise(values.amplitudes, values.norm)


@compiled
def set_slopes(steps: Steps, columns: Columns, values: Values, along: Columns, slopes: Slopes, t: int) -> None:  # fmt: skip
    """The derivatives of all angles along direction t of the columns."""
    count, phases, n = steps.trains.shape[0], steps.sample_masks.shape[0], steps.num_qubits
    last = steps.shared.begin.shape[0] - 1
    push(steps.shared, 0, count, columns.shared, along.shared, slopes.rotations[t])
    push(steps.shared, count, last, columns.shared, along.shared, slopes.shared[t])
    push(steps.sample, 0, phases, columns.sample, along.sample, slopes.sample[t])
    push(steps.sample, phases, phases + n, columns.sample, along.sample, slopes.start[t])
    if steps.given_bits > 0:
        last = steps.sample.begin.shape[0] - 1
        own = slopes.amplitudes[t]
        push(steps.sample, phases + n, last, columns.sample, along.sample, own)
        store(slopes.norm[t], 0, _product(values.amplitudes, own))
        project(values, own)


@compiled
def project(values: Values, own: Array) -> None:
    """The derivative of normalising, which is symmetric: own -> (own - a <a, own>) / norm."""
    a, along = values.amplitudes, _product(values.amplitudes, own)
    for p in range(0, own.shape[0], LANES):
        store(own, p, (load(own, p) - along * load(a, p)) / load(values.norm, 0))


@compiled
def project_slope(values: Values, slopes: Slopes, t: int, bra: Array, of_bra: Array) -> None:
    """Its derivative: the one of what ``project`` makes of a bra, from the bra's, ``of_bra``.

    g = (b - a <a, b>) / N has dg = (db - a d<a, b> - da <a, b> - g dN) / N.
    """
    a, da, norm = values.amplitudes, slopes.amplitudes[t], load(values.norm, 0)
    along = _product(a, bra)
    change = _product(a, of_bra) + _product(da, bra)
    growth = load(slopes.norm[t], 0) / norm
    for p in range(0, bra.shape[0], LANES):
        g = load(bra, p) - along * load(a, p)
        own = load(of_bra, p) - change * load(a, p) - along * load(da, p)
        store(of_bra, p, (own - growth * g) / norm)


@compiled
def _product(a: Array, b: Array) -> Any:
    """<a, b> by lane."""
    total = zeros()
    for p in range(0, a.shape[0], LANES):
        total = total + load(a, p) * load(b, p)
    return total


@compiled
def _normalise(amplitudes: Array, norm: Array) -> None:
    """Divides by the norm; by the largest first, whose square might leave the range of a float."""
    for lane in range(LANES):
        largest = 0.0
        for p in range(lane, amplitudes.shape[0], LANES):
            largest = max(largest, abs(amplitudes[p]))
        total = 0.0
        for p in range(lane, amplitudes.shape[0], LANES):
            amplitudes[p] /= largest
            total += amplitudes[p] * amplitudes[p]
        root = math.sqrt(total)
        for p in range(lane, amplitudes.shape[0], LANES):
            amplitudes[p] /= root
        norm[lane] = largest * root


@compiled
def _halve(angles: Array) -> None:
    _reduce(angles)
    for p in range(0, angles.shape[0], LANES):
        store(angles, p, 0.5 * load(angles, p))


@compiled
def _reduce(phases: Array) -> None:
    for i in range(phases.shape[0]):
        if abs(phases[i]) > _LARGE:
            phases[i] = np.fmod(phases[i], _PERIOD)
