"""How the project is built: imports point one way, files stay short, importing costs little."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxqnn

ROOT = Path(jaxqnn.__file__).parent
PROJECT = ROOT.parent
PRIMITIVES = (ROOT / "sweep" / "primitive.py", ROOT / "measure" / "sums.py")

# Each package or module may import those before it. `__init__` re-exports, so it comes last.
ORDER = (
    "version",
    "errors",
    "arguments",
    "array_arguments",
    "promotion",
    "processes",
    "products",
    "circuit",
    "program",
    "engine",
    "sweep",
    "measure",
    "memory",
    "batches",
    "descriptions",
    "model",
    "sharding",
    "functions",
    "backends",
    "evaluator",
    "primitives",
    "gradients",
    "kernels",
    "networks",
    "export",
    "torch_device",
    "torch",
    "twins",
    "sklearn",
    "verify",
    "figures",
    "__init__",
    "examples",
    "cli",
    "__main__",
)
LONGEST = 420  # about 400


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def module(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path) for path in sources()}


def unit(name: str) -> str:
    """The package or module directly under jaxqnn that a module belongs to."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, within functions too, with names taken for modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            assert node.module
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def own_imports(path: Path) -> set[str]:
    return {name for name in imports(path) if name in MODULES} - {module(path)}


def test_every_part_of_the_package_has_its_place() -> None:
    assert {unit(name) for name in MODULES} <= set(ORDER)


@pytest.mark.parametrize("path", sources(), ids=module)
def test_imports_point_one_way(path: Path) -> None:
    mine = unit(module(path))
    wrong = {
        name
        for name in own_imports(path)
        if unit(name) != mine and ORDER.index(unit(name)) > ORDER.index(mine)
    }
    assert not wrong, f"{module(path)} must not import {sorted(wrong)}: see ORDER"


def test_no_modules_import_each_other() -> None:
    graph = {module(path): own_imports(path) for path in sources()}
    # A package's __init__ re-exports its modules; they never import it back.
    tuple(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", sources(), ids=module)
def test_nothing_private_of_jax_is_used(path: Path) -> None:
    # JAX has no wholly public way to a primitive's rules; two files may take the one there is.
    private = r"jax\.(_src|core)" if path in PRIMITIVES else r"jax\.(_src|interpreters|core)"
    assert not [name for name in imports(path) if re.match(private, name)]


@pytest.mark.parametrize("folder", ["jaxqnn", "tests", "benchmarks"])
def test_no_file_is_long(folder: str) -> None:
    lengths = {
        str(path.relative_to(PROJECT)): len(path.read_text().splitlines())
        for path in (PROJECT / folder).rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [
        module(path)
        for path in sources()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


@pytest.mark.parametrize("name", jaxqnn.__all__)
def test_every_public_object_is_documented_with_an_example(name: str) -> None:
    described = getattr(jaxqnn, name)
    text = described.__doc__ or ""
    first = text.strip().split("\n")[0]
    assert first.endswith("."), first
    if isinstance(described, type) and issubclass(described, Exception):
        return
    assert ">>>" in text, f"{name} has no example"


HEAVY = ("torch", "matplotlib", "typer", "rich", "pennylane", "optax", "qiskit_aer", "sparse.coo")


def test_importing_loads_nothing_it_does_not_need() -> None:
    before = "import sys, qiskit_machine_learning.algorithms; had = set(sys.modules); "
    check = f"import jaxqnn; print([m for m in {HEAVY} if m in set(sys.modules) - had])"
    done = subprocess.run(
        [sys.executable, "-c", before + check], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_all_there() -> None:
    assert sorted(jaxqnn.__all__) == list(jaxqnn.__all__)
    for name in jaxqnn.__all__:
        assert getattr(jaxqnn, name) is not None
    assert dir(jaxqnn) == jaxqnn.__all__
