"""Formulas: what Qiskit prints of an expression, read as steps for a stack.

An expression is known by its structure, never by its values. ``read`` turns its text into postfix
steps, and ``evaluate`` runs those over whatever a table of ``Rules`` is written for: polynomials,
JAX arrays, plain numbers. Neither recurses, so that a sum of thousands of terms is no deeper than
one of two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

Value = TypeVar("Value")


class Column(NamedTuple):
    """Pushes a column."""

    number: int


class Constant(NamedTuple):
    """Pushes a constant."""

    number: int


class Number(NamedTuple):
    """Pushes a number that is part of the formula itself, such as a power."""

    value: complex


class Unary(NamedTuple):
    """Applies "negative" or a function to the last value."""

    name: str


class Binary(NamedTuple):
    """Applies an operator to the last two values."""

    name: str


Formula = tuple[Column | Constant | Number | Unary | Binary, ...]


class Rules(NamedTuple, Generic[Value]):
    """What a formula means for one kind of value.

    Attributes:
        number: Makes a value of a number.
        unary: "negative" and every name in ``FUNCTIONS``.
        binary: "+", "-", "*", "/" and "**".
    """

    number: Callable[[complex], Value]
    unary: Mapping[str, Callable[[Value], Value]]
    binary: Mapping[str, Callable[[Value, Value], Value]]


# All functions an expression may have, by each name that a version of Qiskit prints.
FUNCTIONS = {
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "asin": "asin",
    "acos": "acos",
    "atan": "atan",
    "exp": "exp",
    "log": "log",
    "abs": "abs",
    "Abs": "abs",
    "sign": "sign",
    "conj": "conjugate",
    "conjugate": "conjugate",
    "re": "re",
    "im": "im",
    "sqrt": "sqrt",
}

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(?P<imaginary>i\b)?"
    r"|(?P<name>[A-Za-z]\w*)|(?P<operator>\*\*|[-+*/()]))"
)
_NUMBERS = {"I": 1j, "pi": math.pi, "E": math.e}
_PLACE = re.compile(r"([pc])(\d+)")
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "negative": 3, "**": 4}

# Qiskit prints (1 + 2i)**x and 1 + (2i)**x alike.
_AMBIGUOUS = re.compile(r"\di\*\*|\*\*[-+.\de]*\di")


@lru_cache(maxsize=4096)
def read(text: str) -> Formula:
    """Reads an expression in p0, p1, ... (columns) and c0, c1, ... (constants).

    The syntax is Python's, beside the imaginary unit: ``2i`` or ``I``.

    Raises:
        ValueError: If there is anything else in it.
    """
    if _AMBIGUOUS.search(text):
        raise ValueError("a complex number beside ** has no parentheses")
    steps: list[Column | Constant | Number | Unary | Binary] = []
    waiting: list[str] = []

    def apply(name: str) -> None:
        steps.append(Binary(name) if name in _BINARY else Unary(name))

    position, operand_before = 0, False
    text = text.rstrip()
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"{text[position:]!r} is no formula")
        position = token.end()
        operator = token["operator"]
        if operator is None:
            if step := _operand(token):
                steps.append(step)
                operand_before = True
            else:
                waiting.append(FUNCTIONS[token["name"]])
        elif operator == "(":
            waiting.append(operator)
            operand_before = False
        elif operator == ")":
            while (name := waiting.pop()) != "(":
                apply(name)
            if waiting and waiting[-1] not in _PRECEDENCE and waiting[-1] != "(":
                apply(waiting.pop())
        elif not operand_before:
            if operator not in "+-":
                raise ValueError(f"{operator!r} has nothing before it")
            if operator == "-":
                waiting.append("negative")
        else:
            # Powers are grouped from the right, all else from the left.
            least = _PRECEDENCE[operator] + (operator == "**")
            while waiting and _PRECEDENCE.get(waiting[-1], 0) >= least:
                apply(waiting.pop())
            waiting.append(operator)
            operand_before = False
    while waiting:
        apply(waiting.pop())
    return tuple(steps)


_BINARY = frozenset("+-*/") | {"**"}


def _operand(token: re.Match[str]) -> Column | Constant | Number | None:
    """The step of a number or a place; None for a function's name."""
    if number := token["number"]:
        return Number(complex(0, float(number)) if token["imaginary"] else float(number))
    name = token["name"]
    if place := _PLACE.fullmatch(name):
        return Column(int(place[2])) if place[1] == "p" else Constant(int(place[2]))
    if name in _NUMBERS:
        return Number(_NUMBERS[name])
    if name not in FUNCTIONS:
        raise ValueError(f"{name!r} is no function that is known")
    return None


def evaluate(
    formula: Formula, rules: Rules[Value], columns: Sequence[Value], constants: Sequence[Value]
) -> Value:
    """Runs a formula."""
    stack: list[Value] = []
    for step in formula:
        match step:
            case Column(number):
                stack.append(columns[number])
            case Constant(number):
                stack.append(constants[number])
            case Number(value):
                stack.append(rules.number(value))
            case Unary(name):
                stack.append(rules.unary[name](stack.pop()))
            case Binary(name):
                right = stack.pop()
                stack.append(rules.binary[name](stack.pop(), right))
    (result,) = stack
    return result
