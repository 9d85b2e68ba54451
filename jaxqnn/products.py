"""Products of small matrices, which other threads must not be woken for."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", bound=np.floating[Any])

# Multiplications that OpenBLAS does on the caller's thread, and those that are worth another one:
# it may take milliseconds until that gets a core, and then it keeps it for a while.
_ALONE, _MANY = 1 << 18, 1 << 24


def product(left: NDArray[_Float], right: NDArray[_Float]) -> NDArray[_Float]:
    """left @ right of real matrices of one type, a small one on this thread alone.

    Args:
        left: (M, K).
        right: (K, N).

    Returns:
        The product, (M, N).

    Example:
        >>> product(np.eye(2), np.ones((2, 3)))
        array([[1., 1., 1.],
               [1., 1., 1.]])
    """
    (count, inner), width = left.shape, right.shape[1]
    if 1 in (count, width):
        return np.asarray(np.einsum("ij,jk->ik", left, right))  # of vectors it wakes them sooner
    rows = _ALONE // max(1, inner * width)
    if rows >= count or rows < 4 or count * inner * width > _MANY:
        return np.asarray(left @ right)
    found = np.empty((count, width), left.dtype)
    for first in range(0, count, rows):
        np.matmul(left[first : first + rows], right, out=found[first : first + rows])
    return found
