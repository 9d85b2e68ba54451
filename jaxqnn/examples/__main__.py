"""`python -m jaxqnn.examples`: the examples, each with what it shows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from jaxqnn.examples.command import program


def programs() -> Iterator[tuple[str, str]]:
    """Name and first sentence of each example; none is imported."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        code = file.read_text(encoding="utf-8")
        if file.name != "__main__.py" and '__name__ == "__main__"' in code:
            yield file.stem, (ast.get_docstring(ast.parse(code)) or "").splitlines()[0]


def main() -> None:
    """Print the list."""
    with program():
        print("Start one with: python -m jaxqnn.examples.NAME (--help tells its options)\n")
        for name, sentence in programs():
            print(f"{name}\n    {sentence}")


if __name__ == "__main__":
    main()
