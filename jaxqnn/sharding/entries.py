"""Value, Jacobian and VJP of a measured program as JAX compiles them: on one device, or on a mesh.

Samples are cut along the mesh axis ``BATCH`` and amplitudes along ``STATE``; either may be absent.
Weights are everywhere, and their cotangents are summed over the mesh. Inputs are (B, P), weights
(W,), outputs (B, ...).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxqnn.engine.measurement import Measurement
from jaxqnn.sharding import engine
from jaxqnn.sharding.engine import STATE
from jaxqnn.sharding.outcomes import SplitMeasurement
from jaxqnn.sharding.tables import SplitTables
from jaxqnn.sweep.arrays import ProgramArrays
from jaxqnn.sweep.primitive import evolve, pull_p

BATCH = "batch"

# Tangents carried through the layers at once; each takes as much memory as the states.
TANGENTS_AT_ONCE = 8


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
        """(B, ...)."""

    def pull_state(
        self,
        inputs: jax.Array,
        weights: jax.Array,
        state: jax.Array,
        bras: jax.Array,
        *,
        per_sample: bool,
    ) -> tuple[jax.Array, jax.Array]:
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

    def final_state(self, inputs: jax.Array, weights: jax.Array) -> jax.Array:
        """See ``Data``."""
        return evolve(self.program, inputs[None], weights[None])[0]

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``Data``."""
        return self.measurement.outputs(state)

    def pull_state(
        self,
        inputs: jax.Array,
        weights: jax.Array,
        state: jax.Array,
        bras: jax.Array,
        *,
        per_sample: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """See ``Data``."""
        classes = inputs.shape[0] if per_sample else 1
        operands = inputs[None], weights[None], state[None], bras[None]
        of_inputs, of_weights = pull_p.bind(*operands, program=self.program, classes=classes)
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

    def final_state(self, inputs: jax.Array, weights: jax.Array) -> jax.Array:
        """See ``Data``."""
        return engine.final_state(self.tables, *self._padded(inputs, weights))

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``Data``."""
        found = self.measurement.outputs(state)
        return found if self.measurement.axes else lax.psum(found, STATE)

    def pull_state(
        self,
        inputs: jax.Array,
        weights: jax.Array,
        state: jax.Array,
        bras: jax.Array,
        *,
        per_sample: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """See ``Data``."""
        columns = self._padded(inputs, weights)
        of_inputs, of_weights = engine.pull_state(
            self.tables, *columns, state, jnp.moveaxis(bras, 0, 1), per_sample=per_sample
        )
        of_inputs, of_weights = of_inputs[..., : inputs.shape[1]], of_weights[..., : len(weights)]
        return jnp.moveaxis(of_inputs, 0, 1), jnp.moveaxis(of_weights, 0, 1)

    def _padded(self, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        num_inputs, num_weights = self.sizes
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
        of_inputs, of_weights = data.pull_state(inputs, weights, state, bra, per_sample=False)
        of_weights = of_weights[0, 0]
        return of_inputs[0], of_weights if batch is None else lax.psum(of_weights, batch)

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
def value(data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh | None) -> jax.Array:
    """The outputs (B, m), on every device."""
    outputs = run(data, inputs, weights, mesh=mesh)[0]
    return _everywhere(outputs, mesh).reshape(inputs.shape[0], -1)


@partial(jax.jit, static_argnames="mesh")
def by_cotangents(
    data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh | None
) -> tuple[jax.Array, jax.Array]:
    """Each sample's outputs by inputs (B, m, P) and weights (B, m, W), in reverse mode."""
    batch = batch_axis(mesh)

    def local(data: Data, inputs: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        state = data.final_state(inputs, weights)
        bras = data.measurement.bras(state)
        found = data.pull_state(inputs, weights, state, bras, per_sample=True)
        return jnp.moveaxis(found[0], 0, 1), jnp.moveaxis(found[1], 0, 1)

    by_inputs, by_weights = _mapped(
        local,
        mesh,
        (data.specs(), PartitionSpec(batch), PartitionSpec()),
        (PartitionSpec(batch), PartitionSpec(batch)),
    )(data, inputs, weights)
    return _everywhere(by_inputs, mesh), _everywhere(by_weights, mesh)


@partial(jax.jit, static_argnames="mesh")
def by_tangents(
    data: Data, inputs: jax.Array, weights: jax.Array, *, mesh: Mesh | None
) -> tuple[jax.Array, jax.Array]:
    """The same in forward mode: one tangent a column, whatever the number of outputs."""
    (batch, num_inputs), num_weights = inputs.shape, weights.shape[0]

    def outputs(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        return run(data, inputs, weights, mesh=mesh)[0]

    def along(direction: jax.Array) -> jax.Array:
        # The same for all samples, whose outputs depend on no others' inputs.
        step = jnp.broadcast_to(direction[:num_inputs], inputs.shape), direction[num_inputs:]
        return jax.jvp(outputs, (inputs, weights), step)[1]

    unit = jnp.eye(num_inputs + num_weights, dtype=weights.dtype)
    found = _everywhere(lax.map(along, unit, batch_size=TANGENTS_AT_ONCE), mesh)
    found = jnp.moveaxis(found.reshape(len(unit), batch, -1), 0, 2)
    return found[..., :num_inputs], found[..., num_inputs:]


@partial(jax.jit, static_argnames="mesh")
def vjp(
    data: Data, inputs: jax.Array, weights: jax.Array, cotangent: jax.Array, *, mesh: Mesh | None
) -> tuple[jax.Array, jax.Array]:
    """Cotangents of inputs (B, P) and weights (W,) from one (B, m) of the outputs."""
    outputs, state = run(data, inputs, weights, mesh=mesh)
    cotangent = cotangent.reshape(outputs.shape)
    of_inputs, of_weights = pull(data, inputs, weights, state, cotangent, mesh=mesh)
    return _everywhere(of_inputs, mesh), of_weights


def batch_axis(mesh: Mesh | None) -> str | None:
    """The mesh axis of samples, if there is one."""
    return BATCH if mesh is not None and BATCH in mesh.axis_names else None


def put(data: Data, mesh: Mesh | None, device: jax.Device | None) -> Data:
    """The arrays on the mesh's devices, of however many processes, or on the one device."""
    if mesh is None:
        # Copies: an array that a traced function closed over with x64 off is remembered by JAX 0.10
        # with a buffer of single precision, and would come back as that.
        placed: Data = jax.device_put(jax.tree.map(np.copy, data), device)
    else:
        placed = jax.tree.map(
            lambda leaf, spec: jax.device_put(leaf, NamedSharding(mesh, spec)), data, data.specs()
        )
    return placed


def _everywhere(x: jax.Array, mesh: Mesh | None) -> jax.Array:
    if mesh is None:
        return x
    return lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec()))


def _mapped(
    function: Callable[..., Any], mesh: Mesh | None, in_specs: Any, out_specs: Any
) -> Callable[..., Any]:
    if mesh is None:
        return function
    # Replication is not checked: the loops' carries start as constants, the same on all devices.
    return jax.shard_map(
        function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )
