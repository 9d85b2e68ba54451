"""The states that sweeps start from, as Numba compiles them; their layout is that of ``layers``."""

from __future__ import annotations

from typing import Any

from jaxqnn.sweep.cpu.angles import Values
from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layers import clear
from jaxqnn.sweep.cpu.layout import LANES, ROW
from jaxqnn.sweep.cpu.pointers import Pointer
from jaxqnn.sweep.cpu.simd import choose, load, store, zeros
from jaxqnn.sweep.cpu.steps import Steps


@compiled
def start(steps: Steps, values: Values, state: Pointer) -> None:
    """Writes the product of RY(start)|0>, or of given amplitudes and the other bits' RY(start)|0>.

    Given amplitudes are those of the lowest bits, whose own start angles are zero.
    """
    if steps.num_given > 0:
        given(steps, values, values.amplitudes, state)
        return
    store(state, 0, _of_lanes(steps, values, 0))
    store(state, LANES, zeros())
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
def given(steps: Steps, values: Values, amplitudes: Pointer, state: Pointer) -> None:
    """Writes the product of amplitudes of the lowest bits and of the other bits' RY(start)|0>."""
    size = 1 << steps.given_bits
    filled = ROW * min(size, 1 << steps.row_bits)
    factor = _of_lanes(steps, values, steps.given_bits)
    for p in range(0, filled, LANES):
        at = _first_given(steps, p)
        if steps.row_bits < steps.given_bits:
            for lane in range(LANES):
                state[p + lane] = amplitudes[at + _ones_further(steps, lane) + lane]
            store(state, p, factor * load(state, p))
        else:
            store(state, p, factor * load(amplitudes, at))
    for bit in range(steps.given_bits, steps.row_bits):
        cosine, sine = load(values.start_cosine, bit * LANES), load(values.start_sine, bit * LANES)
        for p in range(0, filled, LANES):
            value = load(state, p)
            store(state, p, value * cosine)
            store(state, p + filled, value * sine)
        filled *= 2


@compiled
def given_cotangent(steps: Steps, values: Values, bra: Pointer, out: Pointer) -> None:
    """The transpose of ``given`` by the amplitudes: (A 8,) to ``out``; the bra is spoilt."""
    for bit in range(steps.row_bits - 1, steps.given_bits - 1, -1):
        filled = ROW << bit
        cosine, sine = load(values.start_cosine, bit * LANES), load(values.start_sine, bit * LANES)
        for p in range(0, filled, LANES):
            store(bra, p, cosine * load(bra, p) + sine * load(bra, p + filled))
    clear(out, LANES * steps.num_given)
    factor = _of_lanes(steps, values, steps.given_bits)
    for p in range(0, ROW << min(steps.given_bits, steps.row_bits), LANES):
        at = _first_given(steps, p)
        if steps.row_bits < steps.given_bits:
            store(bra, p, factor * load(bra, p))
            for lane in range(LANES):
                out[at + _ones_further(steps, lane) + lane] = bra[p + lane]
        else:
            store(out, at, factor * load(bra, p))


@compiled
def _first_given(steps: Steps, p: int) -> int:
    """Where the amplitude of the first lane is, of the numbers at p of a state."""
    part = p // LANES % 2
    return ((part << steps.given_bits) + p // ROW) * LANES


@compiled
def _ones_further(steps: Steps, lane: int) -> int:
    """How much further the one of another lane is, if lanes are labels of given bits."""
    return (lane << steps.row_bits & (1 << steps.given_bits) - 1) * LANES


@compiled
def _of_lanes(steps: Steps, values: Values, least: int) -> Any:
    """The factors of the bits that are the lanes', from a least one on."""
    product = zeros() + 1.0
    for bit in range(max(steps.row_bits, least), steps.num_qubits):
        cosine, sine = load(values.start_cosine, bit * LANES), load(values.start_sine, bit * LANES)
        is_zero = load(steps.signs, LANES << (bit - steps.row_bits))
        product = product * choose(is_zero, cosine, sine)
    return product
