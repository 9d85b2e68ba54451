"""Parameter expressions: polynomials, everything else, and what is refused."""

from __future__ import annotations

import cProfile
import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import Case, differences
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from versions import DIVIDES_EXACTLY

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
    "powers of sums": (X + 2) ** 1 * (Y - 1) ** 1 - (X * Y) ** 0,
    "a monomial times a sum": 3 * X * (X - Y + 2) / 4,
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
    "imaginary parts that cancel": (1j * X).exp() * (-1j * X).exp() + Y,
    "square of a difference": (X - Y) ** 2,
    "square far away": (X - 12345.0) ** 2,
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
    if name == "imaginary parts that cancel" and not DIVIDES_EXACTLY:
        assert not expressions.atoms
        assert _value(angle, POINT) == pytest.approx(_bound(OTHERS[name]), abs=1e-13)
        return
    assert len(expressions.atoms) == 1
    with jax.enable_x64(True):
        atoms = atom_function(expressions.atoms)(jnp.asarray(POINT))
    columns = np.concatenate([POINT, np.asarray(atoms)])
    assert _value(angle, columns) == pytest.approx(_bound(OTHERS[name]), abs=1e-13)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e6])
def test_nearly_polynomial_is_not_polynomial(scale: float) -> None:
    _, expressions = _read((X.sin() + X**2 * 100) * scale)
    assert expressions.atoms


# Every function, and what has kinks, branches and domains of its own.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": lambda u: u.sin(),
    "cos": lambda u: u.cos(),
    "tan": lambda u: u.tan(),
    "arcsin": lambda u: u.arcsin(),
    "arccos": lambda u: u.arccos(),
    "arctan": lambda u: u.arctan(),
    "exp": lambda u: (u / 8).exp(),
    "log": lambda u: u.log(),
    "abs": abs,
    "sign": lambda u: u.sign(),
    "conjugate": lambda u: u.conjugate(),
    "root": lambda u: u**0.5,
    "odd root": lambda u: u**1.5,
    "inverse": lambda u: 1 / u,
    "inverse square": lambda u: u ** (-2),
    "root of the square": lambda u: (u**2) ** 0.5,
    "square of the root": lambda u: (u**0.5) ** 2,
    "modulus of the logarithm": lambda u: abs(u.log()),
    "relu": lambda u: (u + abs(u)) / 2,
    "power": lambda u: 1.25**u,
    "to itself": lambda u: abs(u) ** (u / 8),
    "cube": lambda u: u**3 / 50,
    "factors": lambda u: (u - 1) * (u - 2) / 50,
}
ARGUMENTS: dict[str, Callable[[], Any]] = {
    "itself": lambda: X,
    "shifted up": lambda: X - 3,
    "shifted down": lambda: 2.5 - X,
    "shifted far": lambda: X + 20.25,
    "scaled": lambda: -0.07 * X,
    "product": lambda: X * Y - 50,
    "product of shifts": lambda: (X - 1) * (Y - 2.2) / 20,
    "sine": lambda: (X - 2).sin(),
    "cosine": lambda: (X + 2).cos(),
    "modulus": lambda: abs(X - 3) - Y,
    "sign": lambda: (X - 3).sign() * Y,
}
# Both sides of every kink and branch, and far from the origin.
POINTS = np.array(
    [
        [x, y]
        for x in (-21.4, -6.1, -2.4, -0.3, 0.45, 1.3, 2.7, 3.3, 5.2, 19.6)
        for y in (-9.3, 0.6, 7.9)
    ]
)


DISTANCES = np.array([1, -1, 2, -2])


def _at(expression: Any, point: np.ndarray) -> complex:
    """Qiskit's value, and NaN where it has none."""
    given = {
        p: v for p, v in zip((X, Y), point.tolist(), strict=True) if p in expression.parameters
    }
    try:
        return complex(expression.bind(given))
    except (RuntimeError, ZeroDivisionError):
        return complex(math.nan)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_functions_everywhere(name: str) -> None:
    """Values, and derivatives where the function is smooth, by Qiskit's values alone."""
    cases = [FUNCTIONS[name](make()) for make in ARGUMENTS.values()]
    expressions = Expressions((X, Y))
    angles = [expressions.angle(case, "here") for case in cases]

    def values(point: jax.Array) -> tuple[jax.Array, jax.Array]:
        columns = point
        if expressions.atoms:
            columns = jnp.concatenate([point, atom_function(expressions.atoms)(point)])
        found = jnp.stack(
            [
                jnp.asarray(sum(c * math.prod(columns[i] for i in m) for m, c in a.terms.items()))
                for a in angles
            ]
        )
        return found, found

    with jax.enable_x64(True):
        slopes, found = jax.jit(jax.vmap(jax.jacfwd(values, has_aux=True)))(POINTS)
    for k, case in enumerate(cases):
        for row, point in enumerate(POINTS):
            expected = _at(case, point)
            if not abs(expected.imag) <= 1e-9 * max(1.0, abs(expected)):
                expected = complex(math.nan)
            where = f"{case} at {point}"
            np.testing.assert_allclose(
                found[row, k], expected.real, rtol=1e-12, atol=1e-12, err_msg=where
            )
            steps = np.array(
                [[_at(case, point + h * e) for h in 1e-4 * DISTANCES] for e in np.eye(2)]
            )
            slope = steps @ (8, -8, -1, 1) / 12e-4
            # Beside a pole, differences of two steps do not agree, and tell nothing.
            wide = steps[:, 2] - steps[:, 3] - 2 * (steps[:, 0] - steps[:, 1])
            is_smooth = np.all(np.abs(wide) < 1e-6 * np.abs(steps).max())
            if is_smooth and np.all(np.abs(steps.imag) < 1e-12):
                scale = max(1.0, float(np.abs(steps).max()))
                np.testing.assert_allclose(
                    slopes[row, k], slope.real, rtol=1e-6, atol=1e-8 * scale, err_msg=where
                )


LOOK_ALIKE: dict[str, Callable[[Any, Any], Any]] = {
    "modulus right of the origin": lambda p, q: abs(p - 2),
    "modulus left of the origin": lambda p, q: abs(p + 5),
    "sign": lambda p, q: (p - 3).sign(),
    "relu": lambda p, q: (p - 3 + abs(p - 3)) / 2,
    "root of a square": lambda p, q: ((p - 3) ** 2) ** 0.5,
    "arcsine of the sine": lambda p, q: p.sin().arcsin(),
    "arctangent of the tangent": lambda p, q: p.tan().arctan(),
    "arccosine of the cosine": lambda p, q: (p + 2).cos().arccos(),
    "modulus of a product": lambda p, q: abs(p * q - 50),
    "sum": lambda p, q: abs(p - 2) + abs(q + 2.5),
    "product": lambda p, q: abs(p - 2) * (q - 3).sign(),
    "modulus of a parabola": lambda p, q: abs((p - 1) * (p - 2)),
    "modulus of shifts": lambda p, q: abs((3.1 - p) * (2.2 - q)),
}
FAR = [[5.0, 4.5], [-7.3, -8.2], [0.3, 2.1], [9.1, 6.6], [2.6, -2.9]]


@pytest.mark.parametrize("name", LOOK_ALIKE)
def test_what_only_looks_like_a_polynomial(name: str) -> None:
    """As a state and as a phase; <Z> after one RY would hide a sign."""
    p, q = Parameter("p"), Parameter("q")
    angle = LOOK_ALIKE[name](p, q)
    circuit = QuantumCircuit(2, global_phase=angle)
    circuit.h([0, 1])
    circuit.rz(angle, 0)
    circuit.rzz(angle / 2, 0, 1)
    circuit.rx(angle, 1)
    circuit.ry(0.1 * p + 0.2 * q, 0)
    case = Case(circuit, (p, q), ())
    with jax.enable_x64(True):
        states = jaxqnn.statevector(circuit, input_params=[p, q])(np.array(FAR), np.zeros(0))
    np.testing.assert_allclose(states, case.states(FAR, []), atol=1e-12)
    observables = [SparsePauliOp("YX"), SparsePauliOp("IY"), SparsePauliOp("YI")]
    evaluator = Evaluator(circuit, Expectation(observables), [p, q], [])
    slopes, _ = evaluator.jacobian(np.array(FAR), np.zeros(0))
    assert slopes is not None
    for row, slope in zip(FAR, slopes, strict=True):
        expected = differences(lambda x: case.expectations(observables, x, []), row)
        np.testing.assert_allclose(slope, expected, atol=1e-7)


def nested_deep(x: ParameterVector) -> Any:
    return reduce(lambda total, i: total * x[i % 6] + 1, range(1000), x[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda x: abs((x[0] - 1) * (x[0] - 2)),
        lambda x: abs((3.1 - x[0]) * (2.2 - x[1])),
        lambda x: 1 / ((x[0] - 1) * (x[0] - 2)),
        lambda x: math.prod((x[i] - i for i in range(1, 6)), start=x[0]),
        lambda x: math.prod((2.5 - x[i] for i in range(1, 6)), start=2.5 - x[0]),
        lambda x: 1 / math.prod((2.5 - x[i] for i in range(1, 6)), start=2.5 - x[0]).sin(),
        lambda x: sum((x[i % 6] for i in range(3000)), start=x[0]),
        nested_deep,
    ],
)
def test_reading_takes_few_steps(make: Callable[[Any], Any]) -> None:
    vector = ParameterVector("x", 6)
    expression, expressions = make(vector), Expressions(tuple(vector))
    is_read = DIVIDES_EXACTLY or make is not nested_deep
    profile = cProfile.Profile()
    with nullcontext() if is_read else pytest.raises(jaxqnn.JaxQNNError, match="too deep"), profile:
        expressions.angle(expression, "here")
    # Some 25 for each of at most 3,000 operations; a search would take many more.
    assert sum(entry.callcount for entry in profile.getstats()) < 200_000


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
