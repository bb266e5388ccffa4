"""What comes from a client on its way into a worker's pipe."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator


async def feed(source: AsyncIterator[bytes], writing: int) -> None:
    """Writes everything to the descriptor, and closes it. A worker that has read enough ends it early."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop), os.fdopen(writing, "wb", 0)
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    try:
        async for piece in source:
            writer.write(piece)
            await writer.drain()
    except (ConnectionError, BrokenPipeError):
        return  # the worker has read enough: its answer says why
    finally:
        writer.close()
