"""Which steps have been built here before, and why one that has not is not the same. Rows stand beside the images.

A key holds all that a step's result depends on: the image beneath, the instruction with its variables replaced, the
build arguments that a RUN sees, the contents that a COPY takes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kernel_engine.build.events import Reason
from kernel_engine.build.tree import readable
from kernel_engine.records import Records

SCHEMA = """
CREATE TABLE IF NOT EXISTS build_steps (
    key TEXT PRIMARY KEY,
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    parent TEXT NOT NULL,
    instruction TEXT NOT NULL,
    arguments TEXT NOT NULL,
    files BLOB
);
CREATE INDEX IF NOT EXISTS build_steps_by_image ON build_steps (image_id);
"""
#: changed paths that a reason names
_NAMED = 3
_CONTENTS = 1024
#: rows after which those whose image is gone are looked for
_PURGE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One step, before it is known whether it was built here."""

    parent: str  #: image id, or "" on nothing
    instruction: str  #: as `docker history` shows it, without hashes and arguments
    arguments: tuple[str, ...] = ()  #: `NAME=value` that a RUN sees
    content: str = ""  #: digest of all that is copied
    #: paths that are copied → what each is like; asked only where the answer is needed
    files: Callable[[], Mapping[str, str]] = field(default=dict)
    epoch: int | None = None

    @property
    def key(self) -> str:
        words = [self.parent, self.instruction, self.arguments, self.content, self.epoch]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()


@dataclass(slots=True)
class _Row:
    image_id: str
    parent: str
    instruction: str
    arguments: tuple[str, ...]


class Contents:
    """Digests of what was copied from images: (chain id, instruction) → digest. In memory, the last so many."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str | None, str], str] = OrderedDict()

    def get(self, place: tuple[str | None, str]) -> str | None:
        return self._known.get(place)

    def put(self, place: tuple[str | None, str], digest: str) -> None:
        self._known[place] = digest
        while len(self._known) > _CONTENTS:
            self._known.popitem(last=False)


class Cache:
    """`load` first. `known` tells whether an image is still there."""

    def __init__(self, records: Records, known: Callable[[str], bool]) -> None:
        self._records = records
        self._known = known
        self._rows: dict[str, _Row] = {}
        self.contents = Contents()
        self._purge_at = _PURGE
        self._latest: dict[tuple[str, str], str] = {}  # (parent, instruction) → key

    async def load(self) -> None:
        statement = "SELECT key, image_id, parent, instruction, arguments FROM build_steps ORDER BY rowid"
        for row in await self._records.transact(lambda connection: connection.execute(statement).fetchall()):
            self._keep(
                row["key"],
                _Row(row["image_id"], row["parent"], row["instruction"], tuple(json.loads(row["arguments"]))),
            )

    def find(self, question: Question) -> str | None:
        """The image that the step gave, if it is still here."""
        key = question.key
        row = self._rows.get(key)
        if row is None:
            return None
        if not self._known(row.image_id):
            self._forget(key)
            return None
        return row.image_id

    async def remember(self, question: Question, image_id: str) -> None:
        """The newest result counts: a build without cache replaces what was there."""
        key = question.key
        row = _Row(image_id, question.parent, question.instruction, question.arguments)
        self._keep(key, row)
        files = await asyncio.to_thread(_packed, question.files) if question.content else None
        arguments = json.dumps(question.arguments)

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM images WHERE id = ?", (image_id,)).fetchone():
                connection.execute(
                    "INSERT OR REPLACE INTO build_steps VALUES (?, ?, ?, ?, ?, ?)",
                    (key, image_id, row.parent, row.instruction, arguments, files),
                )

        await self._records.transact(work)

    async def clear(self) -> None:
        """From now on nothing has been built here."""
        self._rows.clear()
        self._latest.clear()
        await self._records.transact(lambda connection: connection.execute("DELETE FROM build_steps"))

    async def why(self, question: Question) -> tuple[Reason, str]:
        """Why a step that has the same image beneath as last time was not found."""
        key = self._latest.get((question.parent, question.instruction))
        row = self._rows.get(key) if key else None
        if key is None or row is None or not self._known(row.image_id):
            return "instruction", ""
        if row.arguments != question.arguments:
            return "argument", _first_difference(row.arguments, question.arguments)
        if not question.content:
            return "instruction", ""
        data = await self._records.transact(
            lambda connection: connection.execute("SELECT files FROM build_steps WHERE key = ?", (key,)).fetchone()
        )
        if data is None or data["files"] is None:
            return "instruction", ""
        return "files", await asyncio.to_thread(_changes, data["files"], question.files)

    def _keep(self, key: str, row: _Row) -> None:
        if len(self._rows) >= self._purge_at:
            for gone in [key for key, old in self._rows.items() if not self._known(old.image_id)]:
                self._forget(gone)
            self._purge_at = 2 * len(self._rows) + _PURGE
        self._rows[key] = row
        self._latest[(row.parent, row.instruction)] = key

    def _forget(self, key: str) -> None:
        """Its database row went with the image."""
        row = self._rows.pop(key)
        place = (row.parent, row.instruction)
        if self._latest.get(place) == key:
            del self._latest[place]


def _packed(files: Callable[[], Mapping[str, str]]) -> bytes:
    """In small pieces, not as one JSON text: making that would hold up the whole daemon."""
    text = "\0".join(f"{look} {path}" for path, look in files().items())
    return zlib.compress(text.encode("utf-8", "surrogateescape"), 1)


def _unpacked(packed: bytes) -> dict[str, str]:
    words = zlib.decompress(packed).decode("utf-8", "surrogateescape").split("\0")
    return {path: look for look, _, path in (word.partition(" ") for word in words if word)}


def _changes(packed: bytes, files: Callable[[], Mapping[str, str]]) -> str:
    """`changed a.py, added b.py, removed c.py`, the first few."""
    before, now = _unpacked(packed), files()
    found = [path for path in sorted({*before, *now}) if before.get(path) != now.get(path)]
    shown = [f"{_change(path, before, now)} {readable(path) or '.'}" for path in found[:_NAMED]]
    rest = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(shown) + rest


def _change(path: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    if path not in before:
        return "added"
    return "changed" if path in now else "removed"


def _first_difference(before: tuple[str, ...], now: tuple[str, ...]) -> str:
    """The name of a build argument that is not what it was."""
    return next((word.partition("=")[0] for word in sorted({*before} ^ {*now})), "")
