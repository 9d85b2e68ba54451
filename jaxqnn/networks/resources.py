"""What a network will need, known before it runs."""

from __future__ import annotations

from dataclasses import dataclass

from jaxqnn.batches import peak_bytes, split
from jaxqnn.evaluator import Evaluator


@dataclass(frozen=True)
class Resources:
    """The cost of one backward pass.

    Attributes:
        num_qubits: Qubits that are simulated; idle ones are not.
        num_layers: Layers of the program: passes over the state.
        num_parameters: Inputs and weights.
        batch_size: Samples asked for.
        piece_size: Samples computed at once; larger batches are split.
        state_bytes: Bytes of one sample's state.
        peak_bytes: Bytes at the peak, over all pieces computed at once.
    """

    num_qubits: int
    num_layers: int
    num_parameters: int
    batch_size: int
    piece_size: int
    state_bytes: int
    peak_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.num_qubits} qubits, {self.num_layers} layers, {self.num_parameters} "
            f"parameters; batch of {self.batch_size} in pieces of {self.piece_size}; "
            f"{_readable(self.state_bytes)} a state, {_readable(self.peak_bytes)} at the peak"
        )


def estimate(evaluator: Evaluator, batch_size: int) -> Resources:
    """The resources of one backward pass; nothing large is allocated for it."""
    program = evaluator.model.program
    pieces = split(
        batch_size,
        num_qubits=program.num_qubits,
        num_states=1 + evaluator.num_outputs,
        itemsize=evaluator.itemsize,
        device=evaluator.device,
    )
    state = 2 * evaluator.itemsize << program.num_qubits
    return Resources(
        num_qubits=program.num_qubits,
        num_layers=len(program.layers),
        num_parameters=program.num_inputs + program.num_weights,
        batch_size=batch_size,
        piece_size=pieces[0].size,
        state_bytes=state,
        peak_bytes=peak_bytes(
            pieces, state_bytes=state, num_outputs=evaluator.num_outputs, device=evaluator.device
        ),
    )


def _readable(size: int) -> str:
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
    power = min(max(size.bit_length() - 1, 0) // 10, len(units) - 1)
    return f"{size / 1024**power:.4g} {units[power]}"
