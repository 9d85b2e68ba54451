"""How objects describe themselves: in words for ``repr``, as a table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import jax
from jax.sharding import Mesh

from jaxqnn.batches import platform
from jaxqnn.processes import is_running


def counted(number: int, noun: str) -> str:
    """A number and what it counts.

    Example:
        >>> counted(1, "qubit"), counted(4, "qubit")
        ('1 qubit', '4 qubits')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def place(device: jax.Device | None, mesh: Mesh | None) -> str:
    """Where a computation runs.

    JAX is not started for it: that takes a GPU's memory, and a process can no longer be forked.
    """
    if mesh is not None:
        axes = " x ".join(f"{axis} {size}" for axis, size in mesh.shape.items())
        return f"{counted(mesh.size, 'device')}, {axes}"
    if device is None:
        return platform(None) if is_running() else "default device"
    return f"{device.platform}:{device.id}"


def table(caption: str, rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """HTML of a table, with every character of its texts as it is.

    Example:
        >>> table("a < b", [("x", 1)])
        '<table><caption>a &lt; b</caption><tbody><tr><td>x</td><td>1</td></tr></tbody></table>'
    """

    def row(tag: str, cells: Sequence[object]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    above = f"<thead>{row('th', head)}</thead>" if head else ""
    body = "".join(row("td", cells) for cells in rows)
    return f"<table><caption>{escape(caption)}</caption>{above}<tbody>{body}</tbody></table>"
