"""The compiled sweeps as XLA's foreign functions: the layout they read, memory, threads."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import Case, mixed, observables, values
from qiskit.circuit.library import efficient_su2, zz_feature_map
from qiskit.quantum_info import random_unitary

import jaxqnn
from jaxqnn.measure import State
from jaxqnn.model import Model
from jaxqnn.sweep import foreign
from jaxqnn.sweep.cpu import handler
from jaxqnn.sweep.cpu import job as words
from jaxqnn.sweep.cpu.request import Sizes, room_numbers, template
from jaxqnn.sweep.cpu.running import run
from jaxqnn.sweep.cpu.written import HEAD
from jaxqnn.sweep.gpu import launch


def structures() -> dict[str, dict[str, int]]:
    """Offsets of the fields of every structure in XLA's C interface, on 64 bits."""
    text = Path(jax.ffi.include_dir(), "xla/ffi/api/c_api.h").read_text()
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"_XLA_FFI_API_STRUCT_FIELD\((\w+)\)", r"void* \1", text)
    bodies = dict(re.findall(r"struct (XLA_FFI_\w+) \{(.*?)\n\}", text, re.DOTALL))
    found: dict[str, dict[str, int]] = {}

    def size(kind: str) -> tuple[int, int]:
        """Bytes and alignment."""
        if kind.endswith("*") or kind in ("size_t", "int64_t"):
            return 8, 8
        if kind in bodies:
            return laid_out(kind), 8
        return 4, 4  # int, int32_t, enumerations

    def laid_out(name: str) -> int:
        at = 0
        fields = found.setdefault(name, {})
        for kind, stars, field in re.findall(r"([\w ]+?)\s*(\**)\s*\b(\w+);", bodies[name]):
            kind = kind.replace("const", "").replace("struct", "").strip() + stars
            length, alignment = size(kind)
            at = -(-at // alignment) * alignment
            fields[field] = at
            at += length
        return -(-at // 8) * 8

    for name in bodies:
        laid_out(name)
    return found


def test_the_layout_is_the_header_s() -> None:
    found = structures()
    frame = found["XLA_FFI_CallFrame"]
    for name, offset in handler.FRAME.items():
        field, _, inner = name.partition(".")
        own = frame[field] + (found[f"XLA_FFI_{field.title()}"][inner] if inner else 0)
        assert own == offset, name
    assert found["XLA_FFI_Buffer"]["data"] == handler.BUFFER_DATA
    assert frame["attrs"] + found["XLA_FFI_Attrs"]["attrs"] == launch.ATTRIBUTES
    api = found["XLA_FFI_Api"]
    assert (api["XLA_FFI_Stream_Get"], api["XLA_FFI_Error_Create"]) == (
        launch.STREAM_GET,
        launch.ERROR_CREATE,
    )
    # Renamed in JAX 0.12.
    extension = found.get("XLA_FFI_InternalExtension") or found["XLA_FFI_Extension_Base"]
    assert extension["type"] == handler.EXTENSION["type"]
    assert found["XLA_FFI_Metadata_Extension"]["metadata"] == handler.EXTENSION["metadata"]
    version = found["XLA_FFI_Api_Version"]
    assert found["XLA_FFI_Metadata"]["api_version"] + version["major_version"] == 24
    assert version["minor_version"] == version["major_version"] + 4
    assert handler.API_VERSION == 24
    assert found["XLA_FFI_Api"]["XLA_FFI_ThreadPool_Schedule"] == handler.SCHEDULE
    call = found["XLA_FFI_ThreadPool_Schedule_Args"]
    assert [call[name] for name in ("ctx", "task", "data")] == [16, 24, 32]


def with_everything(num_qubits: int) -> Case:
    features, ansatz = zz_feature_map(num_qubits, reps=1), efficient_su2(num_qubits, reps=1)
    circuit = features.compose(ansatz)
    circuit.unitary(random_unitary(8, seed=1), [0, 1, 2])
    circuit.ry(ansatz.parameters[0], 0)
    return Case(circuit, tuple(features.parameters), tuple(ansatz.parameters))


@pytest.mark.parametrize("operation", [words.EVOLVE, words.PUSH, words.PULL, words.CURVE])
@pytest.mark.parametrize(("num_qubits", "batch"), [(3, 1), (3, 11), (6, 2), (6, 9)])
def test_threads_stay_in_their_room(operation: int, num_qubits: int, batch: int) -> None:
    case = with_everything(num_qubits)
    arrays = Model(case.circuit, State(), case.inputs, case.weights).arrays
    (inputs, weights), directions = arrays.column_counts, 10
    several = 1 if operation == words.EVOLVE else directions
    random = np.random.default_rng(0)
    x, w = random.normal(size=(batch, inputs)), random.normal(size=weights)
    state = random.normal(size=(several, batch, 2, 1 << num_qubits))
    along_x = random.normal(size=(directions, batch, inputs))
    along_w = random.normal(size=(directions, weights))
    of_x, of_w = np.empty_like(along_x), np.empty((directions, batch, weights))
    head = tuple(arrays.words[:HEAD].tolist())
    job = template(operation, Sizes(1, batch, several), head, 2).copy()
    margin, mark = 64, 12345.0
    room = np.full(room_numbers(job) + 2 * margin, mark)
    own = room[margin:]
    arguments = {
        words.PROGRAM: arrays.words,
        words.X: x,
        words.W: w,
        words.STATE: state[0],
        words.BRA: state,
        words.ALONG_X: along_x,
        words.ALONG_W: along_w,
        words.OUT: np.empty_like(state),
        words.OUT_X: of_x,
        words.OUT_W: of_w,
        words.ROOM: own,
    }
    for word, array in arguments.items():
        job[word] = array.ctypes.data
    run(job)
    np.testing.assert_array_equal(room[:margin], mark)
    np.testing.assert_array_equal(room[-margin:], mark)


def test_many_callers_at_once() -> None:
    case = with_everything(6)
    function = jaxqnn.expectation(case.circuit, **case.split)
    x, w = values(case, 24)
    gradient = jax.jit(jax.grad(lambda w, x: jnp.sum(function(x, w) ** 2)))
    expected = np.asarray(gradient(w, x))
    with ThreadPoolExecutor(8) as callers:
        found = list(callers.map(lambda _: np.asarray(gradient(w, x)), range(64)))
    for each in found:
        np.testing.assert_array_equal(each, expected)


def test_a_jaxlib_that_takes_none_gets_xla_s_form(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("version mismatch")

    case = mixed()
    foreign._is_registered.cache_clear()
    monkeypatch.setattr(jax.ffi, "register_ffi_target", refuse)
    try:
        function = jaxqnn.expectation(case.circuit, observables(3), **case.split)
        x, w = values(case, 2)
        with pytest.warns(RuntimeWarning, match="version mismatch") as caught:
            found = jax.jit(function)(x, w)
        assert len(caught) == 1
        np.testing.assert_allclose(found, case.expectations(observables(3), x, w), atol=1e-5)
    finally:
        foreign._is_registered.cache_clear()


def test_what_is_exported_needs_no_foreign_function() -> None:
    case = mixed()
    function = jaxqnn.expectation(case.circuit, observables(3), **case.split)
    x, w = values(case, 2)
    lowered = jax.jit(jax.grad(lambda w: jnp.sum(function(x, w)))).lower(w)
    assert "jaxqnn_sweep" in lowered.as_text()
    exported = jax.export.export(jax.jit(function), platforms=["cpu", "cuda"])(
        jnp.asarray(x), jnp.asarray(w)
    )
    assert "jaxqnn_sweep" not in exported.mlir_module()
    np.testing.assert_allclose(exported.call(x, w), function(x, w), atol=1e-5)
