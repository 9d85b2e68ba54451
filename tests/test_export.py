"""Exported functions: run where only JAX is, gradients and all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_all_close
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map

import jaxqnn

# Run with: blob, arguments and where to write what it gives. Qiskit and jaxqnn cannot be imported.
ELSEWHERE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("qiskit", "qiskit_machine_learning", "jaxqnn"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import jax
import jax.export
import numpy as np

jax.config.update("jax_enable_x64", True)
exported = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
given = np.load(sys.argv[2])
outputs, pull = jax.vjp(jax.jit(exported.call), given["inputs"], given["weights"])
of_inputs, of_weights = pull(jax.numpy.asarray(given["cotangent"]))
np.savez(sys.argv[3], outputs=outputs, of_inputs=of_inputs, of_weights=of_weights)
assert not {"qiskit", "jaxqnn"} & set(sys.modules)
"""


def network() -> jaxqnn.EstimatorQNN:
    features, ansatz = zz_feature_map(3, reps=1), real_amplitudes(3, reps=1)
    circuit = QuantumCircuit(3)
    circuit.compose(features, inplace=True)
    circuit.compose(ansatz, inplace=True)
    return jaxqnn.EstimatorQNN(
        circuit=circuit,
        input_params=features.parameters,
        weight_params=ansatz.parameters,
        input_gradients=True,
    )


def test_a_process_with_jax_alone_runs_it_and_its_gradient(tmp_path: Path) -> None:
    qnn, rng = network(), np.random.default_rng(0)
    blob = jaxqnn.export(qnn)
    assert isinstance(blob, bytes)
    (tmp_path / "blob").write_bytes(blob)
    inputs, weights = rng.normal(size=(5, 3)), rng.normal(size=6)
    cotangent = rng.normal(size=(5, 1))
    given, result = tmp_path / "given.npz", tmp_path / "result.npz"
    np.savez(given, inputs=inputs, weights=weights, cotangent=cotangent)
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "blob", given, result],
        check=True,
        timeout=120,
    )
    with np.load(result) as parts:
        found = dict(parts)
    outputs, pull = qnn.vjp(inputs, weights)
    assert list(found) == ["outputs", "of_inputs", "of_weights"]
    assert_all_close(found.values(), (outputs, *pull(cotangent)), atol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_a_function_of_one_argument_takes_any_batch_or_the_one_it_was_made_for(
    batch_size: int | None,
) -> None:
    ansatz = real_amplitudes(2, reps=1)
    f = jax.jit(jaxqnn.statevector(ansatz))
    call = jax.export.deserialize(bytearray(jaxqnn.export(f, batch_size))).call
    params = jnp.asarray(np.random.default_rng(1).normal(size=(2, 4)), jnp.float32)
    np.testing.assert_allclose(call(params), f(params), atol=1e-6)
    if batch_size is None:
        np.testing.assert_allclose(call(params[:1]), f(params[:1]), atol=1e-6)
    else:
        with pytest.raises(ValueError, match=r"expected \(2, 4\).*called with \(1, 4\)"):
            call(params[:1])


def test_angles_that_are_no_polynomials_are_exported_too() -> None:
    t = Parameter("t")
    circuit = QuantumCircuit(1)
    circuit.ry(t.sin(), 0)
    call = jax.export.deserialize(bytearray(jaxqnn.export(jaxqnn.expectation(circuit)))).call
    times = jnp.array([[0.3], [0.4]])
    np.testing.assert_allclose(call(times), jnp.cos(jnp.sin(times)), atol=1e-6)


def test_a_mismatch_names_versions_and_platforms() -> None:
    blob = jaxqnn.export(jaxqnn.expectation(real_amplitudes(2, reps=1)), platforms=["cuda"])
    exported = jax.export.deserialize(bytearray(blob))
    assert exported.fun_name.endswith(f"_jax_{jax.__version__}")
    with pytest.raises(ValueError, match=r"jaxqnn_.*exported for platforms.*cuda.*used on.*cpu"):
        exported.call(jnp.zeros((1, 4)))
