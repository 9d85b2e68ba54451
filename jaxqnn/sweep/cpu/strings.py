"""Sums of Pauli strings applied to a state, as Numba compiles it.

On labels a string acts as (P psi)[x] = c (-1)^parity(mask & x) psi[x xor shift]; strings of one
shift are a chunk.  A row is eight neighbours of a state, whose labels differ in the lowest three
bits, so a shift goes to another row and exchanges its lanes.  No table of the state's size is made:
a chunk's signs on a row are those of its strings, each a parity and a row of eight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.job import (
    BATCH,
    BLOCK_BITS,
    COEFFICIENTS,
    COUNTS,
    DIRECTIONS,
    DONE,
    FIRST,
    GROUP,
    GROUPS,
    IMAGE,
    KET,
    MASKS,
    NUM_CHUNKS,
    OPERATION,
    OUT,
    OUTPUTS,
    PARTS,
    PROGRAM,
    QUBITS,
    SHIFTS,
    WIDTH,
)
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES
from jaxqnn.sweep.cpu.pointers import (
    Pointer,
    after,
    fetch_add,
    halves,
    numbers,
    odd,
    words,
)
from jaxqnn.sweep.cpu.simd import exchanged, load, rounded, store, total, zeros


@compiled
def _apply(
    job: Pointer, group: int, coefficients: Pointer, first: Pointer, kets: Pointer, out: Pointer
) -> None:
    """Does one part of one item: an image, or means of one bra."""
    parts, outputs, n = job[PARTS], job[DIRECTIONS], job[QUBITS]
    item, part = group // parts, group % parts
    ket = after(kets, (item % job[BATCH]) << (n + 1))
    image = job[OPERATION] == IMAGE
    if image:
        first, out = after(first, item * outputs), after(out, item << (n + 1))
    else:
        first, out = after(first, item << (n + 1)), after(out, group * outputs)
        for output in range(outputs):
            out[output] = 0.0
    if n < LANE_BITS:
        if image:
            for i in range(2 << n):
                out[i] = 0.0
        for chunk in range(job[NUM_CHUNKS]):
            _add_amplitudes(job, chunk, coefficients, first, ket, out)
        return
    rows = 1 << (n - LANE_BITS)
    length = min(1 << BLOCK_BITS, rows)
    blocks = rows // length
    for block in range(part * blocks // parts, (part + 1) * blocks // parts):
        start = block * length
        if image:
            for row in range(start, start + length):
                store(out, row * LANES, zeros())
                store(out, (1 << n) + row * LANES, zeros())
        for chunk in range(job[NUM_CHUNKS]):
            _add_rows(job, chunk, start, length, coefficients, first, ket, out)


@compiled
def _add_rows(
    job: Pointer,
    chunk: int,
    start: int,
    length: int,
    coefficients: Pointer,
    first: Pointer,
    ket: Pointer,
    out: Pointer,
) -> None:
    """Adds a chunk's image of some rows, or its means over them."""
    image, output = job[OPERATION] == IMAGE, halves(job[OUTPUTS])[chunk]
    factor = 1.0
    if image:
        factor *= first[output]
        if factor == 0.0:
            return
    shift, half = halves(job[SHIFTS])[chunk], 1 << job[QUBITS]
    far, lane = shift >> LANE_BITS, shift & (LANES - 1)
    masks, signs = halves(job[MASKS]), numbers(job[PROGRAM])
    begin = chunk * job[WIDTH]
    # Of a block's few rows the precision of the arrays is enough.
    end, value = begin + halves(job[COUNTS])[chunk], rounded(zeros(), ket)
    is_real, is_imaginary = coefficients[2 * begin + 1] == 0.0, coefficients[2 * begin] == 0.0
    if end == begin + 1 and (is_real or is_imaginary):
        # One string is real or imaginary: what a part of its image is of is one part of the ket.
        of_real, turn = (0, 1.0) if is_real else (half, -1.0)
        mask, string = masks[begin] >> LANE_BITS, load(signs, (masks[begin] & (LANES - 1)) * LANES)
        string = (factor * (coefficients[2 * begin] + coefficients[2 * begin + 1])) * string
        string = rounded(string, ket)
        for row in range(start, start + length):
            p, at = row * LANES, (row ^ far) * LANES
            own = (1.0 - 2.0 * odd(mask & row)) * string
            x = (turn * own) * exchanged(load(ket, at + of_real), lane)
            y = own * exchanged(load(ket, at + half - of_real), lane)
            if image:
                store(out, p, load(out, p) + x)
                store(out, p + half, load(out, p + half) + y)
            else:
                value = value + load(first, p) * x + load(first, p + half) * y
        if not image:
            out[output] += total(value)
        return
    for row in range(start, start + length):
        real, imaginary = rounded(zeros(), ket), rounded(zeros(), ket)
        for s in range(begin, end):
            sign = 1.0 - 2.0 * odd((masks[s] >> LANE_BITS) & row)
            own = rounded(load(signs, (masks[s] & (LANES - 1)) * LANES), ket)
            real = real + (sign * coefficients[2 * s]) * own
            imaginary = imaginary + (sign * coefficients[2 * s + 1]) * own
        p, at = row * LANES, (row ^ far) * LANES
        x, y = exchanged(load(ket, at), lane), exchanged(load(ket, at + half), lane)
        u, v = real * x - imaginary * y, real * y + imaginary * x
        if image:
            store(out, p, load(out, p) + factor * u)
            store(out, p + half, load(out, p + half) + factor * v)
        else:
            value = value + load(first, p) * u + load(first, p + half) * v
    if not image:
        out[output] += total(value)


@compiled
def _add_amplitudes(
    job: Pointer, chunk: int, coefficients: Pointer, first: Pointer, ket: Pointer, out: Pointer
) -> None:
    """The same of a state that has no row of eight."""
    image, output = job[OPERATION] == IMAGE, halves(job[OUTPUTS])[chunk]
    shift, size, masks = halves(job[SHIFTS])[chunk], 1 << job[QUBITS], halves(job[MASKS])
    begin = chunk * job[WIDTH]
    end = begin + halves(job[COUNTS])[chunk]
    for label in range(size):
        real, imaginary = 0.0, 0.0
        for s in range(begin, end):
            sign = 1.0 - 2.0 * odd(masks[s] & label)
            real += sign * coefficients[2 * s]
            imaginary += sign * coefficients[2 * s + 1]
        x, y = ket[label ^ shift], ket[size + (label ^ shift)]
        u, v = real * x - imaginary * y, real * y + imaginary * x
        if image:
            out[label] += first[output] * u
            out[size + label] += first[output] * v
        else:
            out[output] += first[label] * u + first[size + label] * v


def work_sums(real: Any) -> Callable[[int], None]:
    """What threads do of a job whose arrays ``real`` makes pointers to: part after part."""

    @compiled
    def work(address: int) -> None:
        job = words(address)
        group = fetch_add(address + 8 * GROUP, 1)
        while group < job[GROUPS]:
            coefficients, first = real(job[COEFFICIENTS]), real(job[FIRST])
            _apply(job, group, coefficients, first, real(job[KET]), real(job[OUT]))
            fetch_add(address + 8 * DONE, 1)
            group = fetch_add(address + 8 * GROUP, 1)

    return work
