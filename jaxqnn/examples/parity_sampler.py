"""A sampler network in a scikit-learn pipeline: two kinds of iris told apart by a parity.

    python -m jaxqnn.examples.parity_sampler

The class is the parity of the measured bits, so the network's two outputs are probabilities, and
cross-entropy is the loss.  Scaling, network and optimiser are one pipeline, which scikit-learn
clones and fits anew for each fold of the cross-validation.
"""

from __future__ import annotations

import numpy as np
from qiskit_machine_learning.optimizers import SLSQP
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

import jaxqnn
from jaxqnn.examples.command import run
from jaxqnn.examples.data import FloatArray, iris_pair
from jaxqnn.examples.training import initial_weights, reuploading
from jaxqnn.sklearn import NeuralNetworkClassifier


def parity(bits: int) -> int:
    """The class of a measured integer: whether its number of ones is odd."""
    return bits.bit_count() % 2


def network(num_qubits: int = 4) -> jaxqnn.SamplerQNN:
    """A qubit for each measurement of a flower, and the probabilities of both parities."""
    circuit, inputs, weights = reuploading(num_qubits, layers=2)
    return jaxqnn.SamplerQNN(
        circuit=circuit,
        input_params=inputs,
        weight_params=weights,
        interpret=parity,
        output_shape=2,
    )


def pipeline(iterations: int) -> Pipeline:
    """Lengths scaled to (0, pi/2), then the network, fitted by SLSQP."""
    qnn = network()
    classifier = NeuralNetworkClassifier(
        qnn,
        loss="cross_entropy",
        one_hot=True,
        optimizer=SLSQP(maxiter=iterations),
        initial_point=initial_weights(qnn.num_weights),
    )
    return make_pipeline(MinMaxScaler((0, np.pi / 2)), classifier)


def main(iterations: int = 30) -> FloatArray:
    """Cross-validates the pipeline.

    Returns:
        The accuracy on each of five folds.
    """
    points, kinds = iris_pair()
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(pipeline(iterations), points, kinds, cv=folds)
    baseline = cross_val_score(LogisticRegression(), points, kinds, cv=folds)
    print("accuracy of each fold:", "  ".join(f"{score:.2f}" for score in scores))
    print(f"mean {scores.mean():.3f} (logistic regression: {baseline.mean():.3f})")
    return np.asarray(scores)


if __name__ == "__main__":
    run(main, __doc__)
