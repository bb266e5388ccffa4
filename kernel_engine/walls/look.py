"""What can be seen from where a process stands, read by that process itself.

Also by a container's own child between its last wall and execve(2): so nothing is imported there, and nothing raised.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from kernel_engine.syscalls.libc import call
from kernel_engine.syscalls.mounts import mount
from kernel_engine.syscalls.netlink import Netlink
from kernel_engine.syscalls.process import CloneFlag, unshare

NAMESPACES = ("mnt", "pid", "uts", "ipc", "net", "cgroup", "user")
#: so many names of processes and files are kept
SHOWN = 40
_KEYCTL_GET_KEYRING_ID, _KEY_SPEC_SESSION_KEYRING = 0, -3
_LIMITS = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max")
_NONE = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look. What could not be read is empty."""

    pid: int  #: as the process numbers itself
    user: int
    host_name: str
    processes: tuple[str, ...]  #: names in the order of their numbers, SHOWN at most
    process_count: int
    interfaces: tuple[str, ...]
    queues: tuple[str, ...]  #: message queues of the IPC namespace (mq_overview(7))
    root: tuple[str, ...]  #: names in /
    mount_count: int
    cgroup: str  #: the group's path (proc_pid_cgroup(5))
    memory_limit: str
    capabilities: int  #: CapEff, a bit mask
    seccomp: int  #: 0 none, 2 a filter
    user_map: str  #: lines of uid_map
    namespaces: dict[str, int]  #: kind → inode
    calls: dict[str, str]  #: what was asked of the kernel → "" or the errno's name


def look(queues: str = "/dev/mqueue", calls: tuple[str, ...] = ()) -> Seen:
    """queues: where the namespace's message queues are mounted. calls: names in CALLS, to be tried."""
    numbers = sorted(int(name) for name in _names("/proc") if name.isdigit())
    status = dict(line.partition(":\t")[::2] for line in _read("/proc/self/status").splitlines())
    return Seen(
        pid=os.getpid(),
        user=os.geteuid(),
        host_name=os.uname().nodename,
        processes=tuple(_read(f"/proc/{number}/comm").strip() for number in numbers[:SHOWN]),
        process_count=len(numbers),
        interfaces=tuple(sorted(name for _, name in socket.if_nameindex())),
        queues=_names(queues),
        root=_names("/")[:SHOWN],
        mount_count=_read("/proc/self/mountinfo").count("\n"),
        cgroup=_group(_read("/proc/self/cgroup")),
        memory_limit=_limit(_group(_read("/proc/self/cgroup"))),
        capabilities=int(status.get("CapEff", "0"), 16),
        seccomp=int(status.get("Seccomp", "0")),
        user_map=" ".join(_read("/proc/self/uid_map").split()),
        namespaces={kind: inode for kind in NAMESPACES if (inode := _inode(f"/proc/self/ns/{kind}"))},
        calls={name: _tried(CALLS[name]) for name in calls},
    )


# calls that are tried ------------------------------------------------------------------------------------------------
def _add_interface() -> None:
    with Netlink() as netlink:
        netlink.add_bridge("tried")
        netlink.delete_link("tried")


def _ask_keyring() -> None:
    call("keyctl", _KEYCTL_GET_KEYRING_ID, _KEY_SPEC_SESSION_KEYRING, 0, 0, 0, traced=False)


#: each leaves nothing behind: it is done by a child that ends
CALLS: dict[str, Callable[[], None]] = {
    "unshare(CLONE_NEWUSER)": lambda: unshare(CloneFlag.CLONE_NEWUSER),
    "keyctl(KEYCTL_GET_KEYRING_ID)": _ask_keyring,
    "mount(tmpfs)": lambda: mount("tmpfs", "/proc", "tmpfs"),
    "netlink RTM_NEWLINK(bridge)": _add_interface,
}


def _tried(work: Callable[[], None]) -> str:
    """ "" when the kernel did it, else the errno's name."""
    try:
        pid = os.fork()
    except OSError as error:
        return _name(error.errno or 0)
    if pid == 0:
        code = _NONE
        try:
            work()
            code = 0
        except OSError as error:
            code = min(error.errno or _NONE, 255)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return _name(code) if code else ""


def _name(code: int) -> str:
    return errno.errorcode.get(code, str(code))


# reading -------------------------------------------------------------------------------------------------------------
def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(1 << 20).decode(errors="replace")
    except OSError:
        return ""


def _names(path: str) -> tuple[str, ...]:
    try:
        return tuple(sorted(os.listdir(path)))
    except OSError:
        return ()


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _group(text: str) -> str:
    """The path in the hierarchy that limits memory."""
    paths = {names: path for _, names, path in (line.split(":", 2) for line in text.splitlines())}
    return paths.get("memory") or paths.get("", "")


def _limit(group: str) -> str:
    """Bytes, or "max"; a group without a limit has the machine's page counter's last number on v1."""
    for path in (*_LIMITS, f"/sys/fs/cgroup{group}/memory.max"):
        if text := _read(path).strip():
            return "max" if text.isdigit() and int(text) > 1 << 60 else text
    return ""
