"""JaxSampler: Qiskit's sampler primitive on the batched engine."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import (
    BaseSamplerV2,
    BitArray,
    DataBin,
    PrimitiveJob,
    PrimitiveResult,
    SamplerPubLike,
    SamplerPubResult,
)
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers import Options
from qiskit_machine_learning.primitives.sampler import ExactProbNDArray

from jaxqnn.arguments import as_count, check_seed
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.measure import Probabilities
from jaxqnn.primitives.containers import ExactSamplerPubResult, ProbabilityArray
from jaxqnn.primitives.registers import Reading, final_reading, pack_bits
from jaxqnn.primitives.rows import CircuitGroup, RowEvaluator, group_circuits, unique_rows

# What Qiskit's StatevectorSampler takes where nothing says how many.
_REFERENCE_SHOTS = 1024


class JaxSampler(BaseSamplerV2):
    """Outcome distributions, or samples, of the PUBs that Qiskit's `StatevectorSampler` takes.

    Every point of a PUB, and every PUB with an equal circuit, is a row of one batch.  Two modes, as
    in QML's `QMLSampler`:

    * No shots at construction (the default): exact.  Each register is a container with
      ``get_probabilities()`` and ``get_counts()``, QML's `ExactProbArray` and `ExactProbNDArray`;
      ``shots`` given to `run` or in a PUB are accepted and ignored.
    * ``shots`` or ``default_shots``: the semantics of `StatevectorSampler`.  Registers are
      `BitArray`s; with the same ``seed`` they are those of the reference.

    Bits and registers that nothing is measured into are zero, as in the reference.  Measurements on
    the way, resets and branches, which the reference refuses, are exact.

    Args:
        shots: Number of samples where a PUB and `run` name none; None selects the exact mode.
        default_shots: The same, under the name `StatevectorSampler` has for it.
        seed: Seed or generator of the samples.

    Raises:
        InvalidArgumentError: ``shots`` and ``default_shots`` differ or are not positive, or
            ``seed`` is none.
        UnsupportedCircuitError: From ``job.result()``, for a circuit with a ``while`` loop,
            real-time variables, or anything else that no exact function has.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> bell.measure_all()
        >>> exact = JaxSampler().run([bell]).result()[0].data.meas.get_probabilities()
        >>> {outcome: round(probability, 6) for outcome, probability in exact.items()}
        {'00': 0.5, '11': 0.5}
        >>> JaxSampler(shots=100, seed=7).run([bell]).result()[0].data.meas.num_shots
        100
    """

    def __init__(
        self,
        *,
        shots: int | None = None,
        default_shots: int | None = None,
        seed: np.random.Generator | int | None = None,
    ) -> None:
        """Take the arguments that are described with the class."""
        check_seed(seed)
        for name, number in (("shots", shots), ("default_shots", default_shots)):
            if number is not None:
                as_count(name, number, 1)
        if None not in (shots, default_shots) and shots != default_shots:
            raise InvalidArgumentError(
                f"shots={shots} and default_shots={default_shots} are two names for one number. "
                "Give one of them."
            )
        self._shots = default_shots if shots is None else shots
        self._seed = seed
        self.options = Options(default_shots=self._shots, seed=seed)

    @property
    def default_shots(self) -> int:
        """Number of samples where a PUB and `run` name none; of no effect in the exact mode."""
        return _REFERENCE_SHOTS if self._shots is None else int(self._shots)

    @property
    def seed(self) -> np.random.Generator | int | None:
        """Seed or generator of the samples."""
        return self._seed

    @property
    def exact(self) -> bool:
        """Whether results are exact distributions, whatever shots are asked for."""
        return self._shots is None

    def run(
        self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None
    ) -> PrimitiveJob[PrimitiveResult[SamplerPubResult]]:
        """Evaluate PUBs ``circuit`` or ``(circuit[, parameter values[, shots]])``.

        Args:
            pubs: PUBs of circuits that measure into classical registers.
            shots: Replaces the default in this call; ignored in the exact mode.

        Returns:
            A job; ``job.result()[i].data`` has one field for each classical register of PUB i.

        Raises:
            ValueError: A PUB's parts do not fit each other.
            TypeError: A PUB's part is of a wrong type.
        """
        if shots is None or self.exact:
            shots = self.default_shots
        coerced = [SamplerPub.coerce(pub, shots) for pub in pubs]
        if any(not pub.circuit.cregs for pub in coerced):
            warnings.warn(
                "A circuit has no classical register, so its result is empty. "
                "Add measurements, for example with circuit.measure_all().",
                UserWarning,
                stacklevel=2,
            )
        job = PrimitiveJob(self._run, coerced)
        job._submit()
        return job

    def _run(self, pubs: list[SamplerPub]) -> PrimitiveResult[SamplerPubResult]:
        make = self._exact_result if self.exact else self._sampled_result
        results: list[Any] = [None] * len(pubs)
        for member, reading, distribution in _distributions(pubs):
            results[member] = make(pubs[member], reading, distribution)
        return PrimitiveResult(results, metadata={"version": 2})

    def _exact_result(
        self, pub: SamplerPub, reading: Reading, distribution: NDArray[np.float64]
    ) -> SamplerPubResult:
        fields: dict[str, Any] = {}
        # One view per point: that registers share it is how they are known to belong together.
        vectors = {index: distribution[index] for index in np.ndindex(pub.shape)}
        for register in reading.registers:
            arrays = np.empty(pub.shape, dtype=object)
            for index, vector in vectors.items():
                arrays[index] = ProbabilityArray(vector, register.places)
            fields[register.name] = arrays.item() if pub.shape == () else ExactProbNDArray(arrays)
        metadata = {
            "shots": None,
            "exact": True,
            "names": [register.name for register in reading.registers if register.is_measured],
            "circuit_metadata": pub.circuit.metadata,
        }
        return ExactSamplerPubResult(DataBin(**fields, shape=pub.shape), metadata=metadata)

    def _sampled_result(
        self, pub: SamplerPub, reading: Reading, distribution: NDArray[np.float64]
    ) -> SamplerPubResult:
        outcomes = np.zeros((*pub.shape, pub.shots), dtype=np.int64)
        if reading.bits:
            for index in np.ndindex(pub.shape):
                # The reference seeds every point anew, unless the seed is a generator.
                random = np.random.default_rng(self._seed)
                vector = distribution[index]
                outcomes[index] = random.choice(len(vector), p=vector, size=pub.shots)
        fields = {
            register.name: BitArray(pack_bits(outcomes, register), len(register.places))
            for register in reading.registers
        }
        metadata = {"shots": pub.shots, "circuit_metadata": pub.circuit.metadata}
        return SamplerPubResult(DataBin(**fields, shape=pub.shape), metadata=metadata)


def _distributions(
    pubs: list[SamplerPub],
) -> Iterator[tuple[int, Reading, NDArray[np.float64]]]:
    """Yield (PUB, its registers, probabilities (*shape, 2**distinct outcomes)) for every PUB."""
    for group in group_circuits([pub.circuit for pub in pubs]):
        reading = final_reading(group.circuit)
        tables = [
            pub.parameter_values.as_array(pub.circuit.parameters).reshape(
                pub.size, pub.circuit.num_parameters
            )
            for pub in (pubs[member] for member in group.members)
        ]
        rows, row = unique_rows(np.concatenate(tables))
        vectors = np.ones((len(rows), 1))
        if reading.bits and len(rows):
            vectors = _evaluator(group, reading).value(rows)
        for member in group.members:
            shape, size = pubs[member].shape, pubs[member].size
            yield member, reading, vectors[row[:size]].reshape(*shape, vectors.shape[-1])
            row = row[size:]


def _evaluator(group: CircuitGroup, reading: Reading) -> RowEvaluator:
    def build() -> RowEvaluator:
        return RowEvaluator(group.circuit, Probabilities(bits=reading.bits))

    return group.evaluator("measured", build)
