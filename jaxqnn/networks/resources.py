"""What a network will need, known before it runs."""

from __future__ import annotations

from dataclasses import dataclass

from jaxqnn.descriptions import table
from jaxqnn.evaluator import Evaluator
from jaxqnn.memory import readable


@dataclass(frozen=True)
class Resources:
    """The cost of one backward pass, on each device if there are several.

    Attributes:
        num_qubits: Qubits that are simulated; idle ones are not.
        num_layers: Layers of the program: passes over the state.
        num_parameters: Inputs and weights.
        batch_size: Samples asked for.
        piece_size: Samples computed at once; larger batches are split.
        state_bytes: Bytes of one sample's state, or a device's part of it.
        peak_bytes: Bytes at the peak, over all pieces computed at once.
        usable_bytes: Bytes that may be used now, see ``jaxqnn.memory_limit``.
    """

    num_qubits: int
    num_layers: int
    num_parameters: int
    batch_size: int
    piece_size: int
    state_bytes: int
    peak_bytes: int
    usable_bytes: int

    @property
    def fits(self) -> bool:
        """Whether it can run."""
        return self.peak_bytes <= self.usable_bytes

    def __str__(self) -> str:
        return (
            f"{self.num_qubits} qubits, {self.num_layers} layers, {self.num_parameters} "
            f"parameters; batch of {self.batch_size} in pieces of {self.piece_size}; "
            f"{readable(self.state_bytes)} a state, {readable(self.peak_bytes)} at the peak, "
            f"{readable(self.usable_bytes)} to use{'' if self.fits else ': too large'}"
        )

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        rows = [
            ("qubits", self.num_qubits),
            ("layers", self.num_layers),
            ("parameters", self.num_parameters),
            ("batch", self.batch_size),
            ("samples at once", self.piece_size),
            ("one state", readable(self.state_bytes)),
            ("at the peak", readable(self.peak_bytes)),
            ("memory to use", readable(self.usable_bytes)),
        ]
        return table("A backward pass" if self.fits else "A backward pass: too large", rows)


def estimate(evaluator: Evaluator, batch_size: int) -> Resources:
    """The resources of one backward pass; nothing large is allocated for it."""
    program = evaluator.model.program
    plan = evaluator.plan(batch_size, ask=True)
    return Resources(
        num_qubits=program.num_qubits,
        num_layers=len(program.layers),
        num_parameters=program.num_inputs + program.num_weights,
        batch_size=batch_size,
        piece_size=plan.pieces[0].size,
        state_bytes=(2 * evaluator.itemsize << program.num_qubits) // evaluator.state_devices,
        peak_bytes=plan.peak_bytes,
        usable_bytes=plan.usable_bytes,
    )
