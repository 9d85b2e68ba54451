"""Arguments of the wrong kind are refused at the front door, in words of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from error_form import Entry, assert_raises
from network_pairs import ANSATZ, NETWORK
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparseObservable, SparsePauliOp
from qiskit_machine_learning.gradients import SPSAEstimatorGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN as QMLEstimatorQNN

import jaxqnn
from jaxqnn import InvalidArgumentError

Make = Callable[..., Any]

CIRCUIT, WEIGHTS = NETWORK["circuit"], np.zeros(4)
NETWORKS: dict[str, Make] = {
    name: lambda name=name, **changes: getattr(jaxqnn, name)(**(NETWORK | changes))
    for name in ("EstimatorQNN", "SamplerQNN")
}
FUNCTIONS: dict[str, Make] = {
    name: lambda name=name, circuit=ANSATZ, **changes: getattr(jaxqnn, name)(circuit, **changes)
    for name in ("statevector", "expectation", "probabilities")
}


def bad_circuits_and_parameters() -> Iterator[tuple[str, Entry]]:
    """For networks and functions alike."""
    for name, make in (NETWORKS | FUNCTIONS).items():
        for circuit in (None, "bell.qasm", ANSATZ.to_gate()):
            kind = type(circuit).__name__
            yield (
                f"{name} of a {kind}",
                (lambda m=make, c=circuit: m(circuit=c), InvalidArgumentError, ("circuit", kind)),
            )
        for which in ("input_params", "weight_params"):
            for given, words in (
                ("x", (which, "'x'", "str")),
                (["x"], (which.split("_", 1)[0].capitalize(), "'x'", "str")),
                (3, (which, "int")),
                (ANSATZ.parameters[0], (which, "θ[0]")),
            ):
                yield (
                    f"{name}, {which}={given!r}",
                    (lambda m=make, w=which, g=given: m(**{w: g}), InvalidArgumentError, words),
                )
        again = real_amplitudes(2, reps=1).parameters
        yield (
            f"{name}, another object of one name",
            (
                lambda m=make, a=again: m(circuit=ANSATZ, input_params=None, weight_params=a),
                InvalidArgumentError,
                ("Weight parameter 'θ[0]'", "same name", "another object"),
            ),
        )


def bad_keywords_of_networks() -> Iterator[tuple[str, Entry]]:
    for name, make in NETWORKS.items():
        for keyword, given in (
            ("device", 0),
            ("device", ["cpu"]),
            ("device", jax.devices()),
            ("device", "abacus"),
            ("device", ""),
            ("precision", 32),
            ("precision", "half"),
        ):
            yield (
                f"{name}, {keyword}={given!r}",
                (
                    lambda m=make, k=keyword, g=given: m(**{k: g}),
                    InvalidArgumentError,
                    (keyword, repr(given)),
                ),
            )


def one(name: str, words: tuple[str, ...], trigger: Callable[[], Any]) -> tuple[str, Entry]:
    return name, (trigger, InvalidArgumentError, words)


def with_wrong_counts() -> Iterator[tuple[str, Entry]]:
    for name, make in NETWORKS.items():
        for method in ("forward", "backward", "vjp"):
            for wrong in (np.zeros(3), np.zeros((2, 4)), 0.5):
                yield (
                    f"{name}.{method} with weights {np.shape(wrong)}",
                    (
                        lambda m=make, f=method, w=wrong: getattr(m(), f)(np.zeros(2), w),
                        InvalidArgumentError,
                        ("weights", str(np.shape(wrong)), "4"),
                    ),
                )
            for values, words in (
                (np.zeros((3, 3)), ("(3, 3)", "2")),
                (0.5, ("()", "2")),
                ([[1, 2], [3]], ("input_data", "real numbers")),
                ([1j, 0], ("input_data", "real numbers")),
                (["a", "b"], ("input_data", "real numbers")),
            ):
                yield (
                    f"{name}.{method} of {values}",
                    (
                        lambda m=make, f=method, v=values: getattr(m(), f)(v, WEIGHTS),
                        InvalidArgumentError,
                        words,
                    ),
                )
        yield (
            f"{name}.apply with other weights",
            (
                lambda m=make: m().apply(np.zeros(2), np.zeros(3)),
                InvalidArgumentError,
                ("weights",),
            ),
        )
        yield (
            f"{name}.apply with words",
            (lambda m=make: m().apply(np.zeros(2), ["a"] * 4), InvalidArgumentError, ("weights",)),
        )


def estimator(**changes: Any) -> Any:
    return NETWORKS["EstimatorQNN"](**changes)


def others() -> Iterator[tuple[str, Entry]]:
    yield one("a text", ("'ZZ'", "letter"), lambda: estimator(observables="ZZ"))
    yield one("no observables", ("empty",), lambda: estimator(observables=[]))
    for given in (3, {"ZZ": 0.5}, iter([SparsePauliOp("ZZ")])):
        kind = type(given).__name__
        yield one(f"{kind}", ("observables", kind), lambda g=given: estimator(observables=g))
        yield one(
            f"f, {kind}", ("observables", kind), lambda g=given: jaxqnn.expectation(ANSATZ, g)
        )
    for given in ("cpu", 2, jax.devices()):
        kind = type(given).__name__
        yield one(f"mesh of {kind}", ("mesh", kind), lambda g=given: estimator(mesh=g))
    for given in (CIRCUIT, None, estimator):
        kind = type(given).__name__
        yield one(
            f"connector of {kind}",
            ("neural_network", kind),
            lambda g=given: jaxqnn.TorchConnector(g),
        )
    for shots in (0, -1, 2.5, True, "many"):
        yield one(f"shots={shots}", ("shots",), lambda s=shots: jaxqnn.JaxSampler(shots=s))
        yield one(
            f"default {shots}", ("shots",), lambda s=shots: jaxqnn.JaxSampler(default_shots=s)
        )
    for number in (-0.1, float("nan"), float("inf"), None, "low"):
        yield one(
            f"default_precision={number}",
            ("default_precision", repr(number)),
            lambda n=number: jaxqnn.JaxEstimator(default_precision=n),
        )
    for seed in ("a", 2.5, -1):
        yield one(f"s seed={seed}", ("seed",), lambda s=seed: jaxqnn.JaxSampler(shots=1, seed=s))
        yield one(f"e seed={seed}", ("seed",), lambda s=seed: jaxqnn.JaxEstimator(seed=s))
        yield one(f"v seed={seed}", ("seed",), lambda s=seed: jaxqnn.verify(estimator(), seed=s))
    for atol in (-1.0, float("nan"), "small"):
        yield one(f"atol={atol}", ("atol",), lambda a=atol: jaxqnn.verify(estimator(), atol=a))
    for count in (0, 1.5, "two"):
        yield one(
            f"samples={count}", ("samples",), lambda c=count: jaxqnn.verify(estimator(), samples=c)
        )
        yield one(
            f"batch_size={count}", ("batch_size",), lambda c=count: jaxqnn.export(estimator(), c)
        )
    for count in (-1, 1.5, "two"):
        yield one(f"{count}", ("batch_size",), lambda c=count: estimator().resources(c))
    for platforms in ("cpu", 3, []):
        yield one(
            f"platforms={platforms}",
            ("platforms",),
            lambda p=platforms: jaxqnn.export(estimator(), platforms=p),
        )
    for shape in ("2", 2.5, 0, (), (2, "2"), True):
        for make in (
            lambda s: jaxqnn.probabilities(ANSATZ, lambda outcome: 0, s),
            lambda s: NETWORKS["SamplerQNN"](interpret=lambda outcome: 0, output_shape=s),
        ):
            yield one(f"shape {shape}, {id(make)}", ("output_shape",), lambda m=make, s=shape: m(s))
    for interpret in ("parity", 3):
        yield one(
            f"interpret={interpret}",
            ("interpret",),
            lambda i=interpret: jaxqnn.probabilities(ANSATZ, i, 2),
        )
    for value in ("a", 0.5, None, (0.5,)):
        yield one(
            f"an index of {value!r}",
            ("interpret", repr(value)),
            lambda v=value: jaxqnn.probabilities(ANSATZ, lambda outcome: v, 2),
        )
    for gradient in (jaxqnn.JaxEstimatorGradient, jaxqnn.JaxSamplerGradient, jaxqnn.JaxQGT):
        yield one(f"{gradient.__name__}", ("options",), lambda g=gradient: g(options=3))
    for gradient in (jaxqnn.JaxEstimatorGradient, jaxqnn.JaxQGT):
        yield one(
            f"{gradient.__name__} real",
            ("derivative_type", "'real'"),
            lambda g=gradient: g(derivative_type="real"),
        )
    yield one("metric's precision", ("precision",), lambda: jaxqnn.JaxQGT(precision=-1))


CASES: dict[str, Entry] = {
    name: entry
    for cases in (bad_circuits_and_parameters, bad_keywords_of_networks, with_wrong_counts, others)
    for name, entry in cases()
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_argument_is_named(name: str) -> None:
    assert_raises(*CASES[name])


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
        found = jaxqnn.JaxEstimator().run([(ANSATZ, given, weights)]).result()[0].data.evs
        np.testing.assert_allclose(np.ravel(found), expected, atol=1e-6)
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


@pytest.mark.parametrize("name", NETWORKS)
def test_nan_among_the_inputs_gives_nan_in_its_rows(name: str) -> None:
    network = NETWORKS[name](input_gradients=True)
    data = np.random.default_rng(0).uniform(-1, 1, (3, 2))
    right = [network.forward(data, WEIGHTS), *network.backward(data, WEIGHTS)]
    data[1, 0] = np.nan
    found = [network.forward(data, WEIGHTS), *network.backward(data, WEIGHTS)]
    for part, of_right in zip(found, right, strict=True):
        assert np.isnan(part[1]).any()
        np.testing.assert_allclose(part[[0, 2]], of_right[[0, 2]], atol=1e-12)


def test_two_builds_of_one_circuit_have_parameters_of_their_own() -> None:
    """The message's advice works."""
    first, second = real_amplitudes(2, reps=1), real_amplitudes(2, reps=1)
    assert [p.name for p in first.parameters] == [p.name for p in second.parameters]
    with pytest.raises(InvalidArgumentError, match="same name"):
        jaxqnn.EstimatorQNN(circuit=first, weight_params=second.parameters)
    jaxqnn.EstimatorQNN(circuit=first, weight_params=first.parameters)
    with pytest.raises(InvalidArgumentError, match="identity"):
        jaxqnn.EstimatorQNN(circuit=first, weight_params=ParameterVector("w", 4))
