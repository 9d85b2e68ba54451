"""Which parameters are inputs and which are weights, checked against the circuit's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from qiskit.circuit import ControlFlowOp, ForLoopOp, Parameter, QuantumCircuit

from jaxqnn.errors import InvalidArgumentError


def as_circuit(circuit: Any) -> QuantumCircuit:
    """Returns the circuit.

    Raises:
        InvalidArgumentError: If it is none.
    """
    if not isinstance(circuit, QuantumCircuit):
        raise InvalidArgumentError(
            f"circuit must be a qiskit.QuantumCircuit, but is a {type(circuit).__name__}."
        )
    return circuit


def as_parameters(what: str, given: Any) -> list[Parameter]:
    """Returns parameters as a list, None as an empty one.

    Args:
        what: "Input" or "Weight".
        given: What a user passed for it.

    Raises:
        InvalidArgumentError: If this is no sequence of parameters.
    """
    if given is None:
        return []
    if isinstance(given, Parameter | str) or not isinstance(given, Iterable):
        raise InvalidArgumentError(
            f"{what.lower()}_params is a {type(given).__name__}, {given!r}. Pass a list of the "
            "qiskit.circuit.Parameter objects that the circuit was built with."
        )
    found = list(given)
    for parameter in found:
        if not isinstance(parameter, Parameter):
            raise InvalidArgumentError(
                f"{what} parameter {parameter!r} is a {type(parameter).__name__}, not a "
                "qiskit.circuit.Parameter. Pass the objects that the circuit was built with."
            )
    return found


def check_parameters(
    circuit: QuantumCircuit, inputs: Sequence[Parameter], weights: Sequence[Parameter]
) -> None:
    """Checks that inputs and weights are the circuit's parameters, each once.

    Raises:
        InvalidArgumentError: If one is repeated, foreign or left over.
    """
    ordered = circuit.parameters
    known = set(ordered)
    distinct: set[Parameter] = set()
    for what, parameters in (("Input", inputs), ("Weight", weights)):
        for parameter in parameters:
            if parameter not in known:
                raise InvalidArgumentError(_foreign(what, parameter, known))
            if parameter in distinct:
                raise InvalidArgumentError(
                    f"Parameter {parameter.name!r} is given twice. Give it once, as an input or as "
                    "a weight."
                )
            distinct.add(parameter)
    left = [parameter.name for parameter in ordered if parameter not in distinct]
    if left:  # Qiskit 2.0 counts the variables of loops among a circuit's parameters
        variables = {variable.name for variable in _loop_variables(circuit)}
        left = [name for name in left if name not in variables]
    if left:
        raise InvalidArgumentError(
            f"The circuit's parameters {left} are neither inputs nor weights. Add them to one of "
            "the two, or bind them."
        )


def _loop_variables(circuit: QuantumCircuit) -> Iterator[Parameter]:
    for instruction in circuit.data:
        operation = instruction.operation
        if isinstance(operation, ControlFlowOp):
            for block in operation.blocks:
                yield from _loop_variables(block)
            if isinstance(operation, ForLoopOp) and isinstance(operation.params[1], Parameter):
                yield operation.params[1]


def _foreign(what: str, parameter: Parameter, known: Iterable[Parameter]) -> str:
    if any(parameter.name == other.name for other in known):
        return (
            f"{what} parameter {parameter.name!r} is not in the circuit, though one of the circuit "
            "has the same name: it is another object. Two calls that build a circuit make two sets "
            "of parameters. Build it once, and pass the parameters of that very circuit."
        )
    return (
        f"{what} parameter {parameter.name!r} is not in the circuit. Parameters are told apart by "
        "identity: pass the very objects the circuit was built with."
    )
