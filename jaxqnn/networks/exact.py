"""Which of QML's gradients JAX may compute instead.

That are those of the exact derivative, and the parameter-shift rule on an ideal simulator with
noise or shots.
"""

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
from jaxqnn.primitives.ideal import Noise, Shots, noise_of, shots_of

_ESTIMATOR_GRADIENTS = (JaxEstimatorGradient, ParamShiftEstimatorGradient, LinCombEstimatorGradient)
_SAMPLER_GRADIENTS = (JaxSamplerGradient, ParamShiftSamplerGradient, LinCombSamplerGradient)


def is_exact_estimator_gradient(gradient: Any) -> bool:
    """Whether it gives the real derivative of an exact estimator's values."""
    if gradient is None:
        return True
    if type(gradient) not in _ESTIMATOR_GRADIENTS:
        return False
    if not _is_real(gradient):
        return False
    # Gradients ask for no precision, so that an estimator's own is what counts.
    noise = noise_of(gradient._estimator)
    return is_exact_estimator(gradient._estimator) or (noise is not None and noise.precision == 0)


def is_exact_sampler_gradient(gradient: Any) -> bool:
    """Whether it gives the derivative of an exact sampler's distribution."""
    return gradient is None or (
        type(gradient) in _SAMPLER_GRADIENTS and is_exact_sampler(gradient._sampler)
    )


def gradient_noise(gradient: Any) -> Noise | None:
    """The noise of a parameter-shift gradient on an ideal estimator; None for any other."""
    if type(gradient) not in (JaxEstimatorGradient, ParamShiftEstimatorGradient):
        return None
    return noise_of(gradient._estimator) if _is_real(gradient) else None


def gradient_shots(gradient: Any) -> Shots | None:
    """The shots of a parameter-shift gradient on an ideal sampler; None for any other."""
    if type(gradient) not in (JaxSamplerGradient, ParamShiftSamplerGradient):
        return None
    return shots_of(gradient._sampler)


def _is_real(gradient: Any) -> bool:
    kind = getattr(gradient, "derivative_type", DerivativeType.REAL)
    return bool(kind == DerivativeType.REAL)
