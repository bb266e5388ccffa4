"""What the records hold of servers."""

from __future__ import annotations

import json
import sqlite3

from kernel_engine.formats.frozen import revive, to_json
from kernel_engine.servers.server import Server

SCHEMA = """
CREATE TABLE IF NOT EXISTS servers (
    name TEXT PRIMARY KEY,
    record TEXT NOT NULL
);
"""


def read(connection: sqlite3.Connection) -> tuple[Server, ...]:
    """In the order of their making."""
    found = connection.execute("SELECT record FROM servers ORDER BY rowid").fetchall()
    return tuple(revive(Server, json.loads(item["record"])) for item in found)


def put(connection: sqlite3.Connection, server: Server) -> None:
    connection.execute(
        "INSERT INTO servers (name, record) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record",
        (server.name, to_json(server)),
    )


def delete(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("DELETE FROM servers WHERE name = ?", (name,))
