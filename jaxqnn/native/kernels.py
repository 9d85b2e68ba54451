"""Values, Jacobians and VJPs of a measured program by the compiled sweeps.

What ``jaxqnn.engine.kernels`` is for XLA, on NumPy's arrays of float64 and on one thread.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxqnn.batches import LANES, lanes_are_labels
from jaxqnn.model import Model
from jaxqnn.native import sweeps
from jaxqnn.native.data import ROW, Values
from jaxqnn.native.lowered import Lowered
from jaxqnn.native.outcomes import outcomes_of
from jaxqnn.native.polynomials import Floats


class Kernels:
    """The compiled sweeps of one measured circuit; see ``jaxqnn.native.can_run``.

    Inputs are (B, P) and weights (W,): parameters, then the atoms of each kind, without padding.
    """

    def __init__(self, model: Model) -> None:
        self._program, self._has_blocks = model.program, model.has_blocks
        self._outcomes = outcomes_of(model.measurement, model.program.num_qubits)
        self._num_outputs = model.measurement.num_outputs
        self._lowered: dict[bool, Lowered] = {}

    def value(self, inputs: Floats, weights: Floats) -> Floats:
        """The outputs, (B, m)."""
        lowered = self._lowered_for(inputs)
        states = _states(lowered, inputs, 0)
        sweeps.evolve(lowered.steps, lowered.values(inputs, weights), states)
        return self._outcomes.outputs(_rows(states), inputs.shape[0])

    def jacobian(self, inputs: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """Derivatives of each sample's outputs by inputs (B, m, P) and weights (B, m, W)."""
        num_inputs = inputs.shape[1]
        if self._num_outputs > num_inputs + weights.size:
            return self._by_tangents(inputs, weights)
        lowered = self._lowered_for(inputs)
        states = _states(lowered, inputs, self._num_outputs)
        values = lowered.values(inputs, weights)
        sweeps.evolve(lowered.steps, values, states)
        self._outcomes.write_bras(_rows(states))
        return _undone(lowered, inputs, weights, values, states)

    def linearized(
        self, inputs: Floats, weights: Floats
    ) -> tuple[Floats, Callable[[Floats], tuple[Floats, Floats]]]:
        """Outputs (B, m), and a function from their cotangent to those of the parameters.

        The function takes (B, m), any number of times, and returns (B, P) and (W,); it keeps the
        final states.
        """
        lowered = self._lowered_for(inputs)
        values = lowered.values(inputs, weights)
        states = _states(lowered, inputs, 0)
        sweeps.evolve(lowered.steps, values, states)

        def pull(cotangent: Floats) -> tuple[Floats, Floats]:
            both = _states(lowered, inputs, 1)
            both[:, 0] = states[:, 0]
            self._outcomes.pull(_rows(both), cotangent)
            of_inputs, of_weights = _undone(lowered, inputs, weights, values, both)
            return of_inputs[:, 0], of_weights[:, 0].sum(axis=0)

        return self._outcomes.outputs(_rows(states), inputs.shape[0]), pull

    def _by_tangents(self, inputs: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """The Jacobian, by forward mode along every input and weight."""
        num_inputs, count = inputs.shape[1], inputs.shape[1] + weights.size
        unit = np.eye(count)
        lowered = self._lowered_for(inputs)
        states = _states(lowered, inputs, count)
        values = lowered.values(inputs, weights)
        slopes = lowered.slopes(inputs, weights, unit[:, :num_inputs], unit[:, num_inputs:])
        sweeps.push(lowered.steps, values, slopes, states)
        found = self._outcomes.tangents(_rows(states), inputs.shape[0])
        return found[..., :num_inputs], found[..., num_inputs:]

    def _lowered_for(self, inputs: Floats) -> Lowered:
        batch = inputs.shape[0]
        by_label = lanes_are_labels(self._program.num_qubits, batch, has_blocks=self._has_blocks)
        if by_label not in self._lowered:
            self._lowered[by_label] = Lowered(self._program, by_label=by_label)
        return self._lowered[by_label]


def _states(lowered: Lowered, inputs: Floats, besides: int) -> Floats:
    """Room for the states and what is swept beside them: (G, 1 + besides, ROW rows)."""
    size = ROW << lowered.steps.row_bits
    return np.empty((lowered.groups(inputs.shape[0]), 1 + besides, size))


def _rows(states: Floats) -> Floats:
    """(G, 1 + m, ROW rows) -> (G, 1 + m, rows, 2, 8)."""
    return states.reshape(*states.shape[:2], states.shape[2] // ROW, 2, LANES)


def _undone(
    lowered: Lowered, inputs: Floats, weights: Floats, values: Values, states: Floats
) -> tuple[Floats, Floats]:
    """Cotangents of inputs (B, m, P) and weights (B, m, W) from states with their bras."""
    return lowered.pull(inputs, weights, *angle_cotangents(lowered, values, states))


def angle_cotangents(lowered: Lowered, values: Values, states: Floats) -> tuple[Floats, Floats]:
    """Runs the reverse sweep: cotangents of the shared angles and of the samples', see ``pull``."""
    shape = (states.shape[1] - 1, states.shape[0] * LANES)
    # Not every angle is written: what lay there before would leave its rounding in the others.
    of_shared = np.zeros((lowered.num_shared, *shape))
    of_sample = np.zeros((lowered.num_sample, *shape))
    sweeps.undo(
        lowered.steps,
        values,
        states,
        of_shared[: lowered.num_rotations].reshape(-1),
        of_shared[lowered.num_rotations :].reshape(-1),
        of_sample[: lowered.num_phases].reshape(-1),
        of_sample[lowered.num_phases :].reshape(-1),
    )
    return of_shared, of_sample
