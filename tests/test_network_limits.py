"""The drop-in networks at their edges: large batches, bad calls, numbers that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import assert_all_close
from network_pairs import ANSATZ, KINDS, NETWORK, WEIGHTS, digits, pair, parity
from qiskit.circuit import Parameter, ParameterVector
from qiskit_machine_learning import QiskitMachineLearningError
from qiskit_machine_learning import neural_networks as qml

import jaxqnn

# Batches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "size"), [("tuples", 601), ("observables", 0)])
def test_a_split_batch_is_the_same_row_by_row(kind: str, size: int) -> None:
    network, _ = pair(*KINDS[kind])
    network.input_gradients = True
    data = np.random.default_rng(7).uniform(-2, 2, (size, 2))
    value, gradients = network.forward(data, WEIGHTS), network.backward(data, WEIGHTS)
    assert value.shape == (size, *network.output_shape)
    if not size:
        return
    for rows in (slice(0, 2), slice(383, 385), slice(size - 2, size)):
        np.testing.assert_allclose(network.forward(data[rows], WEIGHTS), value[rows], atol=1e-13)
        found = network.backward(data[rows], WEIGHTS)
        assert_all_close(found, (part[rows] for part in gradients), atol=1e-13)
    output, pullback = network.vjp(data, WEIGHTS)
    of_inputs, of_weights = pullback(np.ones_like(output))
    axes = tuple(range(1, value.ndim))
    np.testing.assert_allclose(of_inputs, gradients[0].sum(axis=axes), atol=1e-12)
    np.testing.assert_allclose(of_weights, gradients[1].sum(axis=(0, *axes)), atol=1e-10)


# What cannot be ---------------------------------------------------------------------------------

BAD_CALLS: dict[str, tuple[Any, Any]] = {
    "inputs too short": ([0.1], WEIGHTS),
    "inputs too long": (np.zeros((2, 3)), WEIGHTS),
    "weights too short": ([0.1, 0.2], [0.1]),
    "weights too long": ([0.1, 0.2], np.zeros(5)),
    "no inputs": (None, WEIGHTS),
    "no weights": ([0.1, 0.2], None),
    "ragged": ([[0.1], [0.2, 0.3]], WEIGHTS),
    "words": ("inputs", WEIGHTS),
}


@pytest.mark.parametrize("call", BAD_CALLS)
@pytest.mark.parametrize("kind", ["estimator", "sampler"])
def test_a_bad_call_raises_what_qml_raises(kind: str, call: str) -> None:
    ours, theirs = pair(*KINDS[kind])
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever QML raises
        theirs.forward(*BAD_CALLS[call])
    # QML's backward without weights returns (None, None); ours says what is missing.
    for method in (ours.forward, ours.backward, ours.vjp):
        with pytest.raises(expected.type):
            method(*BAD_CALLS[call])


BAD_NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "a parameter left over": ("EstimatorQNN", NETWORK | {"weight_params": ANSATZ.parameters[:3]}),
    "no parameters given": ("SamplerQNN", {"circuit": NETWORK["circuit"]}),
    "a foreign input": (
        "EstimatorQNN",
        NETWORK | {"input_params": list(ParameterVector("x", 2))},
    ),
    "a foreign weight": (
        "SamplerQNN",
        NETWORK | {"weight_params": list(ParameterVector("θ", 4))},
    ),
    "one too many": (
        "EstimatorQNN",
        NETWORK | {"weight_params": [*ANSATZ.parameters, Parameter("extra")]},
    ),
    "no output shape": ("SamplerQNN", NETWORK | {"interpret": parity}),
    "an output shape of zero": (
        "SamplerQNN",
        NETWORK | {"interpret": parity, "output_shape": 0},
    ),
    "a negative output shape": (
        "SamplerQNN",
        NETWORK | {"interpret": digits, "output_shape": (2, -1)},
    ),
}


@pytest.mark.parametrize("bad", BAD_NETWORKS)
def test_a_bad_network_raises_what_qml_raises(bad: str) -> None:
    name, arguments = BAD_NETWORKS[bad]
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever QML raises
        getattr(qml, name)(**arguments)
    with pytest.raises(expected.type):
        getattr(jaxqnn, name)(**arguments)


def test_an_interpret_that_does_not_fit_leaves_the_network_as_it_was() -> None:
    network, _ = pair(*KINDS["classes"])
    before = network.forward([0.3, 0.7], WEIGHTS)
    with pytest.raises(QiskitMachineLearningError, match="outside the output shape"):
        network.set_interpret(lambda outcome: outcome, 3)
    assert network.output_shape == (2,)
    np.testing.assert_array_equal(network.forward([0.3, 0.7], WEIGHTS), before)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["inputs", "weights"])
@pytest.mark.parametrize("kind", ["estimator", "classes", "tuples"])
def test_what_is_not_finite_never_gives_a_finite_number(kind: str, where: str, bad: float) -> None:
    network, _ = pair(*KINDS[kind])
    network.input_gradients = True
    data, weights = np.full((2, 2), 0.3), WEIGHTS.copy()
    clean: list[Any] = [(network.forward(data, weights),), network.backward(data, weights)]
    if where == "inputs":
        data[1, 0] = bad
    else:
        weights[2] = bad
    calls: list[Callable[[], Any]] = [
        lambda: (network.forward(data, weights),),
        lambda: network.backward(data, weights),
    ]
    for call, right in zip(calls, clean, strict=True):
        try:
            found = call()
        except (QiskitMachineLearningError, ValueError):
            continue
        for part, of_right in zip(found, right, strict=True):
            assert not np.any(np.isfinite(part[1]))
            if where == "inputs":
                np.testing.assert_allclose(part[0], of_right[0], atol=1e-12)
            else:
                assert not np.all(np.isfinite(part[0]))
