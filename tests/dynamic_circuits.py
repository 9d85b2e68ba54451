"""Circuits on three qubits that measure, reset and decide on the way, each in a way of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from oracles import Case
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import CRYGate, UnitaryGate
from qiskit.quantum_info import random_unitary
from qiskit_machine_learning.circuit.library import raw_feature_vector

Make = Callable[[QuantumCircuit], object]

X, W = ParameterVector("x", 2), ParameterVector("w", 2)


def start() -> QuantumCircuit:
    """Three qubits, entangled, and three classical bits c."""
    circuit = QuantumCircuit(3, 3)
    circuit.ry(X[0], 0)
    circuit.ry(W[0], 1)
    circuit.rx(X[1], 2)
    circuit.cx(0, 1)
    circuit.rzz(W[1], 1, 2)
    return circuit


def active_reset(c: QuantumCircuit) -> None:
    c.measure(0, 0)
    with c.if_test((c.clbits[0], 1)):
        c.x(0)
    c.ry(W[1], 0)


def _both_branches(c: QuantumCircuit) -> None:
    c.measure([0, 1], [0, 1])
    with c.if_test((c.cregs[0], 2)) as otherwise:
        c.u(W[0], 0.3, X[1], 2)
        c.global_phase += 0
    with otherwise:
        c.h(2)
        c.crx(X[0], 2, 0)


def _nested(c: QuantumCircuit) -> None:
    c.measure([0, 1], [0, 1])
    with c.if_test((c.clbits[0], 1)) as otherwise:
        c.rx(W[1], 2)
        with c.if_test((c.clbits[1], 0)) as inner:
            c.ry(X[0] * W[0], 2)
            c.measure(2, 1)
        with inner:
            c.reset(1)
    with otherwise:
        c.cx(2, 1)
    c.h(1)
    with c.if_test((c.clbits[1], 1)):
        c.sx(0)


def _conditional_measurement(c: QuantumCircuit) -> None:
    """Into a bit that its own condition reads, of a qubit that goes on."""
    c.measure(0, 0)
    with c.if_test((c.clbits[0], 1)):
        c.h(0)
        c.measure(0, 0)
        c.measure(2, 1)
    c.ry(W[0], 0)
    c.h(2)


def _rewritten(c: QuantumCircuit) -> None:
    """A bit that has a value, measured again in a branch that another bit decides."""
    c.measure([0, 1], [0, 1])
    with c.if_test((c.clbits[0], 1)):
        c.measure(2, 1)
    with c.if_test((c.clbits[1], 1)):
        c.ry(W[0], 0)


def _beside(c: QuantumCircuit) -> None:
    """The measured qubit takes part in what its own outcome decides, and keeps its value."""
    c.measure(0, 0)
    with c.if_test((c.clbits[0], 1)):
        c.append(UnitaryGate(CRYGate(0.7).to_matrix()), [0, 1])
    c.ry(W[0], 1)
    c.measure(1, 1)


def _conditional_reset(c: QuantumCircuit) -> None:
    c.measure(0, 0)
    with c.if_test((c.clbits[0], 0)):
        c.reset(1)
        c.reset(0)
    c.h(1)


def _overwritten(c: QuantumCircuit) -> None:
    """The first outcome is read by a branch, the second by the sampler."""
    c.measure(0, 0)
    with c.if_test((c.clbits[0], 1)):
        c.x(2)
    c.h(0)
    c.measure(0, 0)
    c.h(0)
    c.measure(1, 0)


def _expressions(c: QuantumCircuit) -> None:
    c.measure([0, 1, 2], [0, 1, 2])
    c.h([0, 1])
    register = c.cregs[0]
    with c.if_test(expr.logic_or(expr.less(register, 3), expr.equal(register, 6))) as otherwise:
        c.ry(W[1], 0)
    with otherwise:
        c.x(1)
    with c.if_test(expr.bit_xor(c.clbits[0], expr.logic_not(c.clbits[2]))):
        c.rz(X[1], 1)
        c.h(1)


def _shifts(c: QuantumCircuit) -> None:
    """Operations that Aer has not."""
    c.measure([0, 1, 2], [0, 1, 2])
    register = c.cregs[0]
    with c.if_test(expr.index(expr.shift_right(expr.bit_not(register), 1), 0)):
        c.ry(W[0], 0)
    with c.if_test(expr.cast(expr.shift_left(expr.bit_and(register, 3), 1), types.Bool())):
        c.h(1)


def _loop(c: QuantumCircuit) -> None:
    step = Parameter("step")
    with c.for_loop([1, 4, 2], step):
        c.rx(step * W[0] / 3, 0)
        c.measure(0, 0)
        with c.if_test((c.clbits[0], 1)):
            c.ry(X[0], 1)
    with c.for_loop(range(2)):
        c.reset(2)
        c.ry(X[1], 2)


def _switch(c: QuantumCircuit) -> None:
    c.measure([0, 1], [0, 1])
    with c.switch(c.cregs[0]) as case:
        with case(0, 3):
            c.rx(W[0], 2)
        with case(2):
            c.h(2)
        with case(case.DEFAULT):
            c.cx(2, 0)


def _unitaries(c: QuantumCircuit) -> None:
    """Dense matrices and gates with controls, under a condition."""
    c.measure(0, 0)
    with c.if_test((c.clbits[0], 1)):
        c.append(UnitaryGate(random_unitary(4, seed=3)), [1, 2])
        c.ccx(0, 1, 2, ctrl_state=1)
        c.append(UnitaryGate(random_unitary(2, seed=4)), [0])


def _started_again(c: QuantumCircuit) -> None:
    c.initialize([0.6, 0.0, 0.0, 0.8j], [0, 2])
    c.ry(W[0], 0)
    c.measure(0, 0)
    with c.if_test((c.clbits[0], 1)):
        c.initialize([0.28, 0.96], 1)
    c.cx(1, 2)


def _data_again(c: QuantumCircuit) -> None:
    """Amplitudes of data on qubits that were used, after their reset."""
    features = raw_feature_vector(2)
    c.compose(features.assign_parameters([X[0], X[1] + 1.5]), [1], inplace=True)
    c.cx(1, 0)


def _inside(c: QuantumCircuit) -> None:
    inner = QuantumCircuit(2, 1, name="inner")
    inner.h(0)
    inner.measure(0, 0)
    inner.reset(1)
    inner.global_phase = 0.4
    outer = QuantumCircuit(2, 2, name="outer")
    outer.append(inner.to_instruction(), [1, 0], [1])
    outer.cx(0, 1)
    c.append(outer.to_instruction(), [2, 0], [0, 2])
    with c.box():
        c.measure(0, 1)
        c.sx(0)


def _phases(c: QuantumCircuit) -> None:
    """Global phases of branches, which do nothing, and of controlled gates, which do."""
    c.measure(0, 0)
    with c.if_test((c.clbits[0], 1)):
        c.p(W[0], 1)
        c.cp(X[0], 1, 2)
        c.z(0)
    c.h([0, 1, 2])


CIRCUITS: dict[str, Make] = {
    "measured on the way": lambda c: (c.measure(0, 0), c.h(0), c.ry(W[1], 0)),
    "reset": lambda c: (c.reset(1), c.ry(X[0], 1), c.cx(1, 0)),
    "measured and reset": lambda c: (c.measure(1, 2), c.reset(1), c.ry(X[0], 1)),
    "reused": lambda c: [(c.measure(0, i), c.reset(0), c.ry(W[0], 0)) for i in range(3)],
    "only phases afterwards": lambda c: (c.measure(0, 0), c.rz(W[0], 0), c.cz(0, 1)),
    "active reset": active_reset,
    "both branches": _both_branches,
    "nested": _nested,
    "measurement in a branch": _conditional_measurement,
    "measured again in a branch": _rewritten,
    "beside its outcome": _beside,
    "reset in a branch": _conditional_reset,
    "overwritten": _overwritten,
    "expressions": _expressions,
    "shifts": _shifts,
    "loops": _loop,
    "switch": _switch,
    "unitaries": _unitaries,
    "started again": _started_again,
    "data again": _data_again,
    "inside an instruction": _inside,
    "phases": _phases,
}


@lru_cache
def dynamic_case(name: str, *, measure_all: bool = False) -> Case:
    circuit = start()
    CIRCUITS[name](circuit)
    if measure_all:
        circuit.measure_all()
    return Case(circuit, tuple(X), tuple(W))
