"""What a compiled program does, read off XLA's text: kernels, bytes and answers waited for."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

_SIZES = {"f64": 8, "f32": 4, "s64": 8, "u64": 8, "s32": 4, "u32": 4, "pred": 1, "s8": 1, "u8": 1}
_KERNELS = {
    "all-to-all",
    "copy",
    "custom-call",
    "dot",
    "fusion",
    "gather",
    "reduce",
    "scatter",
    "sort",
    "transpose",
}
_LINE = re.compile(r"(?:ROOT )?%?(\S+) = (\(.*?\)|\S+) ([\w-]+)\((.*?)\)(.*)$")
_BODIES = re.compile(
    r"(?:body|true_computation|false_computation|branch_computations)=\{?([^,}]*(?:, %[^,}]*)*)"
)


class Work(NamedTuple):
    """What one run of a computation does.

    Attributes:
        kernels: Launches.
        moved: Bytes read and written, each operand and result counted whole.
        waits: Answers of the device that the host waits for: a loop asks before each turn, a branch
            asks which way.
    """

    kernels: int = 0
    moved: int = 0
    waits: int = 0

    def __add__(self, other: object) -> Work:
        assert isinstance(other, Work)
        return Work(*(a + b for a, b in zip(self, other, strict=True)))


class Step(NamedTuple):
    """A turn of a loop.

    Attributes:
        least: Where no loop within it turns and every branch is the shorter.
        most: Where each of them turns once and every branch is the longer.
    """

    least: Work
    most: Work


def loops(text: str) -> list[Step]:
    """The turns of the program's outermost loops, in their order."""
    computations, entry = _computations(text)
    found = []
    for line in computations[entry]:
        if (match := _LINE.match(line)) and match[3] == "while":
            found.append(_step(computations, _bodies(match[5])[0]))
    return found


def _step(computations: dict[str, list[str]], name: str) -> Step:
    least = most = Work(waits=1)
    types: dict[str, str] = {}
    for line in computations[name]:
        match = _LINE.match(line)
        if match is None:
            continue
        types[match[1]] = match[2]
        if match[3] == "while":
            turn = _step(computations, _bodies(match[5])[0])
            least += Work(waits=1)
            most += turn.most + Work(waits=1)
        elif match[3] == "conditional":
            branches = [_step(computations, body) for body in _bodies(match[5])]
            least += min(branch.least for branch in branches)
            most += max(branch.most for branch in branches)
        elif match[3] in _KERNELS:
            names = re.findall(r"%([\w.-]+)", match[4])
            operands = sum(_size(types.get(operand, "")) for operand in names)
            own = Work(1, _size(match[2]) + operands)
            least, most = least + own, most + own
    return Step(least, most)


def _computations(text: str) -> tuple[dict[str, list[str]], str]:
    found: dict[str, list[str]] = {}
    name = entry = ""
    for line in text.splitlines():
        if header := re.match(r"(ENTRY )?%?(\S+) \(.*\{$", line):
            name = header[2]
            found[name] = []
            entry = name if header[1] else entry
        elif name:
            found[name].append(line.strip())
    return found, entry


def _bodies(attributes: str) -> list[str]:
    return [
        name.strip().lstrip("%")
        for match in _BODIES.finditer(attributes)
        for name in match[1].split(",")
    ]


def _size(kind: str) -> int:
    """Bytes of an array type; a tuple is taken apart before it is read."""
    if kind.startswith("("):
        return sum(_size(part) for part in re.findall(r"\w+\[[\d,]*\]", kind))
    match = re.match(r"(\w+)\[([\d,]*)\]", kind)
    if match is None or match[1] not in _SIZES:
        return 0
    return _SIZES[match[1]] * math.prod(int(n) for n in match[2].split(",") if n)
