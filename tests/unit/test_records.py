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
