"""Kernels by state vectors: FidelityStatevectorKernel and its trainable version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import Statevector
from qiskit_machine_learning.kernels import (
    FidelityStatevectorKernel as QMLFidelityStatevectorKernel,
)
from qiskit_machine_learning.kernels import (
    TrainableFidelityStatevectorKernel as QMLTrainableFidelityStatevectorKernel,
)
from qiskit_machine_learning.utils import algorithm_globals

from jaxqnn.arguments import as_count
from jaxqnn.kernels.base import Floats, JaxKernel, warn_not_jax
from jaxqnn.kernels.states import FeatureMap, StateCache, fits
from jaxqnn.kernels.training import TrainableApply
from jaxqnn.primitives.rows import unique_rows


class FidelityStatevectorKernel(JaxKernel, QMLFidelityStatevectorKernel):
    """QML's FidelityStatevectorKernel, from N states and one matrix product.

    Change the import and keep the rest of a script. ``evaluate(x, y)`` gives |<x|y>|^2 of every
    pair of points, (N, M), or with ``shots`` the mean of so many draws of it.

    Args:
        feature_map: Unitary instructions. Its parameters are the features, in the order of
            ``feature_map.parameters``.
        statevector_type: Qiskit's `Statevector`. Another class is honoured as in QML, with one
            warning.
        cache_size: The most states to keep from one ``evaluate`` to the next; None keeps all.
        auto_clear_cache: Whether none are kept.
        shots: Draws for each pair, from QML's ``algorithm_globals.random``; None is exact.
        enforce_psd: Projects a symmetric matrix of shots to a positive semidefinite one.

    Raises:
        QiskitMachineLearningError: If there is no feature map.
        ValueError: From ``evaluate``, if points do not fit, or shots are not positive.
        UnsupportedCircuitError: From ``evaluate``, if an instruction is not unitary.

    Example:
        >>> import numpy as np
        >>> from qiskit.circuit.library import zz_feature_map
        >>> import jaxqnn
        >>> kernel = jaxqnn.FidelityStatevectorKernel(feature_map=zz_feature_map(2))
        >>> kernel.evaluate(np.random.rand(5, 2), np.random.rand(3, 2)).shape
        (5, 3)
    """

    def __init__(
        self,
        *,
        feature_map: QuantumCircuit | None = None,
        statevector_type: type[Any] = Statevector,
        cache_size: int | None = None,
        auto_clear_cache: bool = True,
        shots: int | None = None,
        enforce_psd: bool = True,
    ) -> None:
        """Take the arguments that are described with the class."""
        super().__init__(
            feature_map=feature_map,
            statevector_type=statevector_type,
            cache_size=cache_size,
            auto_clear_cache=auto_clear_cache,
            shots=shots,
            enforce_psd=enforce_psd,
        )
        self._begin(cache_size)

    def _begin(self, cache_size: int | None) -> None:
        self._kept = StateCache(cache_size)
        if not self.runs_on_jax:
            what = self._statevector_type.__name__
            warn_not_jax(self, what, "Leave statevector_type out to run on JAX.")

    @property
    def runs_on_jax(self) -> bool:
        """Whether the fidelities come from jaxqnn's states, with shots drawn from them or not."""
        return self._statevector_type is Statevector

    def clear_cache(self) -> None:
        """Forget the states that were kept."""
        super().clear_cache()
        self._forget_states()

    def _forget_states(self) -> None:
        self._kept.clear()

    def _states(self, feature_map: FeatureMap, points: Floats, training: Floats) -> Floats:
        if self._auto_clear_cache:
            return feature_map.states(points, training)
        bound = np.broadcast_to(training, (len(points), len(training)))
        return self._kept.lookup(
            np.concatenate([points, bound], axis=1),
            lambda missing: feature_map.states(points[missing], training),
        )

    def _evaluate(self, x_vec: Any, y_vec: Any, is_symmetric: bool) -> Floats:
        if not self.runs_on_jax:
            return super()._evaluate(x_vec, y_vec, is_symmetric)
        x, y = self._checked(x_vec, None if is_symmetric else y_vec)
        kernel = self._fidelities(x, y)
        if self._shots is None:
            return kernel
        shots = as_count("shots", self._shots, 1)
        # QML draws for every pair of states that are not the same numbers, in both halves.
        drawn = self._differ(x, y)
        draws = algorithm_globals.random.binomial(n=shots, p=kernel[drawn])
        kernel = np.ones_like(kernel)
        kernel[drawn] = draws / shots
        return self._make_psd(kernel) if y is None and self._enforce_psd else kernel

    def _differ(self, x: Floats, y: Floats | None) -> NDArray[np.bool_]:
        """Which pairs of points have states that are not the same numbers."""
        feature_map, training = self._compiled(), self._training_values()
        points = x if y is None else np.concatenate([x, y])
        # Equal angles give equal states, if there are too many states to hold.
        states = points if not fits(len(points), feature_map) else None
        if states is None:
            states = self._states(feature_map, points, training)
        # Zeros of either sign are equal.
        _, number = unique_rows(states + 0.0)
        left, right = number[: len(x)], number if y is None else number[len(x) :]
        return left[:, None] != right[None, :]


class TrainableFidelityStatevectorKernel(
    TrainableApply, FidelityStatevectorKernel, QMLTrainableFidelityStatevectorKernel
):
    """QML's TrainableFidelityStatevectorKernel, and a gradient for its training parameters.

    `QuantumKernelTrainer` takes it as it takes QML's. ``apply(x, y, training_values)`` is the pure
    JAX function, to be aligned by gradient.

    Args:
        feature_map: See `FidelityStatevectorKernel`.
        statevector_type: See `FidelityStatevectorKernel`.
        training_parameters: Those of the feature map that are trained; the others are features.
        cache_size: See `FidelityStatevectorKernel`.
        auto_clear_cache: See `FidelityStatevectorKernel`.
        shots: See `FidelityStatevectorKernel`.
        enforce_psd: See `FidelityStatevectorKernel`.

    Raises:
        QiskitMachineLearningError: If there is no feature map; from ``evaluate``, if a training
            parameter has no value.
        ValueError: See `FidelityStatevectorKernel`.

    Example:
        >>> import numpy as np
        >>> from qiskit.circuit.library import real_amplitudes, zz_feature_map
        >>> import jaxqnn
        >>> trained, data = real_amplitudes(2, reps=1), zz_feature_map(2)
        >>> kernel = jaxqnn.TrainableFidelityStatevectorKernel(
        ...     feature_map=trained.compose(data), training_parameters=trained.parameters
        ... )
        >>> kernel.assign_training_parameters([0.1, 0.2, 0.3, 0.4])
        >>> kernel.evaluate(np.random.rand(5, 2)).shape
        (5, 5)
    """

    def __init__(
        self,
        *,
        feature_map: QuantumCircuit | None = None,
        statevector_type: type[Any] = Statevector,
        training_parameters: ParameterVector | Sequence[Parameter] | None = None,
        cache_size: int | None = None,
        auto_clear_cache: bool = True,
        shots: int | None = None,
        enforce_psd: bool = True,
    ) -> None:
        """Take the arguments that are described with the class."""
        QMLTrainableFidelityStatevectorKernel.__init__(
            self,
            feature_map=feature_map,
            statevector_type=statevector_type,
            training_parameters=training_parameters,
            cache_size=cache_size,
            auto_clear_cache=auto_clear_cache,
            shots=shots,
            enforce_psd=enforce_psd,
        )
        self._begin(cache_size)
