"""What one container prints, from its log or its streams, to a printer."""

from __future__ import annotations

from kernel_engine.client import APIError, Demultiplexer, EngineUnreachable
from kernel_engine.compose.screen import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from kernel_engine.client import Client, Stream
    from kernel_engine.compose.converge.observed import Container
    from kernel_engine.compose.screen import Printer


def heading(item: Container) -> str:
    """`web-1`; a name that its file chose stays as it is."""
    number = item.labels.get("com.docker.compose.container-number", "")
    project = item.labels.get("com.docker.compose.project", "")
    usual = (f"{project}{mark}{item.service}{mark}{number}" for mark in "-_")
    return item.name[len(project) + 1 :] if item.name in usual else item.name


def after(event: Mapping[str, Any]) -> str:
    """The moment after an event, as the API takes it: what a container prints after it has died is of its next run."""
    seconds, nanoseconds = divmod(event["timeNano"] + 1, 10**9)
    return f"{seconds}.{nanoseconds:09d}"


def log(client: Client, item: Container, printer: Printer, query: Mapping[str, Any]) -> None:
    """`query`: that of GET /containers/ID/logs. Returns at its end."""
    tty = bool(client.get(f"/containers/{item.id}/json").json()["Config"]["Tty"])
    with client.get(f"/containers/{item.id}/logs", query={"stdout": True, "stderr": True, **query}) as response:
        relay(response.pieces(), Lines(printer, heading(item)), framed=not tty)


def attach(client: Client, item: Container) -> Stream:
    """The streams of a container that has not been started yet: nothing that it prints is lost."""
    return client.hijack(f"/containers/{item.id}/attach", query={"stream": True, "stdout": True, "stderr": True})


def pump(stream: Stream, lines: Lines, *, framed: bool) -> None:
    """Until the container ends."""
    relay(_received(stream), lines, framed=framed)


def relay(pieces: Iterable[bytes], lines: Lines, *, framed: bool) -> None:
    frames = Demultiplexer() if framed else None
    try:
        for piece in pieces:
            for number, data in frames.feed(piece) if frames else ((1, piece),):
                lines.feed(2 if number == 2 else 1, data)
    except (EngineUnreachable, APIError, OSError):
        pass  # whoever waits for the container hears of it
    finally:
        lines.close()


def _received(stream: Stream) -> Iterable[bytes]:
    if stream.leftover:
        yield stream.leftover
    while data := stream.socket.recv(32768):
        yield data
