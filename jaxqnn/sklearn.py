"""QML's classifier and regressor as estimators that all of scikit-learn accepts.

QML's models have scikit-learn's methods but not its `BaseEstimator`, so that ``clone``,
``cross_val_score``, ``GridSearchCV`` and (from scikit-learn 1.7 on) ``Pipeline.predict`` refuse
them.  These two classes add what is missing and change nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit_machine_learning.algorithms import NeuralNetworkClassifier as QMLClassifier
from qiskit_machine_learning.algorithms import NeuralNetworkRegressor as QMLRegressor
from qiskit_machine_learning.algorithms.trainable_model import TrainableModel
from qiskit_machine_learning.neural_networks import NeuralNetwork
from qiskit_machine_learning.utils.loss_functions import Loss
from sklearn.base import BaseEstimator


class _Parameters(TrainableModel):
    """The arguments of a QML model as parameters that can be read back and set."""

    _initial_point: NDArray[np.float64] | None

    @property
    def neural_network(self) -> NeuralNetwork:
        """The network that is trained."""
        return self._neural_network

    @neural_network.setter
    def neural_network(self, neural_network: NeuralNetwork) -> None:
        self._neural_network = neural_network

    @property
    def loss(self) -> Loss:
        """The loss function; it can be set by name."""
        return self._loss

    @loss.setter
    def loss(self, loss: str | Loss) -> None:
        # QML turns names into losses in its constructor only.
        self._loss = QMLRegressor(self._neural_network, loss=loss).loss

    def _choose_initial_point(self) -> NDArray[np.float64]:
        """Keep the parameter as it was given: a clone of a fitted model starts afresh."""
        given = self._initial_point
        chosen = super()._choose_initial_point()
        self._initial_point = given
        return chosen

    def __sklearn_is_fitted__(self) -> bool:
        return self._fit_result is not None


class NeuralNetworkClassifier(_Parameters, QMLClassifier, BaseEstimator):
    """QML's `NeuralNetworkClassifier` with scikit-learn's `get_params` and `set_params`.

    The arguments and everything else are QML's.

    Example:
        >>> import numpy as np
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import MinMaxScaler
        >>> from qiskit.circuit.library import zz_feature_map, real_amplitudes
        >>> import jaxqnn
        >>> feature_map, ansatz = zz_feature_map(2), real_amplitudes(2, reps=1)
        >>> qnn = jaxqnn.EstimatorQNN(
        ...     circuit=feature_map.compose(ansatz),
        ...     input_params=feature_map.parameters,
        ...     weight_params=ansatz.parameters,
        ... )
        >>> model = make_pipeline(MinMaxScaler(), NeuralNetworkClassifier(qnn))
        >>> features = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.9, 0.1]])
        >>> _ = model.fit(features, np.array([1, -1, 1, -1]))
        >>> model.predict(features).shape
        (4, 1)
    """

    @property
    def one_hot(self) -> bool:
        """Whether targets and outputs are one-hot encoded."""
        return self._one_hot

    @one_hot.setter
    def one_hot(self, one_hot: bool) -> None:
        # The encoder of the labels is chosen with it, in QML's constructor.
        fresh: Any = QMLClassifier(self._neural_network, one_hot=one_hot)
        self._one_hot, self._target_encoder = one_hot, fresh._target_encoder


class NeuralNetworkRegressor(_Parameters, QMLRegressor, BaseEstimator):
    """QML's `NeuralNetworkRegressor` with scikit-learn's `get_params` and `set_params`.

    The arguments and everything else are QML's.
    """
