"""`jaxqnn check`: parity of any circuit with Qiskit's `Statevector`."""

import os
from dataclasses import dataclass

import jax
import numpy as np
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import Pauli, Statevector

from jaxqnn import expectation, statevector
from jaxqnn.branches import measures_on_the_way
from jaxqnn.cli.output import size
from jaxqnn.errors import JaxQNNError
from jaxqnn.reference import (
    RANGES,
    FloatArray,
    Reference,
    bind,
    central_difference,
    has_values,
    mean,
    without_measurements,
)
from jaxqnn.report import largest

_STATES = 8

GRADIENT_TOLERANCE = 1e-7
"""Central differences are good to about 1e-9; see `jaxqnn.reference`."""


@dataclass(frozen=True)
class CircuitCheck:
    """Largest distances of one circuit from Qiskit, over a few random parameter values.

    A circuit that measures on the way has no one state, so no error of it.
    """

    name: str
    num_qubits: int
    num_parameters: int
    points: int
    state_error: float | None
    expectation_error: float
    gradient_error: float | None
    gradient_parameters: tuple[str, ...]
    passed: bool


def check_circuit(
    circuit: QuantumCircuit, *, points: int, gradients: int, seed: int, atol: float
) -> CircuitCheck:
    """Compare state, <Z...Z> and its gradient with Qiskit's, in double precision.

    Args:
        circuit: Any circuit jaxqnn can run.
        points: Number of random parameter values; one if the circuit has no parameters.
        gradients: How many parameters to check the gradient by, at the first point.
        seed: Seed of the parameter values and of the choice of parameters.
        atol: Tolerance of state and expectation; the gradient's is at least 1e-7.
    """
    _check_memory(circuit)
    rng = np.random.default_rng(seed)
    values = _draw(circuit, points if circuit.parameters else 1, rng)
    reference = _z_reference(circuit)
    has_state = reference.read_branches is None
    with jax.enable_x64(True):
        states = np.asarray(statevector(circuit)(values)) if has_state else None
        product = expectation(circuit)
        means = np.asarray(product(values))[:, 0]
        slopes = np.asarray(jax.jacrev(lambda point: product(point)[0])(values[0]))

    mean_errors = [abs(value - reference(row)[0]) for row, value in zip(values, means, strict=True)]
    state_errors = []
    if states is not None:
        for row, state in zip(values, states, strict=True):
            exact = Statevector(bind(reference.circuit, reference.parameters, row))
            state_errors.append(np.abs(state - exact.data))

    count = min(gradients, circuit.num_parameters)
    chosen = sorted(rng.permutation(circuit.num_parameters)[:count].tolist())
    slope_errors = []
    for index in chosen:
        slope, uncertainty = central_difference(reference, values[0], index)
        slope_errors.append(np.maximum(0.0, abs(slopes[index] - slope[0]) - uncertainty[0]))
    slope_error = largest(slope_errors) if chosen else None

    state_error = largest(state_errors) if has_state else None
    mean_error = largest(mean_errors)
    state_passed = state_error is None or state_error <= atol
    slope_passed = slope_error is None or slope_error <= max(atol, GRADIENT_TOLERANCE)
    return CircuitCheck(
        name=circuit.name,
        num_qubits=circuit.num_qubits,
        num_parameters=circuit.num_parameters,
        points=len(values),
        state_error=state_error,
        expectation_error=mean_error,
        gradient_error=slope_error,
        gradient_parameters=tuple(circuit.parameters[index].name for index in chosen),
        passed=state_passed and mean_error <= atol and slope_passed,
    )


def _check_memory(circuit: QuantumCircuit) -> None:
    """Refuse what Qiskit's dense state, some copies of it and ours cannot fit in."""
    needed = _STATES * 16 * 2**circuit.num_qubits
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > physical:
        raise JaxQNNError(
            f"Checking {circuit.num_qubits} qubits needs about {size(needed)}, and this machine "
            f"has {size(physical)}. Use `jaxqnn info` to see what it lowers to."
        )


def _draw(circuit: QuantumCircuit, points: int, rng: np.random.Generator) -> FloatArray:
    """Parameter values at which every expression of the circuit is a real number."""
    unit = rng.uniform(size=(points, circuit.num_parameters))
    values = unit
    for low, high in RANGES:
        values = low + (high - low) * unit
        if all(has_values(circuit, circuit.parameters, row) for row in values):
            break
    return values


def _z_reference(circuit: QuantumCircuit) -> Reference:
    product = Pauli("Z" * circuit.num_qubits)

    def read(state: Statevector) -> FloatArray:
        return np.array([np.real(state.expectation_value(product))])

    parameters = tuple(circuit.parameters)
    if measures_on_the_way(circuit):
        return Reference(circuit, parameters, read, lambda bound: mean(bound, read))
    return Reference(without_measurements(circuit)[0], parameters, read)
