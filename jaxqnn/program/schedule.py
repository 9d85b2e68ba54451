"""From elements to few, full layers.

Elements are kept in the order of the circuit only where they do not commute.  Rotations and blocks
go, in turn, to the first layer that may hold them; a phase may act before any layer of a whole
interval, and the fewest layers that meet all intervals are chosen to carry phases, since each is
one more pass over the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jaxqnn.circuit.angles import Angle
from jaxqnn.program.frames import Frame, parity
from jaxqnn.program.program import Layer
from jaxqnn.program.resolve import Dense, Element, Phase, Rotation

_Masks = NDArray[np.uint64]


@dataclass
class _Slot:
    """A layer under construction, on reference labels."""

    pairs: list[tuple[int, int]] = field(default_factory=list)
    angles: list[Angle] = field(default_factory=list)
    block: NDArray[np.complexfloating] | None = None
    phases: list[tuple[int, Angle]] = field(default_factory=list)

    def has_room(self, pairs: Sequence[tuple[int, int]], capacity: int) -> bool:
        """Whether these qubits can join as further leading bits."""
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
    block_qubits: int,
    is_per_sample: Callable[[Angle], bool],
) -> tuple[list[Layer], Frame]:
    """Packs elements into layers.

    Args:
        elements: In the order they act, on the reference label.
        num_qubits: Bits of a label.
        block_qubits: How many rotations a layer can hold.
        is_per_sample: Says which angles differ from sample to sample.

    Returns:
        The layers and the frame of the final label.
    """
    slots, phases = _place(list(elements), block_qubits)
    _settle(phases, slots, is_per_sample)
    return _emit(slots, num_qubits)


def _place(elements: list[Element], capacity: int) -> tuple[list[_Slot], list[_PendingPhase]]:
    """Gives each rotation and block its layer, and each phase its interval."""
    slots: list[_Slot] = []
    pending: list[_PendingPhase] = []
    moved = _Moved(sum(len(e.pairs) if isinstance(e, Dense) else 1 for e in elements))
    masks = np.zeros(len(elements), np.uint64)
    rotation_at: dict[tuple[int, int], int] = {}
    phase_at: dict[int, int] = {}
    for element in elements:
        match element:
            case Phase(mask, angle):
                earliest = moved.after_phase(mask)
                same = phase_at.get(mask)
                # Equal bounds mean that nothing between the two tells them apart.
                if same is not None and pending[same].earliest == earliest:
                    pending[same].angle += angle
                    continue
                phase_at[mask] = len(pending)
                masks[len(pending)] = mask
                pending.append(_PendingPhase(mask, angle, earliest))
            case Rotation(vector, functional, angle):
                barred = _blocking(masks, pending, [vector])
                bound = max(moved.after_rotation(vector, functional), _bound(pending, barred))
                level = rotation_at.get((vector, functional), -1)
                if level >= bound:
                    slot = slots[level]
                    index = slot.pairs.index((vector, functional))
                    slot.angles[index] += angle
                else:
                    pairs = [(vector, functional)]
                    level = _first_room(slots, bound, pairs, capacity, dense=False)
                    slots[level].pairs += pairs
                    slots[level].angles.append(angle)
                    rotation_at[vector, functional] = level
                    moved.add(vector, functional, level, dense=False)
                _close(pending, barred, level)
            case Dense(dense_pairs, matrix):
                barred = _blocking(masks, pending, [vector for vector, _ in dense_pairs])
                bound = max(
                    _bound(pending, barred),
                    *(moved.after_rotation(v, f, strict=True) for v, f in dense_pairs),
                )
                level = _first_room(slots, bound, dense_pairs, capacity, dense=True)
                slot = slots[level]
                slot.pairs += dense_pairs
                slot.block = matrix if slot.block is None else np.kron(slot.block, matrix)
                for vector, functional in dense_pairs:
                    moved.add(vector, functional, level, dense=True)
                _close(pending, barred, level)
    return slots, pending


class _Moved:
    """Rotations and blocks placed so far, as arrays, to test one element against all at once."""

    def __init__(self, capacity: int) -> None:
        self._vectors: _Masks = np.zeros(capacity, np.uint64)
        self._functionals: _Masks = np.zeros(capacity, np.uint64)
        self._levels = np.zeros(capacity, np.int64)
        self._dense = np.zeros(capacity, np.bool_)
        self._size = 0

    def add(self, vector: int, functional: int, level: int, *, dense: bool) -> None:
        i = self._size
        self._vectors[i], self._functionals[i] = vector, functional
        self._levels[i], self._dense[i] = level, dense
        self._size += 1

    def after_phase(self, mask: int) -> int:
        """The first layer before which a phase can act."""
        return self._after(_odd(self._vectors[: self._size], mask))

    def after_rotation(self, vector: int, functional: int, *, strict: bool = False) -> int:
        """The first layer a rotation (strict: a block) can be in."""
        first = _odd(self._vectors[: self._size], functional)
        second = _odd(self._functionals[: self._size], vector)
        # Two rotations commute if both parities agree; a block is only known to commute if both
        # are even.
        apart = (first ^ second) | ((first | second) & (self._dense[: self._size] | strict))
        return self._after(apart)

    def _after(self, selected: NDArray[np.bool_]) -> int:
        levels = self._levels[: self._size][selected]
        return int(levels.max()) + 1 if levels.size else 0


def _odd(masks: _Masks, mask: int) -> NDArray[np.bool_]:
    return (np.bitwise_count(masks & np.uint64(mask)) & 1).astype(np.bool_)


def _blocking(
    masks: _Masks, pending: list[_PendingPhase], vectors: Sequence[int]
) -> NDArray[np.int64]:
    """Which phases do not commute with a rotation along any of these vectors."""
    selected = np.zeros(len(pending), np.bool_)
    for vector in vectors:
        selected |= _odd(masks[: len(pending)], vector)
    return np.flatnonzero(selected)


def _bound(pending: list[_PendingPhase], barred: NDArray[np.int64]) -> int:
    return max((pending[i].earliest for i in barred), default=0)


def _close(pending: list[_PendingPhase], barred: NDArray[np.int64], level: int) -> None:
    for i in barred:
        latest = pending[i].latest
        pending[i].latest = level if latest is None else min(latest, level)


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
    chosen: list[int] = []
    # Phases that differ from sample to sample cost the most, so theirs are chosen first and the
    # shared ones join them where they can.
    for per_sample in (True, False):
        group = [phase for phase in live if is_per_sample(phase.angle) == per_sample]
        for phase in sorted(group, key=lambda phase: end if phase.latest is None else phase.latest):
            latest = end if phase.latest is None else phase.latest
            if not any(phase.earliest <= level <= latest for level in chosen):
                chosen.append(latest)
    for phase in live:
        latest = end if phase.latest is None else phase.latest
        level = next(level for level in chosen if phase.earliest <= level <= latest)
        slots[level].phases.append((phase.mask, phase.angle))


def _emit(slots: list[_Slot], num_qubits: int) -> tuple[list[Layer], Frame]:
    """Writes each layer on labels whose leading bits are its own qubits."""
    frame = Frame.identity(num_qubits)
    layers = []
    for slot in slots:
        if slot.block is None:
            live = [
                (pair, angle)
                for pair, angle in zip(slot.pairs, slot.angles, strict=True)
                if not angle.is_zero
            ]
            live = _aligned(live, frame)
            pairs = [pair for pair, _ in live]
            angles = tuple(angle for _, angle in live)
        else:
            pairs, angles = slot.pairs, ()
        if not pairs and not slot.phases:
            continue
        following = frame.with_leading(pairs) if pairs else frame
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
    live: list[tuple[tuple[int, int], Angle]], frame: Frame
) -> list[tuple[tuple[int, int], Angle]]:
    """Leaves a qubit that leads already in its place, so that the label map may be the identity."""
    leading = list(reversed(frame.rows))[: len(live)]
    order: list[tuple[tuple[int, int], Angle] | None] = [None] * len(live)
    rest = []
    for item in live:
        functional = item[0][1]
        if functional in leading:
            order[leading.index(functional)] = item
        else:
            rest.append(item)
    return [rest.pop(0) if item is None else item for item in order]
