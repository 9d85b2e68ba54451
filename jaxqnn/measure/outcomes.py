"""What is read off a final state: expectations, probabilities of classes, or amplitudes.

A measurement is arrays on the labels of a program's final frame.  It gives real outputs (m, B) of a
state (2^n, 2, B), and the gradient of each output by the state, which the adjoint starts from.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.engine.layers import half_signs, relabel
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
        return jnp.dot(weights, _probabilities(state), precision=lax.Precision.HIGHEST)

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        weights = jnp.asarray(self.weights, state.dtype)
        return 2 * weights.T[:, None, :, None] * state[:, :, None, :]


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
        found = _probabilities(state)[jnp.maximum(label, 0)]
        return jnp.where(label[:, None] >= 0, found, 0)

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        hit = jnp.arange(state.shape[0])[:, None] == jnp.asarray(self.label)[None, :]
        return 2 * hit.astype(state.dtype)[:, None, :, None] * state[:, :, None, :]


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
        return jax.ops.segment_sum(
            _probabilities(state), jnp.asarray(self.of_label), num_segments=self.num_outputs
        )

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        hit = jnp.asarray(self.of_label)[:, None] == jnp.arange(self.num_outputs)[None, :]
        return 2 * hit.astype(state.dtype)[:, None, :, None] * state[:, :, None, :]


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

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            image = self._image(c, state)
            return total.at[jnp.asarray(self.output)[c]].add(jnp.sum(state * image, axis=(0, 1)))

        return lax.fori_loop(
            0,
            self.shift.shape[0],
            add,
            jnp.zeros((self.num_outputs, state.shape[2]), state.dtype),
        )

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""

        def add(c: jax.Array, total: jax.Array) -> jax.Array:
            return total.at[:, :, jnp.asarray(self.output)[c]].add(2 * self._image(c, state))

        size, parts, batch = state.shape
        return lax.fori_loop(
            0,
            self.shift.shape[0],
            add,
            jnp.zeros((size, parts, self.num_outputs, batch), state.dtype),
        )

    def _image(self, c: jax.Array, state: jax.Array) -> jax.Array:
        """Chunk c applied to the state."""
        num_qubits = state.shape[0].bit_length() - 1
        high, low = half_signs(
            jnp.asarray(self.masks)[c], num_qubits, high_bits(num_qubits), state.dtype
        )
        coefficients = jnp.asarray(self.coefficients, state.dtype)[c]
        by_low = (low.T[:, :, None] * coefficients[:, None, :]).reshape(high.shape[1], -1)
        diagonal = jnp.dot(high, by_low, precision=lax.Precision.HIGHEST).reshape(-1, 2)
        labels = jnp.arange(state.shape[0], dtype=jnp.uint32)
        moved = relabel(state, labels ^ jnp.asarray(self.shift)[c])
        real, imaginary = diagonal[:, 0, None], diagonal[:, 1, None]
        return jnp.stack(
            [
                real * moved[:, 0] - imaginary * moved[:, 1],
                real * moved[:, 1] + imaginary * moved[:, 0],
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
        found = jnp.where(label[:, None, None] >= 0, state[jnp.maximum(label, 0)], 0)
        return jnp.moveaxis(found, 1, 0).reshape(self.num_outputs, -1)

    def cotangents(self, state: jax.Array) -> jax.Array:
        """See ``engine.measurement``."""
        hit = jnp.arange(state.shape[0])[:, None] == jnp.asarray(self.label)[None, :]
        unit = jnp.eye(2, dtype=state.dtype)[None, :, :, None] * hit[:, None, None, :]
        return jnp.broadcast_to(
            unit.reshape(*state.shape[:2], -1, 1),
            (*state.shape[:2], self.num_outputs, state.shape[2]),
        )


def _probabilities(state: jax.Array) -> jax.Array:
    return state[:, 0] ** 2 + state[:, 1] ** 2
