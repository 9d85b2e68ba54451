"""What the oldest versions of others that the project allows do differently, or wrongly.

Each is a fact about Qiskit, qiskit-machine-learning or JAX that the tests' own oracles rest on.
"""

from __future__ import annotations

from importlib.metadata import version

from qiskit.circuit.library import PauliEvolutionGate

QISKIT = tuple(map(int, version("qiskit").split(".")[:2]))
JAX = tuple(map(int, version("jax").split(".")[:2]))
QML = tuple(map(int, version("qiskit-machine-learning").split(".")[:3]))

EVOLUTION_IS_EXACT = "to_matrix" in vars(PauliEvolutionGate)
"""Before Qiskit 2.2 an evolution stood for its product formula."""

DIVIDES_EXACTLY = QISKIT >= (2, 2)
"""Before, expressions went through SymPy: slowly, not too deep, and with terms cancelled."""

COUNTS_LOOP_VARIABLES = QISKIT == (2, 0)
"""Whether a loop's variable is among a circuit's parameters; QML's estimators refuse such."""

TAKES_SPARSE_OBSERVABLES = QISKIT >= (2, 1)
"""Whether estimators take a SparseObservable."""

XLA_TAKES_LESS = JAX < (0, 10)
"""Whether XLA keeps fewer arrays at once, down to a third of what is foretold from later ones."""

QML_COUNTS_TRANSPILED = QML >= (0, 9, 1)
"""Before, a SamplerQNN's forward lost outcomes of transpiled circuits, or their order."""
