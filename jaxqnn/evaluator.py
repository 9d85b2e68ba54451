"""Eager evaluation of a measured circuit: NumPy in, NumPy out.

This is what the drop-in classes run on.  It chooses the precision without touching JAX's global
setting, pads batches to a few sizes so that a new batch size rarely compiles anew, and splits them
so that memory stays bounded and every core has work.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.batches import Piece, Plan, over_pieces, plan
from jaxqnn.engine import kernels
from jaxqnn.errors import InvalidArgumentError, JaxQNNError
from jaxqnn.functions import Function, model_function
from jaxqnn.measure.specification import Specification
from jaxqnn.model import Model
from jaxqnn.program.tables import column_order
from jaxqnn.sharding import kernels as mesh_kernels
from jaxqnn.sharding.build import check_mesh, mesh_data

Precision = Literal["double", "single"]
Floats = NDArray[np.floating]
_Columns = tuple[jax.Array | Floats, jax.Array | Floats]


class Evaluator:
    """Values, Jacobians and VJPs of a measured circuit.

    Args:
        circuit: Unitary instructions, perhaps with measurements at the end.
        specification: What to measure.
        input_params: Parameters that differ from sample to sample.
        weight_params: Parameters shared by the batch.
        precision: "double" computes in float64 whatever JAX's global setting, "single" in float32.
        device: Where to compute; None is JAX's default device.
        mesh: Several devices: samples are shared out along its axis "batch", amplitudes along its
            axis "state".

    Raises:
        JaxQNNError: See ``Model``.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        specification: Specification,
        input_params: Sequence[Parameter] = (),
        weight_params: Sequence[Parameter] = (),
        *,
        precision: Precision = "double",
        device: jax.Device | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        if precision not in ("double", "single"):
            raise JaxQNNError(f'precision must be "double" or "single", but is {precision!r}.')
        if mesh is not None and device is not None:
            raise JaxQNNError("device and mesh both say where to compute; pass one of them.")
        self.state_devices = 1 if mesh is None else check_mesh(mesh)
        self.model = Model(circuit, specification, input_params, weight_params)
        self.precision = precision
        self.device, self.mesh = device, mesh

    def __getstate__(self) -> dict[str, Any]:
        derived = ("_compiled", "_atoms", "_directions", "function")
        return {key: value for key, value in vars(self).items() if key not in derived}

    @cached_property
    def function(self) -> Function:
        """The pure JAX function of inputs (..., P) and weights (..., W)."""
        return model_function(self.model, mesh=self.mesh)

    @property
    def num_outputs(self) -> int:
        """m, the outputs of one sample, flattened."""
        return math.prod(self.model.output_shape)

    @property
    def itemsize(self) -> int:
        """Bytes of a real number."""
        return self._dtype.itemsize

    def value(self, inputs: ArrayLike, weights: ArrayLike) -> Floats:
        """Outputs (B, m) for inputs (B, P) and weights (W,)."""
        x, w = self._checked(inputs, weights)
        (outputs,) = self._run(lambda rows: (self._compiled.value(*rows.columns),), x, w, 0)
        return outputs

    def jacobian(
        self,
        inputs: ArrayLike,
        weights: ArrayLike,
        *,
        wrt_inputs: bool = True,
        wrt_weights: bool = True,
    ) -> tuple[Floats | None, Floats | None]:
        """Derivatives of each sample's outputs.

        Args:
            inputs: (B, P).
            weights: (W,).
            wrt_inputs: Whether the derivatives by inputs are wanted.
            wrt_weights: Whether those by weights are.

        Returns:
            (B, m, P) and (B, m, W); None for what is not wanted.
        """
        x, w = self._checked(inputs, weights)
        counts = wrt_inputs or self._weights_in_samples

        directions = self._directions

        def run(rows: _Rows) -> tuple[jax.Array | Floats, ...]:
            found: tuple[jax.Array | Floats, ...]
            if directions is not None:
                found = self._along(rows.columns, *directions)
            else:
                found = self._compiled.jacobian(*rows.columns, inputs_count=counts)
            return found if self._atoms is None else self._atoms.pull_each(rows.inputs, w, *found)

        states = self.num_outputs if directions is None else kernels.TANGENTS_AT_ONCE
        by_inputs, by_weights = self._run(run, x, w, states)
        return (
            by_inputs[..., : self.model.num_inputs] if wrt_inputs else None,
            by_weights[..., : self.model.num_weights] if wrt_weights else None,
        )

    def vjp(
        self, inputs: ArrayLike, weights: ArrayLike, cotangent: ArrayLike
    ) -> tuple[Floats, Floats]:
        """Cotangents of inputs (B, P) and weights (W,) from one of the outputs (B, m)."""
        x, w = self._checked(inputs, weights)
        ct = np.asarray(cotangent, self._dtype).reshape(x.shape[0], self.num_outputs)

        def run(rows: _Rows) -> tuple[jax.Array, ...]:
            # Samples added as padding have no cotangent, so they add nothing to the weights'.
            _, *found = self._compiled.vjp(*rows.columns, rows.piece.cut(ct))
            if self._atoms is not None:
                found = self._atoms.pull_sum(rows.inputs, w, *found)
            return found[0], found[1][None]

        of_inputs, of_weights = self._run(run, x, w, 1)
        return (
            of_inputs[:, : self.model.num_inputs],
            of_weights.sum(axis=0)[: self.model.num_weights],
        )

    @cached_property
    def _directions(self) -> tuple[Floats, Floats] | None:
        """A unit vector for each of the engine's inputs and weights that is no padding.

        None where a Jacobian is computed by cotangents: on a mesh, and with few outputs.
        """
        num_inputs, num_weights = (len(part) for part in column_order(self.model.program))
        if self.mesh is not None or self.num_outputs <= num_inputs + num_weights:
            return None
        count = -(-(num_inputs + num_weights) // 16) * 16
        towards_inputs, towards_weights = (
            np.zeros((count, size), self._dtype) for size in self.model.padded_sizes
        )
        rows = np.arange(num_inputs + num_weights)
        towards_inputs[rows[:num_inputs], rows[:num_inputs]] = 1
        towards_weights[rows[num_inputs:], rows[:num_weights]] = 1
        return towards_inputs, towards_weights

    def _along(
        self, columns: _Columns, towards_inputs: Floats, towards_weights: Floats
    ) -> tuple[Floats, Floats]:
        """The Jacobian from tangents, in the shapes of ``kernels.jacobian``."""
        assert self._compiled.tangents is not None  # as _directions found
        tangents = self._compiled.tangents(*columns, towards_inputs, towards_weights)
        found = np.moveaxis(np.asarray(tangents), 0, 2)
        num_inputs, num_weights = (len(part) for part in column_order(self.model.program))
        padded_inputs, padded_weights = self.model.padded_sizes
        by_inputs = np.zeros((*found.shape[:2], padded_inputs), self._dtype)
        by_weights = np.zeros((*found.shape[:2], padded_weights), self._dtype)
        by_inputs[..., :num_inputs] = found[..., :num_inputs]
        by_weights[..., :num_weights] = found[..., num_inputs : num_inputs + num_weights]
        return by_inputs, by_weights

    def _run(
        self,
        task: Callable[[_Rows], tuple[jax.Array | Floats, ...]],
        x: Floats,
        w: Floats,
        num_cotangents: int,
    ) -> list[Floats]:
        """Runs a task over the pieces of a batch and joins what it returns."""
        pieces = self.plan(x.shape[0], num_cotangents)
        self._check(pieces, num_cotangents)

        def run(piece: Piece) -> tuple[Floats, ...]:
            with jax.enable_x64(self.precision == "double"), jax.default_device(self.device):
                inputs = piece.cut(x)
                if self.model.program.amplitudes:
                    # A padded row of zeros has no norm; its NaN would reach sums over the batch.
                    inputs[piece.stop - piece.start :] = x[piece.stop - 1 : piece.stop]
                found = task(_Rows(piece, inputs, self._columns(inputs, w)))
                return tuple(np.asarray(part) for part in found)

        joined = over_pieces(run, pieces)
        if self.model.program.atoms:
            _warn_of_singular_angles(x, w, joined)
        if self.model.program.amplitudes:
            _refuse_zero_vectors(x, w, joined)
        return joined

    def _columns(self, inputs: Floats, w: Floats) -> _Columns:
        if self._atoms is not None:
            columns = self._atoms.columns(inputs, w)
            # On a mesh of several processes, only values that are no device's own can be shared.
            return columns if self.mesh is None else jax.tree.map(np.asarray, columns)
        num_inputs, num_weights = self.model.padded_sizes
        columns = np.zeros((inputs.shape[0], num_inputs), self._dtype)
        columns[:, : inputs.shape[1]] = inputs
        weights = np.zeros(num_weights, self._dtype)
        weights[: w.size] = w
        return columns, weights

    def plan(self, batch: int, num_cotangents: int, *, ask: bool = False) -> Plan:
        """How a batch will be computed, see ``batches``; nothing large is allocated for it."""
        return plan(
            batch,
            self.model.footprint(num_cotangents, self.itemsize, self.state_devices),
            device=self.device,
            mesh=self.mesh,
            ask=ask,
        )

    def _check(self, pieces: Plan, num_cotangents: int) -> None:
        what = f"A sweep of {self.model.program.num_qubits} qubits in {self.precision} precision"
        if num_cotangents > 1:
            what += f" with {num_cotangents} outputs to differentiate"
        pieces.check(
            what,
            'Use precision="single", fewer outputs, vjp in place of backward, or a mesh with an '
            'axis "state" of more devices.',
        )

    @cached_property
    def _compiled(self) -> _Compiled:
        """The kernels, with the program and the measurement on their devices."""
        if self.mesh is None:
            # Copies: an array that a traced function closed over with x64 off is remembered by JAX
            # 0.10 with a buffer of single precision, and would come back as that.
            host = jax.tree.map(np.copy, (self.model.tables, self.model.measurement))
            tables, measurement = jax.device_put(host, self.device)
            return _Compiled(
                partial(kernels.value, tables, measurement),
                partial(kernels.jacobian, tables, measurement),
                partial(kernels.vjp, tables, measurement),
                partial(kernels.tangents, tables, measurement),
            )
        data = mesh_kernels.put(mesh_data(self.model, self.mesh), self.mesh)
        return _Compiled(
            partial(mesh_kernels.value, data, mesh=self.mesh),
            partial(mesh_kernels.jacobian, data, mesh=self.mesh),
            partial(mesh_kernels.vjp, data, mesh=self.mesh),
            None,
        )

    @cached_property
    def _atoms(self) -> _Atoms | None:
        return None if self.model.atoms is None else _Atoms(self.model)

    @cached_property
    def _weights_in_samples(self) -> bool:
        """Whether any angle that differs from sample to sample depends on a weight."""
        columns = self.model.tables.sample.use_source.shape[0]
        return self.model.atoms is not None or columns > self.model.padded_sizes[0]

    @property
    def _dtype(self) -> np.dtype[np.floating]:
        return np.dtype(np.float64 if self.precision == "double" else np.float32)

    def _checked(self, inputs: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats]:
        x, w = np.asarray(inputs, self._dtype), np.asarray(weights, self._dtype)
        if x.ndim != 2 or x.shape[1] != self.model.num_inputs:
            raise InvalidArgumentError(
                f"inputs must have shape (batch, {self.model.num_inputs}), not {x.shape}."
            )
        if w.shape != (self.model.num_weights,):
            raise InvalidArgumentError(
                f"weights must have shape ({self.model.num_weights},), not {w.shape}."
            )
        return x, w


class _Compiled(NamedTuple):
    """The engine's entry points for one network; see ``jaxqnn.engine.kernels``."""

    value: Callable[..., jax.Array]
    jacobian: Callable[..., tuple[jax.Array, jax.Array]]
    vjp: Callable[..., tuple[jax.Array, jax.Array, jax.Array]]
    tangents: Callable[..., jax.Array] | None  # None on a mesh, whose kernels run in reverse only


def _warn_of_singular_angles(x: Floats, w: Floats, outputs: Sequence[Floats]) -> None:
    """Says at which sample an expression has no real value; the outputs there are NaN, as NumPy's.

    Polynomials of finite parameters are finite, so it can be no other angle.
    """
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(w))):
        return
    for part in outputs:
        if np.any(np.isnan(part)):
            rows = np.flatnonzero(np.isnan(part).any(axis=tuple(range(1, part.ndim))))
            where = (
                f"sample {rows[0]} of the batch" if part.shape[0] == x.shape[0] else "the weights"
            )
            warnings.warn(
                "An expression of the circuit's parameters has no real value or derivative at "
                f"{where} (a logarithm or root of a negative number, a division by zero), so "
                "results are NaN.",
                RuntimeWarning,
                stacklevel=5,
            )
            return


def _refuse_zero_vectors(x: Floats, w: Floats, outputs: Sequence[Floats]) -> None:
    """Amplitudes are divided by their norm, so a vector of zeros, and only it, gives NaN."""
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(w))):
        return
    if any(np.any(np.isnan(part)) for part in outputs):
        rows = np.flatnonzero(~np.any(x, axis=1))
        which = f"of sample {rows[0]} " if rows.size else ""
        raise InvalidArgumentError(
            f"The amplitudes {which}the circuit starts from are all zero, so they cannot be "
            "normalised to a state. Leave such samples out, or add a constant feature."
        )


@dataclass(frozen=True)
class _Rows:
    """One piece of a batch: its inputs as given, and as the engine's columns."""

    piece: Piece
    inputs: Floats
    columns: _Columns


class _Atoms:
    """Angles that are no polynomials: their values as columns, and the chain rule through them.

    Only these small functions are compiled for the circuit; the engine's stay shared.
    """

    def __init__(self, model: Model) -> None:
        self.columns = jax.jit(model.columns)

        def pull_sum(
            x: jax.Array, w: jax.Array, of_inputs: jax.Array, of_weights: jax.Array
        ) -> tuple[jax.Array, ...]:
            return jax.vjp(model.columns, x, w)[1]((of_inputs, of_weights))

        def pull_one(
            x: jax.Array, w: jax.Array, by_inputs: jax.Array, by_weights: jax.Array
        ) -> tuple[jax.Array, ...]:
            pull = jax.vmap(jax.vjp(model.columns, x[None], w)[1])
            of_x, of_w = pull((by_inputs[:, None], by_weights))
            return of_x[:, 0], of_w

        self.pull_sum = jax.jit(pull_sum)
        self.pull_each = jax.jit(jax.vmap(pull_one, in_axes=(0, None, 0, 0)))
