"""Eager evaluation of a measured circuit: NumPy in, NumPy out.

This is what the drop-in classes run on.  It chooses the precision without touching JAX's global
setting, pads batches to a few sizes so that a new batch size rarely compiles anew, and splits them
so that memory stays bounded and every core has work.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike
from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.backends import Backend, Precision, choose
from jaxqnn.backends.backend import Floats, Pull
from jaxqnn.batches import Piece, Plan, over_pieces, plan
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.functions import Function, model_function
from jaxqnn.measure.specification import Specification
from jaxqnn.model import Model, of_them
from jaxqnn.sharding.build import check_mesh

# States of a batch that wait between its forward and its reverse sweep, at most.
_KEPT_BYTES = 1 << 26


class Evaluator:
    """Values, Jacobians and VJPs of a measured circuit.

    Args:
        circuit: Unitary instructions, measurements, resets and branches.
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
            raise InvalidArgumentError(
                f'precision must be "double" or "single", but is {precision!r}.'
            )
        if mesh is not None and device is not None:
            raise InvalidArgumentError(
                "device and mesh both say where to compute; pass one of them."
            )
        self.state_devices = 1 if mesh is None else check_mesh(mesh)
        self.model = Model(circuit, specification, input_params, weight_params)
        self.precision = precision
        self.device, self.mesh = device, mesh

    def __getstate__(self) -> dict[str, Any]:
        derived = ("_backend", "function")
        return {key: value for key, value in vars(self).items() if key not in derived}

    @cached_property
    def function(self) -> Function:
        """The pure JAX function of inputs (..., P) and weights (..., W)."""
        return model_function(self.model, mesh=self.mesh)

    @property
    def itemsize(self) -> int:
        """Bytes of a real number."""
        return self._dtype.itemsize

    @cached_property
    def _backend(self) -> Backend:
        return choose(self.model, self.precision, self.device, self.mesh)

    def value(self, inputs: ArrayLike, weights: ArrayLike) -> Floats:
        """Outputs (B, m) for inputs (B, P) and weights (W,)."""
        x, w = self._checked(inputs, weights)
        (outputs,) = self._run(lambda rows, _: (self._backend.value(rows, w),), x, w, 0)
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
        by_inputs, by_weights = self._run(
            lambda rows, _: self._backend.jacobian(rows, w, wrt_inputs=wrt_inputs),
            x,
            w,
            self._backend.num_cotangents,
        )
        return by_inputs if wrt_inputs else None, by_weights if wrt_weights else None

    def linearized(
        self, inputs: ArrayLike, weights: ArrayLike, *, wrt_inputs: bool = True
    ) -> tuple[Floats, Pull]:
        """Outputs (B, m), and what pulls a cotangent (B, m) back to the inputs' and weights'.

        The inputs' is void if not ``wrt_inputs``. The final states wait for the cotangent if they
        are small, else they are evolved again.
        """
        x, w = self._checked(inputs, weights)
        pieces = self.plan(x.shape[0], 1)
        states = x.shape[0] * (2 * self.itemsize << self.model.program.num_qubits)
        keep = states <= _KEPT_BYTES or not self._backend.keeps_states
        pulls: dict[Piece, Pull] = {}

        def linearize(rows: Floats) -> tuple[Floats, Pull]:
            return self._backend.linearized(rows, w, wrt_inputs=wrt_inputs)

        def forward(rows: Floats, piece: Piece) -> tuple[Floats, ...]:
            outputs, pull = linearize(rows)
            if keep:
                pulls[piece] = pull
            return (outputs,)

        def pull(cotangent: Floats) -> tuple[Floats, Floats]:
            ct = cotangent.astype(self._dtype).reshape(x.shape[0], self.model.num_outputs)

            def reverse(rows: Floats, piece: Piece) -> tuple[Floats, ...]:
                back = pulls[piece] if keep else linearize(rows)[1]
                # Samples added as padding have no cotangent, so they add nothing to the weights'.
                of_inputs, of_weights = back(piece.cut(ct))
                return of_inputs, of_weights[None]

            of_inputs, of_weights = self._run(reverse, x, w, 1, pieces)
            return of_inputs, of_weights.sum(axis=0)

        (outputs,) = self._run(forward, x, w, 1, pieces)
        return outputs, pull

    def vjp(
        self, inputs: ArrayLike, weights: ArrayLike, cotangent: ArrayLike
    ) -> tuple[Floats, Floats]:
        """Cotangents of inputs (B, P) and weights (W,) from one of the outputs (B, m)."""
        return self.linearized(inputs, weights)[1](np.asarray(cotangent, self._dtype))

    def _run(
        self,
        task: Callable[[Floats, Piece], tuple[Floats, ...]],
        x: Floats,
        w: Floats,
        num_cotangents: int,
        pieces: Plan | None = None,
    ) -> list[Floats]:
        """Runs a task over the pieces of a batch and joins what it returns."""
        if pieces is None:
            pieces = self.plan(x.shape[0], num_cotangents)
        self._check(pieces, num_cotangents)

        def run(piece: Piece) -> tuple[Floats, ...]:
            rows = piece.cut(x)
            if self.model.program.amplitudes:
                # A padded row of zeros has no norm; its NaN would reach sums over the batch.
                rows[piece.stop - piece.start :] = x[piece.stop - 1 : piece.stop]
            return task(rows, piece)

        joined = over_pieces(run, pieces)
        if self.model.program.amplitudes and any(np.any(np.isnan(part)) for part in joined):
            self._refuse_vectors_without_norm(x, w)
        if self.model.program.atoms:
            _warn_of_singular_angles(x, w, joined)
        return joined

    def _refuse_vectors_without_norm(self, x: Floats, w: Floats) -> None:
        """Amplitudes are divided by their norm: zeros have none, nor has what overflows.

        What has no real value is not meant: outputs are NaN there, with a warning.
        """
        if not (np.all(np.isfinite(x)) and np.all(np.isfinite(w))):
            return
        with jax.enable_x64(self.precision == "double"):
            amplitudes = self.model.given_amplitudes(x, w)
        for rows, fault, remedy in (
            (
                ~np.any(amplitudes, axis=1),
                "all zero, so they cannot be normalised to a state",
                "Leave such samples out, or add a constant feature.",
            ),
            (
                np.any(np.isinf(amplitudes), axis=1),
                "products of parameters that overflow",
                "Scale the parameters: a state depends on the amplitudes' ratios alone.",
            ),
        ):
            if np.any(rows):
                which = f"of sample {np.flatnonzero(rows)[0]} " if x.shape[1] else ""
                raise InvalidArgumentError(
                    f"The amplitudes {which}the circuit starts from are {fault}. {remedy}"
                )

    def plan(self, batch: int, num_cotangents: int | None = None, *, ask: bool = False) -> Plan:
        """How a batch will be computed, see ``batches``; nothing large is allocated for it.

        Args:
            batch: Samples.
            num_cotangents: See ``Footprint``; None for a Jacobian's.
            ask: See ``batches.plan``.
        """
        if num_cotangents is None:
            num_cotangents = self._backend.num_cotangents
        return plan(
            batch,
            self._backend.footprint(num_cotangents),
            device=self.device,
            mesh=self.mesh,
            ask=ask,
        )

    def _check(self, pieces: Plan, num_cotangents: int) -> None:
        added = of_them(self.model.built.num_added)
        what = f"A sweep of {self.model.program.num_qubits} qubits{added} in {self.precision} "
        what += "precision"
        if num_cotangents > 1:
            what += f" with {num_cotangents} outputs to differentiate"
        pieces.check(
            what,
            'Use precision="single", fewer outputs, vjp in place of backward, or a mesh with an '
            'axis "state" of more devices.',
        )

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
