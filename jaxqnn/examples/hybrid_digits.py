"""A hybrid network in PyTorch: classical layers before and after a quantum one.

    python -m jaxqnn.examples.hybrid_digits

A linear layer turns the 64 pixels of a handwritten 3 or 8 into four angles, a circuit of four
qubits turns these into four expectation values, and a linear layer turns those into one logit.
All three train together; the quantum layer's backward pass is one VJP for the whole batch.  What
the quantum layer is good for, two classical baselines tell: the same network without it, and
logistic regression on the pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

from qiskit.quantum_info import SparsePauliOp
from sklearn.linear_model import LogisticRegression

import jaxqnn
from jaxqnn.examples.command import missing, run
from jaxqnn.examples.data import Data, digits
from jaxqnn.examples.training import accuracy, initial_weights, reuploading

try:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset
except ImportError:
    raise missing(__name__, "torch", "torch") from None

QUBITS = 4


def quantum_layer() -> jaxqnn.TorchConnector:
    """Four angles in, <Z> of each of four qubits out."""
    circuit, inputs, weights = reuploading(QUBITS, layers=2)
    qnn = jaxqnn.EstimatorQNN(
        circuit=circuit,
        observables=[
            SparsePauliOp.from_sparse_list([("Z", [qubit], 1.0)], QUBITS) for qubit in range(QUBITS)
        ],
        input_params=inputs,
        weight_params=weights,
    )
    return jaxqnn.TorchConnector(qnn, initial_weights(qnn.num_weights))


def network(*middle: nn.Module) -> nn.Sequential:
    """Classical layers around what is given."""
    return nn.Sequential(
        nn.Linear(64, QUBITS), nn.Tanh(), *middle, nn.Linear(QUBITS, 1), nn.Flatten(0)
    ).double()


def fit(model: nn.Module, data: Data, epochs: int) -> Iterator[float]:
    """Trains a network, and yields the mean loss of each epoch."""
    train_set = TensorDataset(
        torch.tensor(data.train_points), torch.tensor((data.train_targets + 1) / 2)
    )
    batches = DataLoader(train_set, batch_size=32, shuffle=True)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    loss_function = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        total = 0.0
        for points, labels in batches:
            optimiser.zero_grad()
            loss = loss_function(model(points), labels)
            loss.backward()
            optimiser.step()
            total += loss.item() * len(points)
        yield total / len(train_set)


def score(model: nn.Module, data: Data) -> float:
    """The accuracy on the test set."""
    with torch.no_grad():
        return accuracy(model(torch.tensor(data.test_points)).numpy(), data.test_targets)


def main(epochs: int = 10) -> tuple[list[float], float, float]:
    """Trains the network, and the same one without its quantum layer.

    Returns:
        The mean loss of each epoch, and the accuracy on the test set with the quantum layer and
        without it.
    """
    data, losses = digits(), []
    torch.manual_seed(0)
    hybrid = network(quantum_layer())
    for epoch, loss in enumerate(fit(hybrid, data, epochs), start=1):
        losses.append(loss)
        print(f"epoch {epoch:2}  loss {loss:.4f}", flush=True)
    torch.manual_seed(0)
    classical = network()
    for _ in fit(classical, data, epochs):
        pass
    linear = LogisticRegression().fit(data.train_points, data.train_targets)
    found, without = score(hybrid, data), score(classical, data)
    print(f"test accuracy {found:.3f}")
    print(f"without the quantum layer {without:.3f}")
    print(f"logistic regression {linear.score(data.test_points, data.test_targets):.3f}")
    return losses, found, without


if __name__ == "__main__":
    run(main, __doc__)
