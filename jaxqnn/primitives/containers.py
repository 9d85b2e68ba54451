"""Exact distributions in the containers of QML's sampler, without a dictionary for every row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import SamplerPubResult
from qiskit_machine_learning.primitives.sampler import ExactProbArray, ExactProbNDArray

# QML's `get_counts` looks for the smallest k with p * 2**k an integer to this tolerance.
_DYADIC_TOLERANCE = 1e-12
_DYADIC_MAX = 60


class ProbabilityArray(ExactProbArray):
    """The exact distribution of one register, or of several joined.

    The same numbers and methods as QML's `ExactProbArray`; the outcome vector is shared by all
    registers, and turned into dictionaries only when one is asked for.

    Args:
        vector: Probability of every joint outcome of the circuit's measurements, the first the
            least significant bit, shape (2**measurements,).
        mask: For each bit of the register, least significant first, its place in the outcome; None
            for a bit that is zero.
    """

    __slots__ = ("_vector",)

    def __init__(self, vector: NDArray[np.float64], mask: Iterable[int | None]) -> None:
        mask = list(mask)
        super().__init__({}, mask, len(mask))
        self._vector = vector

    def get_probabilities(self) -> dict[str, float]:
        """Return the probability of each outcome that can occur, by bitstring.

        Returns:
            Bitstrings with the register's last bit first, and their probabilities.
        """
        keys, values = self._marginal()
        return dict(zip(self._labels(keys), values.tolist(), strict=True))

    def get_counts(self, shots: int | None = None) -> dict[str, int]:
        """Return integers in the ratio of the probabilities, as QML's container does.

        Args:
            shots: Their sum, up to rounding; None for the smallest power of two that makes every
                probability an integer to 1e-12.

        Returns:
            Bitstrings with the register's last bit first, and their counts.

        Raises:
            ValueError: No power of two below 2**60 does.
        """
        keys, values = self._marginal()
        power = _dyadic_power(values)
        total = (1 << power) if shots is None else int(shots)
        counts = np.rint(values * float(total)).astype(np.int64).tolist()
        if shots is None and counts and sum(counts) != total:
            # The most likely outcome takes the rounding.
            counts[int(np.argmax(values))] += total - sum(counts)
        return dict(zip(self._labels(keys), counts, strict=True))

    @staticmethod
    def concatenate_bits(items: list[ProbabilityArray]) -> ProbabilityArray:
        """Return the joint distribution of several registers of one result.

        Args:
            items: The registers, the first the least significant.

        Returns:
            The register of all their bits.

        Raises:
            ValueError: There are no items, or they come from different results.
        """
        if not items:
            raise ValueError("No containers to concatenate. Pass registers of one result.")
        vector = items[0]._vector
        if any(item._vector is not vector for item in items):
            raise ValueError(
                "Cannot join distributions of different results: only together do they say how "
                "likely each joint outcome is. Join registers of one result."
            )
        return ProbabilityArray(vector, [place for item in items for place in item._mask])

    def _marginal(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        (outcomes,) = np.nonzero(self._vector)
        keys = np.zeros(len(outcomes), dtype=np.int64)
        for bit, place in enumerate(self._mask):
            if place is not None:
                keys |= ((outcomes >> place) & 1) << bit
        distinct, place_of = np.unique(keys, return_inverse=True)
        values = np.zeros(len(distinct))
        np.add.at(values, place_of, self._vector[outcomes])
        return distinct, values

    def _labels(self, keys: NDArray[np.int64]) -> list[str]:
        width = self._num_bits
        return [format(key, f"0{width}b") if width else "" for key in keys.tolist()]


def _dyadic_power(values: NDArray[np.float64]) -> int:
    """Return the least k with all ``values * 2**k`` integers to QML's tolerance."""
    remaining = values[(values != 0.0) & (values != 1.0)]
    for power in range(_DYADIC_MAX + 1):
        scale = float(1 << power)
        off = np.abs(remaining - np.rint(remaining * scale) / scale)
        remaining = remaining[off > _DYADIC_TOLERANCE]
        if not len(remaining):
            return power
    raise ValueError(
        "The distribution is not dyadic: no power of two turns it into counts. "
        "Use get_probabilities() for the exact values."
    )


class ExactSamplerPubResult(SamplerPubResult):
    """A `SamplerPubResult` whose registers hold exact distributions."""

    def join_data(self, names: Iterable[str] | None = None) -> Any:
        """Return the joint distribution of the named registers.

        Args:
            names: Registers, the first the least significant; None for all that are measured, in
                circuit order, as in QML.

        Returns:
            A container of the same kind as the registers'.

        Raises:
            ValueError: There are no names, or one is not a register.
        """
        known: Mapping[str, Any] = dict(self.data.items())
        chosen = list(self.metadata["names"] if names is None else names)
        if not chosen:
            raise ValueError("names is empty. Name a register, or measure into one.")
        for name in chosen:
            if name not in known:
                raise ValueError(f"name does not exist: {name}. Choose a register: {list(known)}.")
        if self.data.shape == ():
            return ProbabilityArray.concatenate_bits([known[name] for name in chosen])
        joined = np.empty(self.data.shape, dtype=object)
        for index in np.ndindex(self.data.shape):
            joined[index] = ProbabilityArray.concatenate_bits(
                [known[name][index] for name in chosen]
            )
        return ExactProbNDArray(joined)
