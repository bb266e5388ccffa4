"""The records: one writer, shared commits, each piece undone alone."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from kernel_engine.records import Records

SCHEMA = "CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY)"


def put(key: str):  # type: ignore[no-untyped-def]
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (key,))


async def test_a_failing_piece_undoes_only_itself(tmp_path: Path) -> None:
    records = Records(tmp_path / "x.db", (SCHEMA,))
    results = await asyncio.gather(
        *(records.transact(put(key)) for key in ("a", "b", "a", "c")), return_exceptions=True
    )
    assert [isinstance(item, sqlite3.IntegrityError) for item in results] == [False, False, True, False]
    rows = await records.transact(lambda connection: [row[0] for row in connection.execute("SELECT k FROM t")])
    assert rows == ["a", "b", "c"]
    records.close()


async def test_a_commit_that_fails_leaves_those_alone_that_only_read(tmp_path: Path) -> None:
    orphans = "CREATE TABLE child (k TEXT REFERENCES t (k) DEFERRABLE INITIALLY DEFERRED)"
    records = Records(tmp_path / "x.db", (SCHEMA, orphans))

    def count(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])

    def orphan(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO child VALUES ('nobody')")

    shared = (records.follow(put("a")), records.follow(orphan), records.submit(count))
    first, refused, number = await asyncio.gather(*shared, return_exceptions=True)
    assert [isinstance(item, sqlite3.IntegrityError) for item in (first, refused)] == [True, True]
    assert number == 0
    records.close()


async def test_what_was_answered_is_there_after_a_reopening(tmp_path: Path) -> None:
    records = Records(tmp_path / "x.db", (SCHEMA,))
    await records.transact(put("kept"))
    records.close()
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert connection.execute("SELECT k FROM t").fetchall() == [("kept",)]
    connection.close()


async def test_the_error_reaches_the_caller(tmp_path: Path) -> None:
    records = Records(tmp_path / "x.db", (SCHEMA,))
    with pytest.raises(sqlite3.OperationalError):
        await records.transact(lambda connection: connection.execute("SELECT * FROM missing"))
    records.close()


async def test_what_follows_comes_with_the_next_piece_and_in_order(tmp_path: Path) -> None:
    records = Records(tmp_path / "x.db", (SCHEMA,))
    commits: list[str] = []
    records._connection.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    behind = [records.follow(put(key)) for key in ("a", "b")]
    await records.transact(put("c"))
    assert all(future.done() for future in behind)
    assert commits == ["COMMIT"]
    rows = await records.transact(lambda connection: [row[0] for row in connection.execute("SELECT k FROM t")])
    assert rows == ["a", "b", "c"]
    records.close()


async def test_what_follows_nothing_comes_by_itself(tmp_path: Path) -> None:
    records = Records(tmp_path / "x.db", (SCHEMA,))
    async with asyncio.timeout(60):
        await records.follow(put("alone"))
    records.follow(put("last"))
    records.close()
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert connection.execute("SELECT k FROM t").fetchall() == [("alone",), ("last",)]
    connection.close()
