"""JaxEstimator: Qiskit's estimator primitive on the batched engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BaseEstimatorV2, DataBin, PrimitiveJob, PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub, EstimatorPubLike
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.providers import Options
from qiskit.quantum_info import Operator, SparseObservable, SparsePauliOp

from jaxqnn.arguments import as_size, check_seed
from jaxqnn.measure.observables import with_numbers
from jaxqnn.primitives.requests import Requests
from jaxqnn.primitives.rows import group_circuits
from jaxqnn.primitives.terms import AllTerms


class JaxEstimator(BaseEstimatorV2):
    """Expectation values of the PUBs that Qiskit's `StatevectorEstimator` takes, in batches.

    Every point of a PUB, and every PUB with an equal circuit, is a row of one batch.  Two modes, as
    in QML's `QMLEstimator`:

    * ``default_precision == 0`` (the default): exact.  ``stds`` are zero, and a ``precision`` given
      to `run` or in a PUB is accepted and ignored.
    * ``default_precision > 0``: the semantics of `StatevectorEstimator`.  Normal noise of the
      asked-for precision is added to the exact values; with the same ``seed`` the results are those
      of the reference, to rounding.

    Observables may also be `qiskit.quantum_info.Operator`s.  Measurements at the end of a circuit
    are ignored; of one that measures, resets or branches on the way, the value is the mean over all
    branches.

    Args:
        default_precision: The precision where none is given; 0 selects the exact mode.
        seed: Seed or generator of the noise.

    Raises:
        InvalidArgumentError: ``default_precision`` is negative, or ``seed`` is none.
        UnsupportedCircuitError: From ``job.result()``, for a circuit with a ``while`` loop,
            real-time variables or anything else that no exact function has.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.circuit import Parameter
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(Parameter("t"), 0)
        >>> pub = (circuit, [["Z"], ["X"]], [[0.0], [1.0], [2.0]])
        >>> result = JaxEstimator().run([pub]).result()[0]
        >>> result.data.evs.round(4)  # cos t and sin t
        array([[ 1.    ,  0.5403, -0.4161],
               [ 0.    ,  0.8415,  0.9093]])
    """

    def __init__(
        self,
        *,
        default_precision: float = 0.0,
        seed: np.random.Generator | int | None = None,
    ) -> None:
        """Take the arguments that are described with the class."""
        check_seed(seed)
        self._default_precision = as_size("default_precision", default_precision)
        self._seed = seed
        self.options = Options(default_precision=self._default_precision, seed=seed)

    @property
    def default_precision(self) -> float:
        """The precision where none is given; 0 in the exact mode."""
        return self._default_precision

    @property
    def seed(self) -> np.random.Generator | int | None:
        """Seed or generator of the noise."""
        return self._seed

    @property
    def exact(self) -> bool:
        """Whether results are exact whatever precision is asked for."""
        return self._default_precision == 0.0

    def run(
        self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None
    ) -> PrimitiveJob[PrimitiveResult[PubResult]]:
        """Evaluate PUBs ``(circuit, observables[, parameter values[, precision]])``.

        Args:
            pubs: PUBs whose observables and parameter values broadcast against each other.
            precision: Replaces ``default_precision`` in this call; ignored in the exact mode.

        Returns:
            A job; ``job.result()[i].data`` has ``evs`` and ``stds`` in the shape of PUB i.

        Raises:
            ValueError: A PUB's parts do not fit each other.
            TypeError: A PUB's part is of a wrong type.
        """
        if precision is None or self.exact:
            precision = self._default_precision
        coerced = [EstimatorPub.coerce(_with_paulis(pub), precision) for pub in pubs]
        job = PrimitiveJob(self._run, coerced)
        job._submit()
        return job

    def _run(self, pubs: list[EstimatorPub]) -> PrimitiveResult[PubResult]:
        values = _exact_values(pubs)
        results = [self._result(pub, evs) for pub, evs in zip(pubs, values, strict=True)]
        return PrimitiveResult(results, metadata={"version": 2})

    def _result(self, pub: EstimatorPub, evs: NDArray[np.float64]) -> PubResult:
        metadata = {
            "target_precision": 0.0 if self.exact else pub.precision,
            "circuit_metadata": pub.circuit.metadata,
        }
        if self.exact:
            metadata |= {"shots": None, "exact": True}
        elif pub.precision != 0:
            # The reference makes one generator per PUB and draws in index order.
            evs = np.asarray(np.random.default_rng(self._seed).normal(evs, pub.precision))
        return PubResult(
            DataBin(evs=evs, stds=np.zeros_like(evs), shape=evs.shape), metadata=metadata
        )


def _with_paulis(pub: Any) -> Any:
    """Return the PUB with its operators as sums of Paulis with numbers, as Qiskit needs them."""
    if isinstance(pub, tuple | list) and len(pub) > 1:
        return (pub[0], AllTerms.coerce(_paulis(pub[1])), *pub[2:])
    return pub


def _paulis(observables: Any) -> Any:
    if isinstance(observables, Operator):
        return SparsePauliOp.from_operator(observables, atol=0.0, rtol=0.0)
    if isinstance(observables, SparsePauliOp):
        # Qiskit refuses coefficients with parameters, and bound ones that are kept as objects too.
        return with_numbers(observables) or observables
    if isinstance(observables, list | tuple):
        return [_paulis(observable) for observable in observables]
    return observables


def _exact_values(pubs: list[EstimatorPub]) -> list[NDArray[np.float64]]:
    """Return the expectation values of each PUB in its shape, equal circuits in one batch."""
    values = [np.zeros(pub.shape) for pub in pubs]
    for group in group_circuits([pub.circuit for pub in pubs]):
        members = [member for member in group.members if pubs[member].size]
        if not members:
            continue
        rows, observables = zip(*(_requests(pubs[member]) for member in members), strict=True)
        answers = Requests.collect(group, np.concatenate(rows), [*chain(*observables)]).values()
        for member in members:
            size = pubs[member].size
            values[member], answers = answers[:size].reshape(pubs[member].shape), answers[size:]
    return values


def _requests(pub: EstimatorPub) -> tuple[NDArray[np.float64], list[SparsePauliOp]]:
    """Return one row of parameter values and one observable for every entry of the PUB."""
    bindings = pub.parameter_values
    table = bindings.as_array(pub.circuit.parameters)
    rows = np.broadcast_to(table, (*pub.shape, table.shape[-1])).reshape(pub.size, -1)
    given = _entries(pub.observables)
    paulis = {id(observable): _as_sum(observable) for observable in given.ravel()}
    observables = np.broadcast_to(given, pub.shape).ravel()
    return rows, [paulis[id(observable)] for observable in observables]


def _entries(observables: ObservablesArray) -> NDArray[Any]:
    if hasattr(observables, "sparse_observables_array"):
        return observables.sparse_observables_array()
    return np.asarray(observables)  # Qiskit 2.0 keeps dictionaries of labels


def _as_sum(observable: SparseObservable | Mapping[str, float]) -> SparsePauliOp:
    if not isinstance(observable, SparseObservable):
        observable = SparseObservable.from_list([*observable.items()])
    return SparsePauliOp.from_sparse_observable(observable)
