"""JAX's usual promotion of ranks and dtypes within jaxqnn, whatever the user's settings.

``jax_numpy_rank_promotion="raise"`` and ``jax_numpy_dtype_promotion="strict"`` are for the user's
own code.  Ours is written for JAX's defaults, and says so wherever JAX enters it: in functions, and
in the rules that JAX calls later to differentiate or to map them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np


@contextmanager
def usual_promotion() -> Iterator[None]:
    """JAX's defaults within a ``with`` block, or within a function that this decorates.

    Example:
        >>> import jax.numpy as jnp
        >>> with jax.numpy_rank_promotion("raise"), usual_promotion():
        ...     (jnp.ones((2, 3)) + jnp.ones(3)).shape
        (2, 3)
    """
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def in_this_mode(arrays: Any) -> Any:
    """Arrays, or containers of them, in the dtypes that JAX's 32-bit mode has, or its 64-bit one's.

    JAX remembers an array that a traced function closes over as what it was in the mode that saw it
    first, so no array of one mode may meet the other.

    Example:
        >>> import numpy as np
        >>> with jax.enable_x64(False):
        ...     in_this_mode(np.zeros(2)).dtype
        dtype('float32')
    """

    def here(leaf: Any) -> np.ndarray:
        return np.array(leaf, jax.dtypes.canonicalize_dtype(np.asarray(leaf).dtype))

    return jax.tree.map(here, arrays)
