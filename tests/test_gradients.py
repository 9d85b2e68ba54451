"""JaxEstimatorGradient and JaxSamplerGradient against QML's gradient classes."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import numpy as np
import pytest
from comparing import assert_all_close, assert_refused_alike
from network_pairs import NETWORK, OwnEstimator, OwnSampler, parity
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp, Statevector
from qiskit_machine_learning.gradients import (
    BaseEstimatorGradient,
    BaseSamplerGradient,
    DerivativeType,
    LinCombEstimatorGradient,
    ParamShiftEstimatorGradient,
    ParamShiftSamplerGradient,
)
from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler

import jaxqnn

ATOL = 1e-9
REAL, IMAG, COMPLEX = DerivativeType.REAL, DerivativeType.IMAG, DerivativeType.COMPLEX


def points(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, shape)


def rotations() -> QuantumCircuit:
    """Every rotation QML's linear-combination rule knows, with shared and scaled parameters."""
    a, b, c = (Parameter(name) for name in "abc")
    circuit = QuantumCircuit(2)
    circuit.ry(a, 0)
    circuit.rx(b, 1)
    circuit.rzz(a * b, 0, 1)
    circuit.rz(2 * c + a, 0)
    circuit.rxx(b, 0, 1)
    circuit.rzx(c, 1, 0)
    circuit.ryy(0.5 * c, 0, 1)
    return circuit


ZZ, XI = SparsePauliOp("ZZ"), SparsePauliOp(["XI", "ZY"], [0.5, -2.0])


class TestEstimatorGradient:
    def test_is_the_parameter_shift_rule(self) -> None:
        circuit = rotations()
        arguments = ([circuit] * 3, [ZZ, XI, ZZ], points(2, 3)[[0, 1, 1]])
        ours = jaxqnn.JaxEstimatorGradient().run(*arguments).result()
        theirs = ParamShiftEstimatorGradient(QMLEstimator()).run(*arguments).result()
        assert len(ours.gradients) == 3
        for mine, reference in zip(ours.gradients, theirs.gradients, strict=True):
            assert mine.shape == reference.shape
            assert mine.dtype == reference.dtype
            np.testing.assert_allclose(mine, reference, atol=ATOL)
        assert ours.metadata == theirs.metadata

    @pytest.mark.parametrize("derivative_type", list(DerivativeType))
    def test_derivative_types_are_those_of_the_linear_combination(
        self, derivative_type: DerivativeType
    ) -> None:
        # QML's rule keeps one gate per parameter, and the last of a repeated one wins.
        circuit = rotations()
        arguments = ([circuit] * 2, [XI, ZZ], points(2, 3))
        ours = jaxqnn.JaxEstimatorGradient(None, None, derivative_type).run(*arguments).result()
        theirs = LinCombEstimatorGradient(QMLEstimator(), derivative_type).run(*arguments).result()
        for mine, reference in zip(ours.gradients, theirs.gradients, strict=True):
            assert mine.dtype == reference.dtype
            np.testing.assert_allclose(mine, reference, atol=ATOL)

    def test_complex_derivative_is_the_overlap_with_the_differentiated_state(self) -> None:
        circuit = QuantumCircuit(2)
        a, b = Parameter("a"), Parameter("b")
        circuit.h(0)
        circuit.cp(a, 0, 1)
        circuit.cry(a * b, 0, 1)
        circuit.p(b, 1)
        values, step = points(2), 1e-5
        states = [
            Statevector(circuit.assign_parameters(values + sign * step * unit)).data
            for unit in np.eye(2)
            for sign in (1, -1)
        ]
        derivatives = np.stack([(states[0] - states[1]), (states[2] - states[3])], 1) / (2 * step)
        bra = XI.to_matrix() @ Statevector(circuit.assign_parameters(values)).data
        gradient = jaxqnn.JaxEstimatorGradient(derivative_type=COMPLEX)
        found = gradient.run([circuit], [XI], [values]).result().gradients[0]
        np.testing.assert_allclose(found, 2 * bra.conj() @ derivatives, atol=1e-8)
        for derivative_type, part in ((REAL, found.real), (IMAG, found.imag)):
            gradient.derivative_type = derivative_type
            assert gradient.derivative_type is derivative_type
            other = gradient.run([circuit], [XI], [values]).result().gradients[0]
            np.testing.assert_allclose(other, part, atol=ATOL)

    def test_mixed_circuits_subsets_and_orders_in_one_run(self) -> None:
        small, large = rotations(), real_amplitudes(3, reps=1)
        a, b, c = small.parameters
        circuits = [small, large, rotations(), small, large]
        observables = [ZZ, SparsePauliOp("XYZ"), XI, XI, SparsePauliOp("ZII")]
        values = [points(3), points(6), points(3, seed=1), points(3, seed=2), points(6, seed=3)]
        parameters = [[c, a], None, circuits[2].parameters[1:], [b], large.parameters[4:1:-1]]
        ours = jaxqnn.JaxEstimatorGradient().run(circuits, observables, values, parameters).result()
        assert [len(gradient) for gradient in ours.gradients] == [2, 6, 2, 1, 3]
        # One by one, because QML confuses circuits whose different parameters have equal names.
        for k, one in enumerate(zip(circuits, observables, values, parameters, strict=True)):
            alone = ParamShiftEstimatorGradient(QMLEstimator()).run(*([part] for part in one))
            np.testing.assert_allclose(ours.gradients[k], alone.result().gradients[0], atol=ATOL)
            assert ours.metadata[k] == alone.result().metadata[0]

    def test_single_circuit_and_observable_need_no_list(self) -> None:
        circuit, values = rotations(), points(1, 3)
        bare = jaxqnn.JaxEstimatorGradient().run(circuit, ZZ, values).result()
        listed = jaxqnn.JaxEstimatorGradient().run([circuit], [ZZ], values).result()
        np.testing.assert_array_equal(bare.gradients[0], listed.gradients[0])

    @pytest.mark.parametrize("observable", [Pauli("ZX"), Operator(XI), XI])
    def test_kinds_of_observables(self, observable: Any) -> None:
        circuit, values = rotations(), points(1, 3)
        found = jaxqnn.JaxEstimatorGradient().run([circuit], [observable], values).result()
        same = SparsePauliOp.from_operator(Operator(observable))
        expected = ParamShiftEstimatorGradient(QMLEstimator()).run([circuit], [same], values)
        np.testing.assert_allclose(found.gradients[0], expected.result().gradients[0], atol=ATOL)

    def test_no_parameters_asked_for(self) -> None:
        result = jaxqnn.JaxEstimatorGradient().run([rotations()], [ZZ], points(1, 3), [[]]).result()
        assert result.gradients[0].shape == (0,)

    def test_accepts_both_argument_orders(self) -> None:
        shift = jaxqnn.JaxEstimatorGradient(QMLEstimator(), {"shots": 5}, COMPLEX)
        linear = jaxqnn.JaxEstimatorGradient(QMLEstimator(), COMPLEX, {"shots": 5})
        short = jaxqnn.JaxEstimatorGradient(QMLEstimator(), COMPLEX)
        for gradient in (shift, linear, short):
            assert isinstance(gradient, BaseEstimatorGradient)
            assert gradient.derivative_type is COMPLEX
        assert shift.options.shots == linear.options.shots == 5
        with pytest.raises(ValueError, match="DerivativeType"):
            jaxqnn.JaxEstimatorGradient(None, None, cast(Any, "real"))

    def test_options_travel_as_in_qml(self) -> None:
        arguments = ([rotations()], [ZZ], points(1, 3))
        for kind in (jaxqnn.JaxEstimatorGradient, ParamShiftEstimatorGradient):
            gradient = kind(jaxqnn.JaxEstimator(seed=3), options={"shots": 100})
            assert gradient.run(*arguments).result().options.get("shots") == 100
            assert gradient.run(*arguments, shots=7).result().options.get("shots") == 7
            gradient.update_default_options(shots=50)
            assert gradient.options.get("shots") == 50
            assert gradient.options.get("seed") == 3

    @pytest.mark.parametrize(
        "arguments",
        [
            ([rotations()] * 2, [ZZ], points(1, 3)),
            ([rotations()], [ZZ], points(1, 2)),
            ([rotations()], [ZZ] * 2, points(1, 3)),
            ([rotations()], [SparsePauliOp("Z")], points(1, 3)),
            ([rotations()], [ZZ], points(1, 3), [None, None]),
            ([rotations()], [ZZ], points(1, 3), [[Parameter("stranger")]]),
            ([QuantumCircuit(2)], [ZZ], [[]]),
        ],
    )
    def test_refuses_what_qml_refuses(self, arguments: Any) -> None:
        ours, theirs = jaxqnn.JaxEstimatorGradient(), ParamShiftEstimatorGradient(QMLEstimator())
        assert_refused_alike(partial(ours.run, *arguments), partial(theirs.run, *arguments))

    @pytest.mark.parametrize("derivative_type", [REAL, COMPLEX])
    def test_other_estimators_are_honoured(self, derivative_type: DerivativeType) -> None:
        def estimator() -> OwnEstimator:
            return OwnEstimator(default_precision=0.1, seed=5)

        arguments = ([rotations()] * 2, [ZZ, XI], points(2, 3))
        with pytest.warns(UserWarning, match="JAX is not used"):
            gradient = jaxqnn.JaxEstimatorGradient(estimator(), derivative_type=derivative_type)
        ours = gradient.run(*arguments).result()
        kind: Any = ParamShiftEstimatorGradient
        if derivative_type is COMPLEX:
            kind = LinCombEstimatorGradient
        theirs = kind(estimator(), derivative_type=derivative_type).run(*arguments).result()
        np.testing.assert_array_equal(ours.gradients, theirs.gradients)

    @pytest.mark.parametrize("input_gradients", [False, True])
    def test_inside_a_qml_network(self, input_gradients: bool) -> None:
        common: dict[str, Any] = {
            **NETWORK,
            "observables": [ZZ, XI],
            "estimator": QMLEstimator(),
            "input_gradients": input_gradients,
        }
        ours = EstimatorQNN(**common, gradient=jaxqnn.JaxEstimatorGradient())
        theirs = EstimatorQNN(**common)
        for data in (points(2, 2), points(2), points(2, 1, 2)):
            backward = (network.backward(data, points(4)) for network in (ours, theirs))
            assert_all_close(*backward, atol=ATOL)


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    circuit = circuit.copy()
    circuit.measure_all()
    return circuit


def assert_same_distributions(ours: Any, theirs: Any) -> None:
    assert len(ours) == len(theirs)
    for mine, reference in zip(ours, theirs, strict=True):
        assert len(mine) == len(reference)
        for one, other in zip(mine, reference, strict=True):
            for outcome in one.keys() | other.keys():
                assert one.get(outcome, 0.0) == pytest.approx(other.get(outcome, 0.0), abs=1e-9)


class TestSamplerGradient:
    def test_is_the_parameter_shift_rule(self) -> None:
        arguments = ([measured(rotations())] * 2, points(2, 3))
        ours = jaxqnn.JaxSamplerGradient().run(*arguments).result()
        theirs = ParamShiftSamplerGradient(QMLSampler()).run(*arguments).result()
        assert_same_distributions(ours.gradients, theirs.gradients)
        assert ours.metadata == theirs.metadata

    def test_mixed_circuits_subsets_and_orders_in_one_run(self) -> None:
        large, small = measured(real_amplitudes(3, reps=1)), measured(rotations())
        a, _, c = small.parameters
        circuits = [small, large, small, measured(rotations())]
        values = [points(3), points(6), points(3, seed=1), points(3, seed=2)]
        parameters = [[c, a], large.parameters[4:1:-1], None, [circuits[3].parameters[1]]]
        ours = jaxqnn.JaxSamplerGradient().run(circuits, values, parameters).result()
        # One by one, because QML cuts all distributions to the width of the first circuit.
        for k, one in enumerate(zip(circuits, values, parameters, strict=True)):
            alone = ParamShiftSamplerGradient(QMLSampler()).run(*([part] for part in one)).result()
            assert_same_distributions(ours.gradients[k : k + 1], alone.gradients)
            assert ours.metadata[k] == alone.metadata[0]

    def test_options_travel_as_in_qml(self) -> None:
        arguments = ([measured(rotations())], points(1, 3))
        gradient = jaxqnn.JaxSamplerGradient(options={"shots": 100})
        assert isinstance(gradient, BaseSamplerGradient)
        assert gradient.run(*arguments).result().options.get("shots") == 100
        assert gradient.run(*arguments, shots=7).result().options.get("shots") == 7
        assert gradient.options.get("shots") == 100

    @pytest.mark.parametrize(
        "arguments",
        [
            ([measured(rotations())] * 2, points(1, 3)),
            ([measured(rotations())], points(1, 2)),
            ([measured(rotations())], points(1, 3), [[Parameter("stranger")]]),
            ([measured(QuantumCircuit(2))], [[]]),
        ],
    )
    def test_refuses_what_qml_refuses(self, arguments: Any) -> None:
        ours, theirs = jaxqnn.JaxSamplerGradient(), ParamShiftSamplerGradient(QMLSampler())
        assert_refused_alike(partial(ours.run, *arguments), partial(theirs.run, *arguments))

    def test_other_samplers_are_honoured(self) -> None:
        arguments = ([measured(rotations())] * 2, points(2, 3))
        with pytest.warns(UserWarning, match="JAX is not used"):
            gradient = jaxqnn.JaxSamplerGradient(OwnSampler(seed=5, default_shots=100))
        ours = gradient.run(*arguments).result().gradients
        sampler = StatevectorSampler(seed=5, default_shots=100)
        assert ours == ParamShiftSamplerGradient(sampler).run(*arguments).result().gradients

    @pytest.mark.parametrize("input_gradients", [False, True])
    @pytest.mark.parametrize("interpret", [None, parity])
    def test_inside_a_qml_network(self, input_gradients: bool, interpret: Any) -> None:
        common: dict[str, Any] = {
            **NETWORK,
            "interpret": interpret,
            "output_shape": None if interpret is None else 2,
            "input_gradients": input_gradients,
        }
        ours = SamplerQNN(**common, gradient=jaxqnn.JaxSamplerGradient())
        theirs = SamplerQNN(**common)
        backward = (network.backward(points(2, 2), points(4)) for network in (ours, theirs))
        assert_all_close(*backward, atol=ATOL)


def test_parameters_shared_by_two_vectors_keep_their_columns() -> None:
    """Both vectors hold an index 0; only identity tells their parameters apart."""
    first, second = ParameterVector("b", 2), ParameterVector("a", 2)
    circuit = QuantumCircuit(2)
    for qubit in (0, 1):
        circuit.ry(first[qubit], qubit)
        circuit.rx(second[qubit] * first[0], qubit)
    circuit.cx(0, 1)
    arguments = ([circuit], [XI], points(1, 4), [[first[0], second[1], second[0]]])
    ours = jaxqnn.JaxEstimatorGradient().run(*arguments).result().gradients[0]
    theirs = ParamShiftEstimatorGradient(QMLEstimator()).run(*arguments).result().gradients[0]
    np.testing.assert_allclose(ours, theirs, atol=ATOL)
