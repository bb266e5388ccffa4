"""All containers of the instance: in memory for speed, in the records so that none is lost.

Holds who waits for what, and one lock a container: two verbs never change one container at the same time.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from kernel_engine.containers.names import check_name, find, invent_name
from kernel_engine.containers.record import Container, State, WaitResult
from kernel_engine.containers.spec import Provisions
from kernel_engine.errors import Conflict, NotFound
from kernel_engine.formats.frozen import revive, to_json
from kernel_engine.records import Records
from kernel_engine.storage.refusal import refusal

if TYPE_CHECKING:
    from kernel_engine.containers.stepping import Stepping

SCHEMA = """
CREATE TABLE IF NOT EXISTS containers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
);
"""

#: seconds until a full disk gets a record again
_AGAIN = 2.0

Condition = Literal["not-running", "next-exit", "removed"]


@dataclass(slots=True, eq=False)
class Live:
    """A container's record and what goes on around it now."""

    record: Container
    recorded: asyncio.Future[None] | None = None  #: done when the record is on disk for the first time
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[tuple[Condition, asyncio.Future[WaitResult]]] = field(default_factory=list)
    restart: asyncio.Task[None] | None = None
    probing: asyncio.Task[None] | None = None  #: the health checks, while the container runs
    stepping: Stepping | None = None  #: while it is being started step by step
    provisions: Provisions = field(default_factory=Provisions)  #: of a step of a build

    def must_be_free(self) -> None:
        """Conflict while it is being started step by step: who waited for its lock would wait for a person."""
        if self.stepping is not None:
            name = self.record.name
            raise Conflict(f"container {name} is being started step by step: go on to its end, or give it up")

    def settle(self, condition: Condition, result: WaitResult) -> None:
        """Answers everyone who waits for `condition`."""
        for wanted, future in tuple(self.waiting):
            if wanted == condition and not future.done():
                future.set_result(result)
        self.waiting = [(wanted, future) for wanted, future in self.waiting if not future.done()]


class Roster:
    def __init__(self, records: Records) -> None:
        self._records = records
        self._by_id: dict[str, Live] = {}
        self._id_by_name: dict[str, str] = {}
        self.version = 0  #: another number after every change that others may see

    async def load(self) -> None:
        rows = await self._records.transact(
            lambda connection: [row["record"] for row in connection.execute("SELECT record FROM containers")]
        )
        for text in rows:
            record = revive(Container, json.loads(text))
            self._by_id[record.id] = Live(record)
            self._id_by_name[record.name] = record.id

    def all(self) -> tuple[Live, ...]:
        return tuple(self._by_id.values())

    def find(self, reference: str) -> Live:
        """By id, its beginning, name, or another container's name for it: "web/database" of `--link db:database`."""
        parent, slash, alias = reference.removeprefix("/").partition("/")
        linking = self._by_id.get(self._id_by_name.get(parent, "")) if slash else None
        for link in linking.record.links if linking is not None else ():
            if link.alias == alias and link.container_id in self._by_id:
                return self._by_id[link.container_id]
        return self._by_id[find(reference, self._by_id, self._id_by_name)]

    def by_id(self, container_id: str) -> Live | None:
        return self._by_id.get(container_id)

    def reserve(self, name: str | None, container_id: str) -> str:
        """Takes a name (inventing one where none is given); `forget_name` gives it back."""
        if not name:
            chosen = invent_name(self._id_by_name)
        else:
            chosen = check_name(name)
            self._refuse_taken(chosen)
        self._id_by_name[chosen] = container_id
        return chosen

    def forget_name(self, name: str) -> None:
        self._id_by_name.pop(name, None)

    def add(
        self, record: Container, *, waited_for: bool, beside: Callable[[sqlite3.Connection], None] | None = None
    ) -> Live:
        """Known at once, and on disk when its `recorded` is done (`forget` where that failed). waited_for: False where
        nobody waits for that before `hurry`; beside: what is written in the same transaction."""

        def insert(connection: sqlite3.Connection, record: Container) -> None:
            if beside is not None:
                beside(connection)
            _insert(connection, record)

        self.version += 1
        live = Live(record, recorded=self._submit(record, insert, waited_for))
        self._by_id[record.id] = live
        return live

    def hurry(self) -> None:
        """Writes what has been put off."""
        self._records.hurry()

    def note(self, live: Live, **changes: Any) -> None:
        """Changes the state in memory only: for what a restarted daemon finds out by itself."""
        live.record = replace(live.record, state=replace(live.record.state, **changes))

    def save(self, live: Live, *, waited_for: bool = True, **changes: Any) -> asyncio.Future[None]:
        """Changes the record now, because it is so; the future is done when that is on disk. A full disk refuses, and
        gets it again later. waited_for: False for what a restarted daemon finds out by itself, which takes its time
        then."""
        record = replace(live.record, **changes)
        live.record = record
        self.version += 1
        saved = self._submit(record, _update, waited_for)
        saved.add_done_callback(partial(self._again, live))
        return saved

    async def keep(self, live: Live, **changes: Any) -> None:
        """As `save`; returns when it is on disk, or when the disk is too full for it now."""
        with suppress(sqlite3.Error):
            await self.save(live, **changes)

    async def change(self, live: Live, **changes: Any) -> None:
        """What somebody wants: it is so, and on disk, when this returns; else nothing has changed. NoSpace."""
        before = {name: getattr(live.record, name) for name in changes}
        live.record = replace(live.record, **changes)
        self.version += 1
        try:
            await self._submit(live.record, _update, True)
        except sqlite3.Error as error:
            live.record = replace(live.record, **before)
            self.version += 1
            raise refusal(f"write the record of container {live.record.name}", error) from error

    def _again(self, live: Live, saved: asyncio.Future[None]) -> None:
        if saved.cancelled() or not isinstance(saved.exception(), sqlite3.Error):
            return

        def again() -> None:
            if self._by_id.get(live.record.id) is live and not self._records.closed:
                self.save(live)

        asyncio.get_running_loop().call_later(_AGAIN, again)

    def save_state(self, live: Live, **changes: Any) -> asyncio.Future[None]:
        return self.save(live, state=replace(live.record.state, **changes))

    async def rename(self, live: Live, name: str) -> str:
        """The old name; the new one is taken, or Docker's refusal is raised."""
        chosen, old = check_name(name), live.record.name
        if chosen == old:
            raise Conflict("Renaming a container with the same name as its current name")
        self._refuse_taken(chosen)
        self._id_by_name[chosen] = live.record.id
        try:
            await self.change(live, name=chosen)
        except BaseException:
            self.forget_name(chosen)
            raise
        self.forget_name(old)
        return old

    def delete(
        self, live: Live, *, waited_for: bool = True, beside: Callable[[sqlite3.Connection], None] | None = None
    ) -> asyncio.Future[None]:
        """Queues the end of the record; `forget` makes the container unknown. waited_for: as for `save`; beside: as
        with `add`."""

        def delete(connection: sqlite3.Connection, record: Container) -> None:
            if beside is not None:
                beside(connection)
            _delete(connection, record)

        return self._submit(live.record, delete, waited_for)

    def forget(self, live: Live) -> None:
        self._by_id.pop(live.record.id, None)
        self.version += 1
        self.forget_name(live.record.name)

    def _submit(
        self, record: Container, work: Callable[[sqlite3.Connection, Container], None], waited_for: bool
    ) -> asyncio.Future[None]:
        if record.transient:
            done = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        put = self._records.submit if waited_for else self._records.follow
        return put(lambda connection: work(connection, record))

    def _refuse_taken(self, name: str) -> None:
        holder = self._id_by_name.get(name)
        if holder is not None:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )


def not_running(record: Container) -> Conflict:
    return Conflict(f"Container {record.id} is not running")


def missing(reference: str) -> NotFound:
    return NotFound(f"No such container: {reference}")


def ended(state: State, *, exit_code: int, finished_at: float, oom_killed: bool, error: str) -> State:
    return replace(
        state,
        status="exited",
        pid=0,
        exit_code=exit_code,
        finished_at=finished_at,
        oom_killed=oom_killed,
        error=error,
        health=state.unwatched,
    )


def _insert(connection: sqlite3.Connection, record: Container) -> None:
    connection.execute(
        "INSERT INTO containers (id, name, record) VALUES (?, ?, ?)", (record.id, record.name, to_json(record))
    )


def _update(connection: sqlite3.Connection, record: Container) -> None:
    connection.execute(
        "UPDATE containers SET name = ?, record = ? WHERE id = ?", (record.name, to_json(record), record.id)
    )


def _delete(connection: sqlite3.Connection, record: Container) -> None:
    connection.execute("DELETE FROM containers WHERE id = ?", (record.id,))
