"""One step of a build as others see it: our own events, and what the engine remembers. Pure values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["running", "cached", "done", "failed"]
#: why a step's result was found, or was not
Reason = Literal["", "same", "no-cache", "parent", "instruction", "files", "argument", "source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`step` counts from 1 as Docker prints it; `line` and `end_line` are the Dockerfile's."""

    step: int
    total: int
    stage: str  #: its name, or its number
    instruction: str  #: RUN, COPY, …
    text: str
    line: int
    end_line: int
    state: State = "running"
    reason: Reason = ""
    detail: str = ""  #: changed paths, or the build argument's name
    seconds: float = 0.0
    size: int = 0  #: bytes of the layer that it made
    layer: str = ""  #: its diff id; "" where it made none
    image: str = ""
    error: str = ""

    def event(self) -> dict[str, Any]:
        """The line that a client reads that asked for steps."""
        return {"id": "kernel-engine.step", "aux": asdict(self)}
