"""How long JAX traced, lowered and compiled, whoever asked it to."""

from __future__ import annotations

import importlib
import time
from typing import Any

EVENTS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)


class CompileClock:
    """A context in which JAX's own compile events are added up.

    The same clock serves every JAX peer and jaxqnn, which compile behind their own interfaces.

    Attributes:
        seconds: Wall time during which at least one event was under way (events nest).
        programs: Number of programs compiled.
    """

    def __init__(self, enabled: bool = True) -> None:
        self._monitoring: Any = importlib.import_module("jax").monitoring if enabled else None
        self._spans: list[tuple[float, float]] = []
        self.programs = 0

    def __enter__(self) -> CompileClock:
        if self._monitoring is not None:
            self._monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        if self._monitoring is not None:
            self._monitoring.unregister_event_duration_listener(self._listen)

    def _listen(self, event: str, duration: float, **_: object) -> None:
        if event in EVENTS:
            now = time.perf_counter()
            self._spans.append((now - duration, now))
            self.programs += event == EVENTS[-1]

    @property
    def seconds(self) -> float:
        total, end = 0.0, -float("inf")
        for start, stop in sorted(self._spans):
            total += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return total
