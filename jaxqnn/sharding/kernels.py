"""The compiled entry points over a mesh: as ``jaxqnn.engine.kernels``, mapped by ``shard_map``.

Samples are cut along the mesh axis ``BATCH`` and amplitudes along ``STATE``; either may be absent.
Weights are everywhere, and their cotangents are summed over the mesh.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxqnn.engine import kernels
from jaxqnn.engine.measurement import Measurement
from jaxqnn.program.tables import Tables
from jaxqnn.sharding import engine
from jaxqnn.sharding.engine import STATE
from jaxqnn.sharding.outcomes import SplitMeasurement
from jaxqnn.sharding.tables import SplitTables

BATCH = "batch"


class Data(Protocol):
    """A measured program as each device runs it."""

    @property
    def measurement(self) -> Any:
        """What is measured."""

    def specs(self) -> Any:
        """The arrays as ``PartitionSpec``."""

    def state_axes(self) -> str | None:
        """The mesh axis that labels are cut along."""

    def output_axes(self) -> tuple[str | None, ...]:
        """The mesh axes of one sample's outputs."""

    def final_state(self, inputs: jax.Array, weights: jax.Array) -> jax.Array:
        """(B, 2, labels)."""

    def outputs(self, state: jax.Array) -> jax.Array:
        """(B, m)."""

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """The state's cotangent from one of the outputs."""

    def pull_state(self, *args: Any, **kwargs: Any) -> tuple[jax.Array, jax.Array]:
        """See ``jaxqnn.engine.kernels.pull_state``."""


class WholeStates(NamedTuple):
    """Every device has whole states, of its own samples."""

    tables: Tables
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

    def final_state(self, inputs: jax.Array, weights: jax.Array) -> jax.Array:
        """See ``Data``."""
        return kernels.final_state(self.tables, inputs, weights)

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``Data``."""
        return self.measurement.outputs(state)

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``Data``."""
        return self.measurement.pull(state, cotangent)

    def pull_state(self, *args: Any, **kwargs: Any) -> tuple[jax.Array, jax.Array]:
        """See ``Data``."""
        return kernels.pull_state(self.tables, *args, **kwargs)


class SplitStates(NamedTuple):
    """Every device has its part of each state."""

    tables: SplitTables
    measurement: SplitMeasurement

    def specs(self) -> Any:
        """See ``Data``."""
        tables = jax.tree.map(lambda _: PartitionSpec(), self.tables)
        tables = tables._replace(given=PartitionSpec(STATE))
        return SplitStates(tables, self.measurement.specs())

    def state_axes(self) -> str | None:
        """See ``Data``."""
        return STATE

    def output_axes(self) -> tuple[str | None, ...]:
        """See ``Data``."""
        return (None,) if self.measurement.axes is None else self.measurement.axes

    def final_state(self, inputs: jax.Array, weights: jax.Array) -> jax.Array:
        """See ``Data``."""
        return engine.final_state(self.tables, inputs, weights)

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``Data``."""
        found = self.measurement.outputs(state)
        return found if self.measurement.axes else lax.psum(found, STATE)

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``Data``."""
        return self.measurement.pull(state, cotangent)

    def pull_state(self, *args: Any, **kwargs: Any) -> tuple[jax.Array, jax.Array]:
        """See ``Data``."""
        return engine.pull_state(self.tables, *args, **kwargs)


def run(
    data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh
) -> tuple[jax.Array, jax.Array]:
    """Outputs (B, ...) and final states (B, 2, 2^n), where they were computed.

    The states of ``SplitStates`` lie one device's labels after the other's.
    """
    batch = batch_axis(mesh)

    def local(data: Data, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = data.final_state(inputs, weights)
        return data.outputs(state), state

    return _mapped(
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
    mesh: Mesh,
    inputs_count: bool = True,
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
        of_state = data.pull(state, cotangent)
        of_inputs, of_weights = data.pull_state(
            inputs,
            weights,
            state,
            of_state[:, None],
            per_sample=False,
            inputs_count=inputs_count,
        )
        of_weights = of_weights[0, 0]
        return of_inputs[:, 0], of_weights if batch is None else lax.psum(of_weights, batch)

    return _mapped(
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


@partial(jax.jit, static_argnames="mesh")
def value(data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh) -> jax.Array:
    """The outputs (B, m), on every device."""
    outputs = run(data, inputs, weights, mesh=mesh)[0]
    return _everywhere(outputs, mesh).reshape(inputs.shape[0], -1)


@partial(jax.jit, static_argnames=("mesh", "inputs_count"))
def jacobian(
    data: Data,
    inputs: jax.Array,
    weights: jax.Array,
    *,
    mesh: Mesh,
    inputs_count: bool = True,
) -> tuple[jax.Array, jax.Array]:
    """See ``jaxqnn.engine.kernels.jacobian``; on every device."""
    batch = batch_axis(mesh)

    def local(data: Data, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = data.final_state(inputs, weights)
        return data.pull_state(
            inputs,
            weights,
            state,
            data.measurement.cotangents(state),
            per_sample=True,
            inputs_count=inputs_count,
        )

    found = _mapped(
        local,
        mesh,
        (data.specs(), PartitionSpec(batch), PartitionSpec()),
        (PartitionSpec(batch), PartitionSpec(batch)),
    )(data, inputs, weights)
    return _everywhere(found[0], mesh), _everywhere(found[1], mesh)


@partial(jax.jit, static_argnames="mesh")
def tangents(
    data: Data,
    inputs: jax.Array,
    weights: jax.Array,
    towards_inputs: jax.Array,
    towards_weights: jax.Array,
    *,
    mesh: Mesh,
) -> jax.Array:
    """See ``jaxqnn.engine.kernels.tangents``; on every device."""

    def outputs(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        return run(data, inputs, weights, mesh=mesh)[0]

    found = kernels.along(outputs, inputs, weights, towards_inputs, towards_weights)
    return _everywhere(found, mesh).reshape(*found.shape[:2], -1)


@partial(jax.jit, static_argnames=("mesh", "inputs_count"))
def vjp(
    data: Data,
    inputs: jax.Array,
    weights: jax.Array,
    cotangent: jax.Array,
    *,
    mesh: Mesh,
    inputs_count: bool = True,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """See ``jaxqnn.engine.kernels.vjp``; on every device."""
    outputs, state = run(data, inputs, weights, mesh=mesh)
    of_inputs, of_weights = pull(
        data,
        inputs,
        weights,
        state,
        cotangent.reshape(outputs.shape),
        mesh=mesh,
        inputs_count=inputs_count,
    )
    flat = _everywhere(outputs, mesh).reshape(inputs.shape[0], -1)
    return flat, _everywhere(of_inputs, mesh), of_weights


def batch_axis(mesh: Mesh) -> str | None:
    """The mesh axis of samples, if there is one."""
    return BATCH if BATCH in mesh.axis_names else None


def put(data: Data, mesh: Mesh) -> Data:
    """The arrays on the mesh's devices, of however many processes."""
    placed: Data = jax.tree.map(
        lambda leaf, spec: jax.device_put(leaf, NamedSharding(mesh, spec)), data, data.specs()
    )
    return placed


def _everywhere(x: jax.Array, mesh: Mesh) -> jax.Array:
    return lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec()))


def _mapped(
    function: Callable[..., Any], mesh: Mesh, in_specs: Any, out_specs: Any
) -> Callable[..., Any]:
    # Replication is not checked: the loops' carries start as constants, the same on all devices.
    return jax.shard_map(
        function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )
