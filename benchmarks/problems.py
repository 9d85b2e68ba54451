"""The one list of benchmark problems, and the points that the project's aim is stated in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

import numpy as np
from qiskit.quantum_info import SparsePauliOp

from .circuits import FAMILIES, ParameterizedCircuit

Kind = Literal["z_product", "weights", "z_each", "pauli_sum", "parity", "probabilities", "training"]

# The most terms of a `pauli_sum`; few qubits have fewer Pauli strings.
PAULI_TERMS = 600

KINDS: dict[str, str] = {
    "z_product": "<Z..Z>",
    "weights": "<Z..Z> by weights",
    "z_each": "all <Z_i>",
    "pauli_sum": f"{PAULI_TERMS} Pauli terms",
    "parity": "2 classes by parity",
    "probabilities": "all probabilities",
    "training": "training gradient",
}


@dataclass(frozen=True)
class Problem:
    """One gradient to compute: what is measured, of which circuit, for how many samples.

    Attributes:
        kind: What is differentiated.
            `z_product`: Jacobian of <Z..Z>, over inputs and weights, for every sample.
            `weights`: the same over the weights only.
            `z_each`: that of `z_product`, of the n observables Z_i.
            `pauli_sum`: the same of one observable of many seeded random Pauli terms.
            `parity`: the same of the two class probabilities of the bit string's parity.
            `probabilities`: the same of all 2**n probabilities.
            `training`: gradient over the weights of mean((<Z..Z> - target)**2) over the batch.
        qubits: Number of qubits.
        batch: Number of samples.
        family: Key of `circuits.FAMILIES`.
    """

    kind: Kind
    qubits: int
    batch: int
    family: str = "zz_real"

    @property
    def key(self) -> str:
        """The problem's name on the command line and in the results."""
        return f"{self.kind}/{self.family}/{self.qubits}q/b{self.batch}"

    @property
    def title(self) -> str:
        """The problem in words."""
        family = "" if self.family == "zz_real" else f"{self.family}: "
        return f"{family}{KINDS[self.kind]}, {self.qubits} qubits, batch {self.batch}"

    @classmethod
    def from_key(cls, key: str) -> Problem:
        """Return the problem that `key` names."""
        try:
            kind, family, qubits, batch = key.split("/")
            problem = cls(
                cast(Kind, kind),
                int(qubits.removesuffix("q")),
                int(batch.removeprefix("b")),
                family,
            )
        except ValueError as error:
            raise ValueError(
                f"{key!r} is not a problem. Write kind/family/<n>q/b<batch>, "
                "for example z_product/zz_real/4q/b64."
            ) from error
        if kind not in KINDS or family not in FAMILIES:
            raise ValueError(
                f"{key!r}: the kind is one of {', '.join(KINDS)}; "
                f"the family one of {', '.join(FAMILIES)}."
            )
        return problem

    @cached_property
    def parameterized(self) -> ParameterizedCircuit:
        """The circuit and its parameters."""
        return FAMILIES[self.family](self.qubits)

    @property
    def observables(self) -> list[SparsePauliOp]:
        """The observables of an estimator problem (and of a training step)."""
        if self.kind == "z_each":
            return [
                SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], num_qubits=self.qubits)
                for q in range(self.qubits)
            ]
        if self.kind == "pauli_sum":
            return [pauli_sum(self.qubits)]
        return [SparsePauliOp("Z" * self.qubits)]

    @property
    def cost(self) -> int:
        """A rough measure of the work, to compare problems with: samples, gates and labels."""
        return self.batch * self.qubits**2 * 2**self.qubits

    @property
    def input_gradients(self) -> bool:
        """Whether the inputs are differentiated, too."""
        return self.kind not in ("weights", "training")

    @property
    def is_sampler(self) -> bool:
        """Whether the outputs are probabilities."""
        return self.kind in ("parity", "probabilities")

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one sample's output."""
        sizes = {"z_each": self.qubits, "parity": 2, "probabilities": 2**self.qubits}
        return (sizes.get(self.kind, 1),)

    @cached_property
    def inputs(self) -> np.ndarray:
        """Seeded inputs of shape (batch, num_inputs)."""
        rng = np.random.default_rng([self.qubits, self.batch, 1])
        return rng.uniform(-1, 1, (self.batch, len(self.parameterized.input_params)))

    @cached_property
    def weights(self) -> np.ndarray:
        """Seeded weights of shape (num_weights,)."""
        rng = np.random.default_rng([self.qubits, self.batch, 2])
        return rng.uniform(-np.pi, np.pi, len(self.parameterized.weight_params))

    @cached_property
    def targets(self) -> np.ndarray:
        """Seeded +-1 targets of shape (batch,), for the training step's loss."""
        rng = np.random.default_rng([self.qubits, self.batch, 3])
        return rng.choice([-1.0, 1.0], self.batch)


def pauli_sum(num_qubits: int) -> SparsePauliOp:
    """Return seeded random Pauli strings with seeded random coefficients, equal strings added."""
    rng = np.random.default_rng([num_qubits, PAULI_TERMS])
    letters = rng.choice(list("IXYZ"), (PAULI_TERMS, num_qubits))
    coefficients = rng.normal(size=PAULI_TERMS)
    return SparsePauliOp(["".join(row) for row in letters], coefficients).simplify()


def parity(bits: int) -> int:
    """Return the parity of the set bits of a measured integer (`interpret` of `parity`)."""
    return bits.bit_count() % 2


@dataclass(frozen=True)
class Target:
    """A point of the aim: best peer's steady time over ours must be at least `least`."""

    problem: Problem
    least: float
    aim: float


TARGETS: list[Target] = [
    Target(Problem("z_product", 4, 64), 8, 12),
    Target(Problem("z_product", 8, 64), 6, 10),
    Target(Problem("z_product", 12, 16), 8, 15),
    Target(Problem("z_product", 16, 1), 15, 25),
    Target(Problem("z_product", 18, 1), 20, 40),
    Target(Problem("z_product", 20, 1), 25, 45),
    Target(Problem("weights", 22, 1), 15, 30),
    Target(Problem("z_product", 16, 1, "efficient_su2"), 12, 20),
    Target(Problem("z_product", 4, 64, "excitation"), 6, 10),
    Target(Problem("z_each", 8, 32), 5, 10),
    Target(Problem("pauli_sum", 10, 1), 8, 15),
    Target(Problem("parity", 8, 32), 6, 10),
    Target(Problem("probabilities", 6, 16), 10, 15),
    Target(Problem("training", 8, 256), 6, 15),
]

# Sizes against time at a fixed batch, batches against time at fixed sizes, and every other
# family at one small and one middle size.
_SIZES: list[tuple[int, int]] = [
    *((n, 1) for n in (2, 4, 8, 12, 16, 20)),
    *((n, 64) for n in (2, 4, 6, 8, 10)),
    *((n, 16) for n in (12, 14)),
    *((4, batch) for batch in (16, 256, 1024, 4096)),
    *((8, batch) for batch in (16, 256, 1024, 4096)),
]


def _unique(problems: Sequence[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


PROBLEMS: list[Problem] = _unique(
    [
        *(target.problem for target in TARGETS),
        *(Problem("z_product", n, batch) for n, batch in _SIZES),
        *(Problem("weights", n, 1) for n in (12, 16, 20)),
        *(Problem("weights", n, 1, "angle_real") for n in (20, 22, 24)),
        *(Problem("pauli_sum", n, batch) for n, batch in ((4, 64), (8, 16))),
        *(Problem("z_each", n, batch) for n, batch in ((4, 64), (8, 32), (12, 16), (16, 1))),
        *(Problem("parity", n, batch) for n, batch in ((4, 64), (8, 32), (12, 16), (16, 1))),
        *(Problem("probabilities", n, batch) for n, batch in ((2, 64), (4, 64), (6, 16), (8, 4))),
        *(Problem("training", n, batch) for n, batch in ((4, 64), (4, 4096), (8, 256), (12, 16))),
        *(
            Problem("z_product", n, batch, family)
            for family in FAMILIES
            if family != "zz_real"
            for n, batch in ((4, 64), (8, 64), (12, 16))
        ),
    ]
)
