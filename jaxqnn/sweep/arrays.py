"""A program in the forms that the sweeps read, each made when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax
import numpy as np

from jaxqnn.program.program import Program
from jaxqnn.program.tables import Tables, column_order, padded_inputs, padded_weights, tabulate
from jaxqnn.promotion import in_this_mode
from jaxqnn.sweep.cpu.written import write
from jaxqnn.sweep.gpu.plan import Plan, plan


class ProgramArrays:
    """A program as the sweeps take it; equal only to itself, as a static argument of JAX must be.

    Args:
        program: The layer form.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._tables_of_mode: dict[np.dtype[Any], Tables] = {}
        self._plans: dict[int, Plan] = {}

    @property
    def num_qubits(self) -> int:
        """n."""
        return self.program.num_qubits

    @cached_property
    def column_counts(self) -> tuple[int, int]:
        """P and W: columns of each sample, and shared ones."""
        inputs, weights = column_order(self.program)
        return len(inputs), len(weights)

    @cached_property
    def tables(self) -> Tables:
        """For XLA's sweeps: padded, so that circuits of a size share an executable."""
        return tabulate(self.program)

    def tables_here(self) -> Tables:
        """The same in the dtypes of JAX's present mode, for functions that close over them."""
        mode = jax.dtypes.canonicalize_dtype(np.float64)
        if mode not in self._tables_of_mode:
            self._tables_of_mode[mode] = in_this_mode(self.tables)
        return self._tables_of_mode[mode]

    @cached_property
    def padded_sizes(self) -> tuple[int, int]:
        """P and W as the tables have them."""
        return padded_inputs(self.program), padded_weights(self.program)

    @cached_property
    def words(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """For the compiled sweeps."""
        return write(self.program)

    def plan(self, most_bits: int) -> Plan:
        """For the CUDA kernels, in tiles of so many bits at most."""
        if most_bits not in self._plans:
            self._plans[most_bits] = plan(self.program, most_bits)
        return self._plans[most_bits]
