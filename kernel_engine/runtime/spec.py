"""What a container is, as the runtime sees it: frozen values, decided by others, carried out by `init`.

No image, no registry, no container name, no port appears here. The values travel to the launcher as JSON (`as_json`,
`from_json` in `channel`), so they hold only plain types.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Rootfs:
    """An overlay, given as directories; the mount happens inside the container's own mount namespace.

    `lower` is topmost first, as mount(2) wants it; `base` is the directory that `lower`, `upper` and `work` are
    relative to (short paths, because the option string of mount(2) is one page long).
    """

    base: str
    lower: tuple[str, ...]
    upper: str
    work: str
    target: str  #: an existing empty directory that becomes `/`
    store: str = ""  #: with `Spec.ids`: the directory on whose file system, and beneath which, all of these lie
    read_only: bool = False
    volatile: bool = False  #: fsync(2) need not reach the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount beneath the new root, done after the standard ones (/proc, /dev, /sys, …), in order.

    "inside" is a bind of what `source` names inside `lower`: directories whose links are not trusted, such as an
    image's layers, topmost first. With `upper` and `work` it can be written to, and `lower` stays as it is.
    """

    type: str  #: "bind" | "tmpfs" | "inside"
    target: str  #: absolute, inside the container; resolved beneath the root, made where missing
    source: str = ""  #: bind: absolute host path (file or directory); inside: a path beneath `lower`
    lower: tuple[str, ...] = ()  #: inside: directories relative to `base`
    base: str = ""
    upper: str = ""  #: inside: empty = read-only
    work: str = ""
    read_only: bool = False
    options: str = ""  #: tmpfs: the data string of mount(2), e.g. "size=65536k,mode=1777"
    propagation: str = "rprivate"
    recursive: bool = True  #: bind: with what is mounted below the source
    read_only_below: bool = True  #: read_only holds for what is mounted below, too
    owner: tuple[int, int] | None = None  #: inside, with `Spec.ids`: this user and group of the disk are the root's
    mapped: bool = False  #: bind and inside, with `Spec.ids`: the owners on the disk are the container's ids


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRange:
    """`count` ids: `inside` of a user namespace and `outside` of it (user_namespaces(7))."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """Whom the users and groups of a user namespace are outside of it. Both begin with the namespace's root."""

    users: tuple[IdRange, ...]
    groups: tuple[IdRange, ...]

    @property
    def root(self) -> tuple[int, int]:
        """The namespace's user 0 and group 0, outside."""
        return self.users[0].outside, self.groups[0].outside

    def outside(self, user: int, group: int) -> tuple[int, int]:
        """A user and a group of the namespace, outside; the root's for one that is not in it."""
        return _outside(self.users, user), _outside(self.groups, group)


def _outside(ranges: tuple[IdRange, ...], number: int) -> int:
    for item in ranges:
        if item.inside <= number < item.inside + item.count:
            return item.outside + number - item.inside
    return ranges[0].outside


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRule:
    """One line of the device allow-list: type a|b|c, major and minor (-1 = any), access of `rwm`."""

    allow: bool
    type: str = "a"
    major: int = -1
    minor: int = -1
    access: str = "rwm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device node to make in /dev (mknod, or a bind of the host's node where mknod is refused)."""

    path: str
    type: str  #: "c" | "b"
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits. None or 0 means: no limit set. Bytes, microseconds, counts."""

    memory: int = 0
    memory_swap: int = 0  #: memory + swap as Docker counts; -1 = unlimited swap
    memory_reservation: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int = 0  #: -1 or 0 = unlimited
    oom_kill_disable: bool = False
    every_controller: bool = False  #: groups of its own in all of them: an engine may run in it (privileged)
    devices: tuple[DeviceRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlimit:
    name: str  #: "nofile", "core", …
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A program to run inside a container: its first process, or one added by exec."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""  #: Docker's USER word, "name|uid[:group|gid]"; looked up in the container's own /etc/passwd
    groups: tuple[str, ...] = ()  #: additional groups (--group-add), names or numbers
    terminal: bool = False
    rows: int = 0
    columns: int = 0
    open_stdin: bool = False
    capabilities: tuple[str, ...] = ()  #: "CAP_CHOWN", …; ("ALL",) = every one that the kernel and the host give
    no_new_privileges: bool = False
    seccomp: str = ""  #: path of a file with the compiled BPF program (sock_filter[]); "" = unconfined
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A namespace of another container that runs, entered instead of a new one."""

    namespace: str  #: "net" | "pid" | "ipc", which brings the other one's /dev/shm
    container: str  #: the other one's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Everything that the launcher needs to start a container's first process."""

    id: str  #: the container's 64 hex digits: the name of its cgroup too
    process: Process
    rootfs: Rootfs
    cgroup: str  #: the instance's cgroup directory (`Instance.cgroup`)
    hostname: str = ""
    domainname: str = ""
    #: the new ones, of "mount", "pid", "uts", "ipc", "net", "cgroup"; one left out is joined, or shared with the host
    namespaces: tuple[str, ...] = ("mount", "pid", "uts", "ipc", "net", "cgroup")
    joined: tuple[Joined, ...] = ()
    ids: Ids | None = None  #: a user namespace of its own, which all its other namespaces belong to; None = the host's
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()  #: besides the standard ones (null zero full random urandom tty)
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    sysctls: tuple[tuple[str, str], ...] = ()
    init: str = ""  #: host path of a static init (tini) to run as PID 1 before the process; "" = none
    privileged: bool = False  #: /sys and cgroups writable, the host's devices
    shm_size: int = 64 * 1024 * 1024  #: 0 = no /dev/shm
