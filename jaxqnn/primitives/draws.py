"""The random numbers that Qiskit's reference primitives draw, for whole batches at once.

Both primitives make a generator from their seed again and again: the estimator once for each PUB,
the sampler once for each point.  What that means depends on the seed:

* A generator (or a bit generator) is one *stream*: draws follow each other in the order of points.
* An integer, or whatever else seeds a new generator, is *repeated*: each PUB or point gets the same
  draws again.
* None is *fresh* entropy each time: draws are independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jaxqnn.errors import InvalidArgumentError

# Uniform numbers held at once.
_MAX_NUMBERS = 1 << 22

Kind = Literal["fresh", "stream", "repeated"]


def generator(seed: Any) -> tuple[Kind, np.random.Generator]:
    """How a primitive with this seed draws, and the generator it would make now.

    Raises:
        InvalidArgumentError: If NumPy has no generator for the seed.
    """
    if seed is None:
        return "fresh", np.random.default_rng()
    try:
        made = np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"The seed of a primitive must be an integer, a NumPy generator or None, but is "
            f"{seed!r}: {error}."
        ) from error
    streams = np.random.Generator | np.random.BitGenerator | np.random.RandomState
    return "stream" if isinstance(seed, streams) else "repeated", made


def normal_noise(
    shape: tuple[int, ...], precision: float, seed: Any, *, pub_axes: int
) -> NDArray[np.float64]:
    """What `StatevectorEstimator` adds to exact values.

    Args:
        shape: Of the values; its first ``pub_axes`` axes count PUBs, the others points of a PUB.
        precision: The standard deviation.
        seed: The estimator's.
        pub_axes: See ``shape``.

    Raises:
        InvalidArgumentError: If the precision is negative or infinite, or the seed is none.
    """
    check_precision(precision)
    kind, random = generator(seed)
    if precision == 0:
        return np.zeros(shape)  # nothing is drawn
    if kind == "repeated":
        return precision * np.broadcast_to(random.standard_normal(shape[pub_axes:]), shape)
    return precision * random.standard_normal(shape)


def shot_counts(
    distributions: NDArray[np.float64], shots: int, seed: Any
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """How often `StatevectorSampler` sees each outcome, piece by piece in order.

    Args:
        distributions: Probabilities of the outcomes of each point, (points, outcomes).
        shots: Draws for each point.
        seed: The sampler's.

    Yields:
        The points of a piece, and their counts, (points of the piece, outcomes).

    Raises:
        InvalidArgumentError: If shots are not a positive integer, the seed is none, or a
            distribution is not finite.
    """
    cumulative = np.cumsum(distributions, axis=1)
    total = cumulative[:, -1:]
    if not np.all(np.isfinite(total)):
        raise InvalidArgumentError(
            "There are no probabilities to draw shots from: some are not numbers. Remove "
            "NaN and infinity from the inputs and weights."
        )
    cumulative /= total
    for rows, below in _draws_below(cumulative, shots, seed):
        yield rows, np.diff(below, axis=1, prepend=0)


def hits(probabilities: NDArray[np.float64], shots: int, seed: Any) -> NDArray[np.int64]:
    """How often `StatevectorSampler` sees the first outcome, of points with these probabilities.

    The first outcome is drawn whenever a uniform number is below its probability, whatever the
    others are.

    Raises:
        InvalidArgumentError: See ``shot_counts``.
    """
    found = np.empty(len(probabilities), dtype=np.int64)
    for rows, below in _draws_below(probabilities[:, None], shots, seed, last=False):
        found[rows] = below[:, 0]
    return found


def _draws_below(
    bounds: NDArray[np.float64], shots: int, seed: Any, *, last: bool = True
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """How many of each point's uniform draws lie below its bounds, (points, bounds).

    Args:
        bounds: Increasing along the second axis.
        shots: Draws for each point.
        seed: The sampler's.
        last: Whether the last bound is one, so that counts may be drawn directly.
    """
    check_shots(shots)
    kind, random = generator(seed)
    piece = max(1, _MAX_NUMBERS // max(shots, bounds.shape[1]))
    draws = np.sort(random.random(shots)) if kind == "repeated" else None
    for start in range(0, len(bounds), piece):
        rows = slice(start, min(start + piece, len(bounds)))
        some = bounds[rows]
        if kind == "fresh":
            shares = np.diff(some, axis=1, prepend=0)
            if last:
                yield rows, np.cumsum(random.multinomial(shots, _shares(shares)), axis=1)
            else:
                yield rows, random.binomial(shots, np.clip(some, 0, 1))
        elif draws is not None:
            yield rows, np.searchsorted(draws, some)
        else:
            uniform = random.random((len(some), shots))
            if some.shape[1] == 1:
                yield rows, np.count_nonzero(uniform < some, axis=1)[:, None]
                continue
            uniform.sort(axis=1)
            pairs = zip(uniform, some, strict=True)
            yield rows, np.stack([np.searchsorted(drawn, bound) for drawn, bound in pairs])


def _shares(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities as `multinomial` takes them: not below zero, their sum not above one."""
    shares = np.maximum(shares, 0)
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)


def check_shots(shots: Any) -> None:
    """Raise if a sampler's shots are not a positive integer."""
    if not isinstance(shots, Integral) or isinstance(shots, bool) or int(shots) <= 0:
        raise InvalidArgumentError(
            f"The shots of a sampler must be a positive integer, but are {shots!r}. Make the "
            "sampler with shots, or leave it out for exact probabilities."
        )


def check_precision(precision: Any) -> None:
    """Raise if an estimator's precision is not a finite number from zero on."""
    if not isinstance(precision, Real) or not 0 <= float(precision) < np.inf:
        raise InvalidArgumentError(
            f"The precision of an estimator must be a finite number and not negative, but is "
            f"{precision!r}. Zero is exact."
        )
