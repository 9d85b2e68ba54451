"""Arguments of the wrong kind are refused at the front door, in words of our own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from error_form import assert_raises
from network_pairs import ANSATZ, NETWORK
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparseObservable, SparsePauliOp
from qiskit_machine_learning.gradients import SPSAEstimatorGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN as QMLEstimatorQNN
from versions import TAKES_SPARSE_OBSERVABLES

import jaxqnn
from jaxqnn import InvalidArgumentError

Make = Callable[..., Any]

CIRCUIT, WEIGHTS = NETWORK["circuit"], np.zeros(4)


def network(name: str, **changes: Any) -> Any:
    return getattr(jaxqnn, name)(**(NETWORK | changes))


def function(name: str, circuit: Any = ANSATZ, **changes: Any) -> Any:
    return getattr(jaxqnn, name)(circuit, **changes)


def of_network(make: Make, method: str, *arguments: Any) -> Any:
    return getattr(make(), method)(*arguments)


def classes(interpret: Any, shape: Any) -> Any:
    return jaxqnn.probabilities(ANSATZ, interpret, shape)


def parity_of_shape(shape: Any) -> Any:
    return network("SamplerQNN", interpret=lambda outcome: 0, output_shape=shape)


NETWORKS: dict[str, Make] = {
    name: partial(network, name) for name in ("EstimatorQNN", "SamplerQNN")
}
FUNCTIONS: dict[str, Make] = {
    name: partial(function, name) for name in ("statevector", "expectation", "probabilities")
}
estimator = NETWORKS["EstimatorQNN"]

# What raises it, and the words that name the place.
Case = tuple[Callable[[], Any], tuple[str, ...]]


def bad_circuits_and_parameters() -> Iterator[Case]:
    """For networks and functions alike."""
    again = real_amplitudes(2, reps=1).parameters
    for make in (NETWORKS | FUNCTIONS).values():
        for circuit in (None, "bell.qasm", ANSATZ.to_gate()):
            yield partial(make, circuit=circuit), ("circuit", type(circuit).__name__)
        for which in ("input_params", "weight_params"):
            yield partial(make, **{which: "x"}), (which, "'x'", "str")
            yield partial(make, **{which: ["x"]}), (which.split("_")[0].capitalize(), "'x'", "str")
            yield partial(make, **{which: 3}), (which, "int")
            yield partial(make, **{which: ANSATZ.parameters[0]}), (which, "θ[0]")
        yield (
            partial(make, circuit=ANSATZ, input_params=None, weight_params=again),
            ("Weight parameter 'θ[0]'", "same name", "another object"),
        )


def bad_places() -> Iterator[Case]:
    for make in NETWORKS.values():
        for device in (0, ["cpu"], jax.devices(), "abacus", ""):
            yield partial(make, device=device), ("device", repr(device))
        for precision in (32, "half"):
            yield partial(make, precision=precision), ("precision", repr(precision))
        for mesh in ("cpu", 2, jax.devices()):
            yield partial(make, mesh=mesh), ("mesh", type(mesh).__name__)


def wrong_counts() -> Iterator[Case]:
    data = np.zeros(2)
    for make in NETWORKS.values():
        for method in ("forward", "backward", "vjp"):
            for wrong in (np.zeros(3), np.zeros((2, 4)), 0.5):
                place = ("weights", str(np.shape(wrong)), "4")
                yield partial(of_network, make, method, data, wrong), place
            for shaped in (np.zeros((3, 3)), 0.5):
                place = ("input_data", str(np.shape(shaped)), "2")
                yield partial(of_network, make, method, shaped, WEIGHTS), place
            for values in ([[1, 2], [3]], [1j, 0], ["a", "b"]):
                words = ("input_data", "real numbers")
                yield partial(of_network, make, method, values, WEIGHTS), words
        for weights in (np.zeros(3), ["word"] * 4, [[1, 2], [3]]):
            yield partial(of_network, make, "apply", data, weights), ("weights",)


def bad_observables_and_networks() -> Iterator[Case]:
    yield partial(estimator, observables="ZZ"), ("'ZZ'", "letter")
    yield partial(estimator, observables=[]), ("empty",)
    for observables in (3, {"ZZ": 0.5}, iter([SparsePauliOp("ZZ")])):
        words = ("observables", type(observables).__name__)
        yield partial(estimator, observables=observables), words
        yield partial(function, "expectation", observables=observables), words
    for other in (CIRCUIT, None, estimator):
        yield partial(jaxqnn.TorchConnector, other), ("neural_network", type(other).__name__)


def bad_numbers() -> Iterator[Case]:
    # They are of the wrong type on purpose.
    wrong_shots: list[Any] = [0, -1, 2.5, True, "many"]
    wrong_sizes: list[Any] = [-0.1, math.nan, math.inf, "low"]
    wrong_seeds: list[Any] = ["a", 2.5, -1]
    wrong_counts: list[Any] = [-1, 1.5, "two"]
    for shots in wrong_shots:
        yield partial(jaxqnn.JaxSampler, shots=shots), ("shots", repr(shots))
        yield partial(jaxqnn.JaxSampler, default_shots=shots), ("default_shots", repr(shots))
    for number in wrong_sizes:
        yield (
            partial(jaxqnn.JaxEstimator, default_precision=number),
            ("default_precision", repr(number)),
        )
        yield partial(jaxqnn.JaxQGT, precision=number), ("precision", repr(number))
        yield partial(jaxqnn.verify, estimator(), atol=number), ("atol", repr(number))
    for seed in wrong_seeds:
        words = ("seed", repr(seed))
        yield partial(jaxqnn.JaxSampler, shots=1, seed=seed), words
        yield partial(jaxqnn.JaxEstimator, seed=seed), words
        yield partial(jaxqnn.verify, estimator(), seed=seed), words
    for count in wrong_counts:
        yield partial(jaxqnn.verify, estimator(), samples=count), ("samples", repr(count))
        yield partial(jaxqnn.export, estimator(), count), ("batch_size", repr(count))
        yield partial(of_network, estimator, "resources", count), ("batch_size", repr(count))


def bad_shapes_and_options() -> Iterator[Case]:
    wrong_platforms: list[Any] = ["cpu", 3, []]
    for platforms in wrong_platforms:
        found = partial(jaxqnn.export, estimator(), platforms=platforms)
        yield found, ("platforms", repr(platforms))
    for shape in ("2", 2.5, 0, (), (2, "2"), True):
        words = ("output_shape", repr(shape))
        yield partial(classes, lambda outcome: 0, shape), words
        yield partial(parity_of_shape, shape), words
    for interpret in ("parity", 3):
        yield partial(classes, interpret, 2), ("interpret", repr(interpret))
    values: list[Any] = ["a", 0.5, None, (0.5,)]
    for value in values:
        yield partial(classes, {0: value}.get, 2), ("interpret", "outcome 0", repr(value))
    for gradient in (jaxqnn.JaxEstimatorGradient, jaxqnn.JaxSamplerGradient, jaxqnn.JaxQGT):
        yield partial(gradient, options=3), ("options", "3")
    for kind in (jaxqnn.JaxEstimatorGradient, jaxqnn.JaxQGT):
        yield partial(kind, derivative_type="real"), ("derivative_type", "'real'")


CASES: dict[str, Case] = {
    f"{cases.__name__} {number}": case
    for cases in (
        bad_circuits_and_parameters,
        bad_places,
        wrong_counts,
        bad_observables_and_networks,
        bad_numbers,
        bad_shapes_and_options,
    )
    for number, case in enumerate(cases())
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_argument_is_named(name: str) -> None:
    trigger, words = CASES[name]
    assert_raises(trigger, InvalidArgumentError, words)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("device", ["cpu", jax.devices("cpu")[0]])
def test_a_platform_is_its_first_device(name: str, device: Any) -> None:
    found = NETWORKS[name](device=device).forward(np.zeros(2), WEIGHTS)
    np.testing.assert_array_equal(found, NETWORKS[name]().forward(np.zeros(2), WEIGHTS))


def test_keywords_are_checked_where_jax_is_not_used() -> None:
    with pytest.raises(InvalidArgumentError, match="device"):
        estimator(estimator=StatevectorEstimator(), device=3)
    with pytest.raises(InvalidArgumentError, match="precision"):
        NETWORKS["SamplerQNN"](sampler=StatevectorSampler(), precision="half")


@pytest.mark.parametrize("limit", ["plenty", "-3", "1e400 GiB"])
def test_a_bad_limit_in_the_environment_names_the_variable(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = estimator()
    monkeypatch.setenv("JAXQNN_MEMORY_LIMIT", limit)
    with pytest.raises(InvalidArgumentError, match=f"JAXQNN_MEMORY_LIMIT .*{limit}"):
        network.forward(np.zeros(2), WEIGHTS)


# Observables of a network ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        SparsePauliOp("ZZ"),
        [SparsePauliOp("ZZ")],
        (SparsePauliOp("ZZ"), SparsePauliOp("XI")),
        [SparsePauliOp("ZZ"), SparsePauliOp("XI")],
        None,
    ],
)
def test_observables_are_what_was_passed(given: Any) -> None:
    found = estimator(observables=given).observables
    assert found == QMLEstimatorQNN(**NETWORK, observables=given).observables
    assert type(found) is (type(given) if isinstance(given, list | tuple) else tuple)


def test_a_list_of_observables_is_a_copy_and_laid_out_only_inside() -> None:
    given = [SparsePauliOp("ZI")]
    network = estimator(observables=given)
    before = network.forward(np.zeros(2), WEIGHTS)
    given.append(SparsePauliOp("XX"))
    network.observables.append(SparsePauliOp("XX"))
    assert network.observables == given[:1]
    np.testing.assert_array_equal(network.forward(np.zeros(2), WEIGHTS), before)


def test_a_sparse_observable_is_one_observable() -> None:
    """It is a sequence of terms, but no list of observables."""
    terms = [("ZZ", 0.5), ("XI", -0.25)]
    sparse, sums = SparseObservable.from_list(terms), SparsePauliOp.from_list(terms)
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    expected = jaxqnn.expectation(ANSATZ, sums)(weights)
    for given in (sparse, [sparse]):
        np.testing.assert_array_equal(jaxqnn.expectation(ANSATZ, given)(weights), expected)
        mine, theirs = estimator(observables=given), estimator(observables=sums)
        for method in ("forward", "backward"):
            found, right = (getattr(n, method)([0.3, 0.4], weights) for n in (mine, theirs))
            for part, of_right in zip(found, right, strict=True):
                if of_right is not None:
                    np.testing.assert_array_equal(part, of_right)
        if TAKES_SPARSE_OBSERVABLES:
            found = jaxqnn.JaxEstimator().run([(ANSATZ, given, weights)]).result()[0].data.evs
            np.testing.assert_allclose(np.ravel(found), expected, atol=1e-6)
        else:
            for primitive in (jaxqnn.JaxEstimator(), StatevectorEstimator()):
                with pytest.raises(TypeError, match="Invalid observable type"):
                    primitive.run([(ANSATZ, given, weights)])
    gradient = jaxqnn.JaxEstimatorGradient()
    found, right = (
        gradient.run([ANSATZ], [o], [weights]).result().gradients[0] for o in (sparse, sums)
    )
    np.testing.assert_array_equal(found, right)


# apply -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_apply_takes_none_as_forward_does(name: str) -> None:
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    make = getattr(jaxqnn, name)
    of_weights = make(circuit=ANSATZ, weight_params=ANSATZ.parameters)
    of_inputs = make(circuit=ANSATZ, input_params=ANSATZ.parameters)
    expected = of_weights.forward(None, weights)
    for function, arguments in (
        (of_weights.apply, (None, weights)),
        (of_inputs.apply, (weights, None)),
        (jax.jit(of_weights.apply), (None, weights)),
        (of_weights.apply, (None, weights.tolist())),
    ):
        with jax.enable_x64(True):
            np.testing.assert_allclose(function(*arguments), expected[0], atol=1e-12)
    assert of_weights.apply(None, jnp.float32(weights)).dtype == np.float32
    batch = of_weights.apply(None, np.stack([weights, 2 * weights]))
    assert batch.shape == (2, *of_weights.output_shape)
    empty = QuantumCircuit(2)
    assert make(circuit=empty).apply(None, None).shape == make(circuit=empty).output_shape
    with pytest.raises(InvalidArgumentError, match="inputs"):
        NETWORKS[name]().apply(None, WEIGHTS)


@pytest.mark.filterwarnings("ignore:.*not known to be exact")
@pytest.mark.parametrize("method", ["apply", "vjp"])
def test_what_is_exact_is_refused_where_the_network_is_not(method: str) -> None:
    for network in (
        estimator(estimator=StatevectorEstimator(seed=1)),
        estimator(estimator=jaxqnn.JaxEstimator(default_precision=0.1, seed=1)),
        estimator(gradient=SPSAEstimatorGradient(jaxqnn.JaxEstimator(), epsilon=0.1, seed=1)),
        NETWORKS["SamplerQNN"](sampler=StatevectorSampler(seed=1)),
        NETWORKS["SamplerQNN"](sampler=jaxqnn.JaxSampler(shots=10, seed=1)),
    ):
        assert network.forward(np.zeros(2), WEIGHTS).shape == (1, *network.output_shape)
        with pytest.raises(InvalidArgumentError, match=f"{method} needs an exact network"):
            getattr(network, method)(np.zeros(2), WEIGHTS)
