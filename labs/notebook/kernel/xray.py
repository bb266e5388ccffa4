"""`%xray CONTAINER`: a running container from the host and from inside, side by side, for as long as it runs.

Reads GET /kernel-engine/containers/{id}/kernel and …/files; `xray_picture` draws the frozen answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kernel_engine.client import APIError, Client
from labs.notebook.kernel import xray_picture
from labs.notebook.learning import living, markup
from labs.notebook.learning.living import Living

KIND = "xray"
USAGE = "%xray 다음에 실행 중인 컨테이너 이름을 써 주세요. 예: %xray web"
ENDED = "컨테이너가 끝나기 직전의 모습"
_LOOK_SECONDS = 2.0
#: directories of the container's own layer that are shown unfolded, and how deep
_DIRECTORIES, _DEPTH = 24, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look: the engine's answer, and the directories that the container's own layer touches, by path.
    `ended`: the container has, since."""

    kernel: dict[str, Any]
    files: dict[str, list[dict[str, Any]]]
    ended: bool = False


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


class Eye:
    """Called, it looks at one container; at what was seen last when that has ended."""

    def __init__(self, client: Client, first: Seen) -> None:
        self._client = client
        self._last = first

    def __call__(self) -> Seen:
        try:
            self._last = look(self._client, self._last.kernel["Id"])
        except APIError:
            self._last = replace(self._last, ended=True)
        return self._last


def show(client: Client, container: str) -> None:
    """At the end of the cell. Raises APIError for a container that is not there or does not run."""
    living.show(
        client,
        Living(
            kind=KIND,
            title=xray_picture.TITLE,
            read=Eye(client, look(client, container)),
            as_text=_as_text,
            as_html=_as_html,
            every=_LOOK_SECONDS,
        ),
    )


def _as_text(seen: Seen) -> str:
    return xray_picture.as_text(seen.kernel, seen.files)


def _as_html(seen: Seen, note: str) -> str:
    if markup.still():
        return xray_picture.as_still_html(_as_text(seen))
    said = ENDED if seen.ended and note == living.LIVE else note
    return xray_picture.as_html(seen.kernel, seen.files, note=said)
