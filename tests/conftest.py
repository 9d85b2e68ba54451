"""What every test gets."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True)
def x64_mode_is_left_as_found() -> Iterator[None]:
    """Undoes a change of JAX's global precision, which peers of the benchmarks make."""
    before = jax.config.read("jax_enable_x64")
    yield
    jax.config.update("jax_enable_x64", before)
