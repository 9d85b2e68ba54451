"""JaxEstimator and JaxSampler against Qiskit's reference primitives and QML's exact ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from comparing import assert_refused_alike
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.primitives import BitArray, StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp, Statevector
from qiskit_machine_learning.algorithms import VQC
from qiskit_machine_learning.kernels import FidelityQuantumKernel
from qiskit_machine_learning.optimizers import COBYLA
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler
from qiskit_machine_learning.primitives.sampler import ExactProbArray, ExactProbNDArray
from qiskit_machine_learning.state_fidelities import ComputeUncompute
from scipy.optimize import minimize

import jaxqnn

ATOL = 1e-10


def ansatz(num_qubits: int = 2) -> QuantumCircuit:
    return real_amplitudes(num_qubits, reps=1)


def points(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, shape)


Z, X, ZX = SparsePauliOp("ZI"), Pauli("IX"), SparsePauliOp(["ZX", "YY", "II"], [0.5, -1.5, 2.0])

BROADCASTS = {
    "one point": (Z, points(4)),
    "one observable, many points": (Z, points(5, 4)),
    "many observables, one point": ([Z, X, ZX], points(4)),
    "outer product": ([[Z], [X], [ZX]], points(5, 4)),
    "pairwise": ([Z, X, ZX], points(3, 4)),
    "three axes": ([[[Z]], [[X]]], points(3, 2, 4)),
    "repeated observables": ([Z, X, Z, X, Z], points(5, 4)),
    "many distinct pairs": (
        [SparsePauliOp(label) for label in ("XX", "YZ", "ZI", "IY", "XZ", "ZZ")],
        points(6, 4),
    ),
    "dictionaries": ({"ZZ": 1.0, "XI": 0.25}, points(2, 4)),
    "labels": (["ZZ", "XX"], points(2, 4)),
    "no points": (Z, points(0, 4)),
}


class TestEstimator:
    @pytest.mark.parametrize("case", BROADCASTS)
    def test_broadcasts_like_the_reference(self, case: str) -> None:
        observables, values = BROADCASTS[case]
        pub = (ansatz(), observables, values)
        ours = jaxqnn.JaxEstimator().run([pub]).result()[0].data
        theirs = StatevectorEstimator().run([pub]).result()[0].data
        assert ours.evs.shape == theirs.evs.shape == ours.shape
        assert ours.evs.dtype == theirs.evs.dtype
        np.testing.assert_allclose(ours.evs, theirs.evs, atol=ATOL)
        np.testing.assert_array_equal(ours.stds, theirs.stds)

    def test_many_pubs_of_many_circuits_keep_their_order(self) -> None:
        two, three, fixed = ansatz(2), ansatz(3), QuantumCircuit(2)
        fixed.h(0)
        fixed.cx(0, 1)
        pubs = [
            (two, Z, points(4)),
            (three, ["ZZZ", "XIX"], points(2, 6)),
            (fixed, ["ZZ", "XX", "YY"]),
            (ansatz(2), X, points(3, 4, seed=1)),
            (two, [Z, ZX], points(2, 4, seed=2)),
        ]
        ours = jaxqnn.JaxEstimator().run(pubs).result()
        theirs = StatevectorEstimator().run(pubs).result()
        assert ours.metadata == theirs.metadata
        for mine, reference in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine.data.evs, reference.data.evs, atol=ATOL)

    def test_bindings_by_name(self) -> None:
        circuit = QuantumCircuit(1)
        first, second = Parameter("first"), Parameter("second")
        circuit.ry(second, 0)
        circuit.rz(first, 0)
        pub = (circuit, "X", {("second", "first"): points(3, 2)})
        ours = jaxqnn.JaxEstimator().run([pub]).result()[0].data.evs
        np.testing.assert_allclose(
            ours, StatevectorEstimator().run([pub]).result()[0].data.evs, atol=ATOL
        )

    def test_exact_result_is_that_of_qml(self) -> None:
        circuit = ansatz()
        circuit.metadata = {"name": "mine"}
        pub = (circuit, [[Z], [X]], points(3, 4), 0.5)
        ours = jaxqnn.JaxEstimator().run([pub], precision=0.1).result()[0]
        theirs = QMLEstimator().run([pub], precision=0.1).result()[0]
        np.testing.assert_allclose(ours.data.evs, theirs.data.evs, atol=ATOL)
        assert ours.metadata == {**theirs.metadata, "circuit_metadata": {"name": "mine"}}

    @pytest.mark.parametrize("make_seed", [lambda: 7, lambda: np.random.default_rng(7)])
    def test_noise_is_that_of_the_reference(self, make_seed: Any) -> None:
        pubs = [
            (ansatz(), [[Z], [X]], points(3, 4)),
            (ansatz(), ZX, points(2, 4), 0.01),
            (ansatz(), ZX, points(4), 0.0),
        ]
        ours = jaxqnn.JaxEstimator(default_precision=0.2, seed=make_seed())
        theirs = StatevectorEstimator(default_precision=0.2, seed=make_seed())
        for options in ({}, {"precision": 0.3}):
            for mine, reference in zip(
                ours.run(pubs, **options).result(),
                theirs.run(pubs, **options).result(),
                strict=True,
            ):
                np.testing.assert_allclose(mine.data.evs, reference.data.evs, atol=ATOL)
                np.testing.assert_array_equal(mine.data.stds, reference.data.stds)
                assert mine.metadata == reference.metadata

    def test_dense_operators(self) -> None:
        operator = Operator(SparsePauliOp(["ZX", "YY"], [0.5, -1.5]))
        circuit, values = ansatz(), points(4)
        evs = jaxqnn.JaxEstimator().run([(circuit, [operator, Z], values)]).result()[0].data.evs
        state = Statevector(circuit.assign_parameters(values))
        exact = [state.expectation_value(operator).real, state.expectation_value(Z).real]
        np.testing.assert_allclose(evs, exact, atol=ATOL)

    def test_projectors(self) -> None:
        circuit, values = ansatz(), points(4)
        pub = (circuit, "0+", values)
        state = Statevector(circuit.assign_parameters(values)).evolve(
            QuantumCircuit(1).compose(_hadamard()), [0]
        )
        evs = jaxqnn.JaxEstimator().run([pub]).result()[0].data.evs
        np.testing.assert_allclose(evs, state.probabilities()[0], atol=ATOL)

    def test_final_measurements_do_not_matter(self) -> None:
        measured = ansatz()
        measured.measure_all()
        evs = [
            jaxqnn.JaxEstimator().run([(circuit, ZX, points(4))]).result()[0].data.evs
            for circuit in (ansatz(), measured)
        ]
        np.testing.assert_allclose(evs[0], evs[1], atol=ATOL)

    @pytest.mark.parametrize(
        "pub",
        [
            (ansatz(), "ZZZ", points(4)),
            (ansatz(), "ZZ", points(3)),
            (ansatz(), ["ZZ", "XX"], points(3, 4)),
            (ansatz(), "ZZ", points(4), -1.0),
            (ansatz(),),
        ],
    )
    def test_refuses_what_the_reference_refuses(self, pub: Any) -> None:
        ours, theirs = jaxqnn.JaxEstimator(), StatevectorEstimator()
        assert_refused_alike(partial(ours.run, [pub]), partial(theirs.run, [pub]))

    def test_a_loop_without_an_end_is_a_clear_error(self) -> None:
        circuit = QuantumCircuit(1, 1)
        circuit.h(0)
        with circuit.while_loop((circuit.clbits[0], 0)):
            circuit.measure(0, 0)
        job = jaxqnn.JaxEstimator().run([(circuit, "Z")])
        with pytest.raises(jaxqnn.UnsupportedCircuitError, match="while_loop"):
            job.result()

    def test_vqe_finds_the_ground_energy(self) -> None:
        hamiltonian = SparsePauliOp(["ZZ", "XI", "IX"], [-1.0, -0.5, -0.5])
        circuit, estimator = ansatz(), jaxqnn.JaxEstimator()
        gradient = jaxqnn.JaxEstimatorGradient(estimator)

        def energy(values: Any) -> float:
            return float(estimator.run([(circuit, hamiltonian, values)]).result()[0].data.evs)

        def slope(values: Any) -> Any:
            return gradient.run([circuit], [hamiltonian], [values]).result().gradients[0]

        found = minimize(energy, points(4), jac=slope, method="BFGS")
        assert found.fun == pytest.approx(np.linalg.eigvalsh(hamiltonian.to_matrix())[0], abs=1e-6)


def _hadamard() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    return circuit


def measured_all() -> QuantumCircuit:
    circuit = ansatz(3)
    circuit.measure_all()
    return circuit


def two_registers() -> QuantumCircuit:
    """Bits in another order than qubits, a bit read twice over, and one that nothing reads."""
    low, high = ClassicalRegister(3, "low"), ClassicalRegister(2, "high")
    circuit = QuantumCircuit(QuantumRegister(3), low, high)
    circuit.compose(ansatz(3), inplace=True)
    circuit.measure(2, low[0])
    circuit.measure(0, low[2])
    circuit.barrier()
    circuit.measure(0, high[1])
    return circuit


def loose_bit() -> QuantumCircuit:
    circuit = QuantumCircuit(ansatz(3).qubits, ClassicalRegister(1, "c"))
    circuit.compose(ansatz(3), inplace=True)
    circuit.measure(1, 0)
    return circuit


def late_gate() -> QuantumCircuit:
    """The gate on qubit 1 comes after a measurement, but of another qubit."""
    circuit = QuantumCircuit(2, 2)
    circuit.ry(Parameter("a"), 0)
    circuit.measure(0, 1)
    circuit.ry(Parameter("b"), 1)
    circuit.measure(1, 0)
    return circuit


CIRCUITS = [measured_all, two_registers, loose_bit, late_gate]


class TestSampler:
    @pytest.mark.parametrize("build", CIRCUITS)
    @pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
    def test_exact_distributions_are_those_of_qml(self, build: Any, shape: tuple[int, ...]) -> None:
        circuit = build()
        pub = (circuit, points(*shape, circuit.num_parameters))
        ours = jaxqnn.JaxSampler().run([pub], shots=5).result()[0]
        theirs = QMLSampler().run([pub]).result()[0]
        assert list(ours.data) == list(theirs.data)
        assert ours.data.shape == theirs.data.shape == shape
        assert ours.metadata == {**theirs.metadata, "circuit_metadata": circuit.metadata}
        pairs = [(getattr(ours.data, name), getattr(theirs.data, name)) for name in theirs.data]
        pairs.append((ours.join_data(), theirs.join_data()))
        pairs.append((ours.join_data([*theirs.data][::-1]), theirs.join_data([*theirs.data][::-1])))
        for mine, reference in pairs:
            assert isinstance(mine, ExactProbNDArray if shape else ExactProbArray)
            assert mine.shape == reference.shape
            assert mine.num_shots is None
            # QML leaves out bits that nothing is measured into, and moves the others up.
            kept = mine[(0,) * len(shape)]._mask if shape else mine._mask
            kept = [i for i, place in enumerate(kept) if place is not None]
            assert len(kept) == reference.num_bits
            for index in np.ndindex(shape):
                ours_here = (mine[index] if shape else mine).get_probabilities()
                close(
                    {"".join(key[-1 - i] for i in kept[::-1]): p for key, p in ours_here.items()},
                    (reference[index] if shape else reference).get_probabilities(),
                )

    def test_counts_are_those_of_qml(self) -> None:
        pub = (measured_all(), points(4, 6))
        ours = jaxqnn.JaxSampler().run([pub]).result()[0].data.meas
        theirs = QMLSampler().run([pub]).result()[0].data.meas
        for index in range(4):
            mine, reference = ours.get_counts(index), theirs.get_counts(index)
            total = sum(mine.values())
            assert total.bit_count() == 1
            close(
                {key: value / total for key, value in mine.items()},
                {key: value / sum(reference.values()) for key, value in reference.items()},
            )
            assert ours.get_counts(index, shots=1000) == theirs.get_counts(index, shots=1000)

    def test_dyadic_counts_are_small(self) -> None:
        bell = _hadamard()
        bell.measure_all()
        assert jaxqnn.JaxSampler().run([bell]).result()[0].data.meas.get_counts() == {
            "0": 1,
            "1": 1,
        }

    @pytest.mark.parametrize("build", CIRCUITS)
    @pytest.mark.parametrize("make_seed", [lambda: 11, lambda: np.random.default_rng(11)])
    def test_samples_are_those_of_the_reference(self, build: Any, make_seed: Any) -> None:
        circuit = build()
        pubs = [
            (circuit, points(2, 2, circuit.num_parameters)),
            (build(), points(circuit.num_parameters, seed=1), 9),
        ]
        ours = jaxqnn.JaxSampler(shots=50, seed=make_seed())
        theirs = StatevectorSampler(default_shots=50, seed=make_seed())
        for options in ({}, {"shots": 21}):
            mine, reference = ours.run(pubs, **options), theirs.run(pubs, **options)
            assert mine.result().metadata == reference.result().metadata
            for one, other in zip(mine.result(), reference.result(), strict=True):
                assert one.metadata == other.metadata
                assert list(one.data) == list(other.data)
                for name in other.data:
                    assert isinstance(one.data[name], BitArray)
                    assert one.data[name] == other.data[name]
                assert one.join_data() == other.join_data()

    def test_shots_by_either_name(self) -> None:
        assert (
            jaxqnn.JaxSampler(default_shots=3)
            .run([measured_all_bound()])
            .result()[0]
            .data.meas.num_shots
            == 3
        )

    def test_no_registers_warns(self) -> None:
        with pytest.warns(UserWarning, match="measure_all"):
            job = jaxqnn.JaxSampler().run([QuantumCircuit(1)])
        assert list(job.result()[0].data) == []

    @pytest.mark.parametrize("pub", [(measured_all(), points(3)), (measured_all(), points(6), -1)])
    def test_refuses_what_the_reference_refuses(self, pub: Any) -> None:
        ours, theirs = jaxqnn.JaxSampler(), StatevectorSampler()
        assert_refused_alike(partial(ours.run, [pub]), partial(theirs.run, [pub]))

    def test_fidelity_kernel(self) -> None:
        feature_map = zz_feature_map(2, reps=1)
        first, second = points(4, 2), points(3, 2, seed=1)
        kernels = [
            FidelityQuantumKernel(
                feature_map=feature_map, fidelity=ComputeUncompute(sampler)
            ).evaluate(first, second)
            for sampler in (jaxqnn.JaxSampler(), QMLSampler())
        ]
        np.testing.assert_allclose(kernels[0], kernels[1], atol=1e-9)

    def test_vqc_trains_as_with_the_qml_sampler(self) -> None:
        features, labels = points(6, 2), np.array([0, 1, 0, 1, 0, 1])
        models = [
            VQC(
                feature_map=zz_feature_map(2, reps=1),
                ansatz=ansatz(),
                optimizer=COBYLA(maxiter=8),
                initial_point=np.full(4, 0.1),
                sampler=sampler,
            ).fit(features, labels)
            for sampler in (jaxqnn.JaxSampler(), QMLSampler())
        ]
        np.testing.assert_allclose(models[0].weights, models[1].weights, atol=1e-6)
        np.testing.assert_array_equal(models[0].predict(features), models[1].predict(features))


def measured_all_bound() -> QuantumCircuit:
    return measured_all().assign_parameters(points(6))


def close(ours: dict[str, float], theirs: dict[str, float]) -> None:
    for outcome in ours.keys() | theirs.keys():
        assert ours.get(outcome, 0.0) == pytest.approx(theirs.get(outcome, 0.0), abs=ATOL)


@pytest.mark.parametrize("options", [{}, {"shots": 10, "seed": 1}], ids=["exact", "shots"])
def test_a_sampled_pub_of_no_points_keeps_its_shape(options: dict[str, int]) -> None:
    measured, plain = ansatz(), QuantumCircuit(1, 2)
    measured.measure_all()
    plain.measure(0, 1)
    pubs = [
        (measured, points(0, 4)),
        (measured, points(2, 0, 4)),
        (measured, points(3, 4)),
        (plain, points(0, 0)),
    ]
    ours = jaxqnn.JaxSampler(**options).run(pubs).result()
    reference = StatevectorSampler(default_shots=10, seed=1).run(pubs).result()
    for mine, theirs in zip(ours, reference, strict=True):
        assert mine.data.shape == theirs.data.shape
        for name in theirs.data:
            assert mine.data[name].shape == theirs.data[name].shape
