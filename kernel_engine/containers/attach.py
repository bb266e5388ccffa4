"""docker attach: a client's socket is handed to the log writer, which moves the bytes from then on."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

from kernel_engine.containers.house import House
from kernel_engine.containers.logs import read_logs
from kernel_engine.containers.options import AttachOptions, LogOptions
from kernel_engine.containers.roster import Live
from kernel_engine.errors import Conflict
from kernel_engine.runtime.log_writer.client import Attached

_STREAM_NUMBER = {"stdin": 0, "stdout": 1, "stderr": 2}


def check_attach(live: Live) -> None:
    """Raises what must be said before the first byte of the stream."""
    status = live.record.state.status
    if status == "paused":
        raise Conflict(f"Container {live.record.id} is paused, unpause the container before attach.")
    if status == "restarting":
        raise Conflict(f"Container {live.record.id} is restarting, wait until the container is running")
    if status in ("removing", "dead"):
        raise Conflict(f"Container {live.record.id} is marked for removal and cannot be attached to")


async def attach(
    house: House, live: Live, options: AttachOptions, client: socket.socket, *, multiplexed: bool, leftover: bytes
) -> None:
    """Takes `client` over (it is closed here). Returns when the log writer has it; the stream may go on for days."""
    record = live.record
    try:
        log = Path(record.log_path) if options.logs and record.log_path else None
        if not options.stream:
            if log is not None:
                await _replay(log, options, client, multiplexed)
            return
        await house.whole()
        attached = await house.log_writer.attach(
            record.id,
            client,
            stdin=options.stdin and record.config.open_stdin,
            stdout=options.stdout,
            stderr=options.stderr,
            multiplexed=multiplexed,
            detach_keys=options.detach_keys,
            leftover=leftover,
            after=log,
        )
        if log is not None:
            await _catch_up(house, log, options, client, multiplexed, attached)
    finally:
        client.close()
    house.announce(live, "attach")
    house.later(_announce_detach(house, live, attached.name))


async def _announce_detach(house: House, live: Live, attachment: str) -> None:
    if await house.log_writer.attachment_ended(attachment) == "detached":
        house.announce(live, "detach")


async def _catch_up(
    house: House, log: Path, options: AttachOptions, client: socket.socket, multiplexed: bool, attached: Attached
) -> None:
    """What was said before it was attached, and not a line twice or none: nothing else is sent meanwhile."""
    try:
        if attached.logged is not None:
            await _replay(log, options, client, multiplexed, attached.logged)
    except OSError:
        pass  # the client has left, which the log writer notices too
    finally:
        await house.log_writer.go_on(attached.name)


async def _replay(
    log: Path, options: AttachOptions, client: socket.socket, multiplexed: bool, end: tuple[int, int] | None = None
) -> None:
    """end: see `read_logs`."""
    wanted = LogOptions(stdout=options.stdout, stderr=options.stderr)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    async for line in read_logs(log, wanted, ended=lambda: True, end=end):
        await loop.sock_sendall(client, frame(line.stream, line.data) if multiplexed else line.data)


def frame(stream: str, payload: bytes) -> bytes:
    """Docker's multiplexed form: stream number, three zero bytes, length (big endian), payload."""
    return struct.pack(">BxxxI", _STREAM_NUMBER[stream], len(payload)) + payload
