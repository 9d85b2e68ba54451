"""Figures in one style; needs matplotlib, which is imported when one is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxqnn.errors import JaxQNNError

_ENDINGS = (".png", ".svg", ".pdf")
_GRID = {"color": "0.9", "linewidth": 0.8}


def require_plotting(file: Path | None) -> None:
    """Refuse ``--plot FILE`` before any work is done if it cannot end in a picture.

    Raises:
        JaxQNNError: Without matplotlib, for a directory that does not exist, or a file name that
            does not end in .png, .svg or .pdf.
    """
    if file is None:
        return
    try:
        import matplotlib  # noqa: F401 - so that it is missed now and not later
    except ImportError as error:
        raise JaxQNNError(
            "--plot needs matplotlib. Install it with: pip install 'jaxqnn[plot]'"
        ) from error
    if not file.parent.is_dir():
        raise JaxQNNError(f"--plot {file}: there is no directory {file.parent}. Make it.")
    if file.suffix not in _ENDINGS:
        raise JaxQNNError(f"--plot {file}: the name must end in .png, .svg or .pdf.")


def new_figure(panels: int, *, share_y: bool = False) -> tuple[Any, Sequence[Any]]:
    """A matplotlib figure of some panels side by side, and their axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * panels + 0.8, 3.9), layout="constrained", dpi=150)
    axes = figure.subplots(1, panels, squeeze=False, sharey=share_y)[0]
    for panel in axes:
        panel.grid(**_GRID)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes
