"""All phases of one layer at once, with no loop whose length is known at run time only.

What an accelerator does with them: one matrix product for however many chunks a layer may have, the
absent ones with angle zero.  A CPU takes chunk after chunk, and only those that are there.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxqnn.engine.angles import Angles
from jaxqnn.engine.layers import Signs, chunk_angle, chunk_cotangent, half_signs
from jaxqnn.program.tables import Array, Tables, high_bits


class LayerPhases(NamedTuple):
    """The phases of a layer: c chunks of K that the batch shares, then c' of the samples' own.

    Attributes:
        signs: Of (c + c') K masks.
        angles: (B, (c + c') K).
        shared_rows: (c,), where each chunk is among all layers', or C for one that is absent.
        sample_rows: (c',), likewise.
    """

    signs: Signs
    angles: jax.Array
    shared_rows: jax.Array
    sample_rows: jax.Array

    def angle(self) -> jax.Array:
        """The phase's angle of every label, (B, 2^n)."""
        return chunk_angle(self.signs, self.angles)

    def note(
        self, shared: jax.Array, sample: jax.Array, labels: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Writes the angles' cotangents beside those of other layers.

        Args:
            shared: (C, B or 1, m, K), summed over the batch if it has one row for all samples.
            sample: (C', B, m, K).
            labels: Cotangents of the angle of every label, (B, m, 2^n).

        Returns:
            The two, with this layer's rows.
        """
        found = chunk_cotangent(self.signs, labels)
        width = shared.shape[-1]
        # (B, m, (c + c') K) -> (c + c', B, m, K)
        chunks = jnp.moveaxis(found.reshape(*found.shape[:2], -1, width), 2, 0)
        count = self.shared_rows.shape[0]
        of_shared = chunks[:count]
        if shared.shape[1] == 1:
            of_shared = jnp.sum(of_shared, axis=1, keepdims=True)
        return (
            shared.at[self.shared_rows].set(of_shared, mode="drop"),
            sample.at[self.sample_rows].set(chunks[count:], mode="drop"),
        )


def layer_phases(tables: Tables, angles: Angles, l: jax.Array) -> LayerPhases:
    """The phases of layer l."""
    num_qubits, batch = tables.num_qubits, angles.start.shape[1]
    most_shared, most_sample = tables.most_chunks.shape
    shared_rows = _rows(tables.shared_range, l, most_shared, angles.shared.shape[0])
    sample_rows = _rows(tables.sample_range, l, most_sample, angles.sample.shape[0])
    shared = _present(angles.shared[:, None, :], shared_rows)
    values = jnp.concatenate(
        [
            jnp.broadcast_to(shared, (batch, shared.shape[1])),
            _present(angles.sample, sample_rows),
        ],
        axis=1,
    )
    masks = jnp.concatenate(
        [
            jnp.asarray(table).at[rows].get(mode="clip").reshape(-1)
            for table, rows in (
                (tables.shared_masks, shared_rows),
                (tables.sample_masks, sample_rows),
            )
        ]
    )
    signs = half_signs(masks, num_qubits, high_bits(num_qubits), values.dtype)
    return LayerPhases(signs, values, shared_rows, sample_rows)


def _rows(ranges: Array, l: jax.Array, most: int, total: int) -> jax.Array:
    """Where the chunks of layer l are, ``total`` for those it does not have."""
    ranges = jnp.asarray(ranges)
    rows = ranges[l] + jnp.arange(most, dtype=ranges.dtype)
    return jnp.where(rows < ranges[l + 1], rows, total)


def _present(values: jax.Array, rows: jax.Array) -> jax.Array:
    """The angles of chunks, zero for absent ones: (C, B, K) -> (B, c K)."""
    chunks = values.at[rows].get(mode="fill", fill_value=0)
    return jnp.moveaxis(chunks, 0, 1).reshape(values.shape[1], -1)
