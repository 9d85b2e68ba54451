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
"""

from __future__ import annotations

EVOLVE, PUSH, PULL, CURVE, VALUE, JACOBIAN = range(6)

# Directions, or bras, that a sweep carries beside the state at once.
TOGETHER = 8

# Into so many parts at most a stage's tiles are shared out.
CHUNKS = 64

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
) = range(29)
SIZE = 29
