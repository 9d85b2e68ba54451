"""`jaxqnn info`: what a circuit is lowered to, and what running it will cost."""

import re
import textwrap
from dataclasses import dataclass

from qiskit.circuit import QuantumCircuit

from jaxqnn.cli.output import printable, shortened, size, width
from jaxqnn.evaluator import Evaluator
from jaxqnn.measure.specification import Expectation
from jaxqnn.networks.resources import estimate

_SHOWN_LINES = 40
_SHOWN_NAMES = 8

# By what calls for it. `jaxqnn.program.program` has the formulas.
_LEGEND = {
    r"\bx\d": "x0, x1, ... are the bits of an amplitude's label; x0+x1 is their sum modulo 2.",
    r"\bp\d": "p0, p1, ... are the parameters, numbered as above; after the last come the values "
    "of expressions that are no polynomials.",
    r"^  start  RY": "start RY(a) on bit k: bit k starts in RY(a)|0>, those not listed in |0>.",
    r"^  start  \d": "start amplitudes: the lowest bits start from given or computed amplitudes.",
    r"^  map": "map: the columns of a linear map A, that of the highest bit first; the amplitude "
    "of label x comes from label A x.",
    r"^  phase": "phase m: a multiplies an amplitude by exp(-i a/2) where m is 0 and by exp(i a/2) "
    "where it is 1.",
    r"^  rotate": "rotate bit k: a applies RY(a) to bit k.",
    r"^  block": "block: a constant unitary matrix on the highest bits.",
    r"^labels": "labels: the value of each qubit q0, q1, ... as a sum of bits of the last label; "
    "'not' where it is inverted.",
}


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
    num_parameters: int
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
    evaluator = Evaluator(circuit, Expectation(), (), parameters)
    program = evaluator.model.program
    cost = estimate(evaluator, batch)
    return CircuitInfo(
        name=circuit.name,
        qubits=circuit.num_qubits,
        clbits=circuit.num_clbits,
        depth=circuit.depth(),
        instructions=dict(circuit.count_ops()),
        num_parameters=len(parameters),
        parameters=tuple(parameter.name for parameter in parameters),
        active_qubits=program.num_qubits,
        added_qubits=evaluator.model.built.num_added,
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
        "qubits": _qubits(info),
        "classical bits": info.clbits,
        "depth": info.depth,
        "instructions": ", ".join(f"{count} {name}" for name, count in info.instructions.items())
        or "none",
        "parameters": f"{info.num_parameters}{_listed(info.parameters)}",
        "layers": _layers(info),
        "one state": size(info.state_bytes),
        f"gradient, batch {info.batch}": f"{size(info.peak_bytes)} at most",
    }
    print(printable(info.name))
    for name, value in facts.items():
        _print_hanging(f"  {name:<20} ", printable(str(value)))
    print()
    if info.instructions:
        _print_program(info.program.splitlines(), full=full)
        print()


def _qubits(info: CircuitInfo) -> str:
    # A program has a qubit even where nothing acts on any.
    acted_on = info.active_qubits - info.added_qubits if info.instructions else 0
    added = f", and {info.added_qubits} for measurements on the way" if info.added_qubits else ""
    return f"{info.qubits}, {acted_on or 'none'} of them acted on{added}"


def _layers(info: CircuitInfo) -> str:
    if not info.layers:
        return "none: the start is the final state"
    return (
        f"{info.layers}, of up to {info.rotation_qubits} rotations, "
        f"{info.phases} phase terms in all"
    )


def _print_program(lines: list[str], *, full: bool) -> None:
    """The listing, and before it what its words and letters mean: those that it has."""
    head, *body = lines
    shown = body if full else body[:_SHOWN_LINES]
    _print_hanging("  ", head)
    for sign, meaning in _LEGEND.items():
        if any(re.search(sign, line) for line in shown):
            _print_hanging("    ", meaning)
    print()
    for line in shown:
        print(f"  {line}")
    if len(body) > len(shown):
        print(f"  ... {len(body) - len(shown)} more lines, shown by --full")


def _print_hanging(label: str, text: str) -> None:
    """A labelled text, wrapped at words to the right of its label."""
    indent = " " * min(len(label), width() // 3)
    filled = textwrap.fill(label + text, width(), subsequent_indent=indent, break_on_hyphens=False)
    print(filled)


def _listed(names: tuple[str, ...]) -> str:
    """Parameters by the names they have in the program, p0 and on, and by their own."""
    if not names:
        return ""
    more = len(names) - _SHOWN_NAMES
    shown = ", ".join(
        f"p{index} is {shortened(name)}" for index, name in enumerate(names[:_SHOWN_NAMES])
    )
    return f": {shown}" + (f" and {more} more" if more > 0 else "")
