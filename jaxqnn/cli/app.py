"""The commands and their options. Each imports what it needs when it is called."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jaxqnn import __version__
from jaxqnn.cli.output import (
    FAILED,
    OK,
    REFUSED,
    print_json,
    progress,
    refusals,
    say,
    seconds,
    shortened,
    tell_saved,
)

app = typer.Typer(
    name="jaxqnn",
    help="Qiskit circuits as jit-compiled JAX functions, with batched exact gradients.",
    epilog="Exit codes: 0 all is well, 1 a check failed, 2 wrong usage, an unsupported circuit or "
    "an output that cannot be written, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]


def _version(shown: bool) -> None:
    if shown:
        print(f"jaxqnn {__version__}")
        raise typer.Exit


def _number(value: float) -> float:
    if math.isnan(value):
        raise typer.BadParameter("it must be a number")
    return value


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

    Every value is compared with Qiskit's. Takes a quarter of a minute, of which QML's own backward
    passes take most, and some seconds more where it is the first command of an installation.
    """
    with refusals():
        from jaxqnn.figures import require_plotting

        require_plotting(plot)
        from jaxqnn.cli.demo import run_demo

        passed = run_demo(steps=steps, seed=seed, plot=plot, as_json=as_json)
    raise typer.Exit(OK if passed else FAILED)


@app.command()
def check(
    file: CircuitFile,
    as_json: Json = False,
    points: Annotated[int, typer.Option(min=1, help="Random parameter values to compare at.")] = 3,
    directions: Annotated[
        int,
        typer.Option(
            min=0, help="Random directions of all parameters to compare the gradient along."
        ),
    ] = 1,
    atol: Annotated[
        float, typer.Option(help="Largest difference that counts as equal.", callback=_number)
    ] = 1e-10,
    seed: Seed = 0,
) -> None:
    """Compare a circuit's state, <Z...Z> and gradient with Qiskit's Statevector.

    A circuit that measures on the way has no one state; its <Z...Z> is the mean over all branches.
    The gradient by all parameters is compared with central differences along random directions, to
    1e-7 beyond what these are uncertain of themselves. Exit code 1 if a circuit differs, 2 if the
    file or a circuit in it cannot be handled.
    """
    with progress("Checking", 1, quiet=as_json) as advance:
        advance("loading Qiskit and JAX", 0)
        from jaxqnn.cli import check as checking
        from jaxqnn.cli.circuits import complain_of, each, report
        from jaxqnn.cli.files import load

    with refusals():
        circuits = load(file)
    amount = {"points": points, "directions": directions}
    total = sum(checking.num_steps(circuit, **amount) for circuit in circuits)
    with progress("Checking", total, quiet=as_json) as advance:
        results, refused = each(
            circuits,
            lambda circuit: checking.check_circuit(
                circuit,
                seed=seed,
                atol=atol,
                advance=lambda said, by=1: advance(f"{shortened(circuit.name, 12)}: {said}", by),
                **amount,
            ),
        )
    failed = any(not result.passed for result in results)
    if as_json:
        print_json(report(not failed, [asdict(result) for result in results], refused))
    elif results:
        checking.print_checks(results, file.name)
    complain_of(refused, file)
    raise typer.Exit(FAILED if failed else REFUSED if refused else OK)


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
    from jaxqnn.cli.circuits import complain_of, each, report
    from jaxqnn.cli.files import load
    from jaxqnn.cli.info import describe, print_info

    with refusals():
        circuits = load(file)
    found, refused = each(circuits, lambda circuit: describe(circuit, batch))
    if as_json:
        print_json(report(True, [asdict(entry) for entry in found], refused))
    else:
        for entry in found:
            print_info(entry, full=full)
    complain_of(refused, file)
    raise typer.Exit(REFUSED if refused else OK)


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
    and weights, in double precision. Values are compared first. The column "first" is building the
    network of a new circuit and its first call, in a process that has run others; how long the
    process's own first call took stands below. QML's time grows steeply: at 6 qubits expect half a
    minute for each network. Last comes a tutorial's whole training, a VQC with a sampler of 1024
    shots under COBYLA, as it is and through `jaxqnn.accelerate`: the same draws, the same curve.
    """
    with refusals():
        from jaxqnn.figures import require_plotting

        require_plotting(plot)
        from jaxqnn.cli.bench import NETWORKS, print_timings, start, time_backward, timing_json
        from jaxqnn.cli.plots import plot_timings
        from jaxqnn.cli.script import print_script, script_json, time_script

        sizes = sorted(set(qubits or (2, 4, 6)))
        timings = []
        with progress("Timing", len(sizes) * len(NETWORKS) + 1, quiet=as_json) as advance:
            advance("the first call of this process", 0)
            start_seconds = start()
            for network in NETWORKS:
                for size in sizes:
                    advance(f"{network}, {size} qubits", 0)
                    timings.append(time_backward(network, size, batch, repeats, seed))
                    advance(f"{network}, {size} qubits")
            advance("a tutorial's script", 0)
            script = time_script(seed)
            advance("a tutorial's script")
    passed = script.passed and all(timing.passed for timing in timings)
    if as_json:
        rows = [timing_json(timing) for timing in timings]
        document = {"passed": passed, "start_seconds": start_seconds, "timings": rows}
        print_json(document | {"script": script_json(script)})
    else:
        print_timings(timings)
        say(f"The process's first call, before these: {seconds(start_seconds)}.")
        print_script(script)
    if plot is not None:  # last, so that a picture that cannot be written costs no number
        plot_timings(timings, plot)
        tell_saved(plot, as_json=as_json)
    raise typer.Exit(OK if passed else FAILED)
