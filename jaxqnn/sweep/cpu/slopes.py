"""What a layer's angles change, and what changes say of them: the derivatives of its steps."""

from __future__ import annotations

from typing import Any

from jaxqnn.sweep.cpu.angles import Cotangents, Slopes, Values, cotangents_at
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layers import (
    corners,
    four,
    is_identity,
    put_down,
    put_four,
    rotate,
    rotate_lanes,
    rotate_one,
    rotate_two,
    size_of_state,
    transform,
    turned,
)
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer, after
from jaxqnn.sweep.cpu.simd import exchanged, load, rounded, store, zeros
from jaxqnn.sweep.cpu.steps import Steps


@compiled
def correlate(steps: Steps, bit: int, state: Pointer, bra: Pointer, out: Pointer, at: int) -> None:
    """out[at] += 1/2 <bra, J state> of a bit, by lane: the cotangent of its RY(t) = exp(t/2 J)."""
    first, second, size = zeros(), zeros(), size_of_state(steps)
    if bit >= steps.row_bits:
        sign = load(steps.signs, LANES << (bit - steps.row_bits))
        for p in range(0, size, LANES):
            moved = exchanged(load(state, p), 1 << bit - steps.row_bits)
            first = first - load(bra, p) * moved
        first = sign * first
    else:
        step = ROW << bit
        for base in range(0, size, 2 * step):
            for p in range(base, base + step, LANES):
                first = first + load(bra, p + step) * load(state, p)
                second = second + load(bra, p) * load(state, p + step)
    store(out, at, load(out, at) + 0.5 * (first - second))


@compiled
def _add_four(sums: Any, x: Any, y: Any) -> Any:
    """What four eights of a state and of a bra add to the correlations of their two bits."""
    of_low, less_low, of_high, less_high = sums
    return (
        of_low + y[1] * x[0] + y[3] * x[2],
        less_low + y[0] * x[1] + y[2] * x[3],
        of_high + y[2] * x[0] + y[3] * x[1],
        less_high + y[0] * x[2] + y[1] * x[3],
    )


@compiled
def _note_two(sums: Any, out: Pointer, at_low: int, at_high: int) -> None:
    of_low, less_low, of_high, less_high = sums
    store(out, at_low, load(out, at_low) + 0.5 * (of_low - less_low))
    store(out, at_high, load(out, at_high) + 0.5 * (of_high - less_high))


@compiled
def correlate_two(
    size: int,
    low: int,
    high: int,
    state: Pointer,
    bra: Pointer,
    out: Pointer,
    at_low: int,
    at_high: int,
) -> None:
    """The same of two bits of the row in one pass."""
    near, far = ROW << low, ROW << high
    sums = zeros(), zeros(), zeros(), zeros()
    for base in range(0, size, 2 * far):
        for middle in range(base, base + far, 2 * near):
            for p in range(middle, middle + near, LANES):
                places = corners(p, near, far)
                sums = _add_four(sums, four(state, places), four(bra, places))
    _note_two(sums, out, at_low, at_high)


@compiled
def note_rotations(steps: Steps, l: int, state: Pointer, bra: Pointer, out: Pointer) -> None:
    """Adds the cotangents of layer l's rotations to their places among all, (L r 8,).

    Their generators commute with the rotations, so before or after those makes no difference.
    """
    if steps.block[l] >= 0:
        return
    count, size = steps.num_rotated, size_of_state(steps)
    waiting = -1
    for k in range(count):
        if not steps.trains[l * count + k]:
            continue
        bit, at = steps.rotated[k], (l * count + k) * LANES
        if bit >= steps.row_bits:
            correlate(steps, bit, state, bra, out, at)
        elif waiting < 0:
            waiting = k
        else:
            at_high = (l * count + waiting) * LANES
            correlate_two(size, bit, steps.rotated[waiting], state, bra, out, at, at_high)
            waiting = -1
    if waiting >= 0:
        correlate(steps, steps.rotated[waiting], state, bra, out, (l * count + waiting) * LANES)


@compiled
def undo_two(
    size: int,
    low: int,
    high: int,
    cosine: Pointer,
    tangent: Pointer,
    at: int,
    at_high: int,
    state: Pointer,
    bra: Pointer,
    out: Pointer,
    out_low: int,
    out_high: int,
) -> None:
    """Undoes two rotations of a state and a bra as ``rotate_two`` does, and correlates them.

    All in one pass: apart they are three, over the same numbers.
    """
    t, t_high = -1.0 * load(tangent, at), -1.0 * load(tangent, at_high)
    scale = load(cosine, at) * load(cosine, at_high)
    near, far = ROW << low, ROW << high
    sums = zeros(), zeros(), zeros(), zeros()
    for base in range(0, size, 2 * far):
        for middle in range(base, base + far, 2 * near):
            for p in range(middle, middle + near, LANES):
                places = corners(p, near, far)
                x, y = four(state, places), four(bra, places)
                sums = _add_four(sums, x, y)
                put_four(state, places, turned(x, t, t_high, scale))
                put_four(bra, places, turned(y, t, t_high, scale))
    _note_two(sums, out, out_low, out_high)


@compiled
def undo_rotations(
    steps: Steps,
    values: Values,
    l: int,
    column: Pointer,
    now: Pointer,
    bras: int,
    found: Cotangents,
) -> None:
    """Undoes layer l's rotations, or its block, of a state and the bras after it.

    The rotations' cotangents are added to their places.
    """
    count, size = steps.num_rotated, size_of_state(steps)
    if steps.block[l] >= 0:
        for s in range(1 + bras):
            rotate(steps, values, l, -1.0, column, after(now, s * size))
        return
    waiting = -1
    for k in range(count):
        at, trains = (l * count + k) * LANES, steps.trains[l * count + k]
        if not trains and is_identity(values, at):
            continue
        if steps.rotated[k] < steps.row_bits:
            if waiting >= 0:
                _undo_pair(steps, values, l, k, waiting, now, bras, found)
                waiting = -1
            else:
                waiting = k
        else:
            _undo_one(steps, values, l, k, now, bras, found)
    if waiting >= 0:
        _undo_one(steps, values, l, waiting, now, bras, found)


@compiled
def _undo_pair(
    steps: Steps,
    values: Values,
    l: int,
    k: int,
    k_high: int,
    now: Pointer,
    bras: int,
    found: Cotangents,
) -> None:
    count, size = steps.num_rotated, size_of_state(steps)
    at, at_high = (l * count + k) * LANES, (l * count + k_high) * LANES
    low, high = steps.rotated[k], steps.rotated[k_high]
    cosine, tangent = values.cosine, values.tangent
    # The state as it is before is needed for every bra, so it comes with the last.
    for o in range(bras - 1, 0, -1):
        bra, out = after(now, (1 + o) * size), cotangents_at(steps, found, o).rotations
        correlate_two(size, low, high, now, bra, out, at, at_high)
        rotate_two(bra, size, low, high, cosine, tangent, at, at_high, -1.0)
    bra, out = after(now, size), found.rotations
    undo_two(size, low, high, cosine, tangent, at, at_high, now, bra, out, at, at_high)


@compiled
def _undo_one(
    steps: Steps, values: Values, l: int, k: int, now: Pointer, bras: int, found: Cotangents
) -> None:
    at, bit = (l * steps.num_rotated + k) * LANES, steps.rotated[k]
    size = size_of_state(steps)
    if steps.trains[l * steps.num_rotated + k]:
        for o in range(bras):
            out = cotangents_at(steps, found, o).rotations
            correlate(steps, bit, now, after(now, (1 + o) * size), out, at)
    for s in range(1 + bras):
        own = after(now, s * size)
        if bit >= steps.row_bits:
            lane_bit = bit - steps.row_bits
            rotate_lanes(own, size, lane_bit, values.cosine, values.tangent, at, -1.0, steps.signs)
        else:
            rotate_one(own, size, bit, values.cosine, values.tangent, at, -1.0)


@compiled
def note_start(steps: Steps, state: Pointer, bra: Pointer, out: Pointer) -> None:
    """Adds the cotangents of the start's angles, (n 8,)."""
    for bit in range(steps.num_qubits):
        if steps.start_trained[bit]:
            correlate(steps, bit, state, bra, out, bit * LANES)


@compiled
def label_cotangents(num_rows: int, state: Pointer, bra: Pointer, labels: Pointer) -> None:
    """labels[x] += Im(conj(psi) bra)[x]: a turn of psi[x] by d phi adds i psi d phi."""
    for row in range(num_rows):
        p = row * ROW
        turned = load(bra, p + LANES) * load(state, p) - load(bra, p) * load(state, p + LANES)
        store(labels, row * LANES, load(labels, row * LANES) + turned)


@compiled
def note_phases(steps: Steps, l: int, labels: Pointer, shared: Pointer, sample: Pointer) -> None:
    """Writes the cotangents of layer l's phases to their places among all; spoils the labels'.

    Each angle's is that of its parities: the Walsh-Hadamard transform of the labels', at its mask.
    """
    num_rows = 1 << steps.row_bits
    transform(labels, LANES * num_rows)
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        mask = steps.shared_masks[k]
        sign = load(steps.signs, (mask >> steps.row_bits) * LANES)
        found = -0.5 * sign * load(labels, (mask & (num_rows - 1)) * LANES)
        store(shared, k * LANES, found)
    for k in range(steps.sample_range[l], steps.sample_range[l + 1]):
        mask = steps.sample_masks[k]
        sign = load(steps.signs, (mask >> steps.row_bits) * LANES)
        found = -0.5 * sign * load(labels, (mask & (num_rows - 1)) * LANES)
        store(sample, k * LANES, found)


@compiled
def _acts(slopes: Pointer, begin: int, end: int) -> bool:
    for i in range(begin * LANES, end * LANES):  # noqa: SIM110 - Numba has no generators
        if slopes[i] != 0.0:
            return True
    return False


@compiled
def _add_generator(
    steps: Steps, bit: int, slopes: Pointer, at: int, way: float, state: Pointer, tangent: Pointer
) -> None:
    """tangent += way slope / 2 J state on a bit."""
    half, size = rounded(0.5 * way * load(slopes, at), state), size_of_state(steps)
    if bit >= steps.row_bits:
        half = rounded(half * load(steps.signs, LANES << (bit - steps.row_bits)), state)
        for p in range(0, size, LANES):
            moved = exchanged(load(state, p), 1 << bit - steps.row_bits)
            store(tangent, p, load(tangent, p) - half * moved)
    else:
        step = ROW << bit
        for base in range(0, size, 2 * step):
            for p in range(base, base + step, LANES):
                store(tangent, p, load(tangent, p) - half * load(state, p + step))
                store(tangent, p + step, load(tangent, p + step) + half * load(state, p))


@compiled
def add_rotations(
    steps: Steps, l: int, slopes: Pointer, way: float, state: Pointer, tangent: Pointer
) -> None:
    """tangent += way times the change of layer l's rotations; the state is after them.

    For their inverse ``way`` is -1, and the state is after that.
    """
    count = steps.num_rotated
    for k in range(count):
        at = l * count + k
        if _acts(slopes, at, at + 1):
            _add_generator(steps, steps.rotated[k], slopes, at * LANES, way, state, tangent)


@compiled
def add_start(steps: Steps, slopes: Pointer, way: float, state: Pointer, tangent: Pointer) -> None:
    """tangent += way times the change of the start by its angles."""
    for bit in range(steps.num_qubits):
        if steps.start_trained[bit] and _acts(slopes, bit, bit + 1):
            _add_generator(steps, bit, slopes, bit * LANES, way, state, tangent)


@compiled
def add_phases(
    steps: Steps, l: int, slopes: Slopes, way: float, labels: Pointer, state: Pointer, to: Pointer
) -> None:
    """to += way (d phi) i state, of the phases of layer l along a direction."""
    if not (
        _acts(slopes.shared, steps.shared_range[l], steps.shared_range[l + 1])
        or _acts(slopes.sample, steps.sample_range[l], steps.sample_range[l + 1])
    ):
        return
    put_down(steps, l, slopes.shared, slopes.sample, labels)
    for row in range(1 << steps.row_bits):
        p, angle = row * ROW, rounded(way * load(labels, row * LANES), state)
        store(to, p, load(to, p) - angle * load(state, p + LANES))
        store(to, p + LANES, load(to, p + LANES) + angle * load(state, p))
