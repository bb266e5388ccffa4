"""How the launcher forks: into a group of cgroup v2, into another container's pid namespace, or plainly.

Whatever the child does, only the launcher returns from here. What it does is `init`'s; who waits for it is `births`'.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from kernel_engine.runtime.ground import PLAIN, Ground
from kernel_engine.syscalls.process import CloneFlag, clone3, pidfd_open, setns

ADDED = CloneFlag.CLONE_PIDFD  #: in its maker's pid namespace
FIRST = CloneFlag.CLONE_NEWPID | CloneFlag.CLONE_PIDFD
#: the same, born in its group of cgroup v2; combined once, not behind each request
_INTO = {flags: flags | CloneFlag.CLONE_INTO_CGROUP for flags in (ADDED, FIRST)}
#: what a process between says of the one that it has made: pid, errno
_BORN = struct.Struct("=ii")


def first(*, new_pid: bool, into_group: bool) -> CloneFlag:
    """How a container's first process is born. new_pid: into a pid namespace of its own."""
    flags = FIRST if new_pid else ADDED
    return _INTO[flags] if into_group else flags


class Forks:
    """Forks of a process that has this ground under it."""

    def __init__(self, ground: Ground = PLAIN) -> None:
        self._ground = ground
        self._own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def fork(
        self, owner: int | None, flags: CloneFlag, live: Callable[[], NoReturn], *, cgroup: int = -1
    ) -> tuple[int, int]:
        """pid and pidfd of a child that lives `live`. owner: a pidfd, of the process in whose pid namespace it is to
        be born. cgroup: a descriptor, for CLONE_INTO_CGROUP."""
        if owner is not None and self._ground.in_user_namespace:
            return _fork_through(owner, flags, live, cgroup=cgroup)
        with self._within(owner):
            return _fork(flags, live, cgroup=cgroup)

    @contextmanager
    def _within(self, owner: int | None) -> Iterator[None]:
        """Children are born into this one's pid namespace; the launcher itself stays where it is."""
        if owner is None:
            yield
            return
        setns(owner, CloneFlag.CLONE_NEWPID, show="pidfd, CLONE_NEWPID")
        try:
            yield
        finally:
            setns(self._own_pid_namespace, CloneFlag.CLONE_NEWPID, show="own pid namespace, CLONE_NEWPID")


def _fork(flags: CloneFlag, live: Callable[[], NoReturn], *, cgroup: int = -1) -> tuple[int, int]:
    pid, pidfd = clone3(flags, cgroup=cgroup)
    if pid == 0:
        try:
            live()
        finally:
            os._exit(70)  # EX_SOFTWARE: a child must never go on as a second launcher
    return pid, pidfd


def _fork_through(pidfd: int, flags: CloneFlag, live: Callable[[], NoReturn], *, cgroup: int) -> tuple[int, int]:
    """As `_fork`, into another pid namespace, for a launcher that could not come back: it is root of that one, but not
    of its own. A child of the launcher's enters, and its child is born as its sister (CLONE_PARENT, clone(2))."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        between, watched = clone3(ADDED)
        if between == 0:
            _go_between(pidfd, flags, live, cgroup, writing)
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    with open(reading, "rb", buffering=0) as told:
        words = told.read(_BORN.size)
    os.waitid(os.P_PIDFD, watched, os.WEXITED)
    os.close(watched)
    pid, number = _BORN.unpack(words) if words else (0, errno.ECHILD)
    if number:
        raise OSError(number, os.strerror(number))
    return pid, pidfd_open(pid)  # nobody but this process can reap it


def _go_between(pidfd: int, flags: CloneFlag, live: Callable[[], NoReturn], cgroup: int, writing: int) -> NoReturn:
    try:
        setns(pidfd, CloneFlag.CLONE_NEWPID, show="pidfd, CLONE_NEWPID")
        pid, _ = clone3((flags & ~CloneFlag.CLONE_PIDFD) | CloneFlag.CLONE_PARENT, cgroup=cgroup)
        if pid == 0:
            live()
        os.write(writing, _BORN.pack(pid, 0))
    except OSError as error:
        os.write(writing, _BORN.pack(0, error.errno or errno.EIO))
    finally:
        os._exit(0)
