"""attach and exec start: the request is answered, then its connection belongs to the engine."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernel_engine.api.call import COMMON_HEADERS, read_json, truth
from kernel_engine.api.front import Taken
from kernel_engine.api.head import Head
from kernel_engine.api.versions import Version, split_path
from kernel_engine.api.wire import execs as wire
from kernel_engine.containers.options import AttachOptions
from kernel_engine.errors import NotFound

if TYPE_CHECKING:
    from kernel_engine.engine import Engine

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

_ATTACH = re.compile(r"/containers/([^/]+)/attach")
_EXEC = re.compile(r"/exec/([^/]+)/start")


async def serve(engine: Engine, taken: Taken) -> None:
    """Raises only what can still be said as an ordinary answer."""
    version, path = split_path(taken.head.path)
    if match := _ATTACH.fullmatch(path):
        await _attach(engine, match[1], version, taken)
    elif match := _EXEC.fullmatch(path):
        await _start_exec(engine, match[1], version, taken)
    else:
        raise NotFound("page not found")


async def _attach(engine: Engine, reference: str, version: Version, taken: Taken) -> None:
    container = engine.containers.check_attach(reference)
    multiplexed = not container.config.tty
    query = taken.head.query
    options = AttachOptions(
        stream=truth(query.get("stream", "")),
        logs=truth(query.get("logs", "")),
        stdin=truth(query.get("stdin", "")),
        stdout=truth(query.get("stdout", "")),
        stderr=truth(query.get("stderr", "")),
        detach_keys=query.get("detachKeys", ""),
    )
    client = _begin(taken, _stream_type(taken.head, version, multiplexed))
    with _closed_on_error(client):
        await engine.containers.attach(container.id, options, client, multiplexed=multiplexed, leftover=taken.leftover)


async def _start_exec(engine: Engine, exec_id: str, version: Version, taken: Taken) -> None:
    request = wire.read_start(read_json(taken.body) if taken.body.strip() else {})
    found = engine.containers.check_start_exec(exec_id)
    if request.detach:
        await engine.containers.start_exec(found.id, detach=True)
        taken.answer(200)
        return
    # what the start says decides how the bytes come, also where the exec has a terminal: as Docker does it
    multiplexed = not request.tty
    common = "".join(f"{name}: {value}\r\n" for name, value in COMMON_HEADERS.items())
    client = _begin(taken, _stream_type(taken.head, version, multiplexed), common)
    rows, columns = request.console_size
    with _closed_on_error(client):
        await engine.containers.start_exec(
            found.id,
            tty=request.tty or found.options.tty,
            client=client,
            multiplexed=multiplexed,
            leftover=taken.leftover,
            rows=rows,
            columns=columns,
        )


@contextmanager
def _closed_on_error(client: socket.socket) -> Iterator[None]:
    """The engine closes what it takes over; what it could not take over would stay open for ever."""
    try:
        yield
    except BaseException:
        client.close()
        raise


def _begin(taken: Taken, content_type: str, common: str = "") -> socket.socket:
    """Sends the exact bytes that Docker's clients wait for, and gives the bare connection."""
    if taken.head.upgrade:
        words = f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {content_type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    else:
        words = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
    client = taken.detach()
    try:
        _send_apart(client, f"{words}{common}\r\n".encode())  # the first bytes on this socket: its buffer is empty
    except OSError:
        pass  # the client has left; whoever moves the stream notices it and cleans up
    return client


def _send_apart(client: socket.socket, head: bytes) -> None:
    """So that no read(2) of the client's returns more than the head, however late it reads.

    docker-py reads the head through a buffer and the stream past it: what came with the head is lost to it, which a
    process that prints at once makes likely. Data that carry a descriptor are a barrier to reading (unix(7)); a reader
    that does not ask for descriptors gets none.
    """
    barrier = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    try:
        socket.send_fds(client, [head], [barrier])
    finally:
        os.close(barrier)


def _stream_type(head: Head, version: Version, multiplexed: bool) -> str:
    return MULTIPLEXED if multiplexed and head.upgrade and version >= (1, 42) else RAW
