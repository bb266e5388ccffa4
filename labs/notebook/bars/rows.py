"""How far a cell's commands are, from what `docker` tells the cell beside its output (`cli.cell.tell`). Pure.

Three kinds of messages: Docker's progress messages (a layer is a row), the step events of a build (a step is a row),
and compose's own (a container, network or volume is a row).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

WAITING, WORKING, DONE, FAILED = "waiting", "working", "done", "failed"
STEP = "kernel-engine.step"
#: Docker's word for what becomes of a layer → state, in Korean
_LAYER = {
    "Pulling fs layer": (WAITING, "차례를 기다려요"),
    "Waiting": (WAITING, "차례를 기다려요"),
    "Downloading": (WORKING, "받고 있어요"),
    "Verifying Checksum": (WORKING, "맞는지 확인해요"),
    "Download complete": (WORKING, "다 받았어요"),
    "Extracting": (WORKING, "풀고 있어요"),
    "Pull complete": (DONE, "다 됐어요"),
    "Already exists": (DONE, "이미 있어요"),
    "Preparing": (WAITING, "준비해요"),
    "Pushing": (WORKING, "올리고 있어요"),
    "Pushed": (DONE, "올렸어요"),
    "Layer already exists": (DONE, "저쪽에 이미 있어요"),
    "Loading layer": (WORKING, "읽고 있어요"),
}
_MOUNTED = "Mounted from"
_PULLING, _PUSHING = "Pulling from ", "The push refers to repository ["
#: statuses of a tag, not of a layer, that end a pull
_ENDS = ("Digest: ", "Status: ")
_STEPS = {
    "running": (WORKING, "실행하고 있어요"),
    "cached": (DONE, "캐시를 썼어요"),
    "done": (DONE, "다 됐어요"),
    "failed": (FAILED, "실패했어요"),
}
_SERVICES = {"working": WORKING, "done": DONE, "warning": DONE, "error": FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`current` of `total` bytes; `total` 0 where nobody knows how much there is."""

    name: str
    text: str
    state: str
    current: int = 0
    total: int = 0

    @property
    def share(self) -> float:
        """0 to 1."""
        if self.state == DONE:
            return 1.0
        return min(1.0, self.current / self.total) if self.total > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """One thing that is being done. `expected`: how many rows there will be, 0 where only those told of are known."""

    title: str
    rows: tuple[Row, ...] = ()
    expected: int = 0

    @property
    def done(self) -> int:
        return sum(row.state == DONE for row in self.rows)

    @property
    def count(self) -> int:
        return max(self.expected, len(self.rows))


@dataclass(slots=True)
class Reader:
    """Fed with the messages in order; `bars` is what they come to, None as long as nothing was told."""

    bars: Bars | None = None
    _rows: dict[str, Row] = field(default_factory=dict)

    def feed(self, said: Mapping[str, Any]) -> None:
        """What is none of the three kinds is passed over."""
        if "service" in said:
            self._service(said)
        elif said.get("id") == STEP and isinstance(said.get("aux"), Mapping):
            self._step(said["aux"])
        elif isinstance(said.get("status"), str):
            self._image(str(said.get("id") or ""), said["status"], said.get("progressDetail"))

    def _service(self, said: Mapping[str, Any]) -> None:
        state = _SERVICES.get(str(said.get("state")), WORKING)
        self._put("서비스", Row(name=str(said["service"]), text=str(said.get("text", "")), state=state))

    def _step(self, step: Mapping[str, Any]) -> None:
        state, text = _STEPS.get(str(step.get("state")), (WAITING, ""))
        words = " ".join(str(step.get("text", "")).split())
        self._put(
            "이미지 만들기",
            Row(name=f"{step.get('step')}. {words}", text=text, state=state),
            expected=int(step.get("total") or 0),
        )

    def _image(self, name: str, status: str, detail: Any) -> None:
        if status.startswith(_PULLING):
            self._begin(f"{status.removeprefix(_PULLING)}:{name} 받기")
        elif status.startswith(_PUSHING):
            self._begin(f"{status.removeprefix(_PUSHING).rstrip(']')} 올리기")
        elif building := self._building():
            self._put(self.bars.title if self.bars else "", replace(building, text=f"{name} {status}".strip()))
        elif name and not status.startswith(_ENDS):
            self._put(self.bars.title if self.bars else "이미지", _layer(name, status, detail))

    def _building(self) -> Row | None:
        """The step of a build that a base image is pulled for."""
        running = [row for row in self._rows.values() if row.state == WORKING]
        return running[-1] if self.bars is not None and self.bars.expected and running else None

    def _begin(self, title: str) -> None:
        if self._building() is None:
            self._rows = {}
            self.bars = Bars(title=title)

    def _put(self, title: str, row: Row, *, expected: int = 0) -> None:
        if self.bars is None or self.bars.title != title:
            self._rows = {}
        expected = expected or (self.bars.expected if self._rows and self.bars else 0)
        self._rows[row.name] = row
        self.bars = Bars(title=title, rows=tuple(self._rows.values()), expected=expected)


def _layer(name: str, status: str, detail: Any) -> Row:
    state, text = _LAYER.get(status, (WORKING, status))
    if status.startswith(_MOUNTED):
        state, text = DONE, "다른 저장소의 것을 써요"
    known = detail if isinstance(detail, Mapping) else {}
    return Row(
        name=name,
        text=text,
        state=state,
        current=int(known.get("current") or 0),
        total=int(known.get("total") or 0),
    )
