"""How much memory there is, and how much of it jaxqnn may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import jax
import psutil

from jaxqnn.errors import InvalidArgumentError, JaxQNNError

VARIABLE = "JAXQNN_MEMORY_LIMIT"

# Of the memory that is free, the rest is left to what else runs and to what an estimate misses.
_SHARE = 0.8

_LITTLE = 1 << 28

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB")
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "total_inactive_file",
    ),
)

_limit: ContextVar[int | None] = ContextVar("memory_limit", default=None)


@contextmanager
def memory_limit(size: int | str) -> Iterator[None]:
    """Bounds the memory that batches are split to fit into, within a ``with`` block.

    Without it, networks take up to four fifths of what is free on the device when they are called.
    The environment variable ``JAXQNN_MEMORY_LIMIT``, in the same form, bounds a whole process; the
    block goes before it. On a mesh the bound is each device's.

    Args:
        size: Bytes, or text such as "4 GiB" or "500 MB".

    Raises:
        ValueError: If this is no size.

    Example:
        >>> import jaxqnn
        >>> with jaxqnn.memory_limit("2 GiB"):
        ...     pass  # qnn.backward(...) here stays below
    """
    token = _limit.set(parse_size(size))
    try:
        yield
    finally:
        _limit.reset(token)


def usable_bytes(device: jax.Device | None, wanted: int = 1 << 62) -> int:
    """What a computation on this device may take; None is JAX's default device.

    If little is wanted, the device is not asked, which would take longer than a small circuit.
    """
    limit = _limit.get()
    if limit is None and (text := os.environ.get(VARIABLE)):
        try:
            limit = parse_size(text)
        except InvalidArgumentError:
            raise InvalidArgumentError(
                f"The environment variable {VARIABLE} must hold a number of bytes or text such as "
                f'"4 GiB", but is {text!r}.'
            ) from None
    if limit is None:
        limit = _LITTLE if wanted <= _LITTLE else int(free_bytes(device) * _SHARE)
    return limit


def default_device() -> jax.Device:
    """The device that JAX computes on where nobody says otherwise."""
    default = getattr(jax.config, "jax_default_device", None)
    if isinstance(default, jax.Device):
        return default
    return jax.local_devices(backend=default)[0]


def free_bytes(device: jax.Device | None) -> int:
    """What is free on a device: its own memory, or for a CPU the host's, within its container."""
    device = device or default_device()
    stats = None if device.platform == "cpu" else device.memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    return min([int(psutil.virtual_memory().available), *_free_in_container()])


def require(needed: int, usable: int, what: str, instead: str) -> None:
    """Refuses what cannot fit, before anything is allocated.

    Args:
        needed: Bytes.
        usable: Bytes.
        what: The computation, to begin a sentence.
        instead: What the user may do.

    Raises:
        JaxQNNError: If more is needed than usable.
    """
    if needed > usable:
        raise JaxQNNError(
            f"{what} needs about {readable(needed)} of memory, but {readable(usable)} may be used. "
            f"{instead} The bound is four fifths of what is free, or jaxqnn.memory_limit and the "
            f"environment variable {VARIABLE}."
        )


def parse_size(size: int | str) -> int:
    """Bytes of a number or of text with a unit.

    Example:
        >>> parse_size("1.5 KiB"), parse_size("2MB"), parse_size(7)
        (1536, 2000000, 7)
    """
    text = str(size).replace(" ", "")
    number = text.rstrip("BKMGTPEZikmgtpezb")
    unit = text[len(number) :].removesuffix("B").removesuffix("b").upper()
    try:
        base = 1024 if unit.endswith("I") else 1000
        found = int(float(number) * base ** ["", "K", "M", "G", "T", "P", "E", "Z"].index(unit[:1]))
        if found <= 0 or unit[1:] not in ("", "I"):
            raise ValueError(size)
    except (ValueError, OverflowError):
        raise InvalidArgumentError(
            f'A memory limit must be a number of bytes or text such as "4 GiB", but is {size!r}.'
        ) from None
    return found


def readable(size: float) -> str:
    """Bytes for people.

    Example:
        >>> readable(3 << 30)
        '3 GiB'
    """
    unit = _UNITS[0]
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.4g} {unit}"


def _free_in_container() -> list[int]:
    """What the control group of a container leaves, if there is one; its file cache counts free."""
    for limit, usage, cache in _CGROUPS:
        try:
            most, used = int(Path(limit).read_text()), int(Path(usage).read_text())
            rows = Path(limit).with_name("memory.stat").read_text().splitlines()
        except (OSError, ValueError):  # no such file, or no limit: "max"
            continue
        stats = dict(row.split() for row in rows)
        return [most - used + int(stats.get(cache, 0))]
    return []
