"""Which primitives are ideal simulators: exact states, and then noise or shots of a known kind."""

from __future__ import annotations

from typing import Any, NamedTuple

from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler

from jaxqnn.primitives.estimator import JaxEstimator
from jaxqnn.primitives.exact import is_exact_estimator, is_exact_sampler
from jaxqnn.primitives.sampler import JaxSampler


class Noise(NamedTuple):
    """Normal noise on exact expectation values.

    Attributes:
        precision: Its standard deviation where none is asked for.
        seed: What it is drawn with, see ``draws``.
    """

    precision: float
    seed: Any


class Shots(NamedTuple):
    """Counts drawn from exact distributions.

    Attributes:
        shots: How many for each point where no number is asked for.
        seed: What they are drawn with, see ``draws``.
    """

    shots: int
    seed: Any


def noise_of(estimator: Any) -> Noise | None:
    """The noise of an ideal estimator; None for one that is always exact, or not known.

    Exactly these classes: a subclass may do anything.  Their ``options`` are only a record, which
    neither they nor this reads.
    """
    if type(estimator) not in (StatevectorEstimator, QMLEstimator, JaxEstimator):
        return None
    if is_exact_estimator(estimator):
        return None
    return Noise(estimator.default_precision, estimator.seed)


def shots_of(sampler: Any) -> Shots | None:
    """The shots of an ideal sampler; None for one that is exact, or not known."""
    if type(sampler) not in (StatevectorSampler, QMLSampler, JaxSampler):
        return None
    if is_exact_sampler(sampler):
        return None
    return Shots(sampler.default_shots, sampler.seed)


def estimator_on_jax(estimator: Any) -> JaxEstimator | None:
    """An ideal estimator's twin, which draws the same noise; None for any other."""
    noise = noise_of(estimator)
    if noise is None:
        return None
    return JaxEstimator(default_precision=noise.precision, seed=noise.seed)


def sampler_on_jax(sampler: Any) -> JaxSampler | None:
    """An ideal sampler's twin, which draws the same shots; None for any other."""
    shots = shots_of(sampler)
    return None if shots is None else JaxSampler(shots=shots.shots, seed=shots.seed)
