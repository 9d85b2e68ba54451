"""Drop-in networks."""

from jaxqnn.networks.estimator import EstimatorQNN
from jaxqnn.networks.sampler import SamplerQNN

__all__ = ["EstimatorQNN", "SamplerQNN"]
