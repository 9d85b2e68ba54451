"""Formulas on JAX arrays.

Parameters are real, and nearly every formula stays real. Logarithms and powers of negative numbers
do not: their values are complex, as Qiskit's are, and what is real again in the end, such as
``abs(log(x))`` or the square of a root, has its value there. What is not is NaN.

Derivatives are JAX's. A kink's is the mean of both sides', as JAX has it for ``abs``.
"""

from __future__ import annotations

import cmath
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxqnn.circuit.formulas import Formula, Rules, evaluate

# How far rounding leaves a real number from the real line, in units of its precision: by its size,
# and where it is zero.
_ROUNDING, _ROUNDING_AT_ZERO = 4096, 64


def array_function(
    formula: Formula,
) -> Callable[[Sequence[jax.Array], Sequence[jax.Array]], jax.Array]:
    """A formula as a function of its columns and its constants, real arrays of one shape."""

    def function(columns: Sequence[jax.Array], constants: Sequence[jax.Array]) -> jax.Array:
        return _real(jnp.asarray(evaluate(formula, _RULES, columns, constants)))

    return function


def _real(value: jax.Array) -> jax.Array:
    if not _is_complex(value):
        return value
    real, imaginary = value.real, value.imag
    precision = float(jnp.finfo(real.dtype).eps)
    most = precision * (_ROUNDING * jnp.abs(real) + _ROUNDING_AT_ZERO)
    return jnp.where(jnp.abs(imaginary) <= most, real, jnp.nan)


# A number of the formula itself stays one of Python's: powers that are whole are told by it.
_Value = Any


def _is_number(value: _Value) -> bool:
    return isinstance(value, int | float | complex)


def _is_complex(value: _Value) -> bool:
    return isinstance(value, complex) if _is_number(value) else jnp.iscomplexobj(value)


def _alike(x: _Value, y: _Value) -> tuple[_Value, _Value]:
    """Both real or both complex: JAX can be set to refuse a mixture."""
    if _is_complex(x) == _is_complex(y):
        return x, y
    x, y = (
        v if _is_number(v) or _is_complex(v) else lax.complex(v, jnp.zeros_like(v)) for v in (x, y)
    )
    return x, y


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[_Value, _Value], _Value]:
    return lambda x, y: operation(*_alike(x, y))


def _log(value: _Value) -> _Value:
    if _is_number(value):
        return cmath.log(value)
    if _is_complex(value):
        return jnp.log(_above_the_cut(value))
    negative = value < 0
    turn = jnp.where(negative, jnp.full_like(value, jnp.pi), jnp.zeros_like(value))
    return lax.complex(jnp.log(_size(value, negative)), turn)


def _power(base: _Value, exponent: _Value) -> _Value:
    if isinstance(exponent, int | float) and float(exponent).is_integer():
        return base ** int(exponent)
    if _is_number(base) and _is_number(exponent):
        return base**exponent
    if _is_complex(base) or _is_complex(exponent):
        if not _is_complex(exponent) and _is_number(exponent):
            return jnp.power(_above_the_cut(base), exponent)
        return jnp.exp(operator.mul(*_alike(exponent, _log(base))))
    negative = jnp.less(base, 0)
    size = jnp.power(_size(base, negative), exponent)
    turn = jnp.where(negative, jnp.pi * exponent, jnp.zeros_like(size))
    return lax.complex(size * jnp.cos(turn), size * jnp.sin(turn))


def _size(value: _Value, negative: jax.Array) -> jax.Array:
    """The modulus, with the slope of one at zero: x**y has its own there if y is one."""
    return jnp.where(negative, -value, value)


def _above_the_cut(value: jax.Array) -> jax.Array:
    """A negative real number with +0 as its imaginary part: the principal value's side."""
    imaginary = value.imag
    zero = lax.stop_gradient(jnp.where(imaginary == 0, -imaginary, 0))
    return lax.complex(value.real, imaginary + jnp.abs(zero))


_RULES: Rules[_Value] = Rules(
    lambda value: value,
    {
        "negative": operator.neg,
        "conjugate": jnp.conj,
        "re": jnp.real,
        "im": jnp.imag,
        "sin": jnp.sin,
        "cos": jnp.cos,
        "tan": jnp.tan,
        "asin": jnp.arcsin,
        "acos": jnp.arccos,
        "atan": jnp.arctan,
        "exp": jnp.exp,
        "log": _log,
        "sqrt": lambda x: _power(x, 0.5),
        "abs": jnp.abs,
        "sign": jnp.sign,
    },
    {
        "+": _arithmetic(operator.add),
        "-": _arithmetic(operator.sub),
        "*": _arithmetic(operator.mul),
        "/": _arithmetic(operator.truediv),
        "**": _power,
    },
)
