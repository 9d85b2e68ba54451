"""The Hamiltonian of a chain of hydrogen atoms, from nothing but Gaussian integrals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp
from scipy.linalg import eigh
from scipy.special import erf

from jaxqnn.examples.hydrogen_chain import lowering

Array = NDArray[np.floating[Any]]

# STO-3G of hydrogen (zeta = 1.24): Hehre, Stewart and Pople, J. Chem. Phys. 51, 2657 (1969).
EXPONENTS = np.array([3.42525091, 0.62391373, 0.16885540])
WEIGHTS = np.array([0.15432897, 0.53532814, 0.44463454])
BOHR = 0.529177210903  # in angstroms


def integrals(positions: Array) -> tuple[Array, Array, Array, float]:
    """Overlaps, one-electron and two-electron integrals (ij|kl) and the nuclei's repulsion.

    Of s functions on a line; formulas of Szabo and Ostlund, Modern Quantum Chemistry, appendix A.
    """
    count = len(positions)
    shape = count, count, 3, 3  # pairs of primitives m, n on the atoms i, j
    a, b = EXPONENTS[:, None], EXPONENTS
    x, y = positions[:, None, None, None], positions[:, None, None]
    p = np.broadcast_to(a + b, shape)
    place = (a * x + b * y) / p
    c = WEIGHTS * (2 * EXPONENTS / np.pi) ** 0.75
    product = np.outer(c, c) * np.exp(-a * b / p * (x - y) ** 2)
    overlap = product * (np.pi / p) ** 1.5
    kinetic = a * b / p * (3 - 2 * a * b / p * (x - y) ** 2) * overlap
    attraction = sum(
        -2 * np.pi / p * product * boys(p * (place - nucleus) ** 2) for nucleus in positions
    )
    p, place, product = p.ravel(), place.ravel(), product.ravel()
    q = p[:, None]
    distance = p * q / (p + q) * (place[:, None] - place) ** 2
    repulsion = 2 * np.pi**2.5 / (p * q * np.sqrt(p + q)) * boys(distance)
    repulsion = (repulsion * np.outer(product, product)).reshape(*shape, *shape)
    nuclei = sum(1 / abs(x - y) for x, y in itertools.combinations(positions, 2))
    return (
        overlap.sum((2, 3)),
        (kinetic + attraction).sum((2, 3)),
        repulsion.sum((2, 3, 6, 7)),
        nuclei,
    )


def boys(t: Array) -> Array:
    """F_0(t), the integral of exp(-t u^2) for u from 0 to 1."""
    safe = np.where(t < 1e-12, 1.0, t)
    return np.where(t < 1e-12, 1 - t / 3, 0.5 * np.sqrt(np.pi / safe) * erf(np.sqrt(safe)))


def orbitals(overlap: Array, one: Array, two: Array, pairs: int) -> Array:
    """The canonical orbitals of restricted Hartree-Fock, columns by energy."""
    density = np.zeros_like(one)
    for _ in range(200):
        fock = one + 2 * np.einsum("ijkl,kl", two, density) - np.einsum("ikjl,kl", two, density)
        _, found = eigh(fock, overlap)
        density = found[:, :pairs] @ found[:, :pairs].T
    return np.asarray(found * np.sign(found[np.abs(found).argmax(0), range(len(found))]))


def hamiltonian(atoms: int, angstroms: float) -> SparsePauliOp:
    """By Jordan and Wigner, in hartrees: spin up on the first qubits, spin down on the others."""
    overlap, one, two, nuclei = integrals(np.arange(atoms) * angstroms / BOHR)
    c = orbitals(overlap, one, two, atoms // 2)
    one = c.T @ one @ c
    two = np.einsum("ijkl,ip,jq,kr,ls->pqrs", two, c, c, c, c, optimize=True)
    width = 2 * atoms
    lower = [lowering(q, width) for q in range(width)]
    moves = {
        (p, q): SparsePauliOp.sum(
            [lower[p + spin].adjoint() @ lower[q + spin] for spin in (0, atoms)]
        ).simplify()
        for p, q in itertools.product(range(atoms), repeat=2)
    }
    parts = [SparsePauliOp("I" * width, nuclei)]
    for p, q in moves:
        parts.append((one[p, q] - 0.5 * np.einsum("rr", two[p, :, :, q])) * moves[p, q])
        right = SparsePauliOp.sum([two[p, q, r, s] * moves[r, s] for r, s in moves])
        parts.append(0.5 * (moves[p, q] @ right.simplify()))
    return SparsePauliOp.sum(parts).simplify(1e-10)
