"""Qiskit observables as measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import Operator, Pauli, SparseObservable, SparsePauliOp
from qiskit.quantum_info.operators.base_operator import BaseOperator

from jaxqnn.engine.measurement import Measurement
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.measure.outcomes import Diagonal, PauliSums
from jaxqnn.program.build import CircuitProgram
from jaxqnn.program.frames import parity

# Imaginary parts below this, relative to the largest coefficient, are rounding.
_NEGLIGIBLE = 1e-12
_CHUNK = 16

# Up to this width a diagonal observable is one number for each label; beyond, its strings are kept.
TABULATED_QUBITS = 20

Observable: TypeAlias = BaseOperator | SparseObservable | str
Observables: TypeAlias = Observable | Sequence[Observable]


def as_sums(observables: Observables | None, num_qubits: int) -> tuple[SparsePauliOp, ...]:
    """Checks observables and brings them to one form.

    Args:
        observables: One or several of SparsePauliOp, SparseObservable, Pauli, Operator or a label
            such as "ZZ"; None for Z on every qubit.
        num_qubits: The circuit's width.

    Returns:
        Each observable as a simplified Hermitian SparsePauliOp.

    Raises:
        InvalidArgumentError: If there is none, or one has the wrong width or is not Hermitian.
    """
    if observables is None:
        return (SparsePauliOp("Z" * num_qubits),)
    found = tuple(listed(observables))
    if not found:
        raise InvalidArgumentError(
            "The list of observables is empty. Pass at least one, or None for Z...Z."
        )
    return tuple(_as_sum(o, i, num_qubits) for i, o in enumerate(found))


def listed(observables: Observables) -> Sequence[Observable]:
    """One observable as a list of one; several as they are.

    Raises:
        InvalidArgumentError: If they are neither.
    """
    # A SparseObservable and a label are sequences too, of terms and of letters.
    if isinstance(observables, BaseOperator | SparseObservable | str):
        return (observables,)
    if not isinstance(observables, Sequence | np.ndarray):
        raise InvalidArgumentError(
            f"observables is a {type(observables).__name__}. Pass a SparsePauliOp, a "
            "SparseObservable, a Pauli, an Operator, or a list of them."
        )
    return cast(Sequence[Observable], observables)


def with_numbers(observable: SparsePauliOp) -> SparsePauliOp | None:
    """The observable with complex coefficients, whatever they are kept as; None if one is unbound.

    Assigning parameters may leave an array of objects, each of which is a number.
    """
    if observable.coeffs.dtype != object:
        return observable
    try:
        coefficients = np.array([complex(value) for value in observable.coeffs])
    except TypeError:
        return None
    return SparsePauliOp(observable.paulis, coefficients)


def _as_sum(observable: Observable, position: int, num_qubits: int) -> SparsePauliOp:
    where = f"Observable {position}"
    try:
        if isinstance(observable, SparsePauliOp | Pauli | str):
            found = SparsePauliOp(observable)
        elif isinstance(observable, SparseObservable):
            found = SparsePauliOp.from_sparse_observable(observable)
        else:
            found = SparsePauliOp.from_operator(Operator(observable), atol=0.0, rtol=0.0)
    except Exception as error:
        raise InvalidArgumentError(
            f"{where}, a {type(observable).__name__}, cannot be read as a sum of Pauli strings: "
            f"{error} Pass a SparsePauliOp, a SparseObservable, a Pauli or an Operator."
        ) from error
    if found.num_qubits != num_qubits:
        raise InvalidArgumentError(
            f"{where} acts on {found.num_qubits} qubits, but the circuit has {num_qubits}. "
            "For a transpiled circuit, use observable.apply_layout(circuit.layout)."
        )
    bound = with_numbers(found)
    if bound is None:
        raise InvalidArgumentError(f"{where} has coefficients with parameters; bind them first.")
    # Qiskit would drop terms below 1e-8.
    found = bound.simplify(atol=0.0, rtol=0.0)
    coefficients = np.asarray(found.coeffs, complex)
    largest = float(np.max(np.abs(coefficients)))
    if not np.all(np.abs(coefficients.imag) <= _NEGLIGIBLE * largest):
        index = int(np.argmax(np.abs(coefficients.imag)))
        raise InvalidArgumentError(
            f"{where} is not Hermitian: its term {found.paulis[index].to_label()} has the "
            f"coefficient {coefficients[index]}. An expectation value is real only for real "
            "coefficients: pass the Hermitian part, (O + O.adjoint()) / 2."
        )
    return found


def expectation(built: CircuitProgram, sums: Sequence[SparsePauliOp]) -> Measurement:
    """The measurement of checked observables on a circuit's final state."""
    terms = [list(_on_labels(built, o)) for o in sums]
    diagonal = all(shift == 0 for strings in terms for shift, _, _ in strings)
    if diagonal and built.program.num_qubits <= TABULATED_QUBITS:
        return Diagonal(np.stack([_diagonal(strings, built) for strings in terms]))
    # A state this wide fits no machine, but what it would take can be asked for.
    wide = built.program.num_qubits > np.iinfo(np.uint32).bits
    return _in_chunks(terms, np.uint64 if wide else np.uint32)


def strings(built: CircuitProgram, sums: Sequence[SparsePauliOp]) -> PauliSums:
    """The same as Pauli strings, their masks of 64 bits: no array of the state's size."""
    return _in_chunks([list(_on_labels(built, o)) for o in sums], np.uint64)


_String = tuple[int, int, complex]  # shift, mask, coefficient


def _on_labels(built: CircuitProgram, observable: SparsePauliOp) -> list[_String]:
    """The strings as they act on final labels; those that vanish on idle qubits are left out."""
    frame, flips = built.program.frame, built.program.flips
    # Qubits beyond the circuit's own, of measurements on the way, are averaged over.
    places = [i for i, qubit in enumerate(built.qubits) if qubit < built.width]
    active = [built.qubits[i] for i in places]
    idle = np.ones(built.width, np.bool_)
    idle[active] = False
    found = []
    for pauli, coefficient in zip(observable.paulis, observable.coeffs, strict=True):
        if np.any(pauli.x & idle):
            continue  # <0|X|0> = 0
        shift = mask = weight = sign = 0
        for place, x, z in zip(places, pauli.x[active], pauli.z[active], strict=True):
            if x:
                shift ^= frame.columns[place]
            if z:
                mask ^= frame.rows[place]
                sign ^= flips >> place & 1
            weight += bool(x and z)
        # P = i^weight X^x Z^z; Z acts first, on the label before the shift.
        factor = complex(coefficient.real) * 1j**weight * (-1) ** (sign ^ parity(mask & shift))
        found.append((shift, mask, factor))
    return found


def _diagonal(strings: Sequence[_String], built: CircuitProgram) -> NDArray[np.float64]:
    labels = np.arange(1 << built.program.num_qubits, dtype=np.uint32)
    total = np.zeros(labels.shape)
    for _, mask, coefficient in strings:
        odd = np.bitwise_count(labels & np.uint32(mask)) & 1
        total += coefficient.real * (1.0 - 2.0 * odd)
    return total


def _in_chunks(
    terms: Sequence[Sequence[_String]], dtype: type[np.unsignedinteger] = np.uint32
) -> PauliSums:
    masks, coefficients, shifts, outputs, counts = [], [], [], [], []
    for output, strings in enumerate(terms):
        by_shift: dict[int, list[_String]] = {}
        for string in strings:
            by_shift.setdefault(string[0], []).append(string)
        for shift, group in by_shift.items():
            for begin in range(0, len(group), _CHUNK):
                part = group[begin : begin + _CHUNK]
                missing = _CHUNK - len(part)
                masks.append([mask for _, mask, _ in part] + [0] * missing)
                coefficients.append([[c.real, c.imag] for _, _, c in part] + [[0.0, 0.0]] * missing)
                shifts.append(shift)
                outputs.append(output)
                counts.append(len(part))
    return PauliSums(
        np.array(masks, dtype),
        np.array(coefficients),
        np.array(shifts, dtype),
        np.array(outputs, np.int32),
        np.array(counts, np.int32),
        len(terms),
    )
