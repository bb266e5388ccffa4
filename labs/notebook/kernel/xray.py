"""`%xray CONTAINER`: a running container from the host and from inside, side by side, for as long as it runs.

Reads GET /kernel-engine/containers/{id}/kernel and …/files; `xray_picture` draws the frozen answer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from kernel_engine.client import APIError, Client, EngineUnreachable
from labs.notebook.kernel import xray_picture
from labs.notebook.learning import markup
from labs.notebook.learning.card import Card, card

KIND = "xray"
USAGE = "%xray 다음에 실행 중인 컨테이너 이름을 써 주세요. 예: %xray web"
LIVE = "지금"
ENDED = "컨테이너가 끝나기 직전의 모습"
STOOD = "새 그림이 아래에 있어서 여기서 멈췄어요"
_LOOK_SECONDS = 2.0
#: directories of the container's own layer that are shown unfolded, and how deep
_DIRECTORIES, _DEPTH = 24, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look: the engine's answer, and the directories that the container's own layer touches, by path."""

    kernel: dict[str, Any]
    files: dict[str, list[dict[str, Any]]]


def look(client: Client, container: str) -> Seen:
    """Raises APIError for a container that is not there or does not run."""
    found = client.get(f"/kernel-engine/containers/{container}/kernel").json()
    return Seen(kernel=found, files=_touched(client, found["Id"]))


def _touched(client: Client, container: str) -> dict[str, list[dict[str, Any]]]:
    """The root, and below it every directory that the container wrote into, as far as a page can show them."""
    found: dict[str, list[dict[str, Any]]] = {}
    pending = ["/"]
    while pending and len(found) < _DIRECTORIES:
        path = pending.pop(0)
        try:
            found[path] = client.get(f"/kernel-engine/containers/{container}/files", query={"path": path}).json()
        except APIError:  # gone meanwhile
            continue
        if path.count("/") < _DEPTH:
            own = [item["Name"] for item in found[path] if item["Layer"] == 0 and item["Kind"] == "directory"]
            pending += [f"{path.rstrip('/')}/{name}" for name in own]
    return found


class Follower(threading.Thread):
    """Draws one page again every few seconds, until its container ends or a newer page is shown."""

    def __init__(self, shown: Card, client: Client, seen: Seen) -> None:
        super().__init__(name="xray", daemon=True)
        self._card = shown
        self._client = client
        self._seen = seen
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        note = STOOD
        while not self._over.wait(_LOOK_SECONDS):
            try:
                self._seen = look(self._client, self._seen.kernel["Id"])
            except (APIError, EngineUnreachable):
                note = ENDED
                break
            self._draw(LIVE)
        self._draw(note)

    def _draw(self, note: str) -> None:
        self._card.markup = xray_picture.as_html(self._seen.kernel, self._seen.files, note=note)


_newest: Follower | None = None


def show(client: Client, container: str) -> None:
    """At the end of the cell. Raises APIError for a container that is not there or does not run."""
    global _newest  # noqa: PLW0603 - one page has one live x-ray
    seen = look(client, container)
    text = xray_picture.as_text(seen.kernel, seen.files)
    if markup.still():
        html = markup.section(KIND, xray_picture.as_still_html(text), label=xray_picture.TITLE, boxed=False)
        markup.show(text=text, html=html)
        return
    drawn = xray_picture.as_html(seen.kernel, seen.files, note=LIVE)
    shown = card(client, KIND, drawn)
    if _newest is not None:
        _newest.stop()
    _newest = Follower(shown, client, seen)
    _newest.start()
    html = markup.section(KIND, xray_picture.as_html(seen.kernel, seen.files), label=xray_picture.TITLE, boxed=False)
    markup.show(text=text, html=html, widget=shown)
