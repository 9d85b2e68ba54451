"""accelerate: the JAX twin of a network, or of a model that holds one."""

from __future__ import annotations

import copy
from typing import Any, TypeVar, cast

from qiskit_machine_learning.algorithms.trainable_model import TrainableModel
from qiskit_machine_learning.neural_networks import EstimatorQNN as QMLEstimatorQNN
from qiskit_machine_learning.neural_networks import SamplerQNN as QMLSamplerQNN

from jaxqnn.errors import InvalidArgumentError
from jaxqnn.networks import EstimatorQNN, SamplerQNN
from jaxqnn.networks.exact import is_exact_estimator_gradient, is_exact_sampler_gradient
from jaxqnn.primitives import is_exact_estimator, is_exact_sampler

_Model = TypeVar("_Model")


def accelerate(model: _Model) -> _Model:
    """Return the same model with its quantum neural network on JAX.

    The argument is not changed.  A fitted model stays fitted: its twin has the same weights and
    gives the same predictions.  Optimizer, callback and initial point are shared with the original.

    Args:
        model: QML's `EstimatorQNN` or `SamplerQNN`, or a `NeuralNetworkClassifier`,
            `NeuralNetworkRegressor`, `VQC` or `VQR` (fitted or not).  What already runs on JAX is
            returned as it is.

    Returns:
        `jaxqnn.EstimatorQNN`, `jaxqnn.SamplerQNN`, or a model of the argument's class holding one.

    Raises:
        InvalidArgumentError: The network's primitive samples, its gradient is not the exact one, or
            its class is none of QML's own; the message says which.

    Example:
        >>> from qiskit.circuit.library import zz_feature_map, real_amplitudes
        >>> from qiskit_machine_learning.algorithms import VQC
        >>> vqc = VQC(feature_map=zz_feature_map(2), ansatz=real_amplitudes(2))
        >>> type(accelerate(vqc).neural_network)
        <class 'jaxqnn.networks...SamplerQNN'>
    """
    if isinstance(model, EstimatorQNN | SamplerQNN):
        return model
    if isinstance(model, TrainableModel):
        return cast(_Model, _twin_of_model(model))
    if type(model) is QMLEstimatorQNN:
        return cast(_Model, _twin_of_estimator(model))
    if type(model) is QMLSamplerQNN:
        return cast(_Model, _twin_of_sampler(model))
    if isinstance(model, QMLEstimatorQNN | QMLSamplerQNN):
        raise InvalidArgumentError(
            f"{type(model).__name__} is a subclass of QML's network, and may compute something of "
            "its own. Derive it from jaxqnn's EstimatorQNN or SamplerQNN instead."
        )
    raise InvalidArgumentError(
        f"A {type(model).__name__} has no network to accelerate. Pass QML's EstimatorQNN or "
        "SamplerQNN, or a classifier or regressor holding one."
    )


def _twin_of_model(model: Any) -> Any:
    network = accelerate(model.neural_network)
    if network is model.neural_network:
        return model
    twin = copy.copy(model)
    twin._neural_network = network
    if hasattr(twin, "_target_encoder"):
        # Fitting the twin refits the encoder of the labels, which must not reach the original.
        twin._target_encoder = copy.deepcopy(model._target_encoder)
    return twin


def _twin_of_estimator(network: Any) -> EstimatorQNN:
    _check("estimator", network.estimator, is_exact_estimator(network.estimator))
    _check("gradient", network.gradient, is_exact_estimator_gradient(network.gradient))
    return EstimatorQNN(
        circuit=network.circuit,
        observables=network.observables,
        input_params=network.input_params,
        weight_params=network.weight_params,
        input_gradients=network.input_gradients,
        default_precision=network.default_precision,
    )


def _twin_of_sampler(network: Any) -> SamplerQNN:
    _check("sampler", network.sampler, is_exact_sampler(network.sampler))
    _check("gradient", network.gradient, is_exact_sampler_gradient(network.gradient))
    interpret = network.interpret
    # QML puts an identity of its own where none was given.
    given = getattr(interpret, "__module__", None) != QMLSamplerQNN.__module__
    return SamplerQNN(
        circuit=network.circuit,
        input_params=network.input_params,
        weight_params=network.weight_params,
        sparse=network.sparse,
        interpret=interpret if given else None,
        output_shape=network.output_shape if given else None,
        input_gradients=network.input_gradients,
    )


def _check(role: str, given: object, exact: bool) -> None:
    if not exact:
        raise InvalidArgumentError(
            f"The network cannot be accelerated: its {role}, a {type(given).__name__}, is not "
            f"known to be exact, and JAX would give other numbers. Build the network without a "
            f"{role} argument if the exact numbers are what you want."
        )
