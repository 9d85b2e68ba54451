"""The angles of eight lanes, their derivatives and what derivatives of them add up to.

Angles are polynomials of the columns, see ``Terms``; arrays hold eight lanes of each number.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layout import LANES
from jaxqnn.sweep.cpu.pointers import Pointer, after
from jaxqnn.sweep.cpu.simd import choose, floor, load, store, total, zeros
from jaxqnn.sweep.cpu.steps import Steps, Terms
from jaxqnn.sweep.cpu.trigonometry import cos_sin

# Phases and half angles have period 4 pi, in parts of which the first two have 30 bits: up to a
# million there is no rounding but the last one's.  Larger ones lose what they have lost already.
_PERIOD = 4 * math.pi
_PERIOD_1, _PERIOD_2, _PERIOD_3 = (
    12.566370606422424,
    7.936748633308177e-09,
    4.136146385435284e-18,
)
_LARGE = 1e6


class Columns(NamedTuple):
    """What the parameters are: [1, columns] in eight lanes each, shared ones and the samples'."""

    shared: Pointer
    sample: Pointer


class Values(NamedTuple):
    """What the columns make of a program's angles, eight lanes each.

    Attributes:
        cosine: (L r 8,) of half the rotation angles.
        tangent: (L r 8,) of the same; no cosine is zero, for no float is half of pi.
        shared: (K 8,) phases.
        sample: (K' 8,) phases.
        start_cosine: (n 8,) of half the start angles.
        start_sine: (n 8,).
        amplitudes: (A 8,) given ones, of norm one.
        norm: (8,) what it was.
        half: (max(L r, n) 8,) room for half angles.
        alike: Whether all lanes have the same shared columns.
    """

    cosine: Pointer
    tangent: Pointer
    shared: Pointer
    sample: Pointer
    start_cosine: Pointer
    start_sine: Pointer
    amplitudes: Pointer
    norm: Pointer
    half: Pointer
    alike: bool


class Slopes(NamedTuple):
    """Derivatives of the angles along directions: (T, ...), the rest as in ``Values``.

    Of given amplitudes, that of the normalised ones, and (T, 8) that of their norm.
    """

    rotations: Pointer
    shared: Pointer
    sample: Pointer
    start: Pointer
    amplitudes: Pointer
    norm: Pointer


class Cotangents(NamedTuple):
    """Cotangents of the angles: (m, ...), the rest as in ``Values``."""

    rotations: Pointer
    shared: Pointer
    sample: Pointer
    start: Pointer
    amplitudes: Pointer


@compiled
def evaluate(terms: Terms, begin: int, end: int, p: Pointer, out: Pointer) -> None:
    """out[a - begin] = angle[a] for begin <= a < end."""
    for a in range(begin, end):
        found = zeros()
        for t in range(terms.begin[a], terms.begin[a + 1]):
            first, second = load(p, terms.first[t] * LANES), load(p, terms.second[t] * LANES)
            found = found + terms.coefficient[t] * first * second
        store(out, (a - begin) * LANES, found)


@compiled
def push(terms: Terms, begin: int, end: int, p: Pointer, dp: Pointer, out: Pointer) -> None:
    """The derivatives of the same angles along a direction of the columns; dp[0] is 0."""
    for a in range(begin, end):
        found = zeros()
        for t in range(terms.begin[a], terms.begin[a + 1]):
            i, j = terms.first[t] * LANES, terms.second[t] * LANES
            if i != 0:
                slope = load(dp, i) * load(p, j)
                if j != 0:
                    slope = slope + load(p, i) * load(dp, j)
                found = found + terms.coefficient[t] * slope
        store(out, (a - begin) * LANES, found)


@compiled
def pull(terms: Terms, begin: int, end: int, p: Pointer, cotangent: Pointer, of_p: Pointer) -> None:
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
    count = steps.num_layers * steps.num_rotated
    evaluate(steps.shared, 0, count, columns.shared, values.half)
    _halve(values.half, LANES * count)
    cosine, tangent = values.cosine, values.tangent
    cos_sin(values.half, LANES * count, cosine, tangent)
    for p in range(0, LANES * count, LANES):
        store(tangent, p, load(tangent, p) / load(cosine, p))
    evaluate(steps.shared, count, count + steps.num_shared, columns.shared, values.shared)
    _reduce(values.shared, LANES * steps.num_shared)


@compiled
def set_sample(steps: Steps, columns: Columns, values: Values) -> None:
    """The samples' own phases, and what they start from."""
    phases, n = steps.num_sample, steps.num_qubits
    evaluate(steps.sample, 0, phases, columns.sample, values.sample)
    _reduce(values.sample, LANES * phases)
    evaluate(steps.sample, phases, phases + n, columns.sample, values.half)
    _halve(values.half, LANES * n)
    cos_sin(values.half, LANES * n, values.start_cosine, values.start_sine)
    if steps.num_given > 0:
        last = phases + n + steps.num_given
        evaluate(steps.sample, phases + n, last, columns.sample, values.amplitudes)
        _normalise(values.amplitudes, LANES * steps.num_given, values.norm)


@compiled
def set_slopes(
    steps: Steps, columns: Columns, values: Values, along: Columns, slopes: Slopes
) -> None:
    """The derivatives of all angles along a direction of the columns."""
    count, phases, n = steps.num_layers * steps.num_rotated, steps.num_sample, steps.num_qubits
    push(steps.shared, 0, count, columns.shared, along.shared, slopes.rotations)
    last = count + steps.num_shared
    push(steps.shared, count, last, columns.shared, along.shared, slopes.shared)
    push(steps.sample, 0, phases, columns.sample, along.sample, slopes.sample)
    push(steps.sample, phases, phases + n, columns.sample, along.sample, slopes.start)
    if steps.num_given > 0:
        last = phases + n + steps.num_given
        push(steps.sample, phases + n, last, columns.sample, along.sample, slopes.amplitudes)
        size = LANES * steps.num_given
        store(slopes.norm, 0, _product(values.amplitudes, slopes.amplitudes, size))
        project(steps, values, slopes.amplitudes)


@compiled
def project(steps: Steps, values: Values, own: Pointer) -> None:
    """The derivative of normalising, which is symmetric: own -> (own - a <a, own>) / norm."""
    a, size = values.amplitudes, LANES * steps.num_given
    along = _product(a, own, size)
    for p in range(0, size, LANES):
        store(own, p, (load(own, p) - along * load(a, p)) / load(values.norm, 0))


@compiled
def project_slope(
    steps: Steps, values: Values, slopes: Slopes, bra: Pointer, of_bra: Pointer
) -> None:
    """Its derivative: the one of what ``project`` makes of a bra, from the bra's, ``of_bra``.

    g = (b - a <a, b>) / N has dg = (db - a d<a, b> - da <a, b> - g dN) / N.
    """
    a, da, size = values.amplitudes, slopes.amplitudes, LANES * steps.num_given
    norm = load(values.norm, 0)
    along = _product(a, bra, size)
    change = _product(a, of_bra, size) + _product(da, bra, size)
    growth = load(slopes.norm, 0) / norm
    for p in range(0, size, LANES):
        g = load(bra, p) - along * load(a, p)
        own = load(of_bra, p) - change * load(a, p) - along * load(da, p)
        store(of_bra, p, (own - growth * g) / norm)


@compiled
def _product(a: Pointer, b: Pointer, size: int) -> Any:
    """<a, b> by lane."""
    found = zeros()
    for p in range(0, size, LANES):
        found = found + load(a, p) * load(b, p)
    return found


@compiled
def _normalise(amplitudes: Pointer, size: int, norm: Pointer) -> None:
    """Divides by the norm; by the largest first, whose square might leave the range of a float."""
    for lane in range(LANES):
        largest = 0.0
        for p in range(lane, size, LANES):
            largest = max(largest, abs(amplitudes[p]))
        found = 0.0
        for p in range(lane, size, LANES):
            amplitudes[p] /= largest
            found += amplitudes[p] * amplitudes[p]
        root = math.sqrt(found)
        for p in range(lane, size, LANES):
            amplitudes[p] /= root
        norm[lane] = largest * root


@compiled
def _halve(angles: Pointer, size: int) -> None:
    _reduce(angles, size)
    for p in range(0, size, LANES):
        store(angles, p, 0.5 * load(angles, p))


@compiled
def _reduce(phases: Pointer, size: int) -> None:
    """Takes away whole periods, so that sums of phases keep their digits."""
    large = zeros()
    for p in range(0, size, LANES):
        phase = load(phases, p)
        large = large + choose(phase * phase - _LARGE * _LARGE, zeros() + 1.0, zeros())
    if total(large) > 0.0:
        for i in range(size):
            if abs(phases[i]) > _LARGE:
                phases[i] = np.fmod(phases[i], _PERIOD)
    for p in range(0, size, LANES):
        phase = load(phases, p)
        periods = floor(phase * (1.0 / _PERIOD) + 0.5)
        phase = phase - periods * _PERIOD_1
        phase = phase - periods * _PERIOD_2
        store(phases, p, phase - periods * _PERIOD_3)


@compiled
def slopes_at(steps: Steps, slopes: Slopes, t: int) -> Slopes:
    """Those along direction t."""
    count = LANES * t
    return Slopes(
        after(slopes.rotations, count * steps.num_layers * steps.num_rotated),
        after(slopes.shared, count * steps.num_shared),
        after(slopes.sample, count * steps.num_sample),
        after(slopes.start, count * steps.num_qubits),
        after(slopes.amplitudes, count * steps.num_given),
        after(slopes.norm, count),
    )


@compiled
def cotangents_at(steps: Steps, found: Cotangents, o: int) -> Cotangents:
    """Those from bra o."""
    count = LANES * o
    return Cotangents(
        after(found.rotations, count * steps.num_layers * steps.num_rotated),
        after(found.shared, count * steps.num_shared),
        after(found.sample, count * steps.num_sample),
        after(found.start, count * steps.num_qubits),
        after(found.amplitudes, count * steps.num_given),
    )
