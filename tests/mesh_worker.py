"""Run by ``test_sharding`` in a process of eight CPU devices: prints a JSON of what it found."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import real_amplitudes
from qiskit.quantum_info import SparsePauliOp, random_unitary
from qiskit_machine_learning.circuit.library import raw_feature_vector

import jaxqnn
from jaxqnn.networks.curvature import along
from jaxqnn.sharding.build import mesh_data
from jaxqnn.verify.report import largest

QUBITS = 10
RNG = np.random.default_rng(5)


def circuit(n: int = QUBITS) -> tuple[QuantumCircuit, list[Parameter], list[Parameter]]:
    """Every kind of layer: rotations, the samples' own and shared phases, a block, label maps."""
    x, w = ParameterVector("x", n), ParameterVector("w", 2 * n + 2)
    found = QuantumCircuit(n)
    for q in range(n):
        found.ry(w[q], q)
        found.rz(x[q], q)
    for q in range(n - 1):
        found.cx(q, q + 1)
        found.rzz(x[q] * w[q], q, q + 1)
    found.unitary(random_unitary(4, seed=1), [0, n - 1])
    found.swap(1, n - 2)
    found.x(3)
    for q in range(n):
        found.rx(w[n + q], q)
    found.cry(w[2 * n], 0, n - 1)
    found.x(n - 1)
    found.cp(w[2 * n + 1], n - 1, 2)
    return found, list(x), list(w)


def mesh(batch: int, state: int) -> Mesh:
    devices = np.array(jax.devices()[: batch * state])
    if state == 1:
        return Mesh(devices, ("batch",))
    if batch == 1:
        return Mesh(devices, ("state",))
    return Mesh(devices.reshape(batch, state), ("batch", "state"))


def value_and_pullback(f: Callable[..., jax.Array]) -> Callable[..., Any]:
    @jax.jit
    def both(inputs: jax.Array, weights: jax.Array, cotangent: jax.Array) -> Any:
        outputs, pull = jax.vjp(f, inputs, weights)
        return outputs, *pull(cotangent.astype(outputs.dtype))

    return both


def function_errors() -> dict[str, list[float]]:
    """Largest differences from one device: outputs, cotangents of inputs and of weights."""
    n = QUBITS
    made, x, w = circuit()
    flips = SparsePauliOp.from_list(
        [("X" * n, 0.3), ("Y" + "I" * (n - 2) + "Y", 0.7), ("I" * (n - 1) + "Z", 1.0)]
    )
    functions: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Mesh]] = {
        "state": (jaxqnn.statevector, (), mesh(1, 8)),
        "expectation": (jaxqnn.expectation, ([SparsePauliOp("Z" * n), flips],), mesh(2, 4)),
        "samples": (jaxqnn.expectation, (flips,), mesh(8, 1)),
        "probabilities": (jaxqnn.probabilities, (), mesh(2, 4)),
    }
    inputs, weights = RNG.normal(size=(3, n)), RNG.normal(size=2 * n + 2)
    found = {}
    for name, (make, arguments, where) in functions.items():
        split: dict[str, Any] = {"input_params": x, "weight_params": w}
        one, many = make(made, *arguments, **split), make(made, *arguments, mesh=where, **split)
        shape = jax.eval_shape(one, inputs, weights).shape
        cotangent = jnp.asarray(RNG.normal(size=shape))
        expected = value_and_pullback(one)(inputs, weights, cotangent)
        actual = value_and_pullback(many)(inputs, weights, cotangent)
        found[name] = [
            float(jnp.max(jnp.abs(a - np.asarray(b))))
            for a, b in zip(expected, actual, strict=True)
        ]
    return found


def network_errors() -> dict[str, list[float]]:
    """The same for forward, backward and vjp of networks, with a batch that does not divide."""
    made, x, w = circuit(8)
    inputs, weights = RNG.normal(size=(5, 8)), RNG.normal(size=18)
    keywords = {
        "circuit": made,
        "input_params": x,
        "weight_params": w,
        "input_gradients": True,
        "interpret": lambda outcome: outcome.bit_count() % 2,
        "output_shape": 2,
    }
    one = jaxqnn.SamplerQNN(**keywords)
    many = jaxqnn.SamplerQNN(**keywords, mesh=mesh(2, 2))
    cotangent = RNG.normal(size=(5, 2))
    return {
        "forward": [difference(one.forward(inputs, weights), many.forward(inputs, weights))],
        "backward": [
            difference(a, b)
            for a, b in zip(
                one.backward(inputs, weights), many.backward(inputs, weights), strict=True
            )
        ],
        "vjp": [
            difference(a, b)
            for a, b in zip(
                one.vjp(inputs, weights)[1](cotangent),
                many.vjp(inputs, weights)[1](cotangent),
                strict=True,
            )
        ],
    }


def outcome_errors() -> dict[str, list[float]]:
    """The same for backward of all outcomes: more of them than parameters, and fewer."""
    wide, x, w = circuit(8)
    deep = real_amplitudes(7, reps=19)
    networks: dict[str, tuple[dict[str, Any], Mesh]] = {
        "tangents": ({"circuit": wide, "input_params": x, "weight_params": w}, mesh(2, 2)),
        "cotangents": ({"circuit": deep, "weight_params": deep.parameters}, mesh(1, 2)),
    }
    found = {}
    for name, (keywords, where) in networks.items():
        one = jaxqnn.SamplerQNN(**keywords, input_gradients=True)
        many = jaxqnn.SamplerQNN(**keywords, input_gradients=True, mesh=where)
        inputs = RNG.normal(size=(3, one.num_inputs)) if one.num_inputs else None
        weights = RNG.normal(size=one.num_weights)
        found[name] = [
            difference(a, b)
            for a, b in zip(
                one.backward(inputs, weights), many.backward(inputs, weights), strict=True
            )
            if a is not None
        ]
    return found


def amplitude_errors() -> dict[str, list[float]]:
    """Value and cotangents where all qubits, some, or constants start from given amplitudes."""
    found: dict[str, list[float]] = {}
    for name, count in (("all", 8), ("some", 3), ("constant", 2)):
        ansatz = real_amplitudes(8, reps=2, entanglement="pairwise")
        circuit = QuantumCircuit(8)
        if name == "constant":
            circuit.prepare_state(np.array([1, 2j, -3, 4]) / np.sqrt(30), [5, 1])
        else:
            qubits = range(count) if name == "all" else (6, 0, 3)
            circuit.compose(raw_feature_vector(1 << count), qubits, inplace=True)
        inputs = list(circuit.parameters)
        circuit.ry(ansatz.parameters[0], 6)
        circuit.compose(ansatz, inplace=True)
        split: dict[str, Any] = {"input_params": inputs, "weight_params": ansatz.parameters}
        x, w = RNG.normal(size=(2, len(inputs))), RNG.normal(size=ansatz.num_parameters)
        for where in (mesh(1, 4), mesh(2, 2)):
            one, many = (jaxqnn.statevector(circuit, mesh=m, **split) for m in (None, where))
            cotangent = jnp.asarray(RNG.normal(size=(2, 256)) + 1j * RNG.normal(size=(2, 256)))
            found.setdefault(name, []).extend(
                difference(a, b)
                for a, b in zip(
                    value_and_pullback(one)(x, w, cotangent),
                    value_and_pullback(many)(x, w, cotangent),
                    strict=True,
                )
                if a.size
            )
    return found


def exactness() -> dict[str, Any]:
    """What is exact without a mesh is exact on it: Clifford gates, amplitudes of any size."""
    made = QuantumCircuit(8)
    made.h(0)
    for q in range(7):
        made.cx(q, q + 1)
    made.s(2)
    observables = [SparsePauliOp(p) for p in ("ZIIIIIII", "ZZIIIIII", "XXXXXXXY")]
    where = mesh(1, 4)
    x = ParameterVector("x", 8)
    features = raw_feature_vector(8).assign_parameters(list(x))
    given = QuantumCircuit(8)
    given.compose(features, [0, 2, 4], inplace=True)
    for q in (1, 3, 5, 6, 7):
        given.ry(0.3 * q, q)
        given.cx(q, q - 1)
    vector = jnp.linspace(-1, 2, 8)
    norms = jaxqnn.expectation(given, SparsePauliOp("IIIZIZIX"), input_params=list(x), mesh=where)
    return {
        "means": jaxqnn.expectation(made, observables, mesh=where)(jnp.zeros(0)).tolist(),
        "probabilities": jaxqnn.probabilities(made, mesh=where)(jnp.zeros(0)).tolist(),
        "scaled": [norms(s * vector, jnp.zeros(0)).item() for s in (1.0, 1e200, 1e-200)],
    }


def ensemble_error() -> float:
    """Several weight vectors at once, through a vmap and as a leading axis, over a mesh."""
    made, x, w = circuit(8)
    split: dict[str, Any] = {"input_params": x, "weight_params": w}
    inputs, weights = RNG.normal(size=(1, 8)), RNG.normal(size=(2, 18))
    expected = jaxqnn.expectation(made, **split)(inputs, weights)
    f = jaxqnn.expectation(made, **split, mesh=mesh(1, 2))
    mapped = jax.vmap(f, in_axes=(None, 0))(inputs[0], weights)
    return largest(difference(expected, found) for found in (f(inputs, weights), mapped))


def derivative_errors() -> dict[str, float]:
    """Forward mode and second derivatives over a mesh that shares out samples."""
    made, x, w = circuit(4)
    split: dict[str, Any] = {"input_params": x, "weight_params": w}
    inputs, weights = RNG.normal(size=(5, 4)), RNG.normal(size=10)
    flips = SparsePauliOp(["XXII", "IZYX"], [0.5, 1.5])
    errors = {}
    for name, derive in (("tangents", jax.jacfwd), ("hessian", jax.hessian)):
        one, many = (
            derive(jaxqnn.expectation(made, flips, **split, mesh=where), argnums=1)(inputs, weights)
            for where in (None, mesh(8, 1))
        )
        errors[name] = difference(one, many)
    qnns = [
        jaxqnn.EstimatorQNN(
            circuit=made, observables=flips, input_params=x, weight_params=w, mesh=where
        )
        for where in (None, mesh(8, 1))
    ]
    cotangent, way = RNG.normal(size=(5, 1)), (RNG.normal(size=(5, 4)), RNG.normal(size=10))
    one, many = (along(qnn, inputs, weights, cotangent, [way, way]) for qnn in qnns)
    errors["network"] = largest(difference(a, b) for a, b in zip(one, many, strict=True))
    return errors


def memory(n: int) -> dict[str, Any]:
    """What XLA will take on each of 8 devices, and for one device, for a gradient of one sample."""
    made, x, w = circuit(n)
    arguments = (jnp.zeros((1, n)), jnp.zeros(2 * n + 2))

    def compiled(where: Mesh | None) -> Any:
        f = jaxqnn.expectation(made, input_params=x, weight_params=w, mesh=where)
        gradient = jax.grad(lambda x, w: jnp.sum(f(x, w)), argnums=(0, 1))
        return jax.jit(gradient).lower(*arguments).compile()

    def peak(program: Any) -> int:
        analysis = program.memory_analysis()
        return int(analysis.temp_size_in_bytes + analysis.output_size_in_bytes)

    many = compiled(mesh(1, 8))
    text = many.as_text()
    network = jaxqnn.EstimatorQNN(circuit=made, input_params=x, weight_params=w, mesh=mesh(1, 8))
    model = network._evaluator.model
    program = jax.tree.leaves(mesh_data(model, mesh(1, 8)))
    return {
        "device": peak(many),
        "program": sum(np.asarray(leaf).nbytes for leaf in program),
        "predicted": network.resources(1).peak_bytes,
        "whole": peak(compiled(None)),
        "all_gather": text.count("all-gather"),
        "all_to_all": text.count("all-to-all"),
    }


def state_of_a_mesh() -> dict[str, Any]:
    """Where the amplitudes of a statevector lie."""
    made, x, w = circuit()
    f = jax.jit(jaxqnn.statevector(made, input_params=x, weight_params=w, mesh=mesh(2, 4)))
    found = f(np.zeros((2, QUBITS)), np.zeros(2 * QUBITS + 2))
    return {
        "shape": found.shape,
        "parts": sorted({tuple(shard.data.shape) for shard in found.addressable_shards}),
        "devices": len({shard.device for shard in found.addressable_shards}),
    }


def refusals() -> dict[str, str]:
    """The messages of meshes that cannot be used."""
    made, _, _ = circuit()
    devices = np.array(jax.devices())
    meshes = {
        "axes": Mesh(devices, ("model",)),
        "power": Mesh(devices[:3], ("state",)),
    }
    found = {name: message(partial(jaxqnn.expectation, made, mesh=m)) for name, m in meshes.items()}
    small, _, _ = circuit(4)
    found["small"] = message(lambda: jaxqnn.expectation(small, mesh=mesh(1, 8)))
    sampler = jaxqnn.SamplerQNN(circuit=small, weight_params=small.parameters, mesh=mesh(2, 1))
    assert message(lambda: sampler.backward(None, np.zeros(14))) == ""
    made, x, w = circuit(8)
    shared = jaxqnn.EstimatorQNN(circuit=made, input_params=x, weight_params=w, mesh=mesh(2, 2))
    zeros = np.zeros((2, 8)), np.zeros(18)
    found["curvature"] = message(lambda: along(shared, *zeros, np.ones((2, 1)), [zeros]))
    return found


def spread_inputs() -> dict[str, Any]:
    """Inputs that the user has spread out, without a mesh of ours."""
    made, x, w = circuit(6)
    f = jaxqnn.expectation(made, input_params=x, weight_params=w)
    inputs, weights = RNG.normal(size=(16, len(x))), RNG.normal(size=len(w))
    rows = NamedSharding(mesh(8, 1), PartitionSpec("batch"))
    spread = jax.device_put(inputs, rows)
    per_sample = jax.jit(jax.vmap(jax.grad(lambda x, w: f(x, w)[0], (0, 1)), in_axes=(0, None)))
    pairs = [
        (jax.jit(f)(spread, weights), f(inputs, weights)),
        *zip(per_sample(spread, weights), per_sample(inputs, weights), strict=True),
    ]
    return {
        "errors": [float(np.max(np.abs(np.asarray(a) - np.asarray(b)))) for a, b in pairs],
        "rows": [a.sharding.shard_shape(a.shape)[0] for a, _ in pairs],
    }


def message(call: Callable[[], object]) -> str:
    try:
        call()
    except jaxqnn.JaxQNNError as error:
        return str(error)
    return ""


def difference(a: Any, b: Any) -> float:
    return float(np.max(np.abs(np.asarray(a) - np.asarray(b))))


if __name__ == "__main__":
    # Here, not above: pytest imports every module of this folder when it looks for doctests.
    jax.config.update("jax_enable_x64", True)
    parts: dict[str, Callable[[], Any]] = {
        "functions": function_errors,
        "networks": network_errors,
        "outcomes": outcome_errors,
        "amplitudes": amplitude_errors,
        "exactness": exactness,
        "ensemble": ensemble_error,
        "derivatives": derivative_errors,
        "memory": lambda: memory(18),
        "state": state_of_a_mesh,
        "spread": spread_inputs,
        "refusals": refusals,
    }
    print(json.dumps({name: parts[name]() for name in sys.argv[1:] or parts}))
