"""How the daemon finds, or starts, a process of its own that answers: launcher, log writer and gate alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from kernel_engine.errors import Unavailable
from kernel_engine.runtime.channel import Channel
from kernel_engine.runtime.companion import ATTEMPTS, PAUSE, connect_or_start

#: seconds to start one, and until its first answer, on a machine that others want too
PATIENCE = 60.0


class Client(Protocol):
    """One's connection."""

    async def may_be_replaced(self) -> bool:
        """Whether it is of older code and has nothing to keep. Unavailable where it dies meanwhile."""

    async def quit(self) -> None:
        """Ends it, and this connection."""

    def shut(self) -> None:
        """Leaves; it goes on. Idempotent."""


Found = TypeVar("Found", bound=Client)


async def answering(what: str, place: Path, module: str, *arguments: str, make: Callable[[Channel], Found]) -> Found:
    """Whoever listens on `place`, started where nobody does. Unavailable where it cannot start, with its own words, or
    does not answer. what: as whom the errors have it; make: its client."""
    try:
        async with asyncio.timeout(PATIENCE):
            for _ in range(ATTEMPTS):
                end = await asyncio.to_thread(connect_or_start, place, module, *arguments)
                end.setblocking(False)
                there = make(Channel(end))
                try:
                    if not await there.may_be_replaced():
                        return there
                    await there.quit()
                except Unavailable:  # one that was killed a moment ago may still accept, but it does not answer
                    there.shut()
                except BaseException:
                    there.shut()
                    raise
                await asyncio.sleep(PAUSE)
    except TimeoutError:
        pass
    hint = f"look into {place.with_suffix('.log')}; `kernel-engine cleanup` ends it, and the containers with it"
    raise Unavailable(f"{what} does not answer", hint=hint)
