"""The README and the guide: every block runs, links lead somewhere, commands are one paste."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

import jaxqnn

PROJECT = Path(__file__).parents[1]
GUIDE = Path(jaxqnn.__file__).parent / "guide"
PAGES = [PROJECT / "README.md", *sorted(GUIDE.glob("*.md"))]
README = PAGES[0].read_text(encoding="utf-8")
TOPICS = {
    "backward_pass",
    "devices",
    "differences",
    "how_it_works",
    "index",
    "jax",
    "kernels",
    "processes",
    "pytorch",
    "saving",
    "scikit_learn",
    "troubleshooting",
    "vqe",
}


def blocks() -> list[tuple[str, str]]:
    """Each Python block, by its page and line."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text[: match.start()].count("\n") + 1
            found.append((f"{page.name}:{line}", match[1]))
    return found


BLOCKS = blocks()


@pytest.mark.parametrize(("place", "code"), BLOCKS, ids=[place for place, _ in BLOCKS])
def test_a_block_runs_on_its_own(place: str, code: str, tmp_path: Path) -> None:
    if "__main__" not in code:
        exec(compile(code, place, "exec"), {"__name__": "__main__"})
        return
    # Workers read the script's file again.
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr


def test_the_notebook_runs_and_shows_what_it_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "backend", "agg")
    notebook = json.loads((GUIDE / "demo.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"demo.ipynb, cell {number}", "exec"), names)
    shown = {kind for cell in cells for out in cell["outputs"] for kind in out.get("data", {})}
    assert {"image/png", "text/html"} <= shown
    assert all(out["output_type"] != "error" for cell in cells for out in cell["outputs"])


def test_the_readme_is_short_and_has_blocks() -> None:
    assert len(README.splitlines()) < 250
    assert [place for place, _ in BLOCKS if place.startswith("README")]


def test_the_guide_has_every_page_and_the_readme_names_each() -> None:
    assert {page.stem for page in PAGES[1:]} == TOPICS
    assert "](demo.ipynb)" in (GUIDE / "index.md").read_text(encoding="utf-8")
    for name in TOPICS - {"index"}:
        assert f"jaxqnn/guide/{name}.md" in README
        assert f"]({name}.md)" in (GUIDE / "index.md").read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if page.parent == GUIDE:  # which is read where there is no repository
            assert target.resolve().is_relative_to(GUIDE.parent), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}"


def test_the_commands_are_one_paste_each() -> None:
    commands = re.findall(r"^```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert len(commands) == 2
    assert all(command.count("\n") == 1 for command in commands)
    assert "jaxqnn demo" in commands[0]
    marker, _, rest = README.partition("<!-- test command -->\n")
    assert rest.startswith(f"```bash\n{commands[1]}```")
    assert "pytest" in commands[1]
    assert commands[0] in marker


def test_extras_that_are_named_exist() -> None:
    settings = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    extras = settings[settings.index("[project.optional-dependencies]") :]
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for names in re.findall(r"\"(?:jaxqnn|\.)\[([a-z,]+)\]\"", text):
            for name in names.split(","):
                assert f"\n{name} = [" in extras, f"{page.name} names the extra {name}"
