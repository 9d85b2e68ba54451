"""From a circuit to its program: the passes in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.liveness import Reads, everything
from jaxqnn.circuit.lower import lower
from jaxqnn.errors import UnsupportedCircuitError
from jaxqnn.program.cliffords import clifford_amplitudes
from jaxqnn.program.frames import Frame
from jaxqnn.program.program import Program, RotatedBits
from jaxqnn.program.resolve import resolve
from jaxqnn.program.schedule import schedule

# Masks of labels are integers of 64 bits.
_WIDEST = 64


@dataclass(frozen=True, eq=False)
class CircuitProgram:
    """A program with the circuit's qubits it stands for.

    Attributes:
        program: The layer form.
        qubits: Program qubit i is the circuit's qubit qubits[i]; the others stay |0>. From the
            circuit's width on, they are those added by deferred measurements and resets.
        width: Qubits of the circuit.
        bits: The circuit's qubit, or added one, that holds each classical bit at the end; bits that
            are zero, or that nothing reads, are left out.
    """

    program: Program
    qubits: tuple[int, ...]
    width: int
    bits: Mapping[int, int]

    @property
    def num_added(self) -> int:
        """How many qubits are simulated beyond the circuit's own."""
        return sum(qubit >= self.width for qubit in self.qubits)


def build(
    circuit: QuantumCircuit,
    inputs: Sequence[Parameter],
    weights: Sequence[Parameter],
    reads: Callable[[QuantumCircuit], Reads] = everything,
) -> CircuitProgram:
    """Lowers a circuit to its program.

    Args:
        circuit: Unitary instructions, measurements, resets and branches.
        inputs: Parameters that differ from sample to sample.
        weights: Parameters shared by the batch.
        reads: What is read at the end; qubits are added for this alone.

    Returns:
        The program on the qubits that are acted on (at least one).

    Raises:
        UnsupportedCircuitError: If an instruction is none of these, or the circuit has no qubit or
            acts on too many.
        JaxQNNError: If a parameter of the circuit is in neither sequence.
    """
    if not circuit.num_qubits:
        raise UnsupportedCircuitError("The circuit has no qubits, so no state. Add a qubit.")
    lowered = lower(circuit, [*inputs, *weights], reads)
    qubits = lowered.qubits or (0,)
    n = len(qubits)
    if n > _WIDEST:
        raise UnsupportedCircuitError(
            f"The circuit acts on {n} qubits{_added(lowered.reasons)}. A state of more "
            f"than {_WIDEST} fits no machine: simulate a part of the circuit, or use Qiskit's own "
            "network with a primitive that keeps no state."
        )
    rotated = rotated_bits(n)
    blank = Program(
        num_qubits=n,
        num_inputs=len(inputs),
        num_weights=len(weights),
        rotated=rotated,
        start=(Angle(),) * n,
        layers=(),
        frame=Frame.identity(n),
        flips=0,
        global_phase=Angle(),
        atoms=lowered.expressions.atoms,
        amplitudes=(*lowered.start.real, *lowered.start.imaginary) if lowered.start else (),
    )
    exact = None if lowered.start else clifford_amplitudes(lowered.operations, n)
    if exact is not None:
        amplitudes, phase = exact
        program = replace(blank, amplitudes=amplitudes, global_phase=lowered.global_phase + phase)
        return CircuitProgram(program, qubits, circuit.num_qubits, lowered.bits)
    sample_columns = blank.sample_columns

    def is_per_sample(angle: Angle) -> bool:
        return angle.depends_on(sample_columns)

    given = (1 << blank.given_bits) - 1
    resolved = resolve(lowered.operations, n, is_per_sample, given=given)
    layers, final = schedule(resolved.elements, n, rotated, is_per_sample)
    program = replace(
        blank,
        start=tuple(resolved.start),
        layers=tuple(layers),
        frame=Frame(
            tuple(final.functional(row) for row in resolved.rows),
            tuple(final.vector(column) for column in resolved.columns),
        ),
        flips=resolved.flips,
        global_phase=lowered.global_phase + resolved.global_phase,
    )
    return CircuitProgram(program, qubits, circuit.num_qubits, lowered.bits)


def _added(reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    return (
        f", {len(reasons)} of them for outcomes of measurements and resets on the way (the first: "
        f"{reasons[0]})"
    )


def rotated_bits(num_qubits: int) -> RotatedBits:
    """Which bits a layer rotates.

    A product of a group of up to four bits costs about one pass over the state, a gather one or
    two, and the arithmetic of more than five bits outweighs the passes it spares. So a layer has
    one group where it holds the whole label, else two, whose gather is shared; and as many bits as
    leave the fewest layers equally full.
    """
    if num_qubits <= 5:
        return RotatedBits(num_qubits, num_qubits, 0)
    both = -(-num_qubits // -(-num_qubits // 10))
    return RotatedBits(num_qubits, both - both // 2, both // 2)
