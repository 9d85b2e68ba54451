"""The sweeps as C functions: what XLA calls, and what its pool's threads do.

XLA's typed foreign functions take one pointer, to a call frame; its layout is that of
``xla/ffi/api/c_api.h``, which a test reads.  The handler makes a job of it, asks XLA's thread pool
for helpers, works on the job itself and returns when all of it is done; helpers that come late find
nothing to do.  No Python runs in it and nothing in it may raise.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from numba import types

from jaxqnn.sweep.cpu.jit import callback, compiled, python_of
from jaxqnn.sweep.cpu.job import (
    ALONG_W,
    ALONG_X,
    BRA,
    DONE,
    EVOLVE,
    GROUPS,
    HOLDERS,
    IS_SINGLE,
    KET,
    MASKS,
    MEANS,
    OPERATION,
    OUT,
    OUT_W,
    OUT_X,
    PROGRAM,
    PULL,
    PUSH,
    ROOM,
    SIZE,
    STATE,
    TILED,
    WORKERS,
    W,
    X,
)
from jaxqnn.sweep.cpu.pointers import (
    Pointer,
    call,
    fetch_add,
    free,
    malloc,
    numbers,
    singles,
    symbol,
    words,
)
from jaxqnn.sweep.cpu.work import work_of

# Where fields are in the structures of c_api.h, in bytes.
FRAME = {
    "extension_start": 8,
    "api": 16,
    "ctx": 24,
    "args.args": 72,
    "rets.rets": 112,
}
SCHEDULE = 136
BUFFER_DATA = 24
EXTENSION = {"type": 8, "metadata": 24}
API_VERSION = 24

_EXTENSION, _API, _CONTEXT = FRAME["extension_start"], FRAME["api"], FRAME["ctx"]
_ARGUMENTS, _RESULTS = FRAME["args.args"], FRAME["rets.rets"]
_TYPE, _METADATA = EXTENSION["type"], EXTENSION["metadata"]

# The version of the interface that is spoken here, as (minor << 32) + major: 0.1, which every
# jaxlib from 0.7 on takes.
_VERSION = 1 << 32

# The words that a call to the thread pool takes.
_CALL = 5

_LOW_HALF = (1 << 32) - 1


@compiled
def _let_go(address: int) -> None:
    """The last that lets go of a job's words frees them."""
    if fetch_add(address + 8 * HOLDERS, -1) == 1:
        free(address)


def _helper(name: str, work: Callable[[int], None]) -> Any:
    """A thread's part of a job, as a C function; its machine code is kept by its name."""

    def help_with(address: int) -> int:
        work(address)
        _let_go(address)
        return 0

    help_with.__qualname__ = f"help_{name}"
    return callback(types.intp(types.intp))(help_with)


# By the operation, MEANS and IMAGE as one, and then those of large states, of which the first also
# does a VALUE; first all of double precision.
_HELPERS = [
    _helper(f"{name}_{precision}", work)
    for precision, real in (("double", numbers), ("single", singles))
    for name, work in work_of(real).items()
]
_EACH = len(_HELPERS) // 2
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


def helper(job: Any) -> Any:
    """What does a job, as a function of its address; compiled or loaded from disk when needed."""
    return _compiled(python_of(_helper_of)(job))


@cache
def _compiled(which: int) -> Any:
    _HELPERS[which].compile()
    address = _HELPERS[which].address
    assert address is not None
    _table[which] = address
    return _FUNCTION(address)


@_FUNCTION
def _not_yet(address: int) -> int:
    """The same for an executable that was made in another process, and lowered there."""
    return int(helper((ctypes.c_int64 * SIZE).from_address(address))(address))


# Where the helpers are; they are looked up here, for machine code on disk must not hold addresses.
_table = (ctypes.c_int64 * len(_HELPERS))(
    *[ctypes.cast(_not_yet, ctypes.c_void_p).value or 0] * len(_HELPERS)
)
_NAME = "jaxqnn_helpers"
_helpers = symbol(_NAME)


@compiled
def _helper_of(job: Pointer) -> int:
    """Which of the helpers does a job."""
    which = min(job[OPERATION], MEANS)
    if job[TILED]:
        which = _EACH - 1 if job[OPERATION] == PULL else _EACH - 2
    return which + _EACH if job[IS_SINGLE] else which


@compiled
def _word(address: int, offset: int) -> int:
    return words(address + offset)[0]


@compiled
def _data(buffers: int, index: int) -> int:
    """The address of the numbers of an argument or a result."""
    return _word(_word(buffers, 8 * index), BUFFER_DATA)


@callback(types.intp(types.intp))
def handle(frame: int) -> int:
    """XLA's call: the first argument is a job without addresses, and then its program's words."""
    extension = _word(frame, _EXTENSION)
    if extension != 0 and _word(extension, _TYPE) & _LOW_HALF == 1:
        # Not a call: XLA asks which version of the interface this is.
        words(_word(extension, _METADATA) + API_VERSION)[0] = _VERSION
        return 0
    arguments, results = _word(frame, _ARGUMENTS), _word(frame, _RESULTS)
    address = malloc(8 * (SIZE + _CALL * words(_data(arguments, 0))[WORKERS]))
    job = words(address)
    template = words(_data(arguments, 0))
    for i in range(SIZE):
        job[i] = template[i]
    job[PROGRAM] = _data(arguments, 0) + 8 * SIZE
    job[X], job[W] = _data(arguments, 1), _data(arguments, 2)
    operation = job[OPERATION]
    if operation == EVOLVE:
        job[OUT], job[ROOM] = _data(results, 0), _data(results, 1)
    elif operation >= MEANS:
        for word in range(MASKS, KET + 1):
            job[word] = _data(arguments, 1 + word - MASKS)
        job[OUT] = _data(results, 0)
    elif operation == PUSH:
        job[ALONG_X], job[ALONG_W] = _data(arguments, 3), _data(arguments, 4)
        job[OUT], job[ROOM] = _data(results, 0), _data(results, 1)
    else:
        if operation == PULL:
            job[STATE] = _data(arguments, 4)
        else:
            job[ALONG_X], job[ALONG_W] = _data(arguments, 4), _data(arguments, 5)
        job[BRA] = _data(arguments, 3)
        job[OUT_X], job[OUT_W] = _data(results, 0), _data(results, 1)
        job[ROOM] = _data(results, 2)
    job[HOLDERS] = job[WORKERS] + 1
    helper = words(_helpers())[_helper_of(job)]
    for thread in range(1, job[WORKERS]):
        request = words(address + 8 * (SIZE + _CALL * thread))
        request[0], request[1], request[2] = 8 * _CALL, 0, _word(frame, _CONTEXT)
        request[3], request[4] = helper, address
        call(_word(_word(frame, _API), SCHEDULE), address + 8 * (SIZE + _CALL * thread))
    # One more holder than threads, so that the job outlives the wait for its last group.
    call(helper, address)
    while fetch_add(address + 8 * DONE, 0) < job[GROUPS]:
        pass
    _let_go(address)
    return 0


@cache
def handler() -> int:
    """Where ``handle`` is, compiled or loaded from disk."""
    llvm.add_symbol(_NAME, ctypes.addressof(_table))
    handle.compile()
    assert handle.address is not None
    return handle.address
