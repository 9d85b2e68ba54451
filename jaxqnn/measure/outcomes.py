"""What is read off a final state: expectations, probabilities of classes, or amplitudes.

A measurement is arrays on the labels of a program's final frame, and defined once: as a linear map
of the labels' probabilities or amplitudes and its transpose, or as strings of Pauli matrices.  What
is said here in NumPy's words holds for NumPy's arrays, which wait for no compiler, and for JAX's.
Numbers are real and of either precision: states (B, 2, 2^n), outputs (B, m).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxqnn.engine.measurement import Floats, Measurement
from jaxqnn.measure import sums
from jaxqnn.products import product
from jaxqnn.program.tables import Array
from jaxqnn.sweep.cpu import sums as native

_Measurement = TypeVar("_Measurement", bound=Measurement)
_STATIC = {"static": True}


class Linear:
    """A linear map of a state's numbers, of which the outputs are made."""

    @property
    def num_outputs(self) -> int:
        """m."""
        raise NotImplementedError

    def read(self, values: Array) -> Array:
        """The map: (..., 2^n) -> (..., m), or of either part of amplitudes (..., m / 2)."""
        raise NotImplementedError

    def transposed(self, cotangent: Array, size: int) -> Array:
        """Its transpose: (..., m) or (..., m / 2) -> (..., size)."""
        raise NotImplementedError

    def unit(self, state: Array) -> Array:
        """The cotangents, (m, m), of which each is one output's."""
        return _numpy(state).eye(self.num_outputs, dtype=state.dtype)


class OfProbabilities(Linear):
    """Outputs that are linear in the labels' probabilities."""

    def outputs(self, state: Array) -> Array:
        """See ``engine.measurement``."""
        probabilities = state[:, 0] * state[:, 0]
        probabilities += state[:, 1] * state[:, 1]
        return self.read(probabilities)

    def pull(self, state: Array, cotangent: Array) -> Array:
        """See ``engine.measurement``."""
        return self.transposed(2 * cotangent, state.shape[-1])[:, None] * state

    def bras(self, state: Array) -> Array:
        """See ``engine.measurement``."""
        weights = self.transposed(2 * self.unit(state), state.shape[-1])
        return weights[:, None, None] * state

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """See ``engine.measurement``."""
        along = state[:, 0] * tangents[..., 0, :] + state[:, 1] * tangents[..., 1, :]
        return np.moveaxis(2 * self.read(along), 0, 2)


class OfAmplitudes(Linear):
    """Outputs that are linear in the amplitudes: as many of their real as of imaginary parts."""

    def outputs(self, state: Array) -> Array:
        """See ``engine.measurement``."""
        return self.read(state).reshape(-1, self.num_outputs)

    def pull(self, state: Array, cotangent: Array) -> Array:
        """See ``engine.measurement``."""
        apart = cotangent.reshape(-1, 2, self.num_outputs // 2)
        return self.transposed(apart, state.shape[-1])

    def bras(self, state: Array) -> Array:
        """See ``engine.measurement``."""
        found = self.pull(state, self.unit(state))[:, None]
        return _numpy(state).broadcast_to(found, (len(found), *state.shape))

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """See ``engine.measurement``."""
        found = self.read(tangents).reshape(*tangents.shape[:2], self.num_outputs)
        return np.moveaxis(found, 0, 2)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Diagonal(OfProbabilities):
    """Outputs sum_x weight[o, x] |psi[x]|^2: Z-type observables, or a few classes.

    Attributes:
        weights: (m, 2^n).
    """

    weights: Array

    @property
    def num_outputs(self) -> int:
        """m."""
        return int(self.weights.shape[0])

    def read(self, values: Array) -> Array:
        """See ``Linear``."""
        return _times(values, self._weights(values).T)

    def transposed(self, cotangent: Array, size: int) -> Array:
        """See ``Linear``."""
        return _times(cotangent, self._weights(cotangent))

    def _weights(self, like: Array) -> Array:
        return _numpy(like).asarray(self.weights, dtype=like.dtype)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Distribution(OfProbabilities):
    """Outputs are single probabilities: output o is |psi[label[o]]|^2, or zero where label is -1.

    Attributes:
        label: (m,) int32.
    """

    label: Array

    @property
    def num_outputs(self) -> int:
        """m."""
        return int(self.label.shape[0])

    def read(self, values: Array) -> Array:
        """See ``Linear``."""
        return _gathered(values, self.label)

    def transposed(self, cotangent: Array, size: int) -> Array:
        """See ``Linear``."""
        return _scattered(cotangent, self.label, size)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Classes(OfProbabilities):
    """Output o is the total probability of the labels whose class is o.

    Attributes:
        of_label: (2^n,) int32, the class of each label.
        num_classes: m.
    """

    of_label: Array
    num_classes: int = field(metadata=_STATIC)

    @property
    def num_outputs(self) -> int:
        """m."""
        return self.num_classes

    def read(self, values: Array) -> Array:
        """See ``Linear``."""
        if isinstance(values, np.ndarray):
            rows = values.reshape(-1, values.shape[-1])
            sums_of = [np.bincount(self.of_label, row, self.num_outputs) for row in rows]
            return np.stack(sums_of).astype(values.dtype).reshape(*values.shape[:-1], -1)
        # One row for each label: a scatter of whole rows.
        by_label = jnp.moveaxis(values, -1, 0)
        found = jax.ops.segment_sum(by_label, jnp.asarray(self.of_label), self.num_outputs)
        return jnp.moveaxis(found, 0, -1)

    def transposed(self, cotangent: Array, size: int) -> Array:
        """See ``Linear``."""
        return cotangent[..., self.of_label]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Amplitudes(OfAmplitudes):
    """Outputs are the real parts of all amplitudes, then the imaginary parts.

    Attributes:
        label: (2^N,) int32, the label of each basis state of the circuit, -1 where the amplitude is
            zero because a qubit is idle.
    """

    label: Array

    @property
    def num_outputs(self) -> int:
        """m."""
        return 2 * int(self.label.shape[0])

    def read(self, values: Array) -> Array:
        """See ``Linear``."""
        return _gathered(values, self.label)

    def transposed(self, cotangent: Array, size: int) -> Array:
        """See ``Linear``."""
        return _scattered(cotangent, self.label, size)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class PauliSums:
    """Expectations of sums of Pauli strings, in chunks of K strings that flip the same bits.

    On labels a string acts as (P psi)[x] = c (-1)^parity(mask & x) psi[x xor shift], so strings of
    one shift share one gather, and their signs are one small product.

    Attributes:
        masks: (C, K) uint32.
        coefficients: (C, K, 2), real and imaginary part; zero beyond the chunk's strings.
        shift: (C,) uint32.
        output: (C,) int32, the observable a chunk belongs to.
        counts: (C,) int32, the chunks' strings.
        num_outputs: m, the observables.
    """

    masks: Array
    coefficients: Array
    shift: Array
    output: Array
    counts: Array
    num_outputs: int = field(metadata=_STATIC)

    def outputs(self, state: Array) -> Array:
        """See ``engine.measurement``."""
        if isinstance(state, np.ndarray):
            return native.run_means(self.arrays(state), state, state, self.num_outputs)
        return sums.expectations(self.num_outputs, self.arrays(state), state)

    def pull(self, state: Array, cotangent: Array) -> Array:
        """See ``engine.measurement``."""
        arrays = self.arrays(state)
        if isinstance(state, np.ndarray):
            return 2 * native.run_image(arrays, state, cotangent)
        return 2 * sums.image(arrays, state, cotangent)

    def bras(self, state: Array) -> Array:
        """See ``engine.measurement``."""
        arrays, batch, outputs = self.arrays(state), state.shape[0], self.num_outputs
        if isinstance(state, np.ndarray):
            weight = np.repeat(np.eye(outputs, dtype=state.dtype), batch, axis=0)
            return 2 * native.run_image(arrays, state, weight).reshape(outputs, *state.shape)
        if outputs == 1:
            return self.pull(state, jnp.ones((batch, 1), state.dtype))[None]

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            return total.at[arrays.output[c]].add(2 * sums.image_of(arrays, c, state))

        zeros = jnp.zeros((outputs, *state.shape), state.dtype)
        return lax.fori_loop(0, self.shift.shape[0], add, zeros)

    def with_bras(self, state: Floats) -> tuple[Floats, Floats]:
        """The outputs and the bras, in one pass over the strings."""
        bras = self.bras(state)
        outputs = np.einsum("bpx,obpx->bo", state, bras, dtype=np.float64)
        return (0.5 * outputs).astype(state.dtype), bras

    def push(self, state: Floats, tangents: Floats) -> Floats:
        """See ``engine.measurement``."""
        bras, outputs = tangents.reshape(-1, *state.shape[1:]), self.num_outputs
        found = 2 * native.run_means(self.arrays(state), bras, state, outputs)
        return np.moveaxis(found.reshape(*tangents.shape[:2], outputs), 0, 2)

    def arrays(self, state: Array) -> sums.Arrays:
        """The strings beside states of a type."""
        asarray = _numpy(state).asarray
        return sums.Arrays(
            asarray(self.masks),
            asarray(self.coefficients, dtype=state.dtype),
            asarray(self.shift),
            asarray(self.output),
            asarray(self.counts),
        )


def in_precision(measurement: _Measurement, dtype: np.dtype[Any]) -> _Measurement:
    """The measurement with its real numbers in a precision, in NumPy's arrays."""

    def convert(leaf: Array) -> Array:
        return np.ascontiguousarray(leaf, dtype if leaf.dtype.kind == "f" else None)

    found: _Measurement = jax.tree.map(convert, measurement)
    return found


def _numpy(array: Array) -> Any:
    """NumPy, or JAX's."""
    return np if isinstance(array, np.ndarray) else jnp


def _times(left: Array, right: Array) -> Array:
    """(..., K) times (K, N), to all digits."""
    if isinstance(left, np.ndarray):
        found = product(left.reshape(-1, left.shape[-1]), np.asarray(right))
        return found.reshape(*left.shape[:-1], -1)
    return jnp.dot(left, right, precision=lax.Precision.HIGHEST)


def _gathered(values: Array, index: Array) -> Array:
    """values[..., index], zero where the index is -1."""
    if isinstance(values, np.ndarray):
        found = np.take(values, index, axis=-1)
        found[..., index < 0] = 0
        return found
    return jnp.where(index >= 0, values[..., jnp.maximum(index, 0)], 0)


def _scattered(cotangent: Array, index: Array, size: int) -> Array:
    """The transpose of ``_gathered``, for an index without repetitions."""
    if isinstance(cotangent, np.ndarray):
        found = np.zeros((*cotangent.shape[:-1], size), cotangent.dtype)
        (used,) = np.nonzero(index >= 0)
        found[..., index[used]] = cotangent[..., used]
        return found
    zeros = jnp.zeros((*cotangent.shape[:-1], size), cotangent.dtype)
    place = jnp.where(index >= 0, index, size)
    return zeros.at[..., place].set(cotangent, mode="drop")
