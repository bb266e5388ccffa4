"""What the kernel says of a room, read from outside in /proc: what checks of the engine track are made of.

A learner may read it because the learner owns the room's user namespace, in a container, too (decision 0030). Nothing
here asks the worker or changes it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.syscalls.mounts import ResolveFlag, openat2

PROC = Path("/proc")
PROGRAM = "labs.wall.room"
CONTAINER = "--container"
#: the worker's number in the room, which has just been made: the first process forks it first
WORKER = 2
_PATIENCE = 10
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A line of mountinfo, proc_pid_mountinfo(5). `device` ("0:52") is the file system, `root` the part of it that is
    mounted; `options` are the mount's, `data` the file system's own."""

    number: int
    device: str
    root: str
    place: str
    kind: str
    source: str
    options: frozenset[str]
    data: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """`pid` is the host's number, `inside` the number in its own pid namespace; `depth` counts these namespaces."""

    pid: int
    parent: int
    inside: int
    depth: int
    command: tuple[str, ...]

    def namespace(self, kind: str) -> str:
        """ "uts:[4026531838]": equal for two processes that share it; "" for one that has ended."""
        return _link(self.pid, f"ns/{kind}")

    def root(self) -> str:
        return _link(self.pid, "root")

    def status(self, field: str) -> str:
        """A line of /proc/PID/status: status("CapEff")."""
        return _status(self.pid).get(field, "")

    def cgroups(self) -> dict[str, str]:
        """Controllers ("memory", or "" for v2) → path."""
        lines = (line.split(":", 2) for line in _text(self.pid, "cgroup").splitlines())
        return {name: path for _, names, path in lines for name in names.split(",")}

    def mounts(self) -> tuple[Mount, ...]:
        return tuple(map(_mount, _text(self.pid, "mountinfo").splitlines()))

    def mount(self, place: str) -> Mount | None:
        """The mount that is seen there: the last one."""
        return next((each for each in reversed(self.mounts()) if each.place == place), None)

    def file(self, path: str) -> Path:
        """A file as this process sees it, for paths that no link of the room's leads elsewhere."""
        return PROC / str(self.pid) / "root" / path.lstrip("/")

    def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of a file as this process sees it: no link leads out of its root. Raises OSError."""
        root = os.open(PROC / str(self.pid) / "root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return openat2(root, path, flags, ResolveFlag.RESOLVE_IN_ROOT)
        finally:
            os.close(root)

    def stat(self, path: str) -> os.stat_result | None:
        """Of a file that this process sees, without following a last link; None when there is none."""
        try:
            descriptor = self.open(path, os.O_PATH | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            return os.stat(descriptor)
        finally:
            os.close(descriptor)

    def text(self, path: str) -> str | None:
        """What a file holds that this process sees; None when it cannot be read."""
        try:
            with open(self.open(path, os.O_RDONLY | os.O_NONBLOCK), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def run(self, kinds: tuple[str, ...], *words: str) -> str:
        """What a program of this machine prints inside the process's namespaces ("uts", "net"); "" when it fails."""
        # whose uid is root's in there already; setgroups(2), which nsenter would call, is denied there
        enter = ["nsenter", "--target", str(self.pid), "--user", "--preserve-credentials"]
        enter += [f"--{kind}" for kind in kinds]
        done = subprocess.run([*enter, *words], capture_output=True, text=True, timeout=_PATIENCE, check=False)
        return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room that is open. `outside` waits for its `first`, and has its walls still before it: it stands where the
    notebook does, or where a container's first process does."""

    worker: Process
    first: Process
    outside: Process

    @property
    def contained(self) -> bool:
        """Is it in a container of the engine?"""
        return CONTAINER in self.outside.command

    def processes(self) -> tuple[Process, ...]:
        """All that live in it but its first process, in the order of their host numbers."""
        known = {found.pid: found for found in _processes()}
        return tuple(found for found in known.values() if self._holds(found, known))

    def children(self) -> tuple[Process, ...]:
        """What the learner's cells have started: all but the first process and the worker."""
        return tuple(found for found in self.processes() if found.pid != self.worker.pid)

    def running(self, *command: str) -> tuple[Process, ...]:
        """Those children that are this program with these words, the oldest first."""
        return tuple(found for found in self.children() if found.command == command)

    def _holds(self, found: Process, known: dict[int, Process]) -> bool:
        at: Process | None = found
        while at is not None and at.depth >= self.first.depth:
            if at.parent == self.first.pid:
                return True
            at = known.get(at.parent)
        return False


def find(folder: Path) -> Room | None:
    """The room whose cells begin in the folder, or in a solution's folder beneath it; None when there is none."""
    known = {found.pid: found for found in _processes()}
    for found in known.values():
        first = known.get(found.parent)
        outside = known.get(first.parent) if first is not None else None
        if first is None or outside is None or not (_is_room(found, folder) and _is_room(first, folder)):
            continue
        if (found.inside, first.inside) == (WORKER, 1) and found.depth == first.depth:
            return Room(worker=found, first=first, outside=outside)
    return None


def this_process() -> Process:
    """Whoever asks: the notebook, or the `labs` command."""
    return _process(os.getpid())


def _is_room(found: Process, folder: Path) -> bool:
    if PROGRAM not in found.command or "--folder" not in found.command:
        return False
    place = found.command[found.command.index("--folder") + 1]
    return place == str(folder) or place.startswith(f"{folder}/solution-")


def _processes() -> Iterator[Process]:
    for pid in sorted(int(name) for name in os.listdir(PROC) if name.isdecimal()):
        with suppress(OSError, LookupError):  # it has ended meanwhile
            yield _process(pid)


def _process(pid: int) -> Process:
    status = _status(pid)
    numbers = status["NSpid"].split()
    command = tuple(word.decode("utf-8", "replace") for word in (PROC / str(pid) / "cmdline").read_bytes().split(b"\0"))
    return Process(
        pid=pid, parent=int(status["PPid"]), inside=int(numbers[-1]), depth=len(numbers), command=command[:-1]
    )


def _status(pid: int) -> dict[str, str]:
    """{} for a process that has ended."""
    pairs = (line.partition(":") for line in _text(pid, "status").splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _text(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(PROC / str(pid) / name)
    except OSError:
        return ""


def _mount(line: str) -> Mount:
    front, _, back = line.partition(" - ")
    number, _, device, root, place, options, *_ = front.split(" ")
    kind, source, data = back.split(" ")[:3]
    return Mount(
        number=int(number),
        device=device,
        root=_plain(root),
        place=_plain(place),
        kind=kind,
        source=_plain(source),
        options=frozenset(options.split(",")),
        data=frozenset(data.split(",")),
    )


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
