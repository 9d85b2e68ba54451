"""Classes of outcomes, counted from the shots that an ideal sampler would have drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Probabilities
from jaxqnn.networks.simulable import active_qubits, measured_qubits, without_measurements
from jaxqnn.primitives.draws import shot_counts
from jaxqnn.primitives.ideal import Shots

Floats = NDArray[np.float64]

# Probabilities held at once.
_MAX_NUMBERS = 1 << 23


class Counter:
    """The share of shots in each class, at every point of a circuit.

    A sampler draws joint outcomes of all measured qubits in the order of their index, whatever
    classical bits they go to.  Which share of a distribution a random number hits depends on that
    order, so it is kept; qubits that nothing acts on are always zero, and are left out.

    Args:
        circuit: With its measurements.
        clbits: The classical bits that make up the integer that classes are of, the least
            significant first; those that nothing is measured into are zero.
        specification: Maps these integers to classes.
        shape: Of the classes.
        input_params: Parameters that differ from point to point.
        weight_params: Parameters shared by all points.
        evaluator: Options of the `Evaluator`.

    Raises:
        UnsupportedCircuitError: If something acts on a qubit after its measurement.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        clbits: Sequence[int],
        specification: Probabilities,
        shape: tuple[int, ...],
        input_params: Sequence[Parameter],
        weight_params: Sequence[Parameter] = (),
        **evaluator: Any,
    ) -> None:
        active = active_qubits(circuit)
        reads = measured_qubits(circuit)
        qubits = tuple(sorted(active.intersection(reads.values())))
        bare = without_measurements(circuit)
        self._evaluator: Evaluator | None = None
        if qubits:
            self._evaluator = Evaluator(
                bare, Probabilities(bits=qubits), input_params, weight_params, **evaluator
            )
        outcomes = np.arange(1 << len(qubits))
        integers: NDArray[Any] = np.zeros(
            len(outcomes), np.int64 if len(clbits) < 63 else np.object_
        )
        for bit, clbit in enumerate(clbits):
            qubit = reads.get(clbit)
            if qubit in qubits:
                value = outcomes >> qubits.index(qubit) & 1
                integers = integers | value.astype(integers.dtype) << bit
        classes = specification._classes(integers, shape)
        self._num_classes = int(np.prod(shape))
        self._order = np.argsort(classes, kind="stable")
        self._classes, self._starts = np.unique(classes[self._order], return_index=True)

    def shares(self, inputs: Floats, weights: Floats, shots: Shots) -> Floats:
        """The share of each class in the shots of every point, (points, classes).

        Args:
            inputs: (points, input parameters).
            weights: (weight parameters,).
            shots: The sampler's.
        """
        shares = np.zeros((len(inputs), self._num_classes))
        piece = max(1, _MAX_NUMBERS // len(self._order))
        for start in range(0, len(inputs), piece):
            some = shares[start : start + piece]
            distributions: NDArray[Any] = np.ones((len(some), 1))
            if self._evaluator is not None:
                distributions = self._evaluator.value(inputs[start : start + piece], weights)
            for rows, counts in shot_counts(distributions.astype(float, copy=False), *shots):
                by_class = np.add.reduceat(counts[:, self._order], self._starts, axis=1)
                some[rows, self._classes] = by_class / shots.shots
        return shares
