"""A measured program as each device runs it, mapped over a mesh or on the one device.

Samples are cut along the mesh axis ``BATCH`` and amplitudes along ``STATE``; either may be absent.
Weights are everywhere, and their cotangents are summed over the mesh. Inputs are (B, P), weights
(W,), outputs (B, ...).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from jaxqnn.engine.measurement import Measurement
from jaxqnn.sharding import engine
from jaxqnn.sharding.engine import STATE
from jaxqnn.sharding.outcomes import SplitMeasurement
from jaxqnn.sharding.tables import SplitTables
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.primitive import evolve, pull_p

BATCH = "batch"

Columns = tuple[jax.Array, jax.Array]  # inputs and weights, or their cotangents


class Data(Protocol):
    """A measured program as each device runs it."""

    @property
    def measurement(self) -> Measurement | SplitMeasurement:
        """What is measured."""

    def specs(self) -> Any:
        """The arrays as ``PartitionSpec``."""

    def state_axes(self) -> str | None:
        """The mesh axis that labels are cut along."""

    def output_axes(self) -> tuple[str | None, ...]:
        """The mesh axes of one sample's outputs."""

    def final_state(self, columns: Columns) -> jax.Array:
        """(B, 2, labels)."""

    def outputs(self, state: jax.Array) -> jax.Array:
        """(B, ...)."""

    def pull_state(
        self, columns: Columns, state: jax.Array, bras: jax.Array, *, per_sample: bool
    ) -> Columns:
        """Cotangents of inputs (m, B, P) and weights (m, B, W) from bras (m, B, 2, labels).

        Without ``per_sample`` the weights' are summed over the batch: (m, 1, W).
        """


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WholeStates:
    """Every device has whole states, of its own samples: the sweeps are ``sweep.primitive``'s."""

    program: ProgramArrays = field(metadata={"static": True})
    measurement: Measurement

    def specs(self) -> Any:
        """See ``Data``."""
        return jax.tree.map(lambda _: PartitionSpec(), self)

    def state_axes(self) -> str | None:
        """See ``Data``."""
        return None

    def output_axes(self) -> tuple[str | None, ...]:
        """See ``Data``."""
        return (None,)

    def final_state(self, columns: Columns) -> jax.Array:
        """See ``Data``."""
        inputs, weights = columns
        return evolve(self.program, inputs[None], weights[None])[0]

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``Data``."""
        return self.measurement.outputs(state)

    def pull_state(
        self, columns: Columns, state: jax.Array, bras: jax.Array, *, per_sample: bool
    ) -> Columns:
        """See ``Data``."""
        operands = [part[None] for part in (*columns, state, bras)]
        classes = state.shape[0] if per_sample else 1
        of_inputs, of_weights = pull_p.bind(
            *operands, program=self.program, classes=classes, wrt_inputs=True
        )
        return of_inputs[0], of_weights[0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SplitStates:
    """Every device has its part of each state.

    Attributes:
        tables: The program.
        measurement: What is measured.
        sizes: Lengths that inputs and weights have beside the tables.
    """

    tables: SplitTables
    measurement: SplitMeasurement
    sizes: tuple[int, int] = field(metadata={"static": True})

    def specs(self) -> Any:
        """See ``Data``."""
        tables = jax.tree.map(lambda _: PartitionSpec(), self.tables)
        tables = tables._replace(given=PartitionSpec(STATE))
        return SplitStates(tables, self.measurement.specs(), self.sizes)

    def state_axes(self) -> str | None:
        """See ``Data``."""
        return STATE

    def output_axes(self) -> tuple[str | None, ...]:
        """See ``Data``."""
        return (None,) if self.measurement.axes is None else self.measurement.axes

    def final_state(self, columns: Columns) -> jax.Array:
        """See ``Data``."""
        return engine.final_state(self.tables, *self._padded(columns))

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``Data``."""
        found = self.measurement.outputs(state)
        return found if self.measurement.axes else lax.psum(found, STATE)

    def pull_state(
        self, columns: Columns, state: jax.Array, bras: jax.Array, *, per_sample: bool
    ) -> Columns:
        """See ``Data``."""
        found = engine.pull_state(
            self.tables,
            *self._padded(columns),
            state,
            jnp.moveaxis(bras, 0, 1),
            per_sample=per_sample,
        )
        of_inputs, of_weights = (jnp.moveaxis(part, 0, 1) for part in found)
        inputs, weights = columns
        return of_inputs[..., : inputs.shape[1]], of_weights[..., : len(weights)]

    def _padded(self, columns: Columns) -> Columns:
        (inputs, weights), (num_inputs, num_weights) = columns, self.sizes
        return (
            jnp.pad(inputs, ((0, 0), (0, num_inputs - inputs.shape[1]))),
            jnp.pad(weights, (0, num_weights - weights.shape[0])),
        )


def run(
    data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh | None
) -> tuple[jax.Array, jax.Array]:
    """Outputs (B, ...) and final states (B, 2, 2^n), where they were computed.

    The states of ``SplitStates`` lie one device's labels after the other's.
    """
    batch = batch_axis(mesh)

    def local(data: Data, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = data.final_state((inputs, weights))
        return data.outputs(state), state

    return mapped(
        local,
        mesh,
        (data.specs(), PartitionSpec(batch), PartitionSpec()),
        (PartitionSpec(batch, *data.output_axes()), PartitionSpec(batch, None, data.state_axes())),
    )(data, inputs, weights)


def pull(
    data: Data,
    inputs: jax.Array,
    weights: jax.Array,
    state: jax.Array,
    cotangent: jax.Array,
    *,
    mesh: Mesh | None,
) -> tuple[jax.Array, jax.Array]:
    """Cotangents of inputs (B, P) and weights (W,) from one of the outputs, (B, ...)."""
    batch = batch_axis(mesh)

    def local(
        data: Data,
        inputs: jax.Array,
        weights: jax.Array,
        state: jax.Array,
        cotangent: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        bra = data.measurement.pull(state, cotangent)[None]
        of_inputs, of_weights = data.pull_state((inputs, weights), state, bra, per_sample=False)
        of_weights = of_weights[0, 0]
        return of_inputs[0], of_weights if batch is None else lax.psum(of_weights, batch)

    return mapped(
        local,
        mesh,
        (
            data.specs(),
            PartitionSpec(batch),
            PartitionSpec(),
            PartitionSpec(batch, None, data.state_axes()),
            PartitionSpec(batch, *data.output_axes()),
        ),
        (PartitionSpec(batch), PartitionSpec()),
    )(data, inputs, weights, state, cotangent)


def batch_axis(mesh: Mesh | None) -> str | None:
    """The mesh axis of samples, if there is one."""
    return BATCH if mesh is not None and BATCH in mesh.axis_names else None


def mapped(
    function: Callable[..., Any], mesh: Mesh | None, in_specs: Any, out_specs: Any
) -> Callable[..., Any]:
    """What every device of a mesh does, or the one device itself."""
    if mesh is None:
        return function
    # Replication is not checked: the loops' carries start as constants, the same on all devices.
    return jax.shard_map(
        function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )
