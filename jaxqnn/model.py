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
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.batches import Footprint, KernelFootprint, NativeFootprint
from jaxqnn.circuit.expressions import atom_function
from jaxqnn.circuit.parameters import check_parameters
from jaxqnn.engine.measurement import Measurement
from jaxqnn.errors import JaxQNNError
from jaxqnn.measure.specification import Specification
from jaxqnn.memory import readable
from jaxqnn.program.build import CircuitProgram, build
from jaxqnn.program.program import Program
from jaxqnn.program.tables import Tables, column_order
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.cpu.tiling import is_tiled
from jaxqnn.sweep.gpu.calls import whole_bits

# Measurements are checked when the model is made, unless their tables are large.
_TABULATED_AT_ONCE = 20

# A gather's index is a signed integer of 32 bits.
WIDEST_LABEL = 31


class Model:
    """A measured circuit as data for the engine.

    Args:
        circuit: Unitary instructions, measurements, resets and branches.
        specification: What to measure.
        inputs: Parameters that differ from sample to sample.
        weights: Parameters shared by the batch. Together with the inputs, all of the circuit's.

    Raises:
        UnsupportedCircuitError: If an instruction is none of these.
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
        built = build(circuit, inputs, weights, specification.reads)
        self.built: CircuitProgram = replace(
            built, program=specification.finish(circuit, built.program)
        )
        self.circuit, self.specification = circuit, specification
        if self.program.num_qubits <= _TABULATED_AT_ONCE:
            self.measurement  # noqa: B018 - so that a measurement that does not fit fails here

    def __getstate__(self) -> dict[str, Any]:
        # What is derived is made again: tables are large, and closures cannot be pickled.
        derived = ("measurement", "arrays", "atoms")
        return {key: value for key, value in vars(self).items() if key not in derived}

    @cached_property
    def measurement(self) -> Measurement:
        """The measurement as arrays on labels."""
        return self.specification.measurement(self.circuit, self.built)

    @property
    def num_outputs(self) -> int:
        """m, the outputs of one sample, flattened."""
        return math.prod(self.output_shape)

    def native_footprint(self, num_cotangents: int, itemsize: int = 8) -> NativeFootprint:
        """The same as ``footprint`` for the compiled sweeps."""
        n = self.program.num_qubits
        return NativeFootprint(
            num_qubits=n,
            num_cotangents=num_cotangents,
            itemsize=itemsize,
            fixed_bytes=self.specification.measurement_bytes(self.output_shape, n),
            num_angles=self._num_sample_angles,
            has_blocks=self.has_blocks,
            num_layers=len(self.program.layers),
            # More outputs than parameters are derived by forward mode, which knows no stages.
            is_tiled=is_tiled(self.program) and self.num_outputs <= sum(self.arrays.column_counts),
        )

    def kernel_footprint(self, num_cotangents: int, itemsize: int) -> KernelFootprint:
        """The same as ``footprint`` for the CUDA kernels."""
        n = self.program.num_qubits
        return KernelFootprint(
            num_qubits=n,
            num_cotangents=num_cotangents,
            itemsize=itemsize,
            fixed_bytes=self.specification.measurement_bytes(self.output_shape, n),
            num_angles=self._num_sample_angles,
            is_whole=n <= whole_bits(itemsize),
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
    def has_mixed_atoms(self) -> bool:
        """Whether a column of the samples depends on weights."""
        inputs = range(self.num_inputs)
        columns = [set(atom.columns) for atom in self.program.atoms]
        return any(own.intersection(inputs) and own.difference(inputs) for own in columns)

    @cached_property
    def has_blocks(self) -> bool:
        """Whether any layer is a block."""
        return any(layer.block is not None for layer in self.program.layers)

    @property
    def program(self) -> Program:
        """The layer form."""
        return self.built.program

    @cached_property
    def arrays(self) -> ProgramArrays:
        """The program as the sweeps read it."""
        check_width(self.program.num_qubits, self.built.num_added)
        return ProgramArrays(self.program)

    @property
    def tables(self) -> Tables:
        """The program as XLA's sweeps read it."""
        return self.arrays.tables

    @property
    def padded_sizes(self) -> tuple[int, int]:
        """Lengths that inputs and weights have beside the tables."""
        return self.arrays.padded_sizes

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

    def given_amplitudes(
        self, inputs: NDArray[np.floating], weights: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        """What the lowest bits start from, before it is normalised, (B, 2^(m+1))."""
        of_samples, shared = self.columns(jnp.asarray(inputs), jnp.asarray(weights))
        by_sample, by_batch = column_order(self.program)
        columns: dict[int, NDArray[np.floating]] = dict(
            zip(by_sample, np.asarray(of_samples).T, strict=True)
        )
        columns |= {
            c: np.full(len(inputs), value)
            for c, value in zip(by_batch, np.asarray(shared), strict=True)
        }
        with np.errstate(over="ignore", invalid="ignore"):
            found = [
                sum(
                    (
                        inputs.dtype.type(factor) * math.prod(columns[i] for i in monomial)
                        for monomial, factor in angle.terms.items()
                    ),
                    start=np.zeros(len(inputs), inputs.dtype),
                )
                for angle in self.program.amplitudes
            ]
        return np.stack(found, axis=1)

    def columns(self, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The engine's inputs (B, P') and weights (W',): the parameters, then atoms."""
        if self.atoms is not None:
            sample_atoms, shared_atoms = self.atoms(inputs, weights)
            inputs = jnp.concatenate([inputs, sample_atoms], axis=1)
            weights = jnp.concatenate([weights, shared_atoms])
        return inputs, weights

    def member_columns(self, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The columns of an ensemble: of inputs (E, B, P) and weights (E, W)."""
        return (inputs, weights) if self.atoms is None else jax.vmap(self.columns)(inputs, weights)


def check_width(num_qubits: int, num_added: int = 0) -> None:
    """Refuses states that labels cannot count.

    Args:
        num_qubits: Of the state on one device.
        num_added: How many of them are for outcomes of measurements and resets on the way.

    Raises:
        JaxQNNError: If one device would hold more than 2^31 amplitudes.
    """
    if num_qubits > WIDEST_LABEL:
        raise JaxQNNError(
            f"A state of {num_qubits} qubits{of_them(num_added)} on one device takes "
            f"{readable(8 << num_qubits)} in single precision, and the engine counts amplitudes by "
            f'{WIDEST_LABEL} bits. Share the state out: mesh= with an axis "state" of more '
            "devices."
        )


def of_them(num_added: int) -> str:
    """Why there are more qubits than the circuit has, for messages."""
    if not num_added:
        return ""
    return f", {num_added} of them for outcomes of measurements and resets on the way,"
