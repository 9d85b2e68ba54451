"""Second and higher derivatives through TorchConnector, against the circuit written in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from torch.autograd.functional import hessian, hvp, jacobian

import jaxqnn

Function = Callable[..., torch.Tensor]

OBSERVABLES = [SparsePauliOp("ZZ"), SparsePauliOp(["XI", "IY"], [0.5, 2.0])]


def circuit_and_parameters() -> tuple[QuantumCircuit, ParameterVector, ParameterVector]:
    x, w = ParameterVector("x", 2), ParameterVector("w", 3)
    circuit = QuantumCircuit(2)
    circuit.ry(x[0], 0)
    circuit.ry(x[0] * x[1], 1)
    circuit.cx(0, 1)
    circuit.rx(w[0], 0)
    circuit.ry(w[1] + x[1], 1)
    circuit.rz(w[2].sin(), 0)
    circuit.cx(0, 1)
    circuit.ry(w[2], 0)
    return circuit, x, w


@lru_cache
def network(kind: str = "estimator", precision: Any = "double") -> Any:
    """Shared by the tests: every network and shape is compiled once."""
    circuit, x, w = circuit_and_parameters()
    split = {"circuit": circuit, "input_params": x, "weight_params": w}
    if kind == "estimator":
        return jaxqnn.EstimatorQNN(**split, observables=OBSERVABLES, precision=precision)
    return jaxqnn.SamplerQNN(**split, sparse=True, precision=precision)


def layer(
    kind: str = "estimator",
    dtype: Any = torch.float64,
    precision: Any = "double",
    sparse: bool = False,
) -> Any:
    weights = torch.as_tensor(numbers(3, seed=5), dtype=dtype)
    return jaxqnn.TorchConnector(network(kind, precision), weights, sparse=sparse)


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, shape)


def _rotation(axis: str, angle: torch.Tensor) -> torch.Tensor:
    c, s = torch.cos(angle / 2) + 0j, torch.sin(angle / 2) + 0j
    rows = {"x": [c, -1j * s, -1j * s, c], "y": [c, -s, s, c]}
    if axis == "z":
        zero = torch.zeros_like(c)
        rows["z"] = [torch.exp(-0.5j * angle), zero, zero, torch.exp(0.5j * angle)]
    return torch.stack(rows[axis], -1).reshape(*angle.shape, 2, 2)


def _state(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Amplitudes (..., qubit 1, qubit 0) of the circuit."""

    def on(qubit: int, axis: str, angle: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        gate = _rotation(axis, angle.expand(x.shape[:-1]))
        return torch.einsum(
            "...ij,...kj->...ki" if qubit == 0 else "...ij,...jk->...ik", gate, state
        )

    def cx(state: torch.Tensor) -> torch.Tensor:
        return torch.stack([state[..., 0], state[..., 1].flip(-1)], -1)

    state = torch.zeros(*x.shape[:-1], 2, 2, dtype=torch.complex128)
    state[..., 0, 0] = 1
    state = on(0, "y", x[..., 0], state)
    state = cx(on(1, "y", x[..., 0] * x[..., 1], state))
    state = on(0, "x", w[0], state)
    state = on(1, "y", w[1] + x[..., 1], state)
    state = cx(on(0, "z", torch.sin(w[2]), state))
    return on(0, "y", w[2], state).flatten(-2)


def formula(kind: str) -> Function:
    """The same function of inputs and weights in PyTorch alone."""
    matrices = torch.as_tensor(np.stack([o.to_matrix() for o in OBSERVABLES]))

    def expectations(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        state = _state(x, w)
        return torch.einsum("...i,oij,...j->...o", state.conj(), matrices, state).real

    def probabilities(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return _state(x, w).abs() ** 2

    return expectations if kind == "estimator" else probabilities


def called(connector: Any) -> Function:
    def function(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(connector, {"weight": w}, (x,))

    return function


def curved(function: Function) -> Function:
    """A scalar with a curvature of its own."""
    return lambda x, w: (function(x, w) ** 2 + function(x, w) * 0.3).sum()


def point(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.as_tensor(numbers(*shape)), torch.as_tensor(numbers(3, seed=1))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("estimator", (2,)), ("estimator", (3, 2)), ("estimator", (2, 1, 2)), ("sampler", (3, 2))],
)
def test_hessians_are_those_of_the_formula(kind: str, shape: tuple[int, ...]) -> None:
    """By inputs, by weights and mixed; the outputs' own, and that of a function of them."""
    mine, right = called(layer(kind)), formula(kind)
    at = point(shape)
    torch.testing.assert_close(mine(*at), right(*at), atol=1e-12, rtol=0)
    for wrapped in (curved, lambda f: lambda x, w: f(x, w)[..., 0].sum()):
        found, expected = (hessian(wrapped(f), at) for f in (mine, right))
        for row, of_row in zip(found, expected, strict=True):
            for one, other in zip(row, of_row, strict=True):
                torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", ["estimator", "sampler"])
def test_second_derivatives_are_those_of_finite_differences(kind: str) -> None:
    at = tuple(part.requires_grad_() for part in point((3, 2)))
    assert torch.autograd.gradgradcheck(called(layer(kind)), at)


def test_second_derivatives_by_inputs_alone_and_by_weights_alone() -> None:
    connector, right = layer(), formula("estimator")
    data = torch.as_tensor(numbers(3, 2)).requires_grad_()
    weights = connector.weight.detach().clone().requires_grad_()
    for variable, outputs in (
        (connector.weight, connector(data.detach())),
        (data, connector(data)),
    ):
        other = weights if variable is connector.weight else data
        inputs = data.detach() if variable is connector.weight else data
        slopes = []
        for value, by in ((outputs, variable), (right(inputs, weights), other)):
            (slope,) = torch.autograd.grad(value.sum(), by, create_graph=True)
            slopes.append(torch.autograd.grad((slope**2).sum(), by)[0])
        torch.testing.assert_close(*slopes, atol=1e-10, rtol=0)
    connector.weight.requires_grad_(False)
    _, product = hvp(lambda x: connector(x).sum(), data.detach(), torch.ones_like(data))
    _, expected = hvp(lambda x: right(x, weights).sum(), data.detach(), torch.ones_like(data))
    torch.testing.assert_close(product, expected.detach(), atol=1e-10, rtol=0)


def penalised(function: Function, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """A loss with a gradient penalty, as for a critic."""
    output = function(x, w)
    (slope,) = torch.autograd.grad(output.sum(), x, create_graph=True)
    return (output**2).mean() + ((slope.norm(dim=-1) - 1) ** 2).mean()


def physical(function: Function, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """The residual of u_xx + u_y + u = 0 and a boundary value: third derivatives in training."""
    u = function(x, w)[:, 0]
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope[:, 0].sum(), x, create_graph=True)
    return ((bend[:, 0] + slope[:, 1] + u) ** 2).mean() + (function(x[:1] * 0, w) ** 2).sum()


@pytest.mark.parametrize("loss", [penalised, physical])
def test_losses_of_derivatives_train_as_the_formulas_do(loss: Any) -> None:
    connector = layer()
    weights = connector.weight.detach().clone().requires_grad_()
    data = torch.as_tensor(numbers(3, 2)).requires_grad_()
    mine = torch.optim.Adam([connector.weight], lr=0.1)
    theirs = torch.optim.Adam([weights], lr=0.1)
    for _ in range(2):
        mine.zero_grad()
        theirs.zero_grad()
        value = loss(lambda x, w: connector(x), data, None)
        expected = loss(formula("estimator"), data, weights)
        torch.testing.assert_close(value, expected, atol=1e-10, rtol=0)
        value.backward(inputs=[connector.weight])
        expected.backward(inputs=[weights])
        torch.testing.assert_close(connector.weight.grad, weights.grad, atol=1e-9, rtol=0)
        mine.step()
        theirs.step()


def test_through_layers_on_both_sides() -> None:
    torch.manual_seed(0)
    before, after = torch.nn.Linear(3, 2).double(), torch.nn.Linear(2, 1).double()
    connector = layer()
    data = torch.as_tensor(numbers(3, 3))

    def model(f: Function) -> Function:
        return lambda x: after(f(torch.tanh(before(x)), connector.weight)).sum()

    found = hessian(model(lambda x, w: connector(x)), data)
    expected = hessian(model(formula("estimator")), data)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


def test_third_derivatives_by_everything() -> None:
    at = point((3, 2))

    def of_slopes(f: Function) -> Function:
        def function(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            by_x, by_w = torch.autograd.grad(curved(f)(x, w), (x, w), create_graph=True)
            return (by_x**2).sum() + (by_w**3).sum() + by_x.sum() * by_w.sum()

        return function

    found = hessian(of_slopes(called(layer())), at)
    expected = hessian(of_slopes(formula("estimator")), at)
    for row, of_row in zip(found, expected, strict=True):
        for one, other in zip(row, of_row, strict=True):
            torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_precisions_and_dtypes(dtype: Any, precision: str) -> None:
    connector = layer(dtype=dtype, precision=precision)
    data = torch.as_tensor(numbers(3, 2), dtype=dtype).requires_grad_()
    (slope,) = torch.autograd.grad(connector(data).sum(), data, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), connector.weight)
    weights = connector.weight.detach().double().requires_grad_()
    exact = data.detach().double().requires_grad_()
    (slope,) = torch.autograd.grad(
        formula("estimator")(exact, weights).sum(), exact, create_graph=True
    )
    (expected,) = torch.autograd.grad(slope.sum(), weights)
    assert bend.dtype == dtype
    exactly = dtype == torch.float64 and precision == "double"
    torch.testing.assert_close(bend.double(), expected, atol=1e-12 if exactly else 1e-4, rtol=0)


def test_networks_without_inputs_and_without_weights() -> None:
    circuit, x, w = circuit_and_parameters()
    at = torch.as_tensor(numbers(2)), torch.as_tensor(numbers(3, seed=1))
    everything = torch.cat(at)
    right = hessian(lambda p: curved(formula("estimator"))(p[:2], p[2:]), everything)
    weights_only = jaxqnn.EstimatorQNN(
        circuit=circuit, observables=OBSERVABLES, weight_params=[*x, *w]
    )
    connector = jaxqnn.TorchConnector(weights_only, everything)

    def of_weights(weights: torch.Tensor) -> torch.Tensor:
        found = torch.func.functional_call(connector, {"weight": weights}, ())
        return (found**2 + found * 0.3).sum()

    torch.testing.assert_close(hessian(of_weights, everything), right, atol=1e-10, rtol=0)
    inputs_only = jaxqnn.EstimatorQNN(
        circuit=circuit, observables=OBSERVABLES, input_params=[*x, *w]
    )
    connector = jaxqnn.TorchConnector(inputs_only)
    found = hessian(lambda p: (connector(p) ** 2 + connector(p) * 0.3).sum(), everything)
    torch.testing.assert_close(found, right, atol=1e-10, rtol=0)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")
def test_sparse_outputs() -> None:
    connector = layer("sampler", sparse=True)
    data = torch.as_tensor(numbers(3, 2)).requires_grad_()
    (slope,) = torch.autograd.grad((connector(data).to_dense() ** 2).sum(), data, create_graph=True)
    (found,) = torch.autograd.grad((slope.to_dense() ** 2).sum(), data)
    dense = layer("sampler")
    (slope,) = torch.autograd.grad((dense(data) ** 2).sum(), data, create_graph=True)
    (expected,) = torch.autograd.grad((slope**2).sum(), data)
    torch.testing.assert_close(found.to_dense(), expected, atol=1e-10, rtol=0)


def test_the_first_derivative_is_the_same_with_its_graph() -> None:
    connector, data = layer(), torch.as_tensor(numbers(3, 2)).requires_grad_()
    plain = torch.autograd.grad(connector(data).sum(), (data, connector.weight))
    graph = torch.autograd.grad(connector(data).sum(), (data, connector.weight), create_graph=True)
    for one, other in zip(plain, graph, strict=True):
        torch.testing.assert_close(one, other.detach(), atol=0, rtol=0)
    jacobians = jacobian(called(connector), (data.detach(), connector.weight.detach()))
    expected = jacobian(formula("estimator"), (data.detach(), connector.weight.detach()))
    for one, other in zip(jacobians, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_the_function_in_jaxs_own_mode_is_left_alone() -> None:
    """JAX keeps arrays of a traced function in the precision they were first met in."""
    circuit, x, w = circuit_and_parameters()
    qnn = jaxqnn.EstimatorQNN(circuit=circuit, input_params=x, weight_params=w)
    connector = jaxqnn.TorchConnector(qnn, numbers(3))
    data = torch.as_tensor(numbers(3, 2)).requires_grad_()
    single = jnp.float32(numbers(3))
    found = []
    for _ in range(2):
        (slope,) = torch.autograd.grad(connector(data).sum(), data, create_graph=True)
        found.append(torch.autograd.grad(slope.sum(), data)[0])
        outputs = qnn.apply(data.detach().numpy(), single)
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, connector(data).detach().numpy(), atol=1e-5)
    torch.testing.assert_close(*found, atol=0, rtol=0)


def test_what_has_no_second_derivative_says_so() -> None:
    circuit, x, w = circuit_and_parameters()
    noisy = jaxqnn.EstimatorQNN(
        circuit=circuit,
        input_params=x,
        weight_params=w,
        estimator=StatevectorEstimator(seed=1),
        input_gradients=True,
    )
    connector = jaxqnn.TorchConnector(noisy, numbers(3).astype(np.float32))
    data = torch.as_tensor(numbers(2, 2), dtype=torch.float32).requires_grad_()
    connector(data).sum().backward()
    assert data.grad is not None
    with pytest.raises(jaxqnn.JaxQNNError, match="create_graph"):
        torch.autograd.grad(connector(data).sum(), data, create_graph=True)


def test_weights_changed_in_place_before_the_second_pass_are_noticed() -> None:
    connector, data = layer(), torch.as_tensor(numbers(3, 2)).requires_grad_()
    output = connector(data).sum()
    with torch.no_grad():
        connector.weight += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(output, data, create_graph=True)
