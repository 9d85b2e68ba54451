"""The layer form: what a circuit is once it has been lowered.

With amplitudes psi[x] over n-bit labels x, a program starts from a product of real qubit states
(or from given amplitudes) and applies its layers in order.  A layer does, in order:

1. ``label_map``: psi'[x] = psi[A x], A linear over GF(2), its columns as masks;
2. ``phases``: psi'[x] = exp(-i/2 sum_k angle_k (-1)^parity(mask_k & x)) psi[x] (a mask of 0 turns
   all labels alike);
3. ``rotations``: RY(angle) on the program's rotated bits, in their order, or a constant ``block``
   (a unitary on the leading bits).

At the end, ``frame`` tells which circuit label y an amplitude belongs to: y = F x xor flips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jaxqnn.circuit.angles import Angle, Atom
from jaxqnn.program.frames import Frame


@dataclass(frozen=True, eq=False)
class Layer:
    """One row of the program; see the module's text for what it does."""

    label_map: tuple[int, ...]
    phases: tuple[tuple[int, Angle], ...] = ()
    rotations: tuple[Angle, ...] = ()
    block: NDArray[np.complexfloating] | None = None


@dataclass(frozen=True)
class RotatedBits:
    """The bits of a label that layers rotate: two groups, each one real matrix in the engine.

    Attributes:
        num_bits: n, of the whole label.
        leading: Size of the group of the most significant bits, at least one.
        trailing: Size of the group of the least significant bits.
    """

    num_bits: int
    leading: int
    trailing: int

    @property
    def positions(self) -> tuple[int, ...]:
        """The bits in the order of a layer's rotations: each group's most significant first."""
        top = range(self.num_bits - 1, self.num_bits - 1 - self.leading, -1)
        return (*top, *range(self.trailing - 1, -1, -1))


@dataclass(frozen=True, eq=False)
class Program:
    """A circuit in layer form.

    Attributes:
        num_qubits: n, the bits of a label.
        num_inputs: Columns [0, num_inputs) of the angles vary from sample to sample.
        num_weights: The next columns are shared by the batch.
        atoms: Columns after those: expressions that are no polynomial.
        rotated: The bits that layers rotate; a block may be wider than the leading group.
        start: One angle a qubit: the start is the product of RY(angle)|0>.
        layers: The rows.
        frame: The circuit's bits as functionals of the final label.
        flips: The constant part of the circuit label.
        global_phase: In radians.
        amplitudes: If not empty, the lowest bits start from these amplitudes instead: the real
            parts, then the imaginary parts, up to their norm.
    """

    num_qubits: int
    num_inputs: int
    num_weights: int
    rotated: RotatedBits
    start: tuple[Angle, ...]
    layers: tuple[Layer, ...]
    frame: Frame
    flips: int
    global_phase: Angle
    atoms: tuple[Atom, ...] = ()
    amplitudes: tuple[Angle, ...] = ()

    @property
    def given_bits(self) -> int:
        """How many of the lowest bits start from given amplitudes."""
        return (len(self.amplitudes) // 2).bit_length() - 1 if self.amplitudes else 0

    @property
    def sample_columns(self) -> frozenset[int]:
        """The columns whose values differ from sample to sample."""
        inputs = frozenset(range(self.num_inputs))
        first_atom = self.num_inputs + self.num_weights
        return inputs | {
            first_atom + i
            for i, atom in enumerate(self.atoms)
            if not inputs.isdisjoint(atom.columns)
        }

    def is_per_sample(self, angle: Angle) -> bool:
        """Whether an angle differs from sample to sample."""
        return angle.depends_on(self.sample_columns)

    def __str__(self) -> str:
        lines = [
            f"program on {self.num_qubits} qubits: {self.num_inputs} inputs, "
            f"{self.num_weights} weights, {len(self.layers)} layers of up to "
            f"{len(self.rotated.positions)} rotations"
        ]
        lines += [
            f"  start  RY({angle}) on bit {bit}"
            for bit, angle in enumerate(self.start)
            if not angle.is_zero
        ]
        if self.amplitudes:
            lines.append(f"  start  {len(self.amplitudes) // 2} amplitudes of the lowest bits")
        for number, layer in enumerate(self.layers):
            lines.append(f"layer {number}")
            if any(column != 1 << bit for bit, column in enumerate(layer.label_map)):
                lines.append(
                    "  map    " + " ".join(_bits(column) for column in reversed(layer.label_map))
                )
            lines += [f"  phase  {_bits(mask)}: {angle}" for mask, angle in layer.phases]
            lines += [
                f"  rotate bit {bit}: {angle}"
                for bit, angle in zip(self.rotated.positions, layer.rotations, strict=False)
                if not angle.is_zero
            ]
            if layer.block is not None:
                lines.append(f"  block  unitary on the {_log2(layer.block)} leading bits")
        lines.append(
            "labels  "
            + ", ".join(
                f"q{qubit}={'not ' if self.flips >> qubit & 1 else ''}{_bits(row)}"
                for qubit, row in enumerate(self.frame.rows)
            )
        )
        return "\n".join(lines)


def check(program: Program) -> None:
    """Asserts that a program is legal: every mask in range, every map invertible, blocks unitary.

    Lowering and every pass must leave a legal program; the tests call this on all they make.
    """
    size = 1 << program.num_qubits
    columns = program.num_inputs + program.num_weights + len(program.atoms)
    assert program.rotated.num_bits == program.num_qubits
    assert 0 < program.rotated.leading <= program.num_qubits - program.rotated.trailing
    assert len(program.start) == program.num_qubits
    assert 0 <= program.flips < size
    assert all(angle.is_zero for angle in program.start[: program.given_bits])
    assert len(program.amplitudes) in (0, 2 << program.given_bits)
    assert program.given_bits <= program.num_qubits
    angles = [*program.start, *program.amplitudes, program.global_phase]
    for layer in program.layers:
        assert len(layer.label_map) == program.num_qubits
        assert all(0 < column < size for column in layer.label_map)
        assert _independent(layer.label_map)
        assert all(0 <= mask < size for mask, _ in layer.phases)
        assert len(layer.rotations) <= len(program.rotated.positions)
        assert not any(program.is_per_sample(angle) for angle in layer.rotations)
        if layer.block is not None:
            assert not layer.rotations
            dimension = layer.block.shape[0]
            assert _log2(layer.block) <= program.num_qubits
            assert np.allclose(layer.block.conj().T @ layer.block, np.eye(dimension), atol=1e-8)
        angles += [angle for _, angle in layer.phases]
        angles += layer.rotations
    assert all(0 <= index < columns for angle in angles for index in angle.columns)


def _independent(columns: tuple[int, ...]) -> bool:
    basis: list[int] = []
    for column in columns:
        for pivot in basis:
            column = min(column, column ^ pivot)
        if not column:
            return False
        basis.append(column)
    return True


def _log2(matrix: NDArray[np.complexfloating]) -> int:
    return int(matrix.shape[0]).bit_length() - 1


def _bits(mask: int) -> str:
    return "+".join(f"x{i}" for i in range(mask.bit_length()) if mask >> i & 1) or "0"
