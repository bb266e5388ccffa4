"""The engine's records: one SQLite database (WAL, synchronous=FULL), written by one thread.

Knows no table: each room brings its own `CREATE TABLE IF NOT EXISTS` and its own statements. Work that waits at the
same moment shares one commit, each piece in a savepoint of its own, so that a failing piece undoes only itself; where
the commit fails, those that only read are none the worse for it. What nobody waits for waits a little itself
(`follow`): a commit is a wait for the disk, and a turn of the interpreter's lock that the loop has to give.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

Result = TypeVar("Result")
#: bytes: SQLite begins the journal anew after 1000 pages of 4 KiB; a large transaction more
_JOURNAL = 5 << 20

#: seconds that work may wait which nobody waits for
_PAUSE = 0.02
#: pieces that share a commit at most
_TOGETHER = 64


@dataclass(slots=True)
class _Work:
    run: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None
    writes: bool = True  #: known when it has been run

    def settle(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


def _make_room(path: Path) -> None:
    """On a disk that is full later, removals can still be written: the journal has its place already. Zeros behind its
    last frame mean nothing to SQLite (fileformat2, "WAL File Format"); it keeps the journal where a link leads."""
    with suppress(OSError), open(f"{path.resolve()}-wal", "r+b") as journal:  # full already, or no such call
        os.posix_fallocate(journal.fileno(), 0, _JOURNAL)


class Records:
    """`await records.transact(work)` runs `work(connection)` in the writer thread; it is on disk when it returns."""

    def __init__(self, path: Path, schemas: tuple[str, ...]) -> None:
        self.closed = False
        self._queue: queue.SimpleQueue[list[_Work] | None] = queue.SimpleQueue()
        self._gathered: list[_Work] = []
        self._timer: asyncio.TimerHandle | None = None
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"):
            self._connection.execute(statement)
        for schema in schemas:
            self._connection.executescript(schema)
        _make_room(path)
        self._thread = threading.Thread(target=self._write_until_closed, name="records", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], Result]) -> asyncio.Future[Result]:
        """Queues `work` at once, in order; the future is done when it is on disk."""
        future = self._gather(work)
        self._hand_over()
        return future

    def follow(self, work: Callable[[sqlite3.Connection], Result]) -> asyncio.Future[Result]:
        """The same for work that a new daemon could do without: it goes with the next piece of somebody who waits, or
        after a moment."""
        future = self._gather(work)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._hand_over)
        return future

    async def transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await self.submit(work)

    def hurry(self) -> None:
        """What follows has waited long enough: somebody is about to wait for it."""
        self._hand_over()

    def close(self) -> None:
        """When everything that was asked for is on disk."""
        self.closed = True
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _gather(self, work: Callable[[sqlite3.Connection], Result]) -> asyncio.Future[Result]:
        item = _Work(work, asyncio.get_running_loop().create_future())
        self._gathered.append(item)
        return cast("asyncio.Future[Result]", item.future)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    def _write_until_closed(self) -> None:
        while (batch := self._queue.get()) is not None:
            closing = False
            while not self._queue.empty() and len(batch) < _TOGETHER:
                more = self._queue.get()
                if more is None:
                    closing = True
                    break
                batch += more
            self._commit(batch)
            if closing:
                return

    def _commit(self, batch: list[_Work]) -> None:
        try:
            self._write(batch)
        except sqlite3.Error as error:  # a full disk, say: what was to be written is undone, and each piece hears of it
            for item in batch:
                if item.writes:
                    item.error = item.error or error
                elif item.error is None:
                    self._read_alone(item)
        batch[0].future.get_loop().call_soon_threadsafe(_settle, batch)

    def _write(self, batch: list[_Work]) -> None:
        """A piece that fails has its own error then. The error of the whole is raised, when nothing has changed."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for item in batch:
                connection.execute("SAVEPOINT piece")
                before = connection.total_changes
                try:
                    item.value = item.run(connection)
                    connection.execute("RELEASE piece")
                except BaseException as error:
                    connection.execute("ROLLBACK TO piece")
                    connection.execute("RELEASE piece")
                    item.error = error
                item.writes = connection.total_changes != before
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _read_alone(self, item: _Work) -> None:
        """What it was told of the others' changes is not so."""
        try:
            self._write([item])
        except sqlite3.Error as error:
            item.error = item.error or error


def _settle(batch: list[_Work]) -> None:
    for item in batch:
        item.settle()
