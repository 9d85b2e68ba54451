"""What every error of the catalogue must be: of its class, with its place and a remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

# What a remedy begins with.
REMEDY = re.compile(
    r"\b(add|bind|build|choose|decompose|define|derive|enlarge|export|give|install|join|leave|make|"
    r"measure|move|must|name|pass|prepare|remove|replace|save|scale|share|split|transpile|unroll|"
    r"use|verify|known are|remedy|instead)\b",
    re.IGNORECASE,
)

# What raises it, its class, and the words that name the place.
Entry = tuple[Callable[[], Any], type[Exception], tuple[str, ...]]


def assert_raises(
    trigger: Callable[[], Any], kind: type[Exception], place: tuple[str, ...]
) -> None:
    with pytest.raises(kind) as raised:
        trigger()
    message = getattr(raised.value, "message", None) or str(raised.value)
    for word in place:
        assert word in message
    assert REMEDY.search(message), message
