"""How the compiled sweeps hold a state: rows of eight lanes."""

from __future__ import annotations

# How many numbers one instruction works on, and how many bits count them.
LANES = 8
LANE_BITS = 3

# Numbers in a row of a state: eight real parts, eight imaginary parts.
ROW = 2 * LANES

# States of so many qubits are swept tile by tile, see ``tiling``.
TILED_QUBITS = 14


def lanes_are_labels(num_qubits: int, samples: int) -> bool:
    """Whether the lanes are labels of one sample, else they are samples.

    Few samples leave lanes empty, and eight large states side by side leave the processor's cache.
    """
    return num_qubits >= 6 and (samples <= LANES // 2 or num_qubits >= 16)
