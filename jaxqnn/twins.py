"""accelerate: the JAX twin of a network or kernel, or of a model that holds one."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from qiskit.quantum_info import Statevector
from qiskit_machine_learning import kernels as qml_kernels
from qiskit_machine_learning.algorithms import QSVC, QSVR, PegasosQSVC
from qiskit_machine_learning.algorithms.trainable_model import TrainableModel
from qiskit_machine_learning.kernels import BaseKernel
from qiskit_machine_learning.neural_networks import EstimatorQNN as QMLEstimatorQNN
from qiskit_machine_learning.neural_networks import SamplerQNN as QMLSamplerQNN

from jaxqnn import kernels
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.kernels.base import JaxKernel
from jaxqnn.kernels.fidelity import fidelity_shots, is_ideal_fidelity
from jaxqnn.networks import EstimatorQNN, SamplerQNN
from jaxqnn.networks.base import JaxNetwork
from jaxqnn.networks.exact import (
    gradient_noise,
    gradient_shots,
    is_exact_estimator_gradient,
    is_exact_sampler_gradient,
)
from jaxqnn.primitives import is_exact_estimator, is_exact_sampler
from jaxqnn.primitives.ideal import noise_of, shots_of

_Model = TypeVar("_Model")

# Kernels of QML by name, so that ours are found by the same.
_KERNELS = {getattr(qml_kernels, name): name for name in kernels.__all__}


def accelerate(model: _Model, *, exact: bool = False) -> _Model:
    """Return the same model with its quantum neural network or kernel on JAX.

    The argument is not changed.  A fitted model stays fitted: its twin has the same weights and
    gives the same predictions.  Optimizer, callback and initial point are shared with the original,
    and so is a primitive with noise or shots, which keeps its meaning.

    Args:
        model: QML's `EstimatorQNN` or `SamplerQNN`, a fidelity kernel, or a
            `NeuralNetworkClassifier`, `NeuralNetworkRegressor`, `VQC`, `VQR`, `QSVC`, `QSVR` or
            `PegasosQSVC` (fitted or not).  What already runs on JAX is returned as it is.
        exact: Leaves out the noise and the shots of ideal simulators (`StatevectorEstimator`,
            `StatevectorSampler` and their relatives), for exact values and gradients.

    Returns:
        jaxqnn's network or kernel of the same name, or a model of the argument's class holding one.

    Raises:
        InvalidArgumentError: The primitive is no ideal simulator, the gradient neither the exact
            one nor the parameter-shift rule on such, or the class is none of QML's own; the
            message says which.

    Example:
        >>> from qiskit.circuit.library import zz_feature_map, real_amplitudes
        >>> from qiskit_machine_learning.algorithms import VQC
        >>> vqc = VQC(feature_map=zz_feature_map(2), ansatz=real_amplitudes(2))
        >>> type(accelerate(vqc).neural_network)
        <class 'jaxqnn.networks...SamplerQNN'>
    """
    if isinstance(model, JaxNetwork):
        return model if model.is_exact or not exact else cast(_Model, _exact_network(model))
    if isinstance(model, TrainableModel):
        return cast(_Model, _twin_of_model(model, exact))
    if isinstance(model, QSVC | QSVR | PegasosQSVC):
        return cast(_Model, _twin_of_machine(model, exact))
    if isinstance(model, BaseKernel):
        return cast(_Model, _twin_of_kernel(model, exact))
    if type(model) is QMLEstimatorQNN:
        return cast(_Model, _twin_of_estimator(model, exact))
    if type(model) is QMLSamplerQNN:
        return cast(_Model, _twin_of_sampler(model, exact))
    if isinstance(model, QMLEstimatorQNN | QMLSamplerQNN):
        raise _of_a_subclass(model, "network", "EstimatorQNN or SamplerQNN")
    raise InvalidArgumentError(
        f"A {type(model).__name__} has no network or kernel to accelerate. Pass QML's EstimatorQNN "
        "or SamplerQNN, a fidelity kernel, or a classifier or regressor holding one."
    )


def _twin_of_model(model: Any, exact: bool) -> Any:
    network = accelerate(model.neural_network, exact=exact)
    if network is model.neural_network:
        return model
    twin = copy.copy(model)
    twin._neural_network = network
    if hasattr(twin, "_target_encoder"):
        # Fitting the twin refits the encoder of the labels, which must not reach the original.
        twin._target_encoder = copy.deepcopy(model._target_encoder)
    return twin


def _twin_of_machine(model: Any, exact: bool) -> Any:
    """A support vector machine; fitting one replaces what was fitted, and changes none of it."""
    if not isinstance(model._quantum_kernel, BaseKernel):
        raise InvalidArgumentError(
            f"This {type(model).__name__} takes matrices that were computed before. Pass the "
            "kernel that computes them."
        )
    kernel = accelerate(model._quantum_kernel, exact=exact)
    if kernel is model._quantum_kernel:
        return model
    twin = copy.copy(model)
    # The setter of Pegasos would forget what was fitted.
    twin._quantum_kernel = kernel
    if not isinstance(model, PegasosQSVC):
        twin.kernel = kernel.evaluate
    return twin


def _twin_of_kernel(kernel: Any, exact: bool) -> Any:
    if isinstance(kernel, JaxKernel) and not (exact and _has_shots(kernel)):
        return kernel
    name = _KERNELS.get(type(kernel), type(kernel).__name__)
    ours = getattr(kernels, name, None)
    if ours is None or type(kernel) not in (ours, *_KERNELS):
        raise _of_a_subclass(kernel, "kernel", "kernels")
    given: dict[str, Any] = {
        "feature_map": kernel.feature_map,
        "enforce_psd": kernel.enforce_psd,
    }
    if hasattr(kernel, "training_parameters"):
        given["training_parameters"] = kernel.training_parameters
    if hasattr(kernel, "fidelity"):
        inner = getattr(kernel.fidelity, "_sampler", kernel.fidelity)
        _check("kernel", "fidelity", inner, is_ideal_fidelity(kernel.fidelity))
        given["fidelity"] = None if exact else kernel.fidelity
        given["evaluate_duplicates"] = kernel.evaluate_duplicates
        if "training_parameters" not in given:
            given["max_circuits_per_job"] = kernel.max_circuits_per_job
    else:
        kind = kernel._statevector_type
        if kind is not Statevector:
            _check("kernel", "statevector_type", kind, known=False)
        given["shots"] = None if exact else kernel._shots
        given["auto_clear_cache"] = kernel._auto_clear_cache
        given["cache_size"] = kernel._cache_size
    twin = ours(**given)
    if "training_parameters" in given:
        twin._parameter_dict.update(kernel._parameter_dict)
    return twin


def _has_shots(kernel: Any) -> bool:
    if hasattr(kernel, "fidelity"):
        return not kernel.runs_on_jax or fidelity_shots(kernel.fidelity) is not None
    return kernel._shots is not None


def _twin_of_estimator(network: Any, exact: bool) -> Any:
    estimator, gradient = network.estimator, network.gradient
    ideal = noise_of(estimator) is not None
    _check("network", "estimator", estimator, is_exact_estimator(estimator) or ideal)
    noisy = gradient_noise(gradient) is not None
    _check("network", "gradient", gradient, is_exact_estimator_gradient(gradient) or noisy)
    return _on_jax(
        EstimatorQNN,
        circuit=network.circuit,
        estimator=estimator if ideal and not exact else None,
        gradient=gradient if (ideal or noisy) and not exact else None,
        observables=network.observables,
        input_params=network.input_params,
        weight_params=network.weight_params,
        input_gradients=network.input_gradients,
        default_precision=network.default_precision,
        **_options(network),
    )


def _twin_of_sampler(network: Any, exact: bool) -> Any:
    sampler, gradient = network.sampler, network.gradient
    ideal = shots_of(sampler) is not None
    _check("network", "sampler", sampler, is_exact_sampler(sampler) or ideal)
    drawn = gradient_shots(gradient) is not None
    _check("network", "gradient", gradient, is_exact_sampler_gradient(gradient) or drawn)
    interpret = network.interpret
    # QML puts an identity of its own where none was given, and so does jaxqnn.
    places = (QMLSamplerQNN.__module__, SamplerQNN.__module__)
    given = getattr(interpret, "__module__", None) not in places
    return _on_jax(
        SamplerQNN,
        circuit=network.circuit,
        sampler=sampler if ideal and not exact else None,
        gradient=gradient if (ideal or drawn) and not exact else None,
        input_params=network.input_params,
        weight_params=network.weight_params,
        sparse=network.sparse,
        interpret=interpret if given else None,
        output_shape=network.output_shape if given else None,
        input_gradients=network.input_gradients,
        **_options(network),
    )


def _exact_network(network: JaxNetwork) -> Any:
    if type(network) is EstimatorQNN:
        return _twin_of_estimator(network, exact=True)
    if type(network) is SamplerQNN:
        return _twin_of_sampler(network, exact=True)
    raise _of_a_subclass(network, "network", "EstimatorQNN or SamplerQNN")


def _options(network: Any) -> dict[str, Any]:
    """What jaxqnn's own networks have been given besides QML's arguments."""
    if not isinstance(network, JaxNetwork):
        return {}
    return {"precision": network._precision, "device": network._device, "mesh": network._mesh}


def _on_jax(network: Callable[..., Any], **arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is not run on JAX is refused
        twin = network(**arguments)
    if not twin.runs_on_jax:
        raise InvalidArgumentError(
            "The network cannot be accelerated: its circuit does not prepare one state, and its "
            "estimator or sampler draws outcomes on the way. Remove resets and measurements before "
            "the end."
        )
    return twin


def _of_a_subclass(model: object, what: str, ours: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{type(model).__name__} is a subclass of QML's {what}, and may compute something of its "
        f"own. Derive it from jaxqnn's {ours} instead."
    )


def _check(what: str, role: str, given: object, known: bool) -> None:
    if not known:
        name = given.__name__ if isinstance(given, type) else type(given).__name__
        raise InvalidArgumentError(
            f"The {what} cannot be accelerated: its {role}, a {name}, is not known "
            "to be exact or an ideal simulator, and JAX would give other numbers. Build the "
            f"{what} without a {role} argument if the exact numbers are what you want."
        )
