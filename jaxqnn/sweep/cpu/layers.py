"""The steps of a layer on the states of eight lanes, as Numba compiles them.

A state is a flat array of rows: for each row eight real parts, then eight imaginary parts.  The
eight *lanes* are either eight samples, and a row is a label; or they are the three most significant
bits of one sample's labels, and a row is the rest.  Most steps do not see the difference.
"""

from __future__ import annotations

from typing import Any

from jaxqnn.sweep.cpu.angles import Values
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer, after
from jaxqnn.sweep.cpu.simd import exchanged, load, rounded, store, zeros
from jaxqnn.sweep.cpu.steps import Steps
from jaxqnn.sweep.cpu.trigonometry import cos_sin


@compiled
def clear(numbers: Pointer, size: int) -> None:
    """Writes zeros."""
    for p in range(0, size, LANES):
        store(numbers, p, zeros())


@compiled
def size_of_state(steps: Steps) -> int:
    """How many numbers the states of eight lanes are."""
    return ROW << steps.row_bits


@compiled
def relabel(steps: Steps, maps: Pointer, tables: Pointer, state: Pointer, out: Pointer) -> None:
    """out[x] = state[A x]: A x is the xor of what x's high bits, low bits and lane select.

    Args:
        steps: The program.
        maps: (n,) the columns of A.
        tables: Room for the three tables of those.
        state: The state.
        out: The result.
    """
    low_bits = steps.row_bits - steps.row_bits // 2
    high_bits, lane_bits = steps.row_bits - low_bits, steps.num_qubits - steps.row_bits
    low = tables
    high = after(low, 1 << low_bits)
    lanes = after(high, 1 << high_bits)
    _combinations(maps, low_bits, low)
    _combinations(after(maps, low_bits), high_bits, high)
    _combinations(after(maps, steps.row_bits), lane_bits, lanes)
    mask, to = (1 << steps.row_bits) - 1, 0
    for h in range(1 << high_bits):
        for rest in range(1 << low_bits):
            row = high[h] ^ low[rest]
            if lane_bits > 0:
                for lane in range(LANES):
                    source = row ^ lanes[lane]
                    at = (source & mask) * ROW + (source >> steps.row_bits)
                    out[to + lane] = state[at]
                    out[to + LANES + lane] = state[at + LANES]
            else:
                store(out, to, load(state, row * ROW))
                store(out, to + LANES, load(state, row * ROW + LANES))
            to += ROW


@compiled
def _combinations(maps: Pointer, bits: int, table: Pointer) -> None:
    """The xor of the columns that each number selects."""
    table[0] = 0
    filled = 1
    for column in range(bits):
        for i in range(filled):
            table[filled + i] = table[i] ^ maps[column]
        filled *= 2


@compiled
def rotate_one(
    state: Pointer, size: int, bit: int, cosine: Pointer, tangent: Pointer, at: int, way: float
) -> None:
    """exp(way t/2 J) of a bit of the row; at ``at`` are cos t/2 and tan t/2."""
    c, t = load(cosine, at), way * load(tangent, at)
    step = ROW << bit
    for base in range(0, size, 2 * step):
        for p in range(base, base + step, LANES):
            a, b = load(state, p), load(state, p + step)
            store(state, p, c * (a - t * b))
            store(state, p + step, c * (b + t * a))


@compiled
def corners(p: int, near: int, far: int) -> tuple[int, int, int, int]:
    """Where two bits of the row lead to from p: 00, 01, 10 and 11."""
    return p, p + near, p + far, p + far + near


@compiled
def four(numbers: Pointer, at: tuple[int, int, int, int]) -> Any:
    """The eights in four places."""
    return load(numbers, at[0]), load(numbers, at[1]), load(numbers, at[2]), load(numbers, at[3])


@compiled
def put_four(numbers: Pointer, at: tuple[int, int, int, int], x: Any) -> None:
    """Writes them there."""
    store(numbers, at[0], x[0])
    store(numbers, at[1], x[1])
    store(numbers, at[2], x[2])
    store(numbers, at[3], x[3])


@compiled
def turned(x: Any, t: Any, t_high: Any, scale: Any) -> Any:
    """Those four after a rotation of either bit, by tangents; the scale is both cosines' product.

    cos(a) (x - tan(a) y) takes less than cos(a) x - sin(a) y if a scale is all that two leave.
    """
    y00, y01 = x[0] - t * x[1], x[1] + t * x[0]
    y10, y11 = x[2] - t * x[3], x[3] + t * x[2]
    return (
        scale * (y00 - t_high * y10),
        scale * (y01 - t_high * y11),
        scale * (y10 + t_high * y00),
        scale * (y11 + t_high * y01),
    )


@compiled
def rotate_two(
    state: Pointer,
    size: int,
    low: int,
    high: int,
    cosine: Pointer,
    tangent: Pointer,
    at: int,
    at_high: int,
    way: float,
) -> None:
    """Two bits in one pass: half the traffic of two."""
    t, t_high = way * load(tangent, at), way * load(tangent, at_high)
    scale = load(cosine, at) * load(cosine, at_high)
    near, far = ROW << low, ROW << high
    for base in range(0, size, 2 * far):
        for middle in range(base, base + far, 2 * near):
            for p in range(middle, middle + near, LANES):
                places = corners(p, near, far)
                put_four(state, places, turned(four(state, places), t, t_high, scale))


@compiled
def rotate_lanes(
    state: Pointer,
    size: int,
    bit: int,
    cosine: Pointer,
    tangent: Pointer,
    at: int,
    way: float,
    signs: Pointer,
) -> None:
    """The same of a bit of the lane."""
    # J on a bit is -1 where it is 0 and +1 where it is 1, after the exchange of the two.
    c = load(cosine, at)
    t = rounded(-way * load(tangent, at) * load(signs, LANES << bit), state)
    for p in range(0, size, LANES):
        a = load(state, p)
        store(state, p, c * (a + t * exchanged(a, 1 << bit)))


@compiled
def is_identity(values: Values, at: int) -> bool:
    """Whether a rotation does nothing in any lane."""
    for lane in range(at, at + LANES):
        if values.cosine[lane] != 1.0 or values.tangent[lane] != 0.0:
            return False
    return True


@compiled
def rotate(
    steps: Steps, values: Values, l: int, way: float, column: Pointer, state: Pointer
) -> None:
    """The rotations of layer l, or its block; undone if ``way`` is -1; ``column`` is room."""
    if steps.block[l] >= 0:
        entries = 2 * steps.block_size * steps.block_size
        at = (2 * steps.block[l] + (way < 0.0)) * entries
        apply_block(steps, after(steps.blocks, at), column, state)
        return
    cosine, tangent, count = values.cosine, values.tangent, steps.num_rotated
    size = size_of_state(steps)
    waiting = -1
    for k in range(count):
        at = (l * count + k) * LANES
        if is_identity(values, at):
            continue
        bit = steps.rotated[k]
        if bit >= steps.row_bits:
            rotate_lanes(state, size, bit - steps.row_bits, cosine, tangent, at, way, steps.signs)
        elif waiting < 0:
            waiting = k
        else:
            at_high = (l * count + waiting) * LANES
            rotate_two(state, size, bit, steps.rotated[waiting], cosine, tangent, at, at_high, way)
            waiting = -1
    if waiting >= 0:
        at = (l * count + waiting) * LANES
        rotate_one(state, size, steps.rotated[waiting], cosine, tangent, at, way)


@compiled
def apply_block(steps: Steps, block: Pointer, column: Pointer, state: Pointer) -> None:
    """A complex matrix on the most significant bits, (2, S, S), or as ``steps.by_lane`` has it."""
    size, numbers = steps.block_size, size_of_state(steps)
    half = size * size
    by_lane = steps.row_bits < steps.num_qubits
    rows = size // LANES if by_lane else size
    rest = numbers // rows
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
def transform(values: Pointer, size: int) -> None:
    """The Walsh-Hadamard transform over rows of eight: out[x] = sum_y (-1)^parity(x & y) in[y]."""
    step = LANES
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
def put_down(steps: Steps, l: int, shared: Pointer, sample: Pointer, labels: Pointer) -> None:
    """-1/2 sum_k angle_k (-1)^parity(mask_k & x) of layer l's phases, for every label x.

    It is the Walsh-Hadamard transform of the angles put down at their masks.
    """
    num_rows = 1 << steps.row_bits
    clear(labels, LANES * num_rows)
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        at = (steps.shared_masks[k] & (num_rows - 1)) * LANES
        sign = load(steps.signs, (steps.shared_masks[k] >> steps.row_bits) * LANES)
        store(labels, at, load(labels, at) - 0.5 * sign * load(shared, k * LANES))
    for k in range(steps.sample_range[l], steps.sample_range[l + 1]):
        at = (steps.sample_masks[k] & (num_rows - 1)) * LANES
        sign = load(steps.signs, (steps.sample_masks[k] >> steps.row_bits) * LANES)
        store(labels, at, load(labels, at) - 0.5 * sign * load(sample, k * LANES))
    transform(labels, LANES * num_rows)


@compiled
def layer_phase(
    steps: Steps, values: Values, l: int, angles: Pointer, cosine: Pointer, sine: Pointer
) -> bool:
    """The cosines and sines of layer l's phases; returns whether they are by lane.

    What all lanes share is computed once for them.
    """
    size = LANES << steps.row_bits
    own = steps.sample_range[l + 1] > steps.sample_range[l]
    if own or not values.alike or steps.row_bits < steps.num_qubits:
        put_down(steps, l, values.shared, values.sample, angles)
        cos_sin(angles, size, cosine, sine)
        return True
    num_rows = 1 << steps.row_bits
    size = max(num_rows, LANES)
    clear(angles, size)
    for k in range(steps.shared_range[l], steps.shared_range[l + 1]):
        angles[steps.shared_masks[k] & (num_rows - 1)] -= 0.5 * values.shared[k * LANES]
    step = 1
    while step < num_rows:
        for base in range(0, num_rows, 2 * step):
            for x in range(base, base + step):
                a, b = angles[x], angles[x + step]
                angles[x], angles[x + step] = a + b, a - b
        step *= 2
    cos_sin(angles, size, cosine, sine)
    return False


@compiled
def turn(
    num_rows: int, state: Pointer, by_lane: bool, way: float, cosine: Pointer, sine: Pointer
) -> None:
    """The phases whose cosines and sines those are, undone if ``way`` is -1."""
    for row in range(num_rows):
        p = row * ROW
        a, b = load(state, p), load(state, p + LANES)
        if by_lane:
            c, s = load(cosine, row * LANES), way * load(sine, row * LANES)
            store(state, p, a * c - b * s)
            store(state, p + LANES, a * s + b * c)
        else:
            store(state, p, a * cosine[row] - b * (way * sine[row]))
            store(state, p + LANES, a * (way * sine[row]) + b * cosine[row])
