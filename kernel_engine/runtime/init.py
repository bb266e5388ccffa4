"""The child: the whole life of a container's process from the fork to execve(2), top to bottom.

Forked by the launcher, which preloaded everything: nothing is imported here. Errors go back over the handshake and
never to a terminal. `first_process` makes a container; `added_process` enters one that runs.
"""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import NoReturn

from kernel_engine.errors import InvalidRequest, StartFailed
from kernel_engine.runtime import accounts, cgroups, console, devices, plan, program, rootfs, security, unseen
from kernel_engine.runtime import user_namespace as user_namespaces
from kernel_engine.runtime.beneath import Root
from kernel_engine.runtime.channel import Channel, Closed
from kernel_engine.runtime.defaults import INIT_PATH
from kernel_engine.runtime.ground import PLAIN, Ground
from kernel_engine.runtime.handshake import Handshake
from kernel_engine.runtime.plan import FileSystem
from kernel_engine.runtime.rootfs import Source
from kernel_engine.runtime.spec import Device, Mount, Process, Spec
from kernel_engine.syscalls import process as sys
from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.process import CloneFlag, Execution
from kernel_engine.syscalls.trace import Trace, recording

START_PREFIX = (
    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
)
EXEC_PREFIX = "OCI runtime exec failed: exec failed: unable to start container process: "

NAMESPACES = {
    "mount": CloneFlag.CLONE_NEWNS,
    "uts": CloneFlag.CLONE_NEWUTS,
    "ipc": CloneFlag.CLONE_NEWIPC,
    "net": CloneFlag.CLONE_NEWNET,
    "cgroup": CloneFlag.CLONE_NEWCGROUP,
    "user": CloneFlag.CLONE_NEWUSER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The process's ends of its pipes (or the host's /dev/null). With a terminal all are None."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None

    def descriptors(self) -> tuple[int, ...]:
        return tuple(fd for fd in (self.stdin, self.stdout, self.stderr) if fd is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The running container that an added process enters."""

    pid: int  #: of its first process, as the host sees it
    pidfd: int
    namespaces: tuple[str, ...]
    cgroup: str
    id: str
    owner: tuple[int, int] | None = None  #: who the root of its user namespace is outside; None = it has none
    watched: bool = False  #: somebody in its pid namespace may look into other processes (`unseen`)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a container's root is made of besides its overlay."""

    mounts: tuple[Mount, ...]
    systems: tuple[FileSystem, ...]
    nodes: tuple[Device, ...]


def parts_of(spec: Spec, ground: Ground) -> Parts:
    init = (Mount(type="bind", source=spec.init, target=INIT_PATH, read_only=True),) if spec.init else ()
    mode = cgroups.mode()
    points = cgroups.groups_v1(spec.resources) if mode == "v1" else {}
    return Parts(
        mounts=(*spec.mounts, *init),
        systems=plan.standard(
            spec,
            mode,
            points,
            foreign=ground.foreign if ground.in_user_namespace else frozenset(),
            groups=ground.groups,
            queues=os.path.isdir(plan.QUEUES),
        ),
        nodes=(*spec.devices, *(devices.of_host() if spec.privileged else ())),
    )


def filter_of(process: Process) -> bytes:
    return _read_filter(process.seccomp) if process.seccomp else b""


@lru_cache(maxsize=8)
def _read_filter(path: str) -> bytes:
    """The file is named after what is in it."""
    with open(path, "rb", buffering=0) as file:
        return file.read()


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Descriptors that a container's first process is made with; -1 and None: none."""

    channel: int  #: the launcher's at its other end
    line: int  #: the client's
    streams: Streams
    joins: tuple[tuple[int, str], ...]  #: pidfds of other containers, and the namespace that is entered
    user_namespace: int  #: the one of `spec.ids`, or the host's
    owners: Mapping[tuple[int, int], int]  #: see `rootfs.open_inside`

    def descriptors(self) -> tuple[int, ...]:
        every = (self.channel, self.line, *self.streams.descriptors(), self.user_namespace)
        joins = (pidfd for pidfd, _ in self.joins)
        return tuple({fd: None for fd in (*every, *joins, *self.owners.values()) if fd >= 0})


def first_process(
    spec: Spec,
    given: Given,
    *,
    parts: Parts,
    filter_program: bytes,
    in_cgroup: bool,
    stepped: bool = False,
    ground: Ground = PLAIN,
) -> Execution:
    """Makes the container around this process, up to its program. `in_cgroup`: clone3 put it there (v2).

    parts, filter_program: `parts_of` and `filter_of`, decided before, because a fork pays for whatever it touches.
    stepped: it waits before each kernel call until somebody goes on.
    """
    streams, user_namespace, owners = given.streams, given.user_namespace, given.owners
    mapped = user_namespace >= 0

    def live(handshake: Handshake) -> Execution:
        spaces = (user_namespace, *owners.values()) if mapped else ()
        others = (*(pidfd for pidfd, _ in given.joins), *spaces, *ground.kept)
        _leave_the_launcher(handshake, (*streams.descriptors(), *others))
        if not in_cgroup:
            cgroups.enter(spec.cgroup, spec.id, spec.resources)
        security.set_limits(spec.process)
        memory = next((rootfs.open_memory(pidfd) for pidfd, name in given.joins if name == "ipc"), None)
        sources: tuple[Source, ...] = ()
        if mapped:
            sources = _enter_user_namespace(spec, parts, streams, user_namespace, owners)
        sys.unshare(namespace_flags(spec.namespaces))
        for pidfd, name in given.joins:
            sys.setns(pidfd, namespace_flags((name,)), show=f"pidfd, {_names((name,))}")
        rootfs.write_sysctls(spec.sysctls)  # before the network comes, whose interfaces differ from them
        _tell_created(spec, handshake)
        if mapped:
            root = rootfs.mounted_again(spec.rootfs.target)
        else:
            root, sources = _lay(spec, parts, ground)
        terminal = _furnish(root, spec, parts, sources, memory, mapped=mapped, ground=ground)
        _name_machine(spec)
        return _become(
            _under_init(spec),
            handshake,
            streams,
            terminal,
            filter_program,
            make_cwd=True,
            mapped=mapped or ground.in_user_namespace,
            look=ground.look,
        )

    return _run(live, _channel(given.channel), START_PREFIX, line=_channel(given.line), stepped=stepped)


def added_process(process: Process, home: Home, channel: Channel, streams: Streams) -> NoReturn:
    """Enters a running container and becomes one more program in it. It was born in the container's pid namespace, or,
    where it would be watched there, only its sibling is."""

    def live(handshake: Handshake) -> Execution:
        _leave_the_launcher(handshake, (*streams.descriptors(), home.pidfd))
        cgroups.join(home.cgroup, home.id, home.pid)
        security.set_limits(process)
        filter_program = filter_of(process)
        if home.owner is not None:
            security.own_streams(*home.owner, streams.descriptors())
        unseen_until_exec = CloneFlag.CLONE_NEWPID if home.watched else CloneFlag(0)
        flags = namespace_flags(home.namespaces) | unseen_until_exec
        sys.setns(home.pidfd, flags, show=f"pidfd, {flags.name or ''}")
        os.close(home.pidfd)
        mapped = "user" in home.namespaces
        if mapped:
            user_namespaces.become_root()
        os.chdir("/")
        terminal = console.open_pair(Root.at("/"), process.rows, process.columns) if process.terminal else None
        return _become(
            process, handshake, streams, terminal, filter_program, make_cwd=False, mapped=mapped, watched=home.watched
        )

    _run(live, channel, EXEC_PREFIX).now()


def namespace_flags(names: tuple[str, ...]) -> CloneFlag:
    flags = CloneFlag(0)
    for name in names:
        flags |= NAMESPACES.get(name, CloneFlag(0))
    return flags


def _names(names: tuple[str, ...]) -> str:
    return namespace_flags(names).name or ""


def _channel(end: int) -> Channel:
    return Channel(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=end))


def _run(
    live: Callable[[Handshake], Execution],
    channel: Channel,
    prefix: str,
    *,
    line: Channel | None = None,
    stepped: bool = False,
) -> Execution:
    """Whatever fails here ends the process: nothing of its maker's Python state may unwind in it."""
    gc.disable()
    trace = Trace("child", pid=0)
    handshake = Handshake(channel, trace, line)
    if stepped:
        trace.before = handshake.stop
    try:
        with recording(trace):
            return live(handshake)
    except Closed:
        os._exit(1)
    except BaseException as error:
        try:
            handshake.failed(error, prefix)
        finally:
            os._exit(1)


def _leave_the_launcher(handshake: Handshake, kept: tuple[int, ...]) -> None:
    """A session of its own, no descriptor of the launcher's or of another container's, death with the launcher."""
    sys.setsid()
    security.die_with_launcher()
    security.own_keys()
    os.umask(0)
    first = 3
    for fd in sorted({*kept, *handshake.descriptors()}):
        if fd > first:
            sys.close_range(first, fd - 1)
        first = max(first, fd + 1)
    sys.close_range(first)


def _tell_created(spec: Spec, handshake: Handshake) -> None:
    if "net" not in spec.namespaces:
        return handshake.created(None)
    with Netlink() as netlink:  # belongs to the new namespace for ever, whoever holds it
        return handshake.created(netlink.fileno())


def _lay(spec: Spec, parts: Parts, ground: Ground) -> tuple[Root, tuple[Source, ...]]:
    """The overlay, and everything that is bound into it, opened: all that looks at the host's files."""
    sources = rootfs.open_sources(parts.mounts)
    rootfs.detach_from_host()
    sources += rootfs.open_inside(parts.mounts, spec.rootfs.target)
    return rootfs.mount_overlay(spec.rootfs, in_user_namespace=ground.in_user_namespace), sources


def _enter_user_namespace(
    spec: Spec, parts: Parts, streams: Streams, user_namespace: int, owners: Mapping[tuple[int, int], int]
) -> tuple[Source, ...]:
    """The same, and what only the host may mount, in a mount namespace of the host's; then this process has no rights
    on the host any more.

    The overlay is its working directory, and stays so in the mount namespace that belongs to the user namespace.
    """
    assert spec.ids is not None
    sys.unshare(CloneFlag.CLONE_NEWNS)
    sources = rootfs.open_sources(parts.mounts, user_namespace)
    rootfs.detach_from_host()
    sources += rootfs.open_inside([mount for mount in parts.mounts if not mount.mapped], spec.rootfs.target, owners)
    rootfs.map_store(spec.rootfs.store, user_namespace)
    user_namespaces.own_files(spec.ids, security.AVAILABLE)
    sources += rootfs.open_inside([mount for mount in parts.mounts if mount.mapped], spec.rootfs.target)
    root = rootfs.mount_overlay(spec.rootfs)
    rootfs.mount_standard(root, [system for system in parts.systems if _is_the_hosts(system, spec)])
    os.fchdir(root.fd)
    root.close()
    security.own_streams(*spec.ids.root, streams.descriptors())
    user_namespaces.enter(user_namespace)
    return sources


def _is_the_hosts(system: FileSystem, spec: Spec) -> bool:
    """Whether the root of a user namespace could not mount it: the namespace of processes is the launcher's gift, and
    that of the network the engine's own where the container has none."""
    own_network = "net" in spec.namespaces or any(each.namespace == "net" for each in spec.joined)
    return system.type == "proc" or (system.type == "sysfs" and not own_network)


def _furnish(
    root: Root,
    spec: Spec,
    parts: Parts,
    sources: tuple[Source, ...],
    memory: int | None,
    *,
    mapped: bool,
    ground: Ground,
) -> tuple[int, int] | None:
    """Everything about mounts above the overlay, in the one order that works. Gives the terminal (master, slave)
    where one is asked.

    memory: another container's /dev/shm. mapped: what only the host may mount is there already.
    """
    systems = [system for system in parts.systems if not (mapped and _is_the_hosts(system, spec))]
    rootfs.mount_standard(root, systems)
    if memory is not None:
        rootfs.attach_memory(root, memory)
    if not spec.privileged and any(s.target == plan.CGROUP_ROOT and s.type == "tmpfs" for s in systems):
        rootfs.remount_read_only(root, plan.CGROUP_ROOT)
    if plan.has_own_dev(spec):
        devices.populate(root, parts.nodes, bound=mapped or ground.in_user_namespace)
    rootfs.mount_extra(root, parts.mounts, sources)
    terminal = None
    if spec.process.terminal:
        terminal = console.open_pair(root, spec.process.rows, spec.process.columns)
        console.bind_console(root, terminal[1])
    rootfs.make_read_only(root, spec.readonly_paths)
    rootfs.mask(root, spec.masked_paths)
    if ground.pivots:
        rootfs.enter(root, read_only=spec.rootfs.read_only)
    root.close()
    return terminal


def _name_machine(spec: Spec) -> None:
    if "uts" in spec.namespaces:
        if spec.hostname:
            sys.sethostname(spec.hostname)
        if spec.domainname:
            sys.setdomainname(spec.domainname)


def _under_init(spec: Spec) -> Process:
    """With --init the program is started by tini, which is PID 1 and reaps orphans."""
    if not spec.init:
        return spec.process
    return replace(spec.process, args=(INIT_PATH, "--", *spec.process.args))


def _become(
    process: Process,
    handshake: Handshake,
    streams: Streams,
    terminal: tuple[int, int] | None,
    filter_program: bytes,
    *,
    make_cwd: bool,
    mapped: bool,
    watched: bool = False,
    look: Callable[[], None] | None = None,
) -> Execution:
    """Streams, user, rights, up to the program itself. mapped: this is a user namespace's root, not the host's.
    watched: see `unseen`."""
    passwd, group = accounts.read_file("/etc/passwd"), accounts.read_file("/etc/group")
    account = accounts.find(process.user, process.groups, passwd, group)
    _connect(streams, terminal, account.uid, controlling=not watched)
    _enter_directory(process.cwd, make=make_cwd)
    os.umask(0o022)
    security.apply(process, account, filter_program, available=security.ALL if mapped else security.AVAILABLE)
    security.die_with_launcher()
    environment = _environment(process.env, account.home)
    if look is not None:
        look()
    path = program.find(process.args[0], environment.get("PATH", ""))
    handshake.wait_for_go()
    security.reset_signals()
    sys.close_range(3, flags=sys.CLOSE_RANGE_CLOEXEC)
    console_end = None if terminal is None else terminal[0]
    last = partial(unseen.step_in, handshake, console_end) if watched else partial(handshake.about_to_exec, console_end)
    return sys.about_to_execve(path, process.args, environment, last=last, refused=partial(_not_executed, path))


def _not_executed(path: str, code: int) -> None:
    """The container counts as started: a bad interpreter is its own failure, on its own stderr."""
    os.write(2, f"exec {path}: {os.strerror(code).lower()}\n".encode(errors="surrogateescape"))


def _connect(streams: Streams, terminal: tuple[int, int] | None, uid: int, *, controlling: bool) -> None:
    if terminal is not None:
        return console.take(terminal[1], uid, controlling=controlling)
    for number, fd in enumerate((streams.stdin, streams.stdout, streams.stderr)):
        if fd is not None:
            os.dup2(fd, number)
    return security.own_streams(uid)


def _enter_directory(cwd: str, *, make: bool) -> None:
    path = cwd or "/"
    try:
        if make and path != "/":
            os.makedirs(path, 0o755, exist_ok=True)
        os.chdir(path)
        os.getcwd()  # ENOENT where a hostile image led outside its root (CVE-2024-21626)
    except (FileExistsError, NotADirectoryError) as error:
        if make:
            raise InvalidRequest(f"Cannot mkdir: {path} is not a directory") from None
        raise _bad_directory(path, (error.strerror or "").lower()) from None
    except OSError as error:
        raise _bad_directory(path, (error.strerror or "").lower()) from None


def _bad_directory(path: str, reason: str) -> Exception:
    code = program.NOT_FOUND if reason == "no such file or directory" else program.NOT_EXECUTABLE
    return StartFailed(f'chdir to cwd ("{path}") set in config.json failed: {reason}', exit_code=code)


def _environment(words: tuple[str, ...], home: str) -> dict[str, str]:
    environment = dict(word.split("=", 1) for word in words if "=" in word)
    if not environment.get("HOME"):
        environment["HOME"] = home
    return environment
