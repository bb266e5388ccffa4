"""Volumes: directories that outlive containers, `volumes/<name>/_data`. Who uses one is `containers`' to know.

One with options of mount(8) (`type`, `device`, `o`) is mounted there while somebody uses it, as Docker's `local` driver
does. Filling a new one from an image is `containers`' as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kernel_engine.errors import InvalidRequest, NotFound
from kernel_engine.formats.frozen import revive, to_json
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.storage import changes
from kernel_engine.storage.refusal import refusal
from kernel_engine.storage.trash import Trash
from kernel_engine.syscalls import mounts
from kernel_engine.syscalls.mounts import MountFlag, UmountFlag

SCHEMA = """
CREATE TABLE IF NOT EXISTS volumes (
    name TEXT PRIMARY KEY,
    record TEXT NOT NULL
);
"""
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_OPTIONS = frozenset({"type", "device", "o", "size"})
#: words of `o` that are flags of mount(2) and not data
_FLAGS = {
    "bind": MountFlag.MS_BIND,
    "rbind": MountFlag.MS_BIND | MountFlag.MS_REC,
    "ro": MountFlag.MS_RDONLY,
    "rw": MountFlag(0),
    "noexec": MountFlag.MS_NOEXEC,
    "nosuid": MountFlag.MS_NOSUID,
    "nodev": MountFlag.MS_NODEV,
    "defaults": MountFlag(0),
}
#: Docker's mark of a volume that nobody has named
ANONYMOUS = "com.docker.volume.anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    name: str
    created: float  #: seconds since the epoch
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)  #: type, device, o
    anonymous: bool = False


class Volumes:
    """The volumes of one instance. `load` before anything else."""

    SCHEMA = SCHEMA

    def __init__(self, instance: Instance, records: Records, trash: Trash) -> None:
        self._root = instance.root / "volumes"
        self._records = records
        self._trash = trash
        self._volumes: dict[str, Volume] = {}
        self._fresh: set[str] = set()
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Reads the rows; sweeps directories that a crash left without one. A volume whose directory is gone is made
        anew: its name is still somebody's."""
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        rows = await self._records.transact(
            lambda connection: connection.execute("SELECT record FROM volumes").fetchall()
        )
        for row in rows:
            volume = revive(Volume, json.loads(row["record"]))
            self._volumes[volume.name] = volume
            self._make(volume)
        for name in os.listdir(self._root):
            if name not in self._volumes:
                self._unmount(name)  # or what it was made of would be deleted
                self._trash.discard(self._root / name)

    def all(self) -> tuple[Volume, ...]:
        return tuple(self._volumes.values())

    def get(self, name: str) -> Volume:
        try:
            return self._volumes[name]
        except KeyError:
            raise NotFound(f"get {name}: no such volume") from None

    def path(self, name: str) -> Path:
        """The directory that containers see."""
        return self._root / name / "_data"

    async def create(
        self,
        name: str = "",
        *,
        driver: str = "local",
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        recorded: bool = True,
    ) -> tuple[Volume, bool]:
        """The volume, and whether it is new: an old one of that name is as good. Without a name it gets one of 64 hex
        digits. InvalidRequest, NotFound (driver), NoSpace.

        A new one that is not recorded is swept by the next daemon, until `record` has it: it is being filled.
        """
        if driver not in ("", "local"):
            raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
        if len(name) == 1:
            raise InvalidRequest(
                f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
            )
        if name and not _NAME.fullmatch(name):
            raise InvalidRequest(
                f'create {name}: "{name}" includes invalid characters for a local volume name, only '
                '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
            )
        _check(name, options or {})
        async with self._changing:
            if name in self._volumes:
                if recorded and name in self._fresh:  # from now on somebody relies on it
                    await self._records.transact(lambda connection: self.record(connection, (name,)))
                    self._fresh.discard(name)
                return self._volumes[name], False
            marks = {} if name else {ANONYMOUS: ""}
            volume = Volume(
                name=name or secrets.token_hex(32),
                created=time.time(),
                labels={**marks, **(labels or {})},
                options=dict(options or {}),
                anonymous=not name,
            )
            try:
                self._make(volume)
                if recorded:
                    await self._records.transact(lambda connection: _insert(connection, volume))
            except (OSError, sqlite3.Error) as error:
                self._trash.discard(self._root / volume.name)
                raise refusal(f"create volume {volume.name}", error) from error
            self._volumes[volume.name] = volume
            if not recorded:
                self._fresh.add(volume.name)
            return volume, True

    def record(self, connection: sqlite3.Connection, names: Iterable[str]) -> None:
        """Writes those that are not on disk yet, in the transaction of whoever has them. In the records' thread."""
        for volume in (self._volumes.get(name) for name in names):
            if volume is not None:
                _insert(connection, volume)

    def kept(self, names: Iterable[str]) -> None:
        """They are on disk now."""
        self._fresh.difference_update(names)

    async def take_back(self, name: str) -> None:
        """Removes one that was made without a record, unless somebody else has come to rely on it."""
        async with self._changing:
            if name in self._fresh:
                self._fresh.discard(name)
                del self._volumes[name]
                await asyncio.to_thread(self._unmount, name)
                self._trash.discard(self._root / name)

    async def remove(self, name: str) -> None:
        """The caller knows that nobody uses it. NotFound."""
        async with self._changing:
            volume = self.get(name)
            if volume.options:
                await asyncio.to_thread(self._unmount, name)
            try:
                await self._records.transact(
                    lambda connection: connection.execute("DELETE FROM volumes WHERE name = ?", (name,))
                )
            except sqlite3.Error as error:
                raise refusal(f"remove {name}", error) from error
            del self._volumes[name]
            self._fresh.discard(name)
            self._trash.discard(self._root / name)

    def size(self, name: str) -> int:
        """Bytes of its files. Reads the disk: to be called in a thread."""
        return changes.size(str(self.path(name)))

    async def prepare(self, name: str) -> None:
        """Before a container uses it: what its options say is mounted. OSError's text in an InvalidRequest."""
        volume = self.get(name)
        if volume.options:
            async with self._changing:
                await asyncio.to_thread(self._mount, volume)

    async def release(self, name: str) -> None:
        """When nobody uses it any more."""
        volume = self._volumes.get(name)
        if volume is not None and volume.options:
            async with self._changing:
                await asyncio.to_thread(self._unmount, name)

    def _make(self, volume: Volume) -> None:
        """The directory as a fresh image's root would be, whatever the umask."""
        directory = self._root / volume.name
        directory.mkdir(mode=0o701, exist_ok=True)
        data = directory / "_data"
        if not data.exists():
            data.mkdir(mode=0o755)
            data.chmod(0o755)

    def _mount(self, volume: Volume) -> None:
        place = str(self.path(volume.name))
        if os.path.ismount(place):
            return
        flags, data = _parsed(volume.options.get("o", ""))
        kind, device = volume.options.get("type", ""), volume.options.get("device", "")
        try:
            mounts.mount(device or kind, place, "" if kind == "none" else kind, flags, data=data)
        except OSError as error:
            raise InvalidRequest(
                f"error while mounting volume '{place}': failed to mount local volume: mount {device}:{place}, "
                f"flags: 0x{int(flags):x}: {os.strerror(error.errno or 0).lower()}"
            ) from None

    def _unmount(self, name: str) -> None:
        place = str(self.path(name))
        if os.path.ismount(place):
            mounts.umount2(place, UmountFlag.MNT_DETACH)


def _check(name: str, options: Mapping[str, str]) -> None:
    for key in options:
        if key not in _OPTIONS:
            raise InvalidRequest(f'create {name}: invalid option: "{key}"')
    if "size" in options:
        raise InvalidRequest(f"create {name}: quota size requested but no quota support")
    if ("device" in options) != ("type" in options):
        missing = "type" if "device" in options else "device"
        raise InvalidRequest(f'create {name}: missing required option: "{missing}"')


def _parsed(words: str) -> tuple[MountFlag, str]:
    """`o` as flags and data of mount(2)."""
    flags, data = MountFlag(0), []
    for word in filter(None, words.split(",")):
        if word in _FLAGS:
            flags |= _FLAGS[word]
        else:
            data.append(word)
    return flags, ",".join(data)


def _insert(connection: sqlite3.Connection, volume: Volume) -> None:
    connection.execute("INSERT OR IGNORE INTO volumes (name, record) VALUES (?, ?)", (volume.name, to_json(volume)))
