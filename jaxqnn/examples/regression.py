"""A regression: qiskit-machine-learning's regressor, unchanged but for one call.

    python -m jaxqnn.examples.regression

The model is written with QML's own classes.  `jaxqnn.accelerate` gives its twin, which trains in
seconds; QML's own `backward` of the whole training set is timed once for comparison.
"""

from __future__ import annotations

import time

from qiskit_machine_learning.algorithms import NeuralNetworkRegressor
from qiskit_machine_learning.neural_networks import EstimatorQNN
from qiskit_machine_learning.optimizers import SLSQP
from sklearn.linear_model import LinearRegression

import jaxqnn
from jaxqnn.examples.command import run
from jaxqnn.examples.data import diabetes
from jaxqnn.examples.training import initial_weights, reuploading


def regressor(iterations: int, num_features: int = 3) -> NeuralNetworkRegressor:
    """QML's regressor of QML's network."""
    circuit, inputs, weights = reuploading(num_features, layers=2)
    qnn = EstimatorQNN(circuit=circuit, input_params=inputs, weight_params=weights)
    return NeuralNetworkRegressor(
        qnn,
        loss="squared_error",
        optimizer=SLSQP(maxiter=iterations),
        initial_point=initial_weights(qnn.num_weights),
    )


def main(iterations: int = 60) -> tuple[float, float]:
    """Fits the accelerated regressor.

    Returns:
        R^2 on the test set, the network's and that of linear regression.
    """
    data = diabetes()
    slow = regressor(iterations)
    fast = jaxqnn.accelerate(slow)
    weights = initial_weights(slow.neural_network.num_weights)

    begun = time.perf_counter()
    slow.neural_network.backward(data.train_points[:8], weights)
    of_eight = time.perf_counter() - begun
    begun = time.perf_counter()
    fast.fit(data.train_points, data.train_targets)
    elapsed = time.perf_counter() - begun

    found = float(fast.score(data.test_points, data.test_targets))
    linear = LinearRegression().fit(data.train_points, data.train_targets)
    baseline = float(linear.score(data.test_points, data.test_targets))
    print(f"QML's gradient for 8 of {len(data.train_points)} patients: {of_eight:.2f} s")
    print(f"the whole of the accelerated training: {elapsed:.2f} s")
    print(f"R^2 on the test set {found:.3f} (linear regression: {baseline:.3f})")
    return found, baseline


if __name__ == "__main__":
    run(main, __doc__)
