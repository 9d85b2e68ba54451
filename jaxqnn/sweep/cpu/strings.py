"""Sums of Pauli strings applied to a state, as Numba compiles it.

On labels a string acts as (P psi)[x] = c (-1)^parity(mask & x) psi[x xor shift]; strings of one
shift are a group.  A row is eight neighbours of a state, whose labels differ in the lowest three
bits, so a shift goes to another row and exchanges its lanes.  No table of the state's size is made:
a group's signs on a row are those of its strings, each a parity and a row of eight.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from numba import types

from jaxqnn.sweep.cpu.jit import callback, compiled
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES
from jaxqnn.sweep.cpu.pointers import Pointer, numbers, odd, singles, words
from jaxqnn.sweep.cpu.simd import exchanged, load, store, zeros
from jaxqnn.sweep.cpu.sums import (
    BEGIN,
    BLOCK_BITS,
    COEFFICIENTS,
    END,
    FACTORS,
    FIRST,
    GROUPS,
    MASKS,
    OUT,
    OUTPUTS,
    QUBITS,
    SHIFTS,
    SIGNS,
    SINGLE,
    STATE,
    STRIDE,
    VALUES,
)


@compiled
def _apply(job: Pointer, state: Pointer, out: Pointer) -> None:
    half, rows = 1 << job[QUBITS], 1 << (job[QUBITS] - LANE_BITS)
    length = min(1 << BLOCK_BITS, rows)
    for block in range(job[BEGIN], job[END]):
        for group in range(job[GROUPS]):
            _add_group(job, state, out, half, block * length, length, group)


@compiled
def _add_group(
    job: Pointer, state: Pointer, out: Pointer, half: int, start: int, length: int, group: int
) -> None:
    masks, coefficients = words(job[MASKS]), numbers(job[COEFFICIENTS])
    first, signs = words(job[FIRST]), numbers(job[SIGNS])
    shift, output = words(job[SHIFTS])[group], words(job[OUTPUTS])[group]
    factor = numbers(job[FACTORS])[group]
    far, lane = shift >> LANE_BITS, shift & (LANES - 1)
    to, value = output * job[STRIDE], zeros()
    for row in range(start, start + length):
        real, imaginary = zeros(), zeros()
        for s in range(first[group], first[group + 1]):
            sign = factor * (1.0 - 2.0 * odd((masks[s] >> LANE_BITS) & row))
            own = load(signs, (masks[s] & (LANES - 1)) * LANES)
            real = real + (sign * coefficients[2 * s]) * own
            imaginary = imaginary + (sign * coefficients[2 * s + 1]) * own
        p, at = row * LANES, (row ^ far) * LANES
        x, y = exchanged(load(state, at), lane), exchanged(load(state, at + half), lane)
        u, v = real * x - imaginary * y, real * y + imaginary * x
        if job[OUT] != 0:
            store(out, to + p, load(out, to + p) + u)
            store(out, to + p + half, load(out, to + p + half) + v)
        else:
            value = value + load(state, p) * u + load(state, p + half) * v
    if job[OUT] == 0:
        values = numbers(job[VALUES])
        store(values, output * LANES, load(values, output * LANES) + value)


@callback(types.intp(types.intp))
def _run(address: int) -> int:
    job = words(address)
    if job[SINGLE]:
        _apply(job, singles(job[STATE]), singles(job[OUT]))
    else:
        _apply(job, numbers(job[STATE]), numbers(job[OUT]))
    return 0


@cache
def function() -> Any:
    """What does a request, as a function of its address; compiled when first asked for."""
    _run.compile()
    address = _run.address
    assert address is not None
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)
