"""Does the program in a terminal's foreground wait for input? Read from /proc, never guessed from a delay.

The foreground process group of a terminal is in /proc/PID/stat (tpgid). One of its processes waits for input when it
sleeps in read(2) on that terminal, or in select, poll or epoll on a set that holds it: /proc/PID/syscall gives the call
and its arguments, /proc/PID/mem the sets (proc(5)). A process that input was just written for may still look asleep
until it is scheduled; its count of voluntary context switches has not changed then, which is what the mark compares.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import struct
import time
from dataclasses import dataclass

_SHORTEST, _LONGEST = 0.001, 0.02

#: call numbers by machine: read, readv, poll, ppoll, select, pselect6, epoll_wait, epoll_pwait
_NUMBERS = {
    "x86_64": {0: "read", 19: "read", 7: "poll", 271: "poll", 23: "select", 270: "select", 232: "epoll", 281: "epoll"},
    "aarch64": {63: "read", 65: "read", 73: "poll", 72: "select", 22: "epoll"},
}
_CALLS = _NUMBERS.get(platform.machine(), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    waiting: bool
    running: bool  #: the process asked about still exists
    mark: str  #: opaque; given back as `since`, only a wait that began after it counts


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    group: int
    terminal: int
    foreground: int


async def until_waiting(pid: int, *, timeout: float, since: str | None) -> Waiting:
    """Returns when the terminal of process `pid` (host number) waits for input, when `pid` is gone, or in time."""
    deadline = time.monotonic() + timeout
    pause = _SHORTEST
    while True:
        running = _alive(pid)
        mark = waiting_mark(pid) if running else None
        if mark is not None and mark != since and waiting_mark(pid) == mark:
            return Waiting(waiting=True, running=True, mark=mark)
        if not running or time.monotonic() >= deadline:
            return Waiting(waiting=False, running=running, mark=since or "")
        await asyncio.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        pause = min(pause * 1.5, _LONGEST)


def waiting_mark(pid: int) -> str | None:
    """Which process waits and since which of its sleeps, "PID:SWITCHES"; None when nobody waits for input."""
    leader = _stat(pid)
    if leader is None or leader.terminal == 0 or leader.foreground <= 0:
        return None
    for candidate in _members(pid, leader):
        switches = _switches(candidate)
        if _sleeps_on(candidate, leader.terminal) and _switches(candidate) == switches:
            return f"{candidate}:{switches}"
    return None


def _members(pid: int, leader: _Stat) -> list[int]:
    """Processes of the terminal's foreground group. The usual case, the asked one itself, is looked at alone."""
    if leader.group == leader.foreground:
        found = [pid]
    else:
        found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != pid:
            stat = _stat(int(name))
            if stat is not None and stat.terminal == leader.terminal and stat.group == leader.foreground:
                found.append(int(name))
    return found


def _sleeps_on(pid: int, terminal: int) -> bool:
    """Is the process blocked in a call that new input on the terminal would end?"""
    stat = _stat(pid)
    if stat is None or stat.state != "S":
        return False
    words = _read(f"/proc/{pid}/syscall").split()
    if len(words) < 7 or not words[0].isdigit():
        return False
    arguments = [int(word, 16) for word in words[1:7]]
    match _CALLS.get(int(words[0])):
        case "read":
            return _is_terminal(pid, arguments[0], terminal)
        case "select":
            return any(_is_terminal(pid, fd, terminal) for fd in _selected(pid, arguments[0], arguments[1]))
        case "poll":
            return any(_is_terminal(pid, fd, terminal) for fd in _polled(pid, arguments[0], arguments[1]))
        case "epoll":
            return any(_is_terminal(pid, fd, terminal) for fd in _watched(pid, arguments[0]))
    return False


def _is_terminal(pid: int, fd: int, terminal: int) -> bool:
    """Is the descriptor the terminal itself (by device number), or /dev/tty, or the /dev/console bound over it?"""
    try:
        device = os.stat(f"/proc/{pid}/fd/{fd}").st_rdev
    except OSError:
        return False
    return device in (_device(terminal), os.makedev(5, 0))


def _device(number: int) -> int:
    """proc(5): minor in bits 31 to 20 and 7 to 0, major in bits 15 to 8."""
    return os.makedev((number >> 8) & 0xFF, (number & 0xFF) | ((number >> 12) & 0xFFF00))


def _selected(pid: int, count: int, address: int) -> list[int]:
    if not address or count <= 0:
        return []
    bits = _memory(pid, address, (min(count, 1024) + 7) // 8)
    return [fd for fd in range(min(count, len(bits) * 8)) if bits[fd // 8] & (1 << fd % 8)]


def _polled(pid: int, address: int, count: int) -> list[int]:
    data = _memory(pid, address, 8 * min(count, 256))
    return [fd for fd, events, _ in struct.iter_unpack("=ihh", data[: len(data) - len(data) % 8]) if events & 1]


def _watched(pid: int, epoll: int) -> list[int]:
    return [int(fd) for fd in re.findall(r"^tfd:\s*(\d+)", _read(f"/proc/{pid}/fdinfo/{epoll}"), re.MULTILINE)]


def _memory(pid: int, address: int, size: int) -> bytes:
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(size)
    except (OSError, OverflowError):
        return b""


def _stat(pid: int) -> _Stat | None:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if len(fields) < 6:
        return None
    return _Stat(fields[0], int(fields[2]), int(fields[4]), int(fields[5]))


def _switches(pid: int) -> int:
    """voluntary_ctxt_switches: grows by one whenever the process goes to sleep."""
    found = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", _read(f"/proc/{pid}/status"), re.MULTILINE)
    return int(found[1]) if found else -1


def _alive(pid: int) -> bool:
    stat = _stat(pid)
    return stat is not None and stat.state not in ("Z", "X")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
