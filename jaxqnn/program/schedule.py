"""From elements to few, full layers.

Elements are kept in the order of the circuit only where they do not commute.  Rotations and blocks
go, in turn, to the first layer that may hold them; a phase may act before any layer of a whole
interval, and the fewest layers that meet all intervals are chosen to carry phases, since each is
one more pass over the state.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jaxqnn.circuit.angles import Angle
from jaxqnn.program.frames import Frame, parity
from jaxqnn.program.program import Layer, RotatedBits
from jaxqnn.program.resolve import Dense, Element, Phase, Rotation

_Masks = NDArray[np.uint64]

# The columns of a table of phases, and the layer after all others.
_MASK, _EARLIEST, _LATEST = range(3)
_OPEN = int(np.iinfo(np.uint64).max)


@dataclass
class _Slot:
    """A layer under construction, on reference labels."""

    pairs: list[tuple[int, int]] = field(default_factory=list)
    angles: list[Angle] = field(default_factory=list)
    block: NDArray[np.complexfloating] | None = None
    phases: list[tuple[int, Angle]] = field(default_factory=list)

    def has_room(self, pairs: Sequence[tuple[int, int]], capacity: int) -> bool:
        """Whether these qubits can join as further bits."""
        return len(self.pairs) + len(pairs) <= capacity and not any(
            parity(functional & other_vector) or parity(other_functional & vector)
            for vector, functional in pairs
            for other_vector, other_functional in self.pairs
        )


@dataclass
class _PendingPhase:
    mask: int
    angle: Angle
    earliest: int
    latest: int | None = None  # None: to the very end


def schedule(
    elements: Iterable[Element],
    num_qubits: int,
    bits: RotatedBits,
    is_per_sample: Callable[[Angle], bool],
) -> tuple[list[Layer], Frame]:
    """Packs elements into layers.

    Args:
        elements: In the order they act, on the reference label.
        num_qubits: Bits of a label.
        bits: The bits a layer can rotate.
        is_per_sample: Says which angles differ from sample to sample.

    Returns:
        The layers and the frame of the final label.
    """
    slots, phases = _place(list(elements), bits)
    _settle(phases, slots, is_per_sample)
    return _emit(slots, num_qubits, bits)


def _place(elements: list[Element], bits: RotatedBits) -> tuple[list[_Slot], list[_PendingPhase]]:
    """Gives each rotation and block its layer, and each phase its interval."""
    slots: list[_Slot] = []
    phases = _Phases()
    moved = _Moved()
    rotation_at: dict[tuple[int, int], int] = {}
    for element in elements:
        match element:
            case Phase(mask, angle):
                phases.add(mask, angle, moved.after_phase(mask))
            case Rotation(vector, functional, angle):
                barred = phases.barred([vector])
                bound = max(moved.after_rotation(vector, functional), phases.bound(barred))
                level = rotation_at.get((vector, functional), -1)
                if level >= bound:
                    slot = slots[level]
                    index = slot.pairs.index((vector, functional))
                    slot.angles[index] += angle
                else:
                    pairs = [(vector, functional)]
                    level = _first_room(slots, bound, pairs, len(bits.positions), dense=False)
                    slots[level].pairs += pairs
                    slots[level].angles.append(angle)
                    rotation_at[vector, functional] = level
                    moved.add(vector, functional, level, dense=False)
                phases.close(barred, level)
            case Dense(dense_pairs, matrix):
                barred = phases.barred([vector for vector, _ in dense_pairs])
                bound = max(
                    phases.bound(barred),
                    *(moved.after_rotation(v, f, strict=True) for v, f in dense_pairs),
                )
                level = _first_room(slots, bound, dense_pairs, bits.leading, dense=True)
                slot = slots[level]
                slot.pairs += dense_pairs
                slot.block = matrix if slot.block is None else np.kron(slot.block, matrix)
                for vector, functional in dense_pairs:
                    moved.add(vector, functional, level, dense=True)
                phases.close(barred, level)
    return slots, phases.settled()


class _Rows:
    """Columns of integers that grow, to test one element against all rows at once."""

    def __init__(self, width: int) -> None:
        self._data = np.zeros((width, 64), np.uint64)
        self.size = 0

    def append(self, *values: int) -> int:
        """Adds a row and returns its number."""
        if self.size == self._data.shape[1]:
            self._data = np.concatenate([self._data, np.zeros_like(self._data)], axis=1)
        self._data[:, self.size] = values
        self.size += 1
        return self.size - 1

    def __getitem__(self, column: int) -> _Masks:
        return self._data[column, : self.size]


class _Phases:
    """Phases and the intervals of layers they may act before.

    Only the last phase of each mask is open: a second one is begun because something between the
    two does not commute with their mask, and what comes later acts after that. So the work for an
    element grows with the number of masks, not with the depth.
    """

    def __init__(self) -> None:
        self._row_of: dict[int, int] = {}
        self._rows = _Rows(3)  # mask, earliest, latest
        self._angles: list[Angle] = []
        # By the order of their beginnings, which is that of the circuit.
        self._begun: list[_PendingPhase | int] = []
        self._place_of: list[int] = []

    def add(self, mask: int, angle: Angle, earliest: int) -> None:
        """A phase that can act before layer ``earliest`` or later."""
        row = self._row_of.get(mask)
        if row is None:
            row = self._row_of[mask] = self._rows.append(mask, earliest, _OPEN)
            self._angles.append(angle)
            self._place_of.append(len(self._begun))
        elif self._rows[_EARLIEST][row] == earliest:
            # Equal bounds mean that nothing between the two tells them apart.
            self._angles[row] += angle
            return
        else:
            self._begun[self._place_of[row]] = self._pending(row)
            self._rows[_EARLIEST][row], self._rows[_LATEST][row] = earliest, _OPEN
            self._angles[row] = angle
            self._place_of[row] = len(self._begun)
        self._begun.append(row)

    def barred(self, vectors: Sequence[int]) -> NDArray[np.int64]:
        """The open phases that do not commute with a rotation along any of these vectors."""
        selected = np.zeros(self._rows.size, np.bool_)
        for vector in vectors:
            selected |= _odd(self._rows[_MASK], vector)
        return np.flatnonzero(selected)

    def bound(self, barred: NDArray[np.int64]) -> int:
        """The first layer that may come after these."""
        return int(self._rows[_EARLIEST][barred].max(initial=0))

    def close(self, barred: NDArray[np.int64], level: int) -> None:
        """Notes that these act before this layer."""
        latest = self._rows[_LATEST]
        latest[barred] = np.minimum(latest[barred], np.uint64(level))

    def settled(self) -> list[_PendingPhase]:
        """All of them."""
        return [self._pending(item) if isinstance(item, int) else item for item in self._begun]

    def _pending(self, row: int) -> _PendingPhase:
        mask, earliest, latest = (int(self._rows[column][row]) for column in range(3))
        return _PendingPhase(mask, self._angles[row], earliest, None if latest == _OPEN else latest)


class _Moved:
    """Rotations and blocks placed so far: of equal ones, the last layer."""

    def __init__(self) -> None:
        self._row_of: dict[tuple[int, int, bool], int] = {}
        self._rows = _Rows(4)  # vector, functional, level, whether it is a block

    def add(self, vector: int, functional: int, level: int, *, dense: bool) -> None:
        """Notes that something acts along this vector in this layer."""
        row = self._row_of.get((vector, functional, dense))
        if row is None:
            row = self._rows.append(vector, functional, level, dense)
            self._row_of[vector, functional, dense] = row
        self._rows[2][row] = max(int(self._rows[2][row]), level)

    def after_phase(self, mask: int) -> int:
        """The first layer before which a phase can act."""
        return self._after(_odd(self._rows[0], mask))

    def after_rotation(self, vector: int, functional: int, *, strict: bool = False) -> int:
        """The first layer a rotation (strict: a block) can be in."""
        first = _odd(self._rows[0], functional)
        second = _odd(self._rows[1], vector)
        # Two rotations commute if both parities agree; a block is only known to commute if both
        # are even.
        apart = (first ^ second) | ((first | second) & (self._rows[3].astype(np.bool_) | strict))
        return self._after(apart)

    def _after(self, selected: NDArray[np.bool_]) -> int:
        levels = self._rows[2][selected]
        return int(levels.max()) + 1 if levels.size else 0


def _odd(masks: _Masks, mask: int) -> NDArray[np.bool_]:
    return (np.bitwise_count(masks & np.uint64(mask)) & 1).astype(np.bool_)


def _first_room(
    slots: list[_Slot],
    bound: int,
    pairs: Sequence[tuple[int, int]],
    capacity: int,
    *,
    dense: bool,
) -> int:
    for level in range(bound, len(slots)):
        if (slots[level].block is not None) == dense and slots[level].has_room(pairs, capacity):
            return level
    slots.append(_Slot())
    return len(slots) - 1


def _settle(
    phases: list[_PendingPhase], slots: list[_Slot], is_per_sample: Callable[[Angle], bool]
) -> None:
    """Chooses the layer each phase acts in: the fewest layers that meet every interval."""
    end = len(slots)
    slots.append(_Slot())
    live = [phase for phase in phases if not phase.angle.is_zero]
    # Ascending levels, those for phases that differ from sample to sample first: they cost the
    # most, so theirs are chosen first and the shared ones join them where they can.
    chosen: list[list[int]] = []

    def meets(phase: _PendingPhase) -> int | None:
        latest = end if phase.latest is None else phase.latest
        for levels in chosen:
            i = bisect_left(levels, phase.earliest)
            if i < len(levels) and levels[i] <= latest:
                return levels[i]
        return None

    for per_sample in (True, False):
        chosen.append([])
        group = [phase for phase in live if is_per_sample(phase.angle) == per_sample]
        for phase in sorted(group, key=lambda phase: end if phase.latest is None else phase.latest):
            if meets(phase) is None:
                chosen[-1].append(end if phase.latest is None else phase.latest)
    for phase in live:
        level = meets(phase)
        assert level is not None
        slots[level].phases.append((phase.mask, phase.angle))


def _emit(slots: list[_Slot], num_qubits: int, bits: RotatedBits) -> tuple[list[Layer], Frame]:
    """Writes each layer on labels that have its own qubits as the bits it rotates."""
    frame = Frame.identity(num_qubits)
    layers = []
    for slot in slots:
        if slot.block is None:
            live = [
                (pair, angle)
                for pair, angle in zip(slot.pairs, slot.angles, strict=True)
                if not angle.is_zero
            ]
            live = _aligned(live, frame, bits.positions)
            pairs = [pair for pair, _ in live]
            angles = tuple(angle for _, angle in live)
        else:
            pairs, angles = slot.pairs, ()
        if not pairs and not slot.phases:
            continue
        places = bits.positions if slot.block is None else range(num_qubits - 1, -1, -1)
        following = frame.with_bits(places[: len(pairs)], pairs) if pairs else frame
        layers.append(
            Layer(
                label_map=following.map_from(frame),
                phases=tuple((following.functional(mask), angle) for mask, angle in slot.phases),
                rotations=angles,
                block=slot.block,
            )
        )
        frame = following
    return layers, frame


def _aligned(
    live: list[tuple[tuple[int, int], Angle]], frame: Frame, positions: Sequence[int]
) -> list[tuple[tuple[int, int], Angle]]:
    """Leaves a qubit that is in one of the places there: less to move."""
    present = [frame.rows[bit] for bit in positions[: len(live)]]
    order: list[tuple[tuple[int, int], Angle] | None] = [None] * len(live)
    rest = []
    for item in live:
        functional = item[0][1]
        if functional in present:
            order[present.index(functional)] = item
        else:
            rest.append(item)
    return [rest.pop(0) if item is None else item for item in order]
