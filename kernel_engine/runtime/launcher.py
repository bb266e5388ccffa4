"""The launcher: forks containers' processes, is their parent, reports their exits. One thread, one event loop.

`python -I -m kernel_engine.runtime.launcher --run DIR --cgroup NAME` starts it; it becomes a daemon, and the starting
process ends with 0 as soon as it listens on DIR/launcher.sock. It serves one client (the engine's daemon) at a time
and outlives it. No message waits for another. What a child does is `init`; the client's side is `client`.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import traceback

from kernel_engine.errors import EngineError
from kernel_engine.runtime import cgroups, security
from kernel_engine.runtime.births import Births
from kernel_engine.runtime.channel import LAUNCHES, Channel, Closed, Message
from kernel_engine.runtime.companion import become_daemon, bind, edition
from kernel_engine.runtime.ground import PLAIN, Ground
from kernel_engine.runtime.handshake import describe
from kernel_engine.runtime.loop import Loop
from kernel_engine.runtime.register import Register
from kernel_engine.runtime.seal import run_sealed
from kernel_engine.syscalls import ids
from kernel_engine.syscalls.process import Prctl, prctl, set_name
from kernel_engine.syscalls.trace import Trace, recording

SOCKET = "launcher.sock"
LOG = "launcher.log"


class Launcher:
    """The client's connection, and what its messages mean."""

    def __init__(self, listening: socket.socket | None, edition: str, ground: Ground = PLAIN) -> None:
        """listening: None = it serves one client only (`serve`)."""
        self.loop = Loop()
        self.register = Register(self)
        self.births = Births(self, ground)
        self._client: Channel | None = None
        self.clients = 0  #: how many there have been
        self._edition = edition
        if listening is not None:
            self.loop.watch(listening.fileno(), lambda: self.serve(listening.accept()[0]))

    def tell(self, message: Message, descriptors: tuple[int, ...] = (), packed: bytes = b"") -> bool:
        """Never blocks. False when nobody listens: the client asks `known` when it comes back."""
        if self._client is None:
            return False
        try:
            self._client.send(message, descriptors, packed)
        except Closed:
            self._lose_client()
            return False
        if self._client.unsent:
            self.loop.watch_writable(self._client.fileno(), self._serve, writable=True)
        return True

    def is_coming(self, id: str) -> bool:
        return self.births.has(id)

    def reply(self, client: int, message: Message, descriptors: tuple[int, ...] = (), packed: bytes = b"") -> bool:
        """The same for that client only, the n-th: the next one counts its own requests from one again."""
        return client == self.clients and self.tell(message, descriptors, packed)

    def serve(self, connection: socket.socket) -> None:
        """This client from now on, and none before it."""
        self._lose_client()
        self.clients += 1
        connection.setblocking(False)
        self._client = Channel(connection)
        self.loop.watch(connection.fileno(), self._serve)

    def _lose_client(self) -> None:
        """Starts that still wait for the network are given up: nobody knows whether it was attached."""
        client, self._client = self._client, None
        if client is None:
            return
        self.loop.forget(client.fileno())
        client.close()
        self.births.give_up_waiting()
        self.register.client_changed()

    def _serve(self) -> None:
        client = self._client
        assert client is not None
        try:
            if client.unsent:
                client.flush()
                self.loop.watch_writable(client.fileno(), self._serve, writable=client.unsent)
            messages = client.receive()
        except Closed:
            return self._lose_client()
        for message, descriptors in messages:
            if self._client is client:
                self._answer(message, descriptors)
            for fd in descriptors:  # what nobody has taken
                os.close(fd)
        return None

    def _answer(self, message: Message, descriptors: list[int]) -> None:
        """One message. Its failure is its own answer and never the launcher's end."""
        try:
            with recording(Trace("launcher")):
                self._obey(message, descriptors)
        except Exception as error:
            if not isinstance(error, EngineError | OSError):
                traceback.print_exc()
            self.tell({"reply": message.get("request"), "error": describe(error, "", Trace("launcher"))})

    def _obey(self, message: Message, descriptors: list[int]) -> None:
        match message["verb"]:
            case "launch":
                self.births.launch(message, descriptors)
            case "exec":
                self.births.execute(message)
            case "proceed":
                self.births.proceed(message["id"])
            case "hold":
                self.births.hold(message["id"], message["note"], descriptors)
            case "abort":
                self.births.abort(message["id"])
            case "close_stdin":
                self.births.close_stdin(message["id"])
                self.register.answer("close_stdin", message)
            case "edition":
                idle = self.register.is_empty and self.births.is_empty
                about = {"edition": self._edition, "idle": idle, "launches": LAUNCHES}
                self.tell({"reply": message["request"], **about})
            case "quit":
                sys.exit(0)
            case verb:
                self.register.answer(verb, message)


def _ground() -> Ground:
    """A rootless engine's launcher is root in a user namespace, and in no other namespace of its own."""
    if ids.is_machines():
        return PLAIN
    groups = sum(count for _, _, count in ids.gid_map())
    return Ground(in_user_namespace=True, foreign=frozenset({"pid", "net", "ipc"}), groups=groups)


def main() -> None:
    run_sealed()
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    live(options["--run"], options["--cgroup"])


def live(run: str, cgroup: str) -> None:
    """The launcher's whole life, in a process that runs sealed."""
    of_code = edition()
    os.chdir("/")
    listening = bind(f"{run}/{SOCKET}")  # first: without a run directory (a `cleanup` took it) no group is made
    cgroups.stand_below(os.path.dirname(cgroup))
    # a fresh launcher has no containers: what is in its groups was left by one that was killed
    cgroups.remove_instance(cgroup)
    cgroups.prepare_instance(cgroup)
    set_name("ke-launcher")  # before anybody may look for it (`daemon.cleanup`)
    become_daemon(f"{run}/{LOG}", listening)
    # nobody in a container may look into a forked child before its execve: not at its memory, not at its files
    prctl(Prctl.PR_SET_DUMPABLE, 0)
    security.raise_descriptor_limit()
    launcher = Launcher(listening, of_code, _ground())
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that holds these objects
    launcher.births.prepare()
    launcher.loop.run()


if __name__ == "__main__":
    main()
