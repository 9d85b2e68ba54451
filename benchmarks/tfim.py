"""One large state on a GPU, beside others: `python -m benchmarks.tfim --help`.

The energy of the transverse-field Ising chain and its gradient, by a circuit of |+>^n and ten times
RZZ on neighbours and RX on all qubits: H = -sum Z_i Z_i+1 - sum X_i, complex64.  TensorCircuit-NG
publishes times of this workload.  Each library runs in a process of its own; all start at once and
compile beside each other, and are timed one after another.  Values are compared before times are.
"""

from __future__ import annotations

import fcntl
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from . import tables

console = Console(width=None if sys.stdout.isatty() else 120)

DEPTH = 10
TOLERANCE = 1e-4

Energy = Callable[[Any], Any]


def angles(qubits: int) -> np.ndarray:
    """Return the angles, (2 depth, n): of RZZ in even rows, of RX in odd ones."""
    rng = np.random.default_rng(7)
    return rng.uniform(-1, 1, size=(2 * DEPTH, qubits)).astype(np.float32)


def ours(qubits: int) -> Energy:
    """Return the energy by jaxqnn."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector
    from qiskit.quantum_info import SparsePauliOp

    import jaxqnn

    theta = ParameterVector("theta", 2 * DEPTH * qubits)
    circuit = QuantumCircuit(qubits)
    circuit.h(range(qubits))
    for d in range(DEPTH):
        for i in range(qubits - 1):
            circuit.rzz(theta[2 * d * qubits + i], i, i + 1)
        for i in range(qubits):
            circuit.rx(theta[(2 * d + 1) * qubits + i], i)
    terms = [("ZZ", [i, i + 1], -1.0) for i in range(qubits - 1)]
    terms += [("X", [i], -1.0) for i in range(qubits)]
    hamiltonian = SparsePauliOp.from_sparse_list(terms, qubits)
    used = [t for t in theta if t in circuit.parameters]
    places = np.array([t.index for t in used])
    energy = jaxqnn.expectation(circuit, hamiltonian, input_params=[], weight_params=used)
    return lambda p: energy(p[0, :0], p.reshape(-1)[places])[0]


def tensorcircuit(qubits: int) -> Energy:
    """Return the energy by TensorCircuit-NG, as in its own examples."""
    import jax
    import jax.numpy as jnp
    import tensorcircuit as tc

    backend = tc.set_backend("jax")
    tc.set_dtype("complex64")
    # It has a setting of its own beside JAX's.
    backend.jax_precision = jax.lax.Precision.HIGHEST

    def energy(p: Any) -> Any:
        circuit = tc.Circuit(qubits)
        for i in range(qubits):
            circuit.h(i)
        for d in range(DEPTH):
            for i in range(qubits - 1):
                circuit.rzz(i, i + 1, theta=p[2 * d, i])
            for i in range(qubits):
                circuit.rx(i, theta=p[2 * d + 1, i])
        found = sum(-circuit.expectation_ps(z=[i, i + 1]) for i in range(qubits - 1))
        found += sum(-circuit.expectation_ps(x=[i]) for i in range(qubits))
        return jnp.real(found)

    return energy


def pennylane(qubits: int) -> Energy:
    """Return the energy by PennyLane's default.qubit under jit."""
    import jax
    import pennylane as qml
    from jax._src.core import is_concrete

    # PennyLane 0.45 asks for it where JAX had it before 0.11.
    jax.core.is_concrete = is_concrete

    words = [qml.Z(i) @ qml.Z(i + 1) for i in range(qubits - 1)]
    words += [qml.X(i) for i in range(qubits)]
    hamiltonian = qml.Hamiltonian([-1.0] * len(words), words)

    @qml.qnode(qml.device("default.qubit", wires=qubits), interface="jax", diff_method="backprop")
    def energy(p: Any) -> Any:
        for i in range(qubits):
            qml.Hadamard(i)
        for d in range(DEPTH):
            for i in range(qubits - 1):
                qml.IsingZZ(p[2 * d, i], wires=[i, i + 1])
            for i in range(qubits):
                qml.RX(p[2 * d + 1, i], wires=i)
        return qml.expval(hamiltonian)

    return energy


PEERS: dict[str, tuple[str, Callable[[int], Energy]]] = {
    "jaxqnn": ("jaxqnn", ours),
    "tensorcircuit": ("TensorCircuit-NG", tensorcircuit),
    "pennylane": ("PennyLane default.qubit, jit", pennylane),
}


def run_one(peer: str, qubits: int, lock: Path, seconds: float) -> dict[str, Any]:
    """Return what one library gives and takes, in this process."""
    import jax

    # Without these, complex products of single precision are rounded to ten bits on a GPU: JAX's
    # setting alone does not reach cuBLAS's complex products, of which TensorCircuit-NG's are.
    os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    jax.config.update("jax_default_matmul_precision", "highest")
    started = time.perf_counter()
    function = jax.jit(jax.value_and_grad(PEERS[peer][1](qubits)))
    p = jax.numpy.asarray(angles(qubits))
    value, gradient = jax.block_until_ready(function(p))
    first = time.perf_counter() - started
    times: list[float] = []
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        while len(times) < 5 or sum(times) < seconds:
            begin = time.perf_counter()
            jax.block_until_ready(function(p))
            times.append(time.perf_counter() - begin)
    return {
        "first_s": first,
        "steady_s": statistics.median(times),
        "value": float(value),
        "gradient": np.asarray(gradient).tolist(),
        "device": jax.devices()[0].device_kind,
    }


def main(
    qubits: Annotated[list[int] | None, typer.Option(help="Sizes, once each. [20, 24]")] = None,
    peers: Annotated[str, typer.Option(help="Libraries.")] = ",".join(PEERS),
    seconds: Annotated[float, typer.Option(help="Seconds of steady calls.")] = 1.0,
    timeout: Annotated[float, typer.Option(help="Seconds that a library may take.")] = 600.0,
    output: Annotated[Path, typer.Option(help="Folder for tfim.json and tfim.md.")] = Path(
        "benchmarks/results"
    ),
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Run every library, compare their values, then their times."""
    qubits = qubits or [20, 24]
    if child:
        name, lock, place = child.split("::")
        Path(place).write_text(json.dumps(run_one(name, qubits[0], Path(lock), seconds)))
        return
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        running: dict[tuple[str, int], tuple[Path, subprocess.Popen[bytes]]] = {}
        for peer in peers.split(","):
            for n in qubits:
                file = Path(folder) / f"{peer}_{n}.json"
                told = f"{peer}::{folder}/lock::{file}"
                command = [sys.executable, "-m", "benchmarks.tfim", "--qubits", str(n)]
                command += ["--seconds", str(seconds), "--child", told]
                running[peer, n] = file, subprocess.Popen(command)
        results: dict[tuple[str, int], dict[str, Any]] = {}
        for (peer, n), (file, process) in running.items():
            try:
                process.wait(max(timeout - (time.monotonic() - started), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
            if file.exists():
                results[peer, n] = json.loads(file.read_text())
    cells, wrong = [], []
    for (peer, n), (_, process) in running.items():
        found, mine = results.get((peer, n)), results.get(("jaxqnn", n))
        if found is None or mine is None:
            cells.append([PEERS[peer][0], str(n), "-", "-", "-", "-"])
            # A process that was killed has no status of its own.
            is_late = process.poll() is None or process.returncode < 0
            why = f"nothing within {timeout:.0f} s" if is_late else "failed, see its output"
            wrong.append(f"{PEERS[peer][0]}, {n} qubits: {why}.")
            continue
        scale = np.max(np.abs(mine["gradient"]))
        error = np.max(np.abs(np.subtract(found["gradient"], mine["gradient"]))) / scale
        if not error <= TOLERANCE:
            wrong.append(f"{PEERS[peer][0]}, {n} qubits: differs from jaxqnn by {error:.1e}.")
        ratio = tables.ratio(found["steady_s"] / mine["steady_s"])
        times = [tables.seconds(found[key]) for key in ("first_s", "steady_s")]
        cells.append([PEERS[peer][0], str(n), *times, ratio, f"{error:.0e}"])
    device = next((result["device"] for result in results.values()), "no device")
    columns = ["library", "qubits", "first call", "steady", "to jaxqnn's", "difference"]
    title = f"TFIM chain, value and gradient, depth {DEPTH}, complex64, {device}"
    rows = tables.Rows(title, columns, cells, wrong)
    console.print(tables.to_rich(rows))
    output.mkdir(parents=True, exist_ok=True)
    kept = [{"peer": peer, "qubits": n, **result} for (peer, n), result in results.items()]
    for record in kept:
        del record["gradient"]
    (output / "tfim.json").write_text(json.dumps(kept, indent=1) + "\n")
    (output / "tfim.md").write_text(tables.to_markdown(rows))


if __name__ == "__main__":
    typer.run(main)
