"""Pictures of the demo and the benchmark; needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxqnn.figures import new_figure
from jaxqnn.verify.reference import FloatArray

if TYPE_CHECKING:
    from jaxqnn.cli.bench import Timing
    from jaxqnn.cli.training import Training

_CLASS_COLOURS = ("#c2410c", "#1d4ed8")


def plot_training(result: "Training", file: Path) -> None:
    """Loss, accuracy and decision boundary of a training run, side by side."""
    figure, (loss, accuracy, plane) = new_figure(3)
    steps = range(len(result.losses))
    loss.plot(steps, result.losses, color="0.2")
    loss.set(title="Training loss", xlabel="step", ylabel="cross-entropy")

    accuracy.plot(steps, result.train_accuracies, color="0.6", label="train")
    accuracy.plot(steps, result.test_accuracies, color="0.1", label="test")
    accuracy.axhline(
        result.baseline_accuracy,
        color="0.1",
        linestyle=":",
        linewidth=1.2,
        label="test, logistic regression",
    )
    accuracy.set(title="Accuracy", xlabel="step", ylabel="fraction right", ylim=(0.4, 1.02))
    accuracy.legend(frameon=False, loc="lower right")

    _plot_boundary(figure, plane, result)
    figure.savefig(file)


def _plot_boundary(figure: Any, plane: Any, result: "Training") -> None:
    xs, ys, values = result.landscape
    shades = plane.contourf(
        xs, ys, values, levels=21, cmap="RdBu", vmin=-1, vmax=1, alpha=0.75, antialiased=True
    )
    plane.contour(xs, ys, values, levels=[0.0], colors="k", linewidths=1.2)
    for label, colour, name in zip((-1, 1), _CLASS_COLOURS, result.classes, strict=True):
        points: FloatArray = result.test_points[result.test_labels == label]
        plane.scatter(*points.T, s=22, color=colour, edgecolor="white", linewidth=0.7, label=name)
    plane.set(
        title="Decision boundary and test set",
        xlabel="first principal component",
        ylabel="second principal component",
    )
    plane.legend(framealpha=0.95, loc="upper left")
    figure.colorbar(
        shades, ax=plane, label=r"network output $\langle ZZ \rangle$", ticks=[-1, -0.5, 0, 0.5, 1]
    )


def plot_timings(timings: Sequence["Timing"], file: Path) -> None:
    """Seconds of QML's backward and of a steady call of ours, by qubits; one panel a network."""
    kinds = list(dict.fromkeys(timing.network for timing in timings))
    figure, axes = new_figure(len(kinds), share_y=True)
    for panel, kind in zip(axes, kinds, strict=True):
        rows = [timing for timing in timings if timing.network == kind]
        qubits = [row.qubits for row in rows]
        curves = (
            ("QML, parameter shift", [row.qml_seconds for row in rows], "0.5", "s"),
            # No first calls: how long they take depends on which of them came first.
            ("jaxqnn, steady call", [row.steady_seconds for row in rows], "#1d4ed8", "o"),
        )
        for label, times, colour, marker in curves:
            panel.semilogy(qubits, times, marker=marker, color=colour, label=label)
        panel.set(
            title=f"{kind}.backward, batch {rows[0].batch}",
            xlabel="qubits",
            xticks=qubits,
        )
    axes[0].set_ylabel("seconds")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(file)
