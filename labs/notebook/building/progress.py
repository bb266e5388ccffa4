"""What a build has come to, from the lines of `POST /build?kernel-engine-steps=1`. Pure.

A step event says what becomes of a step; a `stream` line is what the step that runs prints, or one of the classic
builder's own lines, whose facts the events tell already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kernel_engine.formats.dockerfile.errors import DockerfileError
from kernel_engine.formats.dockerfile.instructions import Instruction
from kernel_engine.formats.dockerfile.parse import parse
from labs.notebook.transcript import Transcript

STEP, OUTPUT = "kernel-engine.step", "kernel-engine.output"
#: our own, before the engine's answer: how much was sent
CONTEXT = "docker-labs.context"
#: a step's output beyond so many lines: the first go
KEPT_LINES = 400
#: the classic builder's own lines
_CLASSIC = re.compile(
    r"Step \d+/\d+ : | ---> |Removing intermediate container |Successfully (built|tagged) |# Executing \d+ build "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction of the file. `state`: waiting | running | cached | done | failed | skipped | stopped | left.

    `step` is 0 as long as the engine has not begun with it; `reason` and `detail` are the engine's own words for a
    cache hit or miss; `size` in bytes; `layer` is a diff id, "" where the step only changed settings; `lines` is what
    it printed, `dropped` how many lines went before.
    """

    step: int
    stage: str
    instruction: str
    text: str
    line: int
    end_line: int
    state: str
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0
    size: int = 0
    layer: str = ""
    image: str = ""
    error: str = ""
    lines: tuple[str, ...] = ()
    dropped: int = 0
    #: how far a base image's pull is, in one line
    pulling: str = ""

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Steps in the order of the file; `error` is Docker's text of what ended the build, `error_line` its place in the
    file (0: not known), `image` the id of what was made."""

    steps: tuple[Step, ...] = ()
    total: int = 0
    #: bytes of the build context; 0 as long as it is on its way
    sent: int = 0
    image: str = ""
    tags: tuple[str, ...] = ()
    error: str = ""
    error_line: int = 0
    #: what a command's exit code says of it: 0 where an image was made
    code: int = 1
    #: what the engine said beside the steps: warnings
    remarks: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[str, ...]:
        """In the order of their first steps."""
        return tuple(dict.fromkeys(step.stage for step in self.steps))

    @property
    def failed(self) -> Step | None:
        return next((step for step in self.steps if step.state == "failed"), None)

    @property
    def over(self) -> int:
        """How many steps have ended well."""
        return sum(step.state in ("cached", "done") for step in self.steps)


@dataclass(slots=True)
class Progress:
    """Fed with the answer's JSON values, in order; `build` is what they come to."""

    build: Build = field(default_factory=Build)
    _running: int = 0
    _screens: dict[int, Transcript] = field(default_factory=dict)

    def feed(self, said: Mapping[str, Any]) -> None:
        """Values that say nothing of a build are passed over, as every client of Docker's does."""
        name, aux = said.get("id"), said.get("aux")
        if name == STEP and isinstance(aux, Mapping):
            self._event(aux)
        elif name == OUTPUT and isinstance(aux, Mapping):
            self._print(int(aux["step"]), str(said.get("stream", "")))
        elif name == CONTEXT and isinstance(aux, Mapping):
            self.build = replace(self.build, sent=int(aux["bytes"]))
        elif isinstance(aux, Mapping) and "ID" in aux:
            self.build = replace(self.build, image=str(aux["ID"]), code=0)  # each stage's; the target is the last
        elif "error" in said:
            self._error(str(said["error"]), said.get("errorDetail"))
        elif "stream" in said:
            self._stream(str(said["stream"]))
        elif "status" in said:
            self._pull(said)

    def end(self) -> None:
        """Nothing more will come: what runs was stopped, what waits was not needed, or is left undone."""
        states = {"running": "stopped", "waiting": "left" if self.build.error else "skipped"}
        if self.build.error:
            self.build = replace(self.build, image="")
        steps = tuple(replace(step, state=states.get(step.state, step.state)) for step in self.build.steps)
        failed = self.build.failed
        line = self.build.error_line or (failed.line if failed is not None else 0)
        self.build = replace(self.build, steps=steps, error_line=line)

    def refuse(self, error: str, code: int = 1) -> None:
        """The engine did not begin, or its answer was cut off."""
        self.build = replace(self.build, error=error, code=code)

    def _event(self, said: Mapping[str, Any]) -> None:
        number = int(said["step"])
        self._arguments_read(int(said["line"]))
        known = {name: said[name] for name in _EVENT_FIELDS if name in said}
        known["text"] = one_line(known["text"])
        old = self._step(number)
        step = replace(old, **known, pulling="") if old is not None else Step(**known)
        if step.state == "running":
            self._running = number
        elif self._running == number:
            self._running = 0
        if step.is_over and (screen := self._screens.pop(number, None)) and (rest := screen.take_unfinished().rstrip()):
            step = _printed(step, [rest])
        self._put(step)
        self.build = replace(self.build, total=int(said.get("total", self.build.total)))

    def _stream(self, text: str) -> None:
        if found := re.match(r"Successfully tagged (\S+)", text):
            self.build = replace(self.build, tags=(*self.build.tags, found[1]))
        if _CLASSIC.match(text):
            return
        if self._running:
            self._print(self._running, text)
        elif text.strip():
            self.build = replace(self.build, remarks=(*self.build.remarks, text.strip()))

    def _error(self, text: str, detail: Any) -> None:
        place = detail if isinstance(detail, Mapping) else {}
        self.build = replace(
            self.build, error=text.strip(), code=int(place.get("code") or 1), error_line=int(place.get("line") or 0)
        )

    def _arguments_read(self, before: int) -> None:
        """ARG before the first FROM is no stage's: it is over when a step after it is told of."""
        steps = [
            replace(step, step=number, state="done")
            if not step.stage and step.state == "waiting" and step.line < before
            else step
            for number, step in enumerate(self.build.steps, 1)
        ]
        self.build = replace(self.build, steps=tuple(steps))

    def _print(self, number: int, text: str) -> None:
        step = self._step(number)
        if step is None:
            return
        screen = self._screens.setdefault(number, Transcript())
        self._put(_printed(step, screen.feed(text.encode()).splitlines()))

    def _pull(self, said: Mapping[str, Any]) -> None:
        pulls = [step for step in self.build.steps if step.state == "running" and step.instruction == "FROM"]
        if not pulls:
            return
        step = pulls[-1]
        words = [str(said[key]) for key in ("id", "status", "progress") if said.get(key)]
        self._put(replace(step, pulling=" ".join(words)))

    def _step(self, number: int) -> Step | None:
        return next((step for step in self.build.steps if step.step == number), None)

    def _put(self, step: Step) -> None:
        """In the place of what was known of it: by its number, or by its line while it had none."""
        others = [
            other for other in self.build.steps if other.step != step.step and (other.step or other.line != step.line)
        ]
        self.build = replace(self.build, steps=tuple(sorted((*others, step), key=lambda one: (one.line, one.step))))


_EVENT_FIELDS = (
    "step",
    "stage",
    "instruction",
    "text",
    "line",
    "end_line",
    "state",
    "reason",
    "detail",
    "seconds",
    "size",
    "layer",
    "image",
    "error",
)


def expected(data: bytes) -> Build:
    """A Dockerfile's steps before anything is built; for one that cannot be read, only where it is wrong."""
    try:
        file = parse(data)
    except DockerfileError as error:
        return Build(error_line=error.line)
    steps = [_waiting(argument, "") for argument in file.arguments]
    for number, (first, rest) in enumerate(file.stages):
        steps += [_waiting(instruction, first.name or str(number)) for instruction in (first, *rest)]
    return Build(steps=tuple(steps), total=len(steps))


def one_line(text: str) -> str:
    """An instruction without the blanks that its continued lines began with."""
    return " ".join(text.split())


def _waiting(instruction: Instruction, stage: str) -> Step:
    place = instruction.location
    return Step(
        step=0, stage=stage, instruction=instruction.keyword, text=one_line(instruction.text), line=place.start,
        end_line=place.end, state="waiting",
    )  # fmt: skip


def _printed(step: Step, more: list[str]) -> Step:
    lines = (*step.lines, *more)
    gone = max(0, len(lines) - KEPT_LINES)
    return replace(step, lines=lines[gone:], dropped=step.dropped + gone)
