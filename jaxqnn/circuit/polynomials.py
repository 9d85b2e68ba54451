"""Formulas that are polynomials of degree two in their columns, by their structure.

A polynomial is what is built from sums, products and whole powers of columns and numbers, and
quotients by numbers. Nothing else is one, whatever its values are.
"""

from __future__ import annotations

import cmath
import operator
from collections.abc import Callable, Sequence

from jaxqnn.circuit.angles import Monomial
from jaxqnn.circuit.formulas import Formula, Rules, evaluate

# A product of sums that is multiplied out rounds as its largest coefficient does.
_LARGEST = 1e4

# How far rounding leaves a real number from the real line.
_ROUNDING = 1e-12


class _Terms(dict[Monomial, complex]):
    """Coefficients by monomial.

    Attributes:
        expanded: Whether a product of sums has been multiplied out.
        shared: Whether a formula may use this very object again.
    """

    expanded = False
    shared = False

    @property
    def is_constant(self) -> bool:
        return not any(self)


class _NoPolynomial(Exception):
    """The formula has a function, a quotient, a power or a degree that polynomials have not."""


class NotReal(Exception):
    """The formula is a number, or a polynomial, that is not real."""


def polynomial(
    formula: Formula, columns: Sequence[int], constants: Sequence[float]
) -> dict[Monomial, float] | None:
    """The terms of a formula, or None if it is no polynomial of degree two.

    Products of sums are multiplied out only where that rounds no more: (x - y)**2 does not come to
    x**2 - 2 x y + y**2 where both are large, and (x - 1e6)**2 is not left with the digits of 1e12.

    Args:
        formula: See ``formulas``.
        columns: What p0, p1, ... are columns of.
        constants: What c0, c1, ... are.

    Raises:
        NotReal: If it is a polynomial, and not real.
        ZeroDivisionError: If a number is divided by zero.
        OverflowError: If a number is too large.
    """
    places = [_Terms({(column,): 1.0}) for column in columns]
    for place in places:
        place.shared = True
    try:
        terms = evaluate(formula, _RULES, places, [_number(c) for c in constants])
    except _NoPolynomial:
        return None
    largest = max(map(abs, terms.values()), default=0.0)
    if terms.expanded and largest > _LARGEST:
        return None
    if any(abs(c.imag) > _ROUNDING * largest for c in terms.values()):
        raise NotReal
    return {monomial: c.real for monomial, c in terms.items() if c.real != 0.0}


def _number(value: complex) -> _Terms:
    return _Terms({(): value})


def _as_number(terms: _Terms) -> complex:
    if not terms.is_constant:
        raise _NoPolynomial
    return terms.get((), 0.0)


def _sum(sign: int) -> Callable[[_Terms, _Terms], _Terms]:
    def total(left: _Terms, right: _Terms) -> _Terms:
        # A long sum is added up in one object, or else its time grows with the square.
        if left.shared:
            left = _Terms(left)
        for monomial, coefficient in right.items():
            left[monomial] = left.get(monomial, 0.0) + sign * coefficient
        left.expanded |= right.expanded
        return left

    return total


def _product(left: _Terms, right: _Terms) -> _Terms:
    found = _Terms()
    found.expanded = left.expanded or right.expanded
    if len(left) > 1 and len(right) > 1:
        # Two sums that may both be far smaller than their terms.
        if not (_is_shift(left) and _is_shift(right)):
            raise _NoPolynomial
        found.expanded = True
    for first, a in left.items():
        for second, b in right.items():
            monomial = tuple(sorted((*first, *second)))
            if len(monomial) > 2:
                raise _NoPolynomial
            found[monomial] = found.get(monomial, 0.0) + a * b
    return found


def _is_shift(terms: _Terms) -> bool:
    """Whether a sum is of one monomial and a number."""
    return len(terms) == 2 and () in terms


def _quotient(left: _Terms, right: _Terms) -> _Terms:
    divisor = _as_number(right)
    found = _Terms({monomial: c / divisor for monomial, c in left.items()})
    found.expanded = left.expanded
    return found


def _power(base: _Terms, exponent: _Terms) -> _Terms:
    power = _as_number(exponent)
    if base.is_constant:
        return _number(_as_number(base) ** power)
    if power == 0:
        return _number(1.0)
    if power == 1:
        return base
    if power == 2:
        return _product(base, base)
    raise _NoPolynomial


def _on_coefficients(function: Callable[[complex], complex]) -> Callable[[_Terms], _Terms]:
    """Columns are real, so the real part of a polynomial is that of its coefficients."""

    def apply(terms: _Terms) -> _Terms:
        found = _Terms({monomial: function(c) for monomial, c in terms.items()})
        found.expanded = terms.expanded
        return found

    return apply


def _on_numbers(function: Callable[[complex], complex]) -> Callable[[_Terms], _Terms]:
    return lambda terms: _number(function(_as_number(terms)))


def _sign(value: complex) -> complex:
    return value / abs(value) if value else 0.0


def _real_where_it_can(function: Callable[[complex], complex]) -> Callable[[complex], complex]:
    """Of real numbers, the real value, if it is one."""

    def apply(value: complex) -> complex:
        found = function(value)
        return found.real if not value.imag and not found.imag else found

    return apply


_PARTS: dict[str, Callable[[complex], complex]] = {
    "negative": operator.neg,
    "conjugate": lambda z: z.conjugate(),
    "re": lambda z: z.real,
    "im": lambda z: z.imag,
}
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "asin": cmath.asin,
    "acos": cmath.acos,
    "atan": cmath.atan,
    "exp": cmath.exp,
    "log": cmath.log,
    "sqrt": cmath.sqrt,
    "abs": abs,
    "sign": _sign,
}
_RULES = Rules(
    _number,
    {name: _on_coefficients(function) for name, function in _PARTS.items()}
    | {name: _on_numbers(_real_where_it_can(f)) for name, f in _FUNCTIONS.items()},
    {"+": _sum(1), "-": _sum(-1), "*": _product, "/": _quotient, "**": _power},
)

# The same for numbers.
NUMBERS: Rules[complex] = Rules(
    lambda value: value,
    _PARTS | {name: _real_where_it_can(function) for name, function in _FUNCTIONS.items()},
    {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "**": operator.pow,
    },
)
