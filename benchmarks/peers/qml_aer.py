"""qiskit-machine-learning's networks on Aer's C++ simulator."""

from __future__ import annotations

from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import EstimatorV2
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from qiskit_machine_learning.neural_networks import EstimatorQNN

from ..problems import Problem
from . import Gradient
from .qml import gradient_of_network


def why_not(problem: Problem) -> str | None:
    """Say that Aer's sampler only draws shots."""
    if problem.is_sampler:
        return "Aer's SamplerV2 draws shots; it has no exact values to compare"
    return None


def build(problem: Problem) -> Gradient:
    """Return `backward` of the problem's network on Aer's exact estimator."""
    circuit, inputs, weights = problem.parameterized
    backend = AerSimulator(method="statevector")
    estimator = EstimatorV2.from_backend(backend, options={"default_precision": 0.0})
    passes = generate_preset_pass_manager(optimization_level=0, backend=backend)
    network = EstimatorQNN(
        circuit=circuit,
        estimator=estimator,
        observables=problem.observables,
        input_params=inputs,
        weight_params=weights,
        gradient=ParamShiftEstimatorGradient(estimator, pass_manager=passes),
        input_gradients=problem.input_gradients,
        default_precision=0.0,
        pass_manager=passes,
    )
    return gradient_of_network(problem, network)
