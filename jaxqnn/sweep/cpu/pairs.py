"""Two rotations that commute on the rows of one tile, in one pass; see ``tiling``.

A rotation leads from row b to row b ^ vector, and exchanges the lanes if its vector leaves them.
What two lead to from a row are four rows; a rotation that stays in its row goes with one that does
not, and then they are two.  Neither's functional sees the other's vector, so that each has one sign
on all of them: the parity of its pattern on the first row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layers import four, put_four, turned
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer, odd
from jaxqnn.sweep.cpu.simd import exchanged, load, store, zeros
from jaxqnn.sweep.cpu.tiles import Tiles
from jaxqnn.sweep.cpu.tiling import EXCHANGE, KEEP, STEP


class Pair(NamedTuple):
    """Two rotations that a pass takes.

    Attributes:
        form: How their pass goes, one of ``tiling``'s.
        low: The one's vector by rows.
        high: The other's, which leads to another row.
        low_lane: The lanes that the one exchanges.
        high_lane: Those that the other does.
        low_pattern: The one's functional by rows.
        high_pattern: The other's.
        near: A row bit, and the next,
        far: without which rows are the first that both lead from.
    """

    form: int
    low: int
    high: int
    low_lane: int
    high_lane: int
    low_pattern: int
    high_pattern: int
    near: int
    far: int


class Turns(NamedTuple):
    """By how much a pair rotates, by lane; see ``layers.turned``.

    Attributes:
        low: The tangent of half the one's angle, with the lanes' signs.
        high: That of the other's.
        scale: The product of both cosines.
    """

    low: Any
    high: Any
    scale: Any


@compiled
def turns_at(cosine: Pointer, tangent: Pointer, at: int, way: float) -> Turns:
    """What the one's, then the other's cosines and tangents say, undone if ``way`` is -1."""
    scale = load(cosine, at) * load(cosine, at + LANES)
    return Turns(way * load(tangent, at), way * load(tangent, at + LANES), scale)


@compiled
def read_pair(tiles: Tiles, j: int) -> Pair:
    """The steps j and j + 1."""
    one, other = j * STEP, (j + 1) * STEP
    low, high = tiles.steps[one + 3], tiles.steps[other + 3]
    of_low, of_high = _top(low), _top(high)
    if of_low == of_high:
        of_high = _top(low ^ high)
    return Pair(
        tiles.steps[one + 8],
        low,
        high,
        tiles.steps[one + 4],
        tiles.steps[other + 4],
        tiles.steps[one + 5],
        tiles.steps[other + 5],
        1 << min(of_low, of_high),
        1 << max(of_low, of_high),
    )


@compiled
def rotate_pair(size: int, pair: Pair, turns: Turns, tile: Pointer) -> None:
    """Rotates a tile of ``size`` rows by both."""
    if pair.form == KEEP:
        _rotate_kept(size, pair, turns, tile)
    elif pair.form == EXCHANGE:
        _rotate_exchanged(size, pair, turns, tile)
    else:
        _rotate_lanes(size, pair, turns, tile)


@compiled
def undo_pair(
    size: int,
    pair: Pair,
    turns: Turns,
    state: Pointer,
    bra: Pointer,
    goes_on: bool,
    out: Pointer,
) -> None:
    """Writes the correlations 1/2 <bra, J state> of both, by lane and without the lanes' signs.

    If it goes on, the state and the bra are turned by ``turns``.
    """
    if pair.form == KEEP:
        _undo_kept(size, pair, turns, state, bra, goes_on, out)
    elif pair.form == EXCHANGE:
        _undo_exchanged(size, pair, turns, state, bra, goes_on, out)
    else:
        _undo_lanes(size, pair, turns, state, bra, goes_on, out)


@compiled
def _top(vector: int) -> int:
    """The highest bit of a word, 0 of none."""
    found = 0
    while vector > 1:
        vector >>= 1
        found += 1
    return found


@compiled
def _sign(pattern: int, b: int) -> float:
    return 1.0 - 2.0 * odd(pattern & b)


@compiled
def _places(pair: Pair, b: int, part: int) -> tuple[int, int, int, int]:
    """Where the four are that a pair leads to from row b."""
    low, high = b ^ pair.low, b ^ pair.high
    return b * ROW + part, low * ROW + part, high * ROW + part, (low ^ pair.high) * ROW + part


@compiled
def _keep(value: Any, lanes: int) -> Any:
    return value


def _passes(moved: Callable[[Any, int], Any]) -> tuple[Any, Any]:
    """The passes over four rows each, whose lanes are the first one's by ``moved``."""

    @compiled
    def aligned(x: Any, pair: Pair) -> Any:
        """From the lanes of each row to those of the first, or back."""
        both = pair.low_lane ^ pair.high_lane
        return x[0], moved(x[1], pair.low_lane), moved(x[2], pair.high_lane), moved(x[3], both)

    @compiled
    def rotate(size: int, pair: Pair, turns: Turns, tile: Pointer) -> None:
        t, t_high, scale = turns
        for base in range(0, size, 2 * pair.far):
            for middle in range(base, base + pair.far, 2 * pair.near):
                for b in range(middle, middle + pair.near):
                    of_low, of_high = _sign(pair.low_pattern, b), _sign(pair.high_pattern, b)
                    for part in range(0, ROW, LANES):
                        places = _places(pair, b, part)
                        x = aligned(four(tile, places), pair)
                        y = turned(x, of_low * t, of_high * t_high, scale)
                        put_four(tile, places, aligned(y, pair))

    @compiled
    def undo(
        size: int,
        pair: Pair,
        turns: Turns,
        state: Pointer,
        bra: Pointer,
        goes_on: bool,
        out: Pointer,
    ) -> None:
        t, t_high, scale = turns
        low, high = zeros(), zeros()
        for base in range(0, size, 2 * pair.far):
            for middle in range(base, base + pair.far, 2 * pair.near):
                for b in range(middle, middle + pair.near):
                    of_low, of_high = _sign(pair.low_pattern, b), _sign(pair.high_pattern, b)
                    for part in range(0, ROW, LANES):
                        places = _places(pair, b, part)
                        x = aligned(four(state, places), pair)
                        y = aligned(four(bra, places), pair)
                        first, second = y[1] * x[0] - y[0] * x[1], y[2] * x[0] - y[0] * x[2]
                        low = low + of_low * (first + y[3] * x[2] - y[2] * x[3])
                        high = high + of_high * (second + y[3] * x[1] - y[1] * x[3])
                        if goes_on:
                            own, own_high = of_low * t, of_high * t_high
                            x, y = (
                                turned(x, own, own_high, scale),
                                turned(y, own, own_high, scale),
                            )
                            put_four(state, places, aligned(x, pair))
                            put_four(bra, places, aligned(y, pair))
        store(out, 0, 0.5 * low)
        store(out, LANES, 0.5 * high)

    return rotate, undo


_rotate_kept, _undo_kept = _passes(_keep)
_rotate_exchanged, _undo_exchanged = _passes(exchanged)


@compiled
def _rotate_lanes(size: int, pair: Pair, turns: Turns, tile: Pointer) -> None:
    """The same of two rows, if the one rotation stays in its row."""
    t, t_high, scale = turns
    for base in range(0, size, 2 * pair.far):
        for b in range(base, base + pair.far):
            own, own_high = _sign(pair.low_pattern, b) * t, _sign(pair.high_pattern, b) * t_high
            for p in range(b * ROW, (b + 1) * ROW, LANES):
                _write_two(tile, p, pair, _read_two(tile, p, b, pair), own, own_high, scale)


@compiled
def _undo_lanes(
    size: int,
    pair: Pair,
    turns: Turns,
    state: Pointer,
    bra: Pointer,
    goes_on: bool,
    out: Pointer,
) -> None:
    t, t_high, scale = turns
    low, high = zeros(), zeros()
    for base in range(0, size, 2 * pair.far):
        for b in range(base, base + pair.far):
            of_low, of_high = _sign(pair.low_pattern, b), _sign(pair.high_pattern, b)
            for p in range(b * ROW, (b + 1) * ROW, LANES):
                x, y = _read_two(state, p, b, pair), _read_two(bra, p, b, pair)
                low = low - of_low * (y[0] * x[2] + y[1] * x[3])
                high = high + of_high * (y[1] * x[0] - y[0] * x[1])
                if goes_on:
                    own, own_high = of_low * t, of_high * t_high
                    _write_two(state, p, pair, x, own, own_high, scale)
                    _write_two(bra, p, pair, y, own, own_high, scale)
    store(out, 0, 0.5 * low)
    store(out, LANES, 0.5 * high)


@compiled
def _read_two(numbers: Pointer, p: int, b: int, pair: Pair) -> Any:
    """What the other rotation leads to from p of row b, that with lanes exchanged, and where."""
    to = p + ((b ^ pair.high) - b) * ROW
    x, y = load(numbers, p), exchanged(load(numbers, to), pair.high_lane)
    return x, y, exchanged(x, pair.low_lane), exchanged(y, pair.low_lane), to


@compiled
def _write_two(
    numbers: Pointer, p: int, pair: Pair, x: Any, t: Any, t_high: Any, scale: Any
) -> None:
    """Writes those after both rotations; see ``layers.turned``."""
    y, z = x[0] - t * x[2], x[1] - t * x[3]
    store(numbers, p, scale * (y - t_high * z))
    store(numbers, x[4], exchanged(scale * (z + t_high * y), pair.high_lane))
