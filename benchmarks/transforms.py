"""JAX's own transforms of the functions, beside PennyLane's: `python -m benchmarks.transforms`.

What who trains with JAX writes: a loss under `jit` and `grad`, per-sample gradients under `vmap`,
ensembles, Hessians, fidelity kernels. Both libraries run in one process, values are compared first,
and three numbers are told of each: the first call (tracing and compiling in it), the steady time,
and their ratio.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pennylane as qml
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit_machine_learning.circuit.library import raw_feature_vector
from qiskit_machine_learning.state_fidelities import ComputeUncompute
from rich.console import Console

import jaxqnn

from .peers.pennylane_gates import apply_op, measurements
from .problems import Problem
from .results import machine
from .tables import Rows, to_markdown
from .translate import translate

# Seconds that each steady time is measured for.
_MEASURE = 2.0


class Work(NamedTuple):
    """The same jitted function of the same arguments, ours and the peer's."""

    title: str
    ours: Callable[..., Any]
    peer: Callable[..., Any]
    arguments: tuple[Any, ...]
    rtol: float = 1e-8


def main() -> None:
    """Print the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="rows whose title has this in it")
    only = parser.parse_args().only or ""
    jax.config.update("jax_enable_x64", True)
    rows = [row(make()) for title, make in WORKS.items() if only in title]
    console = Console(width=200)
    about = [f"{name}: {value}  " for name, value in machine().items()]
    heads = ["work", "jaxqnn, first", "jaxqnn", "PennyLane, first", "PennyLane", "ratio"]
    console.print("\n".join([*about, "", to_markdown(Rows("", heads, rows, []))]), markup=False)
    if not only:
        heads = ["qubits, batch", "second circuit, first call", "jit(grad)", "vjp", "eager grad"]
        lines = [list(doors(n, batch)) for n, batch in ((4, 64), (8, 256), (12, 16))]
        console.print(to_markdown(Rows("", heads, lines, [])), markup=False)


def pennylane_of(problem: Problem) -> Callable[[Any], Any]:
    """<Z..Z> of one sample's parameters, inputs then weights."""
    num_qubits, ops, table = translate(problem, ladders=False)

    @qml.qnode(qml.device("default.qubit", wires=num_qubits), interface="jax")
    def network(theta: Any) -> Any:
        for op in ops:
            apply_op(op, None if op.angle is None else theta[op.angle], num_qubits)
        return measurements(problem)[0]

    return lambda params: network(table.angles(params, jnp))


def ours_of(problem: Problem) -> Callable[[Any, Any], Any]:
    """<Z..Z> of inputs and weights."""
    circuit, inputs, weights = problem.parameterized
    function = jaxqnn.expectation(circuit, input_params=inputs, weight_params=weights)
    return lambda x, w: function(x, w)[..., 0]


def both(problem: Problem) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Batched <Z..Z> of inputs (B, P) and weights, ours and PennyLane's."""
    one = pennylane_of(problem)

    def peer(x: Any, w: Any) -> Any:
        return jax.vmap(lambda row: one(jnp.concatenate([row, w])))(x)

    return ours_of(problem), peer


def training(dtype: type[np.floating]) -> Work:
    problem = Problem("training", 8, 256)
    targets = problem.targets.astype(dtype)

    def step(outputs: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(jax.grad(lambda w, x: jnp.mean((outputs(x, w) - targets) ** 2)))

    ours, peer = both(problem)
    arguments = problem.weights.astype(dtype), problem.inputs.astype(dtype)
    title = "jit(grad(loss)), 8 qubits, batch 256, weights"
    single = dtype is np.float32
    return Work(
        title + ", float32" * single, step(ours), step(peer), arguments, 2e-3 if single else 1e-8
    )


def per_sample() -> Work:
    problem = Problem("z_product", 8, 64)
    ours, one = ours_of(problem), pennylane_of(problem)

    def each(function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(jax.vmap(jax.grad(function, argnums=(0, 1)), in_axes=(0, None)))

    peer = each(lambda x, w: one(jnp.concatenate([x, w])))
    title = "jit(vmap(grad)) by inputs and weights, 8 qubits, batch 64"
    return Work(title, each(ours), peer, (problem.inputs, problem.weights))


def ensemble() -> Work:
    problem = Problem("training", 6, 16)
    weights = np.random.default_rng(0).uniform(-np.pi, np.pi, (32, problem.weights.size))

    def step(outputs: Callable[..., Any]) -> Callable[..., Any]:
        gradient = jax.grad(lambda w, x: jnp.mean((outputs(x, w) - problem.targets) ** 2))
        return jax.jit(jax.vmap(gradient, in_axes=(0, None)))

    ours, peer = both(problem)
    title = "32 weight vectors x 16 samples, 6 qubits, jit(vmap(grad))"
    return Work(title, step(ours), step(peer), (weights, problem.inputs))


def hessian() -> Work:
    problem = Problem("training", 4, 16)

    def second(outputs: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(jax.hessian(lambda w, x: jnp.mean((outputs(x, w) - problem.targets) ** 2)))

    ours, peer = both(problem)
    title = f"jit(hessian), {problem.weights.size} weights, batch 16, 4 qubits"
    return Work(title, second(ours), second(peer), (problem.weights, problem.inputs))


def amplitudes() -> Work:
    qubits, batch = 8, 64
    features, ansatz = raw_feature_vector(2**qubits), real_amplitudes(qubits, reps=3)
    circuit = QuantumCircuit(qubits)
    circuit.compose(features, inplace=True)
    circuit.compose(ansatz, inplace=True)
    function = jaxqnn.expectation(
        circuit, input_params=features.parameters, weight_params=ansatz.parameters
    )
    problem = Problem("z_product", qubits, batch)

    @qml.qnode(qml.device("default.qubit", wires=qubits), interface="jax")
    def network(x: Any, w: Any) -> Any:
        qml.StatePrep(x, wires=range(qubits), normalize=True)
        angle = iter(range(ansatz.num_parameters))
        for layer in range(4):
            for q in range(qubits):
                qml.RY(w[next(angle)], wires=qubits - 1 - q)
            if layer < 3:
                for q in reversed(range(qubits - 1)):
                    qml.CNOT(wires=[qubits - 1 - q, qubits - 2 - q])
        return measurements(problem)[0]

    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(batch, 2**qubits)), rng.normal(size=ansatz.num_parameters)
    ours = jax.jit(jax.grad(lambda w, x: jnp.mean(function(x, w) ** 2)))
    peer = jax.jit(jax.grad(lambda w, x: jnp.mean(jax.vmap(network, (0, None))(x, w) ** 2)))
    return Work("amplitude-encoded inputs, 8 qubits, batch 64, weights", ours, peer, (w, x))


def kernel(name: str, title: str | None = None, **options: Any) -> Work:
    """A fidelity kernel, as QML has it, beside states under jit and one product of matrices."""
    qubits, points = 6, 64
    made = getattr(jaxqnn, name)(feature_map=zz_feature_map(qubits, reps=2), **options)

    @qml.qnode(qml.device("default.qubit", wires=qubits), interface="jax")
    def state(x: Any) -> Any:
        for _ in range(2):
            for q in range(qubits):
                qml.Hadamard(q)
                qml.PhaseShift(2 * x[q], q)
            for one, other in itertools.combinations(range(qubits), 2):
                qml.CNOT([one, other])
                qml.PhaseShift(2 * (np.pi - x[one]) * (np.pi - x[other]), other)
                qml.CNOT([one, other])
        return qml.state()

    def fidelities(x: Any) -> Any:
        states = jax.vmap(state)(x)
        return jnp.abs(states @ states.conj().T) ** 2

    x = np.random.default_rng(2).uniform(-1, 1, (points, qubits))
    return Work(
        f"{title or name}, {points} points, {qubits} qubits",
        made.evaluate,
        jax.jit(fidelities),
        (x,),
    )


WORKS: dict[str, Callable[[], Work]] = {
    "training": lambda: training(np.float64),
    "float32": lambda: training(np.float32),
    "per sample": per_sample,
    "ensemble": ensemble,
    "hessian": hessian,
    "amplitudes": amplitudes,
    "kernel": lambda: kernel("FidelityQuantumKernel"),
    "kernel through JaxSampler": lambda: kernel(
        "FidelityQuantumKernel",
        "FidelityQuantumKernel through JaxSampler",
        fidelity=ComputeUncompute(jaxqnn.JaxSampler()),
    ),
    "statevector kernel": lambda: kernel("FidelityStatevectorKernel"),
}


def row(work: Work) -> list[str]:
    """One line: equal values first, then times."""
    first, found = timed(lambda: work.ours(*work.arguments))
    peer_first, expected = timed(lambda: work.peer(*work.arguments))
    for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        scale = float(np.abs(theirs).max())
        np.testing.assert_allclose(mine, theirs, atol=work.rtol * scale, rtol=0)
    mine = steady(lambda: work.ours(*work.arguments))
    theirs = steady(lambda: work.peer(*work.arguments))
    return [
        work.title,
        f"{first:.2f} s",
        f"{1e3 * mine:.2f} ms",
        f"{peer_first:.1f} s",
        f"{1e3 * theirs:.1f} ms",
        f"{theirs / mine:.1f}x",
    ]


def doors(qubits: int, batch: int) -> Iterator[str]:
    """One gradient by each way in, and what the first call of a second circuit takes."""
    problem = Problem("training", qubits, batch)
    circuit, inputs, weights = problem.parameterized
    names: dict[str, Any] = {"input_params": inputs, "weight_params": weights}

    def gradient(circuit: QuantumCircuit) -> Callable[..., Any]:
        function = jaxqnn.expectation(circuit, **names)

        def loss(w: Any, x: Any) -> Any:
            return jnp.mean((function(x, w)[:, 0] - problem.targets) ** 2)

        return jax.grad(loss)

    eager = gradient(circuit)
    jitted = jax.jit(eager)
    jax.block_until_ready(jitted(problem.weights, problem.inputs))
    other = circuit.copy()
    other.cx(0, 1)
    second, _ = timed(lambda: jax.jit(gradient(other))(problem.weights, problem.inputs))
    qnn = jaxqnn.EstimatorQNN(circuit=circuit, **names)

    def by_vjp() -> Any:
        outputs, pull = qnn.vjp(problem.inputs, problem.weights)
        return pull(2 * (outputs - problem.targets[:, None]) / batch)[1]

    expected = jitted(problem.weights, problem.inputs)
    np.testing.assert_allclose(by_vjp(), expected, atol=1e-10)
    yield f"{qubits}, {batch}"
    yield f"{second:.2f} s"
    yield f"{1e3 * steady(lambda: jitted(problem.weights, problem.inputs)):.2f} ms"
    yield f"{1e3 * steady(by_vjp):.2f} ms"
    yield f"{1e3 * steady(lambda: eager(problem.weights, problem.inputs)):.2f} ms"


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call, and what it returns."""
    started = time.perf_counter()
    found = jax.block_until_ready(call())
    return time.perf_counter() - started, found


def steady(call: Callable[[], Any]) -> float:
    """The median seconds of a call."""
    times: list[float] = []
    deadline = time.perf_counter() + _MEASURE
    while len(times) < 5 or time.perf_counter() < deadline:
        times.append(timed(call)[0])
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
