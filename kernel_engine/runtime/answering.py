"""For how long the daemon waits for a process of its own, before it says that this one does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kernel_engine.errors import Unavailable

#: seconds to start one, and until its first answer, on a machine that others want too
PATIENCE = 60.0


@asynccontextmanager
async def answering(what: str, log: str) -> AsyncIterator[None]:
    """Unavailable where the block takes longer. what: whose answer it waits for; log: where that one writes."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        hint = f"look into {log}; `kernel-engine cleanup` ends it, and the containers with it"
        raise Unavailable(f"{what} does not answer", hint=hint) from None
