"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

# The functions' own tests, which hold for users who allow JAX no implicit promotion.
_STRICT = ("test_functions", "test_transforms", "test_export")


@pytest.fixture(autouse=True)
def strict_promotion(request: pytest.FixtureRequest) -> Iterator[None]:
    """JAX raises where ranks or dtypes are promoted, in the functions' tests."""
    if Path(request.node.path).stem not in _STRICT:
        yield
        return
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield
