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

from kernel_engine.errors import EngineError


class Arrival:
    """The growing file, and the pipe (`heard`: its reading end) that tells of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.whole = False
        self.heard, self._say = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._say, False)

    def grown(self) -> None:
        with suppress(BlockingIOError):  # a full pipe says it already
            os.write(self._say, b".")

    def finished(self) -> None:
        self.whole = True
        os.close(self._say)

    def close(self) -> None:
        os.close(self.heard)
        if not self.whole:
            os.close(self._say)


class Early:
    """Work on a blob that begins with its first bytes. It may come to nothing; then the whole blob is worked on."""

    def __init__(self, work: Callable[[Arrival], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._arrival: Arrival | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, path: Path) -> None:
        """With the first attempt to fetch the blob; later ones go on in the same file."""
        if self._task is None:
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
        """The blob is whole. Whether the work is done; where it is not, doing it again says why."""
        if self._arrival is None or self._task is None:
            return False
        self._arrival.finished()
        try:
            await asyncio.wait((self._task,))
        except asyncio.CancelledError:
            await self.stop()
            raise
        self._arrival.close()
        if self._task.cancelled() or isinstance(self._task.exception(), EngineError):
            return False
        self._task.result()
        return True

    async def stop(self) -> None:
        """The blob does not come. Returns when nobody works on it any more."""
        if self._arrival is None or self._task is None:
            return
        self._task.cancel()
        await asyncio.wait((self._task,))
        if not self._task.cancelled():
            self._task.exception()  # the download's error is the one to tell
        self._arrival.close()
