"""Qiskit's parameter expressions, read as polynomials or compiled to JAX.

``Expressions`` is filled while a circuit is lowered: each ``ParameterExpression`` comes back as an
``Angle``.  What is no polynomial of degree two becomes an atom; ``atom_function`` evaluates all
atoms at once, tracing one JAX expression per *shape* (the expression with its parameters renamed
in order), not one per gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from qiskit.circuit import Parameter, ParameterExpression
from sympy.parsing.sympy_parser import parse_expr
from sympy.printing.numpy import JaxPrinter

from jaxqnn.circuit.angles import Angle, Monomial
from jaxqnn.errors import JaxQNNError

# Where a claimed polynomial is compared with its expression. Both signs, so that abs and sign,
# whose derivatives are locally constant, are not taken for polynomials.
_PROBES = ((0.7310585, -1.3862943, 2.2360679), (-0.5772156, 0.6931471, -1.7724538))
_AGREEMENT = 1e-10

# Qiskit's names of functions, as SymPy knows them.
_FUNCTIONS = {
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "exp": sympy.exp,
    "log": sympy.log,
    "abs": sympy.Abs,
    "sign": sympy.sign,
    # Parameters are real, so a conjugate is the parameter itself.
    "conj": lambda argument: argument,
    "conjugate": lambda argument: argument,
    "I": sympy.I,
}


class Expressions:
    """Turns parameter expressions into angles over one fixed order of parameters.

    Args:
        parameters: All parameters, in the order of their columns. They are told apart by identity
            (Qiskit's UUID), never by name.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self._column = {parameter: i for i, parameter in enumerate(self.parameters)}
        self._atoms: dict[tuple[str, tuple[int, ...]], int] = {}

    @property
    def num_columns(self) -> int:
        """Parameters and atoms together."""
        return len(self.parameters) + len(self._atoms)

    @property
    def atoms(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Each atom as (shape, columns of the parameters p0, p1, ... in that shape)."""
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
        columns = {parameter: self._index(parameter, where) for parameter in value.parameters}
        terms = _polynomial(value, columns)
        if terms is None:
            return Angle.column(self._atom(value, columns, where))
        return Angle(terms)

    def _index(self, parameter: Parameter, where: str) -> int:
        try:
            return self._column[parameter]
        except KeyError:
            raise JaxQNNError(
                f"{where}: parameter {parameter.name!r} is neither an input nor a weight. "
                "Pass it in input_params or weight_params, or bind it."
            ) from None

    def _atom(
        self, value: ParameterExpression, columns: Mapping[Parameter, int], where: str
    ) -> int:
        ordered = sorted(columns, key=lambda parameter: columns[parameter])
        shape = str(value.subs({p: Parameter(f"p{i}") for i, p in enumerate(ordered)}))
        _compiled(shape, len(ordered), where)  # a wrong expression fails here, not in a trace
        key = (shape, tuple(columns[p] for p in ordered))
        return len(self.parameters) + self._atoms.setdefault(key, len(self._atoms))


def atom_function(
    atoms: Sequence[tuple[str, tuple[int, ...]]],
) -> Callable[[jax.Array], jax.Array]:
    """The JAX function from parameters (..., P) to the values of the atoms (..., len(atoms))."""
    groups: dict[str, list[int]] = {}
    for position, (shape, _) in enumerate(atoms):
        groups.setdefault(shape, []).append(position)
    order = np.argsort([position for members in groups.values() for position in members])
    gathered = [
        (
            _compiled(shape, len(atoms[members[0]][1]), "expression"),
            np.array([atoms[position][1] for position in members]),
        )
        for shape, members in groups.items()
    ]

    def evaluate(parameters: jax.Array) -> jax.Array:
        values = [
            jnp.broadcast_to(
                function(*(parameters[..., columns[:, i]] for i in range(columns.shape[1]))),
                (*parameters.shape[:-1], columns.shape[0]),
            )
            for function, columns in gathered
        ]
        return jnp.concatenate(values, axis=-1)[..., order]

    return evaluate


@lru_cache(maxsize=1024)
def _compiled(shape: str, arity: int, where: str) -> Callable[..., jax.Array]:
    """One expression shape in p0, p1, ... as a function of that many arrays."""
    # Qiskit prints its expressions in Python's syntax with its own names of functions; sympify()
    # is slower and fails on powers such as 2**x.
    symbols = {f"p{i}": sympy.Symbol(f"p{i}", real=True) for i in range(arity)}
    expression = parse_expr(shape, local_dict={**_FUNCTIONS, **symbols})
    if expression.has(sympy.I):
        expression = sympy.re(sympy.expand_complex(expression))
        if expression.has(sympy.I):
            raise JaxQNNError(
                f"{where}: the expression {shape!r} is not real. Angles must be real numbers."
            )
    return sympy.lambdify(list(symbols.values()), expression, modules="jax", printer=JaxPrinter)


def _real(value: complex, where: str) -> float:
    number = complex(value)
    if not (math.isfinite(number.real) and math.isfinite(number.imag)):
        raise JaxQNNError(f"{where}: the angle {value} is not finite. Bind a finite number.")
    if abs(number.imag) > 1e-12 * max(1.0, abs(number.real)):
        raise JaxQNNError(f"{where}: the angle {value} is complex. Angles must be real numbers.")
    return number.real


def _polynomial(
    value: ParameterExpression, columns: Mapping[Parameter, int]
) -> dict[Monomial, float] | None:
    """The terms of a polynomial of degree two, or None if the expression is something else."""
    origin = dict.fromkeys(columns, 0.0)
    terms: dict[Monomial, float] = {}
    try:
        terms[()] = _at(value, origin)
        for parameter, column in columns.items():
            slope = value.gradient(parameter)
            if not isinstance(slope, ParameterExpression):
                terms[(column,)] = _number(slope)
                continue
            terms[(column,)] = _at(slope, origin)
            for other in slope.parameters:
                curvature = slope.gradient(other)
                if isinstance(curvature, ParameterExpression):
                    return None
                factor = 0.5 if other == parameter else 1.0
                monomial = tuple(sorted((column, columns[other])))
                terms[monomial] = factor * _number(curvature)
        for probe in _PROBES:
            point = {p: probe[i % 3] * (1 + i // 3) for i, p in enumerate(columns)}
            by_column = {columns[p]: v for p, v in point.items()}
            fitted = sum(c * math.prod(by_column[i] for i in m) for m, c in terms.items())
            exact = _at(value, point)
            if not abs(fitted - exact) <= _AGREEMENT * max(1.0, abs(exact)):
                return None
    except (RuntimeError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        # Qiskit raises these where an expression has no derivative (sign) or no value at a point.
        return None
    return {monomial: c for monomial, c in terms.items() if c != 0.0}


def _at(value: ParameterExpression, point: Mapping[Parameter, float]) -> float:
    used = {p: v for p, v in point.items() if p in value.parameters}
    return _number(value.bind(used))


def _number(value: object) -> float:
    number = complex(value)  # type: ignore[call-overload]
    if number.imag or not math.isfinite(number.real):
        raise ValueError("not a real number")
    return number.real
