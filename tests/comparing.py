"""Arrays compared with arrays, and refusals with refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest


def dense(array: Any) -> Any:
    """An array, whether it was sparse or not."""
    return array.todense() if hasattr(array, "todense") else array


def assert_all_close(
    found: Iterable[Any], expected: Iterable[Any], *, atol: float, rtol: float = 1e-7
) -> None:
    """Of arrays, one by one, and of None where there is none."""
    for mine, reference in zip(found, expected, strict=True):
        assert (mine is None) == (reference is None)
        if reference is not None:
            np.testing.assert_allclose(dense(mine), dense(reference), rtol=rtol, atol=atol)


def assert_refused_alike(ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    """Both raise, errors of one kind and in the same words."""
    with pytest.raises((ValueError, IndexError, TypeError)) as expected:
        theirs()
    with pytest.raises(expected.type) as found:
        ours()
    assert str(found.value) == str(expected.value)
