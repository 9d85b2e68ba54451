"""Qiskit's parameter expressions, read as polynomials or compiled to JAX.

``Expressions`` is filled while a circuit is lowered: each ``ParameterExpression`` comes back as an
``Angle``.  It is read from its text (see ``formulas``), since that is all that every version of
Qiskit 2 says about an expression's structure.  What is no polynomial of degree two becomes an atom;
``atom_function`` evaluates all atoms at once, tracing one JAX expression per *shape* (the
expression with its parameters and its numbers renamed in order), not one per gate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from qiskit.circuit import Parameter, ParameterExpression

from jaxqnn.circuit.angles import Angle, Atom
from jaxqnn.circuit.arrays import array_function
from jaxqnn.circuit.formulas import Formula, Number, evaluate, read
from jaxqnn.circuit.polynomials import NUMBERS, NotReal, polynomial
from jaxqnn.errors import JaxQNNError

# Where an expression with the imaginary unit is tried: it is refused if it is real nowhere.
_PROBES = (-3.1, -0.57, 0.33, 0.91, 4.7)


class Expressions:
    """Turns parameter expressions into angles over one fixed order of parameters.

    Args:
        parameters: All parameters, in the order of their columns. They are told apart by identity
            (Qiskit's UUID), never by name.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self._column = {parameter: i for i, parameter in enumerate(self.parameters)}
        self._atoms: dict[Atom, int] = {}

    @property
    def num_columns(self) -> int:
        """Parameters and atoms together."""
        return len(self.parameters) + len(self._atoms)

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atoms found so far, in the order of their columns."""
        return tuple(self._atoms)

    def angle(self, value: float | ParameterExpression, where: str) -> Angle:
        """Reads a gate's parameter.

        Args:
            value: A number or an expression.
            where: Names the place for error messages.

        Returns:
            The angle over this object's columns.

        Raises:
            JaxQNNError: If the value is complex, not finite, or has a parameter that was given
                neither as an input nor as a weight.
        """
        if not isinstance(value, ParameterExpression):
            return Angle.constant(_real(value, where))
        if isinstance(value, Parameter):
            return Angle.column(self._index(value, where))
        if not value.parameters:
            return Angle.constant(_real(complex(value), where))
        columns = sorted((self._index(p, where), p) for p in value.parameters)
        try:
            text, constants = _without_numbers(_text(value, [p for _, p in columns]))
        except RecursionError:
            raise JaxQNNError(
                f"{where}: an expression is nested too deep for this version of Qiskit. Install "
                "Qiskit 2.2 or later, or write it with fewer steps within each other."
            ) from None
        indices = tuple(index for index, _ in columns)
        try:
            formula = read(text)
            terms = polynomial(formula, indices, constants)
        except NotReal:
            raise _not_real(value, where) from None
        except (ArithmeticError, ValueError) as error:
            raise JaxQNNError(
                f"{where}: the expression {value} cannot be read: {error}. Use Qiskit's "
                "functions, sums, products, quotients and powers of real numbers."
            ) from error
        if terms is not None:
            if not all(map(math.isfinite, terms.values())):
                raise JaxQNNError(
                    f"{where}: the expression {value} has a number that is not finite. Leave it "
                    "out."
                )
            return Angle(terms)
        if _is_nowhere_real(formula, len(indices), constants):
            raise _not_real(value, where)
        return Angle.column(self._atom(Atom(text, indices, constants)))

    def _index(self, parameter: Parameter, where: str) -> int:
        try:
            return self._column[parameter]
        except KeyError:
            raise JaxQNNError(
                f"{where}: parameter {parameter.name!r} is neither an input nor a weight. "
                "Pass it in input_params or weight_params, or bind it."
            ) from None

    def _atom(self, atom: Atom) -> int:
        return len(self.parameters) + self._atoms.setdefault(atom, len(self._atoms))


def atom_function(
    atoms: Sequence[Atom],
) -> Callable[[jax.Array], jax.Array]:
    """The JAX function from parameters (..., P) to the values of the atoms (..., len(atoms))."""
    groups: dict[str, list[int]] = {}
    for position, atom in enumerate(atoms):
        groups.setdefault(atom.shape, []).append(position)
    order = np.argsort([position for members in groups.values() for position in members])
    gathered = []
    for shape, members in groups.items():
        columns = np.array([atoms[position].columns for position in members])
        constants = np.array([atoms[position].constants for position in members])
        gathered.append((array_function(read(shape)), columns.T, constants.T))

    def values_of(parameters: jax.Array) -> jax.Array:
        values = []
        for function, columns, constants in gathered:
            shape = (*parameters.shape[:-1], columns.shape[1])
            places = [parameters[..., column] for column in columns]
            numbers = [
                jnp.broadcast_to(jnp.asarray(row, parameters.dtype), shape) for row in constants
            ]
            values.append(jnp.broadcast_to(function(places, numbers), shape))
        return jnp.concatenate(values, axis=-1)[..., order]

    return values_of


# A number that is no power, since x**2 is more exact than x**c0, and has no imaginary unit.
_NUMBER = re.compile(
    r"(?<![\w.])(?<!\*\*)(?<!\*\*\()(?<!\*\*\(-)(?<!e-)(?<!e\+)"
    r"\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])"
)


def _without_numbers(text: str) -> tuple[str, tuple[float, ...]]:
    """An expression with its numbers renamed c0, c1, ..., and the numbers."""
    constants: list[float] = []

    def rename(found: re.Match[str]) -> str:
        constants.append(float(found.group()))
        return f"c{len(constants) - 1}"

    return _NUMBER.sub(rename, text), tuple(constants)


def _text(value: ParameterExpression, parameters: Sequence[Parameter]) -> str:
    """An expression with its parameters renamed p0, p1, ..., whatever they are called."""
    renamed = value.subs({p: _placeholder(i) for i, p in enumerate(parameters)})
    return str(renamed) if _prints_exactly() else _by_sympy(renamed)


@lru_cache(maxsize=1024)
def _placeholder(index: int) -> Parameter:
    return Parameter(f"p{index}")


@cache
def _prints_exactly() -> bool:
    """Whether Qiskit's text can be trusted: 2.0 prints 15 digits, and 2.1 cancels too much."""
    x, y = _placeholder(0), _placeholder(1)
    return repr(1 / 3) in str(x * (1 / 3)) and "/" in str((y / x) / (x * y))


def _by_sympy(value: ParameterExpression) -> str:
    """The same for those versions; SymPy takes half a second to import and long to print."""
    import sympy
    from sympy.printing.str import StrPrinter

    class Printer(StrPrinter):
        def _print_Float(self, number: Any) -> str:
            return repr(float(number))

    return str(Printer().doprint(sympy.sympify(value.sympify())))


def _not_real(value: ParameterExpression, where: str) -> JaxQNNError:
    return JaxQNNError(
        f"{where}: the expression {value} is not real. Angles must be real numbers: take its "
        "modulus, or write it without the imaginary unit."
    )


def _is_nowhere_real(formula: Formula, arity: int, constants: Sequence[float]) -> bool:
    """Whether an expression with the imaginary unit is complex wherever it is tried.

    An error at once for what would be NaN at run time; what is real somewhere stays what it is.
    """
    if not any(isinstance(step, Number) and isinstance(step.value, complex) for step in formula):
        return False
    for probe in _PROBES:
        columns: list[complex] = [probe * (1 + i / 7) for i in range(arity)]
        try:
            found: complex = evaluate(formula, NUMBERS, columns, list[complex](constants))
        except (ArithmeticError, ValueError):
            continue
        if abs(found.imag) <= 1e-9 * max(1.0, abs(found)):
            return False
    return True


def _real(value: complex, where: str) -> float:
    number = complex(value)
    if not (math.isfinite(number.real) and math.isfinite(number.imag)):
        raise JaxQNNError(f"{where}: the angle {value} is not finite. Bind a finite number.")
    if abs(number.imag) > 1e-12 * max(1.0, abs(number.real)):
        raise JaxQNNError(f"{where}: the angle {value} is complex. Angles must be real numbers.")
    return number.real
