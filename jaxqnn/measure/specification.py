"""What a user asks to be measured, before the circuit's labels are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from jaxqnn.arguments import as_shape
from jaxqnn.circuit.liveness import Reads
from jaxqnn.circuit.measured_bits import read_bits
from jaxqnn.engine.measurement import Measurement
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.measure.observables import TABULATED_QUBITS, Observables, as_sums, expectation
from jaxqnn.measure.outcomes import Amplitudes, Classes, Diagonal, Distribution
from jaxqnn.program.build import CircuitProgram
from jaxqnn.program.passes import with_global_phase, without_final_phases
from jaxqnn.program.program import Program

Interpret = Callable[[int], int | tuple[int, ...]]

# More single probabilities than these are refused; classes of them are not.
_MOST_BITS = 30

# Amplitudes are counted by integers of 32 bits.
_MOST_STATE_QUBITS = 31

# Up to this many entries, classes are one matrix product with a table of zeros and ones.
_DENSE_CLASSES = 1 << 22


class Specification(Protocol):
    """Something to measure."""

    def output_shape(self, circuit: QuantumCircuit) -> tuple[int, ...]:
        """The shape of one sample's outputs."""

    def reads(self, circuit: QuantumCircuit) -> Reads:
        """What it looks at; asked for if something is measured on the way."""

    def finish(self, circuit: QuantumCircuit, program: Program) -> Program:
        """The program with what is not measured left out, and what is measured written in."""

    def measurement(self, circuit: QuantumCircuit, built: CircuitProgram) -> Measurement:
        """The measurement on the labels of a built circuit."""

    def measurement_bytes(self, shape: tuple[int, ...], num_qubits: int) -> int:
        """What the measurement's arrays take at most, for outputs of this shape."""


@dataclass(frozen=True)
class Expectation:
    """Expectation values of observables; None is Z on every qubit."""

    observables: Observables | None = None

    def output_shape(self, circuit: QuantumCircuit) -> tuple[int, ...]:
        """(number of observables,)."""
        return (len(as_sums(self.observables, circuit.num_qubits)),)

    def reads(self, circuit: QuantumCircuit) -> Reads:
        """See ``Specification``; each qubit in Z if no string has another letter there."""
        sums = as_sums(self.observables, circuit.num_qubits)
        x = np.any([np.any(observable.paulis.x, axis=0) for observable in sums], axis=0)
        z = np.any([np.any(observable.paulis.z, axis=0) for observable in sums], axis=0)
        return Reads(
            values=frozenset(np.flatnonzero(z & ~x).tolist()),
            states=frozenset(np.flatnonzero(x).tolist()),
        )

    def finish(self, circuit: QuantumCircuit, program: Program) -> Program:
        """See ``Specification``; observables of Z alone see no phase after the last rotation."""
        sums = as_sums(self.observables, circuit.num_qubits)
        diagonal = not any(np.any(observable.paulis.x) for observable in sums)
        return without_final_phases(program) if diagonal else program

    def measurement(self, circuit: QuantumCircuit, built: CircuitProgram) -> Measurement:
        """See ``Specification``."""
        return expectation(built, as_sums(self.observables, circuit.num_qubits))

    def measurement_bytes(self, shape: tuple[int, ...], num_qubits: int) -> int:
        """See ``Specification``."""
        return 8 * math.prod(shape) << num_qubits if num_qubits <= TABULATED_QUBITS else 0


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of outcomes, or of the classes ``interpret`` maps outcomes to.

    An outcome is the integer of the classical bits that ``read_bits`` names; without any classical
    bits, whose bit q is qubit q.

    Attributes:
        interpret: Maps an outcome to an index (or a tuple of indices) of the output; None keeps
            outcomes as they are.
        shape: The output's shape; needed with ``interpret``.
        bits: Outcome bit i is classical bit (or qubit) bits[i]; None as above. Networks use it for
            transpiled circuits, whose virtual qubits lie scattered.
    """

    interpret: Interpret | None = None
    shape: int | tuple[int, ...] | None = None
    bits: tuple[int, ...] | None = None

    def output_shape(self, circuit: QuantumCircuit) -> tuple[int, ...]:
        """The given shape, or (2**bits,)."""
        if self.interpret is not None and not callable(self.interpret):
            raise InvalidArgumentError(
                f"interpret must be a function of an outcome, but is {self.interpret!r}."
            )
        if self.shape is None:
            if self.interpret is not None:
                raise InvalidArgumentError(
                    "No output shape given, but it's required when using custom interpret "
                    "function. Pass output_shape."
                )
            bits = len(self._bits(circuit))
            if bits > _MOST_BITS:
                raise InvalidArgumentError(
                    f"{bits} measured bits have 2**{bits} probabilities. Measure fewer qubits, or "
                    "pass interpret and output_shape."
                )
            return (1 << bits,)
        return as_shape("output_shape", self.shape)

    def reads(self, circuit: QuantumCircuit) -> Reads:
        """See ``Specification``."""
        bits = frozenset(self._bits(circuit))
        return Reads(bits=bits) if circuit.num_clbits else Reads(values=bits)

    def finish(self, circuit: QuantumCircuit, program: Program) -> Program:
        """See ``Specification``."""
        return without_final_phases(program)

    def measurement(self, circuit: QuantumCircuit, built: CircuitProgram) -> Measurement:
        """See ``Specification``."""
        shape = self.output_shape(circuit)
        size = math.prod(shape)
        outcomes = _outcomes(built, self.sources(circuit, built))
        index = self._classes(outcomes, shape)
        if np.unique(index).size == index.size:
            label = np.full(size, -1, np.int32)
            label[index] = np.arange(index.size, dtype=np.int32)
            return Distribution(label)
        if size * index.size <= _DENSE_CLASSES:
            return Diagonal((np.arange(size)[:, None] == index[None, :]).astype(float))
        return Classes(index.astype(np.int32), size)

    def measurement_bytes(self, shape: tuple[int, ...], num_qubits: int) -> int:
        """See ``Specification``."""
        labels = 1 << num_qubits
        return max(4 * labels, 8 * min(math.prod(shape) * labels, _DENSE_CLASSES))

    def sources(self, circuit: QuantumCircuit, built: CircuitProgram) -> tuple[int | None, ...]:
        """For each outcome bit the qubit it is read from, None for a bit that stays zero."""
        bits = self._bits(circuit)
        return tuple(built.bits.get(bit) for bit in bits) if circuit.num_clbits else bits

    def _bits(self, circuit: QuantumCircuit) -> tuple[int, ...]:
        """The classical bits of an outcome, or the qubits if there are no classical bits."""
        if self.bits is not None:
            return self.bits
        if not circuit.num_clbits:
            return tuple(range(circuit.num_qubits))
        bits = read_bits(circuit)
        if not bits:
            raise InvalidArgumentError(
                f"The circuit has {circuit.num_clbits} classical bits but measures none of them. "
                "Measure the qubits, or remove the classical bits to measure all qubits."
            )
        return bits

    def _classes(self, outcomes: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The flat output index of every label."""
        if self.interpret is None:
            if outcomes.max() >= shape[0]:
                raise InvalidArgumentError(
                    f"Outcome {outcomes.max()} is outside the output shape {shape}: the circuit "
                    "has more classical bits than qubits. Pass interpret=lambda outcome: outcome "
                    "with output_shape=2**num_clbits to keep them all."
                )
            return outcomes.astype(np.int64)
        distinct, where = np.unique(outcomes, return_inverse=True)
        found = np.array([self._class(int(outcome), shape) for outcome in distinct], np.int64)
        return found[where]

    def _class(self, outcome: int, shape: tuple[int, ...]) -> int:
        assert self.interpret is not None
        key = self.interpret(outcome)
        # An Integral may be one of NumPy's integers, which are no int.
        keys = (key,) if isinstance(key, Integral) or not isinstance(key, Iterable) else tuple(key)
        if not all(isinstance(i, Integral) for i in keys):
            raise InvalidArgumentError(
                f"interpret maps outcome {outcome} to {key!r}, which is no index. Make it return a "
                "whole number, or a tuple of them."
            )
        indices = tuple(int(i) for i in keys)
        if len(indices) != len(shape) or not all(
            -size <= i < size for i, size in zip(indices, shape, strict=True)
        ):
            raise InvalidArgumentError(
                f"interpret maps outcome {outcome} to {key}, which is outside the output shape "
                f"{shape}. Pass an output_shape that holds every value of interpret."
            )
        # Negative indices count from the end, as they do in QML's arrays.
        wrapped = [i % size for i, size in zip(indices, shape, strict=True)]
        return int(np.ravel_multi_index(wrapped, shape))


@dataclass(frozen=True)
class State:
    """The amplitudes themselves, as real parts and then imaginary parts."""

    def output_shape(self, circuit: QuantumCircuit) -> tuple[int, ...]:
        """(2, 2**num_qubits)."""
        if circuit.num_qubits > _MOST_STATE_QUBITS:
            raise InvalidArgumentError(
                f"The state of {circuit.num_qubits} qubits has 2**{circuit.num_qubits} amplitudes. "
                "Use expectation or probabilities, which leave out idle qubits, or remove those."
            )
        return (2, 1 << circuit.num_qubits)

    def reads(self, circuit: QuantumCircuit) -> Reads:
        """See ``Specification``."""
        return Reads(states=frozenset(range(circuit.num_qubits)), is_pure=True)

    def finish(self, circuit: QuantumCircuit, program: Program) -> Program:
        """See ``Specification``; amplitudes have the global phase."""
        return with_global_phase(program)

    def measurement(self, circuit: QuantumCircuit, built: CircuitProgram) -> Measurement:
        """See ``Specification``."""
        label = np.full(1 << circuit.num_qubits, -1, np.int32)
        outcomes = _outcomes(built, tuple(range(circuit.num_qubits)))
        label[outcomes] = np.arange(outcomes.size, dtype=np.int32)
        return Amplitudes(label)

    def measurement_bytes(self, shape: tuple[int, ...], num_qubits: int) -> int:
        """See ``Specification``."""
        return 2 * math.prod(shape)


def _outcomes(built: CircuitProgram, sources: tuple[int | None, ...]) -> NDArray[Any]:
    """The outcome of each final label: Python's integers where it has more bits than NumPy's."""
    program = built.program
    labels = np.arange(1 << program.num_qubits, dtype=np.uint32)
    position = {qubit: i for i, qubit in enumerate(built.qubits)}
    integers = np.int64 if len(sources) < 63 else np.object_
    outcome = np.zeros(labels.shape, integers)
    for bit, qubit in enumerate(sources):
        if qubit is None or qubit not in position:
            continue
        i = position[qubit]
        value = np.bitwise_count(labels & np.uint32(program.frame.rows[i])) & 1
        outcome = outcome | (value.astype(integers) ^ (program.flips >> i & 1)) << bit
    return outcome
