"""A hybrid network in PyTorch: classical layers before and after a quantum one.

    python -m jaxqnn.examples.hybrid_digits

A linear layer turns the 64 pixels of a handwritten 3 or 8 into four angles, a circuit of four
qubits turns these into four expectation values, and a linear layer turns those into one logit.
All three train together; the quantum layer's backward pass is one VJP for the whole batch.
"""

from __future__ import annotations

from qiskit.quantum_info import SparsePauliOp

import jaxqnn
from jaxqnn.examples.command import missing, run
from jaxqnn.examples.data import digits
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


def hybrid() -> nn.Sequential:
    """The whole network."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(64, QUBITS), nn.Tanh(), quantum_layer(), nn.Linear(QUBITS, 1), nn.Flatten(0)
    ).double()


def main(epochs: int = 10) -> tuple[list[float], float]:
    """Trains the network.

    Returns:
        The mean loss of each epoch, and the accuracy on the test set.
    """
    data, model = digits(), hybrid()
    train_set = TensorDataset(
        torch.tensor(data.train_points), torch.tensor((data.train_targets + 1) / 2)
    )
    batches = DataLoader(train_set, batch_size=32, shuffle=True)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    loss_function = nn.BCEWithLogitsLoss()
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for points, labels in batches:
            optimiser.zero_grad()
            loss = loss_function(model(points), labels)
            loss.backward()
            optimiser.step()
            total += loss.item() * len(points)
        losses.append(total / len(train_set))
        print(f"epoch {epoch + 1:2}  loss {losses[-1]:.4f}")
    with torch.no_grad():
        outputs = model(torch.tensor(data.test_points)).numpy()
    found = accuracy(outputs, data.test_targets)
    print(f"test accuracy {found:.3f}")
    return losses, found


if __name__ == "__main__":
    run(main, __doc__)
