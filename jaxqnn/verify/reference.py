"""A network's outputs by Qiskit's `Statevector`, and their derivatives by central differences.

This is the third opinion of `jaxqnn.verify` and of `jaxqnn check`. It shares no code with the
engine: a circuit is bound with numbers, run by Qiskit, and read out from its 2**n amplitudes; one
that measures on the way is run branch by branch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import Operator, Pauli, SparseObservable, SparsePauliOp, Statevector
from qiskit_machine_learning.circuit.library.raw_feature_vector import ParameterizedInitialize
from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN

from jaxqnn.circuit.measured_bits import read_bits
from jaxqnn.errors import InvalidArgumentError, UnsupportedCircuitError
from jaxqnn.verify.branches import branches, measures_on_the_way

FloatArray = NDArray[np.float64]

# Central differences at four halved steps, extrapolated (Romberg): the error falls as step**8,
# while the smallest step, 5e-4, keeps rounding near 1e-12. Angles are of order one, so the steps
# are absolute. The smaller ones serve parameters near the edge of an expression's domain.
_STEPS = (4e-3, 3e-4, 2e-5)
_LEVELS = 4

RANGES = ((-4 * math.pi, 4 * math.pi), (-math.pi, math.pi), (0.05, 4 * math.pi), (0.05, 0.95))
"""Where parameter values are drawn, the first where all expressions have a value: far beyond a turn
either way, for kinks and branches away from the origin; within one; for roots and logarithms; for
arcs."""


@dataclass(frozen=True)
class Reference:
    """The outputs of one network as a function of its parameters' values.

    Attributes:
        circuit: The circuit, without its trailing measurements unless it measures on the way.
        parameters: The order of the values: the network's inputs, then its weights.
        read: Maps a state to the flat row of outputs.
        read_branches: The same of all branches, for a circuit that measures on the way.
    """

    circuit: QuantumCircuit
    parameters: tuple[Parameter, ...]
    read: Callable[[Statevector], FloatArray]
    read_branches: Callable[[QuantumCircuit], FloatArray] | None = None

    def __call__(self, values: Sequence[float] | FloatArray) -> FloatArray:
        """The outputs at one point, flat, of shape `(num_outputs,)`."""
        bound = bind(self.circuit, self.parameters, values)
        if self.read_branches is not None:
            return self.read_branches(bound)
        return self.read(Statevector(bound))


class Derivative(NamedTuple):
    """A derivative and a bound on its error."""

    value: FloatArray
    error: FloatArray


def bind(
    circuit: QuantumCircuit,
    parameters: Sequence[Parameter],
    values: Sequence[float] | FloatArray,
) -> QuantumCircuit:
    """The circuit with numbers in place of its parameters."""
    bound = circuit.assign_parameters(
        {parameter: float(value) for parameter, value in zip(parameters, values, strict=True)}
    )
    for position, item in enumerate(bound.data):
        if isinstance(item.operation, ParameterizedInitialize):
            # QML would square these as they are, which may overflow or vanish.
            numbers = np.array([complex(value) for value in item.operation.params])
            scaled = ParameterizedInitialize((numbers / (np.max(np.abs(numbers)) or 1.0)).tolist())
            bound.data[position] = item.replace(operation=scaled)
    return bound


def has_values(
    circuit: QuantumCircuit,
    parameters: Sequence[Parameter],
    values: Sequence[float] | FloatArray,
) -> bool:
    """Whether every gate angle is a finite real number at a point."""
    try:
        bound = bind(circuit, parameters, values)
    except Exception:  # a complex angle, a division by zero: Qiskit's error for it varies
        return False
    angles = [p for op in bound.data for p in op.operation.params if isinstance(p, float)]
    return bool(np.all(np.isfinite(angles)))


def without_measurements(circuit: QuantumCircuit) -> tuple[QuantumCircuit, dict[int, int]]:
    """Split a circuit into its unitary part and what its trailing measurements read.

    Returns:
        The circuit without classical bits, and a map from classical bit to qubit, both by index.

    Raises:
        UnsupportedCircuitError: If an instruction acts on a qubit that was measured before it, or
            uses classical bits in another way.
    """
    unitary = QuantumCircuit(circuit.qubits, global_phase=circuit.global_phase)
    measured: dict[int, int] = {}
    for index, instruction in enumerate(circuit.data):
        name = instruction.operation.name
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if name in ("barrier", "delay"):
            continue
        if instruction.clbits and name != "measure":
            raise UnsupportedCircuitError(
                f"Instruction {index} ({name!r} on qubits {qubits}) uses classical bits. "
                "Remove it: only measurements at the end can be read out."
            )
        if name != "measure":
            if late := [qubit for qubit in qubits if qubit in measured.values()]:
                raise UnsupportedCircuitError(
                    f"Instruction {index} ({name!r} on qubits {qubits}) follows a measurement of "
                    f"qubits {late}. Move the measurements to the end."
                )
            unitary.append(instruction.operation, instruction.qubits)
        else:
            measured[circuit.find_bit(instruction.clbits[0]).index] = qubits[0]
    return unitary, measured


def network_reference(qnn: EstimatorQNN | SamplerQNN) -> Reference:
    """The reference of a qiskit-machine-learning network, or of a subclass of one.

    Raises:
        UnsupportedCircuitError: If Qiskit's `Statevector` has no single answer for the circuit.
        InvalidArgumentError: If `interpret` leaves the network's output shape.
    """
    parameters = (*(qnn.input_params or ()), *(qnn.weight_params or ()))
    on_the_way = measures_on_the_way(qnn.circuit)
    circuit, measured = (qnn.circuit, {}) if on_the_way else without_measurements(qnn.circuit)
    if isinstance(qnn, EstimatorQNN):
        operators = [_operator(observable, qnn.circuit) for observable in _listed(qnn.observables)]

        def expectations(state: Statevector) -> FloatArray:
            return np.array([np.real(state.expectation_value(op)) for op in operators])

        if not on_the_way:
            return Reference(circuit, parameters, expectations)
        return Reference(circuit, parameters, expectations, lambda bound: mean(bound, expectations))

    read = read_bits(qnn.circuit)
    measured = {place: measured[bit] for place, bit in enumerate(read) if bit in measured}
    if not qnn.circuit.clbits:
        measured = _measure_all(qnn.circuit)
    interpret = qnn.interpret or int
    num_outputs = int(np.prod(qnn.output_shape))
    if on_the_way and qnn.circuit.clbits:

        def of_branches(bound: QuantumCircuit) -> FloatArray:
            found = branches(bound)
            keys = np.array([sum(b.bits[bit] << i for i, bit in enumerate(read)) for b in found])
            flat = _flat_classes(keys, interpret, tuple(qnn.output_shape))
            weights = [np.linalg.norm(branch.state.data) ** 2 for branch in found]
            return np.bincount(flat, weights=weights, minlength=num_outputs).astype(np.float64)

        return Reference(circuit, parameters, lambda _: np.empty(0), of_branches)
    classes = _classes(measured, circuit.num_qubits, interpret, tuple(qnn.output_shape))

    def probabilities(state: Statevector) -> FloatArray:
        weights = np.abs(np.asarray(state.data)) ** 2
        return np.bincount(classes, weights=weights, minlength=num_outputs).astype(np.float64)

    if not on_the_way:
        return Reference(circuit, parameters, probabilities)
    return Reference(circuit, parameters, probabilities, lambda bound: mean(bound, probabilities))


def mean(circuit: QuantumCircuit, read: Callable[[Statevector], FloatArray]) -> FloatArray:
    """What is read of a bound circuit's state, over all its branches."""
    parts = [read(branch.state) for branch in branches(circuit, measure_at_end=False)]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def central_difference(
    function: Callable[[FloatArray], FloatArray], values: FloatArray, index: int
) -> Derivative:
    """The derivative of `function` by `values[index]`, extrapolated from four central differences.

    Steps that leave the domain of an expression (an arcsine near one, a logarithm near zero) are
    retried smaller.

    Example:
        >>> from math import cos
        >>> slope = central_difference(np.sin, np.array([0.5]), 0)
        >>> bool(abs(slope.value[0] - cos(0.5)) < 1e-11)
        True
    """
    failure: Exception | None = None
    for step in _STEPS:
        try:
            derivative = _romberg(function, values, index, step)
        except Exception as error:  # what an expression raises outside its domain is its own
            failure = error
        else:
            if np.all(np.isfinite(derivative.value)):
                return derivative
    raise InvalidArgumentError(
        f"No central difference exists for parameter {index} at {values[index]!r}: a step of "
        f"{_STEPS[-1]} either way leaves the function's domain. Choose another point."
    ) from failure


def _romberg(
    function: Callable[[FloatArray], FloatArray], values: FloatArray, index: int, step: float
) -> Derivative:
    row: list[FloatArray] = []
    for level in range(_LEVELS):
        half = step / 2**level
        above, below = values.copy(), values.copy()
        above[index] += half
        below[index] -= half
        new = [(function(above) - function(below)) / (2 * half)]
        for order, coarser in enumerate(row, start=1):
            new.append(new[-1] + (new[-1] - coarser) / (4**order - 1))
        previous, row = row, new
    return Derivative(row[-1], np.abs(row[-1] - previous[-1]))


def _listed(observables: Any) -> list[Any]:
    return list(observables) if isinstance(observables, Sequence) else [observables]


def _operator(observable: Any, circuit: QuantumCircuit) -> SparsePauliOp | Operator:
    if isinstance(observable, SparseObservable):
        observable = SparsePauliOp.from_sparse_observable(observable)
    elif isinstance(observable, (str, Pauli)):
        observable = SparsePauliOp(observable)
    # An observable of the untranspiled width means the virtual qubits.
    if circuit.layout is not None and observable.num_qubits < circuit.num_qubits:
        observable = observable.apply_layout(circuit.layout)
    return observable


def _measure_all(circuit: QuantumCircuit) -> dict[int, int]:
    """What `measure_all` reads; of a transpiled circuit, its virtual qubits."""
    if circuit.layout is None:
        return {qubit: qubit for qubit in range(circuit.num_qubits)}
    return dict(enumerate(circuit.layout.final_index_layout(filter_ancillas=True)))


def _classes(
    measured: dict[int, int],
    num_qubits: int,
    interpret: Callable[[int], Any],
    output_shape: tuple[int, ...],
) -> NDArray[np.int64]:
    """The flat output index that each basis state of the circuit counts towards."""
    labels = np.arange(2**num_qubits)
    keys = np.zeros_like(labels)
    for clbit, qubit in measured.items():
        keys |= ((labels >> qubit) & 1) << clbit
    return _flat_classes(keys, interpret, output_shape)


def _flat_classes(
    keys: NDArray[np.int64], interpret: Callable[[int], Any], output_shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """The flat output index of each outcome."""
    distinct, position = np.unique(keys, return_inverse=True)
    flat = np.empty(len(distinct), dtype=np.int64)
    for row, key in enumerate(distinct):
        value = interpret(int(key))
        index = tuple(int(i) for i in np.atleast_1d(value))
        try:
            flat[row] = np.ravel_multi_index(index, output_shape)
        except ValueError as error:
            raise InvalidArgumentError(
                f"interpret({int(key)}) returned {value!r}, which is no index of the output shape "
                f"{output_shape}. Enlarge output_shape or correct interpret."
            ) from error
    return flat[position]
