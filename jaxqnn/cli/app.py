"""The commands and their options."""

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from jaxqnn.cli.bench import NETWORKS, print_timings, time_backward, timing_json
from jaxqnn.cli.check import CircuitCheck, check_circuit
from jaxqnn.cli.files import load
from jaxqnn.cli.info import describe, print_info
from jaxqnn.cli.output import (
    FAILED,
    REFUSED,
    print_json,
    print_table,
    progress,
    refusals,
)
from jaxqnn.cli.plots import plot_timings
from jaxqnn.errors import JaxQNNError
from jaxqnn.figures import require_plotting

app = typer.Typer(
    name="jaxqnn",
    help="Qiskit circuits as jit-compiled JAX functions, with batched exact gradients.",
    epilog="Exit codes: 0 all is well, 1 a check failed, 2 wrong usage or an unsupported circuit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

CircuitFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A circuit: .qpy (one or several), or .qasm (OpenQASM 2 or 3). It is parsed by "
        "Qiskit, never executed.",
        exists=True,
        dir_okay=False,
        readable=True,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]


def main() -> None:
    """Entry point of the command `jaxqnn`."""
    app(prog_name="jaxqnn")


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"jaxqnn {version('jaxqnn')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Qiskit circuits as jit-compiled JAX functions, with batched exact gradients."""


@app.command()
def demo(
    as_json: Json = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Save loss, accuracy and decision boundary as a picture."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 100,
    seed: Seed = 0,
) -> None:
    """Show the main job: gradients of both networks, a trained classifier, and the speed-up.

    Every value is compared with Qiskit's. Takes about half a minute, of which QML's own backward
    passes take most.
    """
    from jaxqnn.cli.demo import run_demo  # optax and scikit-learn, which only this command needs

    with refusals():
        require_plotting(plot)
        passed = run_demo(steps=steps, seed=seed, plot=plot, as_json=as_json)
    raise typer.Exit(0 if passed else FAILED)


@app.command()
def check(
    file: CircuitFile,
    as_json: Json = False,
    points: Annotated[int, typer.Option(min=1, help="Random parameter values to compare at.")] = 3,
    gradients: Annotated[
        int, typer.Option(min=0, help="Parameters whose gradient is compared, at most.")
    ] = 16,
    atol: Annotated[float, typer.Option(help="Largest difference that counts as equal.")] = 1e-10,
    seed: Seed = 0,
) -> None:
    """Compare a circuit's state, <Z...Z> and gradient with Qiskit's Statevector.

    A circuit that measures on the way has no one state; its <Z...Z> is the mean over all branches.
    The gradient is compared with central differences, to 1e-7. Exit code 1 if a circuit differs,
    2 if the file or a circuit in it cannot be handled.
    """
    with refusals():
        circuits = load(file)
    results: list[CircuitCheck] = []
    refused: list[dict[str, str]] = []
    with progress("Checking", len(circuits), quiet=as_json) as advance:
        for circuit in circuits:
            advance(circuit.name)
            try:
                result = check_circuit(
                    circuit, points=points, gradients=gradients, seed=seed, atol=atol
                )
            except JaxQNNError as error:
                refused.append({"name": circuit.name, "error": error.message})
            else:
                results.append(result)

    failed = any(not result.passed for result in results)
    if as_json:
        passed = not (failed or refused)
        print_json({"passed": passed, "circuits": [asdict(r) for r in results], "refused": refused})
    elif results:
        print_table(
            f"{file.name}: largest distance from Qiskit, double precision",
            ("circuit", "qubits", "parameters", "state", "<Z...Z>", "gradient", "parity"),
            [
                (
                    result.name,
                    result.num_qubits,
                    result.num_parameters,
                    "-" if result.state_error is None else f"{result.state_error:.0e}",
                    f"{result.expectation_error:.0e}",
                    "-" if result.gradient_error is None else f"{result.gradient_error:.0e}",
                    "ok" if result.passed else "FAILED",
                )
                for result in results
            ],
        )
    for entry in refused:
        typer.echo(f"jaxqnn: circuit {entry['name']!r}: {entry['error']}", err=True)
    raise typer.Exit(FAILED if failed else REFUSED if refused else 0)


@app.command()
def info(
    file: CircuitFile,
    as_json: Json = False,
    batch: Annotated[int, typer.Option(min=1, help="Samples whose gradient is to fit.")] = 1,
    full: Annotated[
        bool, typer.Option("--full", help="Show the whole program, however long.")
    ] = False,
) -> None:
    """Show what a circuit lowers to: qubits, parameters, layers, memory.

    Nothing is run or allocated, so circuits too large for this machine can be asked about.
    """
    with refusals():
        found = [describe(circuit, batch) for circuit in load(file)]
    if as_json:
        print_json({"circuits": [asdict(entry) for entry in found]})
    else:
        for entry in found:
            print_info(entry, full=full)


@app.command()
def bench(
    qubits: Annotated[
        list[int] | None,
        typer.Option(min=2, max=12, help="Number of qubits; give it several times. [2, 4, 6]"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples in the batch.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Steady calls; the median counts.")] = 20,
    as_json: Json = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the times as a picture.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Time backward on this machine against qiskit-machine-learning's own.

    A ZZ feature map (2 repetitions) and real amplitudes (3 repetitions), gradients by all inputs
    and weights, in double precision. Values are compared first. QML's time grows steeply: at 6
    qubits expect half a minute for each network.
    """
    with refusals():
        require_plotting(plot)
        sizes = sorted(set(qubits or (2, 4, 6)))
        timings = []
        with progress("Timing", len(sizes) * len(NETWORKS), quiet=as_json) as advance:
            for network in NETWORKS:
                for size in sizes:
                    timings.append(time_backward(network, size, batch, repeats, seed))
                    advance(f"{network}, {size} qubits")
    if as_json:
        print_json({"timings": [timing_json(timing) for timing in timings]})
    else:
        print_timings(timings)
    if plot is not None:
        plot_timings(timings, plot)
    raise typer.Exit(0 if all(timing.passed for timing in timings) else FAILED)
