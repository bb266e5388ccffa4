"""How a process that outlives the daemon is started and found: the launcher and the log writer do it alike.

The starting process ends with 0 as soon as its child listens on a SOCK_SEQPACKET socket in the run directory. A lock
file beside the socket is held for as long as a start is under way, also when whoever began it has been killed: two
clients never start two, and `cleanup` waits for one that nobody can see yet.

A companion may be older than the daemon that finds it: the product has been updated. One that has nothing to keep is
replaced then (`edition`); one that holds containers or streams stays until they have ended.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from kernel_engine.errors import Unavailable
from kernel_engine.syscalls.process import end_with

#: how often, and after how many seconds, a client tries again with one that is on its way out
ATTEMPTS, PAUSE = 50, 0.02
_LOOK_AGAIN = 0.01
_PACKAGE = Path(__file__).parent.parent


def edition(*more: str) -> str:
    """Which code a process that starts now is made of: a checksum of the sources of runtime and syscalls, and of the
    rooms named."""
    found = 0
    for room in ("runtime", "syscalls", *more):
        for path in sorted((_PACKAGE / room).rglob("*.py")):
            found = zlib.crc32(path.read_bytes(), found)
    return f"{found:08x}"


def connected(path: Path) -> socket.socket | None:
    """A connection, or None where nobody listens."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        end.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        end.close()
        return None
    return end


def connect_or_start(path: Path, module: str, *arguments: str) -> socket.socket:
    """Starts `python -I -m MODULE ARGUMENTS` where nobody listens. Unavailable, with its own words, where it cannot."""
    end = connected(path)
    if end is not None:
        return end
    import subprocess  # late: the companions themselves import this module and start nothing

    path.parent.mkdir(parents=True, exist_ok=True)
    with _starting(path) as lock:
        end = connected(path)
        if end is not None:
            return end
        command = [sys.executable, "-I", "-m", module, *arguments]
        # the lock as its stdin: flock(2) holds until the last descriptor is closed, which `become_daemon` does
        done = subprocess.run(command, stdin=lock, stderr=subprocess.PIPE, check=False, cwd="/")
        if done.returncode:
            raise Unavailable(f"{module} did not start: {done.stderr.decode(errors='replace').strip()}")
        end = connected(path)
    if end is None:
        raise Unavailable(f"{module} does not answer")
    return end


def fork(path: Path, live: Callable[[], object]) -> None:
    """As `connect_or_start`, for a process of one thread that has loaded the companion: `live` listens on `path` and
    becomes a daemon. Unavailable where it does not; the reason is on stderr."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _starting(path) as lock:
        end = connected(path)
        if end is not None:
            return end.close()
        pid = os.fork()
        if pid == 0:
            end_with(partial(_live, lock, live))
        _, status = os.waitpid(pid, 0)
    if status:
        raise Unavailable(f"nobody listens on {path}")
    return None


def _live(lock: IO[bytes], live: Callable[[], object]) -> None:
    os.dup2(lock.fileno(), 0)
    lock.close()
    live()


def settled(path: Path, timeout: float) -> bool:
    """Waits until no start is under way: whoever is to listen there does, or never will. False after `timeout` s."""
    import fcntl

    end = time.monotonic() + timeout
    if not _lock_of(path).exists():
        return True  # nobody has ever started one here
    with _lock_of(path).open("rb") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    return False
                time.sleep(_LOOK_AGAIN)
            else:
                return True


@contextmanager
def _starting(path: Path) -> Iterator[IO[bytes]]:
    import fcntl

    with _lock_of(path).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def bind(path: str) -> socket.socket:
    """Only root may connect. Companions are started under a lock, so a socket that is there is a dead one's."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    if os.path.lexists(path):
        os.unlink(path)
    before = os.umask(0o177)
    try:
        listening.bind(path)
    finally:
        os.umask(before)
    return listening


def become_daemon(log: str, listening: socket.socket) -> None:
    """As daemon(7) has it: the parent leaves with 0 once the child listens. From then on errors go to the log, and
    stdin, which was the lock of the start, is /dev/null."""
    ready, say_ready = os.pipe()
    if os.fork():
        os.close(say_ready)
        os._exit(0 if os.read(ready, 1) else 1)
    os.close(ready)
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening.listen(8)  # after the fork: SO_PEERCRED shows the process that called listen(2)
    listening.setblocking(False)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for number, fd in enumerate((null, written, written)):
        os.dup2(fd, number)
    os.write(say_ready, b".")
    for fd in (null, written, say_ready):
        os.close(fd)
