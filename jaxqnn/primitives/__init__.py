"""Qiskit's primitives on the batched engine.

`keys` says which circuits and observables are equal, `rows` evaluates one circuit on a table of
points, `requests` turns many single requests into few batches; `estimator` and `sampler` are the
primitives themselves.
"""

from jaxqnn.primitives.estimator import JaxEstimator
from jaxqnn.primitives.exact import is_exact_estimator, is_exact_sampler
from jaxqnn.primitives.sampler import JaxSampler

__all__ = ["JaxEstimator", "JaxSampler", "is_exact_estimator", "is_exact_sampler"]
