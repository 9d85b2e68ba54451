"""`jaxqnn info`: what a circuit is lowered to, and what running it will cost."""

from dataclasses import dataclass

import typer
from qiskit.circuit import QuantumCircuit

from jaxqnn import EstimatorQNN
from jaxqnn.cli.output import size
from jaxqnn.measure.specification import Expectation
from jaxqnn.program.build import build

_SHOWN_LINES = 40
_SHOWN_NAMES = 8


@dataclass(frozen=True)
class CircuitInfo:
    """A circuit, its layer program, and the cost of its gradient.

    Attributes:
        instructions: How often each kind of instruction occurs.
        active_qubits: Qubits that are simulated; those that nothing acts on cost nothing.
        added_qubits: How many of them are for outcomes of measurements and resets on the way.
        rotation_qubits: How many qubits one layer rotates at once.
        phases: Terms of all phase polynomials together.
        state_bytes: One state in double precision.
        peak_bytes: What one gradient of the whole batch takes.
        batch: The samples of that batch.
        program: The layer program as text.
    """

    name: str
    qubits: int
    clbits: int
    depth: int
    instructions: dict[str, int]
    parameters: tuple[str, ...]
    active_qubits: int
    added_qubits: int
    layers: int
    rotation_qubits: int
    phases: int
    state_bytes: int
    peak_bytes: int
    batch: int
    program: str


def describe(circuit: QuantumCircuit, batch: int) -> CircuitInfo:
    """Lower a circuit and foretell its cost; nothing of the state's size is allocated.

    Raises:
        UnsupportedCircuitError: If an instruction can be neither lowered nor deferred.
    """
    parameters = tuple(circuit.parameters)
    built = build(circuit, (), parameters, Expectation().reads)
    program = built.program
    cost = EstimatorQNN(circuit=circuit, weight_params=parameters).resources(batch)
    return CircuitInfo(
        name=circuit.name,
        qubits=circuit.num_qubits,
        clbits=circuit.num_clbits,
        depth=circuit.depth(),
        instructions=dict(circuit.count_ops()),
        parameters=tuple(parameter.name for parameter in parameters),
        active_qubits=program.num_qubits,
        added_qubits=built.num_added,
        layers=len(program.layers),
        rotation_qubits=len(program.rotated.positions),
        phases=sum(len(layer.phases) for layer in program.layers),
        state_bytes=cost.state_bytes,
        peak_bytes=cost.peak_bytes,
        batch=batch,
        program=str(program),
    )


def print_info(info: CircuitInfo, *, full: bool) -> None:
    """The facts as a list, then the program, cut short unless it is wanted in full."""
    facts = {
        "qubits": f"{info.qubits}, {info.active_qubits - info.added_qubits} of them acted on"
        + (f", and {info.added_qubits} for measurements on the way" if info.added_qubits else ""),
        "classical bits": info.clbits,
        "depth": info.depth,
        "instructions": ", ".join(f"{count} {name}" for name, count in info.instructions.items()),
        "parameters": f"{len(info.parameters)}{_listed(info.parameters)}",
        "layers": f"{info.layers}, of up to {info.rotation_qubits} rotations, "
        f"{info.phases} phase terms in all",
        "one state": size(info.state_bytes),
        f"gradient, batch {info.batch}": f"{size(info.peak_bytes)} at most",
    }
    lines = info.program.splitlines()
    shown = lines if full else lines[:_SHOWN_LINES]
    typer.echo(info.name)
    for name, value in facts.items():
        typer.echo(f"  {name:<20} {value}")
    typer.echo()
    for line in shown:
        typer.echo(f"  {line}")
    if len(lines) > len(shown):
        typer.echo(f"  ... {len(lines) - len(shown)} more lines, shown by --full")
    typer.echo()


def _listed(names: tuple[str, ...]) -> str:
    """Parameters by the names they have in the program, p0 and on, and by their own."""
    if not names:
        return ""
    more = len(names) - _SHOWN_NAMES
    shown = ", ".join(f"p{index} is {name}" for index, name in enumerate(names[:_SHOWN_NAMES]))
    return f": {shown}" + (f" and {more} more" if more > 0 else "")
