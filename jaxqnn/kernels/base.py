"""What all kernels share: the feature map's states, and when JAX is used."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter
from qiskit_machine_learning.kernels import BaseKernel

from jaxqnn.descriptions import counted, place
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.kernels.states import FeatureMap, fidelities, fits

Floats = NDArray[np.float64]


class JaxKernel(BaseKernel):
    """The JAX side of a QML kernel.

    A subclass derives from this first and from QML's kernel second.
    """

    _feature_map_cache: FeatureMap | None = None

    @property
    def runs_on_jax(self) -> bool:
        """Whether the fidelities come from jaxqnn's states, with shots drawn from them or not."""
        raise NotImplementedError

    def __repr__(self) -> str:
        training = len(self._training())
        weights = f"{counted(training, 'training parameter')}, " if training else ""
        inputs = self._feature_map.num_parameters - training
        where = f"on JAX ({place(None, None)})"
        return (
            f"<{type(self).__name__}: {counted(self._feature_map.num_qubits, 'qubit')}, "
            f"{counted(inputs, 'feature')}, {weights}outputs (N, M); "
            f"{where if self.runs_on_jax else 'through qiskit-machine-learning, not on JAX'}>"
        )

    def apply(
        self,
        x: jax.typing.ArrayLike,
        y: jax.typing.ArrayLike | None = None,
    ) -> jax.Array:
        """The kernel matrix as a pure JAX function of the data.

        Args:
            x: Points (..., N, features), or one point (features,).
            y: Points (..., M, features); None for those of ``x``.

        Returns:
            The exact fidelities (..., N, M), in the precision of the arguments.

        Raises:
            JaxQNNError: If the points have not as many features as the feature map.

        Example:
            >>> import jax
            >>> from qiskit.circuit.library import zz_feature_map
            >>> import jaxqnn
            >>> kernel = jaxqnn.FidelityQuantumKernel(feature_map=zz_feature_map(2))
            >>> points = jax.numpy.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
            >>> jax.grad(lambda x: kernel.apply(x).sum())(points).shape
            (3, 2)
        """
        return self._apply(x, y, np.zeros(0))

    def _apply(
        self,
        x: jax.typing.ArrayLike,
        y: jax.typing.ArrayLike | None,
        training: jax.typing.ArrayLike,
    ) -> jax.Array:
        function = self._compiled().function
        training = jnp.asarray(training)
        if training.ndim > 1:
            training = training[..., None, :]  # one kernel for each, over all of the points
        left = function(jnp.atleast_2d(x), training)
        right = left if y is None else function(jnp.atleast_2d(y), training)
        overlaps = left @ jnp.conj(jnp.swapaxes(right, -1, -2))
        return overlaps.real**2 + overlaps.imag**2

    def _training(self) -> tuple[Parameter, ...]:
        """The parameters of the feature map that are not data."""
        return tuple(getattr(self, "_training_parameters", ()))

    def _training_values(self) -> Floats:
        """What they are bound to."""
        return np.zeros(0)

    def _compiled(self) -> FeatureMap:
        """The feature map, lowered anew where the user's circuit has changed."""
        training = self._training()
        cached = self._feature_map_cache
        if cached is None or not cached.is_of(self._feature_map, training):
            cached = self._feature_map_cache = FeatureMap(self._feature_map, training)
            self._forget_states()
        return cached

    def _forget_states(self) -> None:
        """Called when states that were computed are no longer those of the feature map."""

    def _fidelities(self, x: Floats, y: Floats | None) -> Floats:
        """The exact kernel matrix of rows; ``y`` None is for those of ``x``."""
        feature_map, training = self._compiled(), self._training_values()

        def lookup(points: Floats) -> Callable[[slice], Floats]:
            if fits(len(points), feature_map):
                states = self._states(feature_map, points, training)
                return lambda rows: states[rows]
            return lambda rows: feature_map.states(points[rows], training)

        shape = (len(x), len(x if y is None else y))
        return fidelities(lookup(x), None if y is None else lookup(y), shape, feature_map.block)

    def _states(self, feature_map: FeatureMap, points: Floats, training: Floats) -> Floats:
        return feature_map.states(points, training)

    def _validate_input(self, x_vec: Any, y_vec: Any) -> tuple[Any, Any]:
        """QML's checks, which take no numbers for an error of theirs, and say what to pass."""
        x = _as_points("x_vec", x_vec)
        y = None if y_vec is None else _as_points("y_vec", y_vec)
        try:
            return super()._validate_input(x, y)
        except ValueError as error:
            features = self._num_features
            raise InvalidArgumentError(
                f"{' '.join(str(error).split()).rstrip('.')}. Pass points of as many features as "
                f"the feature map has: (points, {features}), or one point ({features},)."
            ) from None

    def _checked(self, x: Any, y: Any) -> tuple[Floats, Floats | None]:
        """What was passed as rows of numbers; None for a ``y`` that is equal to ``x``."""
        x, y = self._validate_input(x, y)
        symmetric = y is None or np.array_equal(x, y)
        return np.asarray(x, float), None if symmetric else np.asarray(y, float)

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        # Compiled code is no data.
        return {name: part for name, part in state.items() if name != "_feature_map_cache"}


def _as_points(name: str, given: Any) -> NDArray[Any]:
    """An array of real numbers, of one axis or more."""
    try:
        points = np.asarray(given)
        found = f"{points.dtype} of shape {points.shape}"
    except ValueError:
        points, found = np.asarray(None), "rows of different lengths"
    real = points.dtype.kind in "biuf" or all(isinstance(value, Real) for value in points.flat)
    if not (real and points.ndim):
        raise InvalidArgumentError(
            f"{name} must be real numbers, (points, features) or (features,), but is {found}."
        )
    return points


def warn_not_jax(kernel: object, what: str, instead: str) -> None:
    """The one warning that a kernel gives that will not run on JAX."""
    warnings.warn(
        f"{type(kernel).__name__} was given {what}, which is not known to be an ideal simulation "
        "of the global fidelity. It is honoured as in qiskit-machine-learning, so JAX is not used "
        f"for it. {instead}",
        UserWarning,
        stacklevel=4,
    )
