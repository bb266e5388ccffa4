"""What the records hold of networks: the default one's identity, users' own, and leases."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from kernel_engine.formats.frozen import revive, to_json
from kernel_engine.network.network import DEFAULT, Network

SCHEMA = """
CREATE TABLE IF NOT EXISTS networks (
    name TEXT PRIMARY KEY,
    network_id TEXT NOT NULL UNIQUE,
    gateway TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS user_networks (
    network_id TEXT PRIMARY KEY,
    record TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS leases (
    address TEXT PRIMARY KEY,
    container_id TEXT NOT NULL,
    host_interface TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An address that is given away, and the host's end of the cable to it."""

    address: str
    host_interface: str
    container_id: str = ""


def read(connection: sqlite3.Connection) -> tuple[sqlite3.Row | None, tuple[Network, ...], tuple[Lease, ...]]:
    """The default network's row (None: a new instance), users' networks in the order of their making, leases."""
    row = connection.execute("SELECT network_id, gateway FROM networks WHERE name = ?", (DEFAULT,)).fetchone()
    others = connection.execute("SELECT record FROM user_networks ORDER BY rowid").fetchall()
    leases = connection.execute("SELECT address, container_id, host_interface FROM leases").fetchall()
    networks = tuple(revive(Network, json.loads(item["record"])) for item in others)
    return row, networks, tuple(Lease(**dict(lease)) for lease in leases)


def save_default(connection: sqlite3.Connection, network_id: str, gateway: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO networks (name, network_id, gateway) VALUES (?, ?, ?)", (DEFAULT, network_id, gateway)
    )


def insert(connection: sqlite3.Connection, network: Network) -> None:
    connection.execute("INSERT INTO user_networks (network_id, record) VALUES (?, ?)", (network.id, to_json(network)))


def delete(connection: sqlite3.Connection, network: Network) -> None:
    connection.execute("DELETE FROM user_networks WHERE network_id = ?", (network.id,))


def lease(connection: sqlite3.Connection, lease: Lease) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO leases (address, container_id, host_interface) VALUES (?, ?, ?)",
        (lease.address, lease.container_id, lease.host_interface),
    )


def end_lease(connection: sqlite3.Connection, address: str) -> None:
    connection.execute("DELETE FROM leases WHERE address = ?", (address,))
