"""Batches in pieces: bounded memory, few compiled sizes, every core at work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray

from jaxqnn.memory import require, usable_bytes
from jaxqnn.processes import cores, threads
from jaxqnn.sweep.cpu.layout import LANES, lanes_are_labels

Floats = NDArray[np.floating]


class _States(NamedTuple):
    """States at the peak of a sweep: of values, and of gradients for each cotangent and besides."""

    forward: float
    each: float
    besides: float

    def peak(self, num_cotangents: int) -> float:
        """Of a sweep that carries so many cotangents, 0 for values."""
        return self.besides + self.each * num_cotangents if num_cotangents else self.forward


# From XLA's own memory analysis on the CPU; ``tests/test_scale.py`` holds the two together. A sweep
# keeps the state and its cotangents, and the step in progress a second copy, gathered or
# multiplied. The phases' angles, cosines and sines come to one state more, and so do the terms of a
# gradient. A complex block takes its products apart, an exchange what it receives.
_PLAIN = _States(3.2, 6.1, 2.2)
_MORE_WITH_BLOCKS = _States(1.2, 0.0, 0.2)
_MORE_IF_SPLIT = _States(0.8, 0.0, 0.0)
_ANGLES_EACH, _ANGLES_BESIDES = 4, 1
# Numbers for each given amplitude's real or imaginary part: its terms, and their uses in reverse.
_GIVEN = _States(5, 14, 8)

# A compiled sweep keeps every sample's state and cotangents. Of the samples that it works on it has
# the same twice, in double precision, and the phases' angles, cosines and sines; so many cotangents
# at most at once. In stages it has them once, as they are kept. Outputs are read by way of copies.
_NATIVE_FORWARD, _NATIVE_BESIDES, _NATIVE_AT_WORK, _NATIVE_TOGETHER = 2.5, 1.5, 3.5, 8

# A kernel's states stand in XLA's buffers; measuring them takes copies.
_KERNEL_FORWARD, _KERNEL_BESIDES = 2.5, 1.5


@dataclass(frozen=True)
class Footprint:
    """What XLA's kernels keep in memory on one device.

    Attributes:
        piece_bytes: On a CPU, up to this size of its states a larger piece gains: they about fill a
            core's second-level cache. A GPU wants the largest pieces that fit.
        pads: Whether all pieces are computed in one size, for each new size compiles anew.
        num_qubits: Bits of the labels on the device.
        num_cotangents: States that are swept back with the state: outputs of a Jacobian, 1 for a
            VJP, 0 for values.
        itemsize: Bytes of a real number.
        fixed_bytes: What does not grow with the batch: the program and the measurement.
        num_angles: Angles that each sample has of its own.
        num_given: Real and imaginary parts of amplitudes that each sample starts from.
        has_blocks: Whether the program has blocks.
        is_split: Whether each state is shared out over several devices.
    """

    num_qubits: int
    num_cotangents: int
    itemsize: int
    fixed_bytes: int = 0
    num_angles: int = 0
    num_given: int = 0
    has_blocks: bool = False
    is_split: bool = False

    piece_bytes: ClassVar[int] = 1 << 20
    pads: ClassVar[bool] = True

    @property
    def state_bytes(self) -> int:
        """One sample's state, or the device's part of it."""
        return 2 * self.itemsize << self.num_qubits

    @property
    def sample_bytes(self) -> int:
        """The peak for each sample."""
        parts = [_PLAIN]
        parts += [_MORE_WITH_BLOCKS] if self.has_blocks else []
        parts += [_MORE_IF_SPLIT] if self.is_split else []
        states = sum(part.peak(self.num_cotangents) for part in parts)
        given = _GIVEN.peak(self.num_cotangents) * self.num_given * self.itemsize
        return int(states * self.state_bytes + given) + self._angle_bytes

    @property
    def _angle_bytes(self) -> int:
        return (
            self.num_angles * self.itemsize * (_ANGLES_BESIDES + _ANGLES_EACH * self.num_cotangents)
        )

    def peak_bytes(self, batch: int) -> int:
        """The peak for a batch computed at once, with the label map's index."""
        return self.fixed_bytes + batch * self.sample_bytes + (4 << self.num_qubits)

    @property
    def uses_all_cores(self) -> bool:
        """Whether a piece is computed by all cores, so that one at a time is best."""
        return False

    def most_rows(self, usable: int) -> int:
        """The largest batch that fits into these bytes; one, if none does."""
        return max(1, (usable - self.peak_bytes(0)) // self.sample_bytes)

    def is_worth_splitting(self, batch: int) -> bool:
        """Whether a second thread brings more than it costs."""
        return self._amplitudes(batch) >= 1 << 12

    def _amplitudes(self, batch: int) -> int:
        return batch * (1 + self.num_cotangents) << self.num_qubits

    def fitting(self, size: int, most: int) -> int:
        """The size in which pieces of at least ``size`` rows are computed, at most ``most``."""
        size = round_up(size)
        while size > max(most, 1):
            size = next(s for s in range(size - 1, 0, -1) if round_up(s) == s)
        return size


@dataclass(frozen=True)
class NativeFootprint(Footprint):
    """What the compiled sweeps keep in memory; they take pieces of any size.

    Attributes:
        num_layers: Layers of the program.
        is_tiled: Whether states are swept in stages: where they are, by all cores at once.
    """

    num_layers: int = 1
    is_tiled: bool = False

    piece_bytes: ClassVar[int] = 1 << 24
    pads: ClassVar[bool] = False

    @property
    def sample_bytes(self) -> int:
        """The peak for each sample, beside what is at work."""
        count = self.num_cotangents
        states = count + _NATIVE_BESIDES if count else _NATIVE_FORWARD
        return int(states * self.state_bytes) + self._angle_bytes

    def peak_bytes(self, batch: int) -> int:
        """The peak for a batch computed at once."""
        together = min(self.num_cotangents, _NATIVE_TOGETHER)
        at_work = self._lanes(batch) * (2 * together + _NATIVE_AT_WORK) * (16 << self.num_qubits)
        if self.is_tiled:
            at_work = (1 + together) * self.state_bytes if together else 0
        return self.fixed_bytes + batch * self.sample_bytes + int(at_work)

    @property
    def uses_all_cores(self) -> bool:
        """See ``Footprint``."""
        return self.is_tiled

    def most_rows(self, usable: int) -> int:
        """See ``Footprint``."""
        most = LANES + (usable - self.peak_bytes(LANES)) // self.sample_bytes
        few = next((n for n in range(LANES, 1, -1) if self.peak_bytes(n) <= usable), 1)
        return max(most, few)

    def is_worth_splitting(self, batch: int) -> bool:
        """See ``Footprint``: from about two milliseconds of work on."""
        return not self.is_tiled and self._amplitudes(batch) * self.num_layers >= 1 << 19

    def _lanes(self, batch: int) -> int:
        """Samples that are at work at once: on each core a group of lanes."""
        each = 1 if lanes_are_labels(self.num_qubits, batch) else LANES
        return each * min(cores(), -(-batch // each)) if batch else each

    def fitting(self, size: int, most: int) -> int:
        """See ``Footprint``; whole groups of lanes leave none empty."""
        if size <= LANES:
            return max(size, 1)
        whole = -(-size // LANES) * LANES
        return whole if whole <= most else size // LANES * LANES


@dataclass(frozen=True)
class KernelFootprint(Footprint):
    """What the CUDA kernels keep in memory; their angles are few beside the states.

    Attributes:
        is_whole: Whether a block holds a whole state, so that nothing is kept between stages.
    """

    is_whole: bool = True

    @property
    def sample_bytes(self) -> int:
        """The peak for each sample."""
        count = self.num_cotangents
        states = _KERNEL_FORWARD
        if count:
            # Between stages: a ket, or two in turn where several cotangents share one.
            kept = 0 if self.is_whole else count + min(count, 2)
            states = _KERNEL_BESIDES + count + kept
        return int(states * self.state_bytes) + self._angle_bytes

    def peak_bytes(self, batch: int) -> int:
        """The peak for a batch computed at once."""
        return self.fixed_bytes + batch * self.sample_bytes


@dataclass(frozen=True)
class Piece:
    """Some rows of a batch, computed as ``size`` rows of which the last may be padding."""

    start: int
    stop: int
    size: int

    def cut(self, array: Floats) -> Floats:
        """This piece of an array (B, ...), padded with zeros to (size, ...)."""
        if self.stop - self.start == self.size:
            return array[self.start : self.stop]
        out = np.zeros((self.size, *array.shape[1:]), array.dtype)
        out[: self.stop - self.start] = array[self.start : self.stop]
        return out


@dataclass(frozen=True)
class Plan:
    """How a batch is computed.

    Attributes:
        pieces: In order; all compute the same number of rows.
        at_once: How many of them are in memory together.
        peak_bytes: Bytes at the peak, on one device.
        usable_bytes: What may be used there.
    """

    pieces: tuple[Piece, ...]
    at_once: int
    peak_bytes: int
    usable_bytes: int

    def check(self, what: str, instead: str) -> None:
        """Refuses a batch of which not even the smallest piece fits; see ``memory.require``."""
        require(self.peak_bytes, self.usable_bytes, what, instead)


def plan(
    batch: int,
    footprint: Footprint,
    *,
    device: jax.Device | None = None,
    mesh: Mesh | None = None,
    ask: bool = False,
) -> Plan:
    """Cuts a batch into pieces of one size that fit into memory.

    Args:
        batch: Samples in all.
        footprint: Of what is computed.
        device: Where; None is JAX's default device.
        mesh: The devices, if there are several. Each piece is spread over its "batch" axis.
        ask: Whether to ask the device what is free even if little is needed.

    Returns:
        The plan. Its peak is above what is usable if one sample alone does not fit.
    """
    device, shares, tenants = _place(device, mesh)
    each = -(-batch // shares) if batch else 1
    wanted = tenants * footprint.peak_bytes(round_up(each))
    usable = (usable_bytes(device) if ask else usable_bytes(device, wanted)) // tenants
    on_cpu = mesh is None and platform(device) == "cpu"
    workers = cores() if on_cpu else 1
    return _cut(batch, each, shares, footprint, usable, workers, on_cpu=on_cpu)


# A small circuit's call is short, and mostly like the last.
@lru_cache(maxsize=256)
def _cut(
    batch: int,
    each: int,
    shares: int,
    footprint: Footprint,
    usable: int,
    workers: int,
    *,
    on_cpu: bool,
) -> Plan:
    """The plan for ``each`` rows on each of ``shares`` devices."""
    most = footprint.most_rows(usable)
    if on_cpu:
        states = 1 + footprint.num_cotangents
        most = min(most, max(1, footprint.piece_bytes // (states * footprint.state_bytes)))
        if workers > 1 and each > 1 and footprint.is_worth_splitting(each):
            most = min(most, -(-each // workers))
    size = footprint.fitting(-(-each // -(-each // most)), most)
    rows = size * shares
    ends = [(start, min(start + rows, batch)) for start in range(0, max(batch, 1), rows)]
    pieces = tuple(
        Piece(start, stop, rows if footprint.pads else stop - start) for start, stop in ends
    )
    at_once = 1 if footprint.uses_all_cores else min(len(pieces), workers)
    while at_once > 1 and at_once * footprint.peak_bytes(size) > usable:
        at_once -= 1
    return Plan(pieces, at_once, at_once * footprint.peak_bytes(size), usable)


def check_whole(batch: int, footprint: Footprint, *, mesh: Mesh | None = None) -> None:
    """Refuses a batch that is computed at once, as pure functions do, if it cannot fit.

    Raises:
        JaxQNNError: If the sweep needs more than may be used.
    """
    device, shares, tenants = _place(None, mesh)
    needed = footprint.peak_bytes(-(-batch // shares))
    require(
        needed,
        usable_bytes(device, tenants * needed) // tenants,
        f"A batch of {batch} states of {footprint.num_qubits} qubits on each device",
        'Use fewer samples at once, float32, or a mesh with an axis "state" of more devices.',
    )


def round_up(size: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, 24, ...: few sizes, at most a third of it padding."""
    power = 1
    while power < size:
        power *= 2
    return power * 3 // 4 if power >= 4 and power * 3 // 4 >= size else max(power, 1)


def over_pieces(run: Callable[[Piece], tuple[Floats, ...]], plan: Plan) -> list[Floats]:
    """Runs a task on every piece, on several threads, and joins the rows that are no padding.

    A result with fewer rows than the piece (a sum over the batch) is kept as it is.
    """
    pieces = plan.pieces
    if plan.at_once == 1:
        found = [run(piece) for piece in pieces]
    else:
        # Compiled calls release the interpreter's lock, so threads keep all cores busy.
        found = list(threads(plan.at_once).map(run, pieces))
    joined = []
    for parts in zip(*found, strict=True):
        kept = [
            part[: piece.stop - piece.start] if part.shape[0] == piece.size else part
            for part, piece in zip(parts, pieces, strict=True)
        ]
        joined.append(kept[0] if len(kept) == 1 else np.concatenate(kept))
    return joined


def _place(device: jax.Device | None, mesh: Mesh | None) -> tuple[jax.Device | None, int, int]:
    """A device, among how many the samples are shared out, and how many use its memory."""
    if mesh is None:
        return device, 1, 1
    shares = int(mesh.shape.get("batch", 1))
    local = [d for d in mesh.devices.flat if d.process_index == jax.process_index()]
    if not local:
        return None, shares, 1
    # CPU devices of one process share the host's memory.
    return local[0], shares, len(local) if local[0].platform == "cpu" else 1


def platform(device: jax.Device | None) -> str:
    """The platform of a device; None is JAX's default one."""
    return jax.default_backend() if device is None else str(device.platform)
