"""From a model and a mesh to what each device runs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray

from jaxqnn.errors import InvalidArgumentError
from jaxqnn.measure.observables import as_sums, strings
from jaxqnn.measure.outcomes import Classes, Diagonal, Distribution
from jaxqnn.measure.specification import Expectation, Probabilities, State
from jaxqnn.model import Model, check_width
from jaxqnn.program.build import CircuitProgram
from jaxqnn.program.frames import Frame
from jaxqnn.sharding.engine import STATE
from jaxqnn.sharding.measured import BATCH, Data, SplitStates, WholeStates
from jaxqnn.sharding.outcomes import (
    SplitAmplitudes,
    SplitMeasurement,
    SplitProbabilities,
    split_classes,
    split_flips,
    split_paulis,
)
from jaxqnn.sharding.placement import place
from jaxqnn.sharding.tables import tabulate_split


def mesh_data(model: Model, mesh: Mesh) -> Data:
    """A model's arrays for a mesh.

    Args:
        model: Circuit and measurement.
        mesh: With an axis "batch", an axis "state", or both.

    Returns:
        ``SplitStates`` if the mesh has more than one device along "state", else ``WholeStates``.

    Raises:
        InvalidArgumentError: If the mesh has neither axis, or the states cannot be split so.
    """
    size = check_mesh(mesh)
    if size == 1:
        return WholeStates(model.arrays, model.measurement)
    bits = size.bit_length() - 1
    check_width(model.program.num_qubits - bits)
    in_order = _in_circuit_order(model)
    built = _in_qubit_order(model.built) if in_order else model.built
    placement = place(built.program, bits, in_circuit_order=in_order)
    built = replace(built, program=placement.final)
    measurement = _measurement(model, built, bits, in_order)
    return SplitStates(tabulate_split(placement), measurement, model.padded_sizes)


def check_mesh(mesh: Mesh) -> int:
    """The size of the mesh's "state" axis, 1 if there is none.

    Raises:
        InvalidArgumentError: If this is no mesh, has neither axis, or the size is no power of two.
    """
    if not isinstance(mesh, Mesh):
        raise InvalidArgumentError(
            f"mesh must be a jax.sharding.Mesh, but is a {type(mesh).__name__}."
        )
    if not {BATCH, STATE} & set(mesh.axis_names):
        raise InvalidArgumentError(
            f'The mesh has the axes {tuple(mesh.axis_names)}, but neither "batch" (samples) nor '
            '"state" (amplitudes). Name one of its axes so.'
        )
    size = int(mesh.shape.get(STATE, 1))
    if size & (size - 1):
        raise InvalidArgumentError(
            f'The mesh axis "state" has {size} devices, but amplitudes are shared out over a power '
            "of two. Make the axis shorter."
        )
    return size


def _in_circuit_order(model: Model) -> bool:
    """Whether the outputs are the amplitudes or their squares, one for one."""
    specification, width = model.specification, model.built.width
    if sorted(model.built.qubits) != list(range(width)):
        return False
    if isinstance(specification, State):
        return True
    return (
        isinstance(specification, Probabilities)
        and specification.interpret is None
        and math.prod(model.output_shape) == 1 << width
        and specification.sources(model.circuit, model.built) == tuple(range(width))
    )


def _in_qubit_order(built: CircuitProgram) -> CircuitProgram:
    """The same, its bits in the order of the qubits: those with given amplitudes come first."""
    order = [int(i) for i in np.argsort(built.qubits)]
    frame, flips = built.program.frame, built.program.flips
    program = replace(
        built.program,
        frame=Frame(tuple(frame.rows[i] for i in order), tuple(frame.columns[i] for i in order)),
        flips=sum((flips >> i & 1) << bit for bit, i in enumerate(order)),
    )
    return replace(built, program=program, qubits=tuple(sorted(built.qubits)))


def _measurement(
    model: Model, built: CircuitProgram, bits: int, in_order: bool
) -> SplitMeasurement:
    specification = model.specification
    if in_order:
        flips = split_flips(built.program, bits)
        if isinstance(specification, State):
            return SplitAmplitudes(*flips)
        return SplitProbabilities(*flips)
    if isinstance(specification, Expectation):
        sums = as_sums(specification.observables, built.width)
        return split_paulis(strings(built, sums), bits)
    if isinstance(specification, State):
        raise InvalidArgumentError(
            "The circuit has qubits that nothing acts on, and its state is to be shared out over "
            'the mesh axis "state". Remove them from the circuit.'
        )
    found = specification.measurement(model.circuit, built)
    labels = np.arange(1 << built.program.num_qubits)
    match found:
        case Classes():
            index = found.of_label
        case Distribution():
            index = np.empty(labels.shape, np.int32)
            given: NDArray[np.int32] = np.asarray(found.label, np.int32)
            used = np.flatnonzero(given >= 0)
            index[given[used]] = used
        case Diagonal():
            index = np.argmax(found.weights, axis=0)
        case _:
            raise AssertionError(type(found))
    return split_classes(index, found.num_outputs, bits)
