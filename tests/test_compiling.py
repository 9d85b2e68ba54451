"""Who waits for the sweeps to be compiled is told, and nobody else."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from numba import types
from numba.core import event

from jaxqnn.sweep import compiling
from jaxqnn.sweep.cpu import jit

SWEEPS = "jaxqnn.sweep.cpu.sample"
CODE = "def twice(x):\n    return x + x\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error from now on; pytest would take it back from a fixture."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    return found


@pytest.fixture(autouse=True)
def _a_new_listener() -> Iterator[None]:
    """As a new process has it, in place of this one's."""
    mine = compiling.announce()
    event.unregister(compiling.PASSES, mine)
    fresh = compiling.announce.__wrapped__()
    yield
    event.unregister(compiling.PASSES, fresh)
    event.register(compiling.PASSES, mine)


def compile_in(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile a function, which is not on disk, of a module of that name."""
    names = ModuleType(module)
    monkeypatch.setitem(sys.modules, module, names)
    exec(CODE, vars(names))
    jit.callback(types.float64(types.float64))(names.twice).compile()


def test_a_terminal_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch)
    for _ in range(2):
        compile_in(SWEEPS, monkeypatch)
    assert shown.getvalue() == f"{compiling.COMPILING}\n"


def test_a_pipe_is_told_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_in(SWEEPS, monkeypatch)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_is_told_though_it_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    compile_in(SWEEPS, monkeypatch)
    assert capsys.readouterr().err == f"{compiling.COMPILING}\n"


def test_a_bar_is_told_in_place_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch)
    told: list[str] = []
    with compiling.told_to(told.append):
        compile_in(SWEEPS, monkeypatch)
    assert told == [compiling.COMPILING]
    assert not shown.getvalue()


def test_other_functions_are_not_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch)
    compile_in("elsewhere", monkeypatch)
    assert not shown.getvalue()
