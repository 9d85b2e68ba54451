"""The sweeps as CUDA kernels."""
