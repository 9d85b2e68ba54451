"""Networks of every kind, each as jaxqnn's and as QML's."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import Pauli, SparsePauliOp
from qiskit_machine_learning import neural_networks as qml

import jaxqnn

# Two qubits and few samples: QML shifts every parameter of every sample twice.
FEATURE_MAP, ANSATZ = zz_feature_map(2, reps=1), real_amplitudes(2, reps=1)
NETWORK: dict[str, Any] = {
    "circuit": FEATURE_MAP.compose(ANSATZ),
    "input_params": FEATURE_MAP.parameters,
    "weight_params": ANSATZ.parameters,
}
WEIGHTS = np.random.default_rng(1).uniform(-2, 2, 4)
OBSERVABLES = [SparsePauliOp("ZZ"), SparsePauliOp(["XI", "IY"], [1.0, -0.5]), Pauli("IX")]


def parity(outcome: int) -> int:
    return outcome.bit_count() % 2


def digits(outcome: int) -> tuple[int, int]:
    return outcome % 2, outcome // 2


def one_parameter(*, by_input: bool) -> dict[str, Any]:
    circuit = QuantumCircuit(1)
    parameter = Parameter("t")
    circuit.ry(parameter, 0)
    return {"circuit": circuit, "input_params" if by_input else "weight_params": [parameter]}


def only(which: str) -> dict[str, Any]:
    part = FEATURE_MAP if which == "input_params" else ANSATZ
    return {"circuit": part, which: part.parameters}


class OwnEstimator(StatevectorEstimator):
    """Someone's own, which may do anything."""


class OwnSampler(StatevectorSampler):
    """Someone's own, which may do anything."""


# Each kind of network: the class's name and its arguments.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "estimator": ("EstimatorQNN", NETWORK),
    "observables": ("EstimatorQNN", NETWORK | {"observables": OBSERVABLES}),
    "sampler": ("SamplerQNN", NETWORK),
    "classes": ("SamplerQNN", NETWORK | {"interpret": parity, "output_shape": 2}),
    "tuples": ("SamplerQNN", NETWORK | {"interpret": digits, "output_shape": (2, 2)}),
    "sparse": (
        "SamplerQNN",
        NETWORK | {"sparse": True, "interpret": digits, "output_shape": (2, 3)},
    ),
}


def pair(name: str, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """The same network as jaxqnn's and as QML's."""
    return getattr(jaxqnn, name)(**arguments), getattr(qml, name)(**arguments)
