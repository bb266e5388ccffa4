"""Other servers beside the learner's own: what there is, and the words that a cell may use for them.

A server is a whole second engine at an address of its own (docs/decisions/0015). This is the course's side of it: the
engine's door is `/kernel-engine/servers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kernel_engine.cli.table import columns
from kernel_engine.client import APIError, Client

PATH = "/kernel-engine/servers"
#: what the learner's own server is called beside others
FIRST = "first"


class NameTaken(Exception):
    """The message is Korean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`address` in the servers' network; `host` is what `docker --host` takes; `state` is the engine's word."""

    name: str
    address: str
    host: str
    state: str = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """`address`: the first one's own in the servers' network, "" while there are no others."""

    address: str = ""
    others: tuple[Server, ...] = ()

    def find(self, name: str) -> Server | None:
        return next((server for server in self.others if server.name == name), None)


def read(client: Client) -> Servers:
    """Raises EngineUnreachable when nobody answers."""
    try:
        return understood(client.get(PATH).json())
    except APIError:  # an engine without servers
        return Servers()


def understood(found: dict[str, Any]) -> Servers:
    """What the engine tells of them."""
    others = tuple(
        Server(name=item["Name"], address=item["Address"], host=item["Host"], state=item["State"])
        for item in found["Servers"]
    )
    return Servers(address=found["Address"], others=others)


def create(client: Client, name: str) -> Servers:
    """The registry of a lab speaks plain HTTP in the servers' network, and both engines are told that it may.

    Raises APIError: 400 for a name that is none, 409 for one that is taken; NameTaken for this machine's own.
    """
    if name == FIRST:
        raise NameTaken(f"{FIRST}는 이 컴퓨터를 부르는 이름이에요. 다른 이름을 써 주세요.")
    client.post(PATH, body={"Name": name, "PlainHTTP": True}).close()
    return read(client)


def remove(client: Client, name: str) -> None:
    """With all that is on it. Raises APIError."""
    client.delete(f"{PATH}/{name}").close()


def variables(client: Client) -> dict[str, str]:
    """For bash: `$FIRST` and `$SECOND` are addresses, `$SECOND_HOST` is what `docker --host` takes."""
    found = read(client)
    if not found.others:
        return {}
    named = {FIRST.upper(): found.address, f"{FIRST.upper()}_HOST": client.host}
    for server in found.others:
        word = _word(server.name)
        named |= {word: server.address, f"{word}_HOST": server.host}
    return named


NONE = "다른 서버가 없어요. %server create second 로 하나 만들어 보세요."
HEADINGS = ("서버", "주소", "주소의 이름", "docker --host에 쓸 이름")


def rows(found: Servers) -> list[tuple[str, ...]]:
    """The servers with their variables, under HEADINGS; [] where there are no others."""
    if not found.others:
        return []
    first = (f"{FIRST} (이 컴퓨터)", found.address, f"${_word(FIRST)}", f"${_word(FIRST)}_HOST")
    others = [
        (_titled(server), server.address, f"${_word(server.name)}", f"${_word(server.name)}_HOST")
        for server in found.others
    ]
    return [first, *others]


def as_text(found: Servers) -> str:
    return columns([HEADINGS, *rows(found)]).rstrip("\n") if found.others else NONE


def _titled(server: Server) -> str:
    states = {"starting": " (켜지는 중)", "failed": " (고장)"}
    return f"{server.name}{states.get(server.state, '')}"


def _word(name: str) -> str:
    return name.upper().replace("-", "_")


def engines(client: Client) -> list[tuple[Client, str, str]]:
    """Every engine that a cell may have spoken to: its client, the server's name ("" = this machine), its address."""
    found: list[tuple[Client, str, str]] = [(client, "", "127.0.0.1")]
    for server in read(client).others:
        if server.state == "running":
            found.append((Client(server.host), server.name, server.address))
    return found
