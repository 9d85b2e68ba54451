"""Every benchmark problem builds, and all peers that are installed compute the same values."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp, Statevector

# The benchmarks are run from the repository and are not part of the installed package.
sys.path.insert(0, str(Path(__file__).parents[1]))

from comparing import assert_all_close

import jaxqnn
from benchmarks import gate, gpu, plots, precision, scripts, tables
from benchmarks.circuits import FAMILIES
from benchmarks.peers import PEERS, load, missing
from benchmarks.peers.from_outputs import why_too_large
from benchmarks.problems import KINDS, PAULI_TERMS, PROBLEMS, TARGETS, Kind, Problem, parity
from benchmarks.race import Lap, Rules, Worker, _disagreements, race
from benchmarks.results import Result, from_json, machine, to_json
from benchmarks.translate import translate

# JAX peers follow the global x64 setting, which tests leave alone: they are checked before every
# timing by the race itself.
FLOAT64_PEERS = ["jaxqnn", "qml", "qml-aer", "lightning", "qulacs"]
CANNOT = {
    ("qml-aer", "parity"): "shots",
    ("qml-aer", "probabilities"): "shots",
    ("lightning", "probabilities"): "expectation values",
    ("qulacs", "probabilities"): "observables",
}
JACOBIANS = [
    (name, kind)
    for name in FLOAT64_PEERS
    for kind in KINDS
    if kind not in ("weights", "training") and (name, kind) not in CANNOT
]


def outputs(problem: Problem, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the outputs of one sample by Qiskit's Statevector alone."""
    circuit, input_params, weight_params = problem.parameterized
    values = dict(zip([*input_params, *weight_params], [*inputs, *weights], strict=True))
    state = Statevector(circuit.assign_parameters(values))
    probabilities = state.probabilities()
    if problem.kind == "probabilities":
        return probabilities
    if problem.kind == "parity":
        classes = [parity(label) for label in range(len(probabilities))]
        return np.bincount(classes, probabilities, minlength=2)
    return np.array([state.expectation_value(o).real for o in problem.observables])


def differences(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return central differences of `outputs` for every sample, inputs and weights."""
    step = 1e-5
    rows = []
    for sample in problem.inputs:
        point = np.concatenate([sample, problem.weights])
        split = len(sample)
        columns = []
        for direction in np.eye(len(point)) * step:
            up, down = point + direction, point - direction
            rise = outputs(problem, up[:split], up[split:])
            columns.append((rise - outputs(problem, down[:split], down[split:])) / (2 * step))
        rows.append(np.stack(columns, axis=-1))
    jacobian = np.stack(rows)
    return jacobian[..., :split], jacobian[..., split:]


def load_or_skip(name: str) -> ModuleType:
    install = missing(name)
    if install is not None:
        pytest.skip(f"{PEERS[name].title} is a benchmark extra and not installed: {install}")
    return load(name)


def build(name: str, problem: Problem) -> tuple[np.ndarray | None, np.ndarray]:
    peer = load_or_skip(name)
    assert peer.why_not(problem) is None
    inputs, weights = peer.build(problem)(problem.inputs, problem.weights)
    return inputs, np.asarray(weights)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.key)
def test_problem_builds_with_all_its_parameters(problem: Problem) -> None:
    circuit, inputs, weights = problem.parameterized
    assert circuit.num_qubits == problem.qubits
    assert set(circuit.parameters) == {*inputs, *weights}
    assert len(circuit.parameters) == len(inputs) + len(weights)
    assert problem.inputs.shape == (problem.batch, len(inputs))
    assert problem.weights.shape == (len(weights),)
    assert Problem.from_key(problem.key) == problem


def test_targets_are_in_the_list_and_cover_every_kind() -> None:
    assert {target.problem for target in TARGETS} <= set(PROBLEMS)
    assert {target.problem.kind for target in TARGETS} == set(KINDS)
    assert {problem.family for problem in PROBLEMS} == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ladders", [True, False])
def test_translated_angles_equal_qiskits(family: str, ladders: bool) -> None:
    problem = Problem("z_product", 3, 2, family)
    circuit, inputs, weights = problem.parameterized
    values = np.concatenate([problem.inputs[1], problem.weights])
    bound = circuit.assign_parameters(dict(zip([*inputs, *weights], values, strict=True)))
    gates = [gate for gate in bound.data if gate.params and gate.name != "unitary"]
    expected = [float(gate.params[0]) for gate in gates]
    translation = translate(problem, ladders=ladders)
    table = translation.table
    np.testing.assert_allclose(table.angles(values), expected, atol=1e-12)
    step = 1e-6
    slopes = [
        (table.angles(values + e) - table.angles(values - e)) / (2 * step)
        for e in np.eye(len(values)) * step
    ]
    np.testing.assert_allclose(table.jacobian(values).T, slopes, atol=1e-8)


@pytest.mark.parametrize(("name", "kind"), JACOBIANS)
def test_jacobian_equals_differences_of_qiskits_statevector(name: str, kind: Kind) -> None:
    problem = Problem(kind, 2, 2)
    inputs, weights = build(name, problem)
    expected_inputs, expected_weights = differences(problem)
    expected = [expected_inputs if problem.input_gradients else None, expected_weights]
    assert_all_close([inputs, weights], expected, atol=1e-8)


@pytest.mark.parametrize("family", ["zz_real", "qaoa"])
@pytest.mark.parametrize("name", FLOAT64_PEERS)
def test_gradient_by_weights_leaves_the_inputs_out(name: str, family: str) -> None:
    problem = Problem("weights", 3, 2, family)
    inputs, weights = build(name, problem)
    assert inputs is None
    np.testing.assert_allclose(weights, differences(problem)[1], atol=1e-8)


def test_angles_that_a_weight_moves_are_told_from_the_others() -> None:
    problem = Problem("weights", 3, 1, "qaoa")
    table, num_inputs = translate(problem).table, problem.inputs.shape[1]
    slopes = table.jacobian(np.concatenate([problem.inputs[0], problem.weights]))
    moved = table.moved_by(num_inputs)
    np.testing.assert_array_equal(moved, slopes[:, num_inputs:].any(axis=1))
    assert table.moved_by(0).all()
    embedded = translate(Problem("weights", 3, 1, "angle_real")).table.moved_by(3)
    np.testing.assert_array_equal(embedded, [False] * 3 + [True] * 9)


def test_sum_of_pauli_terms_has_its_terms_and_is_hermitian() -> None:
    (large,) = Problem("pauli_sum", 10, 1).observables
    assert len(large) == PAULI_TERMS
    (small,) = Problem("pauli_sum", 2, 1).observables
    assert len(small) == 16
    assert np.isrealobj(small.coeffs) or not small.coeffs.imag.any()
    assert small == Problem("pauli_sum", 2, 1).observables[0]


def test_reverse_mode_of_traced_gates_is_refused_where_it_has_no_room() -> None:
    assert why_too_large(Problem("weights", 4, 64)) is None
    reason = why_too_large(Problem("weights", 22, 1000, "angle_real"))
    assert reason is not None
    assert "GB" in reason


@pytest.mark.parametrize(("name", "kind"), CANNOT)
def test_peer_says_what_it_cannot_do(name: str, kind: Kind) -> None:
    reason = load_or_skip(name).why_not(Problem(kind, 2, 2))
    assert CANNOT[name, kind] in reason


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["jaxqnn", "lightning", "qulacs"])
def test_every_family_has_the_right_gradient(name: str, family: str) -> None:
    problem = Problem("z_product", 3, 1, family)
    inputs, weights = build(name, problem)
    expected_inputs, expected_weights = differences(problem)
    assert inputs is not None
    np.testing.assert_allclose(inputs, expected_inputs, atol=1e-8)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-8)


@pytest.mark.parametrize("name", ["jaxqnn-vjp", *FLOAT64_PEERS[1:]])
def test_training_gradient_is_that_of_the_loss(name: str) -> None:
    problem = Problem("training", 2, 3)
    inputs, gradient = build(name, problem)
    assert inputs is None
    values = np.array([outputs(problem, x, problem.weights)[0] for x in problem.inputs])
    _, jacobian = differences(problem)
    expected = 2 / problem.batch * ((values - problem.targets) @ jacobian[:, 0])
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


class FakeWorker:
    def __init__(self, *values: np.ndarray) -> None:
        self._values = list(values)

    def values(self) -> list[np.ndarray]:
        return self._values


@pytest.mark.parametrize(
    ("wrong", "word"),
    [(np.full(3, 1.1), "differs"), (np.full(3, np.nan), "finite"), (np.ones(4), "shapes")],
)
def test_peer_with_other_values_is_refused(wrong: np.ndarray, word: str) -> None:
    workers = {"a": FakeWorker(np.ones(3)), "b": FakeWorker(wrong), "c": FakeWorker(np.ones(3))}
    laps = {name: Lap(name) for name in workers}
    found = _disagreements(workers, laps, 1e-7)  # type: ignore[arg-type]  # only .values is read
    assert list(found) == ["b"]
    assert word in found["b"]


def test_two_peers_that_differ_are_both_refused() -> None:
    workers = {"a": FakeWorker(np.ones(3)), "b": FakeWorker(np.zeros(3))}
    found = _disagreements(workers, {n: Lap(n) for n in workers}, 1e-7)  # type: ignore[arg-type]
    assert set(found) == {"a", "b"}


def test_race_times_a_peer_in_a_process_of_its_own() -> None:
    rules = Rules(measure_s=0.01, rounds=2, second=True)
    (lap,) = race(Problem("training", 2, 1), ["qml"], rules)
    assert (lap.status, lap.reason) == ("timed", "")
    assert lap.steady_s is not None
    assert lap.first_s is not None
    assert lap.second_s is not None
    assert lap.peak_bytes is not None
    assert lap.calls >= 1
    assert lap.max_error is None, "nobody to compare with"


def test_fresh_worker_starts_with_an_empty_cache(tmp_path: Path) -> None:
    worker = Worker("jaxqnn", Problem("z_product", 2, 1), tmp_path, fresh=True)
    try:
        assert worker.ask(120)["status"] == "ready"
    finally:
        worker.close()
    assert any((tmp_path / "jaxqnn.numba").rglob("*.nbc"))


def test_peer_over_the_time_limit_is_ended_and_reported() -> None:
    (lap,) = race(Problem("z_product", 2, 1), ["qml"], Rules(limit_s=0.01))
    assert lap.status == "over limit"
    assert lap.steady_s is None


def test_gpu_comparison_runs_where_the_gpu_is_a_second_cpu() -> None:
    (device, *_) = jax.devices("cpu")
    for problem in (Problem("z_product", 2, 2), Problem("training", 2, 2)):
        runs = gpu.compare(problem, device, 0.01, cpu_cores=1)
        assert [run.error is None for run in runs] == [True, False, False]
        assert all(run.error <= gpu.TOLERANCE[run.precision] for run in runs if run.error)
        assert len(gpu.row(problem, runs)) == 9


def test_precisions_are_compared_in_processes_of_their_own() -> None:
    problem = Problem("z_product", 2, 2)
    here = [precision.measured(problem, name) for name in precision.PRECISIONS]
    drift = max(abs(a - b).max() for a, b in zip(here[0].arrays, here[1].arrays, strict=True))
    assert 0 < drift < 1e-5
    cells = precision.row(problem)
    assert len(cells) == len(precision.COLUMNS)
    assert max(map(float, cells[-2:])) < 1e-5


def fake_results() -> list[Result]:
    laps = [
        Lap("jaxqnn", steady_s=1e-3, round_s=[1e-3, 1e-3], first_s=1.0, max_error=0.0),
        Lap("qulacs", steady_s=8e-3, round_s=[7e-3, 9e-3], first_s=0.1, max_error=0.0),
        Lap("qml").lost("over limit", "no gradient after 1 s"),
    ]
    return [Result(target.problem, laps) for target in TARGETS[:2]]


def test_ratio_is_best_peer_over_ours() -> None:
    (first, _) = fake_results()
    assert first.best_peer is not None
    assert first.best_peer.peer == "qulacs"
    assert first.ratio == pytest.approx(8.0)


def test_results_survive_json_and_make_tables_and_plots(tmp_path: Path) -> None:
    results = fake_results()
    path = tmp_path / "results.json"
    path.write_text(json.dumps(to_json(results, Rules(), machine())))
    again, _ = from_json(path)
    assert again == results
    rows = tables.of_targets(again)
    assert [cells[-1] for cells in rows.cells] == ["least", "least"]
    assert "over limit" in tables.to_markdown(tables.of_problem(again[0]))
    assert tables.to_rich(tables.summary(again)) is not None
    plots.draw(again, tmp_path / "results.png")
    assert (tmp_path / "results.png").stat().st_size > 1000


def test_default_observable_is_the_product_of_z() -> None:
    assert Problem("z_product", 3, 1).observables == [SparsePauliOp("ZZZ")]


# QML's L_BFGS_B passes SciPy an option that goes.
@pytest.mark.filterwarnings("ignore:scipy.optimize.*L-BFGS-B:DeprecationWarning")
@pytest.mark.parametrize("name", ["classifier", "regressor", "autoencoder", "generator", "kernel"])
def test_a_script_is_the_same_with_either_import(name: str) -> None:
    script = scripts.SCRIPTS[name]
    ours, theirs = (script(library, 2) for library in (jaxqnn, scripts.QML))
    assert len(ours) > 1
    first = slice(scripts.COMPARED)
    np.testing.assert_allclose(ours[first], theirs[first], atol=scripts.TOLERANCE)


def test_the_gate_names_what_lost_more_than_it_may() -> None:
    before = {"forward": 1.0, "backward": 2.0}
    assert gate.compare(before, {"forward": 1.04, "backward": 1.0}, 0.05) == []
    assert gate.compare(before, {"forward": 1.06, "backward": 2.0}, 0.05) == ["forward"]
