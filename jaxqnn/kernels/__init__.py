"""Drop-in fidelity kernels."""

from jaxqnn.kernels.fidelity import FidelityQuantumKernel, TrainableFidelityQuantumKernel
from jaxqnn.kernels.statevector import (
    FidelityStatevectorKernel,
    TrainableFidelityStatevectorKernel,
)

__all__ = [
    "FidelityQuantumKernel",
    "FidelityStatevectorKernel",
    "TrainableFidelityQuantumKernel",
    "TrainableFidelityStatevectorKernel",
]
