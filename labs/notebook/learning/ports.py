"""What a published port leads to: a page, or why there is none. Read from the engine and by asking the port itself.

Reading and drawing are apart: `Reader` asks, `port_picture` draws the frozen answer.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Literal

from kernel_engine.client import APIError, Client
from labs.notebook.learning.facts import that_met

#: how long a server that has just been started may take until its page is there
START_SECONDS = 3.0
#: a program that holds the connection and says nothing is given up after this
ANSWER_SECONDS = 2.0
_AGAIN_SECONDS = 0.1
EVERYWHERE = ("0.0.0.0", "::")

Answer = Literal["page", "empty", "silent", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A TCP port of a container that is published. `fixed`: the learner chose the host's number."""

    inside: int
    address: str  #: on the host; "0.0.0.0" is every one
    outside: int  #: 0 while the container does not run
    fixed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A container, its published ports, and where it waits for others: (port, address), TCP only.

    server: the name of the server that it runs on, "" for this machine; reach: an address of that server.
    """

    id: str
    name: str
    state: str
    exit_code: int
    attached: bool  #: somebody saw its output in the cell
    ports: tuple[Port, ...]
    listening: tuple[tuple[int, str], ...]
    server: str = ""
    reach: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is behind one port. `reason` is "" where there is a page, else Korean markdown."""

    place: Place
    port: Port
    path: str
    reason: str


def started(client: Client, since: float, until: float) -> tuple[str, ...]:
    """Ids of the containers that were started in this time, each once; not those that checks start."""
    return tuple(dict.fromkeys(that_met(client, "start", since, until)))


def read(client: Client, container: str, *, server: str = "", reach: str = "127.0.0.1") -> Place | None:
    """None when there is no such container (any more) on the server."""
    try:
        facts = client.get(f"/containers/{container}/json").json()
        heard = client.get(f"/kernel-engine/containers/{facts['Id']}/listening").json()
    except APIError:
        return None
    return Place(
        id=facts["Id"],
        name=facts["Name"].lstrip("/"),
        state=facts["State"]["Status"],
        exit_code=facts["State"]["ExitCode"],
        attached=facts["Config"]["AttachStdout"],
        ports=_ports(facts),
        listening=tuple((item["Port"], item["Address"]) for item in heard["Listening"] if item["Protocol"] == "tcp"),
        server=server,
        reach=reach,
    )


def again(client: Client, place: Place) -> Place | None:
    """As it is now."""
    return read(client, place.id, server=place.server, reach=place.reach)


def _ports(facts: dict[str, Any]) -> tuple[Port, ...]:
    """While it runs what it has, else what it asked for."""
    asked = facts["HostConfig"].get("PortBindings") or {}
    found = facts["NetworkSettings"]["Ports"] or {} if facts["State"]["Running"] else asked
    ports = []
    for key, bindings in found.items():
        number, _, protocol = key.partition("/")
        for binding in bindings or () if protocol in ("", "tcp") else ():
            outside = binding["HostPort"]
            wanted = {item.get("HostPort", "") for item in asked.get(key) or ()}
            fixed = outside.isdigit() and outside != "0" and outside in wanted
            ports.append(
                Port(
                    inside=int(number),
                    address=binding["HostIp"] or EVERYWHERE[0],
                    outside=int(outside) if outside.isdigit() else 0,
                    fixed=fixed,
                )
            )
    return tuple(sorted(ports, key=lambda port: (port.inside, port.outside)))


def look(client: Client, place: Place, path: str = "/", *, patience: float = START_SECONDS) -> tuple[View, ...]:
    """One view for each port of the container. Waits for a server that is only starting."""
    until = time.monotonic() + patience
    views = []
    for port in place.ports:
        found: Place | None = place
        while True:
            answer = ask(place, port, path) if found is not None and found.state == "running" else "refused"
            if answer not in ("page", "empty", "refused"):
                found = again(client, place)  # it may have ended over the question
            reason = judge(found, port, answer) if found is not None else GONE
            if answer != "refused" or found is None or found.state != "running" or time.monotonic() > until:
                break
            time.sleep(_AGAIN_SECONDS)
            found = again(client, place)
        views.append(View(place=found or place, port=port, path=path, reason=reason))
    return tuple(views)


def ask(place: Place, port: Port, path: str) -> Answer:
    """Is there a page? A program that is no web server closes, is silent, or says something else."""
    connection = http.client.HTTPConnection(host(place, port), port.outside, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        reply = connection.getresponse()
        if reply.status == http.HTTPStatus.OK and not reply.read(1):
            return "empty"
    except (TimeoutError, http.client.HTTPException):
        return "silent"
    except OSError:  # nobody listens, or a container that is going
        return "refused"
    finally:
        connection.close()
    return "page"


GONE = "컨테이너가 없어졌어요."


def judge(place: Place, port: Port, answer: Answer) -> str:
    """Why there is no page, from facts; "" where there is one. Korean markdown without what differs between runs."""
    if place.state == "paused":
        return "컨테이너가 일시 정지(paused) 상태예요. `docker unpause`로 다시 움직여 보세요."
    if place.state != "running":
        return (
            f"컨테이너가 이미 끝났어요. 종료 코드(exit code)는 **{place.exit_code}**이에요. "
            "`docker logs`로 마지막에 남긴 말을 읽어 보세요."
        )
    if answer == "page":
        return ""
    if answer == "empty":
        return (
            "웹 서버가 대답했지만 보여 줄 글이 없어요(빈 페이지). 레지스트리처럼 프로그램끼리 이야기하는 서버라면 "
            "그게 정상이에요."
        )
    here = [address for number, address in place.listening if number == port.inside]
    if here and all(ip_address(address).is_loopback for address in here):
        return (
            f"컨테이너 안의 프로그램이 {port.inside}번 포트를 `127.0.0.1`에서만 기다려요. 컨테이너 안의 `127.0.0.1`은 "
            "컨테이너 자신이라서 밖에서는 닿지 않아요. `0.0.0.0`에서 기다리도록 프로그램의 설정을 바꿔 보세요."
        )
    if here:
        return "프로그램이 대답하지만 웹 페이지(HTTP)는 아니에요."
    return _elsewhere(port, [number for number, address in place.listening if not ip_address(address).is_loopback])


def _elsewhere(port: Port, others: Iterable[int]) -> str:
    numbers = sorted(set(others))
    if not numbers:
        return (
            f"컨테이너 안에서 아직 아무도 {port.inside}번 포트를 기다리지(listen) 않아요. 프로그램이 켜지는 중이라면 "
            "잠시 뒤에 `%open`으로 다시 열어 보세요."
        )
    named = ", ".join(f"{number}번" for number in numbers)
    outside = port.outside if port.fixed else "호스트포트"
    return (
        f"컨테이너 안에서 {port.inside}번 포트는 아무도 기다리지 않고, {named} 포트를 기다리고 있어요. "
        f"포트 번호를 고쳐서 다시 실행해 보세요: `-p {outside}:{numbers[0]}`"
    )


def only(place: Place, outside: int) -> Place:
    """The container with one of its ports alone."""
    return replace(place, ports=tuple(port for port in place.ports if port.outside == outside))


def host(place: Place, port: Port) -> str:
    """The address at which the port is open."""
    return place.reach if port.address in EVERYWHERE else port.address


def is_local(place: Place, port: Port) -> bool:
    """Is it open where JupyterLab asks: on 127.0.0.1, or at the other server's own address?"""
    return host(place, port) == place.reach
