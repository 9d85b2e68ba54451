"""Quantities made of the state and its derivatives: overlaps ⟨ψ|O|∂ψ⟩ and ⟨∂ψ|∂ψ⟩."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import Operator

from jaxqnn.measure import State
from jaxqnn.measure.observables import as_sums
from jaxqnn.primitives.requests import Requests
from jaxqnn.primitives.rows import CircuitGroup, RowEvaluator

# Numbers of a state Jacobian held at once; a single point may exceed it.
_MAX_NUMBERS = 1 << 24


def state_jacobians(
    group: CircuitGroup, rows: NDArray[np.float64], columns: Sequence[int]
) -> Iterator[tuple[NDArray[np.complex128], NDArray[np.complex128]]]:
    """Yield (states, Jacobians) of the rows, piece by piece in order.

    Shapes (piece, 2**qubits) and (piece, 2**qubits, len(columns)).
    """
    evaluator = group.evaluator("state", lambda: RowEvaluator(group.circuit, State()))
    numbers = len(columns) << group.circuit.num_qubits
    piece = max(1, _MAX_NUMBERS // max(1, numbers))
    for start in range(0, len(rows), piece):
        some = rows[start : start + piece]
        yield _complex(evaluator.value(some)), _complex(evaluator.jacobian(some, columns))


def _complex(parts: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Join the real and then imaginary parts that a `State` is along axis 1."""
    real, imaginary = np.split(parts, 2, axis=1)
    return real + 1j * imaginary


def state_overlaps(requests: Requests, columns: Sequence[int]) -> NDArray[np.complex128]:
    """Return ⟨ψ|O|∂_jψ⟩ of every request, shape (requests, len(columns))."""

    def block(rows: NDArray[np.float64], observables: list[Any]) -> NDArray[np.complex128]:
        # The daggers, because ⟨ψ|O is what multiplies the derivatives.
        daggers = [_matrix(observable).conj().T for observable in observables]
        pieces = []
        for states, jacobians in state_jacobians(requests.group, rows, columns):
            bras = np.stack([(dagger @ states.T).T.conj() for dagger in daggers], axis=1)
            pieces.append(bras @ jacobians)
        return np.concatenate(pieces)

    return requests.answer(block)


def geometric_tensors(
    group: CircuitGroup,
    rows: NDArray[np.float64],
    columns: Sequence[int],
    phase_fix: bool,
) -> NDArray[np.complex128]:
    """Return ⟨∂_iψ|∂_jψ⟩ [- ⟨∂_iψ|ψ⟩⟨ψ|∂_jψ⟩] of every row, shape (rows, columns, columns)."""
    pieces = []
    for states, jacobians in state_jacobians(group, rows, columns):
        daggers = jacobians.conj().swapaxes(1, 2)
        tensors = daggers @ jacobians
        if phase_fix:
            overlaps = daggers @ states[..., None]
            tensors -= overlaps @ overlaps.conj().swapaxes(1, 2)
        pieces.append(tensors)
    return np.concatenate(pieces)


def _matrix(observable: Any) -> Any:
    if isinstance(observable, Operator):
        return observable.data
    (found,) = as_sums(observable, observable.num_qubits)
    return found.to_matrix(sparse=True)
