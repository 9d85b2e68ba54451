"""What is read off a state whose amplitudes are on many devices.

As ``jaxqnn.measure.outcomes``, but of one device's part (B, 2, 2^(n-s)), inside ``jax.shard_map``:
``outputs`` are (B, m) terms that add up over the devices or, if the measurement has ``axes``, this
device's part of the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from jaxqnn.engine.layers import relabel
from jaxqnn.measure.outcomes import Classes, OfAmplitudes, OfProbabilities, PauliSums
from jaxqnn.measure.sums import times_strings
from jaxqnn.program.program import Program
from jaxqnn.sharding.engine import STATE, device_index, device_signs

Leaf = Any  # a NumPy or JAX array


class SplitMeasurement(Protocol):
    """What is needed of a measurement: as ``Measurement``, of a device's part."""

    @property
    def num_outputs(self) -> int:
        """m, on all devices."""

    def outputs(self, state: jax.Array) -> jax.Array:
        """See the module."""

    def bras(self, state: jax.Array) -> jax.Array:
        """The gradient of each output by the part, (m, B, 2, 2^(n-s))."""

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """The part's cotangent from one of the outputs."""

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """How the outputs lie on the mesh; None if each device has terms that are to be added."""

    def specs(self) -> Any:
        """The measurement's arrays as ``PartitionSpec``."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SplitPaulis:
    """Sums of Pauli strings, see ``PauliSums``: masks and shifts cut at the device bits.

    Attributes:
        masks: (C, K) uint32, on local bits.
        device_masks: (C, K) uint32, on device bits.
        coefficients: (C, K, 2).
        shift: (C,) uint32.
        device_shift: (C,) uint32.
        output: (C,) int32.
        num_outputs: m.
    """

    masks: Leaf
    device_masks: Leaf
    coefficients: Leaf
    shift: Leaf
    device_shift: Leaf
    output: Leaf
    num_outputs: int = field(metadata={"static": True})

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """See ``SplitMeasurement``."""
        return None

    def specs(self) -> SplitPaulis:
        """See ``SplitMeasurement``."""
        found: SplitPaulis = jax.tree.map(lambda _: PartitionSpec(), self)
        return found

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            found = jnp.sum(state * self._image(c, state), axis=(1, 2))
            return total.at[:, jnp.asarray(self.output)[c]].add(found)

        zeros = jnp.zeros((state.shape[0], self.num_outputs), state.dtype)
        return lax.fori_loop(0, self.shift.shape[0], add, zeros)

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            weight = 2 * cotangent[:, jnp.asarray(self.output)[c]]
            return total + weight[:, None, None] * self._image(c, state)

        return lax.fori_loop(0, self.shift.shape[0], add, jnp.zeros_like(state))

    def bras(self, state: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            return total.at[jnp.asarray(self.output)[c]].add(2 * self._image(c, state))

        zeros = jnp.zeros((self.num_outputs, *state.shape), state.dtype)
        return lax.fori_loop(0, self.shift.shape[0], add, zeros)

    def _image(self, c: jax.Array, part: jax.Array) -> jax.Array:
        """Chunk c applied to the state: this device's part of it."""
        signs = device_signs(jnp.asarray(self.device_masks)[c], part.dtype)
        coefficients = signs[:, None] * jnp.asarray(self.coefficients, part.dtype)[c]
        moved = shifted(part, jnp.asarray(self.shift)[c], jnp.asarray(self.device_shift)[c])
        return times_strings(moved, jnp.asarray(self.masks)[c], coefficients)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SplitClasses(Classes):
    """See ``Classes``: their labels are this device's."""

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """See ``SplitMeasurement``."""
        return None

    def specs(self) -> SplitClasses:
        """See ``SplitMeasurement``."""
        return SplitClasses(PartitionSpec(STATE), self.num_classes)


class _InOrder:
    """Outputs that are all labels' in the circuit's order, each on its device.

    The final labels are the circuit's own up to ``flips``, which undo themselves.
    """

    flips: Leaf
    device_flips: Leaf

    def read(self, values: jax.Array) -> jax.Array:
        """The outputs of this device, (..., 2^(n-s))."""
        return shifted(values, jnp.asarray(self.flips), jnp.asarray(self.device_flips))

    def transposed(self, cotangent: jax.Array, size: int) -> jax.Array:
        """See ``Linear``."""
        del size
        return self.read(cotangent)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SplitAmplitudes(_InOrder, OfAmplitudes):
    """All amplitudes, real parts and then imaginary ones, (B, 2, 2^(n-s)) on each device.

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

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        return self.read(state)

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``SplitMeasurement``."""
        return self.read(cotangent)

    def unit(self, state: jax.Array) -> jax.Array:
        """See ``Linear``: this device's part of each."""
        parts = jnp.eye(2, dtype=state.dtype)[:, None, :, None] * _own_unit(state)[:, None, :]
        return parts.reshape(-1, *state.shape[1:])


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SplitProbabilities(_InOrder, OfProbabilities):
    """All |amplitude|^2, each on its device; see ``SplitAmplitudes``."""

    flips: Leaf
    device_flips: Leaf

    @property
    def axes(self) -> tuple[str | None, ...] | None:
        """See ``SplitMeasurement``."""
        return (STATE,)

    def specs(self) -> SplitProbabilities:
        """See ``SplitMeasurement``."""
        return SplitProbabilities(PartitionSpec(), PartitionSpec())

    def unit(self, state: jax.Array) -> jax.Array:
        """See ``Linear``: this device's part of each."""
        return _own_unit(state)


def _own_unit(state: jax.Array) -> jax.Array:
    """Which of all labels each label of this device is: (2^n, 2^(n-s)) of zeros and ones."""
    size = state.shape[-1]
    own = device_index() * size + jnp.arange(size, dtype=jnp.uint32)
    every = jnp.arange(size * lax.axis_size(STATE), dtype=jnp.uint32)
    return (every[:, None] == own).astype(state.dtype)


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
        sums.num_outputs,
    )


def split_classes(index: Leaf, num_outputs: int, device_bits: int) -> SplitClasses:
    """Classes of whole labels (2^n,), brought to the devices' order."""
    by_device = np.asarray(index, np.int32).reshape(-1, 1 << device_bits).T
    return SplitClasses(np.ascontiguousarray(by_device).reshape(-1), num_outputs)


def split_flips(program: Program, device_bits: int) -> tuple[Leaf, Leaf]:
    """The constant part of the circuit's labels, for a program that ends in their order."""
    local = program.num_qubits - device_bits
    return (
        np.uint32(program.flips & ((1 << local) - 1)),
        np.uint32(program.flips >> local),
    )
