"""Starts that are under way: a child has been forked and has not yet become its program.

Each is a small state machine driven by the child's handshake and the child's end. What a container's first process and
the client say to each other meanwhile goes past here (`line`).
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, Protocol

from kernel_engine.errors import Conflict, KernelRefused
from kernel_engine.runtime import cgroups, forking, init, newcomer, user_namespace
from kernel_engine.runtime import zygote as zygotes
from kernel_engine.runtime.capabilities import mask
from kernel_engine.runtime.channel import Channel, Closed, Message, process_from_json, spec_from_json
from kernel_engine.runtime.ground import PLAIN, Ground
from kernel_engine.runtime.handshake import GIVEN_UP, describe
from kernel_engine.runtime.init import EXEC_PREFIX, START_PREFIX, Given, Home, Streams
from kernel_engine.runtime.loop import Loop
from kernel_engine.runtime.pipes import Pipes
from kernel_engine.runtime.register import Entry, Register
from kernel_engine.runtime.spec import Process, Spec
from kernel_engine.runtime.zygote import Zygote
from kernel_engine.syscalls.cgroupfs import read
from kernel_engine.syscalls.libc import recorded
from kernel_engine.syscalls.process import pidfd_send_signal
from kernel_engine.syscalls.trace import Call, Trace, recording, source_of

#: seconds that the client may take to attach a network
GO_DEADLINE = 60.0


class Launcher(Protocol):
    """The launcher, as seen from here."""

    loop: Loop
    register: Register
    clients: int

    def tell(self, message: Message, descriptors: tuple[int, ...] = (), packed: bytes = b"") -> bool: ...

    def reply(self, client: int, message: Message, descriptors: tuple[int, ...] = (), packed: bytes = b"") -> bool: ...


class Made(NamedTuple):
    """A process that has been made."""

    pid: int
    pidfd: int
    zygote: Zygote | None = None  #: stands still until it is its program


@dataclass(slots=True, kw_only=True)
class Birth:
    entry: Entry
    client: int  #: which of the launcher's wants to know
    request: int
    channel: Channel
    trace: Trace
    zygote: Zygote | None = None  #: whose memory the child has
    stepped: bool = False  #: the child waits before each call, and ends with the client that looks on
    told: bool = False  #: how it was made has been told with its first stop
    listening: bool = True
    steps: bytes = b""  #: the child's part of the trace, packed
    given: tuple[str, ...] = ()  #: the streams that the client has got at once
    held_still: tuple[Entry, ...] = ()  #: who could look into it, frozen for as long as it is under way
    error: Message | None = None


class Births:
    def __init__(self, launcher: Launcher, ground: Ground = PLAIN) -> None:
        self._launcher = launcher
        self._ground = ground
        self._forks = forking.Forks(ground)
        self._zygotes = zygotes.Zygotes(ground)
        self._births: dict[str, Birth] = {}
        self._pipes = Pipes()

    @property
    def is_empty(self) -> bool:
        return not self._births

    def has(self, id: str) -> bool:
        return id in self._births

    def prepare(self) -> None:
        """What the first start would wait for. Where it cannot be done, that start says so."""
        with suppress(OSError):
            self._zygotes.ready()

    # requests ---------------------------------------------------------------------------------------------------
    def launch(self, message: Message, descriptors: Sequence[int]) -> None:
        """descriptors: the child's end of its line; stays the caller's."""
        spec = self._ground.spec(spec_from_json(message["spec"]))
        self._must_be_free(spec.id)
        trace = Trace("launcher")
        with recording(trace):
            try:
                self._make_first(message, spec, descriptors[0], trace)
            except OSError as error:
                self._launcher.register.remove_group(spec.cgroup, spec.id)
                self._refuse(message["request"], error, START_PREFIX, trace)

    def execute(self, message: Message) -> None:
        self._must_be_free(message["id"])
        first = self._launcher.register.running(message["container"])
        process = process_from_json(message["process"])
        trace = Trace("launcher")
        with recording(trace):
            try:
                self._fork_added(process, message["id"], first, message["request"], trace)
            except OSError as error:
                self._refuse(message["request"], error, EXEC_PREFIX, trace)

    def proceed(self, id: str) -> None:
        """A child that has stopped makes its next call."""
        birth = self._births.get(id)
        if birth is not None:
            try:
                birth.channel.send({"say": "next"})
            except Closed:
                return  # it is dying; its end is reported by its pidfd

    def hold(self, id: str, note: str, descriptors: list[int]) -> None:
        """Keeps the client's note and descriptors for as long as the process lives."""
        birth = self._births.get(id)
        if birth is not None:
            birth.entry.note = note or birth.entry.note
            birth.entry.held += descriptors
            descriptors.clear()

    def abort(self, id: str, reason: str = GIVEN_UP) -> None:
        birth = self._births.get(id)
        if birth is not None:
            birth.error = birth.error or {"kind": "Unavailable", "message": reason}
            pidfd_send_signal(birth.entry.pidfd, signal.SIGKILL)

    def close_stdin(self, id: str) -> None:
        """A client's input may end before the start does: `echo x | docker run -i …`."""
        birth = self._births.get(id)
        if birth is not None:
            birth.entry.close_stream("stdin")

    def give_up_waiting(self) -> None:
        """A first process waits for the client, who alone knows whether it has said that it may go on."""
        for id, birth in tuple(self._births.items()):
            if birth.entry.is_first:
                self.abort(id)

    # forks ------------------------------------------------------------------------------------------------------
    def _make_first(self, message: Message, spec: Spec, line: int, trace: Trace) -> None:
        owners = {item.namespace: self._launcher.register.running(item.container) for item in spec.joined}
        ends, (parent, child) = self._pipes.of(spec.process), _pair()
        own, held_still, zygote = -1, tuple[Entry, ...](), None
        folders: dict[tuple[int, int], int] = {}
        try:
            own = _user_namespace(spec, owners.values())
            if spec.ids is not None and own >= 0:
                wanted = {mount.owner for mount in spec.mounts if mount.owner is not None}
                folders |= {item: user_namespace.make(user_namespace.owned_by(spec.ids, item)) for item in wanted}
            held_still = self._hold_still(owners.get("pid"))
            given = Given(
                channel=child.fileno(),
                line=line,
                streams=ends.theirs,
                joins=tuple((owner.pidfd, name) for name, owner in owners.items() if name != "pid"),
                user_namespace=own,
                owners=folders,
            )
            zygote = self._zygote(message, spec, given)  # it prepares itself meanwhile
            made = self._make(message, spec, given, owners.get("pid"), zygote)
        except BaseException:
            parent.close()
            ends.close_ours()
            _let_move(held_still)
            if zygote is not None:
                self._zygotes.end(zygote)
            raise
        finally:
            ends.close_theirs()
            child.close()
            _close(own, *folders.values())
        namespaces = (*spec.namespaces, *owners, *(("user",) if own >= 0 else ()))
        entry = Entry(
            id=spec.id, container=spec.id, cgroup=spec.cgroup, namespaces=namespaces, pid=made.pid, pidfd=made.pidfd,
            streams=ends.ours, traces=own < 0 and _may_trace(spec),
            processes=owners["pid"].processes if "pid" in owners else spec.id if "pid" in spec.namespaces else "",
        )  # fmt: skip
        birth = Birth(
            entry=entry,
            client=self._launcher.clients,
            request=message["request"],
            channel=parent,
            trace=trace,
            zygote=made.zygote,
            stepped=message["stepped"],
            given=tuple(ends.ours),
            held_still=held_still,
        )
        self._watch(birth)
        self._introduce(birth)

    def _zygote(self, message: Message, spec: Spec, given: Given) -> Zygote | None:
        """One that has been told; None where this start is to be a fork."""
        alone = "pid" in spec.namespaces  # nobody else is in its pid namespace: it has one of its own
        order = zygotes.order(message["spec"], given) if alone and not message["stepped"] else None
        zygote = self._zygotes.ready() if order is not None and order.fits else None
        if order is None or zygote is None:
            return None
        try:
            zygote.tell(order)
        except zygotes.Lost:
            self._zygotes.end(zygote)
            return None
        return zygote

    def _make(self, message: Message, spec: Spec, given: Given, sister: Entry | None, zygote: Zygote | None) -> Made:
        """Its groups, then itself. On v2 it is born in its group: moving a process waits for an RCU grace period."""
        cgroups.create(spec.cgroup, spec.id, spec.resources, self._ground.device_rules(spec))
        group = cgroups.open_directory(spec.cgroup, spec.id) if cgroups.mode() == "v2" else -1
        try:
            if zygote is not None:
                try:
                    pid = recorded("clone3", zygotes.flags(into_group=group >= 0).name or "", zygote.bear, group)
                    return Made(pid, os.pidfd_open(pid), zygote)
                except zygotes.Lost:
                    self._zygotes.end(zygote)
            return self._fork_first(message, spec, given, sister, group)
        finally:
            _close(group)

    def _fork_first(self, message: Message, spec: Spec, given: Given, sister: Entry | None, group: int) -> Made:
        parts, filter_program = init.parts_of(spec, self._ground), init.filter_of(spec.process)
        pid, pidfd = self._forks.fork(
            None if sister is None else sister.pidfd,
            forking.first(new_pid="pid" in spec.namespaces, into_group=group >= 0),
            lambda: init.first_process(
                spec,
                given,
                parts=parts,
                filter_program=filter_program,
                in_cgroup=group >= 0,
                stepped=message["stepped"],
                ground=self._ground,
            ).now(),
            cgroup=group,
        )
        return Made(pid, pidfd)

    def _introduce(self, birth: Birth) -> None:
        """The client gets the pipes, so that they are ready before the exec."""
        entry = birth.entry
        event = {"event": "born", "id": entry.id, "pid": entry.pid, "streams": birth.given}
        self._launcher.reply(birth.client, event, tuple(entry.streams.values()))
        if birth.stepped:
            return  # how long it may stand still is the client's to say
        id, pid = entry.id, entry.pid  # not the birth: the timer outlives it
        self._launcher.loop.later(GO_DEADLINE, lambda: self._deadline(id, pid))

    def _fork_added(self, process: Process, id: str, first: Entry, request: int, trace: Trace) -> None:
        watched = bool(self._launcher.register.watchers(first.processes))
        home = Home(
            pid=first.pid, pidfd=first.pidfd, namespaces=first.namespaces, cgroup=first.cgroup, id=first.id,
            owner=_owner_of(first), watched=watched,
        )  # fmt: skip
        ends = self._pipes.of(process)
        parent, child = _pair()
        if watched:
            parent.expect_credentials()
        try:
            pid, pidfd = self._forks.fork(
                first.pidfd if "pid" in first.namespaces and not watched else None,
                forking.ADDED,
                lambda: _come_in(process, home, child, ends.theirs),
            )
        except OSError:
            parent.close()
            ends.close_ours()
            raise
        finally:
            ends.close_theirs()
            child.close()
        entry = Entry(
            id=id, container=first.id, cgroup=first.cgroup, namespaces=first.namespaces, pid=pid, pidfd=pidfd,
            streams=ends.ours,
        )  # fmt: skip
        client = self._launcher.clients
        birth = Birth(entry=entry, client=client, request=request, channel=parent, trace=trace)
        self._watch(birth)
        if watched:
            parent.hear_only(pid)
            parent.send(newcomer.task(process, home, ends.theirs))

    def _hold_still(self, owner: Entry | None) -> tuple[Entry, ...]:
        """A first process has to be in the other container's pid namespace from its birth on, because its /proc shows
        where it was mounted from: whoever could look into it there is frozen meanwhile."""
        watchers = self._launcher.register.watchers(owner.processes if owner is not None else "")
        held = tuple(one for one in watchers if not cgroups.is_frozen(one.cgroup, one.id))
        try:
            for one in held:
                cgroups.freeze(one.cgroup, one.id)
        except KernelRefused as error:
            _let_move(held)
            raise OSError(error.errno, error.message) from None
        return held

    # events -----------------------------------------------------------------------------------------------------
    def _watch(self, birth: Birth) -> None:
        birth.channel.socket.setblocking(False)
        self._births[birth.entry.id] = birth
        self._launcher.loop.watch(birth.channel.fileno(), lambda: self._hear(birth))
        self._launcher.loop.watch(birth.entry.pidfd, lambda: self._reap(birth))

    def _hear(self, birth: Birth) -> None:
        """What the child says, up to the end of its socket."""
        try:
            while True:
                messages = birth.channel.receive()
                if not messages:
                    return
                for message, descriptors in messages:
                    self._understand(birth, message, descriptors)
        except Closed:
            self._stop_listening(birth)

    def _understand(self, birth: Birth, message: Message, descriptors: list[int]) -> None:
        match message["say"]:
            case "stop":
                self._stopped(birth, message)
            case "exec":
                birth.steps = message.get("packed", b"")
                if "pid" in message:
                    self._moved(birth, message["pid"], descriptors.pop(0))
                if descriptors:
                    birth.entry.streams["console"] = descriptors[0]
                if birth.error is None:
                    self._started(birth)
            case "failed":
                birth.error, birth.steps = birth.error or message["error"], message.get("packed", b"")

    def _moved(self, birth: Birth, pid: int, pidfd: int) -> None:
        """Its sibling is the one that executes the program (`unseen`)."""
        before = birth.entry.pidfd
        self._launcher.loop.forget(before)
        self._launcher.loop.watch(before, lambda: self._bury(before))
        birth.entry.pid, birth.entry.pidfd = pid, pidfd
        self._launcher.loop.watch(pidfd, lambda: self._reap(birth))

    def _bury(self, pidfd: int) -> None:
        self._launcher.loop.forget(pidfd)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)

    def _stopped(self, birth: Birth, message: Message) -> None:
        made = [] if birth.told else [list(step) for step in birth.trace.steps]
        birth.told = True
        stop = {name: message[name] for name in ("call", "seen", "after")}
        self._launcher.reply(
            birth.client,
            {"event": "stopped", "id": birth.entry.id, "pid": birth.entry.pid, "launcher": made, **stop},
            packed=message.get("packed", b""),
        )

    def _started(self, birth: Birth) -> None:
        """execve(2) comes next. Its failure would be the process's own, with a word on its stderr, as with runc."""
        entry = birth.entry
        entry.started_at = time.time()
        _let_move(birth.held_still)
        del self._births[entry.id]
        self._launcher.register.drop(entry.id)
        self._launcher.register.add(entry)
        names = [name for name in entry.streams if name not in birth.given]
        reply = {
            "reply": birth.request,
            "pid": entry.pid,
            "started_at": entry.started_at,
            "streams": names,
            "launcher": [list(step) for step in birth.trace.steps],
        }
        self._launcher.reply(birth.client, reply, tuple(entry.streams[name] for name in names), birth.steps)

    def _reap(self, birth: Birth) -> None:
        """The child or its program has ended."""
        entry, pidfd = birth.entry, birth.entry.pidfd
        if birth.listening:
            self._hear(birth)
        if entry.pidfd != pidfd:
            return  # its last word was that it has moved
        result = os.waitid(os.P_PIDFD, entry.pidfd, os.WEXITED)
        assert result is not None
        self._launcher.loop.forget(entry.pidfd)
        code = result.si_status if result.si_code == os.CLD_EXITED else 128 + result.si_status
        if self._births.get(entry.id) is not birth:
            self._launcher.register.ended(entry, code)
            return
        self._stop_listening(birth)
        _let_move(birth.held_still)
        del self._births[entry.id]
        entry.close()
        if birth.zygote is not None:
            self._zygotes.end(birth.zygote)
        if entry.is_first:
            with recording(birth.trace):
                self._launcher.register.remove_group(entry.cgroup, entry.id)
        error = birth.error or _died(code, START_PREFIX if entry.is_first else EXEC_PREFIX)
        steps = [list(step) for step in birth.trace.steps]
        reply = {"reply": birth.request, "pid": entry.pid, "error": error, "launcher": steps}
        self._launcher.reply(birth.client, reply, packed=birth.steps)

    def _stop_listening(self, birth: Birth) -> None:
        if birth.listening:
            birth.listening = False
            self._launcher.loop.forget(birth.channel.fileno())
            birth.channel.close()

    def _deadline(self, id: str, pid: int) -> None:
        birth = self._births.get(id)
        if birth is not None and birth.entry.pid == pid:
            self.abort(id, f"nobody answered for {GO_DEADLINE:.0f} s while the network was attached")

    def _must_be_free(self, id: str) -> None:
        if id in self._births or self._launcher.register.is_running(id):
            raise Conflict(f"process {id} is already running")

    def _refuse(self, request: int, error: OSError, prefix: str, trace: Trace) -> None:
        steps = [list(step) for step in trace.steps]
        reply = {"reply": request, "pid": 0, "error": describe(error, prefix, trace), "launcher": steps}
        self._launcher.tell(reply)


def coming(spec: Spec) -> tuple[Call, ...]:
    """What a launch begins with: the launcher's own calls, in one go."""
    v2, source = cgroups.mode() == "v2", source_of(Births._make_first)
    groups = cgroups.directories_of(spec.cgroup, spec.id, spec.resources)
    flags = forking.first(new_pid="pid" in spec.namespaces, into_group=v2)
    clone = Call("launcher", "clone3", flags.name or "0", source)
    return (*(Call("launcher", "mkdir", directory, source) for directory in groups), clone)


def _come_in(process: Process, home: Home, channel: Channel, streams: Streams) -> NoReturn:
    if home.watched:
        newcomer.begin(channel, (*streams.descriptors(), home.pidfd))
    init.added_process(process, home, channel, streams)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


def _let_move(held: Iterable[Entry]) -> None:
    for one in held:
        if one.exited is None:
            cgroups.thaw(one.cgroup, one.id)


def _may_trace(spec: Spec) -> bool:
    """Whether it may look into other processes. One with --privileged needs no such way to this machine."""
    return not spec.privileged and bool(mask(spec.process.capabilities) & mask(("CAP_SYS_PTRACE",)))


def _owner_of(first: Entry) -> tuple[int, int] | None:
    """Who the root of its user namespace is outside."""
    if "user" not in first.namespaces:
        return None
    users, groups = (read(f"/proc/{first.pid}/{name}").split() for name in ("uid_map", "gid_map"))
    return int(users[1]), int(groups[1])


def _user_namespace(spec: Spec, owners: Iterable[Entry]) -> int:
    """A descriptor of a new one, or of that of the container whose other namespaces are entered; -1 = the host's."""
    if spec.ids is None:
        return -1
    for owner in owners:
        if "user" not in owner.namespaces:
            return -1
        return os.open(f"/proc/{owner.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    return user_namespace.make(spec.ids)


def _pair() -> tuple[Channel, Channel]:
    parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(parent), Channel(child)


def _died(code: int, prefix: str) -> Message:
    """The child ended without a word: killed by memory limit, or by a signal from outside."""
    reason = f"container init was killed by signal {code - 128}" if code > 128 else f"container init exited with {code}"
    if code == 128 + signal.SIGKILL:
        reason = "container init was OOM-killed (memory limit too low?)"
    return {"kind": "KernelRefused", "call": "execve", "errno": 0, "message": f"{prefix}{reason}: unknown"}
