"""Brings forks of a `template` into containers: everything that has to be looked up outside is looked up here.

The new process becomes the twin of the container's first one: the same namespaces, control groups, limits, user,
capabilities and filter. That is not believed but compared (`bounds`), before the process does anything.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kernel_engine.errors import KernelRefused, NotSupported, Unavailable
from kernel_engine.runtime import capabilities, cgroups, seccomp, template
from kernel_engine.runtime.bounds import Bounds, bounds
from kernel_engine.runtime.channel import Channel, Closed
from kernel_engine.runtime.init import NAMESPACES
from kernel_engine.syscalls import cgroupfs
from kernel_engine.syscalls.process import CloneFlag

#: how long a template may load, and a fork of it take on its way, on a machine that does much else
_PATIENCE = 120.0
#: /proc/PID/ns's name of it → the spec's
_NAMES = {"mnt": "mount"}
_BIRTH, _END = b"b", b"e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`first`: the pid of the container's first process. Environment, folder and words are the new process's own."""

    first: int
    words: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str


class Template:
    """A loaded interpreter, started at once; `program` is MODULE:NAME. `control` is readable when a fork has ended, or
    the template itself."""

    def __init__(self, program: str) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-s", "-m", template.__name__, str(theirs.fileno()), program]
        with theirs:  # its environment and its words are in the memory of each of its forks
            self._process = subprocess.Popen(
                command, pass_fds=(theirs.fileno(),), env={"LANG": "C.UTF-8"}, cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        self.control.settimeout(_PATIENCE)
        self.gone = False
        self._ended: deque[tuple[int, int]] = deque()

    def bring(self, wish: Wish, output: int) -> int:
        """The pid of a process that is in the container, and goes on by itself; `output` is its stdout and stderr.
        Raises Unavailable, NotSupported, KernelRefused, OSError."""
        first = bounds(wish.first)
        pidfd = os.pidfd_open(wish.first)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_PATIENCE)
        channel = Channel(ours)
        pid = 0
        try:
            with theirs:
                socket.send_fds(self.control, [b"f"], [theirs.fileno(), pidfd])
            pid = self._born()
            _bring(channel, wish, first, pid, output)
        except (Closed, TimeoutError) as error:
            _kill(pid)
            raise Unavailable(f"a process could not be brought into a container: {error}") from None
        except BaseException:
            _kill(pid)
            raise
        finally:
            os.close(pidfd)
            channel.close()
        return pid

    def ended(self) -> Iterator[tuple[int, int]]:
        """Pids and exit codes (minus the signal's number) of forks that have ended, as far as they are known."""
        while select.select((self.control,), (), (), 0)[0] and not self.gone:
            self._hear()
        while self._ended:
            yield self._ended.popleft()

    def close(self) -> None:
        """Ends its forks, too."""
        self.control.close()
        self._process.wait()

    def _born(self) -> int:
        while not self.gone:
            if pid := self._hear():
                return pid
        raise Unavailable("the template has ended")

    def _hear(self) -> int:
        """The pid, where it tells of a birth."""
        told = b""
        with suppress(ConnectionError):  # it was killed with an order of ours unread
            told = self.control.recv(template.WORD.size)
        if not told:
            self.gone = True
            return 0
        word, pid, code = template.WORD.unpack(told)
        if word == _BIRTH:
            return int(pid)
        self._ended.append((pid, code))
        return 0


def _bring(channel: Channel, wish: Wish, first: Bounds, pid: int, output: int) -> None:
    own = bounds(pid)
    for number, limit in enumerate(first.limits):
        if limit != own.limits[number]:
            resource.prlimit(pid, number, limit)
    cgroupfs.write(f"/proc/{pid}/oom_score_adj", cgroupfs.read(f"/proc/{wish.first}/oom_score_adj").strip())
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    doors = [os.open(path, os.O_WRONLY | os.O_CLOEXEC) for path in cgroups.doors(wish.first, pid)]
    try:
        channel.send(_task(wish, first, own), (null, output, *doors), packed=_filter(first))
    finally:
        for fd in (null, *doors):
            os.close(fd)
    channel.receive_one()
    if difference := first.difference(bounds(pid)):
        raise KernelRefused(
            "setns", errno.EPERM, f"a process that was to enter a container has other bounds: {difference}"
        )
    channel.send({"say": "go"})


def _task(wish: Wish, first: Bounds, own: Bounds) -> dict[str, object]:
    status = first.status
    spaces = {name: link for name, link in first.namespaces.items() if link != own.namespaces[name]}
    entered = CloneFlag(0)
    for name in spaces:
        if name in ("user", "time"):
            raise NotSupported(f"a container with a {name} namespace of its own cannot be entered by a template")
        entered |= NAMESPACES.get(_NAMES.get(name, name), CloneFlag(0))
    return {
        "namespaces": int(entered),
        "user": int(status["Uid"].split()[0]),
        "group": int(status["Gid"].split()[0]),
        "groups": [int(word) for word in status["Groups"].split()],
        "capabilities": capabilities.from_mask(int(status["CapBnd"], 16)),
        "no_new_privileges": status["NoNewPrivs"] == "1",
        "folder": wish.folder,
        "words": list(wish.words),
        "environment": dict(wish.environment),
    }


def _filter(first: Bounds) -> bytes:
    """Docker's default one, for these capabilities; NotSupported for a container without a filter."""
    if (first.status["Seccomp"], first.status.get("Seccomp_filters", "1")) != ("2", "1"):
        raise NotSupported("only a container with the default filter can be entered by a template")
    return _compiled(capabilities.from_mask(int(first.status["CapBnd"], 16)))


@cache
def _compiled(held: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = seccomp.place(seccomp.default_text(), held, Path(folder))
        seccomp.compile_profile(seccomp.default_text(), held, path)
        return path.read_bytes()


def _kill(pid: int) -> None:
    """It is the template's child, which reaps it."""
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
