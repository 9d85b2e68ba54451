"""The steps of a layer on the states of eight lanes, as Numba compiles them.

A state is a flat array of rows: for each row eight real parts, then eight imaginary parts.  The
eight *lanes* are either eight samples, and a row is a label; or they are the three most significant
bits of one sample's labels, and a row is the rest.  Most steps do not see the difference.
"""

from __future__ import annotations

import numpy as np

from jaxqnn.batches import LANES
from jaxqnn.native.data import ROW, Array, Slopes, Steps, Values
from jaxqnn.native.jit import compiled
from jaxqnn.native.simd import exchanged, load, store, zeros
from jaxqnn.native.trigonometry import cos_sin


@compiled
def clear(numbers: Array) -> None:
    """Writes zeros."""
    for p in range(0, numbers.shape[0], LANES):
        store(numbers, p, zeros())


@compiled
def copy(state: Array, out: Array) -> None:
    """out = state."""
    for p in range(0, state.shape[0], LANES):
        store(out, p, load(state, p))


@compiled
def start(steps: Steps, values: Values, first: int, width: int, state: Array) -> None:
    """Writes the product of RY(start)|0> of the lanes [first, first + 8)."""
    num_bits = steps.start_trains.shape[0]
    for lane in range(LANES):
        product = 1.0
        for bit in range(steps.row_bits, num_bits):
            at = bit * width + first + lane
            is_one = lane >> (bit - steps.row_bits) & 1
            product *= values.start_sine[at] if is_one else values.start_cosine[at]
        state[lane] = product
        state[LANES + lane] = 0.0
    filled = ROW
    for bit in range(steps.row_bits):
        cosine = load(values.start_cosine, bit * width + first)
        sine = load(values.start_sine, bit * width + first)
        for p in range(0, filled, ROW):
            value = load(state, p)
            store(state, p, value * cosine)
            store(state, p + filled, value * sine)
            store(state, p + LANES, zeros())
            store(state, p + filled + LANES, zeros())
        filled *= 2


@compiled
def relabel(row_bits: int, high: Array, low: Array, lanes: Array, state: Array, out: Array) -> None:
    """out[x] = state[A x], with A x as the xor of what x's high bits, low bits and lane select."""
    by_lane = False
    for lane in range(LANES):
        by_lane |= lanes[lane] != 0
    to = 0
    for h in high:
        for rest in low:
            if by_lane:
                for lane in range(LANES):
                    source = h ^ rest ^ lanes[lane]
                    row = source & ((1 << row_bits) - 1)
                    at = row * ROW + (source >> row_bits)
                    out[to + lane] = state[at]
                    out[to + LANES + lane] = state[at + LANES]
            else:
                at = (h ^ rest) * ROW
                store(out, to, load(state, at))
                store(out, to + LANES, load(state, at + LANES))
            to += ROW


@compiled
def _rotate_one(state: Array, bit: int, c: float, s: float) -> None:
    step = ROW << bit
    for base in range(0, state.shape[0], 2 * step):
        for p in range(base, base + step, LANES):
            a, b = load(state, p), load(state, p + step)
            store(state, p, c * a - s * b)
            store(state, p + step, s * a + c * b)


@compiled
def _rotate_two(
    state: Array, low: int, high: int, c: float, s: float, c_high: float, s_high: float
) -> None:
    """Two bits in one pass: half the traffic of two."""
    near, far = ROW << low, ROW << high
    for base in range(0, state.shape[0], 2 * far):
        for middle in range(base, base + far, 2 * near):
            for p in range(middle, middle + near, LANES):
                x00, x01 = load(state, p), load(state, p + near)
                x10, x11 = load(state, p + far), load(state, p + far + near)
                y00, y01 = c * x00 - s * x01, s * x00 + c * x01
                y10, y11 = c * x10 - s * x11, s * x10 + c * x11
                store(state, p, c_high * y00 - s_high * y10)
                store(state, p + near, c_high * y01 - s_high * y11)
                store(state, p + far, s_high * y00 + c_high * y10)
                store(state, p + far + near, s_high * y01 + c_high * y11)


@compiled
def _rotate_lanes(state: Array, bit: int, c: float, s: float, signs: Array) -> None:
    # J on a bit is -1 where it is 0 and +1 where it is 1, after the exchange of the two.
    sine = -s * load(signs, LANES << bit)
    for p in range(0, state.shape[0], LANES):
        a = load(state, p)
        store(state, p, c * a + sine * exchanged(a, bit))


@compiled
def rotate(steps: Steps, values: Values, l: int, direction: float, state: Array) -> None:
    """The rotations of layer l, undone if ``direction`` is -1."""
    waiting = -1
    for k in range(steps.rotated.shape[0]):
        c, s = values.cosine[l, k], direction * values.sine[l, k]
        if c == 1.0 and s == 0.0:
            continue
        bit = steps.rotated[k]
        if bit >= steps.row_bits:
            _rotate_lanes(state, bit - steps.row_bits, c, s, steps.signs)
        elif waiting < 0:
            waiting = k
        else:
            c_high, s_high = values.cosine[l, waiting], direction * values.sine[l, waiting]
            _rotate_two(state, bit, steps.rotated[waiting], c, s, c_high, s_high)
            waiting = -1
    if waiting >= 0:
        c, s = values.cosine[l, waiting], direction * values.sine[l, waiting]
        _rotate_one(state, steps.rotated[waiting], c, s)


@compiled
def apply_block(block: Array, state: Array) -> None:
    """A complex matrix (2, S, S) on the rows' most significant bits."""
    size = block.shape[1]
    rest = state.shape[0] // size
    column = np.empty(size * ROW)
    for offset in range(0, rest, ROW):
        for j in range(size):
            for half in (0, LANES):
                store(column, j * ROW + half, load(state, j * rest + offset + half))
        for i in range(size):
            real, imaginary = zeros(), zeros()
            for j in range(size):
                a, b = block[0, i, j], block[1, i, j]
                x, y = load(column, j * ROW), load(column, j * ROW + LANES)
                real = real + a * x - b * y
                imaginary = imaginary + a * y + b * x
            store(state, i * rest + offset, real)
            store(state, i * rest + offset + LANES, imaginary)


@compiled
def transform(values: Array) -> None:
    """The Walsh-Hadamard transform over rows of eight: out[x] = sum_y (-1)^parity(x & y) in[y]."""
    size, step = values.shape[0], LANES
    while 2 * step < size:
        for base in range(0, size, 4 * step):
            for p in range(base, base + step, LANES):
                a, b = load(values, p), load(values, p + step)
                c, d = load(values, p + 2 * step), load(values, p + 3 * step)
                store(values, p, (a + b) + (c + d))
                store(values, p + step, (a - b) + (c - d))
                store(values, p + 2 * step, (a + b) - (c + d))
                store(values, p + 3 * step, (a - b) - (c - d))
        step *= 4
    if step < size:
        for p in range(0, step, LANES):
            a, b = load(values, p), load(values, p + step)
            store(values, p, a + b)
            store(values, p + step, a - b)


@compiled
def layer_phase(steps: Steps, values: Values, l: int, first: int, width: int, work: Array) -> bool:
    """The phases of layer l: cosines to work[1], sines to work[2]; returns whether by lane.

    The angle -1/2 sum_k angle_k (-1)^parity(mask_k & x) is the Walsh-Hadamard transform of the
    angles put down at their masks.  What all lanes share is computed once for them.
    """
    begin, end = steps.sample_range[l], steps.sample_range[l + 1]
    num_rows = 1 << steps.row_bits
    by_lane = end > begin or steps.row_bits < steps.start_trains.shape[0]
    angle = work[0] if by_lane else work[0, : max(num_rows, LANES)]
    clear(angle)
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        row = steps.shared_masks[k] & (num_rows - 1)
        if by_lane:
            sign = load(steps.signs, (steps.shared_masks[k] >> steps.row_bits) * LANES)
            at = row * LANES
            store(angle, at, load(angle, at) - 0.5 * values.shared[k] * sign)
        else:
            angle[row] -= 0.5 * values.shared[k]
    for k in range(begin, end):
        sign = load(steps.signs, (steps.sample_masks[k] >> steps.row_bits) * LANES)
        at = (steps.sample_masks[k] & (num_rows - 1)) * LANES
        own = load(values.sample, k * width + first)
        store(angle, at, load(angle, at) - 0.5 * sign * own)
    if by_lane:
        transform(angle)
    else:
        step = 1
        while step < num_rows:
            for base in range(0, num_rows, 2 * step):
                for x in range(base, base + step):
                    a, b = angle[x], angle[x + step]
                    angle[x], angle[x + step] = a + b, a - b
            step *= 2
    cos_sin(angle, work[1], work[2])
    return by_lane


@compiled
def turn(state: Array, by_lane: bool, direction: float, work: Array) -> None:
    """The phases that ``layer_phase`` left, undone if ``direction`` is -1."""
    cosine, sine = work[1], work[2]
    for row in range(state.shape[0] // ROW):
        p = row * ROW
        a, b = load(state, p), load(state, p + LANES)
        if by_lane:
            c, s = load(cosine, row * LANES), direction * load(sine, row * LANES)
            store(state, p, a * c - b * s)
            store(state, p + LANES, a * s + b * c)
        else:
            store(state, p, a * cosine[row] - b * (direction * sine[row]))
            store(state, p + LANES, a * (direction * sine[row]) + b * cosine[row])


@compiled
def correlate(
    row_bits: int, bit: int, signs: Array, state: Array, bra: Array, out: Array, at: int
) -> None:
    """1/2 <bra, J state> of a bit, by lane: the cotangent of its RY(t) = exp(t/2 J)."""
    first, second = zeros(), zeros()
    if bit >= row_bits:
        sign = load(signs, LANES << (bit - row_bits))
        for p in range(0, state.shape[0], LANES):
            moved = exchanged(load(state, p), bit - row_bits)
            first = first - sign * load(bra, p) * moved
    else:
        step = ROW << bit
        for base in range(0, state.shape[0], 2 * step):
            for p in range(base, base + step, LANES):
                first = first + load(bra, p + step) * load(state, p)
                second = second + load(bra, p) * load(state, p + step)
    store(out, at, 0.5 * (first - second))


@compiled
def correlate_two(
    low: int, high: int, state: Array, bra: Array, out: Array, at_low: int, at_high: int
) -> None:
    """The same of two bits of the row in one pass."""
    near, far = ROW << low, ROW << high
    of_low, of_high, less_low, less_high = zeros(), zeros(), zeros(), zeros()
    for base in range(0, state.shape[0], 2 * far):
        for middle in range(base, base + far, 2 * near):
            for p in range(middle, middle + near, LANES):
                x00, x01 = load(state, p), load(state, p + near)
                x10, x11 = load(state, p + far), load(state, p + far + near)
                y00, y01 = load(bra, p), load(bra, p + near)
                y10, y11 = load(bra, p + far), load(bra, p + far + near)
                of_low = of_low + y01 * x00 + y11 * x10
                less_low = less_low + y00 * x01 + y10 * x11
                of_high = of_high + y10 * x00 + y11 * x01
                less_high = less_high + y00 * x10 + y01 * x11
    store(out, at_low, 0.5 * (of_low - less_low))
    store(out, at_high, 0.5 * (of_high - less_high))


@compiled
def has_phases(steps: Steps, l: int) -> bool:
    """Whether layer l has any phase."""
    shared = steps.shared_range[l + 1] > steps.shared_range[l]
    return shared or steps.sample_range[l + 1] > steps.sample_range[l]


@compiled
def phase_cotangents(
    steps: Steps,
    l: int,
    states: Array,
    first: int,
    width: int,
    work: Array,
    of_shared: Array,
    of_sample: Array,
) -> None:
    """The cotangents of layer l's phases.

    A turn of psi[x] by d phi adds i psi d phi, so phi[x] has the cotangent Im(conj(psi) bra), and
    each angle that of its parities: the Walsh-Hadamard transform of those, at its mask.
    """
    outputs = states.shape[0] - 1
    num_rows = 1 << steps.row_bits
    for o in range(outputs):
        state, bra, labels = states[0], states[1 + o], work[0]
        for row in range(num_rows):
            p = row * ROW
            turned = load(bra, p + LANES) * load(state, p) - load(bra, p) * load(state, p + LANES)
            store(labels, row * LANES, turned)
        transform(labels)
        for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
            mask = steps.shared_masks[k]
            sign = load(steps.signs, (mask >> steps.row_bits) * LANES)
            found = -0.5 * sign * load(labels, (mask & (num_rows - 1)) * LANES)
            store(of_shared, (k * outputs + o) * width + first, found)
        for k in range(steps.sample_range[l], steps.sample_range[l + 1]):
            mask = steps.sample_masks[k]
            sign = load(steps.signs, (mask >> steps.row_bits) * LANES)
            found = -0.5 * sign * load(labels, (mask & (num_rows - 1)) * LANES)
            store(of_sample, (k * outputs + o) * width + first, found)


@compiled
def add_generator(
    steps: Steps, bit: int, slopes: Array, at: int, by_lane: bool, state: Array, tangent: Array
) -> None:
    """tangent += slope / 2 J state, on a bit, with the slope (or eight of them) at ``at``."""
    half = zeros() + (0.0 if by_lane else 0.5 * slopes[at])
    if by_lane:
        half = 0.5 * load(slopes, at)
    if bit >= steps.row_bits:
        half = half * load(steps.signs, LANES << (bit - steps.row_bits))
        for p in range(0, state.shape[0], LANES):
            moved = exchanged(load(state, p), bit - steps.row_bits)
            store(tangent, p, load(tangent, p) - half * moved)
    else:
        step = ROW << bit
        for base in range(0, state.shape[0], 2 * step):
            for p in range(base, base + step, LANES):
                store(tangent, p, load(tangent, p) - half * load(state, p + step))
                store(tangent, p + step, load(tangent, p + step) + half * load(state, p))


@compiled
def add_phase_slopes(
    steps: Steps,
    slopes: Slopes,
    l: int,
    t: int,
    first: int,
    width: int,
    labels: Array,
    state: Array,
    tangent: Array,
) -> None:
    """tangent += i (d phi) state, of layer l's phases along direction t."""
    count, num_rows = slopes.acts.shape[1], 1 << steps.row_bits
    clear(labels)
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        at = (steps.shared_masks[k] & (num_rows - 1)) * LANES
        sign = load(steps.signs, (steps.shared_masks[k] >> steps.row_bits) * LANES)
        own = -0.5 * slopes.shared[k * count + t]
        store(labels, at, load(labels, at) + own * sign)
    for k in range(steps.sample_range[l], steps.sample_range[l + 1]):
        at = (steps.sample_masks[k] & (num_rows - 1)) * LANES
        sign = load(steps.signs, (steps.sample_masks[k] >> steps.row_bits) * LANES)
        each = load(slopes.sample, (k * count + t) * width + first)
        store(labels, at, load(labels, at) - 0.5 * sign * each)
    transform(labels)
    for row in range(num_rows):
        p, angle = row * ROW, load(labels, row * LANES)
        store(tangent, p, load(tangent, p) - angle * load(state, p + LANES))
        store(tangent, p + LANES, load(tangent, p + LANES) + angle * load(state, p))
