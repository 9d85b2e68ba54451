"""What is read off a state whose amplitudes are on many devices.

As ``jaxqnn.measure.outcomes``, but of one device's part (B, 2, 2^(n-s)), inside ``jax.shard_map``:
``outputs`` are (B, m) terms that add up over the devices or, if the measurement has ``axes``, this
device's part of the outputs.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from jaxqnn.engine.layers import relabel
from jaxqnn.measure.outcomes import PauliSums
from jaxqnn.measure.sums import times_strings
from jaxqnn.program.program import Program
from jaxqnn.sharding.engine import STATE, device_signs

Leaf = Any  # a NumPy or JAX array


class SplitMeasurement(Protocol):
    """What the kernels need of a measurement."""

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """How the outputs lie on the mesh; None if each device has terms that are to be added."""

    def specs(self) -> Any:
        """The measurement's arrays as ``PartitionSpec``."""

    def outputs(self, part: jax.Array) -> jax.Array:
        """(B, m) of (B, 2, 2^(n-s)); amplitudes are (B, 2, m / 2)."""

    def pull(self, part: jax.Array, cotangent: jax.Array) -> jax.Array:
        """The cotangent (B, 2, 2^(n-s)) of the part from one of the outputs."""

    def cotangents(self, part: jax.Array) -> jax.Array:
        """The gradient of each output by the part, (B, m, 2, 2^(n-s))."""


class SplitPaulis(NamedTuple):
    """Sums of Pauli strings, see ``PauliSums``: masks and shifts cut at the device bits.

    Attributes:
        masks: (C, K) uint32, on local bits.
        device_masks: (C, K) uint32, on device bits.
        coefficients: (C, K, 2).
        shift: (C,) uint32.
        device_shift: (C,) uint32.
        output: (C,) int32.
        template: (m,).
    """

    masks: Leaf
    device_masks: Leaf
    coefficients: Leaf
    shift: Leaf
    device_shift: Leaf
    output: Leaf
    template: Leaf

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """See ``SplitMeasurement``."""
        return None

    def specs(self) -> SplitPaulis:
        """See ``SplitMeasurement``."""
        return SplitPaulis(*[PartitionSpec()] * 7)

    def outputs(self, part: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            found = jnp.sum(part * self._image(c, part), axis=(1, 2))
            return total.at[:, jnp.asarray(self.output)[c]].add(found)

        zeros = jnp.zeros((part.shape[0], self.template.shape[0]), part.dtype)
        return lax.fori_loop(0, self.shift.shape[0], add, zeros)

    def pull(self, part: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            weight = 2 * cotangent[:, jnp.asarray(self.output)[c]]
            return total + weight[:, None, None] * self._image(c, part)

        return lax.fori_loop(0, self.shift.shape[0], add, jnp.zeros_like(part))

    def cotangents(self, part: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            return total.at[:, jnp.asarray(self.output)[c]].add(2 * self._image(c, part))

        batch, parts, size = part.shape
        zeros = jnp.zeros((batch, self.template.shape[0], parts, size), part.dtype)
        return lax.fori_loop(0, self.shift.shape[0], add, zeros)

    def _image(self, c: jax.Array, part: jax.Array) -> jax.Array:
        """Chunk c applied to the state: this device's part of it."""
        signs = device_signs(jnp.asarray(self.device_masks)[c], part.dtype)
        coefficients = signs[:, None] * jnp.asarray(self.coefficients, part.dtype)[c]
        moved = shifted(part, jnp.asarray(self.shift)[c], jnp.asarray(self.device_shift)[c])
        return times_strings(moved, jnp.asarray(self.masks)[c], coefficients)


class SplitClasses(NamedTuple):
    """Output o is the total probability of the labels whose class is o.

    Attributes:
        index: (2^n,) int32, the class of each label, one device's labels after the other's; -1 for
            none.
        template: (m,).
    """

    index: Leaf
    template: Leaf

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """See ``SplitMeasurement``."""
        return None

    def specs(self) -> SplitClasses:
        """See ``SplitMeasurement``."""
        return SplitClasses(PartitionSpec(STATE), PartitionSpec())

    def outputs(self, part: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        squares = part[:, 0] ** 2 + part[:, 1] ** 2
        return jax.ops.segment_sum(squares.T, self.index, num_segments=self.template.shape[0]).T

    def pull(self, part: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        return 2 * cotangent[:, self.index][:, None] * part

    def cotangents(self, part: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        hit = jnp.arange(self.template.shape[0])[:, None] == self.index
        return 2 * hit.astype(part.dtype)[:, None, :] * part[:, None]


class SplitAmplitudes(NamedTuple):
    """All amplitudes in the circuit's order, real parts and then imaginary ones, on their devices.

    The final labels are the circuit's own up to ``flips``.

    Attributes:
        flips: () uint32, on local bits.
        device_flips: () uint32, on device bits.
    """

    flips: Leaf
    device_flips: Leaf

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """See ``SplitMeasurement``."""
        return (None, STATE)

    def specs(self) -> SplitAmplitudes:
        """See ``SplitMeasurement``."""
        return SplitAmplitudes(PartitionSpec(), PartitionSpec())

    def outputs(self, part: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        return shifted(part, jnp.asarray(self.flips), jnp.asarray(self.device_flips))

    def pull(self, part: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        return shifted(cotangent, jnp.asarray(self.flips), jnp.asarray(self.device_flips))

    def cotangents(self, part: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        hit = _own_outputs(part, self.flips, self.device_flips)
        unit = jnp.eye(2, dtype=part.dtype)[:, None, :, None] * hit[None, :, None, :]
        found = unit.reshape(1, -1, *part.shape[1:])
        return jnp.broadcast_to(found, (part.shape[0], *found.shape[1:]))


class SplitProbabilities(NamedTuple):
    """|amplitude|^2 in the circuit's order, each on its device; see ``SplitAmplitudes``."""

    flips: Leaf
    device_flips: Leaf

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """See ``SplitMeasurement``."""
        return (STATE,)

    def specs(self) -> SplitProbabilities:
        """See ``SplitMeasurement``."""
        return SplitProbabilities(PartitionSpec(), PartitionSpec())

    def outputs(self, part: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        squares = part[:, 0] ** 2 + part[:, 1] ** 2
        return shifted(squares, jnp.asarray(self.flips), jnp.asarray(self.device_flips))

    def pull(self, part: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        moved = shifted(cotangent, jnp.asarray(self.flips), jnp.asarray(self.device_flips))
        return 2 * moved[:, None] * part

    def cotangents(self, part: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        hit = _own_outputs(part, self.flips, self.device_flips)
        return 2 * hit[:, None, :] * part[:, None]


def _own_outputs(part: jax.Array, flips: Leaf, device_flips: Leaf) -> jax.Array:
    """Which of all basis states, in the circuit's order, each label of this device is: 0 or 1."""
    size = part.shape[-1]
    local = jnp.arange(size, dtype=jnp.uint32) ^ flips
    device = lax.axis_index(STATE).astype(jnp.uint32) ^ device_flips
    own = device * size + local
    every = jnp.arange(size * lax.axis_size(STATE), dtype=jnp.uint32)
    return (every[:, None] == own).astype(part.dtype)


def shifted(part: jax.Array, shift: jax.Array, device_shift: jax.Array) -> jax.Array:
    """psi'[x] = psi[x xor shift], for a shift with local and device bits."""
    labels = jnp.arange(part.shape[-1], dtype=jnp.uint32)
    part = relabel(part, labels ^ shift)
    size = lax.axis_size(STATE)
    for bit in range(size.bit_length() - 1):
        neighbours = [(device, device ^ 1 << bit) for device in range(size)]
        part = lax.fori_loop(
            0,
            (device_shift >> bit & 1).astype(jnp.int32),
            lambda _, p, neighbours=neighbours: lax.ppermute(p, STATE, neighbours),
            part,
        )
    return part


def split_paulis(sums: PauliSums, device_bits: int) -> SplitPaulis:
    """Pauli sums on whole labels, cut at the device bits."""
    low = np.uint64((1 << device_bits) - 1)
    masks, shift = np.asarray(sums.masks, np.uint64), np.asarray(sums.shift, np.uint64)
    return SplitPaulis(
        (masks >> np.uint64(device_bits)).astype(np.uint32),
        (masks & low).astype(np.uint32),
        sums.coefficients,
        (shift >> np.uint64(device_bits)).astype(np.uint32),
        (shift & low).astype(np.uint32),
        sums.output,
        sums.template,
    )


def split_classes(index: Leaf, num_outputs: int, device_bits: int) -> SplitClasses:
    """Classes of whole labels (2^n,), brought to the devices' order."""
    by_device = np.asarray(index, np.int32).reshape(-1, 1 << device_bits).T
    return SplitClasses(np.ascontiguousarray(by_device).reshape(-1), np.zeros(num_outputs))


def split_flips(program: Program, device_bits: int) -> tuple[Leaf, Leaf]:
    """The constant part of the circuit's labels, for a program that ends in their order."""
    local = program.num_qubits - device_bits
    return (
        np.uint32(program.flips & ((1 << local) - 1)),
        np.uint32(program.flips >> local),
    )
