"""Fidelities of the states that a feature map prepares, from N states and matrix products."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.evaluator import Evaluator
from jaxqnn.functions import Function, statevector
from jaxqnn.measure.specification import State
from jaxqnn.products import product

Floats = NDArray[np.float64]

# States held at once; one block of rows may exceed it.
_STATE_BYTES = 1 << 28
# Rows of a block: small enough that the lower half of a symmetric matrix is saved, large enough
# for the matrix product to run at full speed.
_BLOCK = 256


class FeatureMap:
    """A feature map as a function of rows of data.

    Args:
        circuit: Prepares the state. Its parameters in their own order are the features,
        training: except these.
    """

    def __init__(self, circuit: QuantumCircuit, training: Sequence[Parameter]) -> None:
        # A copy, because users may change theirs.
        self._circuit, self._training = circuit.copy(), tuple(training)
        features = [p for p in self._circuit.parameters if p not in self._training]
        self._evaluator = Evaluator(self._circuit, State(), features, self._training)
        self.function: Function = statevector(
            self._circuit, input_params=features, weight_params=self._training
        )
        self.block = max(1, min(_BLOCK, _STATE_BYTES // (32 << circuit.num_qubits)))
        self.bytes_of_state = 16 << circuit.num_qubits

    def is_of(self, circuit: QuantumCircuit, training: Sequence[Parameter]) -> bool:
        """Whether a circuit still is the one this was made from."""
        return bool(
            circuit.num_qubits == self._circuit.num_qubits
            and self._training == tuple(training)
            and circuit.data == self._circuit.data
        )

    def states(self, rows: Floats, training: Floats) -> Floats:
        """Real and then imaginary parts of the states, (rows, 2 * 2**num_qubits)."""
        return self._evaluator.value(rows, training).astype(np.float64, copy=False)


class StateCache:
    """States by what was bound to their parameters, as QML's statevector kernels keep them.

    Args:
        size: The most states to keep; None keeps all.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._states: OrderedDict[bytes, Floats] = OrderedDict()

    def clear(self) -> None:
        """Forget all states."""
        self._states.clear()

    def lookup(self, points: Floats, compute: Callable[[NDArray[np.intp]], Floats]) -> Floats:
        """The states of points, of which only those not kept are computed.

        Args:
            points: All numbers bound to the circuit, (points, parameters).
            compute: From the positions of points to their states.
        """
        keys = [point.tobytes() for point in points]
        missing = np.array([k for k, key in enumerate(keys) if key not in self._states], np.intp)
        fresh = dict(zip(missing.tolist(), compute(missing), strict=True)) if missing.size else {}
        found = np.stack(
            [fresh[k] if k in fresh else self._states[key] for k, key in enumerate(keys)]
        )
        for k, key in enumerate(keys):
            self._states[key] = found[k]
            self._states.move_to_end(key)
            while self._size is not None and len(self._states) > self._size:
                self._states.popitem(last=False)
        return found


def fidelities(
    states: Callable[[slice], Floats],
    others: Callable[[slice], Floats] | None,
    shape: tuple[int, int],
    block: int,
) -> Floats:
    """|<x|y>|^2 of every pair of states, (rows, columns).

    Args:
        states: Gives the states of some rows, as ``FeatureMap.states`` does.
        others: Those of the columns; None for the rows' own, and a symmetric matrix, of which the
            blocks below the diagonal are mirrored and the diagonal is one.
        shape: Rows and columns.
        block: How many of either to take at once.
    """
    found = np.empty(shape)
    for start in range(0, shape[0], block):
        rows = slice(start, min(start + block, shape[0]))
        left = states(rows)
        for column in range(start if others is None else 0, shape[1], block):
            columns = slice(column, min(column + block, shape[1]))
            if others is None:
                right = left if column == start else states(columns)
            else:
                right = others(columns)
            found[rows, columns] = _squared_overlaps(left, right)
            if others is None and column != start:
                found[columns, rows] = found[rows, columns].T
        if others is None:
            _make_symmetric(found[rows, rows])
    np.minimum(found, 1, out=found)  # rounding may exceed it; NaN stays
    return found


def _make_symmetric(block: Floats) -> None:
    """Make a block on the diagonal symmetric to the last bit, and its diagonal one, in place."""
    block[...] = (block + block.T) / 2
    diagonal = np.einsum("ii->i", block)
    diagonal[np.isfinite(diagonal)] = 1


def _squared_overlaps(left: Floats, right: Floats) -> Floats:
    """|<x|y>|^2 from real and imaginary parts side by side, by two real matrix products."""
    half = right.shape[1] // 2
    turned = np.concatenate([right[:, half:], -right[:, :half]], axis=1)
    real, imaginary = product(left, right.T), product(left, turned.T)
    real *= real
    imaginary *= imaginary
    real += imaginary
    return real


def fits(points: int, feature_map: FeatureMap) -> bool:
    """Whether the states of so many points may be held at once."""
    return points * feature_map.bytes_of_state <= _STATE_BYTES
