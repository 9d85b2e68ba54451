"""Barren plateaus: how the variance of a gradient shrinks with the number of qubits.

    python -m jaxqnn.examples.barren_plateau --qubits 2 4 6 8 10 --plot plateau.png

At random weights the gradient of a deep circuit, or of an observable on all qubits, is so small
that no optimiser finds a way (McClean et al., arXiv:1803.11173).  A shallow circuit with a local
observable is spared (Cerezo et al., arXiv:2001.00550).  The variance over all random weights comes
from one call: the weights have a leading axis, and one reverse sweep gives every sample's gradient.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

import jaxqnn
from jaxqnn.errors import JaxQNNError
from jaxqnn.examples.command import count, program
from jaxqnn.figures import new_figure, require_plotting

Problem = tuple[QuantumCircuit, SparsePauliOp]


@dataclass(frozen=True)
class Variance:
    """The variance of one entry of a gradient over random weights.

    Attributes:
        value: The variance.
        error: Its standard error, from the fourth moment of the samples.
    """

    value: float
    error: float


def gradient_variance(
    circuit: QuantumCircuit,
    observable: SparsePauliOp | None = None,
    *,
    parameter: int = 0,
    samples: int = 1000,
    seed: int = 0,
) -> Variance:
    """The variance of d<O>/d(parameter) over weights uniform in (-pi, pi).

    Args:
        circuit: A circuit whose parameters are all weights.
        observable: As for ``jaxqnn.expectation``; None is Z on every qubit.
        parameter: Position in ``circuit.parameters``.
        samples: The number of random weight vectors.
        seed: Of the random weights.

    Raises:
        JaxQNNError: The circuit has no such parameter.

    Example:
        The derivative of cos t is -sin t, whose square is 1/2 in the mean:

        >>> from qiskit.circuit import Parameter
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(Parameter("t"), 0)
        >>> found = gradient_variance(circuit)
        >>> abs(found.value - 1 / 2) < 4 * found.error
        True
    """
    if not 0 <= parameter < circuit.num_parameters:
        raise JaxQNNError(
            f"parameter must be a position among the circuit's {circuit.num_parameters} "
            f"parameters, but is {parameter}."
        )
    mean = jaxqnn.expectation(circuit, observable)
    shape = (samples, circuit.num_parameters)
    weights = jax.random.uniform(jax.random.key(seed), shape, minval=-jnp.pi, maxval=jnp.pi)
    # The samples do not depend on each other: the gradient of their sum is each one's own.
    gradients = jax.grad(lambda weights: jnp.sum(mean(weights)))(weights)
    entries = np.asarray(gradients[:, parameter], np.float64)
    squares = (entries - entries.mean()) ** 2
    return Variance(float(squares.mean()), float(squares.std() / np.sqrt(samples)))


def on_two(num_qubits: int) -> SparsePauliOp:
    """Z on the first two qubits."""
    return SparsePauliOp.from_sparse_list([("ZZ", [0, 1], 1.0)], num_qubits)


def on_all(num_qubits: int) -> SparsePauliOp:
    """Z on every qubit."""
    return SparsePauliOp("Z" * num_qubits)


# Name of a curve: the circuit and the observable at a number of qubits.
PROBLEMS: dict[str, Callable[[int], Problem]] = {
    "2 layers, Z on two qubits": lambda n: (efficient_su2(n, reps=2), on_two(n)),
    "2 layers, Z on all qubits": lambda n: (efficient_su2(n, reps=2), on_all(n)),
    "2n layers, Z on two qubits": lambda n: (efficient_su2(n, reps=2 * n), on_two(n)),
}


def random_circuit_variance(num_qubits: int) -> float:
    """What the variance is for a Pauli observable and circuits random enough (2-designs)."""
    return 0.5**num_qubits / 2


def plot_variances(qubits: Sequence[int], curves: dict[str, list[Variance]], file: Path) -> None:
    """Variance against the number of qubits, with one standard error either way."""
    figure, (panel,) = new_figure(1)
    styles = (("#1d4ed8", "o"), ("#c2410c", "s"), ("#0f766e", "^"))
    for (name, found), (colour, marker) in zip(curves.items(), styles, strict=True):
        panel.errorbar(
            qubits,
            [variance.value for variance in found],
            yerr=[variance.error for variance in found],
            color=colour,
            marker=marker,
            capsize=3,
            label=name,
        )
    expected = [random_circuit_variance(n) for n in qubits]
    panel.plot(qubits, expected, color="0.1", linestyle=":", label="random circuits: $2^{-n}/2$")
    panel.set(
        title="Gradient of the first angle over random weights",
        xlabel="qubits n",
        ylabel="variance",
        yscale="log",
        xticks=list(qubits),
    )
    handles, labels = panel.get_legend_handles_labels()
    # Below the picture, where no curve can run through it; the bare line last, not first.
    figure.legend(
        [*handles[1:], handles[0]],
        [*labels[1:], labels[0]],
        frameon=False,
        fontsize="small",
        loc="outside lower center",
        ncols=2,
    )
    figure.savefig(file)


def main(arguments: Sequence[str] | None = None) -> dict[str, list[Variance]]:
    """Reads the command line, prints the variances and draws them.

    Returns:
        For each curve, the variance at each number of qubits.
    """
    parser = argparse.ArgumentParser(description="The variance of a gradient over random weights.")
    parser.add_argument("--qubits", type=count, nargs="+", default=[2, 4, 6, 8], help="[2 4 6 8]")
    parser.add_argument("--samples", type=count, default=1000, help="random weights [1000]")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="save the curves as a picture")
    given = parser.parse_args(arguments)
    if min(given.qubits) < 2:
        parser.error("argument --qubits: the observables need 2 at least")
    try:
        require_plotting(given.plot)
    except JaxQNNError as error:
        parser.error(error.message)
    with program():
        return _measure(given.qubits, given.samples, given.plot)


def _measure(qubits: Sequence[int], samples: int, plot: Path | None) -> dict[str, list[Variance]]:
    curves: dict[str, list[Variance]] = {}
    for name, problem in PROBLEMS.items():
        curves[name] = []
        for num_qubits in qubits:
            found = gradient_variance(*problem(num_qubits), samples=samples)
            curves[name].append(found)
            print(f"{name}  n = {num_qubits:2}  {found.value:.1e} +- {found.error:.0e}", flush=True)
    if plot is not None:
        plot_variances(qubits, curves, plot)
        print(f"Picture saved in {plot}")
    return curves


if __name__ == "__main__":
    main()
