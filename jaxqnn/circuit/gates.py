"""Qiskit's gates as primitive operations, one row a gate.

A row takes the gate's angles and qubits and lists the operations it stands for, in the order they
act, with the global phase it needs.  A gate without a row is lowered through its Qiskit definition,
so a row is only ever an optimisation: it spares layers.  To add a gate, add a row.

Formulas: ``RZ(t) = exp(-i t/2 Z)``, and the identities of Qiskit's circuit library reference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.operations import ControlledFlip, Flip, Operation, PauliRotation, Swap

_PI = Angle.constant(math.pi)
_HALF_PI = Angle.constant(math.pi / 2)

Row = Callable[..., tuple[list[Operation], Angle]]


def _rx(angle: Angle, qubit: int) -> PauliRotation:
    return PauliRotation(1 << qubit, 0, angle)


def _ry(angle: Angle, qubit: int) -> PauliRotation:
    return PauliRotation(1 << qubit, 1 << qubit, angle)


def _rz(angle: Angle, *qubits: int) -> PauliRotation:
    return PauliRotation(0, sum(1 << q for q in qubits), angle)


def controlled_phase(angle: Angle, qubits: Sequence[int]) -> tuple[list[Operation], Angle]:
    """exp(i angle x1 x2 ... xm) on m qubits as 2^m - 1 parities.

    With x = (1 - s)/2 the product is 2^-m sum_S (-1)^|S| s_S over the subsets S.
    """
    share = angle.scaled(2.0 ** -len(qubits))
    operations: list[Operation] = [
        _rz(share.scaled(-2.0 * (-1) ** size), *subset)
        for size in range(1, len(qubits) + 1)
        for subset in itertools.combinations(qubits, size)
    ]
    return operations, share


def hadamard(qubit: int) -> list[Operation]:
    """H = X RY(pi/2)."""
    return [_ry(_HALF_PI, qubit), Flip(qubit)]


def _u(theta: Angle, phi: Angle, lam: Angle, qubit: int) -> tuple[list[Operation], Angle]:
    return [_rz(lam, qubit), _ry(theta, qubit), _rz(phi, qubit)], (phi + lam).scaled(0.5)


def _r(theta: Angle, phi: Angle, qubit: int) -> tuple[list[Operation], Angle]:
    # A rotation about cos(phi) X + sin(phi) Y: RX turned about Z by phi.
    return [_rz(-phi, qubit), _rx(theta, qubit), _rz(phi, qubit)], Angle()


def _fixed_phase(angle: float) -> Row:
    return lambda *qubits: controlled_phase(Angle.constant(angle), qubits)


def _controlled_rotation(basis: Callable[[int], tuple[int, int]]) -> Row:
    """exp(-i angle/2 x_c P_t) = exp(-i angle/4 P_t) exp(+i angle/4 Z_c P_t)."""

    def row(angle: Angle, control: int, target: int) -> tuple[list[Operation], Angle]:
        x, z = basis(1 << target)
        return [
            PauliRotation(x, z, angle.scaled(0.5)),
            PauliRotation(x, z | 1 << control, angle.scaled(-0.5)),
        ], Angle()

    return row


def _pauli_pair(first: str, second: str) -> Row:
    def row(angle: Angle, a: int, b: int) -> tuple[list[Operation], Angle]:
        letters = ((first, 1 << a), (second, 1 << b))
        x = sum(bit for letter, bit in letters if letter in "XY")
        z = sum(bit for letter, bit in letters if letter in "ZY")
        return [PauliRotation(x, z, angle)], Angle()

    return row


def _xx_yy(sign: int) -> Row:
    """exp(-i theta/4 (XX + sign YY)), turned about Z on one qubit by beta."""

    def row(theta: Angle, beta: Angle, a: int, b: int) -> tuple[list[Operation], Angle]:
        turn = beta if sign > 0 else -beta
        pivot = a if sign > 0 else b
        x, z = 1 << a | 1 << b, 1 << a | 1 << b
        return [
            _rz(turn, pivot),
            PauliRotation(x, 0, theta.scaled(0.5)),
            PauliRotation(x, z, theta.scaled(0.5 * sign)),
            _rz(-turn, pivot),
        ], Angle()

    return row


def _sqrt_x(sign: int) -> Row:
    return lambda q: ([_rx(_HALF_PI.scaled(sign), q)], Angle.constant(sign * math.pi / 4))


def _fixed(row: Callable[..., list[Operation]], phase: float = 0.0) -> Row:
    return lambda *qubits: (row(*qubits), Angle.constant(phase))


def _y(q: int) -> list[Operation]:
    return [_rz(_PI, q), Flip(q)]  # Y = i X Z and Z = i RZ(pi), so Y = -X RZ(pi)


def _cy(control: int, target: int) -> list[Operation]:
    # Y = S X S^dagger, and the phases of S and its inverse cancel.
    return [_rz(-_HALF_PI, target), ControlledFlip(control, target), _rz(_HALF_PI, target)]


def _ch(control: int, target: int) -> tuple[list[Operation], Angle]:
    # H = RY(pi/4) Z RY(-pi/4)
    eighth = Angle.constant(math.pi / 4)
    flip, phase = controlled_phase(_PI, (control, target))
    return [_ry(-eighth, target), *flip, _ry(eighth, target)], phase


def _csx(sign: int) -> Row:
    # SX = H S H
    def row(control: int, target: int) -> tuple[list[Operation], Angle]:
        turn, phase = controlled_phase(_HALF_PI.scaled(sign), (control, target))
        return [*hadamard(target), *turn, *hadamard(target)], phase

    return row


def _ecr(a: int, b: int) -> list[Operation]:
    # Qiskit: ECR = RZX(pi/4), X on the first qubit, RZX(-pi/4), and X turns the sign of the last.
    return [PauliRotation(1 << b, 1 << a, _HALF_PI), Flip(a)]


def _iswap(a: int, b: int) -> list[Operation]:
    # iSWAP = SWAP CZ (S x S): exactly the parity phase exp(i pi/4 (1 - ZZ)) times SWAP
    return [_rz(_HALF_PI, a, b), Swap(a, b)]


def _ccx(*qubits: int) -> tuple[list[Operation], Angle]:
    *_, target = qubits
    turn, phase = controlled_phase(_PI, qubits)
    return [*hadamard(target), *turn, *hadamard(target)], phase


def _cswap(control: int, a: int, b: int) -> tuple[list[Operation], Angle]:
    middle, phase = _ccx(control, a, b)
    return [ControlledFlip(b, a), *middle, ControlledFlip(b, a)], phase


# The name Qiskit gives the instruction -> its row. Rows take the angles first, then the qubits.
GATES: dict[str, Row] = {
    "id": _fixed(lambda q: []),
    "x": _fixed(lambda q: [Flip(q)]),
    "y": _fixed(_y, math.pi),
    "z": _fixed_phase(math.pi),
    "s": _fixed_phase(math.pi / 2),
    "sdg": _fixed_phase(-math.pi / 2),
    "t": _fixed_phase(math.pi / 4),
    "tdg": _fixed_phase(-math.pi / 4),
    "h": _fixed(hadamard),
    "sx": _sqrt_x(1),
    "sxdg": _sqrt_x(-1),
    "rx": lambda t, q: ([_rx(t, q)], Angle()),
    "ry": lambda t, q: ([_ry(t, q)], Angle()),
    "rz": lambda t, q: ([_rz(t, q)], Angle()),
    "p": lambda t, q: controlled_phase(t, (q,)),
    "u1": lambda t, q: controlled_phase(t, (q,)),
    "u2": lambda phi, lam, q: _u(_HALF_PI, phi, lam, q),
    "u3": _u,
    "u": _u,
    "r": _r,
    "cx": _fixed(lambda c, t: [ControlledFlip(c, t)]),
    "cy": _fixed(_cy),
    "cz": _fixed_phase(math.pi),
    "ccz": _fixed_phase(math.pi),
    "cs": _fixed_phase(math.pi / 2),
    "csdg": _fixed_phase(-math.pi / 2),
    "ch": _ch,
    "csx": _csx(1),
    "cp": lambda t, *qubits: controlled_phase(t, qubits),
    "cu1": lambda t, *qubits: controlled_phase(t, qubits),
    "crx": _controlled_rotation(lambda t: (t, 0)),
    "cry": _controlled_rotation(lambda t: (t, t)),
    "crz": _controlled_rotation(lambda t: (0, t)),
    "rxx": _pauli_pair("X", "X"),
    "ryy": _pauli_pair("Y", "Y"),
    "rzz": _pauli_pair("Z", "Z"),
    "rzx": _pauli_pair("Z", "X"),
    "xx_plus_yy": _xx_yy(1),
    "xx_minus_yy": _xx_yy(-1),
    "swap": _fixed(lambda a, b: [Swap(a, b)]),
    "dcx": _fixed(lambda a, b: [ControlledFlip(a, b), ControlledFlip(b, a)]),
    "ecr": _fixed(_ecr),
    "iswap": _fixed(_iswap, math.pi / 4),
    "ccx": _ccx,
    "cswap": _cswap,
}
