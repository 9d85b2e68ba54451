"""QML's gradient classes and its quantum geometric tensor on the batched engine."""

from jaxqnn.gradients.estimator import JaxEstimatorGradient
from jaxqnn.gradients.qgt import JaxQGT
from jaxqnn.gradients.sampler import JaxSamplerGradient

__all__ = ["JaxEstimatorGradient", "JaxQGT", "JaxSamplerGradient"]
