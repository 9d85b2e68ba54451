"""TorchConnector against QML's, against finite differences, and in training."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from network_pairs import NETWORK, digits, only, parity
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning import neural_networks as qml
from qiskit_machine_learning.connectors import TorchConnector as QMLTorchConnector
from qiskit_machine_learning.exceptions import QiskitMachineLearningError

import jaxqnn


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-1, 1, shape)


ESTIMATOR: dict[str, Any] = NETWORK | {
    "observables": [SparsePauliOp("ZZ"), SparsePauliOp(["XI", "IY"], [0.5, 2.0])],
}
SAMPLER: dict[str, Any] = NETWORK | {"interpret": parity, "output_shape": 2}
PAIR: dict[str, Any] = {"interpret": digits, "output_shape": (2, 2)}


def made(library: Any, kind: str, changes: dict[str, Any]) -> Any:
    if kind == "estimator":
        return library.EstimatorQNN(**(ESTIMATOR | changes))
    return library.SamplerQNN(**(SAMPLER | changes))


def ours(kind: str = "estimator", **changes: Any) -> Any:
    return made(jaxqnn, kind, changes)


def theirs(kind: str = "estimator", **changes: Any) -> Any:
    return made(qml, kind, changes)


def run(connector: Any, data: Any) -> tuple[Any, Any, Any]:
    """Return the output, and the gradients of a curved function of it."""
    data = data.clone().requires_grad_()
    output = connector(data)
    (output**2 + output).sum().backward()
    return output.detach(), data.grad, connector.weight.grad


@pytest.mark.parametrize("kind", ["estimator", "sampler"])
@pytest.mark.parametrize("shape", [(2,), (1, 2), (3, 2)])
def test_is_qmls_connector(kind: str, shape: tuple[int, ...]) -> None:
    data = torch.as_tensor(numbers(*shape), dtype=torch.float32)
    weights = torch.as_tensor(numbers(4, seed=1), dtype=torch.float32)
    mine = run(jaxqnn.TorchConnector(ours(kind), weights), data)
    reference = run(QMLTorchConnector(theirs(kind, input_gradients=True), weights.numpy()), data)
    for one, other in zip(mine, reference, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=2e-6, rtol=0)


@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, 3, 2)])
@pytest.mark.parametrize("changes", [{}, PAIR], ids=["classes", "pairs"])
def test_gradients_are_those_of_finite_differences(
    shape: tuple[int, ...], changes: dict[str, Any]
) -> None:
    """Among the shapes are those where QML's connector sums over the wrong axis."""
    connector = jaxqnn.TorchConnector(ours("sampler", **changes), torch.as_tensor(numbers(4)))
    data = torch.as_tensor(numbers(*shape, seed=1)).requires_grad_()
    leading = shape[:-1]
    assert connector(data).shape == (*leading, *connector.neural_network.output_shape)

    def function(inputs: Any, weights: Any) -> Any:
        return torch.func.functional_call(connector, {"weight": weights}, (inputs,))

    weights = connector.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(function, (data, weights))


@pytest.mark.parametrize("data_dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("weight_dtype", [torch.float64, torch.float32])
def test_dtypes_are_kept(data_dtype: Any, weight_dtype: Any) -> None:
    connector = jaxqnn.TorchConnector(ours(), torch.as_tensor(numbers(4), dtype=weight_dtype))
    data = torch.as_tensor(numbers(3, 2), dtype=data_dtype)
    output, by_data, by_weights = run(connector, data)
    assert output.dtype == data_dtype
    assert by_data.dtype == data_dtype
    assert by_weights.dtype == weight_dtype
    if data_dtype == weight_dtype == torch.float64:
        exact = connector.neural_network.forward(data.numpy(), connector.weight.detach().numpy())
        np.testing.assert_array_equal(output.numpy(), exact)


def test_initial_weights_are_converted_as_torch_does() -> None:
    assert jaxqnn.TorchConnector(ours(), numbers(4)).weight.dtype == torch.float64
    assert jaxqnn.TorchConnector(ours(), np.array([1, 2, 3, 4])).weight.dtype == torch.float32
    torch.manual_seed(3)
    mine = jaxqnn.TorchConnector(ours()).weight
    torch.manual_seed(3)
    torch.testing.assert_close(mine, QMLTorchConnector(theirs()).weight, atol=0, rtol=0)
    given = torch.ones(4)
    connector = jaxqnn.TorchConnector(ours(), given)
    connector.weight.data += 1
    assert given.eq(1).all()


def test_only_what_is_needed_gets_a_gradient() -> None:
    connector = jaxqnn.TorchConnector(ours(), numbers(4))
    data = torch.as_tensor(numbers(3, 2))
    connector(data).sum().backward()
    assert data.grad is None
    with torch.no_grad():
        assert not connector(data).requires_grad
    connector.weight.requires_grad_(False)
    assert not connector(data).requires_grad
    assert connector(data.requires_grad_()).requires_grad


def test_network_without_inputs() -> None:
    qnn = jaxqnn.EstimatorQNN(**only("weight_params"), observables=ESTIMATOR["observables"])
    connector = jaxqnn.TorchConnector(qnn, torch.as_tensor(numbers(4)))
    output = connector()
    assert output.dtype == torch.float64
    np.testing.assert_array_equal(
        output.detach().numpy(), qnn.forward(None, connector.weight.detach().numpy())[0]
    )
    output.sum().backward()
    expected = qnn.backward(None, connector.weight.detach().numpy())[1][0].sum(axis=0)
    np.testing.assert_allclose(connector.weight.grad.numpy(), expected, atol=1e-12)


def test_network_without_weights() -> None:
    qnn = jaxqnn.EstimatorQNN(**only("input_params"), observables=ESTIMATOR["observables"])
    data = torch.as_tensor(numbers(3, 2)).requires_grad_()
    assert torch.autograd.gradcheck(jaxqnn.TorchConnector(qnn), (data,))


@pytest.mark.parametrize("shape", [(3,), (2, 1), ()])
def test_wrong_input_is_refused(shape: tuple[int, ...]) -> None:
    connector = jaxqnn.TorchConnector(ours(), numbers(4))
    with pytest.raises(QiskitMachineLearningError, match="input dimension"):
        connector(torch.as_tensor(numbers(*shape)))


def hybrid(connector: Any) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 2), torch.nn.Tanh(), connector, torch.nn.Linear(2, 1)
    )


def training_curve(model: Any, make_optimizer: Any) -> list[float]:
    data = torch.as_tensor(numbers(4, 3), dtype=torch.float32)
    target = torch.as_tensor(numbers(4, 1, seed=1), dtype=torch.float32)
    optimizer, losses = make_optimizer(model.parameters()), []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(data), target)
        loss.backward()
        return loss

    for _ in range(3):
        losses.append(optimizer.step(closure).item())
    return losses


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda parameters: torch.optim.Adam(parameters, lr=0.1),
        # Its full steps overshoot here, and multiply the last digit of float32.
        lambda parameters: torch.optim.LBFGS(parameters, lr=0.1, max_iter=2),
    ],
    ids=["adam", "lbfgs"],
)
def test_trains_in_a_sequence_as_qmls_does(make_optimizer: Any) -> None:
    mine = training_curve(
        hybrid(jaxqnn.TorchConnector(ours(), numbers(4).astype(np.float32))), make_optimizer
    )
    reference = training_curve(
        hybrid(QMLTorchConnector(theirs(input_gradients=True), numbers(4))), make_optimizer
    )
    assert mine[-1] < mine[0]
    np.testing.assert_allclose(mine, reference, atol=1e-6)


def test_is_a_module_like_any_other() -> None:
    model = hybrid(jaxqnn.TorchConnector(ours(), numbers(4)))
    data = torch.as_tensor(numbers(4, 3), dtype=torch.float32)
    twin = hybrid(jaxqnn.TorchConnector(ours(), numbers(4, seed=1)))
    twin.load_state_dict(model.state_dict())
    torch.testing.assert_close(twin(data), model(data))
    torch.testing.assert_close(copy.deepcopy(model)(data), model(data))
    assert isinstance(model[2], QMLTorchConnector)
    assert model.double()(data.double()).dtype == torch.float64


@pytest.mark.parametrize("reduce", [lambda y: torch.sparse.sum(y), lambda y: y.to_dense().sum()])
def test_sparse_as_qmls(reduce: Any) -> None:
    data = torch.as_tensor(numbers(3, 2), dtype=torch.float32)
    results = []
    # PyTorch warns where this is left open, and QML leaves it open.
    with torch.sparse.check_sparse_tensor_invariants(True):
        for connector in (
            jaxqnn.TorchConnector(ours("sampler", sparse=True), numbers(4).astype(np.float32)),
            QMLTorchConnector(theirs("sampler", sparse=True, input_gradients=True), numbers(4)),
        ):
            inputs: Any = data.clone().requires_grad_()
            output = connector(inputs)
            assert connector.sparse
            assert output.is_sparse
            reduce(output).backward()
            assert connector.weight.grad.is_sparse
            assert inputs.grad.is_sparse
            results.append(
                (output.to_dense(), connector.weight.grad.to_dense(), inputs.grad.to_dense())
            )
    for mine, reference in zip(*results, strict=True):
        torch.testing.assert_close(mine, reference.to(mine.dtype), atol=1e-6, rtol=0)


def test_sparse_network_with_dense_connector() -> None:
    weights = torch.as_tensor(numbers(4))
    data = torch.as_tensor(numbers(3, 2))
    dense = run(jaxqnn.TorchConnector(ours("sampler", sparse=True), weights, sparse=False), data)
    reference = run(jaxqnn.TorchConnector(ours("sampler"), weights), data)
    for one, other in zip(dense, reference, strict=True):
        assert not one.is_sparse
        torch.testing.assert_close(one, other)
    with pytest.raises(QiskitMachineLearningError, match="sparse"):
        jaxqnn.TorchConnector(ours("sampler"), weights, sparse=True)


def test_networks_of_qml_are_connected_as_qml_does() -> None:
    network, data = theirs(input_gradients=True), torch.as_tensor(numbers(3, 2))
    mine = run(jaxqnn.TorchConnector(network, numbers(4)), data)
    reference = run(QMLTorchConnector(network, numbers(4)), data)
    for one, other in zip(mine, reference, strict=True):
        torch.testing.assert_close(one, other.to(one.dtype), atol=1e-6, rtol=0)


def test_without_torch_only_the_connector_is_missing() -> None:
    program = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, NoTorch())
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
import jaxqnn
angle = Parameter("t")
circuit = QuantumCircuit(1)
circuit.ry(angle, 0)
qnn = jaxqnn.EstimatorQNN(circuit=circuit, weight_params=[angle])
assert qnn.forward(None, [0.0]).item() == 1.0
try:
    jaxqnn.TorchConnector(qnn)
except ImportError as error:
    assert 'pip install "jaxqnn[torch]"' in str(error), error
else:
    raise AssertionError("a connector without torch")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
