"""What is read off a final state: expectations, probabilities of classes, or amplitudes.

A measurement is arrays on the labels of a program's final frame.  It gives real outputs (B, m) of
states (B, 2, 2^n), and the gradient of each output by the state, which the adjoint starts from.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.layers import half_signs, relabel
from jaxqnn.engine.measurement import Measurement
from jaxqnn.program.tables import Array, high_bits


class Diagonal(NamedTuple):
    """Outputs sum_x weight[o, x] |psi[x]|^2: Z-type observables, or a few classes.

    Attributes:
        weights: (m, 2^n).
    """

    weights: Array

    @property
    def num_outputs(self) -> int:
        """m."""
        return self.weights.shape[0]

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        weights = jnp.asarray(self.weights, state.dtype)
        return jnp.einsum(
            "bx,ox->bo", _probabilities(state), weights, precision=lax.Precision.HIGHEST
        )

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        weights = jnp.asarray(self.weights, state.dtype)
        return 2 * weights[:, None, :] * state[:, None]

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        weights = jnp.asarray(self.weights, state.dtype)
        total = jnp.dot(cotangent, weights, precision=lax.Precision.HIGHEST)
        return 2 * total[:, None] * state


class Distribution(NamedTuple):
    """Outputs are single probabilities: output o is |psi[label[o]]|^2, or zero where label is -1.

    Attributes:
        label: (m,) int32.
    """

    label: Array

    @property
    def num_outputs(self) -> int:
        """m."""
        return self.label.shape[0]

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        label = jnp.asarray(self.label)
        found = _probabilities(state)[:, jnp.maximum(label, 0)]
        return jnp.where(label >= 0, found, 0)

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        hit = jnp.asarray(self.label)[:, None] == jnp.arange(state.shape[2])[None, :]
        return 2 * hit.astype(state.dtype)[:, None, :] * state[:, None]

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        return _pull(self, state, cotangent)


class Classes(NamedTuple):
    """Output o is the total probability of the labels whose class is o.

    Attributes:
        of_label: (2^n,) int32, the class of each label.
        template: (m,), carries the number of classes in its shape.
    """

    of_label: Array
    template: Array

    @property
    def num_outputs(self) -> int:
        """m."""
        return self.template.shape[0]

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        # One row for each label: a scatter of whole rows.
        return jax.ops.segment_sum(
            _probabilities(state).T, jnp.asarray(self.of_label), num_segments=self.num_outputs
        ).T

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        hit = jnp.arange(self.num_outputs)[:, None] == jnp.asarray(self.of_label)[None, :]
        return 2 * hit.astype(state.dtype)[:, None, :] * state[:, None]

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        return _pull(self, state, cotangent)


class PauliSums(NamedTuple):
    """Expectations of sums of Pauli strings, in chunks of K strings that flip the same bits.

    On labels a string acts as (P psi)[x] = c (-1)^parity(mask & x) psi[x xor shift], so strings of
    one shift share one gather, and their signs are one small product.

    Attributes:
        masks: (C, K) uint32.
        coefficients: (C, K, 2), real and imaginary part.
        shift: (C,) uint32.
        output: (C,) int32, the observable a chunk belongs to.
        template: (m,), carries the number of observables in its shape.
    """

    masks: Array
    coefficients: Array
    shift: Array
    output: Array
    template: Array

    @property
    def num_outputs(self) -> int:
        """m."""
        return self.template.shape[0]

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""

        def mean(c: jax.Array) -> jax.Array:
            return jnp.sum(state * self._image(c, state), axis=(1, 2))

        # Derivatives make the images anew, where JAX would keep each of them.
        means = lax.map(jax.checkpoint(mean), jnp.arange(self.shift.shape[0]))
        total = jnp.zeros((state.shape[0], self.num_outputs), state.dtype)
        return total.at[:, jnp.asarray(self.output)].add(means.T)

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            return total.at[:, jnp.asarray(self.output)[c]].add(2 * self._image(c, state))

        batch, parts, size = state.shape
        return lax.fori_loop(
            0,
            self.shift.shape[0],
            add,
            jnp.zeros((batch, self.num_outputs, parts, size), state.dtype),
        )

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``engine.measurement``; JAX's own derivative would keep every chunk's image."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            weight = 2 * cotangent[:, jnp.asarray(self.output)[c]]
            return total + weight[:, None, None] * self._image(c, state)

        return lax.fori_loop(0, self.shift.shape[0], add, jnp.zeros_like(state))

    def _image(self, c: jax.Array, state: jax.Array) -> jax.Array:
        """Chunk c applied to the state."""
        labels = jnp.arange(state.shape[2], dtype=jnp.uint32)
        moved = relabel(state, labels ^ jnp.asarray(self.shift)[c])
        coefficients = jnp.asarray(self.coefficients, state.dtype)[c]
        return times_strings(moved, jnp.asarray(self.masks)[c], coefficients)


def times_strings(state: jax.Array, masks: jax.Array, coefficients: jax.Array) -> jax.Array:
    """psi'[x] = sum_k c_k (-1)^parity(mask_k & x) psi[x]: (B, 2, 2^n) with c as (K, 2)."""
    num_qubits = state.shape[2].bit_length() - 1
    signs = half_signs(masks, num_qubits, high_bits(num_qubits), state.dtype)
    by_high = signs.high[:, None, :] * coefficients.T[None]
    diagonal = jnp.dot(
        by_high.reshape(-1, masks.shape[0]), signs.low_rows, precision=lax.Precision.HIGHEST
    ).reshape(signs.high.shape[0], 2, -1)
    real, imaginary = diagonal[:, 0].reshape(-1), diagonal[:, 1].reshape(-1)
    return jnp.stack(
        [
            real * state[:, 0] - imaginary * state[:, 1],
            real * state[:, 1] + imaginary * state[:, 0],
        ],
        axis=1,
    )


class Amplitudes(NamedTuple):
    """Outputs are the real parts of all amplitudes, then the imaginary parts.

    Attributes:
        label: (2^N,) int32, the label of each basis state of the circuit, -1 where the amplitude is
            zero because a qubit is idle.
    """

    label: Array

    @property
    def num_outputs(self) -> int:
        """m."""
        return 2 * self.label.shape[0]

    def outputs(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        label = jnp.asarray(self.label)
        found = jnp.where(label >= 0, state[:, :, jnp.maximum(label, 0)], 0)
        return found.reshape(-1, self.num_outputs)

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        hit = jnp.asarray(self.label)[:, None] == jnp.arange(state.shape[2])[None, :]
        unit = jnp.eye(2, dtype=state.dtype)[:, None, :, None] * hit[None, :, None, :]
        return jnp.broadcast_to(
            unit.reshape(1, self.num_outputs, *state.shape[1:]),
            (state.shape[0], self.num_outputs, *state.shape[1:]),
        )

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        return _pull(self, state, cotangent)


def _probabilities(state: jax.Array) -> jax.Array:
    return state[:, 0] ** 2 + state[:, 1] ** 2


def _pull(measurement: Measurement, state: jax.Array, cotangent: jax.Array) -> jax.Array:
    """The cotangent of states by JAX's own derivative of the outputs."""
    found: jax.Array = jax.vjp(measurement.outputs, state)[1](cotangent)[0]
    return found
