"""`jaxqnn check`: any circuit beside Qiskit's `Statevector`."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import Pauli, Statevector

from jaxqnn import expectation, statevector
from jaxqnn.cli.output import Advance, print_table, size
from jaxqnn.errors import JaxQNNError
from jaxqnn.verify.branches import measures_on_the_way
from jaxqnn.verify.reference import (
    RANGES,
    FloatArray,
    Reference,
    bind,
    central_difference,
    has_values,
    mean,
    without_measurements,
)
from jaxqnn.verify.report import largest

_STATES = 8

_SHRINKS = (1.0, 0.1, 0.01)

DIFFERENCE_RUNS = 8
"""How often a central difference of `jaxqnn.verify.reference` calls its function."""

GRADIENT_TOLERANCE = 1e-7
"""Central differences are good to about 1e-9; see `jaxqnn.verify.reference`."""


@dataclass(frozen=True)
class CircuitCheck:
    """Largest distances of one circuit from Qiskit, over a few random parameter values.

    A circuit that measures on the way has no one state, so no error of it.

    Attributes:
        gradient_error: Of the gradient by all parameters at once, along random directions; what
            the central differences are uncertain of themselves is in it.
    """

    name: str
    qubits: int
    num_parameters: int
    parameters: tuple[str, ...]
    points: int
    state_error: float | None
    expectation_error: float
    gradient_error: float | None
    directions: int
    passed: bool


def num_steps(circuit: QuantumCircuit, *, points: int, directions: int) -> int:
    """How often `check_circuit` moves the bar: our run, and each run of Qiskit's."""
    if not circuit.parameters:
        return 2
    return 1 + points + DIFFERENCE_RUNS * directions


def check_circuit(
    circuit: QuantumCircuit,
    *,
    points: int,
    directions: int,
    seed: int,
    atol: float,
    advance: Advance = lambda detail, steps=1: None,
) -> CircuitCheck:
    """Compare state, <Z...Z> and its gradient with Qiskit's, in double precision.

    A gradient by all parameters is compared along random directions of all of them: eight runs of
    Qiskit's for a direction, however many parameters there are.

    Args:
        circuit: Any circuit jaxqnn can run.
        points: Number of random parameter values; one if the circuit has no parameters.
        directions: Along how many directions to compare the gradient, at the first point.
        seed: Seed of the parameter values and of the directions.
        atol: Tolerance of state and expectation; the gradient's is at least 1e-7.
        advance: Told of each step, see `jaxqnn.cli.output.progress`.
    """
    _check_memory(circuit)
    if not circuit.parameters:
        points, directions = 1, 0
    rng = np.random.default_rng(seed)
    advance("reading its angles", 0)
    values = _draw(circuit, points, rng)
    reference = _z_reference(circuit)
    has_state = reference.read_branches is None
    advance("compiling and running ours", 0)
    states, means, slopes = _ours(circuit, values, has_state=has_state)
    advance("ours is done")

    state_errors, mean_errors = [], []
    for at, row in enumerate(values):
        advance(f"Qiskit's state at point {at + 1} of {points}", 0)
        if states is None:
            exact = reference(row)[0]
        else:
            state = Statevector(bind(reference.circuit, reference.parameters, row))
            state_errors.append(np.abs(states[at] - state.data))
            exact = reference.read(state)[0]
        mean_errors.append(abs(means[at] - exact))
        advance(f"point {at + 1} of {points}")

    slope_errors, excesses = [], []
    for at in range(directions):
        direction = _direction(rng, circuit.num_parameters)
        said = f"gradient, direction {at + 1} of {directions}"
        advance(said, 0)
        slope, uncertainty = _slope(reference, values[0], direction, partial(advance, said))
        slope_errors.append(abs(slopes @ direction - slope))
        excesses.append(slope_errors[-1] - uncertainty)

    state_error = largest(state_errors) if has_state else None
    mean_error = largest(mean_errors)
    slope_error = largest(slope_errors) if slope_errors else None
    state_passed = state_error is None or state_error <= atol
    slope_passed = not excesses or largest(excesses) <= max(atol, GRADIENT_TOLERANCE)
    return CircuitCheck(
        name=circuit.name,
        qubits=circuit.num_qubits,
        num_parameters=circuit.num_parameters,
        parameters=tuple(parameter.name for parameter in circuit.parameters),
        points=points,
        state_error=state_error,
        expectation_error=mean_error,
        gradient_error=slope_error,
        directions=directions,
        passed=state_passed and mean_error <= atol and slope_passed,
    )


def print_checks(results: Sequence[CircuitCheck], file: str) -> None:
    """The table of `check`."""
    print_table(
        f"{file}: largest distance from Qiskit, double precision",
        ("circuit", "qubits", "parameters", "state", "<Z...Z>", "gradient", "verdict"),
        [
            (
                result.name,
                result.qubits,
                result.num_parameters,
                "-" if result.state_error is None else f"{result.state_error:.0e}",
                f"{result.expectation_error:.0e}",
                "-" if result.gradient_error is None else f"{result.gradient_error:.0e}",
                "ok" if result.passed else "FAILED",
            )
            for result in results
        ],
    )


def _ours(
    circuit: QuantumCircuit, values: FloatArray, *, has_state: bool
) -> tuple[NDArray[np.complex128] | None, FloatArray, FloatArray]:
    """States and <Z...Z> at all points, and the gradient at the first; one function is compiled."""
    product = expectation(circuit)
    states = statevector(circuit) if has_state else lambda _: None

    def everything(values: jax.Array) -> Any:
        slopes = jax.grad(lambda point: product(point)[0])(values[0])
        return states(values), product(values)[:, 0], slopes

    with jax.enable_x64(True):
        found, means, slopes = jax.jit(everything)(values)
        return None if found is None else np.asarray(found), np.asarray(means), np.asarray(slopes)


def _direction(rng: np.random.Generator, size: int) -> FloatArray:
    """A direction in which every parameter has its part: of length one, no entry near zero."""
    parts = rng.choice((-1.0, 1.0), size) * rng.uniform(0.5, 1.0, size)
    return parts / np.linalg.norm(parts)


def _slope(
    reference: Reference, values: FloatArray, direction: FloatArray, tell: Callable[[], None]
) -> tuple[float, float]:
    """The derivative of <Z...Z> along a direction, by central differences, and its uncertainty.

    Where parameters turn many gates, or an expression has a kink nearby, the first steps are too
    wide: the differences' own estimate of their error says so, and shorter ones are taken.
    """
    told = iter(range(DIFFERENCE_RUNS))

    def along(shrink: float, steps: FloatArray) -> FloatArray:
        found = reference(values + shrink * steps[0] * direction)
        if next(told, None) is not None:
            tell()
        return found

    slope, uncertainty = math.nan, math.inf
    for shrink in _SHRINKS:
        value, error = central_difference(partial(along, shrink), np.zeros(1), 0)
        if error[0] / shrink < uncertainty:
            slope, uncertainty = float(value[0] / shrink), float(error[0] / shrink)
        if uncertainty <= GRADIENT_TOLERANCE / 10:
            break
    return slope, uncertainty


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
