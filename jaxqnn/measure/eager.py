"""Measurements in NumPy, for calls that must not wait for a compiler.

States are (B, 2, 2^n), several of each sample (T, B, 2, 2^n), in either precision.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jaxqnn.engine.measurement import Measurement
from jaxqnn.measure.outcomes import Amplitudes, Diagonal, Distribution, PauliSums
from jaxqnn.measure.strings import ManyStrings
from jaxqnn.products import product
from jaxqnn.sweep.cpu.layout import LANE_BITS

Floats = NDArray[np.floating[Any]]

# Few Pauli strings are kept as diagonals on the labels, up to this many numbers.
_MOST_ENTRIES = 1 << 14


class Outcomes(Protocol):
    """What eager calls need of a measurement."""

    def outputs(self, state: Floats) -> Floats:
        """The outputs (B, m)."""

    def bras(self, state: Floats) -> Floats:
        """The gradient of each output by the state, (m, B, 2, 2^n)."""

    def pull(self, state: Floats, cotangent: Floats) -> Floats:
        """The state's cotangent (1, B, 2, 2^n) from one (B, m) of the outputs."""

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """The outputs' derivatives (B, m, T) along tangents (T, B, 2, 2^n)."""


def knows(measurement: Measurement) -> bool:
    """Whether a measurement is one of those here."""
    return isinstance(measurement, Amplitudes | Diagonal | Distribution | PauliSums)


def outcomes_of(measurement: Measurement, num_qubits: int) -> Outcomes:
    """A measurement that ``knows`` says is here, in NumPy."""
    if isinstance(measurement, Diagonal):
        return _Weighted(np.asarray(measurement.weights, float))
    if isinstance(measurement, Distribution):
        return _Single(np.asarray(measurement.label), 1 << num_qubits)
    if isinstance(measurement, Amplitudes):
        return _Amplitudes(np.asarray(measurement.label), 1 << num_qubits)
    assert isinstance(measurement, PauliSums)
    if num_qubits >= LANE_BITS and measurement.shift.size << num_qubits > _MOST_ENTRIES:
        return ManyStrings(measurement)
    return _Strings(measurement, 1 << num_qubits)


def _probabilities(state: Floats) -> Floats:
    found = state[..., 0, :] * state[..., 0, :]
    found += state[..., 1, :] * state[..., 1, :]
    return found


class _OfProbabilities:
    """Outputs that are linear in the labels' probabilities."""

    def outputs(self, state: Floats) -> Floats:
        """See ``Outcomes``."""
        return self._outputs(_probabilities(state))

    def pull(self, state: Floats, cotangent: Floats) -> Floats:
        """See ``Outcomes``."""
        slope = 2 * self._pull(cotangent)
        return (slope[:, None] * state)[None]

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """See ``Outcomes``."""
        products = state[:, 0] * tangents[..., 0, :]
        products += state[:, 1] * tangents[..., 1, :]
        products *= 2
        return np.moveaxis(self._outputs(products), 0, 2)

    def _outputs(self, probabilities: Floats) -> Floats:
        """(..., 2^n) -> (..., m)."""
        raise NotImplementedError

    def _pull(self, cotangent: Floats) -> Floats:
        """(B, m) -> (B, 2^n)."""
        raise NotImplementedError


class _Weighted(_OfProbabilities):
    """See ``Diagonal``."""

    def __init__(self, weights: Floats) -> None:
        self._of: dict[np.dtype[Any], Floats] = {
            np.dtype(np.float32): weights.astype(np.float32),
            np.dtype(np.float64): weights.astype(np.float64),
        }

    def bras(self, state: Floats) -> Floats:
        """See ``Outcomes``."""
        return 2 * self._of[state.dtype][:, None, None] * state

    def _outputs(self, probabilities: Floats) -> Floats:
        weights = self._of[probabilities.dtype]
        found = product(probabilities.reshape(-1, weights.shape[1]), weights.T)
        return found.reshape(*probabilities.shape[:-1], -1)

    def _pull(self, cotangent: Floats) -> Floats:
        return product(cotangent, self._of[cotangent.dtype])


class _Single(_OfProbabilities):
    """See ``Distribution``."""

    def __init__(self, label: NDArray[np.integer], size: int) -> None:
        self._size, self._num_outputs = size, label.size
        self._output = np.flatnonzero(label >= 0)
        self._label = label[self._output]

    def bras(self, state: Floats) -> Floats:
        """See ``Outcomes``."""
        found = np.zeros((self._num_outputs, *state.shape), state.dtype)
        found[self._output, :, :, self._label] = 2 * np.moveaxis(state[..., self._label], -1, 0)
        return found

    def _outputs(self, probabilities: Floats) -> Floats:
        present = np.take(probabilities, self._label, axis=-1)
        if self._output.size == self._num_outputs:
            return present
        found = np.zeros((*probabilities.shape[:-1], self._num_outputs), probabilities.dtype)
        found[..., self._output] = present
        return found

    def _pull(self, cotangent: Floats) -> Floats:
        found = np.zeros((cotangent.shape[0], self._size), cotangent.dtype)
        found[:, self._label] = cotangent[:, self._output]
        return found


class _Amplitudes:
    """See ``Amplitudes``."""

    def __init__(self, label: NDArray[np.integer], size: int) -> None:
        self._size, self._count = size, label.size
        self._output = np.flatnonzero(label >= 0)
        self._label = label[self._output]

    def outputs(self, state: Floats) -> Floats:
        """See ``Outcomes``."""
        return self._read(state)

    def bras(self, state: Floats) -> Floats:
        """See ``Outcomes``."""
        found = np.zeros((2 * self._count, *state.shape), state.dtype)
        for part in range(2):
            found[part * self._count + self._output, :, part, self._label] = 1
        return found

    def pull(self, state: Floats, cotangent: Floats) -> Floats:
        """See ``Outcomes``."""
        found = np.zeros((1, *state.shape), state.dtype)
        apart = cotangent.reshape(-1, 2, self._count)
        found[0][..., self._label] = apart[..., self._output]
        return found

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """See ``Outcomes``."""
        return np.moveaxis(self._read(tangents), 0, 2)

    def _read(self, states: Floats) -> Floats:
        """(..., 2, 2^n) -> (..., m)."""
        found = np.zeros((*states.shape[:-1], self._count), states.dtype)
        found[..., self._output] = np.take(states, self._label, axis=-1)
        return found.reshape(*states.shape[:-2], 2 * self._count)


class _Strings:
    """See ``PauliSums``."""

    def __init__(self, sums: PauliSums, size: int) -> None:
        self._sums, self._size = sums, size
        self._output, self._num_outputs = np.asarray(sums.output), sums.num_outputs

    @cached_property
    def _images(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Where each chunk takes its amplitudes from, and their factors: (C, 2^n) each."""
        labels = np.arange(self._size)
        source = labels ^ np.asarray(self._sums.shift)[:, None].astype(np.int64)
        masks = np.asarray(self._sums.masks)[:, :, None].astype(np.int64)
        odd = np.bitwise_count(labels & masks) & 1
        coefficients = np.asarray(self._sums.coefficients) @ [1, 1j]
        return source, np.einsum("ck,ckx->cx", coefficients, 1.0 - 2.0 * odd)

    def outputs(self, state: Floats) -> Floats:
        """See ``Outcomes``."""
        psi = _complex(state)
        found = np.zeros((psi.shape[0], self._num_outputs), state.dtype)
        for c, output in enumerate(self._output):
            found[:, output] += np.sum((psi.conj() * self._image(c, psi)).real, axis=1)
        return found

    def bras(self, state: Floats) -> Floats:
        """See ``Outcomes``."""
        psi = _complex(state)
        found = np.empty((self._num_outputs, *state.shape), state.dtype)
        for output in range(self._num_outputs):
            image = np.zeros_like(psi)
            for c in np.flatnonzero(self._output == output).tolist():
                image += 2 * self._image(c, psi)
            _write(image, found[output])
        return found

    def pull(self, state: Floats, cotangent: Floats) -> Floats:
        """See ``Outcomes``."""
        psi = _complex(state)
        image = np.zeros_like(psi)
        for c, output in enumerate(self._output):
            image += 2 * cotangent[:, output, None] * self._image(c, psi)
        found = np.empty((1, *state.shape), state.dtype)
        _write(image, found[0])
        return found

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """See ``Outcomes``."""
        psi, steps = _complex(state), _complex(tangents)
        found = np.zeros((psi.shape[0], self._num_outputs, steps.shape[0]), state.dtype)
        for c, output in enumerate(self._output):
            image = self._image(c, psi).conj()
            found[:, output] += 2 * np.sum((image * steps).real, axis=2).T
        return found

    def _image(self, c: int, psi: NDArray[Any]) -> NDArray[Any]:
        """Chunk c applied to states (B, 2^n)."""
        source, diagonal = self._images
        return diagonal[c] * psi[:, source[c]]


def _complex(states: Floats) -> NDArray[Any]:
    return np.asarray(states[..., 0, :] + 1j * states[..., 1, :], complex)


def _write(psi: NDArray[Any], states: Floats) -> None:
    states[:, 0], states[:, 1] = psi.real, psi.imag
