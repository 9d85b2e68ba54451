"""Angles as polynomials of degree two in the circuit's parameters.

Nearly every angle in practice is affine or quadratic, for example the feature map's
``2 * (pi - x[i]) * (pi - x[j])``.  Such an angle is data: a few rows of a table, evaluated for all
gates and samples at once.  Any other expression becomes an *atom*: one more column beside the
parameters, computed by its own JAX function (see ``expressions.py``), of which angles are again
polynomials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# A monomial is the sorted tuple of its column indices: () is the constant, (i,) linear, (i, j)
# quadratic.
Monomial = tuple[int, ...]


class Atom(NamedTuple):
    """A column that is no parameter: the value of an expression that is no polynomial.

    Attributes:
        shape: The expression in p0, p1, ... and c0, c1, ...; many atoms share one.
        columns: The parameters that p0, p1, ... stand for.
        constants: The numbers that c0, c1, ... stand for.
    """

    shape: str
    columns: tuple[int, ...]
    constants: tuple[float, ...] = ()


# What is left of two coefficients, relative to them, comes from rounding in sums such as
# pi/2 - pi/2.
_NEGLIGIBLE = 1e-15


@dataclass(frozen=True)
class Angle:
    """A real polynomial in the columns (parameters, then atoms), in radians."""

    terms: Mapping[Monomial, float] = field(default_factory=dict)

    @staticmethod
    def constant(value: float) -> Angle:
        """The angle that depends on nothing."""
        return Angle({(): float(value)}) if value else Angle()

    @staticmethod
    def column(index: int) -> Angle:
        """The angle equal to one column."""
        return Angle({(index,): 1.0})

    @staticmethod
    def total(angles: Iterable[Angle]) -> Angle:
        """The sum of many angles, in time that grows with their terms alone."""
        terms: dict[Monomial, float] = {}
        for angle in angles:
            for monomial, coefficient in angle.terms.items():
                total = terms.get(monomial, 0.0) + coefficient
                if abs(total) <= _NEGLIGIBLE * abs(coefficient):
                    terms.pop(monomial, None)
                else:
                    terms[monomial] = total
        return Angle(terms)

    def __add__(self, other: Angle) -> Angle:
        return Angle.total((self, other))

    def __neg__(self) -> Angle:
        return self.scaled(-1.0)

    def __sub__(self, other: Angle) -> Angle:
        return self + (-other)

    def __mul__(self, other: Angle) -> Angle:
        """The product, if it is still of degree two.

        Raises:
            ValueError: If it is not.
        """
        total = Angle()
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                monomial = tuple(sorted((*left, *right)))
                if len(monomial) > 2:
                    raise ValueError("The product has a degree above two.")
                total += Angle({monomial: a * b})
        return total

    def scaled(self, factor: float) -> Angle:
        """The angle times a number."""
        if factor == 1.0:
            return self
        return Angle({monomial: factor * c for monomial, c in self.terms.items()})

    @property
    def is_zero(self) -> bool:
        """Whether the angle is identically zero."""
        return not self.terms

    @property
    def is_constant(self) -> bool:
        """Whether the angle depends on no parameter."""
        return all(not monomial for monomial in self.terms)

    @property
    def columns(self) -> frozenset[int]:
        """The columns the angle depends on."""
        return frozenset(index for monomial in self.terms for index in monomial)

    def depends_on(self, columns: Iterable[int]) -> bool:
        """Whether the angle depends on any of these columns."""
        return not self.columns.isdisjoint(columns)

    def __str__(self) -> str:
        if self.is_zero:
            return "0"
        return " + ".join(
            "*".join([f"{coefficient:.6g}", *(f"p{i}" for i in monomial)])
            for monomial, coefficient in sorted(self.terms.items())
        )
