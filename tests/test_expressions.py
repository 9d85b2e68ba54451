"""Parameter expressions: polynomials, everything else, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import differences
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit

import jaxqnn
from jaxqnn.circuit.angles import Angle
from jaxqnn.circuit.expressions import Expressions, atom_function
from jaxqnn.evaluator import Evaluator
from jaxqnn.measure import Expectation

X, Y = Parameter("x"), Parameter("y")
POINT = np.array([0.7, 1.3])

POLYNOMIALS: dict[str, Any] = {
    "column": X,
    "affine": 2.5 * X - Y / 3 + 0.1,
    "product": 2 * (math.pi - X) * (math.pi - Y),
    "square": (X - 1) ** 2 - X * Y,
    "imaginary twice": (1j * X) * (2j * Y),
    "imaginary parts that cancel": (1j * X).exp() * (-1j * X).exp() + Y,
}
OTHERS: dict[str, Any] = {
    "sine": 0.1234567890123456789 * X.sin(),
    "tiny": 1e-9 * X.exp() + X.cos(),
    "root": X**0.5,
    "negative power": 0.3 * X ** (-1.5),
    "power of two": 2**X,
    "power": X**Y,
    "quotient": X / Y,
    "inverse": 1 / X,
    "modulus": abs(X - 2.5 * Y),
    "sign": (X - Y).sign() * X,
    "signed square": -(X.sin() ** 2),
    "cube": (X - math.pi) ** 3,
    "logarithm": X.log() + X.arctan(),
    "arcs": (X / 3).arcsin() - (X / 3).arccos() * X.tan(),
    "numbers": 0.5 * X.sin() + 1.5 * Y.cos() - 0.25,
    "conjugate": X.conjugate().sin(),
    "modulus of an imaginary number": abs(1j * X) * Y,
}


def _read(expression: Any) -> tuple[Angle, Expressions]:
    expressions = Expressions((X, Y))
    return expressions.angle(expression, "here"), expressions


def _value(angle: Angle, columns: np.ndarray) -> float:
    return sum(c * math.prod(float(columns[i]) for i in m) for m, c in angle.terms.items())


def _bound(expression: Any) -> float:
    point = dict(zip((X, Y), POINT.tolist(), strict=True))
    return complex(expression.bind({p: point[p] for p in expression.parameters})).real


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_are_table_rows(name: str) -> None:
    angle, expressions = _read(POLYNOMIALS[name])
    assert not expressions.atoms
    assert _value(angle, POINT) == pytest.approx(_bound(POLYNOMIALS[name]), abs=1e-13)


@pytest.mark.parametrize("name", OTHERS)
def test_other_expressions_are_atoms(name: str) -> None:
    angle, expressions = _read(OTHERS[name])
    assert len(expressions.atoms) == 1
    with jax.enable_x64(True):
        atoms = atom_function(expressions.atoms)(jnp.asarray(POINT))
    columns = np.concatenate([POINT, np.asarray(atoms)])
    assert _value(angle, columns) == pytest.approx(_bound(OTHERS[name]), abs=1e-13)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e6])
def test_nearly_polynomial_is_not_polynomial(scale: float) -> None:
    _, expressions = _read((X.sin() + X**2 * 100) * scale)
    assert expressions.atoms


def test_numbers_and_parameters_share_one_shape() -> None:
    vector = ParameterVector("v", 6)
    expressions = Expressions(tuple(vector))
    for i, parameter in enumerate(vector):
        expressions.angle((parameter * (0.1 + i)).sin() * vector[0], "here")
    # sin(c v) v' for different v, and sin(c v) v where both are one.
    assert len({atom.shape for atom in expressions.atoms}) == 2
    values = np.linspace(-1, 1, 6)
    with jax.enable_x64(True):
        found = atom_function(expressions.atoms)(jnp.asarray(values))
    expected = [np.sin(values[i] * (0.1 + i)) * values[0] for i in range(6)]
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_names_do_not_decide() -> None:
    """Parameters are told apart by identity: two may be called alike, or like our own names."""
    first, second = Parameter("p1"), Parameter("p0")
    expressions = Expressions((first, second))
    expressions.angle(second.sin() * first + first.cos(), "here")
    with jax.enable_x64(True):
        found = atom_function(expressions.atoms)(jnp.asarray([0.3, 0.9]))
    np.testing.assert_allclose(found, [np.sin(0.9) * 0.3 + np.cos(0.3)], atol=1e-15)


@pytest.mark.parametrize("make", [lambda: 1j * X, lambda: (1j * X).exp(), lambda: X * Y + 1j])
def test_what_is_not_real_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(jaxqnn.JaxQNNError, match=r"Instruction 7.*(not real|complex)"):
        Expressions((X, Y)).angle(make(), "Instruction 7")


@pytest.mark.parametrize("value", [math.nan, math.inf, 1 + 1j])
def test_numbers_that_are_no_angles_are_refused(value: complex) -> None:
    with pytest.raises(jaxqnn.JaxQNNError, match=r"here: .*(finite|complex)"):
        Expressions(()).angle(value, "here")


def test_a_foreign_parameter_is_named() -> None:
    with pytest.raises(jaxqnn.JaxQNNError, match="'y' is neither an input nor a weight"):
        Expressions((X,)).angle(X * Y, "here")


def test_a_singular_point_is_no_number_as_in_numpy() -> None:
    circuit = QuantumCircuit(1)
    circuit.ry(X.log(), 0)
    evaluator = Evaluator(circuit, Expectation(), [X], [])
    with pytest.warns(RuntimeWarning, match="no real value or derivative at sample 0"):
        found = evaluator.value([[0.0], [-1.0], [1.0]], [])
    np.testing.assert_allclose(found[:, 0], [np.nan, np.nan, 1.0], atol=1e-15)


def test_derivatives_pass_through_atoms_of_inputs_and_weights() -> None:
    circuit = QuantumCircuit(1)
    circuit.ry((1.3 * X).sin() * Y.exp(), 0)
    circuit.rx((X / Y).arctan() - 0.7 * X**3, 0)
    evaluator = Evaluator(circuit, Expectation(), [X], [Y])
    by_input, by_weight = evaluator.jacobian(POINT[None, :1], POINT[1:])
    slope = differences(lambda p: evaluator.value(p[None, :1], p[1:])[0, 0], POINT)
    assert by_input is not None
    assert by_weight is not None
    np.testing.assert_allclose([by_input[0, 0, 0], by_weight[0, 0, 0]], slope, atol=1e-8)


def test_angles_multiply_up_to_degree_two() -> None:
    x, y = Angle.column(0), Angle.column(1)
    product = (x + Angle.constant(2.0)) * (y - Angle.constant(3.0))
    assert _value(product, POINT) == pytest.approx((POINT[0] + 2) * (POINT[1] - 3))
    with pytest.raises(ValueError, match="degree"):
        product * x
