"""Sweeps over a program's layers as one differentiable JAX primitive, and what lowers it."""
