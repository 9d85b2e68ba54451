"""Qiskit circuits as fast, differentiable JAX functions and drop-in quantum neural networks.

A circuit goes one way through the package: ``circuit`` lowers it to primitive operations,
``program`` packs those into layers, ``engine`` runs the layers and their adjoint in JAX,
``measure`` reads outputs off the state, and ``functions``, ``networks`` and ``kernels`` are what
users call.
"""

from typing import TYPE_CHECKING, Any

from jaxqnn.errors import InvalidArgumentError, JaxQNNError, UnsupportedCircuitError
from jaxqnn.export import export
from jaxqnn.functions import expectation, probabilities, statevector
from jaxqnn.gradients import JaxEstimatorGradient, JaxQGT, JaxSamplerGradient
from jaxqnn.kernels import (
    FidelityQuantumKernel,
    FidelityStatevectorKernel,
    TrainableFidelityQuantumKernel,
    TrainableFidelityStatevectorKernel,
)
from jaxqnn.memory import memory_limit
from jaxqnn.networks import EstimatorQNN, SamplerQNN
from jaxqnn.primitives import JaxEstimator, JaxSampler
from jaxqnn.verify import verify
from jaxqnn.version import __version__ as __version__

if TYPE_CHECKING:
    from jaxqnn.torch import TorchConnector
    from jaxqnn.twins import accelerate

__all__ = [
    "EstimatorQNN",
    "FidelityQuantumKernel",
    "FidelityStatevectorKernel",
    "InvalidArgumentError",
    "JaxEstimator",
    "JaxEstimatorGradient",
    "JaxQGT",
    "JaxQNNError",
    "JaxSampler",
    "JaxSamplerGradient",
    "SamplerQNN",
    "TorchConnector",
    "TrainableFidelityQuantumKernel",
    "TrainableFidelityStatevectorKernel",
    "UnsupportedCircuitError",
    "accelerate",
    "expectation",
    "export",
    "memory_limit",
    "probabilities",
    "statevector",
    "verify",
]


def __getattr__(name: str) -> Any:
    # PyTorch takes seconds and hundreds of megabytes to import, and is an extra; scikit-learn,
    # under QML's classifiers, takes as long as all the rest.
    if name == "TorchConnector":
        from jaxqnn.torch import TorchConnector

        return TorchConnector
    if name == "accelerate":
        from jaxqnn.twins import accelerate

        return accelerate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
