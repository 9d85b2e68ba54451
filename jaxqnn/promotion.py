"""JAX's usual promotion of ranks and dtypes within jaxqnn, whatever the user's settings.

``jax_numpy_rank_promotion="raise"`` and ``jax_numpy_dtype_promotion="strict"`` are for the user's
own code.  Ours is written for JAX's defaults, and says so wherever JAX enters it: in functions, and
in the rules that JAX calls later to differentiate or to map them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax


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
