"""Which bits of a label name the device: a program made ready for amplitudes on many devices.

Of the n bits of a label the low s name one of 2^s devices, and the others the amplitude's place on
it, so the leading bits, which layers rotate, are always local.  Phases split into a sign of the
device and one of the place.  Only label maps can move amplitudes between devices, and the frames
are chosen so that few do: the functionals that name the device stay what they are until a layer
rotates a qubit they depend on.  Then *all* of them are exchanged, in one ``all_to_all``, for
functionals that no layer touches for as long as possible.

An exchange is a row of its own in the new program.  It brings the functionals that will name the
device to the s leading bits, by a local map, and swaps device bit i with bit n - s + i.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from jaxqnn.errors import JaxQNNError
from jaxqnn.program.frames import Frame, parity
from jaxqnn.program.program import Layer, Program, RotatedBits

Pairs = tuple[tuple[int, int], ...]


class _Row(NamedTuple):
    """A layer, the qubits it acts on and its phases' masks on the reference label."""

    layer: Layer
    pairs: Pairs
    masks: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Placement:
    """A program over 2^s devices.

    Attributes:
        device_bits: s.
        program: What runs on one device, on n - s bits; its start holds the angles of the local
            bits and then those of the device bits, and all given amplitudes.
        start_bits: Which bit of the whole program's first label each device bit is, then each local
            bit; local ones in order.
        device_masks: For each layer, the part of each phase's mask that lies on device bits.
        offsets: For each layer and each device bit, what a device with this bit adds (xor) to the
            local label map's result.
        exchanges: For each layer, whether device bits and leading bits are swapped after it.
        final: The program on whole labels as far as measurements need it: the number of qubits, and
            the circuit's bits as functionals of the final label.
    """

    device_bits: int
    program: Program
    start_bits: tuple[int, ...]
    device_masks: tuple[tuple[int, ...], ...]
    offsets: tuple[tuple[int, ...], ...]
    exchanges: tuple[bool, ...]
    final: Program

    @property
    def num_exchanges(self) -> int:
        """How often amplitudes move between devices in one forward sweep."""
        return sum(self.exchanges)


def place(program: Program, device_bits: int, *, in_circuit_order: bool = False) -> Placement:
    """Shares a program's amplitudes out over 2^device_bits devices.

    Args:
        program: On n qubits.
        device_bits: s.
        in_circuit_order: Whether the final labels are to be the circuit's own (before ``flips``),
            its s most significant qubits naming the device, so that the parts of the final state,
            one after another, are the statevector.

    Returns:
        The placement.

    Raises:
        JaxQNNError: If the state is too small for so many devices.
    """
    n, s = program.num_qubits, device_bits
    rows, frame = _rows(program)
    k = max([program.rotated.leading, *(len(row.pairs) for row in rows)])
    # An exchange needs s functionals off a layer's k qubits and apart from the s in use, of which
    # one at least is on them; and the leading bits are local.
    least = max(k + 2 * s - 1, k + s)
    if s and n < least:
        raise JaxQNNError(
            f"A state of {n} qubits is too small for {1 << s} devices: {least} qubits are needed. "
            'Use a smaller "state" axis, and give the other devices to "batch".'
        )
    pairs = [row.pairs for row in rows]
    builder = _Builder(n, s, _first_device_bits(pairs, n, s))
    for number, row in enumerate(rows):
        if any(parity(name & vector) for name in builder.device for vector, _ in row.pairs):
            builder.exchange(_lasting(pairs[number:], builder.device, n))
        builder.append(row)
    circuit_rows = [_combine(frame.rows, row) for row in program.frame.rows]
    if in_circuit_order:
        builder.settle([*circuit_rows[n - s :], *circuit_rows[: n - s]])
    last = builder.frame
    return Placement(
        device_bits=s,
        program=replace(
            program,
            num_qubits=n - s,
            rotated=RotatedBits(n - s, program.rotated.leading, 0),
            start=tuple(program.start[bit] for bit in (*builder.start[s:], *builder.start[:s])),
            layers=tuple(builder.layers),
            frame=Frame.identity(n - s),
            flips=0,
        ),
        start_bits=tuple(builder.start),
        device_masks=tuple(builder.device_masks),
        offsets=tuple(builder.offsets),
        exchanges=tuple(builder.exchanges),
        final=replace(
            program,
            layers=(),
            frame=_frame_of_rows([last.functional(row) for row in circuit_rows]),
        ),
    )


def _rows(program: Program) -> tuple[list[_Row], Frame]:
    """The layers on the reference label, and the last frame.

    A layer that rotates more than the leading group becomes several: fewer qubits at once leave
    more functionals free to name the device.
    """
    n = program.num_qubits
    frame = Frame.identity(n)
    rows: list[_Row] = []
    for layer in program.layers:
        frame = Frame.from_columns([_combine(frame.columns, c) for c in layer.label_map])
        bits = range(n - 1, -1, -1) if layer.block is not None else program.rotated.positions
        pairs = tuple((frame.columns[bit], frame.rows[bit]) for bit in bits[: _size(layer)])
        masks = tuple(_combine(frame.rows, mask) for mask, _ in layer.phases)
        step = len(pairs) if layer.block is not None else program.rotated.leading
        rows.append(_Row(replace(layer, rotations=layer.rotations[:step]), pairs[:step], masks))
        for first in range(step, len(pairs), step):
            part = slice(first, first + step)
            rows.append(_Row(Layer((), rotations=layer.rotations[part]), pairs[part], ()))
    return rows, frame


class _Builder:
    """Writes rows on labels whose low bits name the device."""

    def __init__(self, num_bits: int, device_bits: int, first: Sequence[int]) -> None:
        self.start = [*first, *(bit for bit in range(num_bits) if bit not in first)]
        self.frame = _frame_of_rows([1 << bit for bit in self.start])
        self.layers: list[Layer] = []
        self.device_masks: list[tuple[int, ...]] = []
        self.offsets: list[tuple[int, ...]] = []
        self.exchanges: list[bool] = []
        self._s = device_bits

    @property
    def device(self) -> tuple[int, ...]:
        """The functionals of the reference label that name the device."""
        return self.frame.rows[: self._s]

    def append(self, row: _Row) -> None:
        """A layer that rotates qubits none of which the device depends on."""
        layer, pairs = row.layer, row.pairs
        top = range(len(self.frame.rows) - 1, -1, -1)
        following = self.frame.with_bits(top[: len(pairs)], pairs) if pairs else self.frame
        assert following.rows[: self._s] == self.device
        masks = [following.functional(mask) for mask in row.masks]
        self._write(
            following,
            masks,
            Layer(
                label_map=(),
                phases=tuple(
                    (mask >> self._s, angle)
                    for mask, (_, angle) in zip(masks, layer.phases, strict=True)
                ),
                rotations=layer.rotations,
                block=layer.block,
            ),
        )

    def exchange(self, incoming: Sequence[int]) -> None:
        """Lets other functionals name the device."""
        s, n = self._s, len(self.frame.rows)
        fixed = dict(enumerate(self.device)) | {n - s + i: row for i, row in enumerate(incoming)}
        before = _with_rows(self.frame, fixed)
        self._write(before, [], Layer(label_map=()))
        self.exchanges[-1] = True
        rows = list(before.rows)
        rows[:s], rows[n - s :] = rows[n - s :], rows[:s]
        self.frame = _frame_of_rows(rows)

    def settle(self, rows: Sequence[int]) -> None:
        """Ends in the frame with these functionals."""
        wanted = tuple(rows[: self._s])
        if self.device != wanted:
            if len(_independent([*self.device, *wanted])) < 2 * self._s:
                self.exchange(_apart(self.device, wanted, len(rows)))
            self.exchange(wanted)
        self._write(_frame_of_rows(rows), [], Layer(label_map=()))

    def _write(self, following: Frame, masks: Sequence[int], layer: Layer) -> None:
        s = self._s
        columns = following.map_from(self.frame)
        low = (1 << s) - 1
        assert all(column & low == (1 << i if i < s else 0) for i, column in enumerate(columns))
        self.layers.append(replace(layer, label_map=tuple(column >> s for column in columns[s:])))
        self.offsets.append(tuple(column >> s for column in columns[:s]))
        self.device_masks.append(tuple(mask & low for mask in masks))
        self.exchanges.append(False)
        self.frame = following


def _size(layer: Layer) -> int:
    """How many bits a layer rotates, or its block acts on."""
    if layer.block is None:
        return len(layer.rotations)
    return int(layer.block.shape[0]).bit_length() - 1


def _first_device_bits(pairs: Sequence[Pairs], num_bits: int, count: int) -> list[int]:
    """The bits of the start that are rotated last."""

    def first_use(bit: int) -> int:
        used = (i for i, own in enumerate(pairs) if any(vector >> bit & 1 for vector, _ in own))
        return next(used, len(pairs))

    return sorted(range(num_bits), key=first_use, reverse=True)[:count]


def _lasting(pairs: Sequence[Pairs], device: Sequence[int], num_bits: int) -> list[int]:
    """Functionals, independent of the device's, that the most layers to come leave alone."""
    count = len(device)
    free = [1 << bit for bit in range(num_bits)]
    chosen: list[int] = []
    for own in pairs:
        for vector, _ in own:
            free = _annihilating(free, vector)
        found = _independent([*device, *free])[count:]
        if len(found) < count:
            break
        chosen = found[:count]
    assert chosen
    return chosen


def _annihilating(functionals: Sequence[int], vector: int) -> list[int]:
    """A basis of the part of a span that is zero on a vector."""
    odd = [f for f in functionals if parity(f & vector)]
    return [f for f in functionals if not parity(f & vector)] + [f ^ odd[0] for f in odd[1:]]


def _apart(first: Sequence[int], second: Sequence[int], num_bits: int) -> list[int]:
    """As many functionals as each of two sets has, independent of either."""
    chosen: list[int] = []
    while len(chosen) < len(first):
        # Neither span is all there is, so neither do they cover all together.
        size = len(first) + len(chosen)
        chosen.append(
            next(
                f
                for f in _candidates(num_bits)
                if len(_independent([*first, *chosen, f])) > size
                and len(_independent([*second, *chosen, f])) > size
            )
        )
    return chosen


def _candidates(num_bits: int) -> Iterable[int]:
    """Units, then sums of two: some is outside any two subspaces that do not hold all."""
    units = [1 << bit for bit in range(num_bits)]
    yield from units
    yield from (a | b for i, a in enumerate(units) for b in units[:i])


def _independent(masks: Iterable[int]) -> list[int]:
    """Those masks that are no sum of earlier ones."""
    by_top: dict[int, int] = {}
    kept = []
    for mask in masks:
        rest = mask
        while rest and rest.bit_length() in by_top:
            rest ^= by_top[rest.bit_length()]
        if rest:
            by_top[rest.bit_length()] = rest
            kept.append(mask)
    return kept


def _with_rows(frame: Frame, fixed: dict[int, int]) -> Frame:
    """The nearest frame with the given functionals at the given bits."""
    n = len(frame.rows)
    kept = set(_independent([*fixed.values(), *frame.rows])[len(fixed) :])
    chosen = [fixed.get(i, row if row in kept else None) for i, row in enumerate(frame.rows)]
    spare = [row for row in frame.rows if row in kept and row not in chosen]
    rows = [spare.pop(0) if row is None else row for row in chosen]
    assert len(_independent(rows)) == n
    return _frame_of_rows(rows)


def _frame_of_rows(rows: Sequence[int]) -> Frame:
    dual = Frame.from_columns(rows)  # rows and columns determine each other alike
    return Frame(dual.columns, dual.rows)


def _combine(basis: Sequence[int], mask: int) -> int:
    total = 0
    for bit, value in enumerate(basis):
        if mask >> bit & 1:
            total ^= value
    return total
