"""Plain arguments, checked at the front door: whole and real numbers, shapes, seeds, options."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from jaxqnn.errors import InvalidArgumentError


def as_count(name: str, value: Any, least: int) -> int:
    """Returns a whole number.

    Raises:
        InvalidArgumentError: If it is none, or below ``least``.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InvalidArgumentError(
            f"{name} must be a whole number of at least {least}, but is {value!r}."
        )
    return int(value)


def as_size(name: str, value: Any) -> float:
    """Returns a finite number that is not negative.

    Raises:
        InvalidArgumentError: If it is none.
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < math.inf:
        raise InvalidArgumentError(
            f"{name} must be a finite number, zero or more, but is {value!r}."
        )
    return float(value)


def as_shape(name: str, value: Any) -> tuple[int, ...]:
    """Returns the shape of an array with at least one entry; a whole number is of one axis.

    Raises:
        InvalidArgumentError: If it is none.
    """
    sizes = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    whole = all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes)
    if not (whole and len(sizes) and all(size > 0 for size in sizes)):
        raise InvalidArgumentError(
            f"{name} must be a positive whole number, or a tuple of them, but is {value!r}."
        )
    return tuple(int(size) for size in sizes)


def check_seed(seed: Any) -> None:
    """Checks what NumPy makes a generator of.

    Raises:
        InvalidArgumentError: If it cannot.
    """
    try:
        np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise InvalidArgumentError(
            f"seed must be None, a whole number of at least zero or a numpy.random.Generator, but "
            f"is {seed!r}."
        ) from None


def check_options(options: Any) -> None:
    """Checks default options of a gradient.

    Raises:
        InvalidArgumentError: If they are no mapping.
    """
    if options is not None and not isinstance(options, Mapping):
        raise InvalidArgumentError(
            f"options must be qiskit.providers.Options or a dictionary, but is {options!r}."
        )
