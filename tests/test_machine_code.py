"""Machine code on disk: edits are noticed, damage and foreign files are compiled over."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from numba import float64

import jaxqnn
from jaxqnn.sweep.cpu import cache, handler, jit

OUTER = """
from pathlib import Path
from numba.core import types
from numba.core.ccallback import CFunc
from inner import half
from jaxqnn.sweep.cpu.cache import Sources

def whole(x):
    return 2 * half(x)

def double(x):
    return 4 * half(x)

signature = (types.float64,), types.float64
whole, double = (CFunc(function, signature, locals={}, options={}) for function in (whole, double))
sources = Sources(Path(__file__).parent)
for function in (whole, double):
    sources.keep(function)
"""
INNER = """
from numba import njit

@njit
def half(x):
    return x / {}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two sources, the second called by the first."""
    (tmp_path / "outer.py").write_text(OUTER)
    (tmp_path / "inner.py").write_text(INNER.format(2))
    monkeypatch.setattr(cache, "_has_warned", False)
    yield tmp_path
    sys.modules.pop("inner", None)


def load(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def fresh(folder: Path) -> Any:
    """The outer module as a new process has it."""
    importlib.invalidate_caches()
    load(folder / "inner.py")
    return load(folder / "outer.py")


def call(function: Any, x: float = 3.0) -> float:
    function.compile()
    return float(function.ctypes(x))


def kept(folder: Path, name: str = "") -> list[Path]:
    return sorted(folder.glob(f"__pycache__/{name}*.nbc"))


def test_a_second_process_loads_what_the_first_compiled(folder: Path) -> None:
    for expected in (0, 1):
        outer = fresh(folder)
        assert call(outer.whole) == 3.0
        assert outer.whole.cache_hits == expected


def test_an_edit_of_what_a_function_calls_is_noticed(folder: Path) -> None:
    assert call(fresh(folder).whole) == 3.0
    before = kept(folder)
    (folder / "inner.py").write_text(INNER.format(4))
    assert call(fresh(folder).whole) == 1.5
    after = kept(folder)
    assert len(after) == len(before)  # written over, not heaped up
    assert not set(after) & set(before)


@pytest.mark.parametrize("length", [0, 10, 60, 100, -1])
def test_files_cut_short_are_compiled_over_with_one_warning(folder: Path, length: int) -> None:
    outer = fresh(folder)
    for function in (outer.whole, outer.double):
        function.compile()
    whole = {path: path.read_bytes() for path in kept(folder)}
    assert len(whole) == 2
    for path, data in whole.items():
        path.write_bytes(data[:length])
    outer = fresh(folder)
    with pytest.warns(RuntimeWarning, match="cut short") as caught:
        assert (call(outer.whole), call(outer.double)) == (3.0, 6.0)
    assert len(caught) == 1
    again = fresh(folder)  # a warning would be an error
    assert call(again.whole) == 3.0
    assert again.whole.cache_hits == 1


def test_a_damaged_file_is_compiled_over(folder: Path) -> None:
    call(fresh(folder).whole)
    [path] = kept(folder, "outer")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.warns(RuntimeWarning, match="damaged"):
        assert call(fresh(folder).whole) == 3.0


def test_code_of_another_processor_is_not_run(folder: Path) -> None:
    """Its file lies beside this one's; under this one's name it is told by its seal."""
    environment = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    run(folder, "import outer; outer.whole.compile()", **environment)
    [foreign] = kept(folder, "outer")
    mine = fresh(folder)
    assert call(mine.whole) == 3.0
    assert mine.whole.cache_hits == 0
    [own] = set(kept(folder, "outer")) - {foreign}
    own.write_bytes(foreign.read_bytes())
    with pytest.warns(RuntimeWarning, match="another processor's"):
        assert call(fresh(folder).whole) == 3.0


def test_code_of_another_version_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(fresh(folder).whole)
    [own] = kept(folder, "outer")
    for module in ("numba", "llvmlite"):
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.__version__", "0.0.1")
            other = fresh(folder)
            assert call(other.whole) == 3.0
            assert other.whole.cache_hits == 0
    foreign = next(path for path in kept(folder, "outer") if path != own)
    own.write_bytes(foreign.read_bytes())
    with pytest.warns(RuntimeWarning, match="version's"):
        assert call(fresh(folder).whole) == 3.0


def test_a_file_that_cannot_be_written_loses_nothing(folder: Path) -> None:
    call(fresh(folder).whole)
    for path in kept(folder):
        path.unlink()
        path.mkdir()
    with pytest.warns(RuntimeWarning, match="cannot be read") as caught:
        assert call(fresh(folder).whole) == 3.0
    assert len(caught) == 1
    assert not list(folder.glob("__pycache__/*.tmp"))


PARTS = f"""
from numba import float64
from jaxqnn.sweep.cpu import jit

def polynomial(factor):
    @jit.compiled
    def value(x):
        total = factor
        {"; ".join(f"total = total * x + {i}.0 * factor" for i in range(300))}
        return total

    return value

one, two = polynomial(1.0), polynomial(2.0)

@jit.callback(float64(float64))
def first(x):
    return one(x) + one(x + 1)

@jit.callback(float64(float64))
def second(x):
    return two(x) + two(x + 1)
"""


def test_parts_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    """Numba numbers them anew in each process, and some come from disk."""
    (tmp_path / "parts.py").write_text(PARTS)
    run(tmp_path, "import parts; parts.first.compile()")
    script = """
import parts
from jaxqnn.sweep.cpu import jit
def expected(function, x):
    value = jit.python_of(parts.one if function is parts.first else parts.two)
    return value(x) + value(x + 1)
parts.first.compile(), parts.second.compile()
assert parts.first.cache_hits == 1
for function in (parts.first, parts.second):
    assert abs(function.ctypes(-0.5) / expected(function, -0.5) - 1) < 1e-12
"""
    run(tmp_path, script)  # compiles the second
    run(tmp_path, script)  # loads both


def run(folder: Path, script: str, **environment: str) -> None:
    """Runs a script in a process of its own, beside the folder's modules."""
    path = os.pathsep.join((str(folder), str(Path(jaxqnn.__file__).parents[1])))
    subprocess.run(
        [sys.executable, "-c", script],
        env=dict(os.environ) | environment | {"PYTHONPATH": path},
        check=True,
    )


def test_the_sweeps_are_kept() -> None:
    assert isinstance(vars(handler.handle)["_cache"], cache._Cache)


def test_a_callback_is_compiled_when_it_is_asked_for() -> None:
    @jit.callback(float64(float64))
    def twice(x: float) -> float:
        return 2 * x

    assert twice.address is None
    twice.compile()
    assert twice.ctypes(3.0) == 6.0


def test_every_source_of_machine_code_is_registered() -> None:
    """Compiled functions freeze what their modules import."""
    project = Path(jaxqnn.__file__).parents[1]
    registered = cache._files(jit.SOURCES)
    for path in registered:
        tree = ast.parse(path.read_text())
        imported = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = {f"{node.module}.{alias.name}" for alias in node.names}
                modules = {name for name in modules if _file(project, name).exists()}
                imported |= modules or {node.module}
        if "jaxqnn.sweep.cpu.jit" not in imported:
            continue
        for name in imported:
            if name.startswith("jaxqnn."):
                file = _file(project, name)
                assert file in registered, f"{path.name} compiles what {name} says"


def _file(project: Path, module: str) -> Path:
    return project.joinpath(*module.split(".")).with_suffix(".py")


def test_code_for_a_lesser_processor_has_its_instructions_alone(tmp_path: Path) -> None:
    """A user may ask Numba for less than the machine at hand."""
    code = (
        "from qiskit.circuit.library import real_amplitudes\n"
        "import jaxqnn\n"
        "ansatz = real_amplitudes(7, reps=1)\n"
        "qnn = jaxqnn.EstimatorQNN(circuit=ansatz, weight_params=ansatz.parameters)\n"
        "print(repr(float(qnn.forward(None, [0.1 * i for i in range(14)])[0, 0])))\n"
    )
    found = []
    for name in ("generic", None):
        environment = {**os.environ, **({} if name is None else {"NUMBA_CPU_NAME": name})}
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / str(name))
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(float(done.stdout))
    assert found[0] == pytest.approx(found[1], abs=1e-13)
