"""The engine's records: one SQLite database (WAL, synchronous=FULL), written by one thread.

Knows no table: each room brings its own `CREATE TABLE IF NOT EXISTS` and its own statements. Work that waits at the
same moment shares one commit, each piece in a savepoint of its own, so that a failing piece undoes only itself.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

Result = TypeVar("Result")


@dataclass(slots=True)
class _Work:
    run: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None

    def answer(self) -> None:
        def settle() -> None:
            if self.future.cancelled():
                return
            if self.error is not None:
                self.future.set_exception(self.error)
            else:
                self.future.set_result(self.value)

        self.loop.call_soon_threadsafe(settle)


class Records:
    """`await records.transact(work)` runs `work(connection)` in the writer thread; it is on disk when it returns."""

    def __init__(self, path: Path, schemas: tuple[str, ...]) -> None:
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"):
            self._connection.execute(statement)
        for schema in schemas:
            self._connection.executescript(schema)
        self._thread = threading.Thread(target=self._write_until_closed, name="records", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], Result]) -> asyncio.Future[Result]:
        """Queues `work` at once, in order; the future is done when it is on disk."""
        loop = asyncio.get_running_loop()
        item = _Work(work, loop, loop.create_future())
        self._queue.put(item)
        return cast("asyncio.Future[Result]", item.future)

    async def transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await self.submit(work)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _write_until_closed(self) -> None:
        while (first := self._queue.get()) is not None:
            batch: list[_Work] = [first]
            closing = False
            while not self._queue.empty() and len(batch) < 64:
                item = self._queue.get()
                if item is None:
                    closing = True
                    break
                batch.append(item)
            self._commit(batch)
            if closing:
                return

    def _commit(self, batch: list[_Work]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for item in batch:
                connection.execute("SAVEPOINT piece")
                try:
                    item.value = item.run(connection)
                    connection.execute("RELEASE piece")
                except BaseException as error:
                    connection.execute("ROLLBACK TO piece")
                    connection.execute("RELEASE piece")
                    item.error = error
            connection.execute("COMMIT")
        except sqlite3.Error as error:  # a full disk, say: the whole batch is undone, and each piece hears of it
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for item in batch:
                item.error = item.error or error
        for item in batch:
            item.answer()
