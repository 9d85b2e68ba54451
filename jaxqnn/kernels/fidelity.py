"""Kernels by a fidelity primitive: FidelityQuantumKernel and its trainable version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit_machine_learning.kernels import FidelityQuantumKernel as QMLFidelityQuantumKernel
from qiskit_machine_learning.kernels import (
    TrainableFidelityQuantumKernel as QMLTrainableFidelityQuantumKernel,
)
from qiskit_machine_learning.state_fidelities import BaseStateFidelity, ComputeUncompute

from jaxqnn.kernels.base import Floats, JaxKernel, warn_not_jax
from jaxqnn.kernels.training import TrainableApply
from jaxqnn.primitives import is_exact_sampler
from jaxqnn.primitives.draws import hits
from jaxqnn.primitives.ideal import Shots, shots_of


class FidelityQuantumKernel(JaxKernel, QMLFidelityQuantumKernel):
    """QML's FidelityQuantumKernel, from N states and one matrix product.

    Change the import and keep the rest of a script. ``evaluate(x, y)`` gives |<x|y>|^2 of every
    pair of points, (N, M). A symmetric matrix takes half of the work; its diagonal is one, and it
    is positive semidefinite as it is.

    Args:
        feature_map: Unitary instructions; measurements at the end are passed over. Its parameters
            are the features, in the order of ``feature_map.parameters``.
        fidelity: None, or `ComputeUncompute` of an ideal sampler (`QMLSampler`,
            `StatevectorSampler`, `JaxSampler`), runs on JAX. With shots, those are drawn that the
            sampler would have drawn. Any other is honoured as in QML, with one warning.
        enforce_psd: Projects a symmetric matrix of shots to a positive semidefinite one.
        evaluate_duplicates: Which pairs shots are drawn for: "all"; "off_diagonal", not for the
            diagonal of a symmetric matrix; "none", not for pairs of equal points.
        max_circuits_per_job: Passed on to a fidelity that is honoured.

    Raises:
        QiskitMachineLearningError: If there is no feature map.
        ValueError: If an argument is out of its range, or from ``evaluate``, points do not fit.
        UnsupportedCircuitError: From ``evaluate``, if an instruction is not unitary.

    Example:
        >>> import numpy as np
        >>> from qiskit.circuit.library import zz_feature_map
        >>> import jaxqnn
        >>> kernel = jaxqnn.FidelityQuantumKernel(feature_map=zz_feature_map(2))
        >>> matrix = kernel.evaluate(np.random.rand(5, 2))
        >>> matrix.shape, np.diag(matrix).tolist()
        ((5, 5), [1.0, 1.0, 1.0, 1.0, 1.0])
    """

    def __init__(
        self,
        *,
        feature_map: QuantumCircuit | None = None,
        fidelity: BaseStateFidelity | None = None,
        enforce_psd: bool = True,
        evaluate_duplicates: str = "off_diagonal",
        max_circuits_per_job: int | None = None,
    ) -> None:
        """Take the arguments that are described with the class."""
        super().__init__(
            feature_map=feature_map,
            fidelity=fidelity,
            enforce_psd=enforce_psd,
            evaluate_duplicates=evaluate_duplicates,
            max_circuits_per_job=max_circuits_per_job,
        )
        self._warn_if_honoured()

    def _warn_if_honoured(self) -> None:
        if not self.runs_on_jax:
            inner = getattr(self._fidelity, "_sampler", None)
            what = type(self._fidelity).__name__
            if inner is not None:
                what += f" of {type(inner).__name__}"
            warn_not_jax(self, what, "Leave fidelity out to run on JAX.")

    @property
    def runs_on_jax(self) -> bool:
        """Whether the fidelities come from jaxqnn's states, with shots drawn from them or not."""
        return is_ideal_fidelity(self._fidelity)

    def evaluate(
        self, x_vec: NDArray[Any] | Sequence[Any], y_vec: NDArray[Any] | Sequence[Any] | None = None
    ) -> Floats:
        """The kernel matrix.

        Args:
            x_vec: Points (N, features), or one point (features,).
            y_vec: Points (M, features), or one; None for those of ``x_vec``.

        Returns:
            (N, M), float64.

        Raises:
            ValueError: If the points do not fit the feature map, or each other.
        """
        if not self.runs_on_jax:
            return super().evaluate(x_vec, y_vec)
        shots = fidelity_shots(self._fidelity)
        x, y = self._checked(x_vec, y_vec)
        kernel = self._fidelities(x, y)
        if shots is None:
            return kernel
        rows, columns = self._drawn_pairs(x, y)
        drawn = hits(kernel[rows, columns], *shots) / shots.shots
        kernel = np.ones_like(kernel)
        kernel[rows, columns] = drawn
        if y is None:
            kernel[columns, rows] = drawn
            if self._enforce_psd:
                kernel = self._make_psd(kernel)
        return kernel

    def _drawn_pairs(self, x: Floats, y: Floats | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """The pairs that QML would run a circuit for, in its order."""
        if y is None:
            rows, columns = np.triu_indices(len(x))
        else:
            rows, columns = (part.ravel() for part in np.indices((len(x), len(y))))
        if self._evaluate_duplicates == "off_diagonal" and y is None:
            keep = rows != columns
        elif self._evaluate_duplicates == "none":
            keep = (x[rows] != (x if y is None else y)[columns]).any(axis=1)
        else:
            return rows, columns
        return rows[keep], columns[keep]


class TrainableFidelityQuantumKernel(
    TrainableApply, FidelityQuantumKernel, QMLTrainableFidelityQuantumKernel
):
    """QML's TrainableFidelityQuantumKernel, and a gradient for its training parameters.

    `QuantumKernelTrainer` takes it as it takes QML's. ``apply(x, y, training_values)`` is the pure
    JAX function, to be aligned by gradient.

    Args:
        feature_map: See `FidelityQuantumKernel`.
        fidelity: See `FidelityQuantumKernel`.
        training_parameters: Those of the feature map that are trained; the others are features.
        enforce_psd: See `FidelityQuantumKernel`.
        evaluate_duplicates: See `FidelityQuantumKernel`.

    Raises:
        QiskitMachineLearningError: If there is no feature map; from ``evaluate``, if a training
            parameter has no value.
        ValueError: See `FidelityQuantumKernel`.

    Example:
        >>> import jax
        >>> from qiskit.circuit.library import real_amplitudes, zz_feature_map
        >>> import jaxqnn
        >>> trained, data = real_amplitudes(2, reps=1), zz_feature_map(2)
        >>> kernel = jaxqnn.TrainableFidelityQuantumKernel(
        ...     feature_map=trained.compose(data), training_parameters=trained.parameters
        ... )
        >>> points = jax.numpy.array([[0.1, 0.2], [0.3, 0.4]])
        >>> jax.grad(lambda values: kernel.apply(points, points, values).sum())(
        ...     jax.numpy.ones(4)
        ... ).shape
        (4,)
    """

    def __init__(
        self,
        *,
        feature_map: QuantumCircuit | None = None,
        fidelity: BaseStateFidelity | None = None,
        training_parameters: ParameterVector | Sequence[Parameter] | None = None,
        enforce_psd: bool = True,
        evaluate_duplicates: str = "off_diagonal",
    ) -> None:
        """Take the arguments that are described with the class."""
        QMLTrainableFidelityQuantumKernel.__init__(
            self,
            feature_map=feature_map,
            fidelity=fidelity,
            training_parameters=training_parameters,
            enforce_psd=enforce_psd,
            evaluate_duplicates=evaluate_duplicates,
        )
        self._warn_if_honoured()


def is_ideal_fidelity(fidelity: Any) -> bool:
    """Whether it is the global fidelity by an ideal sampler, exact or with shots."""
    return (
        type(fidelity) is ComputeUncompute
        and not fidelity._local
        and set(vars(fidelity._default_options)) <= {"shots"}
        and (is_exact_sampler(fidelity._sampler) or shots_of(fidelity._sampler) is not None)
    )


def fidelity_shots(fidelity: Any) -> Shots | None:
    """The shots of an ideal fidelity; None if it is exact."""
    shots = shots_of(fidelity._sampler)
    asked = fidelity._default_options.get("shots")
    return shots if shots is None or asked is None else shots._replace(shots=asked)
