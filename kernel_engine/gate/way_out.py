"""slirp4netns(1): packets that leave a network namespace become ordinary connections of an ordinary user's process.

It runs on this machine's network and has a device of the namespace (tap0, 10.0.2.100). It ends with whoever keeps it,
and is started again when it dies.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

PROGRAM = "slirp4netns"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: seconds until it stands, and before it is started again
_PATIENCE, _PAUSE = 20.0, 1.0
#: 127.0.0.1 of this machine is not for containers; 65520 is what slirp4netns(1) recommends for throughput
_WORDS = ("--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp")


class WayOut:
    """`settled`: whether it stands is known; then `trouble` says why it does not, "" where it does."""

    def __init__(self, namespace: Path) -> None:
        self.settled = asyncio.Event()
        self.trouble = ""
        self._namespace = namespace
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        """For ever; ends by being cancelled. The exit pipe closes with this process, however that ends."""
        exit_end, kept = os.pipe2(os.O_CLOEXEC)
        try:
            while await self._once(exit_end):
                await asyncio.sleep(_PAUSE)
        finally:
            os.close(kept)
            os.close(exit_end)
            if self._process is not None:
                await self._process.wait()

    async def _once(self, exit_end: int) -> bool:
        """From its start to its end. False where it makes no sense to try again."""
        ready, say_ready = os.pipe2(os.O_CLOEXEC)
        words = (*_WORDS, f"--exit-fd={exit_end}", f"--ready-fd={say_ready}", "--netns-type=path")
        try:
            self._process = await asyncio.create_subprocess_exec(
                PROGRAM, *words, str(self._namespace), "tap0",
                pass_fds=(exit_end, say_ready), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE, env={"PATH": _PATH, "LC_ALL": "C"}, cwd="/",
            )  # fmt: skip
        except FileNotFoundError:
            os.close(ready)
            self._settle(f"{PROGRAM} is not installed")
            return False
        finally:
            os.close(say_ready)
        self._settle("" if await _said(ready) else "it does not start")
        _, complaint = await self._process.communicate()
        lines = complaint.decode(errors="replace").strip().splitlines()
        self._settle(lines[-1] if lines else f"{PROGRAM} ended with {self._process.returncode}")
        return True

    def _settle(self, trouble: str) -> None:
        self.trouble = trouble
        self.settled.set()


async def _said(ready: int) -> bool:
    """Whether the device stands; False where the program ended without a word."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(ready, "rb"))
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                return bool(await reader.read(1))
        return False
    finally:
        transport.close()
