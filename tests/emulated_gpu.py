"""The CUDA kernels on a CPU: compiled as C++, a thread for each of a block's, and called by XLA."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jax
import pytest

from jaxqnn.sweep import foreign, primitive
from jaxqnn.sweep.gpu import calls, kernels, launch, sums
from jaxqnn.sweep.gpu.job import KERNELS

_EMULATOR = Path(__file__).parent / "cuda" / "emulator.cpp"
_THREADS = 64


def compiler() -> str | None:
    """The C++ compiler of this machine, if it has one."""
    return shutil.which("g++") or shutil.which("clang++")


class Form:
    """What ``primitive`` has for a CPU, in place of the compiled sweeps."""

    evolve = staticmethod(calls.evolve)
    pull = staticmethod(calls.pull)

    @staticmethod
    def serves(ctx: Any, name: str) -> bool:
        """See ``sweep.foreign``."""
        return name in ("evolve", "pull") and foreign.is_on_one_device(ctx)


def install(library: Any, patch: pytest.MonkeyPatch) -> None:
    """From here on, the primitives are the kernels' calls on a CPU."""
    (ctypes.c_void_p * 2).in_dll(library, "handlers")[:] = list(launch.handlers())
    launch.table[0] = _address(library.launch)
    for i, name in enumerate(KERNELS):
        launch.table[2 + i] = _address(getattr(library, name))
    for name, handle in (("SWEEP", library.handle_sweep), ("SUMS", library.handle_sums)):
        target = f"jaxqnn_emulated_{name}"
        capsule = jax.ffi.pycapsule(_address(handle))
        jax.ffi.register_ffi_target(target, capsule, platform="cpu", api_version=1)
        patch.setattr(kernels, name, target)
    patch.setattr(primitive, "foreign", Form)
    patch.setattr(kernels, "load", lambda kernel: None)
    patch.setattr(kernels, "are_here", lambda: True)
    patch.setattr(kernels, "shared_bytes", lambda: 227 << 10)  # an H100's
    patch.setattr(calls, "_MOST_THREADS", _THREADS)
    patch.setattr(sums, "_THREADS", _THREADS)


def compiled(folder: Path) -> Any:
    """The kernels as a library of C++."""
    library = folder / "kernels.so"
    sources = [f'-D{name.upper()}="{kernels.FOLDER / name}.cu"' for name in ("sweep", "sums")]
    command = [compiler() or "g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-pthread", *sources]
    subprocess.run([*command, "-o", str(library), str(_EMULATOR)], check=True, capture_output=True)
    return ctypes.CDLL(str(library))


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
