"""What a launch must know, as the words of the attribute that XLA hands to ``launch``."""

from __future__ import annotations

# Which kernel, the first stage and how many, blocks, threads of a block, bytes of shared memory,
# bytes of the kets that are kept between stages, how many of these are written in turn (two where
# several bras share a ket), and the last nine words of ``Job`` in ``sweep.cu``.
HEAD = 8
KERNEL, FIRST, STAGES, BLOCKS, THREADS, SHARED_BYTES, KET_BYTES, TURNS = range(HEAD)
JOB_TAIL = 9

# The kernels in the order of ``KERNEL``, each for two precisions.
KERNELS = (
    "forward_single",
    "forward_double",
    "back_single",
    "back_double",
    "means_single",
    "means_double",
    "images_single",
    "images_double",
)
FIRST_BACK = 2
FIRST_OF_SUMS = 4

# The words for a kernel of ``sums.cu``: which, blocks, threads of a block, and the last five of
# ``Sums``.
SUMS_HEAD = 3
SUMS_TAIL = 5

# Bytes of shared memory that such a block has: a sum for each warp.
SUMS_BYTES = 256
