"""docker attach: a client's socket is handed to the log writer, which moves the bytes from then on."""

from __future__ import annotations

import asyncio
import socket
import struct

from kernel_engine.containers.house import House
from kernel_engine.containers.logs import read_logs
from kernel_engine.containers.options import AttachOptions, LogOptions
from kernel_engine.containers.roster import Live
from kernel_engine.errors import Conflict

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
        if options.logs:
            await _replay(record.log_path, options, client, multiplexed)
        if not options.stream:
            return
        await house.whole()
        attachment = await house.log_writer.attach(
            record.id,
            client,
            stdin=options.stdin and record.config.open_stdin,
            stdout=options.stdout,
            stderr=options.stderr,
            multiplexed=multiplexed,
            detach_keys=options.detach_keys,
            leftover=leftover,
        )
    finally:
        client.close()
    house.announce(live, "attach")
    house.later(_announce_detach(house, live, attachment))


async def _announce_detach(house: House, live: Live, attachment: str) -> None:
    if await house.log_writer.attachment_ended(attachment) == "detached":
        house.announce(live, "detach")


async def _replay(log_path: str, options: AttachOptions, client: socket.socket, multiplexed: bool) -> None:
    from pathlib import Path

    wanted = LogOptions(stdout=options.stdout, stderr=options.stderr)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    async for line in read_logs(Path(log_path), wanted, ended=lambda: True):
        await loop.sock_sendall(client, frame(line.stream, line.data) if multiplexed else line.data)


def frame(stream: str, payload: bytes) -> bytes:
    """Docker's multiplexed form: stream number, three zero bytes, length (big endian), payload."""
    return struct.pack(">BxxxI", _STREAM_NUMBER[stream], len(payload)) + payload
