"""A log writer of a test's own, and a process's streams in the test's hands."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kernel_engine.paths import Instance
from kernel_engine.runtime.events import Stdio
from kernel_engine.runtime.log_writer.client import LogFile, LogWriter

T = TypeVar("T")
#: seconds; nothing takes long but on a machine that a dozen others want
PATIENCE = 60.0


class House:
    """One instance's run directory with its log writer, and this test as its daemon."""

    def __init__(self, directory: Path) -> None:
        self.instance = Instance.at(directory / "root", directory / "run")
        self.directory = directory
        self.closed_stdins: list[str] = []
        self.lost = asyncio.Event()
        self.writer: LogWriter

    async def connect(self) -> None:
        self.lost = asyncio.Event()
        self.writer = await LogWriter.connect(
            self.instance, on_lost=self.lost.set, on_stdin_closed=self.closed_stdins.append
        )

    def log(self, name: str = "log", **options: int) -> LogFile:
        return LogFile(path=self.directory / name, **options)

    def entries(self, name: str = "log") -> list[tuple[str, str]]:
        path = self.directory / name
        if not path.exists():
            return []
        return [(entry["stream"], entry["log"]) for entry in map(json.loads, path.read_text().split("\n")[:-1])]

    async def until_logged(self, count: int, name: str = "log") -> list[tuple[str, str]]:
        await until(lambda: self._lines(name), lambda lines: lines >= count)
        return self.entries(name)

    def _lines(self, name: str) -> int:
        """Reading what they say would take the time from who writes them."""
        path = self.directory / name
        return path.read_bytes().count(b"\n") if path.exists() else 0

    async def killed(self) -> None:
        """kill -9 of the log writer."""
        os.kill(self.writer.pid, signal.SIGKILL)
        await asyncio.wait_for(self.lost.wait(), PATIENCE)

    async def attach(self, id: str, **options: Any) -> tuple[socket.socket, str]:
        """A client of everything, raw; as `options` change it. Its socket and the attachment's name."""
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        wanted = {"stdin": True, "stdout": True, "stderr": True, "multiplexed": False, **options}
        with theirs:
            try:
                return mine, (await self.writer.attach(id, theirs, **wanted)).name
            except BaseException:
                mine.close()
                raise

    async def why_ended(self, name: str) -> str:
        return await asyncio.wait_for(self.writer.attachment_ended(name), PATIENCE)


class Pipes:
    """The process's ends of three pipes; the engine's are given to `adopt` with `give`."""

    def __init__(self) -> None:
        self.stdin, sink = os.pipe()
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self.engine = Stdio(stdin=sink, stdout=out, stderr=err)

    async def give(self, house: House, id: str, *, log: LogFile | None = None, stdin_once: bool = True) -> None:
        await house.writer.adopt(id, self.engine, log=log, stdin_once=stdin_once)
        close(*self.engine.descriptors())

    def end(self) -> None:
        """As if the process had ended."""
        close(self.stdin, self.stdout, self.stderr)

    async def read(self, size: int) -> bytes:
        """What comes on stdin: `size` bytes, fewer only at its end."""
        data = b""
        while len(data) < size and (piece := await asyncio.to_thread(os.read, self.stdin, size - len(data))):
            data += piece
        return data


def close(*descriptors: int) -> None:
    for fd in descriptors:
        os.close(fd)


async def received(client: socket.socket, size: int = 1 << 30) -> bytes:
    """`size` bytes of a client's stream, fewer only at its end."""
    data = b""
    while len(data) < size:
        piece = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65536), PATIENCE)
        if not piece:
            break
        data += piece
    return data


async def until(look: Callable[[], T], good: Callable[[T], bool]) -> T:
    """The first look that is good."""
    async with asyncio.timeout(PATIENCE):
        while not good(found := look()):
            await asyncio.sleep(0.005)
    return found
