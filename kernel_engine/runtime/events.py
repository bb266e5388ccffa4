"""What the runtime answers: frozen values that the launcher sends to the daemon, and the file descriptors it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel_engine.syscalls.trace import Call, Step

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """The engine's ends of a process's streams (descriptors of the receiving process, to be closed by it).

    With a terminal only `console` (the PTY's master) is set; without one `stdout` and `stderr` are pipes' read ends
    and `stdin` is a pipe's write end where stdin was asked for, else the process reads /dev/null.
    """

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    console: int | None = None

    def descriptors(self) -> tuple[int, ...]:
        return tuple(fd for fd in (self.stdin, self.stdout, self.stderr, self.console) if fd is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Born:
    """The first process exists, and makes its namespaces: the moment to attach its streams, and its network when it is
    there.

    All descriptors are the launcher client's, which closes them when the callback returns.
    """

    id: str
    pid: int
    #: done when it stands in its namespaces: an AF_NETLINK/NETLINK_ROUTE socket that it opened inside its network
    #: namespace; None when that is another's. Whoever holds it configures that namespace without entering it (a socket
    #: belongs for ever to the namespace it was opened in, network_namespaces(7)). Raises what the callback has to let
    #: pass: then the process has ended before.
    netlink: asyncio.Future[int | None]
    stdio: Stdio  #: without `console`, which is made later and comes with `Started`


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """How a process sees itself."""

    pid: int
    hostname: str
    user: int
    group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A child stands still before a call, and goes on when the callback that gets this has returned."""

    pid: int  #: as the host numbers it
    call: Call
    done: tuple[Step, ...]  #: its calls since the last stop; before the first one those that made it
    inside: Inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Nothing is left to be done for the process but execve(2)."""

    id: str
    pid: int  #: as the host numbers it
    started_at: float  #: seconds since the epoch
    stdio: Stdio  #: what `Born` has not given
    trace: Sequence[Step]  #: launcher's and child's part


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """A process that the launcher started has ended. Kept by the launcher until `forget`."""

    id: str
    exit_code: int  #: 0 to 255; 128 + signal where a signal ended it, as shells and Docker count
    oom_killed: bool
    finished_at: float  #: seconds since the epoch
    error: str = ""  #: why the engine, not the process, ended it ("the launcher died")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a launcher that outlived the daemon still knows of one process."""

    id: str
    pid: int
    started_at: float
    exited: Exited | None
    container: str  #: for an exec: the container's id; for a first process: its own id
