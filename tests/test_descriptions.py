"""How objects describe themselves: ``repr``, tables of a notebook, ``help``, ``dir``, a version."""

from __future__ import annotations

import inspect
import pydoc
import re
import subprocess
import sys
import tomllib
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import torch
from network_pairs import OwnEstimator
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.primitives import StatevectorEstimator

import jaxqnn
from jaxqnn.verify.report import Difference

PROJECT = Path(__file__).parents[1]


def parts() -> dict[str, Any]:
    features, ansatz = zz_feature_map(3), real_amplitudes(3, reps=1)
    return {
        "circuit": features.compose(ansatz),
        "input_params": features.parameters,
        "weight_params": ansatz.parameters,
    }


def test_networks_say_their_size_and_where_they_run() -> None:
    jax.devices()  # JAX has started, so its platform is known
    here = f"on JAX ({jax.default_backend()})>"
    size = "3 qubits, 3 inputs, 6 weights, outputs"
    exact = jaxqnn.EstimatorQNN(**parts())
    assert repr(exact) == f"<EstimatorQNN: {size} (1,); exact, double precision {here}"
    single = jaxqnn.SamplerQNN(**parts(), precision="single", device="cpu")
    device = jax.devices("cpu")[0]
    where = f"exact, single precision on JAX (cpu:{device.id})>"
    assert repr(single) == f"<SamplerQNN: {size} (8,); {where}"
    noisy = jaxqnn.EstimatorQNN(**parts(), estimator=StatevectorEstimator())
    assert "noise of an ideal simulator, double precision on JAX" in repr(noisy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        honoured = jaxqnn.EstimatorQNN(**parts(), estimator=OwnEstimator())
    assert repr(honoured).endswith("(1,); through qiskit-machine-learning, not on JAX>")
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("batch",))
    assert "on JAX (1 device, batch 1)>" in repr(jaxqnn.EstimatorQNN(**parts(), mesh=mesh))
    assert repr(exact) in repr(torch.nn.Sequential(jaxqnn.TorchConnector(exact)))


def test_kernels_say_their_size_and_where_they_run() -> None:
    jax.devices()
    tail = f"outputs (N, M); on JAX ({jax.default_backend()})>"
    trained = real_amplitudes(2, reps=1)
    circuit = trained.compose(zz_feature_map(2))
    for name in ("FidelityQuantumKernel", "FidelityStatevectorKernel"):
        kernel = getattr(jaxqnn, name)(feature_map=zz_feature_map(2))
        assert repr(kernel) == f"<{name}: 2 qubits, 2 features, {tail}"
        trainable = getattr(jaxqnn, f"Trainable{name}")(
            feature_map=circuit, training_parameters=trained.parameters
        )
        expected = f"<Trainable{name}: 2 qubits, 2 features, 4 training parameters, {tail}"
        assert repr(trainable) == expected


def test_functions_say_their_shapes_and_stay_functions() -> None:
    split = parts()
    circuit = split.pop("circuit")
    of_all = jaxqnn.statevector(circuit)
    runs = "runs where its arguments are>"
    assert repr(of_all) == f"<jaxqnn function of 3 qubits: params (..., 9) -> (..., 8); {runs}"
    of_parts = jaxqnn.probabilities(circuit, lambda bits: bits % 2, 2, **split)
    takes = "inputs (..., 3), weights (..., 6)"
    assert repr(of_parts) == f"<jaxqnn function of 3 qubits: {takes} -> (..., 2); {runs}"
    inputs, weights = np.zeros(3), np.ones(6)
    named = jax.jit(of_parts)(inputs=inputs, weights=weights)
    np.testing.assert_array_equal(named, of_parts(inputs, weights))
    assert "leading axes broadcast" in (of_parts.__doc__ or "")
    assert "leading axes broadcast" in pydoc.render_doc(of_parts)
    assert list(inspect.signature(of_parts).parameters) == ["inputs", "weights"]


def test_naming_a_network_does_not_start_jax() -> None:
    script = (
        "from qiskit.circuit.library import real_amplitudes as a; import jaxqnn\n"
        "from jaxqnn.processes import is_running\n"
        "c = a(2)\n"
        "qnn = jaxqnn.EstimatorQNN(circuit=c, weight_params=c.parameters)\n"
        "print(qnn, is_running())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("on JAX (default device)> False\n")


def test_a_report_is_a_table_in_a_notebook() -> None:
    difference = Difference("weight gradient", (1,), (0,), "<b>w</b>", 1.0, None, 2.0, "jaxqnn")
    report = jaxqnn.verify(jaxqnn.EstimatorQNN(**parts()), samples=1)
    html = report._repr_html_()
    assert "PASSED" in html
    assert f"<td>{report.compared}</td>" in html
    assert html.count("<table>") == 1
    failed = replace(report, passed=False, differences=(difference,) * 12, notes=("a < b",))
    html = failed._repr_html_()
    assert "FAILED" in html
    assert "10 of 12 entries that differ" in html
    assert "&lt;b&gt;w&lt;/b&gt;" in html
    assert "<td>a &lt; b</td>" in html
    assert html.count("<tr>") == 5 + 11


def test_resources_are_a_table_in_a_notebook() -> None:
    resources = jaxqnn.EstimatorQNN(**parts()).resources(64)
    html = resources._repr_html_()
    assert "<td>batch</td><td>64</td>" in html
    assert f"<td>layers</td><td>{resources.num_layers}</td>" in html
    assert "too large" not in html
    assert "too large" in replace(resources, usable_bytes=1)._repr_html_()


CLASSES = [
    name
    for name in jaxqnn.__all__
    if isinstance(getattr(jaxqnn, name), type) and not issubclass(getattr(jaxqnn, name), Exception)
]


@pytest.mark.parametrize("name", CLASSES)
def test_help_shows_our_arguments_and_not_those_of_qml(name: str) -> None:
    described = getattr(jaxqnn, name)
    text = pydoc.plain(pydoc.render_doc(described))
    constructor = text[text.index("__init__(") :].split("-----")[0].split("\n |  \n")[0]
    assert "described with the class" in constructor
    listed = (inspect.getdoc(described) or "").split("\nRaises:")[0]
    arguments = re.findall(r"^ {4}(\w+): ", listed, re.MULTILINE)
    assert arguments == list(inspect.signature(described).parameters)


def test_there_is_one_version() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"]["path"] == "jaxqnn/version.py"
    cited = (PROJECT / "CITATION.cff").read_text()
    assert f"\nversion: {jaxqnn.__version__}\n" in cited
    assert f"version = {{{jaxqnn.__version__}}}" in (PROJECT / "README.md").read_text()


def test_a_parameter_may_have_any_name_in_a_repr() -> None:
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("<θ>"), 0)
    assert "1 qubit: params (..., 1) -> (..., 1)" in repr(jaxqnn.expectation(circuit))
