"""Text of an expression to a JAX function, by way of SymPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import jax
import sympy
from sympy.parsing.sympy_parser import parse_expr
from sympy.printing.numpy import JaxPrinter

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

_IMAGINARY = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)i\b")


def as_jax(
    text: str, variables: Sequence[str], constants: Sequence[str]
) -> Callable[..., jax.Array] | None:
    """An expression as a function of as many arrays as it has names; None if it is not real.

    Variables are real, and constants positive: they stand for numbers without their sign.

    Qiskit prints its expressions in Python's syntax with its own names of functions and its own
    imaginary unit; its ``sympify()`` is slower and fails on powers such as 2**x.
    """
    symbols = {name: sympy.Symbol(name, real=True) for name in variables}
    symbols |= {name: sympy.Symbol(name, positive=True) for name in constants}
    expression = parse_expr(_IMAGINARY.sub(r"\1*I", text), local_dict={**_FUNCTIONS, **symbols})
    if expression.has(sympy.I):
        expression, imaginary = expression.as_real_imag()
        if sympy.simplify(imaginary) != 0:
            return None
    return sympy.lambdify(list(symbols.values()), expression, modules="jax", printer=JaxPrinter)
