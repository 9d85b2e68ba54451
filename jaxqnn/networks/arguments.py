"""What networks are given, checked before anything is made of it."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from numpy.typing import NDArray
from qiskit.quantum_info import SparseObservable

from jaxqnn.backends import Precision
from jaxqnn.circuit.parameters import as_circuit, as_parameters, check_parameters
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.measure.observables import Observables, listed
from jaxqnn.sharding.build import check_mesh


def check_network(circuit: Any, input_params: Any, weight_params: Any) -> None:
    """Checks a network's circuit and parameters, so that QML need not.

    Raises:
        InvalidArgumentError: If one is no circuit or parameter, or they do not fit each other.
    """
    inputs = as_parameters("Input", input_params)
    check_parameters(as_circuit(circuit), inputs, as_parameters("Weight", weight_params))


def check_place(precision: Precision, device: Any, mesh: Mesh | None) -> jax.Device | None:
    """Checks how and where to compute.

    Args:
        precision: "double" or "single".
        device: A device, the name of a platform, or None.
        mesh: Several devices, or None.

    Returns:
        The device; the first of a platform.

    Raises:
        InvalidArgumentError: If there is no such precision, device or mesh.
    """
    if precision not in ("double", "single"):
        raise InvalidArgumentError(f'precision must be "double" or "single", but is {precision!r}.')
    if mesh is not None:
        check_mesh(mesh)
        if device is not None:
            raise InvalidArgumentError(
                "device and mesh both say where to compute; pass one of them."
            )
    if device is None or isinstance(device, jax.Device):
        return device
    if isinstance(device, str) and device:
        try:
            return jax.local_devices(backend=device)[0]
        except (RuntimeError, IndexError):
            raise InvalidArgumentError(
                f"device={device!r} is no platform of JAX here. Pass one of "
                f"{sorted({'cpu', jax.default_backend()})}, or a device of jax.devices()."
            ) from None
    raise InvalidArgumentError(
        f'device must be a jax.Device or the name of a platform such as "cpu", but is a '
        f"{type(device).__name__}, {device!r}. Pass for example jax.devices()[0]."
    )


def given_observables(observables: Observables | None) -> Any:
    """The observables as QML takes them: None, one operator, or a sequence.

    Raises:
        InvalidArgumentError: If they are a text, or nothing of this kind.
    """
    if observables is None:
        return None
    if isinstance(observables, str):
        raise InvalidArgumentError(
            f"observables is the text {observables!r}, which would be taken letter by letter. Pass "
            f"SparsePauliOp({observables!r}), or a list of observables."
        )
    if isinstance(observables, SparseObservable):
        return (observables,)
    found = listed(observables)
    if not len(found):
        raise InvalidArgumentError(
            "The list of observables is empty. Pass at least one, or None for Z...Z."
        )
    return found


def real_numbers(name: str, values: Any) -> NDArray[np.float64]:
    """Values as an array of float64.

    Raises:
        InvalidArgumentError: If they are no real numbers.
    """
    try:
        found = np.asarray(values)
        if not np.iscomplexobj(found):
            return np.asarray(found, float)
    except (TypeError, ValueError):
        pass
    raise InvalidArgumentError(
        f"{name} cannot be read as an array of real numbers. Pass numbers, or rows of equal length."
    )


def check_count(name: str, values: Any, count: int) -> None:
    """Checks that there are as many weights as the network has, in any shape.

    Raises:
        InvalidArgumentError: If there are not.
    """
    found = real_numbers(name, values)
    if found.size != count:
        raise InvalidArgumentError(
            f"{name} has shape {found.shape}, which is {found.size} values, but the network has "
            f"{count}. Pass all of them."
        )


def check_last_axis(name: str, values: Any, count: int) -> None:
    """Checks that every sample has as many inputs as the network has.

    Raises:
        InvalidArgumentError: If one has not.
    """
    found = real_numbers(name, values)
    if (found.shape[-1] if found.ndim else 1) != count:
        raise InvalidArgumentError(
            f"{name} has shape {found.shape}, but its last dimension must be the network's number "
            f"of inputs, {count}. Pass shape (samples, {count})."
        )
