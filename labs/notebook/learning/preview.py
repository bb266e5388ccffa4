"""The page of a published port in a frame under the cell: after a command that starts a container, and by `%open`."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

import anywidget
import traitlets

from kernel_engine.client import APIError, Client, EngineUnreachable
from labs import servers
from labs.notebook.learning import markup, port_picture, ports
from labs.notebook.learning.ports import Place, View

KIND = "port"
#: commands after which a look is worth its while
_STARTS = re.compile(r"\b(run|start|restart|up)\b")
_PATH = re.compile(r"(?:(?P<server>[a-z0-9-]+):)?(?P<name>[^/:]+)(?P<path>/.*)?")
USAGE = (
    "%open 다음에 컨테이너 이름이나 호스트의 포트 번호를 써 주세요. 예: %open web, %open 9999, %open 9999/docs/. "
    "다른 서버의 것은 서버의 이름을 앞에 붙여요. 예: %open second:9999"
)


class Frame(anywidget.AnyWidget):
    """`markup` is the picture; `page` the path of the frame beneath it, from JupyterLab's own base ("" = none)."""

    _esm = markup.STATIC / "port.js"
    _css = markup.style(KIND)
    markup = traitlets.Unicode("").tag(sync=True)
    page = traitlets.Unicode("").tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    def __repr__(self) -> str:
        return "Frame()"


class Started:
    """Around a command cell: afterwards, the pages of the containers that it has started."""

    def __init__(self, client: Client, source: str) -> None:
        self._client = client
        self._since = time.time() if _STARTS.search(source) else 0.0

    def show(self) -> None:
        """Nothing where nothing was published, or the engine does not answer: the command has said so."""
        if not self._since:
            return
        try:
            views = self._look()
        except (EngineUnreachable, APIError, KeyboardInterrupt):
            return  # the command has done its work; whoever interrupts here is tired of waiting for a page
        if views:
            show_views(views)

    def _look(self) -> tuple[View, ...]:
        """All of them get the time that one may take to start."""
        until = time.monotonic() + ports.START_SECONDS
        views: list[View] = []
        for client, server, reach in servers.engines(self._client):
            for container in ports.started(client, self._since, time.time()):
                place = ports.read(client, container, server=server, reach=reach)
                # one that ran in the cell itself has said all before the eyes of the learner
                if place is not None and place.ports and (place.state == "running" or not place.attached):
                    views += ports.look(client, place, patience=until - time.monotonic())
        return tuple(views)


def show_open(client: Client, line: str) -> None:
    """%open NAME, %open PORT, each with a path behind it."""
    found = _PATH.fullmatch(line.strip())
    if found is None:
        print(USAGE)
        return
    name, path = found["name"].strip(), found["path"] or "/"
    there = found["server"] or ""
    engine = next((one for one in servers.engines(client) if one[1] == there), None)
    if engine is None:
        print(f"{there}라는 서버가 없어요. %server로 이름을 확인해 보세요.")
        return
    client, server, reach = engine
    if name.isdigit():
        place = _publishing(client, int(name), server, reach)
    else:
        place = ports.read(client, name, server=server, reach=reach)
    if place is None and name.isdigit():
        print(f"호스트의 {name}번 포트를 연 컨테이너가 없어요. docker ps의 PORTS를 확인해 보세요.")
    elif place is None:
        print(f"{name} 컨테이너가 없어요. docker ps -a로 이름을 확인해 보세요.")
    elif not place.ports:
        print("이 컨테이너는 호스트에 연 TCP 포트가 없어요. docker run에 -p 호스트포트:컨테이너포트를 붙여 보세요.")
    else:
        show_views(ports.look(client, place, path))


def _publishing(client: Client, number: int, server: str, reach: str) -> Place | None:
    """The running container behind a port of the host, with that port alone."""
    for row in client.get("/containers/json").json():
        if any(port.get("PublicPort") == number and port["Type"] == "tcp" for port in row["Ports"]):
            place = ports.read(client, row["Id"], server=server, reach=reach)
            if place is not None:
                return ports.only(place, number)
    return None


def show_views(views: tuple[View, ...]) -> None:
    """One output. The first page has its frame; further ones have their link."""
    still = markup.still()
    forwarded = _forwarded()
    drawn = "".join(port_picture.as_html(view, still=still, forwarded=forwarded) for view in views)
    html = markup.section(KIND, drawn, label=port_picture.TITLE)
    framed = next((view for view in views if not view.reason and ports.is_local(view.place, view.port)), None)
    frame = None
    if framed is not None and not still:
        at = f"{framed.place.server}/{framed.port.outside}" if framed.place.server else str(framed.port.outside)
        title = f"{framed.place.name} {framed.port.outside}번 포트의 페이지"
        frame = Frame(markup=drawn, page=f"proxy/{at}{framed.path}", title=title)
    markup.show(text=port_picture.as_text(views), html=html, widget=frame)


def _forwarded() -> Mapping[str, int] | None:
    """In the virtual machine of the Vagrantfile: port here → port on the computer around it. Else None."""
    place = Path(os.environ.get("DOCKER_LABS_WORKSPACE", ".")) / ".docker-labs" / "forwarded.json"
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {str(here): int(there) for here, there in found.items()}
