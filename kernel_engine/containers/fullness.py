"""What a full disk keeps from being done is done when there is room."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable

from kernel_engine.containers.house import House
from kernel_engine.errors import NoSpace

#: seconds until a full disk is asked again
_AGAIN = 2.0


async def when_there_is_room(house: House, attempt: Callable[[], Awaitable[object]]) -> None:
    """Tries again and again, from a moment later on. A daemon that ends before leaves it to the next one."""
    while not house.closing:
        await asyncio.sleep(_AGAIN)
        try:
            await attempt()
        except (NoSpace, sqlite3.Error):
            continue
        return
