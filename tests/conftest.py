"""What all tests share."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import psutil
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


_ENOUGH = 1 << 30
_MORE = 1 << 27  # what is left after a release may itself be more than enough

_kept = 0


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """A worker lets go of what JAX has compiled and traced whenever it takes more than 1 GiB."""
    yield
    global _kept
    process = psutil.Process()
    if process.memory_info().rss < max(_ENOUGH, _kept + _MORE):
        return
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":
        # glibc keeps freed memory for itself; other C libraries lack the function.
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
    _kept = process.memory_info().rss
