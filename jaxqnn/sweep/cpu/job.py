"""A job: one of the sweeps over a whole batch, shared out among threads by groups of lanes.

A job is a block of words: what to do, the sizes, and the addresses of what is read and written.
Every thread runs ``work`` on the same block; each claims one group after the other until none is
left.  Arrays are of either precision, all of one: x (E, B, P), w (E, W), states (E, B, 2, 2^n),
directions and cotangents of the columns (E, T, B, P) and (E, T, B, W) (directions of w one for each
of C groups of samples, (E, T, C, W)), of the states (E, T, B, 2, 2^n).

VALUE and JACOBIAN are of T diagonal outputs, sum_x weights[t, x] |psi[x]|^2: an EVOLVE that is
measured, and one whose states are pulled back at once; their weights are (T, 2^n), the outputs
(E, B, T).  Large states are kept, so of them a Jacobian is two jobs: its second is a PULL whose
bras are made of the weights.

MEANS and IMAGE are of m sums of Pauli strings, see ``strings``: of kets (B, 2, 2^n), which repeat
for a multiple of bras (.., 2, 2^n) or of weights (.., m) of the sums.
"""

from __future__ import annotations

EVOLVE, PUSH, PULL, CURVE, VALUE, JACOBIAN, MEANS, IMAGE = range(8)

# Directions, or bras, that a sweep carries beside the state at once.
TOGETHER = 8

# Into so many parts at most a stage's tiles are shared out.
CHUNKS = 64

# Rows whose images by strings are added up at once, as bits: they stay in the first-level cache.
BLOCK_BITS = 5

# The words of a job. GROUP, DONE and THREADS are counted up by the threads.
(
    GROUP,
    DONE,
    THREADS,
    HOLDERS,
    OPERATION,
    IS_SINGLE,
    BY_LABEL,
    GROUPS,
    MEMBERS,  # E
    BATCH,  # B
    DIRECTIONS,  # T
    BRAS,  # 1 or T: bras of ``CURVE``
    CLASSES,  # C
    PROGRAM,
    X,
    W,
    STATE,
    BRA,  # or 0 if there are weights
    WEIGHTS,
    ALONG_X,
    ALONG_W,
    OUT,
    OUT_X,
    OUT_W,
    ROOM,
    ROOM_BYTES,
    WORKERS,
    TILED,  # whether states are swept in stages, see ``tiling``
    SHARED_BYTES,  # before the threads' rooms
    # Of sums of Pauli strings, whose DIRECTIONS are m.
    QUBITS,
    NUM_CHUNKS,
    WIDTH,  # strings of a chunk
    PARTS,  # of a state, each with means (.., PARTS, m) of its own
    WRT_INPUTS,  # whether cotangents of x are wanted; they are zeros else
) = range(34)
SIZE = 34

# What they are of, in the places of the sweeps' operands; their PROGRAM are signs (8, 8).
MASKS, COEFFICIENTS, SHIFTS, OUTPUTS, COUNTS, FIRST, KET = range(X, X + 7)
