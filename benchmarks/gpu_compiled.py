"""What XLA compiles jaxqnn's gradients to for an H100, without having one.

    pip install -e ".[bench]" "jax[cuda13]"
    python -m benchmarks.gpu_compiled

Nothing is run, so there are no times: kernels launched, answers that the host waits for, states
read and written in each layer, and memory, for one GPU and for eight that share each state.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

# The plugin refuses to load where there is no driver, unless told that nobody will run anything.
os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")

import jax
import numpy as np
import typer
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from rich.console import Console

from jaxqnn.engine import kernels
from jaxqnn.model import Model
from jaxqnn.sharding import kernels as mesh_kernels
from jaxqnn.sharding.build import mesh_data

from . import tables
from .hlo import Step, loops
from .peers.ours import network
from .problems import Problem

console = Console(width=None if sys.stdout.isatty() else 160)

PROBLEMS = [
    *(Problem("z_product", n, batch) for n, batch in ((4, 64), (8, 64), (8, 1024), (12, 16))),
    *(Problem("z_product", n, batch) for n, batch in ((12, 1024), (16, 4), (20, 1), (24, 1))),
    Problem("z_each", 8, 4096),
]
# A state of so many qubits is shared out over eight devices.
SHARED_QUBITS = (20, 28, 30, 32, 33)

# Without a device there is nothing to try kernels on.
OPTIONS: dict[str, str | bool] = {"xla_gpu_autotune_level": "0"}


def main(
    output: Annotated[Path, typer.Option(help="The table to write.")] = Path(
        "benchmarks/results/gpu_compiled.md"
    ),
) -> None:
    """Compile for one H100 and for eight, and write what was compiled."""
    cells = []
    for problem in PROBLEMS:
        for precision in ("double", "single"):
            cells.append(list(on_one(problem, precision)))
            console.print("  ".join(cells[-1]))
    for num_qubits in SHARED_QUBITS:
        cells.append(list(on_eight(num_qubits)))
        console.print("  ".join(cells[-1]))
    columns = ["gradient", "dtype", "forward: kernels", "waits", "states moved"]
    columns += ["reverse: kernels", "waits", "states moved", "memory", "in states", "resources"]
    rows = tables.Rows(
        f"Each layer, as JAX {jax.__version__} compiles it for an H100; nothing was run",
        columns,
        cells,
        [
            "a-b: a where a layer has no phases and nothing to train, b where it has both.",
            "A wait is one answer of the device that the host needs before it goes on.",
            "States moved: every operand and result of every kernel, counted whole also where a "
            "part is read, in units of the batch's states; the reverse sweep moves the state and "
            "its cotangents.",
            "Memory is XLA's own sum, with arguments, for each device; the last column is what "
            "jaxqnn foretells.",
        ],
    )
    output.write_text(tables.to_markdown(rows))


def on_one(problem: Problem, precision: str) -> Iterator[str]:
    """One line of the table: a Jacobian on one GPU."""
    dtype = np.dtype(np.float64 if precision == "double" else np.float32)
    model = network(problem)._evaluator.model
    place = NamedSharding(mesh_of(1), PartitionSpec())
    tables_, measurement = abstract((model.tables, model.measurement), place)
    num_inputs, num_weights = model.padded_sizes
    with jax.enable_x64(precision == "double"):
        compiled = kernels.jacobian.lower(
            tables_,
            measurement,
            jax.ShapeDtypeStruct((problem.batch, num_inputs), dtype, sharding=place),
            jax.ShapeDtypeStruct((num_weights,), dtype, sharding=place),
        ).compile(OPTIONS)
    yield problem.title
    yield from row(compiled, model, dtype, problem.batch, 1)


def on_eight(num_qubits: int) -> Iterator[str]:
    """One line of the table: a vector-Jacobian product on eight GPUs."""
    problem = Problem("z_product", num_qubits, 1)
    dtype = np.dtype(np.float32)
    model = network(problem, precision="single")._evaluator.model
    mesh = mesh_of(8)
    everywhere = NamedSharding(mesh, PartitionSpec())
    data = mesh_data(model, mesh)
    places = jax.tree.map(lambda spec: NamedSharding(mesh, spec), data.specs())
    num_inputs, num_weights = model.padded_sizes
    compiled = mesh_kernels.vjp.lower(
        jax.tree.map(abstract, data, places),
        jax.ShapeDtypeStruct((1, num_inputs), dtype, sharding=everywhere),
        jax.ShapeDtypeStruct((num_weights,), dtype, sharding=everywhere),
        jax.ShapeDtypeStruct((1, 1), dtype, sharding=everywhere),
        mesh=mesh,
    ).compile(OPTIONS)
    yield f"{problem.title}, on 8 devices"
    yield from row(compiled, model, dtype, 1, 8)


def mesh_of(devices: int) -> Mesh:
    """H100s that are not there."""
    topology = topologies.get_topology_desc(
        platform="cuda",
        target_config=Path(__file__).with_name("h100.txt").read_text(),
        topology=f"1x{devices}x1",
    )
    return topologies.make_mesh(topology, (devices,), ("state",))


def abstract(arrays: Any, place: NamedSharding) -> Any:
    """The shapes of arrays, on devices."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(np.shape(x), np.asarray(x).dtype, sharding=place), arrays
    )


def row(
    compiled: Any, model: Model, dtype: np.dtype[Any], batch: int, devices: int
) -> Iterator[str]:
    """The cells behind a line's title."""
    footprint = model.footprint(model.num_outputs, dtype.itemsize, devices)
    state = batch * footprint.state_bytes
    found = loops(compiled.as_text())
    # Besides the sweep forward and the one back there are loops over Pauli strings, much shorter.
    least = sorted(step.most.kernels for step in found)[-2]
    sweeps = [step for step in found if step.most.kernels >= least]
    memory = compiled.memory_analysis()
    total = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    yield dtype.name
    for step in sweeps:
        yield span(step, lambda work: work.kernels)
        yield span(step, lambda work: work.waits)
        yield span(step, lambda work: round(work.moved / state, 1))
    yield tables.megabytes(total)
    yield f"{total / state:.1f}"
    yield tables.megabytes(footprint.peak_bytes(batch))


def span(step: Step, of: Any) -> str:
    """A number of the least and of the most that a turn does."""
    least, most = (of(work) for work in (step.least, step.most))
    return f"{least}" if least == most else f"{least}-{most}"


if __name__ == "__main__":
    typer.run(main)
