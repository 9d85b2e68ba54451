"""A quantum kernel that learns its feature map, by gradient and without.

    python -m jaxqnn.examples.kernel_alignment

A kernel suits labels y if K[i, j] is large where y[i] = y[j], and small elsewhere.  The centred
alignment (Cortes, Mohri and Rostamizadeh, JMLR 13, 2012) is the cosine between the two,

    A = <Kc, y y^T> / (|Kc| |y y^T|),    Kc = H K H,    H = 1 - 1 1^T / N,

and the best feature map is that of the largest A.  QML's `QuantumKernelTrainer` climbs by SPSA, two
kernel matrices to guess one direction; `kernel.apply` gives optax the gradient by all parameters
for little more than the price of two.  Both start from the same random feature map and get the same
number of steps; a support vector machine then reads handwritten digits by each kernel, and by a
classical one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import ArrayLike
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit_machine_learning.kernels.algorithms import QuantumKernelTrainer
from qiskit_machine_learning.optimizers import SPSA
from qiskit_machine_learning.utils import algorithm_globals
from qiskit_machine_learning.utils.loss_functions import KernelLoss
from sklearn.svm import SVC

import jaxqnn
from jaxqnn.examples.command import run
from jaxqnn.examples.data import Data, FloatArray, digits

FEATURES = 4
LAYERS = 2
RATE = 0.05


def feature_map() -> tuple[QuantumCircuit, ParameterVector]:
    """Each feature in turn times a learned scale, plus a learned angle; learned entanglement."""
    features = ParameterVector("x", FEATURES)
    training = ParameterVector("t", 3 * LAYERS * FEATURES)
    learned = iter(training)
    circuit = QuantumCircuit(FEATURES)
    for _ in range(LAYERS):
        for qubit in range(FEATURES):
            circuit.ry(next(learned) * features[qubit] + next(learned), qubit)
        for qubit in range(FEATURES):
            circuit.rzz(next(learned), qubit, (qubit + 1) % FEATURES)
    return circuit, training


def trainable_kernel() -> jaxqnn.TrainableFidelityStatevectorKernel:
    """The kernel of that feature map."""
    circuit, training = feature_map()
    return jaxqnn.TrainableFidelityStatevectorKernel(
        feature_map=circuit, training_parameters=training
    )


def alignment(kernel: ArrayLike, labels: ArrayLike) -> jax.Array:
    """The centred alignment of a kernel matrix with labels -1 and 1."""
    matrix, target = jnp.asarray(kernel), jnp.asarray(labels)
    centre = jnp.eye(len(target)) - 1 / len(target)
    centred = centre @ matrix @ centre
    return target @ centred @ target / (jnp.linalg.norm(centred) * len(target))


def by_gradient(data: Data, start: FloatArray, steps: int) -> FloatArray:
    """Training values after so many steps of optax's Adam."""
    kernel = trainable_kernel()
    points, labels = jnp.asarray(data.train_points), jnp.asarray(data.train_targets)
    optimiser = optax.adam(RATE)

    @jax.jit
    def step(values: jax.Array, state: Any) -> tuple[jax.Array, Any]:
        slope = jax.grad(lambda v: -alignment(kernel.apply(points, None, v), labels))(values)
        updates, state = optimiser.update(slope, state)
        return jnp.asarray(optax.apply_updates(values, updates)), state

    values = jnp.asarray(start)
    state = optimiser.init(values)
    for _ in range(steps):
        values, state = step(values, state)
    return np.asarray(values, dtype=np.float64)


class Misalignment(KernelLoss):
    """What QML's trainer makes small."""

    def evaluate(
        self,
        parameter_values: Any,
        quantum_kernel: Any,
        data: FloatArray,
        labels: FloatArray,
    ) -> float:
        """One less the alignment."""
        quantum_kernel.assign_training_parameters(parameter_values)
        return 1 - float(alignment(quantum_kernel.evaluate(data), labels))


def by_spsa(data: Data, start: FloatArray, steps: int) -> FloatArray:
    """Training values after so many steps of QML's own trainer."""
    algorithm_globals.random_seed = 0
    kernel = trainable_kernel()
    optimizer = SPSA(maxiter=steps, learning_rate=RATE, perturbation=RATE)
    trainer = QuantumKernelTrainer(kernel, Misalignment(), optimizer, initial_point=start)
    trainer.fit(data.train_points, data.train_targets)
    return kernel.parameter_values


@dataclass(frozen=True)
class Score:
    """How well a kernel suits the data.

    Attributes:
        alignment: With the labels it was trained on.
        accuracy: Of a support vector machine on the test set.
    """

    alignment: float
    accuracy: float


def score(values: FloatArray, data: Data) -> Score:
    """The score of the quantum kernel with these training values."""
    kernel = trainable_kernel()
    kernel.assign_training_parameters(values)
    machine = SVC(kernel=kernel.evaluate).fit(data.train_points, data.train_targets)
    matrix = kernel.evaluate(data.train_points)
    return Score(
        float(alignment(matrix, data.train_targets)),
        float(machine.score(data.test_points, data.test_targets)),
    )


def classical_accuracy(data: Data) -> float:
    """A support vector machine with scikit-learn's own kernel, exp(-g |x - y|^2)."""
    machine = SVC(kernel="rbf").fit(data.train_points, data.train_targets)
    return float(machine.score(data.test_points, data.test_targets))


def main(steps: int = 60) -> dict[str, Score]:
    """Aligns the kernel both ways, and scores it before and after."""
    data = digits(4, 9, FEATURES)
    start = np.random.default_rng(0).uniform(-np.pi, np.pi, 3 * LAYERS * FEATURES)
    ways = {
        "as it starts": start,
        "by SPSA": by_spsa(data, start, steps),
        "by gradient": by_gradient(data, start, steps),
    }
    found = {name: score(values, data) for name, values in ways.items()}
    print(f"{len(data.train_points)} fours and nines, {FEATURES} qubits, {steps} steps")
    for name, one in found.items():
        print(f"{name:14} alignment {one.alignment:.3f}   test accuracy {one.accuracy:.1%}")
    print(f"{'classical':14}                   test accuracy {classical_accuracy(data):.1%}")
    return found


if __name__ == "__main__":
    run(main, __doc__)
