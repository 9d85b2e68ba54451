"""Which primitives are exact, so that their results may be computed by JAX instead."""

from __future__ import annotations

from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler

from jaxqnn.primitives.estimator import JaxEstimator
from jaxqnn.primitives.sampler import JaxSampler


def is_exact_estimator(estimator: BaseEstimatorV2 | None) -> bool:
    """Return whether an estimator gives exact values whatever precision it is asked for.

    A subclass of someone else's may do anything, so only the two known classes are trusted.
    """
    if type(estimator) is JaxEstimator:
        return estimator.exact
    if type(estimator) is QMLEstimator:
        # QML keeps the mode in a private attribute only; its options can be changed by anyone.
        return bool(getattr(estimator, "_exact_mode", False))
    return estimator is None


def is_exact_sampler(sampler: BaseSamplerV2 | None) -> bool:
    """Return whether a sampler gives exact distributions whatever shots it is asked for.

    A subclass of someone else's may do anything, so only the two known classes are trusted.
    """
    if type(sampler) is JaxSampler:
        return sampler.exact
    if type(sampler) is QMLSampler:
        return bool(getattr(sampler, "_exact_mode", False))
    return sampler is None
