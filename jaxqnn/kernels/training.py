"""What the trainable kernels add: their training parameters as an argument."""

from __future__ import annotations

import jax
import numpy as np
from qiskit_machine_learning.kernels import TrainableKernel

from jaxqnn.kernels.base import Floats, JaxKernel


class TrainableApply(JaxKernel, TrainableKernel):
    """The pure function of data and training parameters, and the values the latter have now."""

    def apply(
        self,
        x: jax.typing.ArrayLike,
        y: jax.typing.ArrayLike | None = None,
        training_values: jax.typing.ArrayLike | None = None,
    ) -> jax.Array:
        """The kernel matrix as a pure JAX function of the data and the training parameters.

        Args:
            x: Points (..., N, features), or one point (features,).
            y: Points (..., M, features); None for those of ``x``.
            training_values: (..., training parameters), in the order of ``training_parameters``;
                None for those assigned.

        Returns:
            The exact fidelities (..., N, M), in the precision of the arguments.

        Raises:
            JaxQNNError: If points or values have not as many columns as there are parameters.
            QiskitMachineLearningError: If there are no values, neither passed nor assigned.
        """
        if training_values is None:
            training_values = self._training_values()
        return self._apply(x, y, training_values)

    def _training_values(self) -> Floats:
        self._check_trainable_parameters()
        return np.asarray(self.parameter_values, dtype=np.float64)
