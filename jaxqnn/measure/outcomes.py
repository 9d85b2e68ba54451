"""What is read off a final state: expectations, probabilities of classes, or amplitudes.

A measurement is arrays on the labels of a program's final frame.  It gives real outputs (B, m) of
states (B, 2, 2^n), and the gradient of each output by the state, which the adjoint starts from.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.measurement import Measurement
from jaxqnn.measure import sums
from jaxqnn.program.tables import Array


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
        return sums.expectations(self.num_outputs, self._arrays(state), state)

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        if self.num_outputs == 1:
            return self.pull(state, jnp.ones((state.shape[0], 1), state.dtype))[:, None]
        arrays = self._arrays(state)

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            return total.at[:, arrays.output[c]].add(2 * sums.image_of(arrays, c, state))

        batch, parts, size = state.shape
        return lax.fori_loop(
            0,
            self.shift.shape[0],
            add,
            jnp.zeros((batch, self.num_outputs, parts, size), state.dtype),
        )

    def pull(self, state: jax.Array, cotangent: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        return 2 * sums.image(self._arrays(state), state, cotangent)

    def _arrays(self, state: jax.Array) -> sums.Arrays:
        return sums.Arrays(
            jnp.asarray(self.masks),
            jnp.asarray(self.coefficients, state.dtype),
            jnp.asarray(self.shift),
            jnp.asarray(self.output),
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
