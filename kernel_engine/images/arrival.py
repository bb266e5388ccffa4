"""A blob that is read while it arrives, so that a layer is unpacked as fast as it comes.

The reader is a worker process on the growing file. It hears of more bytes through a pipe, and of the end only when the
blob is whole and has the digest that was promised: what it made before that is nobody's layer yet.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any


class Arrival:
    """The growing file, open for reading (it may be renamed meanwhile), and the pipe's reading end (`heard`)."""

    def __init__(self, path: Path) -> None:
        self.whole = False
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.heard, self._say = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._say, False)

    def grown(self) -> None:
        with suppress(BlockingIOError):  # a full pipe says it already
            os.write(self._say, b".")

    def finished(self) -> None:
        self.whole = True
        os.close(self._say)

    def close(self) -> None:
        os.close(self.file)
        os.close(self.heard)
        if not self.whole:
            os.close(self._say)


class Early:
    """Work on a blob that begins with its first bytes.

    `begin`, `grown` and `restarted` are called by whoever fetches the blob, who may go on for others after `stop`.
    """

    def __init__(self, work: Callable[[Arrival], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._arrival: Arrival | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = False

    def begin(self, path: Path) -> None:
        """With the first attempt to fetch the blob; later ones go on in the same file."""
        if self._task is None and not self._over:
            self._arrival = Arrival(path)
            self._task = asyncio.get_running_loop().create_task(self._work(self._arrival))

    def grown(self) -> None:
        if self._arrival is not None:
            self._arrival.grown()

    def restarted(self) -> None:
        """What was read already may not be what comes now."""
        if self._task is not None:
            self._task.cancel()

    async def finish(self) -> bool:
        """The blob is whole. Whether the work is done; False where the whole blob is to be worked on. Its own error."""
        if self._arrival is not None:
            self._arrival.finished()
        try:
            if self._task is not None:
                await asyncio.wait((self._task,))
        finally:
            await self.stop()
        if self._task is None or self._task.cancelled():
            return False
        self._task.result()
        return True

    async def stop(self) -> None:
        """Returns when nobody works on the blob any more."""
        self._over = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._task is not None and not self._task.cancelled():
            self._task.exception()  # where the blob does not come, the download's error is the one to tell
        if self._arrival is not None:
            self._arrival.close()
            self._arrival = None
