"""Qiskit's parameter expressions, read as polynomials or compiled to JAX.

``Expressions`` is filled while a circuit is lowered: each ``ParameterExpression`` comes back as an
``Angle``.  What is no polynomial of degree two becomes an atom; ``atom_function`` evaluates all
atoms at once, tracing one JAX expression per *shape* (the expression with its parameters and its
numbers renamed in order), not one per gate.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from qiskit.circuit import Parameter, ParameterExpression

from jaxqnn.circuit.angles import Angle, Atom, Monomial
from jaxqnn.errors import JaxQNNError

# Where a claimed polynomial is compared with its expression. Both signs, so that abs and sign,
# whose derivatives are locally constant, are not taken for polynomials.
_PROBES = ((0.7310585, -1.3862943, 2.2360679), (-0.5772156, 0.6931471, -1.7724538))
_AGREEMENT = 1e-10

# Values alone must agree to rounding, and only few parameters are tried.
_ROUNDING = 2e-15
_FEW = 4


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
        columns = {parameter: self._index(parameter, where) for parameter in value.parameters}
        terms = _polynomial(value, columns)
        if terms is None:
            terms = _interpolated(value, columns)
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
        text = str(value.subs({p: Parameter(f"p{i}") for i, p in enumerate(ordered)}))
        shape, constants = _without_numbers(text)
        if _compiled(shape, len(ordered), len(constants)) is None:
            raise JaxQNNError(
                f"{where}: the expression {value} is not real. Angles must be real numbers: take "
                "its modulus, or write it without the imaginary unit."
            )
        atom = Atom(shape, tuple(columns[p] for p in ordered), constants)
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
        function = _compiled(shape, columns.shape[1], constants.shape[1])
        assert function is not None
        gathered.append((function, columns, constants))

    def evaluate(parameters: jax.Array) -> jax.Array:
        values = [
            jnp.broadcast_to(
                function(
                    *(parameters[..., column] for column in columns.T),
                    *jnp.asarray(constants.T, parameters.dtype),
                ),
                (*parameters.shape[:-1], columns.shape[0]),
            )
            for function, columns, constants in gathered
        ]
        return jnp.concatenate(values, axis=-1)[..., order]

    return evaluate


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


@lru_cache(maxsize=1024)
def _compiled(shape: str, arity: int, num_constants: int) -> Callable[..., jax.Array] | None:
    """One shape as a function of the arrays p0, p1, ..., c0, c1, ...; None if it is not real."""
    # SymPy takes half a second to import, and most circuits have no such expression.
    from jaxqnn.circuit.symbolic import as_jax

    names = [f"p{i}" for i in range(arity)], [f"c{i}" for i in range(num_constants)]
    return as_jax(shape, *names)


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


def _interpolated(
    value: ParameterExpression, columns: Mapping[Parameter, int]
) -> dict[Monomial, float] | None:
    """The same from values alone: Qiskit's derivative of (x - 1)**2 has a logarithm in it."""
    if len(columns) > _FEW:
        return None
    origin = dict.fromkeys(columns, 0.0)

    def at(*steps: tuple[Parameter, float]) -> float:
        return _at(value, {**origin, **dict(steps)})

    try:
        terms: dict[Monomial, float] = {(): at()}
        scale = abs(terms[()])
        for parameter, column in columns.items():
            above, below = at((parameter, 1.0)), at((parameter, -1.0))
            scale = max(scale, abs(above), abs(below))
            terms[(column,)] = (above - below) / 2
            terms[(column, column)] = (above + below) / 2 - terms[()]
        for first, second in itertools.combinations(columns, 2):
            (i, j), both = sorted((columns[first], columns[second])), ((first, 1.0), (second, 1.0))
            known = terms[()] + sum(terms[(c,)] + terms[(c, c)] for c in (i, j))
            terms[(i, j)] = at(*both) - known
        for probe in _PROBES:
            point = {p: probe[i % 3] * (1 + i // 3) for i, p in enumerate(columns)}
            by_column = {columns[p]: v for p, v in point.items()}
            fitted = sum(c * math.prod(by_column[i] for i in m) for m, c in terms.items())
            exact = _at(value, point)
            if not abs(fitted - exact) <= _ROUNDING * max(scale, abs(exact)):
                return None
    except (RuntimeError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return {monomial: c for monomial, c in terms.items() if abs(c) > _ROUNDING * scale}


def _at(value: ParameterExpression, point: Mapping[Parameter, float]) -> float:
    used = {p: v for p, v in point.items() if p in value.parameters}
    return _number(value.bind(used))


def _number(value: object) -> float:
    number = complex(value)  # type: ignore[call-overload]
    if number.imag or not math.isfinite(number.real):
        raise ValueError("not a real number")
    return number.real
