"""Qiskit circuits as fast, differentiable JAX functions and drop-in quantum neural networks."""

from jaxqnn.errors import JaxQNNError, UnsupportedCircuitError
from jaxqnn.functions import expectation, probabilities, statevector

__all__ = [
    "JaxQNNError",
    "UnsupportedCircuitError",
    "expectation",
    "probabilities",
    "statevector",
]
