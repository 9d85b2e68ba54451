"""Sums of Pauli strings applied to a state, as Numba compiles it.

On labels a string acts as (P psi)[x] = c (-1)^parity(mask & x) psi[x xor shift]; strings of one
shift are a group.  A row is eight neighbours of a state, whose labels differ in the lowest three
bits, so a shift goes to another row and exchanges its lanes.  No table of the state's size is made:
a group's signs on a row are those of its strings, each a parity and a row of eight.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
from numba import types

from jaxqnn.processes import cores
from jaxqnn.sweep.cpu.jit import callback, compiled, inlined
from jaxqnn.sweep.cpu.layout import LANE_BITS, LANES
from jaxqnn.sweep.cpu.pointers import Pointer, numbers, odd, singles, words
from jaxqnn.sweep.cpu.simd import exchanged, load, store, zeros

Array = np.ndarray[Any, Any]

# Rows whose images are added up at once, as bits: they stay in the first-level cache.
_BLOCK_BITS = 5

# Strings times rows for which a second thread is worth its start.
_MANY = 1 << 18

# The words of a request.
(
    _STATE,
    _OUT,  # (m, ..) as far apart as STRIDE says, or 0
    _VALUES,  # (m, 8) what is asked for if OUT is 0
    _STRIDE,
    _SINGLE,
    _QUBITS,
    _GROUPS,
    _FIRST,  # (G + 1,) the first string of each group
    _MASKS,
    _COEFFICIENTS,  # (S, 2)
    _SHIFTS,  # (G,)
    _OUTPUTS,  # (G,)
    _FACTORS,  # (G,)
    _SIGNS,  # (8, 8) (-1)^parity(i & lane)
    _BEGIN,  # of the blocks
    _END,
) = range(16)


class Groups(NamedTuple):
    """Strings by their shifts: see the module, with the output that each group adds to."""

    first: Array
    masks: Array
    coefficients: Array
    shifts: Array
    outputs: Array


_SIGN_ROWS = 1.0 - 2.0 * (np.bitwise_count(np.arange(LANES)[:, None] & np.arange(LANES)) & 1)


@compiled
def _apply(job: Pointer, state: Pointer, out: Pointer) -> None:
    half, rows = 1 << job[_QUBITS], 1 << (job[_QUBITS] - LANE_BITS)
    length = min(1 << _BLOCK_BITS, rows)
    for block in range(job[_BEGIN], job[_END]):
        for group in range(job[_GROUPS]):
            _add_group(job, state, out, half, block * length, length, group)


@inlined
def _add_group(
    job: Pointer, state: Pointer, out: Pointer, half: int, start: int, length: int, group: int
) -> None:
    masks, coefficients = words(job[_MASKS]), numbers(job[_COEFFICIENTS])
    first, signs = words(job[_FIRST]), numbers(job[_SIGNS])
    shift, output = words(job[_SHIFTS])[group], words(job[_OUTPUTS])[group]
    factor = numbers(job[_FACTORS])[group]
    far, lane = shift >> LANE_BITS, shift & (LANES - 1)
    to, value = output * job[_STRIDE], zeros()
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
        if job[_OUT] != 0:
            store(out, to + p, load(out, to + p) + u)
            store(out, to + p + half, load(out, to + p + half) + v)
        else:
            value = value + load(state, p) * u + load(state, p + half) * v
    if job[_OUT] == 0:
        values = numbers(job[_VALUES])
        store(values, output * LANES, load(values, output * LANES) + value)


@callback(types.intp(types.intp))
def _run(address: int) -> int:
    job = words(address)
    if job[_SINGLE]:
        _apply(job, singles(job[_STATE]), singles(job[_OUT]))
    else:
        _apply(job, numbers(job[_STATE]), numbers(job[_OUT]))
    return 0


@cache
def _function() -> Any:
    _run.compile()
    address = _run.address
    assert address is not None
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)


def images(groups: Groups, factors: Array, state: Array, out: Array) -> None:
    """Adds each group's image of a state to its output's, times the group's factor.

    Args:
        groups: Of strings on three qubits or more.
        factors: (G,) of double precision.
        state: (2, 2^n), contiguous, of single or double precision.
        out: (m, 2, 2^n) of the same type, each state contiguous.
    """
    given = {_OUT: out.ctypes.data, _STRIDE: out.strides[0] // out.itemsize}
    _share_out(groups, factors, state, [given])


def values(groups: Groups, state: Array, num_outputs: int) -> Array:
    """The expectation values (m,) of a state; see ``images``."""
    found = np.zeros((cores(), num_outputs, LANES))
    each = [{_VALUES: own.ctypes.data} for own in found]
    _share_out(groups, np.ones(groups.shifts.size), state, each)
    return np.asarray(found.sum(axis=(0, 2)))


def _share_out(
    groups: Groups, factors: Array, state: Array, each: Sequence[dict[int, int]]
) -> None:
    rows = state.shape[1] // LANES
    blocks = max(1, rows >> _BLOCK_BITS)
    several = rows * groups.masks.size >= _MANY
    threads = min(cores(), blocks) if several else 1
    job = np.zeros((threads, _END + 1), np.int64)
    job[:, _STATE], job[:, _SINGLE] = state.ctypes.data, state.dtype == np.float32
    job[:, _QUBITS], job[:, _GROUPS] = rows.bit_length() + 2, groups.shifts.size
    job[:, _FIRST], job[:, _MASKS] = groups.first.ctypes.data, groups.masks.ctypes.data
    job[:, _COEFFICIENTS] = groups.coefficients.ctypes.data
    job[:, _SHIFTS], job[:, _OUTPUTS] = groups.shifts.ctypes.data, groups.outputs.ctypes.data
    job[:, _FACTORS], job[:, _SIGNS] = factors.ctypes.data, _SIGN_ROWS.ctypes.data
    for i, own in enumerate(job):
        own[_BEGIN], own[_END] = i * blocks // threads, (i + 1) * blocks // threads
        for word, value in each[i % len(each)].items():
            own[word] = value
    helpers = [Thread(target=_function(), args=(own.ctypes.data,)) for own in job[1:]]
    for helper in helpers:
        helper.start()
    _function()(job.ctypes.data)
    for helper in helpers:
        helper.join()
