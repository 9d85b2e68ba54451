"""The CUDA kernels: compiled by NVRTC for the GPUs at hand, loaded by the driver, known to XLA.

NVRTC comes with JAX's own packages for GPUs, and ``cuda-bindings`` (the extra "gpu") is how it is
called.
"""

from __future__ import annotations

import ctypes
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import jax

from jaxqnn.errors import JaxQNNError
from jaxqnn.sweep.gpu.job import FIRST_OF_SUMS, KERNELS

# What XLA calls: a sweep, or sums of Pauli strings.
SWEEP, SUMS = "jaxqnn_sweep", "jaxqnn_sums"

FOLDER = Path(__file__).parent


@cache
def are_here() -> bool:
    """Whether the kernels can be launched: asked once, and registered with XLA if so."""
    from jaxqnn.sweep.gpu import launch

    try:
        driver = ctypes.CDLL("libcuda.so.1")
        import cuda.bindings.nvrtc  # noqa: F401 - so that it is missed now and not later

        address = ctypes.cast(driver.cuLaunchKernel, ctypes.c_void_p).value
        for target, handler in zip((SWEEP, SUMS), launch.handlers(), strict=True):
            capsule = jax.ffi.pycapsule(handler)
            jax.ffi.register_ffi_target(target, capsule, platform="CUDA", api_version=1)
    except Exception as error:  # whatever an installation may lack
        warnings.warn(
            f"jaxqnn's CUDA kernels cannot be used here ({error}). XLA's own form is used, which "
            'is many times slower. pip install "jaxqnn[gpu]" brings what they need.',
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    launch.table[0] = address or 0
    return True


@cache
def shared_bytes() -> int:
    """The shared memory that a block may have on each of the GPUs at hand."""
    return min(_shared_of(_ordinal(device)) for device in jax.local_devices(backend="cuda"))


def _ordinal(device: jax.Device) -> Any:
    """The driver's name of a device."""
    from cuda.bindings import driver

    return _checked(driver.cuDeviceGet(device.local_hardware_id))[0]


def _shared_of(ordinal: Any) -> int:
    from cuda.bindings import driver

    which = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    return int(_checked(driver.cuDeviceGetAttribute(which, ordinal))[0])


@cache
def load(kernel: int) -> None:
    """Compiles a kernel for the GPUs at hand, and puts it where launches find it."""
    from cuda.bindings import driver

    from jaxqnn.sweep.gpu import launch

    devices = jax.local_devices(backend="cuda")
    name = KERNELS[kernel]
    versions = {str(device.compute_capability).replace(".", "") for device in devices}
    code = compiled(name, min(versions, key=int), for_one=len(versions) == 1)
    (library,) = _checked(driver.cuLibraryLoadData(code, [], [], 0, [], [], 0))
    (function,) = _checked(driver.cuLibraryGetKernel(library, name.encode()))
    asked = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    for ordinal in map(_ordinal, devices):
        most = _shared_of(ordinal)
        _checked(driver.cuKernelSetAttribute(asked, most, function, ordinal))
    launch.table[2 + kernel] = int(function)


def compiled(name: str, version: str, *, for_one: bool = True) -> bytes:
    """The machine code of a kernel for a GPU's version, "90" say; PTX if ``for_one`` is False."""
    from cuda.bindings import nvrtc

    is_of_sums = KERNELS.index(name) >= FIRST_OF_SUMS
    file = FOLDER / ("sums.cu" if is_of_sums else "sweep.cu")
    source, title = file.read_bytes(), file.name.encode()
    (program,) = _checked(nvrtc.nvrtcCreateProgram(source, title, 0, [], []))
    options = [
        f"--gpu-architecture={'sm' if for_one else 'compute'}_{version}".encode(),
        b"--std=c++17",
        f"--define-macro=ONLY_{name}".encode(),
    ]
    status = nvrtc.nvrtcCompileProgram(program, len(options), options)[0]
    if int(status) != 0:
        (size,) = _checked(nvrtc.nvrtcGetProgramLogSize(program))
        log = b" " * size
        nvrtc.nvrtcGetProgramLog(program, log)
        raise JaxQNNError(f"NVRTC does not compile {name}: {log.decode(errors='replace')}")
    if for_one:
        (size,) = _checked(nvrtc.nvrtcGetCUBINSize(program))
        code = b" " * size
        _checked(nvrtc.nvrtcGetCUBIN(program, code))
    else:
        (size,) = _checked(nvrtc.nvrtcGetPTXSize(program))
        code = b" " * size
        _checked(nvrtc.nvrtcGetPTX(program, code))
    _checked(nvrtc.nvrtcDestroyProgram(program))
    return code


def _checked(result: Any) -> tuple[Any, ...]:
    """What a function of CUDA returns after its status."""
    status, *found = result
    if int(status) != 0:
        raise JaxQNNError(
            f"CUDA answered {status.name} ({int(status)}). Install a newer "
            'driver, or use the CPU: device="cpu".'
        )
    return tuple(found)
