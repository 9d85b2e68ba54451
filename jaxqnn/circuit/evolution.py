"""exp(-i t H) of a sum of Pauli strings, exactly.

Strings that commute with all others are rotations of their own. Of the rest, each set of strings
linked by anticommuting neighbours is diagonalised on the qubits it acts on: with H = V E V^dagger,
exp(-i t H) = V exp(-i t E) V^dagger is a constant block, a phase polynomial linear in the time, and
a block again. So the time may be any expression, and its derivative is that of the exact evolution,
not of a product formula.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import Operator, SparseObservable, SparsePauliOp

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.diagonals import diagonal
from jaxqnn.circuit.modifiers import Lowering
from jaxqnn.circuit.operations import Block, Operation, PauliRotation
from jaxqnn.errors import UnsupportedCircuitError

WIDEST_BLOCK = 10
"""Qubits of the widest dense matrix that is formed; its two blocks take 64 MiB."""

# A Pauli string on a gate's own qubits: the masks of its X and Z parts, and its coefficient.
_Term = tuple[int, int, float]


def evolution(gate: PauliEvolutionGate, time: Angle, qubits: Sequence[int], where: str) -> Lowering:
    """Lowers a PauliEvolutionGate.

    Args:
        gate: The gate; several operators in it are one sum, as in its ``to_matrix``.
        time: The gate's time as an angle.
        qubits: The circuit's qubits the gate acts on.
        where: Names the place for error messages.

    Returns:
        The operations and their phase.

    Raises:
        UnsupportedCircuitError: If strings that do not commute are linked over too many qubits.
    """
    operations: list[Operation] = []
    phase = Angle()
    for cluster in _clusters(_summed(gate)):
        found, extra = _cluster(cluster, time, qubits, where)
        operations += found
        phase += extra
    return operations, phase


def hamiltonian(
    matrix: NDArray[np.complexfloating], time: Angle, qubits: Sequence[int], where: str
) -> Lowering:
    """exp(-i time matrix), of a Hermitian matrix whose lowest bit is the first qubit."""
    if len(qubits) > WIDEST_BLOCK:
        raise UnsupportedCircuitError(
            f"{where} evolves {len(qubits)} qubits under a dense matrix; the exact exponential is "
            f"formed for up to {WIDEST_BLOCK}. Use a PauliEvolutionGate if the matrix is a sum of "
            "few Pauli strings."
        )
    if len(qubits) == 1:
        terms = _terms(SparsePauliOp.from_operator(Operator(matrix), atol=0.0, rtol=0.0))
        turned = _one_qubit([term for term in terms if term[0] | term[1]], time, qubits[0])
        return turned, time.scaled(-float(np.trace(matrix).real) / 2)
    return _diagonalised(*np.linalg.eigh(matrix), time, tuple(qubits))


def _summed(gate: PauliEvolutionGate) -> SparsePauliOp:
    parts = gate.operator if isinstance(gate.operator, list) else [gate.operator]
    strings = [
        SparsePauliOp.from_sparse_observable(part) if isinstance(part, SparseObservable) else part
        for part in parts
    ]
    # Qiskit would drop terms below 1e-8.
    return SparsePauliOp.sum([SparsePauliOp(part) for part in strings]).simplify(atol=0.0, rtol=0.0)


def _clusters(operator: SparsePauliOp) -> Iterator[list[_Term]]:
    """The terms, those together that are linked by a chain of anticommuting neighbours."""
    x, z = operator.paulis.x.astype(np.int64), operator.paulis.z.astype(np.int64)
    linked = (x @ z.T + z @ x.T) % 2 == 1
    terms = _terms(operator)
    left = set(range(len(operator)))
    while left:
        cluster, border = [], [min(left)]
        left.discard(border[0])
        while border:
            i = border.pop()
            cluster.append(i)
            near = left.intersection(np.flatnonzero(linked[i]).tolist())
            border += near
            left -= near
        yield [terms[i] for i in cluster]


def _terms(operator: SparsePauliOp) -> list[_Term]:
    """The masks and coefficients of all strings."""
    return [
        (_mask(x), _mask(z), float(np.real(coefficient)))
        for x, z, coefficient in zip(
            operator.paulis.x, operator.paulis.z, operator.coeffs, strict=True
        )
    ]


def _mask(bits: NDArray[np.integer | np.bool_]) -> int:
    return sum(1 << int(i) for i in np.flatnonzero(bits))


def _cluster(terms: list[_Term], time: Angle, qubits: Sequence[int], where: str) -> Lowering:
    if len(terms) == 1:
        ((x, z, coefficient),) = terms
        if not x | z:
            return [], time.scaled(-coefficient)
        return [_rotation(x, z, time.scaled(2.0 * coefficient), qubits)], Angle()
    support = _bits(_union(terms))
    if len(support) == 1:
        return _one_qubit(terms, time, qubits[support[0]]), Angle()
    if len(support) > WIDEST_BLOCK:
        raise UnsupportedCircuitError(
            f"{where} evolves under terms that do not commute and are linked over {len(support)} "
            f"qubits; the exact exponential is formed for up to {WIDEST_BLOCK}. Replace the gate "
            "by its definition (circuit.decompose()), which fixes the product formula you mean, "
            "or split the operator into sums of commuting terms."
        )
    local = tuple((_gathered(x, support), _gathered(z, support), c) for x, z, c in terms)
    return _diagonalised(*_eigen(local, len(support)), time, tuple(qubits[bit] for bit in support))


def _diagonalised(
    energies: NDArray[np.float64],
    vectors: NDArray[np.complexfloating],
    time: Angle,
    on: tuple[int, ...],
) -> Lowering:
    """exp(-i t V E V^dagger): a block, a phase polynomial linear in the time, and a block."""
    if time.is_constant:
        turned = np.exp(-1j * time.terms.get((), 0.0) * energies)
        return [Block(on, (vectors * turned) @ vectors.conj().T)], Angle()
    middle, phase = diagonal(-energies, on, time)
    return [Block(on, vectors.conj().T), *middle, Block(on, vectors)], phase


def _one_qubit(terms: list[_Term], time: Angle, qubit: int) -> list[Operation]:
    """exp(-i t r n.sigma): Z turned to the unit vector n, a rotation about it, and back."""
    vector = dict.fromkeys(((1, 0), (1, 1), (0, 1)), 0.0)
    for x, z, coefficient in terms:
        vector[int(x > 0), int(z > 0)] += coefficient
    a, b, c = vector.values()
    bit = 1 << qubit
    polar = Angle.constant(math.atan2(math.hypot(a, b), c))
    azimuth = Angle.constant(math.atan2(b, a))
    return [
        PauliRotation(0, bit, -azimuth),
        PauliRotation(bit, bit, -polar),
        PauliRotation(0, bit, time.scaled(2.0 * math.hypot(a, b, c))),
        PauliRotation(bit, bit, polar),
        PauliRotation(0, bit, azimuth),
    ]


@lru_cache(maxsize=32)
def _eigen(
    terms: tuple[_Term, ...], num_qubits: int
) -> tuple[NDArray[np.float64], NDArray[np.complexfloating]]:
    """Eigenvalues and eigenvectors of the terms' sum."""
    labels = np.arange(1 << num_qubits)
    matrix = np.zeros((labels.size, labels.size), complex)
    for x, z, coefficient in terms:
        signs = 1 - 2 * (np.bitwise_count(labels & z) & 1).astype(int)
        # P = i^|x & z| X^x Z^z takes label l to l xor x.
        matrix[labels ^ x, labels] += coefficient * 1j ** (x & z).bit_count() * signs
    energies, vectors = np.linalg.eigh(matrix)
    return energies, vectors


def _rotation(x: int, z: int, angle: Angle, qubits: Sequence[int]) -> PauliRotation:
    return PauliRotation(_scattered(x, qubits), _scattered(z, qubits), angle)


def _scattered(mask: int, qubits: Sequence[int]) -> int:
    return sum(1 << qubits[bit] for bit in _bits(mask))


def _gathered(mask: int, support: Sequence[int]) -> int:
    return sum(1 << i for i, bit in enumerate(support) if mask >> bit & 1)


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


def _union(terms: Sequence[_Term]) -> int:
    total = 0
    for x, z, _ in terms:
        total |= x | z
    return total
