"""A job: one of the sweeps over a whole batch, shared out among threads by groups of lanes.

A job is a block of words: what to do, the sizes, and the addresses of what is read and written.
Every thread runs ``work`` on the same block; each claims one group after the other until none is
left.  Arrays are of either precision, all of one: x (E, B, P), w (E, W), states (E, B, 2, 2^n),
directions and cotangents of the columns (E, T, B, P) and (E, T, B, W) (directions of w one for each
of C groups of samples, (E, T, C, W)), of the states (E, T, B, 2, 2^n).
"""

from __future__ import annotations

EVOLVE, PUSH, PULL, CURVE = range(4)

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
    BRA,
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
) = range(28)
SIZE = 28
