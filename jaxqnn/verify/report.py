"""What `verify` reports: entries that differ, and the verdict."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from jaxqnn.descriptions import table

Quantity = Literal["forward", "input gradient", "weight gradient"]
Side = Literal["jaxqnn", "QML", "both", "unknown"]

_SHOWN = 10


def largest(errors: Iterable[ArrayLike]) -> float:
    """The largest of all errors; NaN, which no tolerance admits, if one is NaN or none is given.

    Python's own ``max`` keeps whatever stands before a NaN.

    Example:
        >>> from math import nan
        >>> max(1e-16, nan), largest([1e-16, nan])
        (1e-16, nan)
    """
    every = np.concatenate([np.empty(0), *(np.ravel(np.asarray(error)) for error in errors)])
    return float(np.max(every)) if every.size else float("nan")


@dataclass(frozen=True)
class Difference:
    """One entry on which jaxqnn, QML and the third opinion do not all agree.

    Attributes:
        quantity: The array the entry belongs to.
        sample: Index of the entry in the batch axes.
        output: Index of the entry in the network's output shape.
        parameter: Name of the parameter a gradient is by; `None` for the forward pass.
        jaxqnn: The network's own value.
        qml: QML's value; `None` where QML cannot compute it.
        reference: The value from Qiskit's `Statevector`; `None` where there is none.
        wrong: The side that the third opinion contradicts.
        draw: Which of the weight vectors `verify` drew, the first of which is the batch's.
    """

    quantity: Quantity
    sample: tuple[int, ...]
    output: tuple[int, ...]
    parameter: str | None
    jaxqnn: float
    qml: float | None
    reference: float | None
    wrong: Side
    draw: int = 0

    def __str__(self) -> str:
        """One line: where, the three values, and who is wrong."""
        place = f"{self.quantity}, sample {_index(self.sample)}, output {_index(self.output)}"
        if self.draw:
            place = f"further weights {self.draw}, {place}"
        if self.parameter is not None:
            place += f", parameter {self.parameter}"
        verdict = {
            "jaxqnn": "jaxqnn is wrong",
            "QML": "QML is wrong",
            "both": "both are wrong",
            "unknown": "no third opinion",
        }[self.wrong]
        return (
            f"{place}: jaxqnn {_number(self.jaxqnn)}, QML {_number(self.qml)}, "
            f"Statevector {_number(self.reference)}: {verdict}"
        )


@dataclass(frozen=True)
class VerifyReport:
    """What `verify` found; `print` it.

    Attributes:
        passed: Whether the network is right wherever it was compared. QML's own mistakes do not
            count against it.
        max_error: Largest distance of the network from the accepted value (QML's where the two
            agree, the third opinion's elsewhere); NaN if nothing could be compared.
        network: Class and size of the network.
        compared: How many numbers were compared.
        atol: The tolerance they were compared with.
        differences: The entries that differ.
        notes: What else must be known: wrong shapes, what QML cannot compute, and why.
    """

    passed: bool
    max_error: float
    network: str
    compared: int
    atol: float
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The verdict in one line, then notes and the entries that differ."""
        lines = [
            f"{'PASSED' if self.passed else 'FAILED'}: {self.network}, {self.compared} numbers "
            f"compared, largest error {self.max_error:.1e} (tolerance {self.atol:.1e})"
        ]
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  {difference}" for difference in self.differences[:_SHOWN]]
        if (hidden := len(self.differences) - _SHOWN) > 0:
            lines.append(f"  ... and {hidden} more, in the report's `differences`")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        rows: list[tuple[object, ...]] = [
            ("network", self.network),
            ("numbers compared", self.compared),
            ("largest error", f"{self.max_error:.1e}"),
            ("tolerance", f"{self.atol:.1e}"),
            *(("note", note) for note in self.notes),
        ]
        text = table("PASSED" if self.passed else "FAILED", rows)
        if not self.differences:
            return text
        shown = [
            (
                difference.quantity,
                difference.draw,
                _index(difference.sample),
                _index(difference.output),
                "" if difference.parameter is None else difference.parameter,
                _number(difference.jaxqnn),
                _number(difference.qml),
                _number(difference.reference),
                difference.wrong,
            )
            for difference in self.differences[:_SHOWN]
        ]
        head = ["quantity", "weights", "sample", "output", "parameter"]
        head += ["jaxqnn", "QML", "Statevector", "wrong"]
        caption = f"{len(shown)} of {len(self.differences)} entries that differ"
        return text + table(caption, shown, head)


def _index(index: tuple[int, ...]) -> str:
    return str(index[0]) if len(index) == 1 else str(index)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.10g}"
