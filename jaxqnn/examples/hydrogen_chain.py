"""The ground state of a molecule of 919 Pauli strings, by the gradient of its energy.

    python -m jaxqnn.examples.hydrogen_chain

Six hydrogen atoms in a row, one angstrom apart, in the smallest basis: twelve spin orbitals, and a
qubit for each.  The ansatz is the unitary coupled cluster of quantum chemistry (Romero and others,
arXiv:1701.02691): every move of one or two electrons from an occupied orbital to an empty one turns
the Hartree-Fock state by an angle of its own.  All 117 derivatives of the energy come from one
backward pass.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import SparsePauliOp
from scipy.optimize import minimize
from scipy.sparse.linalg import eigsh

import jaxqnn
from jaxqnn.examples.command import run
from jaxqnn.examples.data import FloatArray

ORBITALS, ELECTRONS = 6, 6


class Energies(NamedTuple):
    """In hartrees."""

    hartree_fock: float
    found: float
    exact: float


def hamiltonian() -> SparsePauliOp:
    """The molecule's electrons and nuclei, in hartrees, by Jordan and Wigner.

    Qubits 0 to 5 are the orbitals with spin up, by energy, 6 to 11 those with spin down.  The file
    was computed in the STO-3G basis of hydrogen (Hehre, Stewart and Pople, J. Chem. Phys. 51, 2657,
    1969) from the formulas of Szabo and Ostlund, Modern Quantum Chemistry, appendix A.
    """
    file = Path(__file__).with_name("hydrogen_chain.csv")
    labels, coefficients = np.loadtxt(file, dtype=str, delimiter=",", skiprows=1).T
    return SparsePauliOp(labels.tolist(), coefficients.astype(float))


def lowering(qubit: int, num_qubits: int) -> SparsePauliOp:
    """What takes an electron out of an orbital: Z..Z (X + iY) / 2."""
    places = list(range(qubit + 1))
    parts = [("Z" * qubit + "X", places, 0.5), ("Z" * qubit + "Y", places, 0.5j)]
    return SparsePauliOp.from_sparse_list(parts, num_qubits)


def coupled_cluster() -> QuantumCircuit:
    """The Hartree-Fock state, turned along every move that keeps the spin."""
    width = 2 * ORBITALS
    occupied = [q for q in range(width) if q % ORBITALS < ELECTRONS // 2]
    empty = [q for q in range(width) if q not in occupied]
    moves = [
        (left, taken)
        for count in (1, 2)
        for left in itertools.combinations(occupied, count)
        for taken in itertools.combinations(empty, count)
        if sum(q >= ORBITALS for q in left) == sum(q >= ORBITALS for q in taken)
    ]
    lower = [lowering(q, width) for q in range(width)]
    circuit = QuantumCircuit(width)
    circuit.x(occupied)
    for angle, (left, taken) in zip(ParameterVector("t", len(moves)), moves, strict=True):
        move = SparsePauliOp("I" * width)
        for operator in [*(lower[q].adjoint() for q in taken), *(lower[q] for q in left)]:
            move = move @ operator
        generator = (1j * (move - move.adjoint())).simplify()  # of strings that commute
        generator.coeffs = generator.coeffs.real
        circuit.append(PauliEvolutionGate(generator, angle), range(width))
    return circuit


def main(steps: int = 30) -> Energies:
    """Minimise the energy from the Hartree-Fock state, and compare with exact diagonalisation."""
    molecule, circuit = hamiltonian(), coupled_cluster()
    qnn = jaxqnn.EstimatorQNN(
        circuit=circuit, observables=molecule, weight_params=circuit.parameters
    )

    def energy(weights: FloatArray) -> tuple[float, FloatArray]:
        value, pull = qnn.vjp(None, weights)
        return value.item(), np.asarray(pull(np.ones_like(value))[1])

    start = np.zeros(qnn.num_weights)
    hartree_fock, _ = energy(start)  # the first call loads or makes machine code
    begin = time.perf_counter()
    found = minimize(energy, start, jac=True, method="BFGS", options={"maxiter": steps})
    seconds = time.perf_counter() - begin
    matrix = molecule.to_matrix(sparse=True)
    exact = eigsh(matrix, k=1, which="SA", return_eigenvectors=False)[0]
    energies = Energies(hartree_fock, float(found.fun), float(exact))
    print(f"{len(molecule)} Pauli strings on {circuit.num_qubits} qubits, {start.size} angles")
    print(f"Hartree-Fock      {energies.hartree_fock:.6f} hartrees")
    print(f"coupled cluster   {energies.found:.6f}, {found.nfev} gradients in {seconds:.2f} s")
    print(f"exact             {energies.exact:.6f}")
    print(f"left              {1e3 * (energies.found - energies.exact):.2f} millihartrees")
    return energies


if __name__ == "__main__":
    run(main, __doc__)
