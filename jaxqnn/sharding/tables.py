"""A placement as arrays: what every device runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from jaxqnn.program.tables import Tables, combinations, tabulate
from jaxqnn.sharding.placement import Placement

Leaf = Any  # a NumPy or JAX array


class SplitTables(NamedTuple):
    """The tables of a device's own program, and how it depends on the device.

    Attributes:
        local: The program on n - s bits. Its start angles are those of the local bits, then those
            of the device bits.
        shared_device: (C, K) uint32, the device bits in each shared phase's mask.
        sample_device: (C', K) uint32, likewise for phases that differ from sample to sample.
        offset: (L, s) uint32, added to a layer's label map by each bit of the device.
        inverse_offset: (L, s) uint32, added to the inverse map.
        exchange: (L,) int32, whether device bits and leading bits are swapped after the layer.
        has_angle: (s,) bool, whether a device bit starts by an angle, else by given amplitudes.
        given: (2^s, 2^m') int32, cut along the devices: which of the given amplitudes its m' lowest
            local bits start from; m' is 0 if none are given.
    """

    local: Tables
    shared_device: Leaf
    sample_device: Leaf
    offset: Leaf
    inverse_offset: Leaf
    exchange: Leaf
    has_angle: Leaf
    given: Leaf


def tabulate_split(placement: Placement) -> SplitTables:
    """Writes a placement as arrays."""
    program = placement.program
    local = tabulate(program)
    # The same phases in the same order, with the masks' other part.
    masks = tabulate(
        replace(
            program,
            layers=tuple(
                replace(
                    layer,
                    phases=tuple(
                        (mask, angle) for mask, (_, angle) in zip(own, layer.phases, strict=True)
                    ),
                )
                for layer, own in zip(program.layers, placement.device_masks, strict=True)
            ),
        )
    )
    length = local.map_high.shape[0]
    offset = np.zeros((length, placement.device_bits), np.uint32)
    exchange = np.zeros(length, np.int32)
    for row, (columns, swapped) in enumerate(
        zip(placement.offsets, placement.exchanges, strict=True)
    ):
        offset[row], exchange[row] = columns, swapped
    # x = A y + b has y = A^-1 x + A^-1 b.
    low = np.asarray(local.inverse_low)
    low_bits = low.shape[1].bit_length() - 1
    rows = np.arange(length)[:, None]
    inverse = np.asarray(local.inverse_high)[rows, offset >> low_bits]
    return SplitTables(
        local,
        masks.shared_masks,
        masks.sample_masks,
        offset,
        inverse ^ low[rows, offset & (low.shape[1] - 1)],
        exchange,
        *_given(placement),
    )


def _given(placement: Placement) -> tuple[Leaf, Leaf]:
    """Whether each device bit starts by an angle, and where a device's amplitudes come from."""
    count = max(0, (len(placement.program.amplitudes) // 2).bit_length() - 1)
    device = placement.start_bits[: placement.device_bits]
    local = placement.start_bits[placement.device_bits :]
    # A bit that starts by an angle does not choose among the amplitudes.
    by_device = combinations(np.array([1 << b if b < count else 0 for b in device], np.uint32))
    by_place = combinations(np.array([1 << b for b in local if b < count], np.uint32))
    return (
        np.array([b >= count for b in device], np.bool_),
        (by_device[:, None] ^ by_place).astype(np.int32),
    )
