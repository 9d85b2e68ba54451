"""What XLA calls on a GPU: one launch of a kernel for each stage of a program.

The same kind of function as ``jaxqnn.sweep.cpu.handler``: it takes XLA's call frame, runs no
Python, and may not raise.  Its attribute is ``job``; its arguments and results are ``sweep.cu``'s
arrays.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jaxqnn.sweep.cpu.handler import FRAME
from jaxqnn.sweep.cpu.jit import callback, compiled
from jaxqnn.sweep.cpu.pointers import Pointer, call, free, malloc, symbol, words
from jaxqnn.sweep.gpu.job import (
    BLOCKS,
    FIRST,
    FIRST_BACK,
    HEAD,
    JOB_TAIL,
    KERNEL,
    KERNELS,
    KET_BYTES,
    SHARED_BYTES,
    STAGES,
    SUMS_BYTES,
    SUMS_HEAD,
    SUMS_TAIL,
    THREADS,
    TURNS,
)

# Where fields are in the structures of c_api.h, in bytes.
ATTRIBUTES = 160
ARRAY_DATA = 16
STREAM_GET = 80
ERROR_CREATE = 48

_EXTENSION, _API, _CONTEXT = FRAME["extension_start"], FRAME["api"], FRAME["ctx"]
_ARGUMENTS, _RESULTS = FRAME["args.args"], FRAME["rets.rets"]

# The words of ``Job`` before that tail, and all that are asked for at once: the job, the pointer to
# it that a launch takes, what XLA is asked for its stream with, and with what it is told an error.
_JOB = 12
_PARAMETERS = _JOB + JOB_TAIL
_QUESTION, _ANSWER = _PARAMETERS + 1, _PARAMETERS + 5
_ROOM = _ANSWER + 4

_VERSION = 1 << 32
_CAN_BE_RECORDED = 1

_NAME = "jaxqnn_cuda"
_MESSAGE = ctypes.create_string_buffer(
    b"jaxqnn: CUDA refused to launch a sweep, with its error 000 (cuda.h, CUresult)."
)
_DIGITS = _MESSAGE.value.index(b"000")
# cuLaunchKernel, the message of an error, and the kernels; looked up here, for machine code on disk
# must not hold addresses.
table = (ctypes.c_int64 * (2 + len(KERNELS)))(0, ctypes.addressof(_MESSAGE))
_table = symbol(_NAME)


@intrinsic
def _launch(
    _: Any,
    function: Any,
    kernel: Any,
    blocks: Any,
    threads: Any,
    shared: Any,
    stream: Any,
    job: Any,
) -> Any:
    """Calls cuLaunchKernel."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word, number = ir.IntType(64), ir.IntType(32)
        one = number(1)
        kind = ir.FunctionType(number, [word, *[number] * 7, word, word, word])
        function, kernel, blocks, threads, shared, stream, job = args
        blocks, threads, shared = (builder.trunc(a, number) for a in (blocks, threads, shared))
        found = builder.call(
            builder.inttoptr(function, kind.as_pointer()),
            [kernel, blocks, one, one, threads, one, one, shared, stream, job, word(0)],
        )
        return builder.zext(found, word)

    return types.intp(*[types.intp] * 7), generate


@compiled
def _word(address: int, offset: int) -> int:
    return words(address + offset)[0]


@compiled
def _data(buffers: int, index: int) -> int:
    return _word(_word(buffers, 8 * index), 24)


@compiled
def _is_asked(frame: int) -> bool:
    """Whether XLA asks which version of the interface this is; it is told."""
    extension = _word(frame, _EXTENSION)
    if extension == 0 or _word(extension, 8) & 0xFFFFFFFF != 1:
        return False
    metadata = _word(extension, 24)
    words(metadata + 24)[0] = _VERSION
    # The upper half of the word belongs to no field.
    words(metadata + 32)[0] = _CAN_BE_RECORDED
    return True


@compiled
def _attribute(frame: int) -> Pointer:
    """The words of the call's one attribute."""
    return words(_word(_word(_word(frame, ATTRIBUTES), 0), ARRAY_DATA))


@compiled
def _ask(frame: int, address: int) -> int:
    """Asks XLA for its stream, the last word of the question; returns an error, or 0."""
    words(address)[_PARAMETERS] = address
    asked = words(address + 8 * _QUESTION)
    asked[0], asked[1], asked[2], asked[3] = 32, 0, _word(frame, _CONTEXT), 0
    return call(_word(_word(frame, _API), STREAM_GET), address + 8 * _QUESTION)


@callback(types.intp(types.intp))
def handle(frame: int) -> int:
    """XLA's call for a sweep: a launch for each stage."""
    if _is_asked(frame):
        return 0
    arguments, results = _word(frame, _ARGUMENTS), _word(frame, _RESULTS)
    head, api, places = _attribute(frame), _word(frame, _API), words(_table())
    address = malloc(8 * _ROOM)
    job, asked = words(address), words(address + 8 * _QUESTION)
    error = _ask(frame, address)
    for i in range(5):
        job[i] = _data(arguments, i)
    for i in range(JOB_TAIL):
        job[_JOB + i] = head[HEAD + i]
    is_back = head[KERNEL] >= FIRST_BACK
    stages = head[STAGES]
    out = _data(results, 0)
    kept = _data(results, 1) if is_back else 0
    ket, bra = out, 0
    if is_back:
        ket, bra = _data(arguments, 5), _data(arguments, 6)
    index = 0
    code = 0
    while index < stages and error == 0 and code == 0:
        is_last = index == stages - 1
        job[10] = stages - 1 - index if is_back else head[FIRST] + index
        job[11] = index == 0
        job[5], job[6], job[7], job[8], job[9] = ket, bra, out, 0, 0
        if is_back:
            # Where several bras share a ket, its next tiles must not meet its last ones.
            ket = kept + index % head[TURNS] * head[KET_BYTES]
            bra = kept + head[TURNS] * head[KET_BYTES]
            job[7], job[8], job[9] = ket, bra, out
            if is_last:
                job[7], job[8] = 0, 0
        kernel = places[2 + head[KERNEL]]
        code = 1  # CUDA's word for what is not as it should be
        if kernel != 0:
            code = _launch(
                places[0],
                kernel,
                head[BLOCKS],
                head[THREADS],
                head[SHARED_BYTES],
                asked[3],
                address + 8 * _PARAMETERS,
            )
        index += 1
    if code != 0:
        error = _error(api, places[1], code, address + 8 * _ANSWER)
    free(address)
    return error


@callback(types.intp(types.intp))
def handle_sums(frame: int) -> int:
    """XLA's call for sums of Pauli strings: seven arguments, one result, one launch."""
    if _is_asked(frame):
        return 0
    arguments, results = _word(frame, _ARGUMENTS), _word(frame, _RESULTS)
    head, api, places = _attribute(frame), _word(frame, _API), words(_table())
    address = malloc(8 * _ROOM)
    job, asked = words(address), words(address + 8 * _QUESTION)
    error = _ask(frame, address)
    for i in range(7):
        job[i] = _data(arguments, i)
    job[7] = _data(results, 0)
    for i in range(SUMS_TAIL):
        job[8 + i] = head[SUMS_HEAD + i]
    kernel = places[2 + head[0]]
    if error == 0:
        code = 1
        if kernel != 0:
            code = _launch(
                places[0],
                kernel,
                head[1],
                head[2],
                SUMS_BYTES,
                asked[3],
                address + 8 * _PARAMETERS,
            )
        if code != 0:
            error = _error(api, places[1], code, address + 8 * _ANSWER)
    free(address)
    return error


@compiled
def _error(api: int, message: int, code: int, address: int) -> int:
    at = message + _DIGITS
    text = words(at)
    digits = (48 + code // 100 % 10) | (48 + code // 10 % 10) << 8 | (48 + code % 10) << 16
    text[0] = (text[0] & ~0xFFFFFF) | digits
    told = words(address)
    told[0], told[1], told[2], told[3] = 32, 0, message, 13  # an internal error
    return call(_word(api, ERROR_CREATE), address)


@cache
def handlers() -> tuple[int, int]:
    """Where ``handle`` and ``handle_sums`` are, compiled or loaded from disk."""
    llvm.add_symbol(_NAME, ctypes.addressof(table))
    handle.compile()
    handle_sums.compile()
    assert handle.address is not None
    assert handle_sums.address is not None
    return handle.address, handle_sums.address
