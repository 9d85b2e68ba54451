"""What a sweep is compiled for: some steps take another form on a GPU than on a CPU.

A CPU finds out at once what a layer needs, and each pass over a small state costs microseconds.  A
GPU passes over the same state in less, but the host runs its loops and branches: it launches every
kernel, and waits for every answer, which we take to cost ten microseconds and have not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import jax
from jax import lax
from jax.export import is_symbolic_dim

Result = TypeVar("Result")

# Up to this many labels, a CPU does what a layer does not need in less time than it finds out.
FEW_LABELS = 32

# By the data sheet of an H100: the phases of a layer and what is read off them move such a state
# some thirty times, in about the time of three answers.
_FEW_NUMBERS = 1 << 20


class Target(Enum):
    """The platforms that differ."""

    CPU = "cpu"
    ACCELERATOR = "accelerator"


def per_target(function: Callable[..., Result], *arguments: Any) -> Result:
    """``function(*arguments, target)``, for the platform that JAX will compile it for.

    That is known late, by where the data are; JAX traces both forms and compiles one.

    Args:
        function: Takes the target last.
        arguments: Arrays, or containers of arrays.
    """
    found: Result = lax.platform_dependent(
        *arguments,
        cpu=lambda *given: function(*given, Target.CPU),
        default=lambda *given: function(*given, Target.ACCELERATOR),
    )
    return found


def is_worth_asking(state: jax.Array, target: Target) -> bool:
    """Whether to ask if a layer needs a step on such a state, rather than to do it anyway."""
    if target is Target.CPU:
        return state.shape[-1] > FEW_LABELS
    # An exported function may leave the batch open.
    return any(map(is_symbolic_dim, state.shape)) or state.size > _FEW_NUMBERS
