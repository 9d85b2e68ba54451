"""The natural gradient: fewer steps to the ground state of a chain of spins.

    python -m jaxqnn.examples.natural_gradient

Plain gradient descent measures a step by the change of the angles; the natural gradient (Stokes,
Izaac, Killoran and Carleo, arXiv:1909.02108) measures it by the change of the state, through the
quantum geometric tensor g:

    weights <- weights - rate (Re g)^-1 gradient of the energy

`jaxqnn.JaxQGT` is QML's `LinCombQGT` from one Jacobian of the state.  Both runs below are optax's
`sgd` from the same start; each takes the best of the same list of rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
import optax
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import DerivativeType

import jaxqnn
from jaxqnn.examples.command import run
from jaxqnn.examples.data import FloatArray
from jaxqnn.examples.training import initial_weights

RATES = (0.05, 0.1, 0.2, 0.4, 0.8)
NEAR = 0.002  # the fraction of the ground energy to come within
SHIFT = 1e-3  # added to g, which is singular where angles have no effect

Energy = Callable[[FloatArray], tuple[jax.Array, jax.Array]]
Direction = Callable[[FloatArray, FloatArray], FloatArray]


def chain(num_spins: int) -> SparsePauliOp:
    """The Ising chain in a transverse field, at its critical point: -sum Z Z - sum X."""
    bonds = [("ZZ", [spin, spin + 1], -1.0) for spin in range(num_spins - 1)]
    field = [("X", [spin], -1.0) for spin in range(num_spins)]
    return SparsePauliOp.from_sparse_list(bonds + field, num_spins)


def ground_energy(hamiltonian: SparsePauliOp) -> float:
    """The smallest eigenvalue."""
    return float(np.linalg.eigvalsh(hamiltonian.to_matrix())[0])


def plain(weights: FloatArray, gradient: FloatArray) -> FloatArray:
    """The direction of plain descent: the gradient itself."""
    return gradient


def natural(circuit: QuantumCircuit) -> Direction:
    """The direction of natural descent on a circuit's states."""
    tensor = jaxqnn.JaxQGT(derivative_type=DerivativeType.REAL)

    def direction(weights: FloatArray, gradient: FloatArray) -> FloatArray:
        metric = tensor.run([circuit], [weights]).result().qgts[0]
        return np.linalg.solve(metric + SHIFT * np.eye(len(weights)), gradient)

    return direction


def descend(
    energy: Energy,
    weights: FloatArray,
    direction: Direction,
    rate: float,
    target: float,
    steps: int,
) -> list[float]:
    """The energy at the start and after each step, until it is at or below the target."""
    optimiser = optax.sgd(rate)
    state = optimiser.init(weights)
    energies: list[float] = []
    for _ in range(steps + 1):
        value, gradient = energy(weights)
        energies.append(float(value))
        if value <= target:
            break
        updates, state = optimiser.update(direction(weights, np.asarray(gradient)), state)
        weights = np.asarray(optax.apply_updates(weights, updates))
    return energies


@dataclass(frozen=True)
class Race:
    """The best run in each direction.

    Attributes:
        plain: The energy at the start and after each step of plain descent.
        natural: The same of natural descent.
        ground: The ground state's energy.
    """

    plain: list[float]
    natural: list[float]
    ground: float


def main(num_spins: int = 4, steps: int = 150) -> Race:
    """Races both directions down to the ground state."""
    circuit, hamiltonian = real_amplitudes(num_spins, reps=2), chain(num_spins)
    ground = ground_energy(hamiltonian)
    target = (1 - NEAR) * ground
    print(f"{num_spins} spins, ground state energy {ground:.4f}; the steps to {target:.4f}:")
    mean = jaxqnn.expectation(circuit, hamiltonian)
    energy = jax.jit(jax.value_and_grad(lambda weights: mean(weights)[0]))
    begin = initial_weights(circuit.num_parameters)
    best = {}
    for name, direction in (("plain", plain), ("natural", natural(circuit))):
        runs = {rate: descend(energy, begin, direction, rate, target, steps) for rate in RATES}
        for rate, energies in runs.items():
            reached = f"{len(energies) - 1}" if energies[-1] <= target else "not reached"
            print(f"{name:8} rate {rate:<5} {reached}")
        arrived = [energies for energies in runs.values() if energies[-1] <= target]
        best[name] = min(arrived, key=len)
    few, many = (len(best[name]) - 1 for name in ("natural", "plain"))
    print(f"{few} steps of natural descent do the work of {many} of plain descent")
    return Race(**best, ground=ground)


if __name__ == "__main__":
    run(main, __doc__)
