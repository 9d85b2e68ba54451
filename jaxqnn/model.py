"""A circuit and what is measured on it, lowered to the engine's arrays once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.batches import Footprint, NativeFootprint
from jaxqnn.circuit.expressions import atom_function
from jaxqnn.circuit.parameters import check_parameters
from jaxqnn.engine.measurement import Measurement
from jaxqnn.errors import JaxQNNError
from jaxqnn.measure.specification import Specification
from jaxqnn.memory import readable
from jaxqnn.program.build import CircuitProgram, build
from jaxqnn.program.program import Program
from jaxqnn.program.tables import (
    Tables,
    column_order,
    padded_inputs,
    padded_weights,
    tabulate,
)

# Measurements are checked when the model is made, unless their tables are large.
_TABULATED_AT_ONCE = 20

# A gather's index is a signed integer of 32 bits.
_WIDEST_LABEL = 31


class Model:
    """A measured circuit as data for the engine.

    Args:
        circuit: Unitary instructions, perhaps with measurements at the end.
        specification: What to measure.
        inputs: Parameters that differ from sample to sample.
        weights: Parameters shared by the batch. Together with the inputs, all of the circuit's.

    Raises:
        UnsupportedCircuitError: If the circuit is not unitary.
        JaxQNNError: If parameters are repeated, foreign or left over, or the specification does not
            fit the circuit.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        specification: Specification,
        inputs: Sequence[Parameter],
        weights: Sequence[Parameter],
    ) -> None:
        check_parameters(circuit, inputs, weights)
        self.num_inputs, self.num_weights = len(inputs), len(weights)
        self.output_shape = specification.output_shape(circuit)
        built = build(circuit, inputs, weights)
        self.built: CircuitProgram = replace(
            built, program=specification.finish(circuit, built.program)
        )
        self.circuit, self.specification = circuit, specification
        if self.program.num_qubits <= _TABULATED_AT_ONCE:
            self.measurement  # noqa: B018 - so that a measurement that does not fit fails here

    def __getstate__(self) -> dict[str, Any]:
        # What is derived is made again: tables are large, and closures cannot be pickled.
        derived = ("measurement", "tables", "padded_sizes", "atoms")
        return {key: value for key, value in vars(self).items() if key not in derived}

    @cached_property
    def measurement(self) -> Measurement:
        """The measurement as arrays on labels."""
        return self.specification.measurement(self.circuit, self.built)

    @property
    def num_outputs(self) -> int:
        """m, the outputs of one sample, flattened."""
        return math.prod(self.output_shape)

    def native_footprint(self, num_cotangents: int) -> NativeFootprint:
        """The same as ``footprint`` for the compiled sweeps."""
        n = self.program.num_qubits
        return NativeFootprint(
            num_qubits=n,
            num_cotangents=num_cotangents,
            itemsize=8,
            fixed_bytes=self.specification.measurement_bytes(self.output_shape, n),
            num_angles=self._num_sample_angles,
            has_blocks=self.has_blocks,
            num_layers=len(self.program.layers),
        )

    def footprint(self, num_cotangents: int, itemsize: int, devices: int = 1) -> Footprint:
        """What a sweep by XLA keeps in memory, whether or not any of it has been made.

        Args:
            num_cotangents: See ``Footprint``.
            itemsize: See ``Footprint``.
            devices: Among how many each state is shared out.
        """
        n = self.program.num_qubits
        fixed = self.specification.measurement_bytes(self.output_shape, n) // devices
        angles = 0
        # Beside the states of more qubits than these, the program is nothing.
        if n <= _TABULATED_AT_ONCE:
            tables = self.tables
            fixed += self._table_bytes
            entries = sum(1 << 2 * size for size in tables.group_sizes)
            fixed += 2 * itemsize * tables.map_high.shape[0] * entries
            angles = tables.sample_masks.size + n + self.padded_sizes[0]
        return Footprint(
            num_qubits=n - (devices.bit_length() - 1),
            num_cotangents=num_cotangents,
            itemsize=itemsize,
            fixed_bytes=fixed,
            num_angles=angles,
            num_given=len(self.program.amplitudes),
            has_blocks=self.has_blocks,
            is_split=devices > 1,
        )

    # Every call asks for these, and a small circuit's call is short.
    @cached_property
    def _table_bytes(self) -> int:
        return sum(int(np.asarray(leaf).nbytes) for leaf in jax.tree.leaves(self.tables))

    @cached_property
    def _num_sample_angles(self) -> int:
        program = self.program
        phases = [angle for layer in program.layers for _, angle in layer.phases]
        return program.num_qubits + sum(program.is_per_sample(angle) for angle in phases)

    @cached_property
    def has_blocks(self) -> bool:
        """Whether any layer is a block."""
        return any(layer.block is not None for layer in self.program.layers)

    @property
    def program(self) -> Program:
        """The layer form."""
        return self.built.program

    @cached_property
    def tables(self) -> Tables:
        """The program as arrays."""
        check_width(self.program.num_qubits)
        return tabulate(self.program)

    @cached_property
    def padded_sizes(self) -> tuple[int, int]:
        """Lengths the engine's inputs and weights have."""
        return padded_inputs(self.program), padded_weights(self.program)

    @cached_property
    def atoms(self) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]] | None:
        """(inputs (B, P), weights (W,)) -> atoms of the samples (B, S) and of the batch (H,).

        None for the usual circuit, whose angles are all polynomials.
        """
        if not self.program.atoms:
            return None
        columns = self.num_inputs + self.num_weights
        by_sample, shared = column_order(self.program)
        sample_atoms = [self.program.atoms[c - columns] for c in by_sample[self.num_inputs :]]
        shared_atoms = [self.program.atoms[c - columns] for c in shared[self.num_weights :]]

        def evaluate(inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
            batch = inputs.shape[0]
            every = jnp.concatenate(
                [inputs, jnp.broadcast_to(weights, (batch, weights.shape[0]))], axis=1
            )
            alone = jnp.concatenate([jnp.zeros((self.num_inputs,), weights.dtype), weights])
            return (
                atom_function(sample_atoms)(every) if sample_atoms else inputs[:, :0],
                atom_function(shared_atoms)(alone) if shared_atoms else weights[:0],
            )

        return evaluate

    def columns(self, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The engine's inputs (B, P') and weights (W',): the parameters, then atoms."""
        if self.atoms is not None:
            sample_atoms, shared_atoms = self.atoms(inputs, weights)
            inputs = jnp.concatenate([inputs, sample_atoms], axis=1)
            weights = jnp.concatenate([weights, shared_atoms])
        return inputs, weights

    def padded_columns(self, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The same in the lengths of the tables."""
        inputs, weights = self.columns(inputs, weights)
        num_inputs, num_weights = self.padded_sizes
        return (
            jnp.pad(inputs, ((0, 0), (0, num_inputs - inputs.shape[1]))),
            jnp.pad(weights, (0, num_weights - weights.shape[0])),
        )

    def ensemble_columns(
        self, inputs: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """The same for an ensemble: inputs (E, B, P) or (1, B, P), weights (E, W)."""
        if self.atoms is not None:
            return jax.vmap(self.padded_columns)(inputs, weights)
        num_inputs, num_weights = self.padded_sizes
        return (
            jnp.pad(inputs, ((0, 0), (0, 0), (0, num_inputs - inputs.shape[2]))),
            jnp.pad(weights, ((0, 0), (0, num_weights - weights.shape[1]))),
        )


def check_width(num_qubits: int) -> None:
    """Refuses states that labels cannot count.

    Raises:
        JaxQNNError: If one device would hold more than 2^31 amplitudes.
    """
    if num_qubits > _WIDEST_LABEL:
        raise JaxQNNError(
            f"A state of {num_qubits} qubits on one device takes {readable(8 << num_qubits)} in "
            f"single precision, and the engine counts amplitudes by {_WIDEST_LABEL} bits. Share "
            'the state out: mesh= with an axis "state" of more devices.'
        )
