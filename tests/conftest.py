"""What all tests share."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import emulated_gpu as emulated_gpu_module
import jax
import psutil
import pytest

# Most programs run once here, and are compiled longer than they run. Read when JAX first computes.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

# The functions' own tests, which hold for users who allow JAX no implicit promotion.
_STRICT = ("test_functions", "test_transforms", "test_export", "test_measured_bits")


@pytest.fixture(autouse=True)
def strict_promotion(request: pytest.FixtureRequest) -> Iterator[None]:
    """JAX raises where ranks or dtypes are promoted, in the functions' tests."""
    if Path(request.node.path).stem not in _STRICT:
        yield
        return
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="session")
def kernels_as_cpp(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The CUDA kernels' sources, compiled for this CPU."""
    if emulated_gpu_module.compiler() is None:
        pytest.skip("needs a C++ compiler")
    return emulated_gpu_module.compiled(tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def emulated_gpu(kernels_as_cpp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a test, a CPU runs what a GPU does."""
    emulated_gpu_module.install(kernels_as_cpp, monkeypatch)


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
