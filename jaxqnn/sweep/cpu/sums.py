"""A request to apply sums of Pauli strings to a state: a block of words, see ``strings``."""

from __future__ import annotations

# Rows whose images are added up at once, as bits: they stay in the first-level cache.
BLOCK_BITS = 5

# The words of a request.
(
    STATE,
    OUT,  # (m, ..) as far apart as STRIDE says, or 0
    VALUES,  # (m, 8) what is asked for if OUT is 0
    STRIDE,
    SINGLE,
    QUBITS,
    GROUPS,
    FIRST,  # (G + 1,) the first string of each group
    MASKS,
    COEFFICIENTS,  # (S, 2)
    SHIFTS,  # (G,)
    OUTPUTS,  # (G,)
    FACTORS,  # (G,)
    SIGNS,  # (8, 8) (-1)^parity(i & lane)
    BEGIN,  # of the blocks
    END,
) = range(16)
SIZE = 16
