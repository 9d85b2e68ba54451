"""The two small networks every QNN tutorial starts with, and what their passes return."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from jaxqnn import EstimatorQNN, SamplerQNN
from jaxqnn.verify import verify

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NetworkRow:
    """Shapes of one network's passes and its largest distance from Qiskit."""

    network: str
    forward: Shape
    input_gradient: Shape | None
    weight_gradient: Shape | None
    max_error: float
    passed: bool


def estimator_network(observable: str) -> EstimatorQNN:
    """One input, one weight, the expectation of a Pauli string."""
    inputs, weights = [Parameter("estim_input")], [Parameter("estim_weight")]
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.ry(inputs[0], 0)
    circuit.rx(weights[0], 1)
    return EstimatorQNN(
        circuit=circuit,
        observables=SparsePauliOp(observable),
        input_params=inputs,
        weight_params=weights,
    )


def sampler_network() -> SamplerQNN:
    """Two inputs, four weights, the probabilities of the four bit strings."""
    inputs, weights = ParameterVector("input", 2), ParameterVector("weight", 4)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.ry(inputs[0], 0)
    circuit.ry(inputs[1], 1)
    circuit.cx(0, 1)
    circuit.ry(weights[0], 0)
    circuit.ry(weights[1], 1)
    circuit.cx(0, 1)
    circuit.ry(weights[2], 0)
    circuit.ry(weights[3], 1)
    return SamplerQNN(circuit=circuit, input_params=inputs, weight_params=weights)


def parity(bits: int) -> int:
    """Class of a measured integer: whether its number of ones is odd."""
    return bits.bit_count() % 2


NUM_ROWS = 7


def network_rows(seed: int = 42) -> Iterator[NetworkRow]:
    """Run both networks in each of their modes, one at a time."""
    # <YY> is what tutorials take, and zero for every angle: who computed nothing would be right.
    for observable in ("YY", "ZZ"):
        estimator = estimator_network(observable)
        yield _row(f"EstimatorQNN, <{observable}>", estimator, seed)
        estimator.input_gradients = True
        yield _row("+ input gradients", estimator, seed)
    sampler = sampler_network()
    yield _row("SamplerQNN, 4 bit strings", sampler, seed)
    sampler.input_gradients = True
    yield _row("+ input gradients", sampler, seed)
    sampler.set_interpret(parity, output_shape=2)
    yield _row("+ interpret=parity, 2 classes", sampler, seed)


def _row(name: str, qnn: EstimatorQNN | SamplerQNN, seed: int) -> NetworkRow:
    rng = np.random.default_rng(seed)
    inputs, weights = rng.random(qnn.num_inputs), rng.random(qnn.num_weights)
    output = qnn.forward(inputs, weights)
    input_gradient, weight_gradient = qnn.backward(inputs, weights)
    report = verify(qnn, inputs, weights)
    return NetworkRow(
        network=name,
        forward=output.shape,
        input_gradient=None if input_gradient is None else input_gradient.shape,
        weight_gradient=None if weight_gradient is None else weight_gradient.shape,
        max_error=report.max_error,
        passed=report.passed,
    )
