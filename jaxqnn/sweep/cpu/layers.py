"""The steps of a layer on the states of eight lanes, as Numba compiles them.

A state is a flat array of rows: for each row eight real parts, then eight imaginary parts.  The
eight *lanes* are either eight samples, and a row is a label; or they are the three most significant
bits of one sample's labels, and a row is the rest.  Most steps do not see the difference.
"""

from __future__ import annotations

from jaxqnn.sweep.cpu.angles import Values
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.simd import exchanged, load, store, zeros
from jaxqnn.sweep.cpu.steps import Array, Steps
from jaxqnn.sweep.cpu.trigonometry import cos_sin


@compiled
def clear(numbers: Array) -> None:
    """Writes zeros."""
    for p in range(0, numbers.shape[0], LANES):
        store(numbers, p, zeros())


@compiled
def start(steps: Steps, values: Values, state: Array) -> None:
    """Writes the product of RY(start)|0>, or of given amplitudes and the other bits' RY(start)|0>.

    Given amplitudes are those of the lowest bits, whose own start angles are zero.
    """
    if steps.given_bits > 0:
        given(steps, values, values.amplitudes, state)
        return
    for lane in range(LANES):
        state[lane] = _of_lane(steps, values, lane, 0)
        state[LANES + lane] = 0.0
    filled = ROW
    for bit in range(steps.row_bits):
        cosine, sine = load(values.start_cosine, bit * LANES), load(values.start_sine, bit * LANES)
        for p in range(0, filled, ROW):
            value = load(state, p)
            store(state, p, value * cosine)
            store(state, p + filled, value * sine)
            store(state, p + LANES, zeros())
            store(state, p + filled + LANES, zeros())
        filled *= 2


@compiled
def given(steps: Steps, values: Values, amplitudes: Array, state: Array) -> None:
    """Writes the product of amplitudes of the lowest bits and of the other bits' RY(start)|0>."""
    size = 1 << steps.given_bits
    rows = min(size, 1 << steps.row_bits)
    for lane in range(LANES):
        factor = _of_lane(steps, values, lane, steps.given_bits)
        for row in range(rows):
            label = (row | lane << steps.row_bits) & (size - 1)
            if steps.row_bits == steps.num_qubits:
                label = row
            state[row * ROW + lane] = factor * amplitudes[label * LANES + lane]
            state[row * ROW + LANES + lane] = factor * amplitudes[(size + label) * LANES + lane]
    filled = rows * ROW
    for bit in range(steps.given_bits, steps.row_bits):
        cosine, sine = load(values.start_cosine, bit * LANES), load(values.start_sine, bit * LANES)
        for p in range(0, filled, LANES):
            value = load(state, p)
            store(state, p, value * cosine)
            store(state, p + filled, value * sine)
        filled *= 2


@compiled
def given_cotangent(steps: Steps, values: Values, bra: Array, out: Array) -> None:
    """The transpose of ``given`` by the amplitudes: (A 8,) to ``out``; the bra is spoilt."""
    size = 1 << steps.given_bits
    for bit in range(steps.row_bits - 1, steps.given_bits - 1, -1):
        filled = ROW << bit
        cosine, sine = load(values.start_cosine, bit * LANES), load(values.start_sine, bit * LANES)
        for p in range(0, filled, LANES):
            store(bra, p, cosine * load(bra, p) + sine * load(bra, p + filled))
    clear(out)
    for lane in range(LANES):
        factor = _of_lane(steps, values, lane, steps.given_bits)
        for row in range(min(size, 1 << steps.row_bits)):
            label = (row | lane << steps.row_bits) & (size - 1)
            if steps.row_bits == steps.num_qubits:
                label = row
            out[label * LANES + lane] += factor * bra[row * ROW + lane]
            out[(size + label) * LANES + lane] += factor * bra[row * ROW + LANES + lane]


@compiled
def _of_lane(steps: Steps, values: Values, lane: int, least: int) -> float:
    """The factor of the bits that are the lane's, from a least one on."""
    product = 1.0
    for bit in range(max(steps.row_bits, least), steps.num_qubits):
        is_one = lane >> (bit - steps.row_bits) & 1
        at = bit * LANES + lane
        product *= values.start_sine[at] if is_one else values.start_cosine[at]
    return product


@compiled
def relabel(steps: Steps, maps: Array, tables: Array, state: Array, out: Array) -> None:
    """out[x] = state[A x]: A x is the xor of what x's high bits, low bits and lane select.

    Args:
        steps: The program.
        maps: (n,) the columns of A.
        tables: Room for the three tables of those.
        state: The state.
        out: The result.
    """
    low_bits = steps.row_bits - steps.row_bits // 2
    low = _combinations(maps, 0, low_bits, tables[: 1 << low_bits])
    high = _combinations(maps, low_bits, steps.row_bits, tables[1 << low_bits :])
    lanes = _combinations(maps, steps.row_bits, steps.num_qubits, tables[low.size + high.size :])
    by_lane, mask = lanes.size > 1, (1 << steps.row_bits) - 1
    to = 0
    for h in high:
        for rest in low:
            if by_lane:
                for lane in range(LANES):
                    source = h ^ rest ^ lanes[lane]
                    at = (source & mask) * ROW + (source >> steps.row_bits)
                    out[to + lane] = state[at]
                    out[to + LANES + lane] = state[at + LANES]
            else:
                at = (h ^ rest) * ROW
                store(out, to, load(state, at))
                store(out, to + LANES, load(state, at + LANES))
            to += ROW


@compiled
def _combinations(maps: Array, begin: int, end: int, table: Array) -> Array:
    """The xor of the columns begin <= c < end that each number selects."""
    table[0] = 0
    filled = 1
    for column in range(begin, end):
        for i in range(filled):
            table[filled + i] = table[i] ^ maps[column]
        filled *= 2
    return table[:filled]


@compiled
def _rotate_one(state: Array, bit: int, cosine: Array, sine: Array, at: int, way: float) -> None:
    c, s = load(cosine, at), way * load(sine, at)
    step = ROW << bit
    for base in range(0, state.shape[0], 2 * step):
        for p in range(base, base + step, LANES):
            a, b = load(state, p), load(state, p + step)
            store(state, p, c * a - s * b)
            store(state, p + step, s * a + c * b)


@compiled
def _rotate_two(
    state: Array, low: int, high: int, cosine: Array, sine: Array, at: int, at_high: int, way: float
) -> None:
    """Two bits in one pass: half the traffic of two."""
    c, s = load(cosine, at), way * load(sine, at)
    c_high, s_high = load(cosine, at_high), way * load(sine, at_high)
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
def _rotate_lanes(
    state: Array, bit: int, cosine: Array, sine: Array, at: int, way: float, signs: Array
) -> None:
    # J on a bit is -1 where it is 0 and +1 where it is 1, after the exchange of the two.
    c = load(cosine, at)
    s = -way * load(sine, at) * load(signs, LANES << bit)
    for p in range(0, state.shape[0], LANES):
        a = load(state, p)
        store(state, p, c * a + s * exchanged(a, bit))


@compiled
def _is_identity(values: Values, at: int) -> bool:
    for lane in range(at, at + LANES):
        if values.cosine[lane] != 1.0 or values.sine[lane] != 0.0:
            return False
    return True


@compiled
def rotate(
    steps: Steps, values: Values, l: int, way: float, column: Array, state: Array
) -> None:
    """The rotations of layer l, or its block; undone if ``way`` is -1; ``column`` is room."""
    if steps.block[l] >= 0:
        size = 2 * steps.block_size * steps.block_size
        at = (2 * steps.block[l] + (way < 0.0)) * size
        _apply_block(steps, steps.blocks[at : at + size], column, state)
        return
    cosine, sine, count = values.cosine, values.sine, steps.rotated.shape[0]
    waiting = -1
    for k in range(count):
        at = (l * count + k) * LANES
        if _is_identity(values, at):
            continue
        bit = steps.rotated[k]
        if bit >= steps.row_bits:
            _rotate_lanes(state, bit - steps.row_bits, cosine, sine, at, way, steps.signs)
        elif waiting < 0:
            waiting = k
        else:
            at_high = (l * count + waiting) * LANES
            _rotate_two(state, bit, steps.rotated[waiting], cosine, sine, at, at_high, way)
            waiting = -1
    if waiting >= 0:
        at = (l * count + waiting) * LANES
        _rotate_one(state, steps.rotated[waiting], cosine, sine, at, way)


@compiled
def _apply_block(steps: Steps, block: Array, column: Array, state: Array) -> None:
    """A complex matrix on the most significant bits, (2, S, S), or as ``steps.by_lane`` has it."""
    size = steps.block_size
    half = size * size
    by_lane = steps.row_bits < steps.num_qubits
    rows = size // LANES if by_lane else size
    rest = state.shape[0] // rows
    for offset in range(0, rest, ROW):
        for j in range(rows):
            for part in (0, LANES):
                store(column, j * ROW + part, load(state, j * rest + offset + part))
        for i in range(rows):
            real, imaginary = zeros(), zeros()
            if by_lane:
                for j in range(size):
                    at = (i * size + j) * LANES
                    a, b = load(block, at), load(block, half + at)
                    place = (j % rows) * ROW + j // rows
                    x, y = column[place], column[place + LANES]
                    real = real + a * x - b * y
                    imaginary = imaginary + a * y + b * x
            else:
                for j in range(size):
                    c, d = block[i * size + j], block[half + i * size + j]
                    v, w = load(column, j * ROW), load(column, j * ROW + LANES)
                    real = real + c * v - d * w
                    imaginary = imaginary + c * w + d * v
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
def has_phases(steps: Steps, l: int) -> bool:
    """Whether layer l has any phase."""
    shared = steps.shared_range[l + 1] > steps.shared_range[l]
    return shared or steps.sample_range[l + 1] > steps.sample_range[l]


@compiled
def put_down(steps: Steps, l: int, shared: Array, sample: Array, labels: Array) -> None:
    """-1/2 sum_k angle_k (-1)^parity(mask_k & x) of layer l's phases, for every label x.

    It is the Walsh-Hadamard transform of the angles put down at their masks.
    """
    num_rows = 1 << steps.row_bits
    clear(labels)
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        at = (steps.shared_masks[k] & (num_rows - 1)) * LANES
        sign = load(steps.signs, (steps.shared_masks[k] >> steps.row_bits) * LANES)
        store(labels, at, load(labels, at) - 0.5 * sign * load(shared, k * LANES))
    for k in range(steps.sample_range[l], steps.sample_range[l + 1]):
        at = (steps.sample_masks[k] & (num_rows - 1)) * LANES
        sign = load(steps.signs, (steps.sample_masks[k] >> steps.row_bits) * LANES)
        store(labels, at, load(labels, at) - 0.5 * sign * load(sample, k * LANES))
    transform(labels)


@compiled
def layer_phase(steps: Steps, values: Values, l: int, work: Array) -> bool:
    """The phases of layer l: cosines to work[1], sines to work[2]; returns whether by lane.

    What all lanes share is computed once for them.
    """
    own = steps.sample_range[l + 1] > steps.sample_range[l]
    if own or not values.alike or steps.row_bits < steps.num_qubits:
        put_down(steps, l, values.shared, values.sample, work[0])
        cos_sin(work[0], work[1], work[2])
        return True
    num_rows = 1 << steps.row_bits
    angle = work[0, : max(num_rows, LANES)]
    clear(angle)
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        angle[steps.shared_masks[k] & (num_rows - 1)] -= 0.5 * values.shared[k * LANES]
    step = 1
    while step < num_rows:
        for base in range(0, num_rows, 2 * step):
            for x in range(base, base + step):
                a, b = angle[x], angle[x + step]
                angle[x], angle[x + step] = a + b, a - b
        step *= 2
    cos_sin(angle, work[1], work[2])
    return False


@compiled
def turn(state: Array, by_lane: bool, way: float, work: Array) -> None:
    """The phases that ``layer_phase`` left, undone if ``way`` is -1."""
    cosine, sine = work[1], work[2]
    for row in range(state.shape[0] // ROW):
        p = row * ROW
        a, b = load(state, p), load(state, p + LANES)
        if by_lane:
            c, s = load(cosine, row * LANES), way * load(sine, row * LANES)
            store(state, p, a * c - b * s)
            store(state, p + LANES, a * s + b * c)
        else:
            store(state, p, a * cosine[row] - b * (way * sine[row]))
            store(state, p + LANES, a * (way * sine[row]) + b * cosine[row])
