"""What a launch must know, as the words of the attribute that XLA hands to ``launch``."""

from __future__ import annotations

# Which kernel, the first stage and how many, blocks, threads of a block, bytes of shared memory,
# bytes of the kets that are kept between stages, how many of these are written in turn (two where
# several bras share a ket), and the last nine words of ``Job`` in ``sweep.cu``.
HEAD = 8
KERNEL, FIRST, STAGES, BLOCKS, THREADS, SHARED_BYTES, KET_BYTES, TURNS = range(HEAD)
JOB_TAIL = 9

# The kernels in the order of ``KERNEL``: forward and back, for each precision.
KERNELS = ("forward_single", "forward_double", "back_single", "back_double")
FIRST_BACK = 2
