"""What the instances of one machine share: a lock while a subnet is chosen, and IP forwarding.

The former value of each switch is remembered while any instance needs it, and put back by the last one. The notes are
kept in the lock's own file, for each network namespace, and vanish with a reboot, as the settings do.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_engine.errors import EngineError
from kernel_engine.paths import MACHINE_LOCK
from kernel_engine.syscalls.cgroupfs import write


@dataclass(frozen=True, slots=True)
class Switch:
    """A setting of the network namespace that is 1 while somebody forwards."""

    path: Path
    note: str  #: what its notes are kept under, behind the namespace


FORWARDING = Switch(Path("/proc/sys/net/ipv4/ip_forward"), "")
FORWARDING6 = Switch(Path("/proc/sys/net/ipv6/conf/all/forwarding"), "/6")


class Claims:
    """The shared notes, while the machine's lock is held."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        status = os.stat("/proc/thread-self/ns/net")
        self._namespace = f"{status.st_dev}:{status.st_ino}"

    def forwarding(self, instance: str, existing: Collection[str], switch: Switch = FORWARDING) -> None:
        """Turns forwarding on for `instance`. existing: ids of the instances that have a bridge here: a claim of any
        other one is of an instance (or of a namespace with the same number) that is gone."""
        notes, key = self._read(), self._namespace + switch.note
        note = notes.get(key, {})
        holders = [holder for holder in note.get("holders", ()) if holder in existing and holder != instance]
        now = switch.path.read_text().strip()
        known = bool(holders) or instance in note.get("holders", ())
        notes[key] = {
            "former": note["former"] if known else now,
            "holders": [*holders, instance],
        }
        self._write(notes)
        if now != "1":
            write(str(switch.path), "1")

    def give_back(
        self, instance: str, existing: Collection[str], switch: Switch = FORWARDING, *, others_forward: bool
    ) -> None:
        """The opposite. The last one puts the former value back, unless other programs forward here by now."""
        notes, key = self._read(), self._namespace + switch.note
        note = notes.get(key)
        if note is None or instance not in note["holders"]:
            return
        holders = [holder for holder in note["holders"] if holder in existing and holder != instance]
        if holders:
            notes[key] = {**note, "holders": holders}
        else:
            del notes[key]
            if note["former"] != "1" and not others_forward:
                write(str(switch.path), note["former"])
        self._write(notes)

    def _read(self) -> dict[str, Any]:
        text = os.pread(self._descriptor, 1 << 20, 0)
        try:
            notes = json.loads(text or b"{}")
        except ValueError:
            return {}  # cut off by a power cut: then the setting is gone too
        return notes if isinstance(notes, dict) else {}

    def _write(self, notes: dict[str, Any]) -> None:
        text = json.dumps(notes).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)


@contextmanager
def machine_lock(path: Path = MACHINE_LOCK) -> Iterator[Claims]:
    """Blocks until no other instance on this machine holds it: to be called in a thread."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # /run/lock is open to all users on Debian: neither a link nor another user's file will do
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise EngineError(f"{path} belongs to another user", hint=f"remove it: rm {path}")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Claims(descriptor)
    finally:
        os.close(descriptor)
