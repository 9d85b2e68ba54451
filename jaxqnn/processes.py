"""Forked processes: what XLA's threads leave there, and what is refused for it.

A forked process has the memory of its parent and none of its threads.  XLA's are among those: a
computation that waits for them waits for ever.  What Numba compiled needs no threads but our own,
which are started anew.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import jax

from jaxqnn.errors import JaxQNNError

_LATEST_BEFORE_XLA = "jax_num_cpu_devices"

_was_running = False  # XLA, at the last fork of this process
_is_broken = False


def cores() -> int:
    """How many of the machine's cores this process may run on."""
    # macOS cannot say.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@lru_cache(maxsize=4)
def threads(count: int) -> ThreadPoolExecutor:
    """So many threads that stay, for to start one takes longer than some calls."""
    return ThreadPoolExecutor(count, thread_name_prefix="jaxqnn")


def refuse_after_fork() -> None:
    """Refuses what XLA would have to run, in a process forked after XLA had started.

    Raises:
        JaxQNNError: In such a process.
    """
    if _is_broken:
        raise JaxQNNError(
            "This process was forked after JAX had started, and JAX's threads are not in it: what "
            "JAX runs would never end. Use workers that are spawned, as in "
            'multiprocessing.get_context("spawn") or "forkserver" and joblib\'s default do, or '
            "fork before anything is computed. Networks on the CPU, of up to 20 qubits and "
            "without functions of parameters such as sin(x), work in forked workers."
        )


def is_running() -> bool:
    """Whether XLA has started, which JAX tells by refusing a setting that would come too late."""
    value = getattr(jax.config, _LATEST_BEFORE_XLA)
    try:
        jax.config.update(_LATEST_BEFORE_XLA, value + 1)
    except RuntimeError:
        return True
    jax.config.update(_LATEST_BEFORE_XLA, value)
    return False


def _before_fork() -> None:
    global _was_running
    _was_running = is_running()


def _in_child() -> None:
    global _is_broken
    _is_broken = _was_running
    threads.cache_clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
