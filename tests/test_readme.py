"""Every Python block of the README runs, and its test command is there for CI to take."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    pytest.param(match[1], id=f"line {README[: match.start()].count(chr(10)) + 1}")
    for match in re.finditer(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
]


@pytest.mark.parametrize("code", BLOCKS)
def test_a_block_runs_on_its_own(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})


def test_there_are_blocks() -> None:
    assert len(BLOCKS) > 3


def test_the_commands_are_one_paste_each() -> None:
    commands = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert all(command.count("\n") == 1 for command in commands[:2])
    assert "jaxqnn demo" in commands[0]
    assert "pytest" in commands[1]
