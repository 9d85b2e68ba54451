"""Sweeps compiled by Numba for a processor's vector units, several times faster there than XLA's.

Numba compiles them once for a machine, not for a circuit or a size.  ``can_run`` says of which
circuits they know every step; importing anything else here imports Numba, which takes a while.
"""

from __future__ import annotations

from jaxqnn.measure.outcomes import Amplitudes, Diagonal, Distribution, PauliSums
from jaxqnn.model import Model

__all__ = ["can_run"]

# Measurements are tables on the labels.
_MOST_QUBITS = 20

# Blocks make every sweep one of eight samples, which a single one pays for.
_MOST_QUBITS_WITH_BLOCKS = 12

# Pauli strings are kept as diagonals on the labels; up to this many numbers.
_MOST_ENTRIES = 1 << 22


def can_run(model: Model) -> bool:
    """Whether the compiled sweeps have all that a measured circuit needs."""
    program = model.program
    most = _MOST_QUBITS_WITH_BLOCKS if model.has_blocks else _MOST_QUBITS
    if program.num_qubits > most or program.amplitudes:
        return False
    measurement = model.measurement
    if isinstance(measurement, PauliSums):
        return measurement.shift.size << program.num_qubits <= _MOST_ENTRIES
    return isinstance(measurement, Amplitudes | Diagonal | Distribution)
