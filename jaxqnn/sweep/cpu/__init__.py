"""The sweeps on a CPU, compiled by Numba once for a machine; importing modules here takes a while."""
