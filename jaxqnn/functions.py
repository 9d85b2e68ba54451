"""Circuits as pure JAX functions: ``statevector``, ``expectation``, ``probabilities``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from qiskit.circuit import Parameter, QuantumCircuit

from jaxqnn.array_arguments import as_array, as_type, check_axis, check_batches, float_type
from jaxqnn.batches import check_whole
from jaxqnn.circuit.parameters import as_circuit, as_parameters
from jaxqnn.descriptions import counted
from jaxqnn.engine.measurement import Measurement
from jaxqnn.measure.observables import Observables
from jaxqnn.measure.specification import (
    Expectation,
    Interpret,
    Probabilities,
    Specification,
    State,
)
from jaxqnn.model import Model
from jaxqnn.processes import refuse_after_fork
from jaxqnn.promotion import in_this_mode, usual_promotion
from jaxqnn.sharding.build import check_mesh, mesh_data
from jaxqnn.sharding.function import mesh_function
from jaxqnn.sweep.primitive import evolve

Function = Callable[..., jax.Array]


class Shapes(NamedTuple):
    """What a function made here takes: kept with it, for ``export``."""

    num_inputs: int
    num_weights: int
    split: bool
    on_mesh: bool


class CircuitFunction:
    """What ``statevector``, ``expectation`` and ``probabilities`` return: ``f``.

    ``f(params)`` takes all parameters, (..., num_parameters), in the order of
    ``circuit.parameters``. Made with ``input_params`` or ``weight_params`` it is
    ``f(inputs, weights)``, (..., num_inputs) and (..., num_weights), whose leading axes broadcast.
    Its ``repr`` tells the sizes.
    """

    def __init__(self, function: Function, description: str) -> None:
        self._function, self._description = function, description
        update_wrapper(self, function)

    def __call__(self, *args: Any, **keywords: Any) -> jax.Array:
        """The value; see the class."""
        return self._function(*args, **keywords)

    def __repr__(self) -> str:
        return self._description


def shapes_of(function: Any) -> Shapes | None:
    """The shapes of a function made here, also under ``jax.jit``; None for any other."""
    while function is not None:
        found = getattr(function, "jaxqnn_shapes", None)
        if isinstance(found, Shapes):
            return found
        function = getattr(function, "__wrapped__", None)
    return None


def statevector(
    circuit: QuantumCircuit,
    *,
    input_params: Sequence[Parameter] | None = None,
    weight_params: Sequence[Parameter] | None = None,
    mesh: Mesh | None = None,
) -> Function:
    """The final state of a circuit as a function of its parameters.

    Args:
        circuit: Unitary instructions; measurements at the end are passed over.
        input_params: Parameters that come as the function's first argument, any order.
        weight_params: Parameters that come as its second. With neither of the two, the function
            takes all parameters as one argument, in the order of ``circuit.parameters``.
        mesh: Several devices. The axis named "batch" shares out the samples (the axis of the
            arguments before the last), the axis named "state" the amplitudes, by the most
            significant qubits; its size is a power of two. Results are global arrays. With states
            shared out, reverse mode only.

    Returns:
        ``f(params)`` with params (..., num_parameters), or ``f(inputs, weights)`` with
        (..., num_inputs) and (..., num_weights), whose leading axes broadcast. The result is
        complex, (..., 2**num_qubits), qubit 0 the least significant bit of the index, as in
        Qiskit's ``Statevector``, global phase included. Its precision follows the arguments.

    Raises:
        UnsupportedCircuitError: If an instruction is not unitary, measures or resets on the way.
        InvalidArgumentError: If parameters are foreign, repeated or left over.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> import jaxqnn
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0)
        >>> _ = bell.cx(0, 1)
        >>> abs(jaxqnn.statevector(bell)([]).round(3)).tolist()
        [0.7070000171661377, 0.0, 0.0, 0.7070000171661377]
    """
    model, split = _model(circuit, State(), input_params, weight_params)
    amplitudes = _function(model, mesh)

    def function(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        real, imaginary = jnp.moveaxis(amplitudes(inputs, weights), -2, 0)
        return lax.complex(real, imaginary)

    return _signature(function, model, split, mesh)


def expectation(
    circuit: QuantumCircuit,
    observables: Observables | None = None,
    *,
    input_params: Sequence[Parameter] | None = None,
    weight_params: Sequence[Parameter] | None = None,
    mesh: Mesh | None = None,
) -> Function:
    """Expectation values <psi|O|psi> as a function of the circuit's parameters.

    Args:
        circuit: Unitary instructions; measurements at the end are passed over. Of measurements on
            the way, resets and ``if_test``, the result is the mean over all branches, exactly: each
            outcome that something reads later costs one qubit more.
        observables: One or several SparsePauliOp, Pauli or Operator, Hermitian and as wide as the
            circuit; None is Z on every qubit.
        input_params: See ``statevector``.
        weight_params: See ``statevector``.
        mesh: See ``statevector``.

    Returns:
        ``f(params)`` or ``f(inputs, weights)``, see ``statevector``; the result is real,
        (..., num_observables).

    Raises:
        UnsupportedCircuitError: If an instruction has no exact function.
        InvalidArgumentError: If parameters are foreign, repeated or left over, or an observable has
            the wrong width or is not Hermitian.

    Example:
        d<Z>/dt = -sin t for RY(t)|0>:

        >>> import jax
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.circuit import Parameter
        >>> import jaxqnn
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.ry(Parameter("t"), 0)
        >>> f = jaxqnn.expectation(circuit)
        >>> gradient = jax.grad(lambda t: f(t)[0])(jax.numpy.array([0.5]))
        >>> bool(abs(gradient[0] + jax.numpy.sin(0.5)) < 1e-6)
        True
    """
    model, split = _model(circuit, Expectation(observables), input_params, weight_params)
    return _signature(_function(model, mesh), model, split, mesh)


def probabilities(
    circuit: QuantumCircuit,
    interpret: Interpret | None = None,
    output_shape: int | tuple[int, ...] | None = None,
    *,
    input_params: Sequence[Parameter] | None = None,
    weight_params: Sequence[Parameter] | None = None,
    mesh: Mesh | None = None,
) -> Function:
    """Probabilities of outcomes or classes as a function of the circuit's parameters.

    Args:
        circuit: See ``expectation``. Outcomes are read from the register ``meas`` where it is
            measured, else from every register that is (bit c of the outcome is classical bit c over
            those); without classical bits, outcome bit q is qubit q.
        interpret: Maps an outcome to an index, or a tuple of indices, of the result; classes add
            up. None keeps each outcome.
        output_shape: The result's shape, needed with ``interpret``.
        input_params: See ``statevector``.
        weight_params: See ``statevector``.
        mesh: See ``statevector``.

    Returns:
        ``f(params)`` or ``f(inputs, weights)``, see ``statevector``; the result is real,
        (..., *output_shape), with output_shape (2**bits,) if there is no ``interpret``.

    Raises:
        UnsupportedCircuitError: If an instruction has no exact function.
        InvalidArgumentError: If parameters are foreign, repeated or left over, or ``interpret``
            leaves ``output_shape``.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> import jaxqnn
        >>> circuit = QuantumCircuit(2)
        >>> _ = circuit.x(1)
        >>> jaxqnn.probabilities(circuit)([]).tolist()
        [0.0, 0.0, 1.0, 0.0]
    """
    specification = Probabilities(interpret, output_shape)
    model, split = _model(circuit, specification, input_params, weight_params)
    return _signature(_function(model, mesh), model, split, mesh)


def model_function(model: Model, mesh: Mesh | None = None) -> Function:
    """``f(inputs, weights)`` of a model, with leading axes that broadcast."""
    return _signature(_function(model, mesh), model, True, mesh)


def _model(
    circuit: QuantumCircuit,
    specification: Specification,
    input_params: Sequence[Parameter] | None,
    weight_params: Sequence[Parameter] | None,
) -> tuple[Model, bool]:
    """The model, and whether its function takes inputs and weights apart."""
    as_circuit(circuit)
    split = input_params is not None or weight_params is not None
    if split:
        inputs = as_parameters("Input", input_params)
        weights = as_parameters("Weight", weight_params)
    else:
        inputs, weights = [], list(circuit.parameters)
    return Model(circuit, specification, inputs, weights), split


def _function(model: Model, mesh: Mesh | None) -> Function:
    """``f(inputs (..., P), weights (..., W))`` -> (..., *output_shape)."""
    core: Function
    if mesh is None:
        # Made when it is called: a state too large to be measured is refused before.
        core = _in_each_mode(
            lambda measured: partial(_outputs, model, measured), lambda: model.measurement
        )
    else:
        data = mesh_data(model, mesh)  # refuses a mesh that does not fit
        on_mesh = _in_each_mode(lambda here: mesh_function(here, mesh), lambda: data)

        def core(inputs: jax.Array, weights: jax.Array) -> jax.Array:
            return on_mesh(*model.member_columns(inputs, weights))

    # Compiled as one, so that eager calls and their derivatives are one step of JAX each.
    joined = jax.jit(partial(_over_batch, model, core))

    def function(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        batch = jnp.broadcast_shapes(inputs.shape[:-1], weights.shape[:-1])
        if 0 in batch:
            return jnp.zeros((*batch, *model.output_shape), weights.dtype)
        _check_memory(model, batch, weights.dtype, mesh)
        return joined(inputs, weights)

    return function


def _over_batch(model: Model, core: Function, inputs: jax.Array, weights: jax.Array) -> jax.Array:
    """Leading axes that broadcast, as members and samples: those along which weights differ."""
    batch = jnp.broadcast_shapes(inputs.shape[:-1], weights.shape[:-1])
    axes = len(batch)
    inputs = inputs.reshape(*[1] * (axes + 1 - inputs.ndim), *inputs.shape)
    weights = weights.reshape(*[1] * (axes + 1 - weights.ndim), *weights.shape)
    ensemble = [i for i in range(axes) if weights.shape[i] > 1]
    samples = [i for i in range(axes) if weights.shape[i] == 1]
    members = math.prod(batch[i] for i in ensemble)
    inputs = jnp.broadcast_to(inputs, (*batch, inputs.shape[-1]))
    inputs = inputs.transpose(*ensemble, *samples, axes)
    inputs = inputs.reshape(members, math.prod(batch[i] for i in samples), inputs.shape[-1])
    weights = weights.transpose(*ensemble, *samples, axes).reshape(members, weights.shape[-1])
    outputs = core(inputs, weights)
    outputs = outputs.reshape(*(batch[i] for i in (*ensemble, *samples)), *model.output_shape)
    order = [(*ensemble, *samples).index(i) for i in range(axes)]
    return outputs.transpose(*order, *range(axes, outputs.ndim))


def _outputs(
    model: Model, measurement: Measurement, inputs: jax.Array, weights: jax.Array
) -> jax.Array:
    """Inputs (E, B, P) and weights (E, W) -> outputs (E, B, m)."""
    states = evolve(model.arrays, *model.member_columns(inputs, weights))
    outputs = measurement.outputs(states.reshape(-1, *states.shape[2:]))
    return outputs.reshape(*states.shape[:2], measurement.num_outputs)


def _in_each_mode(make: Callable[[Any], Function], data: Callable[[], Any]) -> Function:
    """A function of arrays of the dtypes that JAX's 32-bit mode has, or of its 64-bit mode's.

    JAX remembers an array that a traced function closes over as what it was in the mode that saw it
    first, so no array of one mode may meet the other.
    """
    made: dict[np.dtype[Any], Function] = {}

    def function(inputs: jax.Array, weights: jax.Array) -> jax.Array:
        mode = jax.dtypes.canonicalize_dtype(np.float64)
        if mode not in made:
            made[mode] = make(in_this_mode(data()))
        return made[mode](inputs, weights)

    return function


def _signature(function: Function, model: Model, split: bool, mesh: Mesh | None) -> Function:
    """Checks and converts what the user passes."""

    @usual_promotion()
    def of_parts(inputs: jax.typing.ArrayLike, weights: jax.typing.ArrayLike) -> jax.Array:
        """f(inputs (..., P), weights (..., W)); leading axes broadcast."""
        refuse_after_fork()
        inputs, weights = as_array("inputs", inputs), as_array("weights", weights)
        check_axis("inputs", inputs, model.num_inputs)
        check_axis("weights", weights, model.num_weights)
        check_batches(inputs, weights)
        dtype = float_type(inputs, weights)
        return function(as_type(dtype, inputs), as_type(dtype, weights))

    @usual_promotion()
    def of_all(params: jax.typing.ArrayLike) -> jax.Array:
        """f(params (..., num_parameters)), in the order of circuit.parameters."""
        refuse_after_fork()
        params = as_array("params", params)
        check_axis("params", params, model.num_weights)
        return of_parts(np.zeros((0,), params.dtype), params)

    found = CircuitFunction(of_parts if split else of_all, _description(model, split, mesh))
    shapes = Shapes(model.num_inputs, model.num_weights, split, mesh is not None)
    vars(found)["jaxqnn_shapes"] = shapes
    return found


def _description(model: Model, split: bool, mesh: Mesh | None) -> str:
    takes = f"params (..., {model.num_weights})"
    if split:
        takes = f"inputs (..., {model.num_inputs}), weights (..., {model.num_weights})"
    outputs = ", ".join(map(str, model.output_shape))
    if isinstance(model.specification, State):
        outputs = str(1 << model.circuit.num_qubits)
    where = "where its arguments are" if mesh is None else f"on {counted(mesh.size, 'device')}"
    qubits = counted(model.circuit.num_qubits, "qubit")
    return f"<jaxqnn function of {qubits}: {takes} -> (..., {outputs}); runs {where}>"


def _check_memory(model: Model, batch: Sequence[int], dtype: jnp.dtype, mesh: Mesh | None) -> None:
    # Smaller states are not worth the question, and a size that ``export`` left open has no answer.
    if model.program.num_qubits < 20 or not all(isinstance(size, int) for size in batch):
        return
    devices = 1 if mesh is None else check_mesh(mesh)
    check_whole(math.prod(batch), model.footprint(0, dtype.itemsize, devices), mesh=mesh)
