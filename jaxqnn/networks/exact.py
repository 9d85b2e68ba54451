"""Which of QML's gradients compute the exact derivative, so that JAX may do it instead."""

from __future__ import annotations

from typing import Any

from qiskit_machine_learning.gradients import (
    DerivativeType,
    LinCombEstimatorGradient,
    LinCombSamplerGradient,
    ParamShiftEstimatorGradient,
    ParamShiftSamplerGradient,
)

from jaxqnn.gradients import JaxEstimatorGradient, JaxSamplerGradient
from jaxqnn.primitives import is_exact_estimator, is_exact_sampler

_ESTIMATOR_GRADIENTS = (JaxEstimatorGradient, ParamShiftEstimatorGradient, LinCombEstimatorGradient)
_SAMPLER_GRADIENTS = (JaxSamplerGradient, ParamShiftSamplerGradient, LinCombSamplerGradient)


def is_exact_estimator_gradient(gradient: Any) -> bool:
    """Whether it gives the real derivative of an exact estimator's values."""
    if gradient is None:
        return True
    if type(gradient) not in _ESTIMATOR_GRADIENTS:
        return False
    real = getattr(gradient, "derivative_type", DerivativeType.REAL) == DerivativeType.REAL
    return real and is_exact_estimator(gradient._estimator)


def is_exact_sampler_gradient(gradient: Any) -> bool:
    """Whether it gives the derivative of an exact sampler's distribution."""
    return gradient is None or (
        type(gradient) in _SAMPLER_GRADIENTS and is_exact_sampler(gradient._sampler)
    )
