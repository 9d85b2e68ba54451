"""Qiskit circuits as fast, differentiable JAX functions and drop-in quantum neural networks.

A circuit goes one way through the package: ``circuit`` lowers it to primitive operations,
``program`` packs those into layers, ``sweep`` runs the layers and their adjoint (by ``engine``
where it is XLA that runs them), ``measure`` reads outputs off the state, and ``functions``,
``networks`` and ``kernels`` are what users call.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jaxqnn.version import __version__ as __version__

if TYPE_CHECKING:
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
    from jaxqnn.torch import TorchConnector
    from jaxqnn.twins import accelerate
    from jaxqnn.verify import verify

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


# Where each public name is made. It is imported when it is first asked for: JAX, Qiskit and
# qiskit-machine-learning take a second or two to import, which `jaxqnn --help` need not wait for,
# and PyTorch, an extra, takes as long again.
_MODULES = {
    "EstimatorQNN": "networks",
    "FidelityQuantumKernel": "kernels",
    "FidelityStatevectorKernel": "kernels",
    "InvalidArgumentError": "errors",
    "JaxEstimator": "primitives",
    "JaxEstimatorGradient": "gradients",
    "JaxQGT": "gradients",
    "JaxQNNError": "errors",
    "JaxSampler": "primitives",
    "JaxSamplerGradient": "gradients",
    "SamplerQNN": "networks",
    "TorchConnector": "torch",
    "TrainableFidelityQuantumKernel": "kernels",
    "TrainableFidelityStatevectorKernel": "kernels",
    "UnsupportedCircuitError": "errors",
    "accelerate": "twins",
    "expectation": "functions",
    "export": "export",
    "memory_limit": "memory",
    "probabilities": "functions",
    "statevector": "functions",
    "verify": "verify",
}


class _Package(ModuleType):
    """A package in which `verify` and `export` stay functions when their modules are imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Python binds an imported module in its package, over the function of the same name.
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
