"""Does the program in a terminal's foreground wait for input? Read from /proc, never guessed from a delay.

The foreground process group of a terminal is in /proc/PID/stat (tpgid). It waits for input when a thread of one of its
processes sleeps in read(2) on that terminal, or in select, poll or epoll on a set that holds it, and the terminal has
nothing to read: /proc/PID/task/TID/syscall gives the call and its arguments, /proc/PID/mem the sets (proc(5)). A
program that passes the input on to a terminal of its own (apt to dpkg, sudo, script) waits when that one does.

A program that input was just written for may still look asleep. Its count of voluntary context switches has not
changed then, which is what the mark compares.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import select
import stat
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from kernel_engine.syscalls.process import pidfd_getfd

_SHORTEST, _LONGEST = 0.001, 0.02
_DEEPEST = 4  #: terminals within terminals
_PTMX = os.makedev(5, 2)
_READABLE = select.POLLIN | select.POLLRDNORM  #: EPOLLIN and EPOLLRDNORM have the same bits

#: number → which argument is the descriptor that is read
_READS = {
    "x86_64": {0: 0, 19: 0, 40: 1, 275: 0, 326: 0},
    "aarch64": {63: 0, 65: 0, 71: 1, 76: 0, 285: 0},
}  # read, readv, sendfile, splice, copy_file_range
#: number → how its set of descriptors is found; restart_syscall is a poll that a signal had interrupted
_WAITS = {
    "x86_64": {7: "poll", 271: "poll", 219: "poll", 23: "select", 270: "select", 232: "epoll", 281: "epoll"},
    "aarch64": {73: "poll", 128: "poll", 72: "select", 22: "epoll"},
}
_EPOLL_PWAIT2 = 441
_MACHINE = platform.machine()
_READ = _READS.get(_MACHINE, {})
_WAIT = _WAITS.get(_MACHINE, {}) | {_EPOLL_PWAIT2: "epoll"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    waiting: bool
    running: bool  #: the process asked about still exists
    mark: str  #: opaque; given back as `since`, only a wait that began after it counts


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    group: int
    terminal: int  #: device number, 0 = none
    foreground: int  #: the terminal's foreground process group
    started: int


async def until_waiting(
    pid: int, *, timeout: float, since: str | None, settled: Callable[[], Awaitable[bool]] | None = None
) -> Waiting:
    """Returns when the terminal of process `pid` (host number) waits for input, when `pid` is gone, or in time.

    settled: whether nothing typed or printed is still on its way between the terminal and its users; asked last.
    """
    deadline = time.monotonic() + timeout
    pause = _SHORTEST
    asked = _stat(pid)
    while True:
        now = _stat(pid)
        running = asked is not None and now is not None and now.started == asked.started and now.state not in "ZX"
        mark = waiting_mark(pid) if running else None
        if mark is not None and mark != since and (settled is None or await settled()) and waiting_mark(pid) == mark:
            return Waiting(waiting=True, running=True, mark=mark)
        if not running or time.monotonic() >= deadline:
            return Waiting(waiting=False, running=running, mark=since or "")
        await asyncio.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        pause = min(pause * 1.5, _LONGEST)


def waiting_mark(pid: int) -> str | None:
    """Which thread waits and since which of its sleeps, "TID:SWITCHES"; None when nobody waits for input."""
    return _mark_of_terminal(pid, depth=0)


def _mark_of_terminal(pid: int, depth: int) -> str | None:
    """Of the terminal that controls process `pid`."""
    leader = _stat(pid)
    if leader is None or leader.terminal == 0 or leader.foreground <= 0 or depth > _DEEPEST:
        return None
    for member in _foreground(pid, leader):
        for task in _numbers(f"/proc/{member}/task"):
            mark = _mark_of_task(member, task, leader.terminal, depth)
            if mark is not None:
                return mark
    return None


def _mark_of_task(pid: int, task: int, terminal: int, depth: int) -> str | None:
    """The thread's mark, where it is blocked in a call that new input on the terminal would end."""
    slept = _sleep(pid, task)
    if slept is None:
        return None
    descriptors = _waited_for(pid, task)
    ours = next((fd for fd in descriptors if _is_terminal(pid, fd, terminal)), None)
    if ours is None:
        return None
    masters = [fd for fd in descriptors if _device_of(pid, fd) == _PTMX]
    if masters:
        return next((mark for fd in masters if (mark := _mark_behind(pid, fd, depth)) is not None), None)
    # asked before the last look: had the thread woken and taken the input in between, its sleep would be another
    if _has_input(pid, ours) or _waited_for(pid, task) != descriptors or _sleep(pid, task) != slept:
        return None
    return f"{task}:{slept}"


def _mark_behind(pid: int, master: int, depth: int) -> str | None:
    """The mark of the terminal that process `pid` is the master of."""
    found = re.search(r"^tty-index:\s*(\d+)", _read(f"/proc/{pid}/fdinfo/{master}"), re.MULTILINE)
    if found is None:
        return None
    inner = os.makedev(136, int(found[1]))
    for child in _family(pid):
        status = _stat(child)
        if child != pid and status is not None and _device(status.terminal) == inner:
            return _mark_of_terminal(child, depth + 1)
    return None


# processes ------------------------------------------------------------------------------------------------------
def _foreground(pid: int, leader: _Stat) -> list[int]:
    """Processes of the foreground group: among the descendants as a rule, else (orphans) anywhere."""
    return _of_group(_family(pid), leader) or _of_group(_numbers("/proc"), leader)


def _of_group(candidates: list[int], leader: _Stat) -> list[int]:
    return [
        pid
        for pid in candidates
        if (found := _stat(pid)) and (found.group, found.terminal) == (leader.foreground, leader.terminal)
    ]


def _family(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in _numbers(f"/proc/{parent}/task"):
            found += map(int, _read(f"/proc/{parent}/task/{task}/children").split())
    return found


def _numbers(directory: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(directory) if name.isdigit()]
    except OSError:
        return []


# descriptors ----------------------------------------------------------------------------------------------------
def _waited_for(pid: int, task: int) -> list[int]:
    """The descriptors whose input would wake the thread; none while it runs, or sleeps for something else."""
    words = _read(f"/proc/{pid}/task/{task}/syscall").split()
    if len(words) < 7 or not words[0].isdigit():
        return []
    number, arguments = int(words[0]), [int(word, 16) for word in words[1:7]]
    if number in _READ:
        return [arguments[_READ[number]]]
    match _WAIT.get(number):
        case "select":
            return list(_selected(pid, arguments[0], arguments[1]))
        case "poll":
            return list(_polled(pid, arguments[0], arguments[1]))
        case "epoll":
            return _watched(pid, arguments[0])
    return []


def _selected(pid: int, count: int, address: int) -> Iterator[int]:
    """fd_set: an array of longs, descriptor n is bit n."""
    if address and 0 < count <= 65536:
        bits = int.from_bytes(_memory(pid, address, (count + 7) // 8), "little")
        yield from (fd for fd in range(count) if bits >> fd & 1)


def _polled(pid: int, address: int, count: int) -> Iterator[int]:
    """struct pollfd {int fd; short events; short revents;}"""
    if address and 0 < count <= 1024:
        data = _memory(pid, address, 8 * count)
        for fd, events, _revents in struct.iter_unpack("=ihh", data[: len(data) // 8 * 8]):
            if events & _READABLE:
                yield fd


def _watched(pid: int, epoll: int) -> list[int]:
    lines = re.findall(r"^tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)", _read(f"/proc/{pid}/fdinfo/{epoll}"), re.MULTILINE)
    return [int(fd) for fd, events in lines if int(events, 16) & _READABLE]


def _is_terminal(pid: int, fd: int, terminal: int) -> bool:
    """Is it the terminal itself (by device number; also bound over /dev/console), or /dev/tty?"""
    return _device_of(pid, fd) in (_device(terminal), os.makedev(5, 0))


def _device_of(pid: int, fd: int) -> int:
    try:
        status = os.stat(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return 0
    return status.st_rdev if stat.S_ISCHR(status.st_mode) else 0


def _device(number: int) -> int:
    """proc(5): minor in bits 31 to 20 and 7 to 0, major in bits 15 to 8."""
    return os.makedev((number >> 8) & 0xFF, (number & 0xFF) | ((number >> 12) & 0xFFF00))


def _has_input(pid: int, fd: int) -> bool:
    """Would reading the process's descriptor give something? poll(2) first takes in what was just written to the
    terminal. A process that has gone has; it waits for nothing."""
    try:
        process = os.pidfd_open(pid)
        try:
            copy = pidfd_getfd(process, fd)
        finally:
            os.close(process)
    except OSError:
        return True
    try:
        poll = select.poll()
        poll.register(copy, select.POLLIN)
        return bool(poll.poll(0))
    finally:
        os.close(copy)


# files of /proc -------------------------------------------------------------------------------------------------
def _stat(pid: int) -> _Stat | None:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if len(fields) < 20:
        return None
    return _Stat(fields[0], int(fields[2]), int(fields[4]), int(fields[5]), int(fields[19]))


def _sleep(pid: int, task: int) -> int | None:
    """Which sleep of the thread this is (voluntary_ctxt_switches grows by one with each); None unless it sleeps."""
    text = _read(f"/proc/{pid}/task/{task}/status")
    found = re.search(r"^State:\s*S\b.*^voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE | re.DOTALL)
    return int(found[1]) if found else None


def _memory(pid: int, address: int, size: int) -> bytes:
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(size) or b""
    except (OSError, OverflowError):
        return b""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
