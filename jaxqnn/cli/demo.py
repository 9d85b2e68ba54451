"""`jaxqnn demo`: the library's main job, from two toy networks to a trained classifier."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jaxqnn.cli.bench import Timing, print_timings, time_backward, timing_json
from jaxqnn.cli.networks import NUM_ROWS, NetworkRow, network_rows
from jaxqnn.cli.output import print_json, print_table, progress, say, seconds, tell_saved
from jaxqnn.cli.plots import plot_training
from jaxqnn.cli.training import Training, train

_QUBITS, _BATCH, _REPEATS = 4, 16, 20
_REPORTED_STEPS = 6


def run_demo(*, steps: int, seed: int, plot: Path | None, as_json: bool) -> bool:
    """Run all three parts, print them as they are done, and say whether all values were right."""
    start = time.perf_counter()
    rows: list[NetworkRow] = []
    with progress("Networks against Qiskit", NUM_ROWS, quiet=as_json) as advance:
        for row in network_rows():
            rows.append(row)
            advance(row.network)
    if not as_json:
        _print_networks(rows)

    with progress("Training", steps + 1, quiet=as_json) as advance:
        training = train(steps, seed, advance)
    if not as_json:
        _print_training(training)
    if plot is not None:
        plot_training(training, plot)

    timings: list[Timing] = []
    with progress("Backward passes, QML's takes seconds", 2, quiet=as_json) as advance:
        for network in ("EstimatorQNN", "SamplerQNN"):
            advance(network, 0)
            timings.append(time_backward(network, _QUBITS, _BATCH, _REPEATS, seed))
            advance(network)
    passed = all(row.passed for row in rows) and all(timing.passed for timing in timings)
    elapsed = time.perf_counter() - start
    if as_json:
        print_json(_json(rows, training, timings, elapsed, passed))
    else:
        print_timings(timings)
        verdict = "All values agree with Qiskit's." if passed else "SOME VALUES DIFFER, see above."
        say(f"{verdict} {elapsed:.0f} s in all.")
    tell_saved(plot, as_json=as_json)
    return passed


def _print_networks(rows: list[NetworkRow]) -> None:
    print_table(
        "One sample through each network: shapes of all passes, largest distance from Qiskit",
        ("network", "forward", "by inputs", "by weights", "distance", "verdict"),
        [
            (
                row.network,
                row.forward,
                row.input_gradient,
                row.weight_gradient,
                f"{row.max_error:.0e}",
                "ok" if row.passed else "FAILED",
            )
            for row in rows
        ],
    )
    say("<YY> is zero for every angle here, as tutorials have it; <ZZ> and the rest are not.\n")


def _print_training(training: Training) -> None:
    last = len(training.losses) - 1
    shown = sorted({round(i * last / (_REPORTED_STEPS - 1)) for i in range(_REPORTED_STEPS)})
    print_table(
        f"Breast cancer data, 2 principal components: {training.num_train} samples to train, "
        f"{len(training.test_labels)} to test, {training.num_weights} weights",
        ("step", "loss", "train accuracy", "test accuracy"),
        [
            (
                step,
                f"{training.losses[step]:.4f}",
                f"{training.train_accuracies[step]:.3f}",
                f"{training.test_accuracies[step]:.3f}",
            )
            for step in shown
        ],
    )
    say(
        f"{last} steps in {seconds(training.seconds)}, compilation included; "
        f"test accuracy {training.test_accuracies[-1]:.3f} "
        f"(logistic regression: {training.baseline_accuracy:.3f})\n"
    )


def _json(
    rows: list[NetworkRow],
    training: Training,
    timings: list[Timing],
    elapsed: float,
    passed: bool,
) -> dict[str, Any]:
    return {
        "passed": passed,
        "seconds": elapsed,
        "networks": [asdict(row) for row in rows],
        "training": {
            "dataset": "breast_cancer",
            "train_samples": training.num_train,
            "test_samples": len(training.test_labels),
            "weights": training.num_weights,
            "steps": len(training.losses) - 1,
            "seconds": training.seconds,
            "losses": training.losses,
            "train_accuracies": training.train_accuracies,
            "test_accuracies": training.test_accuracies,
            "baseline_accuracy": training.baseline_accuracy,
        },
        "timings": [timing_json(timing) for timing in timings],
    }
