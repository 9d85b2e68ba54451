"""The sweeps on a CPU, compiled by Numba once for a machine; importing that takes a while."""
