"""What the launcher knows of processes that run or have run: descriptors, exits, and the client's questions about them.

An exit is kept until the client says `forget`. Starts that are still under way are `births`.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Protocol

from kernel_engine.errors import Conflict, InvalidRequest, NotFound
from kernel_engine.runtime import cgroups, console
from kernel_engine.runtime.channel import Message
from kernel_engine.runtime.loop import Loop
from kernel_engine.syscalls.process import pidfd_send_signal
from kernel_engine.syscalls.trace import Trace, current, recording

#: seconds until the groups of a container that has ended are removed: whoever was told of the end may be waiting for
#: this processor, and the kernel takes 1 ms for them on cgroup v1
SWEEP = 0.003
#: seconds between attempts to remove a group whose last process is still on its way out
RETRIES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
STREAMS = ("stdin", "stdout", "stderr", "console")


class Client(Protocol):
    """The launcher, as seen from here."""

    loop: Loop

    def tell(self, message: Message, descriptors: tuple[int, ...] = ()) -> bool: ...

    def is_coming(self, id: str) -> bool:
        """Whether a process of that name is under way, and its groups are in use already."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """One process."""

    id: str
    container: str
    cgroup: str
    namespaces: tuple[str, ...]
    pid: int
    pidfd: int
    streams: dict[str, int] = field(default_factory=dict)  #: the engine's ends by name
    held: list[int] = field(default_factory=list)  #: descriptors of the client's that live as long as the process
    note: str = ""  #: the client's own words about the process, for a client that comes after it
    started_at: float = 0.0
    traces: bool = False  #: it may look into the other processes of its pid namespace, and has rights on this machine
    processes: str = ""  #: the container whose pid namespace it is in; "" = the host's
    exited: Message | None = None
    told: bool = False  #: the exit has been sent on the present connection

    @property
    def is_first(self) -> bool:
        return self.id == self.container

    def close_stream(self, name: str) -> None:
        fd = self.streams.pop(name, None)
        if fd is not None:
            os.close(fd)

    def let_go(self) -> None:
        """Closes what the client gave to hold."""
        while self.held:
            os.close(self.held.pop())

    def close(self) -> None:
        self.let_go()
        for name in tuple(self.streams):
            self.close_stream(name)
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class Register:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._entries: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        self._entries[entry.id] = entry

    def running(self, id: str) -> Entry:
        """NotFound for one that is unknown or has exited."""
        entry = self._entries.get(id)
        if entry is None or entry.exited is not None:
            raise NotFound(f"process {id} is not running")
        return entry

    @property
    def is_empty(self) -> bool:
        """Nothing runs, and no exit waits to be asked for."""
        return not self._entries

    def is_running(self, id: str) -> bool:
        entry = self._entries.get(id)
        return entry is not None and entry.exited is None

    def drop(self, id: str) -> None:
        """Forgets an exit and closes its descriptors; unknown is fine."""
        entry = self._entries.get(id)
        if entry is None:
            return
        if entry.exited is None:
            raise Conflict(f"process {id} is running")
        entry.close()
        del self._entries[id]

    def watchers(self, processes: str) -> tuple[Entry, ...]:
        """Who in that container's pid namespace may look into a process that comes in; nobody for "", the host's."""
        entries = self._entries.values() if processes else ()
        return tuple(one for one in entries if one.traces and one.processes == processes and one.exited is None)

    # exits ------------------------------------------------------------------------------------------------------
    def ended(self, entry: Entry, exit_code: int) -> None:
        """The process has been reaped: keep and report its exit, take its group away."""
        oom_killed = entry.is_first and cgroups.oom_kills(entry.cgroup, entry.id) > 0
        entry.exited = {
            "id": entry.id,
            "exit_code": exit_code,
            "oom_killed": oom_killed,
            "finished_at": time.time(),
            "error": "",
        }
        os.close(entry.pidfd)
        entry.pidfd = -1
        entry.let_go()
        entry.told = self._client.tell({"event": "exited", "exited": entry.exited})
        if entry.is_first:
            self._client.loop.later(SWEEP, lambda: self._sweep(entry.cgroup, entry.id))

    def client_changed(self) -> None:
        """What the old client heard, the new one has not."""
        for entry in self._entries.values():
            entry.told = False

    def _sweep(self, cgroup: str, id: str) -> None:
        with recording(Trace("launcher")):
            self.remove_group(cgroup, id)

    def remove_group(self, cgroup: str, id: str, attempt: int = 0) -> None:
        """Removes the container's groups. While they are busy, kills what shares no pid namespace with the first
        process, and tries again by timer."""
        if self.is_running(id) or self._client.is_coming(id):
            return  # the container has been started again meanwhile
        try:
            cgroups.remove(cgroup, id)
            self._swept(id)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            cgroups.kill(cgroup, id)
            if attempt < len(RETRIES):
                again = copy_context()
                self._client.loop.later(RETRIES[attempt], lambda: again.run(self.remove_group, cgroup, id, attempt + 1))

    def _swept(self, id: str) -> None:
        """Tells what its end asked of the kernel here."""
        trace = current()
        if trace is not None and trace.rows:
            self._client.tell({"event": "swept", "id": id, "trace": [list(step) for step in trace.steps]})

    # questions --------------------------------------------------------------------------------------------------
    def answer(self, verb: str, message: Message) -> None:
        answers: dict[str, Callable[[Message], None]] = {
            "signal": self._signal,
            "resize": self._resize,
            "close_stdin": self._close_stdin,
            "known": self._known,
            "notes": self._notes,
            "stdio": self._stdio,
            "forget": self._forget,
        }
        if verb not in answers:
            raise InvalidRequest(f"unknown message: {verb}")
        answers[verb](message)

    def _reply(self, message: Message, **values: object) -> None:
        """With the kernel calls that were made for it."""
        trace = current()
        made = [list(step) for step in trace.steps] if trace is not None else []
        self._client.tell({"reply": message["request"], "trace": made, **values})

    def _signal(self, message: Message) -> None:
        try:
            pidfd_send_signal(self.running(message["id"]).pidfd, signal.Signals(message["number"]))
        except ProcessLookupError:
            raise NotFound(f"process {message['id']} is not running") from None
        self._reply(message)

    def _resize(self, message: Message) -> None:
        master = self.running(message["id"]).streams.get("console")
        if master is not None:
            console.resize(master, message["rows"], message["columns"])
        self._reply(message)

    def _close_stdin(self, message: Message) -> None:
        entry = self._entries.get(message["id"])
        if entry is not None:
            entry.close_stream("stdin")
        self._reply(message)

    def _known(self, message: Message) -> None:
        known = [
            {
                "id": entry.id,
                "pid": entry.pid,
                "started_at": entry.started_at,
                "exited": entry.exited,
                "container": entry.container,
            }
            for entry in self._entries.values()
        ]
        self._reply(message, known=known)
        for entry in self._entries.values():
            if entry.exited is not None and not entry.told:
                entry.told = self._client.tell({"event": "exited", "exited": entry.exited})

    def _notes(self, message: Message) -> None:
        running = (entry for entry in self._entries.values() if entry.exited is None)
        self._reply(message, notes={entry.id: entry.note for entry in running if entry.note})

    def _forget(self, message: Message) -> None:
        self.drop(message["id"])
        self._reply(message)

    def _stdio(self, message: Message) -> None:
        entry = self._entries.get(message["id"])
        if entry is None:
            raise NotFound(f"process {message['id']} is not known")
        self._client.tell({"reply": message["request"], "streams": list(entry.streams)}, tuple(entry.streams.values()))
