"""Measurements: from a final state to outputs."""

from jaxqnn.measure.specification import Expectation, Probabilities, Specification, State

__all__ = ["Expectation", "Probabilities", "Specification", "State"]
