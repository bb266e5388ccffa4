"""Work that several callers want at the same time is done once: the first starts it, the others watch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kernel_engine.images.image import Listener, Progress

Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Job(Generic[Result]):
    listeners: list[Listener] = field(default_factory=list)
    last: Progress | None = None
    abandoned: bool = False
    task: asyncio.Task[Result] = field(init=False)

    def report(self, progress: Progress) -> None:
        self.last = progress
        for listener in tuple(self.listeners):
            listener(progress)


class Shared(Generic[Result]):
    """Jobs by key. A job that everybody has left (cancelled) is cancelled, and over, before the last one leaves."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job[Result]] = {}

    async def run(self, key: str, start: Callable[[Listener], Awaitable[Result]], listener: Listener) -> Result:
        """The result of `start(report)`, or of the run of the same key that is under way."""
        while (job := self._jobs.get(key)) is not None and job.abandoned:
            await asyncio.wait([job.task])
        if job is None:
            job = self._start(key, start)
        elif job.last is not None:
            listener(job.last)
        job.listeners.append(listener)
        try:
            return await asyncio.shield(job.task)
        finally:
            job.listeners.remove(listener)
            if not job.listeners and not job.task.done():
                job.abandoned = True
                job.task.cancel()
                await asyncio.wait([job.task])
                if not job.task.cancelled():
                    job.task.exception()  # nobody is left to hear it

    def _start(self, key: str, start: Callable[[Listener], Awaitable[Result]]) -> _Job[Result]:
        job: _Job[Result] = _Job()

        async def work() -> Result:
            try:
                return await start(job.report)
            finally:
                del self._jobs[key]

        self._jobs[key] = job
        job.task = asyncio.get_running_loop().create_task(work())
        return job
