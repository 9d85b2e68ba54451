"""Benchmarks of jaxqnn against every other fast way to a quantum neural network's gradient."""
