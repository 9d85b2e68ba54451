"""The peers: one module each, all with the same two functions.

A peer module defines

    why_not(problem) -> str | None      # a reason, if the peer cannot do this problem exactly
    build(problem) -> Gradient          # everything that happens once for a circuit

where a `Gradient` is called as `gradient(inputs, weights)`, with `inputs` of shape
(batch, num_inputs) and `weights` of shape (num_weights,), and returns

    (batch, *output_shape, num_inputs), (batch, *output_shape, num_weights)

for a Jacobian problem and `None, (num_weights,)` for a training step. A peer may return JAX
arrays that are still being computed: the harness waits for them.

Modules are imported only in the process that times them, so an absent peer costs a message.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

Gradient = Callable[[Any, Any], tuple[Any, Any]]


class Peer(NamedTuple):
    """How a peer is called, where it lives and what it needs.

    Attributes:
        title: The name in tables.
        module: The module in this package.
        packages: Distributions that must be installed, in the order of interest.
        ours: Whether this is jaxqnn.
    """

    title: str
    module: str
    packages: tuple[str, ...]
    ours: bool = False


PEERS: dict[str, Peer] = {
    "jaxqnn": Peer("jaxqnn", "ours", ("jaxqnn", "jax"), ours=True),
    "jaxqnn-vjp": Peer("jaxqnn vjp", "ours_vjp", ("jaxqnn", "jax"), ours=True),
    "qml": Peer("QML parameter shift", "qml", ("qiskit-machine-learning", "qiskit")),
    "qml-aer": Peer("QML on Aer", "qml_aer", ("qiskit-aer", "qiskit-machine-learning")),
    "pennylane-jax": Peer("PennyLane default.qubit + JAX", "pennylane_jax", ("pennylane", "jax")),
    "lightning": Peer("PennyLane Lightning adjoint", "lightning", ("pennylane-lightning",)),
    "qulacs": Peer("Qulacs backprop", "qulacs_backprop", ("qulacs",)),
    "tensorcircuit": Peer("TensorCircuit-NG", "tensorcircuit_ng", ("tensorcircuit-ng", "jax")),
    "qujax": Peer("qujax", "qujax_jit", ("qujax", "jax")),
}


def versions(name: str) -> dict[str, str]:
    """Return the installed versions of the peer's packages; a missing one is left out."""
    found = {}
    for package in PEERS[name].packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def missing(name: str) -> str | None:
    """Return the command that installs what the peer lacks, or None if it lacks nothing."""
    absent = [package for package in PEERS[name].packages if package not in versions(name)]
    if not absent:
        return None
    return "pip install -e ." if PEERS[name].ours else f"pip install {' '.join(absent)}"


def load(name: str) -> ModuleType:
    """Import the peer's module."""
    return importlib.import_module(f"{__name__}.{PEERS[name].module}")
