"""PUBs' observables with all of their terms: Qiskit's container drops those below 1e-8."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.quantum_info import SparseObservable, SparsePauliOp


class AllTerms(ObservablesArray):
    """An `ObservablesArray` that leaves no term out for its size."""

    @classmethod
    def coerce_observable(cls, observable: Any) -> Any:
        """As Qiskit does, of the observable times a power of two, which changes no digit."""
        match observable:
            case SparsePauliOp() | SparseObservable():
                sizes = np.abs(observable.coeffs)
            case Mapping():
                sizes = np.abs([*observable.values()])
            case _:
                return super().coerce_observable(observable)
        # With objects for coefficients, it is Qiskit that says what is wrong.
        if sizes.dtype == object or not np.any(sizes):
            return super().coerce_observable(observable)
        scale = math.ldexp(1.0, min(1000, max(0, -math.frexp(sizes[sizes > 0].min())[1])))
        return _times(super().coerce_observable(_times(observable, scale)), 1 / scale)


def _times(observable: Any, scale: float) -> Any:
    if scale == 1.0:
        return observable
    if isinstance(observable, Mapping):
        return {term: scale * coefficient for term, coefficient in observable.items()}
    return observable * scale
