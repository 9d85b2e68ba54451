"""Measurements of the compiled sweeps' states.

States are (G, 1 + m, rows, 2, 8): G groups of eight lanes, see ``layers.py``; index 0 is the state,
the others its m bras, or its tangents.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jaxqnn.engine.measurement import Measurement
from jaxqnn.measure.outcomes import Amplitudes, Diagonal, Distribution, PauliSums
from jaxqnn.native.polynomials import Floats


class Outcomes(Protocol):
    """What the sweeps need of a measurement of 2^n labels."""

    def outputs(self, states: Floats, batch: int) -> Floats:
        """The outputs (B, m)."""

    def write_bras(self, states: Floats) -> None:
        """Writes the gradient of output o by the state to [:, 1 + o]."""

    def pull(self, states: Floats, cotangent: Floats) -> None:
        """Writes the cotangent of the state to [:, 1], from one (B, m) of the outputs."""

    def tangents(self, states: Floats, batch: int) -> Floats:
        """The outputs' derivatives (B, m, T) along the tangents at [:, 1:]."""


def outcomes_of(measurement: Measurement, num_qubits: int) -> Outcomes:
    """The measurement for the compiled sweeps, of those that ``can_run`` knows."""
    if isinstance(measurement, Diagonal):
        return _Weighted(np.asarray(measurement.weights, float))
    if isinstance(measurement, Distribution):
        return _Single(np.asarray(measurement.label), 1 << num_qubits)
    if isinstance(measurement, PauliSums):
        return _Strings(measurement, 1 << num_qubits)
    if isinstance(measurement, Amplitudes):
        return _Amplitudes(np.asarray(measurement.label), 1 << num_qubits)
    raise TypeError(f"The compiled sweeps have no {type(measurement).__name__}.")


def _by_label(rows: Floats, size: int) -> NDArray[Any]:
    """(G, ..., rows, 8) -> (B, ..., 2^n), where lanes are samples, and where they are labels."""
    lanes = np.swapaxes(rows, -1, -2)
    if lanes.shape[-1] != size:
        return lanes.reshape(*lanes.shape[:-2], size)
    moved = np.moveaxis(lanes, -2, 1)
    return moved.reshape(-1, *moved.shape[2:])


def _by_row(labels: NDArray[Any], states: Floats) -> NDArray[Any]:
    """(B, 2^n) -> (G, rows, 8), zeros for the lanes that no sample has."""
    groups, _, rows, _, lanes = states.shape
    missing = groups * lanes * rows - labels.size
    if missing:
        padding = np.zeros((missing // labels.shape[1], labels.shape[1]), labels.dtype)
        labels = np.concatenate([labels, padding])
    return np.swapaxes(labels.reshape(groups, lanes, rows), 1, 2)


class _OfProbabilities:
    """Outputs that are linear in the labels' probabilities.

    Attributes:
        size: 2^n.
    """

    size: int

    def outputs(self, states: Floats, batch: int) -> Floats:
        """See ``Outcomes``."""
        state = states[:, 0]
        probabilities = state[:, :, 0] ** 2 + state[:, :, 1] ** 2
        return self._outputs(_by_label(probabilities, self.size)[:batch])

    def pull(self, states: Floats, cotangent: Floats) -> None:
        """See ``Outcomes``."""
        slope = _by_row(2 * self._pull(cotangent), states)
        np.multiply(slope[:, :, None], states[:, 0], out=states[:, 1])

    def tangents(self, states: Floats, batch: int) -> Floats:
        """See ``Outcomes``."""
        state, tangents = states[:, :1], states[:, 1:]
        products = state[..., 0, :] * tangents[..., 0, :]
        products += state[..., 1, :] * tangents[..., 1, :]
        products *= 2
        return np.moveaxis(self._outputs(_by_label(products, self.size)[:batch]), 1, 2)

    def _outputs(self, probabilities: NDArray[Any]) -> Floats:
        """(..., 2^n) -> (..., m)."""
        raise NotImplementedError

    def _pull(self, cotangent: Floats) -> Floats:
        """(B, m) -> (B, 2^n)."""
        raise NotImplementedError


class _Weighted(_OfProbabilities):
    """See ``Diagonal``."""

    def __init__(self, weights: Floats) -> None:
        self.size = weights.shape[1]
        self._weights = weights

    def write_bras(self, states: Floats) -> None:
        """See ``Outcomes``."""
        rows = states.shape[2]
        slope = 2 * np.swapaxes(self._weights.reshape(-1, self.size // rows, rows), 1, 2)
        np.multiply(slope[:, :, None], states[:, :1], out=states[:, 1:])

    def _outputs(self, probabilities: NDArray[Any]) -> Floats:
        return probabilities @ self._weights.T

    def _pull(self, cotangent: Floats) -> Floats:
        return cotangent @ self._weights


class _Single(_OfProbabilities):
    """See ``Distribution``."""

    def __init__(self, label: NDArray[np.integer], size: int) -> None:
        self.size = size
        self._num_outputs = label.size
        self._output = np.flatnonzero(label >= 0)
        self._label = label[self._output]

    def write_bras(self, states: Floats) -> None:
        """See ``Outcomes``."""
        rows = states.shape[2]
        row, lane = self._label % rows, self._label // rows
        states[:, 1:] = 0
        if rows == self.size:
            states[:, 1 + self._output, row] = 2 * states[:, 0, row]
        else:
            states[:, 1 + self._output, row, :, lane] = 2 * states[:, 0, row, :, lane]

    def _outputs(self, probabilities: NDArray[Any]) -> Floats:
        present = np.take(probabilities, self._label, axis=-1)
        if self._output.size == self._num_outputs:
            return present
        found = np.zeros((*probabilities.shape[:-1], self._num_outputs))
        found[..., self._output] = present
        return found

    def _pull(self, cotangent: Floats) -> Floats:
        found = np.zeros((cotangent.shape[0], self.size))
        found[:, self._label] = cotangent[:, self._output]
        return found


class _Amplitudes:
    """See ``Amplitudes``."""

    def __init__(self, label: NDArray[np.integer], size: int) -> None:
        self.size, self._count = size, label.size
        self._output = np.flatnonzero(label >= 0)
        self._label = label[self._output]

    def outputs(self, states: Floats, batch: int) -> Floats:
        """See ``Outcomes``."""
        return self._read(states[:, :1], batch)[:, 0]

    def write_bras(self, states: Floats) -> None:
        """See ``Outcomes``."""
        rows = states.shape[2]
        row, lane = self._label % rows, self._label // rows
        states[:, 1:] = 0
        for part in range(2):
            bra = 1 + part * self._count + self._output
            if rows == self.size:
                states[:, bra, row, part] = 1
            else:
                states[:, bra, row, part, lane] = 1

    def pull(self, states: Floats, cotangent: Floats) -> None:
        """See ``Outcomes``."""
        for part in range(2):
            labels = np.zeros((cotangent.shape[0], self.size))
            labels[:, self._label] = cotangent[:, part * self._count + self._output]
            states[:, 1, :, part] = _by_row(labels, states)

    def tangents(self, states: Floats, batch: int) -> Floats:
        """See ``Outcomes``."""
        return np.moveaxis(self._read(states[:, 1:], batch), 1, 2)

    def _read(self, states: Floats, batch: int) -> Floats:
        """(G, k, rows, 2, 8) -> (B, k, m)."""
        found = np.zeros((batch, states.shape[1], 2, self._count))
        for part in range(2):
            labels = _by_label(states[:, :, :, part], self.size)[:batch]
            found[:, :, part, self._output] = np.take(labels, self._label, axis=-1)
        return found.reshape(batch, states.shape[1], 2 * self._count)


class _Strings:
    """See ``PauliSums``."""

    def __init__(self, sums: PauliSums, size: int) -> None:
        self.size = size
        self._output, self._num_outputs = np.asarray(sums.output), sums.num_outputs
        labels = np.arange(size)
        self._source = labels ^ np.asarray(sums.shift)[:, None].astype(np.int64)
        odd = np.bitwise_count(labels & np.asarray(sums.masks)[:, :, None].astype(np.int64)) & 1
        coefficients = np.asarray(sums.coefficients) @ [1, 1j]
        self._diagonal = np.einsum("ck,ckx->cx", coefficients, 1.0 - 2.0 * odd)

    def outputs(self, states: Floats, batch: int) -> Floats:
        """See ``Outcomes``."""
        psi = self._complex(states[:, :1])[:batch, 0]
        found = np.zeros((batch, self._num_outputs))
        for c, output in enumerate(self._output):
            found[:, output] += np.sum((psi.conj() * self._image(c, psi)).real, axis=1)
        return found

    def write_bras(self, states: Floats) -> None:
        """See ``Outcomes``."""
        psi = self._complex(states[:, :1])[:, 0]
        for output in range(self._num_outputs):
            image = np.zeros_like(psi)
            for c in np.flatnonzero(self._output == output).tolist():
                image += 2 * self._image(c, psi)
            _write(image, states, 1 + output)

    def pull(self, states: Floats, cotangent: Floats) -> None:
        """See ``Outcomes``."""
        psi = self._complex(states[:, :1])[: cotangent.shape[0], 0]
        image = np.zeros_like(psi)
        for c, output in enumerate(self._output):
            image += 2 * cotangent[:, output, None] * self._image(c, psi)
        _write(image, states, 1)

    def tangents(self, states: Floats, batch: int) -> Floats:
        """See ``Outcomes``."""
        every = self._complex(states)[:batch]
        psi, steps = every[:, 0], every[:, 1:]
        found = np.zeros((batch, self._num_outputs, steps.shape[1]))
        for c, output in enumerate(self._output):
            image = self._image(c, psi).conj()[:, None]
            found[:, output] += 2 * np.sum((image * steps).real, axis=2)
        return found

    def _complex(self, states: Floats) -> NDArray[Any]:
        return _by_label(states[:, :, :, 0] + 1j * states[:, :, :, 1], self.size)

    def _image(self, c: int, psi: NDArray[Any]) -> NDArray[Any]:
        """Chunk c applied to states (B, 2^n)."""
        return self._diagonal[c] * psi[:, self._source[c]]


def _write(psi: NDArray[Any], states: Floats, index: int) -> None:
    by_row = _by_row(psi, states)
    states[:, index, :, 0], states[:, index, :, 1] = by_row.real, by_row.imag
