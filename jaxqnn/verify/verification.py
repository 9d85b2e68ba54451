"""Parity of a network with qiskit-machine-learning and with Qiskit, saying which side is wrong."""

import math
import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN
from qiskit_machine_learning.primitives import QMLEstimator, QMLSampler

from jaxqnn.arguments import as_count, as_size, check_seed
from jaxqnn.errors import InvalidArgumentError
from jaxqnn.primitives import is_exact_estimator, is_exact_sampler
from jaxqnn.verify.reference import (
    RANGES,
    Derivative,
    Reference,
    central_difference,
    has_values,
    network_reference,
)
from jaxqnn.verify.report import Difference, Quantity, Side, VerifyReport, largest

FloatArray = NDArray[np.float64]

_SINGLE_ATOL = 1e-4
_QUANTITIES: tuple[Quantity, ...] = ("forward", "input gradient", "weight gradient")


def verify(
    qnn: EstimatorQNN | SamplerQNN,
    input_data: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    samples: int = 4,
    seed: int = 0,
    atol: float = 1e-7,
) -> VerifyReport:
    r"""Compare a network with QML's own and, where they differ, with Qiskit's `Statevector`.

    The network's public `forward` and `backward` are called, so a subclass or a patched network
    is judged as it is. The same circuit is then run by QML's `EstimatorQNN` or `SamplerQNN` with
    its exact primitive and parameter-shift gradient. Entries further apart than `atol`, and all
    entries that QML cannot compute, are computed a third time from the bound circuit's state,
    derivatives by extrapolated central differences.

    Args:
        qnn: A network of exact values, from `jaxqnn` or a subclass.
        input_data: Inputs, shape `(..., num_inputs)`. Drawn uniformly from (-4 pi, 4 pi) if
            omitted, or from a narrower range if the circuit's expressions have no value there.
        weights: Weights, shape `(num_weights,)`. If omitted, drawn in the same way: one vector for
            the whole batch, then further ones, each with the first input.
        samples: Number of inputs, and of weight vectors, to draw.
        seed: Seed of what is drawn.
        atol: Largest absolute difference that counts as equal. A network of single precision needs
            about 1e-4.

    Returns:
        A report: `passed`, `max_error`, the entries that differ and which side is wrong.

    Raises:
        InvalidArgumentError: If `qnn` is no estimator or sampler network, if its primitive is not
            exact, or if the data have a wrong shape.

    Example:
        >>> from qiskit.circuit import Parameter, QuantumCircuit
        >>> import jaxqnn
        >>> theta = Parameter("theta")
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(theta, 0)
        >>> report = jaxqnn.verify(jaxqnn.EstimatorQNN(circuit=circuit, weight_params=[theta]))
        >>> report.passed
        True
    """
    if not isinstance(qnn, EstimatorQNN | SamplerQNN):
        raise InvalidArgumentError(
            f"verify takes an EstimatorQNN or a SamplerQNN, not {type(qnn).__name__}. Pass the "
            "network itself; that of a classifier or connector is its `neural_network`."
        )
    _check_exact(qnn)
    as_count("samples", samples, 1)
    as_size("atol", atol)
    check_seed(seed)
    inputs, drawn = _data(qnn, input_data, weights, samples, seed)
    if drawn is None:
        return _Comparison(qnn, inputs, None, atol).report()
    first = None if inputs is None else inputs.reshape(-1, qnn.num_inputs)[:1]
    return _merged(
        _Comparison(qnn, inputs if i == 0 else first, vector, atol).report()
        for i, vector in enumerate(drawn)
    )


class _Comparison:
    """One network at one set of data; arrays are held as `(samples, outputs, columns)`.

    A gradient has a column for each parameter, the forward pass has one.
    """

    def __init__(
        self,
        qnn: EstimatorQNN | SamplerQNN,
        inputs: FloatArray | None,
        weights: FloatArray | None,
        atol: float,
    ) -> None:
        self.qnn, self.inputs, self.weights, self.atol = qnn, inputs, weights, atol
        self.batch = inputs.shape[:-1] if inputs is not None and inputs.ndim > 1 else (1,)
        self.outputs = tuple(int(size) for size in qnn.output_shape)
        self.rows = self._rows()
        self.notes: list[str] = []
        if getattr(qnn, "precision", "double") == "single" and atol < _SINGLE_ATOL:
            self.notes.append(f"single precision: give it a tolerance, atol={_SINGLE_ATOL:.0e}")
        self.differences: list[Difference] = []
        self.errors: list[FloatArray] = []
        self.failed = False
        self.reference: Reference | None = None
        try:
            self.reference = network_reference(qnn)
        except Exception as error:  # then the report has two opinions and says so
            self.no_reference = _message(error)

    def report(self) -> VerifyReport:
        ours = self._arrays("jaxqnn", self.qnn)
        theirs = self._qml_arrays()
        for quantity in _QUANTITIES:
            if (values := ours.get(quantity)) is not None:
                self._compare(quantity, values, theirs.get(quantity))
        wrong = any(d.wrong != "QML" for d in self.differences)
        return VerifyReport(
            passed=not (self.failed or wrong),
            max_error=largest(self.errors),
            network=self._name(),
            compared=sum(errors.size for errors in self.errors),
            atol=self.atol,
            differences=tuple(self.differences),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _name(self) -> str:
        return (
            f"{type(self.qnn).__name__} ({self.qnn.circuit.num_qubits} qubits, "
            f"{self.qnn.num_inputs} inputs, {self.qnn.num_weights} weights, "
            f"output shape {self.outputs})"
        )

    def _rows(self) -> FloatArray:
        """The circuit's parameter values, one row a sample."""
        samples = math.prod(self.batch)
        parts = [np.empty((samples, 0))]
        if self.inputs is not None:
            parts.append(self.inputs.reshape(samples, -1))
        if self.weights is not None:
            parts.append(np.broadcast_to(self.weights, (samples, self.weights.size)))
        return np.concatenate(parts, axis=1)

    def _shape(self, quantity: Quantity) -> tuple[int, ...] | None:
        """The shape a quantity must have; `None` if it must be absent."""
        if quantity == "forward":
            return (*self.batch, *self.outputs)
        columns = self.qnn.num_weights
        if quantity == "input gradient":
            columns = self.qnn.num_inputs if self.qnn.input_gradients else 0
        return (*self.batch, *self.outputs, columns) if columns else None

    def _parameter(self, quantity: Quantity, column: int) -> str | None:
        """The name of the parameter that a column is the gradient by."""
        if quantity == "forward":
            return None
        chosen = self.qnn.input_params if quantity == "input gradient" else self.qnn.weight_params
        return list(chosen or ())[column].name

    def _arrays(self, side: str, network: EstimatorQNN | SamplerQNN) -> dict[Quantity, FloatArray]:
        """All a network computes; what has a wrong shape is left out and noted."""
        values = [network.forward(self.inputs, self.weights)]
        values += network.backward(self.inputs, self.weights)
        return self._dense(side, dict(zip(_QUANTITIES, values, strict=True)))

    def _dense(self, side: str, values: dict[Quantity, Any]) -> dict[Quantity, FloatArray]:
        arrays = {}
        for quantity, value in values.items():
            shape = self._shape(quantity)
            got = None if value is None else tuple(value.shape)
            if got != shape:
                self.notes.append(f"{side}: the {quantity} has shape {got}, it must be {shape}")
                self.failed |= side == "jaxqnn"
            elif value is not None:
                dense = value.todense() if hasattr(value, "todense") else value
                flat = (math.prod(self.batch), math.prod(self.outputs), -1)
                arrays[quantity] = np.asarray(dense, dtype=float).reshape(flat)
        return arrays

    def _qml_arrays(self) -> dict[Quantity, FloatArray]:
        """What QML computes; where it raises, the arrays are missing and the reason is noted."""
        values: dict[Quantity, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                twin = qml_twin(self.qnn)
            except Exception as error:
                self.notes.append(f"QML cannot build this network: {_message(error)}")
                return {}
            try:
                values["forward"] = twin.forward(self.inputs, self.weights)
            except Exception as error:
                self.notes.append(f"QML cannot compute forward: {_message(error)}")
            try:
                gradients = twin.backward(self.inputs, self.weights)
                values |= dict(zip(_QUANTITIES[1:], gradients, strict=True))
            except Exception as error:
                self.notes.append(f"QML cannot compute backward: {_message(error)}")
        return self._dense("QML", values)

    def _compare(self, quantity: Quantity, ours: FloatArray, theirs: FloatArray | None) -> None:
        missing = np.full_like(ours, np.nan)
        qml = missing if theirs is None else theirs
        errors = np.abs(ours - qml)
        apart = ~(errors <= self.atol)
        compared = np.full(ours.shape, theirs is not None)
        if theirs is None:
            self.notes.append(f"the {quantity} was compared with Qiskit's Statevector alone")
        # One column of the third opinion serves all outputs of a sample.
        for sample, column in np.argwhere(apart.any(axis=1)).tolist():
            at = apart[sample, :, column]
            try:
                truth = self._third_opinion(quantity, sample, column)
            except Exception as error:  # Qiskit's, an expression's or interpret's own
                self.notes.append(f"no third opinion on the {quantity}: {_message(error)}")
                if theirs is None:
                    self.failed = True
                    continue
                truth = Derivative(missing[sample, :, column], missing[sample, :, column])
            else:
                errors[sample, at, column] = np.abs(ours[sample, :, column] - truth.value)[at]
                compared[sample, at, column] = True
            for output in np.flatnonzero(at).tolist():
                here = (sample, output, column)
                values = float(ours[here]), float(qml[here]), float(truth.value[output])
                self._judge(quantity, here, values, float(truth.error[output]))
        self.errors.append(errors[compared])

    def _third_opinion(self, quantity: Quantity, sample: int, column: int) -> Derivative:
        if self.reference is None:
            raise InvalidArgumentError(self.no_reference)
        row = self.rows[sample]
        if quantity == "forward":
            value = self.reference(row)
            return Derivative(value, np.zeros_like(value))
        first = 0 if quantity == "input gradient" else self.qnn.num_inputs
        return central_difference(self.reference, row, first + column)

    def _judge(
        self,
        quantity: Quantity,
        at: tuple[int, int, int],
        values: tuple[float, float, float],
        uncertainty: float,
    ) -> None:
        """Note the entry if a side is wrong; NaN stands for a value that does not exist."""
        ours, qml, truth = values
        tolerance = self.atol + uncertainty
        ours_wrong = not abs(ours - truth) <= tolerance
        qml_wrong = not math.isnan(qml) and not abs(qml - truth) <= tolerance
        wrong: Side
        if math.isnan(truth):
            wrong = "unknown"
        elif ours_wrong:
            wrong = "both" if qml_wrong else "jaxqnn"
        elif qml_wrong:
            wrong = "QML"
        else:
            return
        sample, output, column = at
        self.differences.append(
            Difference(
                quantity,
                sample=tuple(int(i) for i in np.unravel_index(sample, self.batch)),
                output=tuple(int(i) for i in np.unravel_index(output, self.outputs)),
                parameter=self._parameter(quantity, column),
                jaxqnn=ours,
                qml=None if math.isnan(qml) else qml,
                reference=None if math.isnan(truth) else truth,
                wrong=wrong,
            )
        )


def _merged(reports: Iterable[VerifyReport]) -> VerifyReport:
    """One report of a batch and of further draws of its weights."""
    first, *others = reports
    errors = [report.max_error for report in (first, *others) if report.compared]
    return replace(
        first,
        passed=first.passed and all(report.passed for report in others),
        max_error=float(np.max(errors)) if errors else math.nan,
        compared=sum(report.compared for report in (first, *others)),
        differences=first.differences
        + tuple(
            replace(difference, draw=draw)
            for draw, report in enumerate(others, start=1)
            for difference in report.differences
        ),
        notes=tuple(dict.fromkeys(note for report in (first, *others) for note in report.notes)),
    )


def qml_twin(qnn: EstimatorQNN | SamplerQNN) -> EstimatorQNN | SamplerQNN:
    """QML's own network of the same circuit, with its exact primitive and parameter shift."""
    common = {
        "circuit": qnn.circuit,
        "input_params": list(qnn.input_params or ()),
        "weight_params": list(qnn.weight_params or ()),
        "input_gradients": qnn.input_gradients,
    }
    if isinstance(qnn, EstimatorQNN):
        return EstimatorQNN(**common, estimator=QMLEstimator(), observables=qnn.observables)
    return SamplerQNN(
        **common,
        sampler=QMLSampler(),
        sparse=qnn.sparse,
        interpret=qnn.interpret,
        output_shape=qnn.output_shape,
    )


def _check_exact(qnn: EstimatorQNN | SamplerQNN) -> None:
    estimator = isinstance(qnn, EstimatorQNN)
    primitive = qnn.estimator if estimator else qnn.sampler
    if not (is_exact_estimator if estimator else is_exact_sampler)(primitive):
        raise InvalidArgumentError(
            f"verify compares exact values, but this network's {type(primitive).__name__} is not "
            "known to be exact. Verify the network without it."
        )


def _data(
    qnn: EstimatorQNN | SamplerQNN,
    input_data: ArrayLike | None,
    weights: ArrayLike | None,
    samples: int,
    seed: int,
) -> tuple[FloatArray | None, FloatArray | None]:
    """The data given, what is missing drawn; weights as rows, the first that of all inputs."""
    rng = np.random.default_rng(seed)
    unit_inputs = rng.uniform(size=(samples, qnn.num_inputs))
    unit_weights = rng.uniform(size=(samples, qnn.num_weights))
    for low, high in RANGES:
        inputs, chosen = low + (high - low) * unit_inputs, low + (high - low) * unit_weights
        if input_data is not None:
            inputs = np.asarray(input_data, dtype=float)
            inputs = inputs.reshape(1) if inputs.ndim == 0 else inputs
        if weights is not None:
            chosen = np.asarray(weights, dtype=float).reshape(1, -1)
        _check_widths(qnn, inputs, chosen)
        parameters = (*(qnn.input_params or ()), *(qnn.weight_params or ()))
        rows = inputs.reshape(-1, qnn.num_inputs) if qnn.num_inputs else np.empty((1, 0))
        points = [[*row, *chosen[0]] for row in rows] + [[*rows[0], *more] for more in chosen[1:]]
        if all(has_values(qnn.circuit, parameters, point) for point in points):
            break
    return (inputs if qnn.num_inputs else None, chosen if qnn.num_weights else None)


def _check_widths(qnn: EstimatorQNN | SamplerQNN, inputs: FloatArray, weights: FloatArray) -> None:
    if inputs.shape[-1] != qnn.num_inputs:
        raise InvalidArgumentError(
            f"input_data has shape {inputs.shape}, but the network has {qnn.num_inputs} inputs. "
            "Make the last axis that long."
        )
    if weights.shape[-1] != qnn.num_weights:
        raise InvalidArgumentError(
            f"weights has {weights.shape[-1]} entries, but the network has {qnn.num_weights} "
            "weights. Pass them all."
        )


def _message(error: Exception) -> str:
    """An error's class and the first line of what it says."""
    text = str(error).strip(" \n'\"").splitlines()  # Qiskit's errors print as their repr
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
