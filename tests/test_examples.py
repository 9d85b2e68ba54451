"""The examples run, and reach what they promise."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from hydrogen import hamiltonian
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import efficient_su2
from scipy.sparse.linalg import eigsh

from jaxqnn.errors import JaxQNNError
from jaxqnn.examples import (
    barren_plateau,
    ensemble,
    hybrid_digits,
    hydrogen_chain,
    kernel_alignment,
    natural_gradient,
    parity_sampler,
    regression,
    three_ways,
)
from jaxqnn.examples.data import Data, breast_cancer, diabetes, digits, iris_pair


@pytest.mark.parametrize(
    "data", [breast_cancer(), breast_cancer(4), digits(), digits(4, 9, 4), diabetes()]
)
def test_data_are_angles_and_each_part_has_all_classes(data: Data) -> None:
    assert len(data.train_points) == len(data.train_targets)
    assert len(data.test_points) == len(data.test_targets)
    assert np.abs(data.train_points).max() < 2 * np.pi
    assert np.abs(data.train_targets).max() <= 1
    if data.classes:
        assert set(data.train_targets) == set(data.test_targets) == {-1, 1}


def test_three_ways_end_alike() -> None:
    found = three_ways.main()
    assert set(found) == set(three_ways.WAYS)
    labels = breast_cancer().test_targets
    majority = max(np.mean(labels > 0), np.mean(labels < 0))
    assert min(found.values()) > majority + 0.15
    # Single and double precision may disagree about a sample on the boundary.
    assert max(found.values()) - min(found.values()) <= 2 / len(labels)


def test_three_ways_take_the_same_steps() -> None:
    data = breast_cancer()
    first, *others = (train(data, 10) for train in three_ways.WAYS.values())
    for weights in others:
        np.testing.assert_allclose(weights, first, rtol=0, atol=1e-3)


def test_the_molecule_is_that_of_its_integrals() -> None:
    """Orbitals are known but for their signs, which change those of strings."""
    shipped, computed = hydrogen_chain.hamiltonian(), hamiltonian(6, 1.0)
    theirs = {label: abs(value) for label, value in computed.to_list()}
    assert len(shipped) == len(theirs) > 500
    for label, value in shipped.to_list():
        assert abs(value) == pytest.approx(theirs[label], abs=1e-9)
    grounds = [
        eigsh(each.to_matrix(sparse=True), k=1, which="SA", return_eigenvectors=False)[0]
        for each in (shipped, computed)
    ]
    assert grounds[0] == pytest.approx(grounds[1], abs=1e-9)


def test_coupled_cluster_finds_the_molecules_ground_state() -> None:
    energies = hydrogen_chain.main()
    assert energies.exact < energies.found < energies.hartree_fock - 0.09
    assert energies.found - energies.exact < 1.6e-3  # what chemists call exact


def test_parity_sampler_separates_irises() -> None:
    scores = parity_sampler.main()
    assert scores.mean() > 0.85  # half of the flowers are of either kind
    assert scores.min() > 0.7


def test_parity_sampler_outputs_are_probabilities() -> None:
    points, kinds = iris_pair()
    assert set(kinds) == {0, 1}
    qnn = parity_sampler.network()
    outputs = qnn.forward(points, np.zeros(qnn.num_weights))
    assert outputs.shape == (len(points), 2)
    np.testing.assert_allclose(outputs.sum(axis=1), 1)


def test_regression_explains_part_of_the_variance() -> None:
    found, baseline = regression.main()
    assert found > 0.2  # the mean of the targets explains nothing: 0
    assert found > baseline - 0.1


def test_natural_gradient_needs_fewer_steps() -> None:
    race = natural_gradient.main()
    for energies in (race.plain, race.natural):
        assert energies[-1] <= (1 - natural_gradient.NEAR) * race.ground
        assert min(energies) >= race.ground - 1e-5  # the variational principle
    assert race.plain[0] == race.natural[0]
    assert len(race.natural) < len(race.plain) / 2


def test_kernel_alignment_by_gradient_goes_further_than_by_spsa() -> None:
    found = kernel_alignment.main(steps=40)
    start, guessed, aligned = found.values()
    assert start.alignment < guessed.alignment < aligned.alignment
    assert aligned.alignment > 2 * start.alignment
    assert aligned.accuracy > start.accuracy
    classical = kernel_alignment.classical_accuracy(digits(4, 9, kernel_alignment.FEATURES))
    assert aligned.accuracy > classical - 0.05


def test_alignment_is_the_cosine_with_the_labels() -> None:
    labels = np.array([1.0, -1, -1, 1])
    assert float(kernel_alignment.alignment(np.outer(labels, labels), labels)) == pytest.approx(1)
    assert abs(float(kernel_alignment.alignment(np.ones((4, 4)) + np.eye(4), labels))) < 1


def test_ensemble_trains_every_start() -> None:
    found = ensemble.train(starts=8, steps=40)
    assert found.losses.shape == (8, 40)
    assert found.accuracies.shape == (8,)
    assert len(np.unique(found.losses[:, 0])) == 8  # no two begin alike
    assert np.all(found.losses[:, -1] < found.losses[:, 0])
    best = found.accuracies[np.argmin(found.losses[:, -1])]
    assert best > 0.85


def test_hybrid_network_reads_digits() -> None:
    losses, found, without = hybrid_digits.main(epochs=8)
    assert losses[-1] < losses[0] / 2
    assert found > 0.9
    assert abs(found - without) < 0.05  # neither is bad for want of training


@pytest.mark.parametrize("num_qubits", [1, 2, 3, 4])
def test_gradient_variance_of_a_product_state(num_qubits: int) -> None:
    """<Z...Z> is the product of cos t: the squares of sin and cos have the mean 1/2."""
    circuit = QuantumCircuit(num_qubits)
    for qubit, angle in enumerate(ParameterVector("t", num_qubits)):
        circuit.ry(angle, qubit)
    for parameter in range(num_qubits):
        found = barren_plateau.gradient_variance(circuit, parameter=parameter, samples=4000)
        assert found.error < 0.1 * found.value
        assert abs(found.value - 0.5**num_qubits) < 4 * found.error


def test_gradient_variance_of_random_circuits() -> None:
    circuit = efficient_su2(4, reps=8)
    found = barren_plateau.gradient_variance(circuit, barren_plateau.on_two(4))
    expected = barren_plateau.random_circuit_variance(4)
    assert abs(found.value - expected) < 4 * found.error


def test_a_plateau_needs_depth_or_a_global_observable(tmp_path: Path) -> None:
    file = tmp_path / "plateau.png"
    curves = barren_plateau.main(
        ["--qubits", "2", "4", "6", "--samples", "300", "--plot", str(file)]
    )
    shallow, everywhere, deep = ([one.value for one in found] for found in curves.values())
    assert shallow[1] < 2 * shallow[2]  # stays, from four qubits on
    assert everywhere[1] > 2 * everywhere[2]  # halves for each qubit, at least
    assert deep[1] > 2 * deep[2]
    height, width, _ = matplotlib.image.imread(file).shape
    assert min(height, width) > 300


def test_gradient_variance_of_no_parameter() -> None:
    circuit = QuantumCircuit(1)
    circuit.ry(ParameterVector("t", 1)[0], 0)
    with pytest.raises(JaxQNNError, match="1 parameters, but is 1"):
        barren_plateau.gradient_variance(circuit, parameter=1)


def test_a_picture_of_unknown_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        barren_plateau.main(["--plot", "plateau.txt"])
    assert "must end in .png" in capsys.readouterr().err
