"""Calls about processes: clone3, unshare, setns, prctl, capset, seccomp, pidfd_*, set*id, execve.

One thin function for each, named as its man page. The order in which a container's process makes them is `runtime`'s.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum, IntFlag
from typing import NamedTuple, NoReturn

from kernel_engine.syscalls.libc import announce, call, recorded


class CloneFlag(IntFlag):
    """CLONE_*, clone(2)."""

    CLONE_VM = 0x100
    CLONE_PIDFD = 0x1000
    CLONE_VFORK = 0x4000
    CLONE_PARENT = 0x8000
    CLONE_NEWNS = 0x20000
    CLONE_PARENT_SETTID = 0x100000
    CLONE_NEWCGROUP = 0x2000000
    CLONE_NEWUTS = 0x4000000
    CLONE_NEWIPC = 0x8000000
    CLONE_NEWUSER = 0x10000000
    CLONE_NEWPID = 0x20000000
    CLONE_NEWNET = 0x40000000
    CLONE_INTO_CGROUP = 0x200000000


class Prctl(IntEnum):
    """PR_*, prctl(2)."""

    PR_SET_PDEATHSIG = 1
    PR_SET_DUMPABLE = 4
    PR_SET_KEEPCAPS = 8
    PR_SET_NAME = 15
    PR_CAPBSET_READ = 23
    PR_CAPBSET_DROP = 24
    PR_SET_CHILD_SUBREAPER = 36
    PR_SET_NO_NEW_PRIVS = 38
    PR_CAP_AMBIENT = 47


PR_CAP_AMBIENT_CLEAR_ALL = 4
KEYCTL_JOIN_SESSION_KEYRING = 1
SECCOMP_SET_MODE_FILTER = 1
CLOSE_RANGE_CLOEXEC = 4
P_PIDFD = 3
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

_clone_args = struct.Struct("=11Q")
_PARENT = int(CloneFlag.CLONE_PARENT)
_python = ctypes.pythonapi


def clone3(flags: CloneFlag, *, cgroup: int = -1) -> tuple[int, int]:
    """Forks this (single-threaded) Python process: (0, -1) in the child, (pid, pidfd) in the parent.

    With CLONE_INTO_CGROUP the child is born in the cgroup v2 directory that `cgroup` is open on. The interpreter is
    told by the same hooks that os.fork(2) uses. The pidfd is close-on-exec (clone(2)).
    """
    pidfd = ctypes.c_int(-1)
    packed = ctypes.create_string_buffer(pack_clone_args(flags, pidfd=ctypes.addressof(pidfd), cgroup=cgroup))
    _python.PyOS_BeforeFork()
    try:
        pid = call("clone3", packed, _clone_args.size, show=flags.name or "0")
    except OSError:
        _python.PyOS_AfterFork_Parent()
        raise
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0, -1
    _python.PyOS_AfterFork_Parent()
    return pid, pidfd.value


def pack_clone_args(
    flags: int, *, pidfd: int = 0, parent_tid: int = 0, stack: tuple[int, int] = (0, 0), cgroup: int = -1
) -> bytes:
    """struct clone_args, clone3(2). pidfd, parent_tid: addresses; stack: address and size of the child's own."""
    # SIGCHLD: what lets waitid(2) reap it without __WCLONE; a sister has this process's own
    exit_signal = 0 if flags & _PARENT else 17
    return _clone_args.pack(flags, pidfd, 0, parent_tid, exit_signal, *stack, 0, 0, 0, max(cgroup, 0))


def clone_sibling() -> tuple[int, int]:
    """Forks a child of this process's own parent: (0, -1) in it, (pid, pidfd) here.

    By clone(2), which the filter of a container lets through where it knows nothing of clone3. Never recorded: the
    trace of who calls it is about to be told.
    """
    pidfd = ctypes.create_string_buffer(4)
    _python.PyOS_BeforeFork()
    try:
        # a sibling's end is announced to its parent as this process's would be: no signal is named here
        pid = call("clone", CloneFlag.CLONE_PARENT | CloneFlag.CLONE_PIDFD, None, pidfd, None, None, traced=False)
    except OSError:
        _python.PyOS_AfterFork_Parent()
        raise
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0, -1
    _python.PyOS_AfterFork_Parent()
    return pid, int.from_bytes(pidfd.raw, sys.byteorder)


def unshare(flags: CloneFlag) -> None:
    call("unshare", flags, show=flags.name or "0")


def setns(fd: int, flags: CloneFlag, *, show: str = "") -> None:
    """`fd` is a namespace file or a pidfd (then `flags` may name several namespaces, Linux 5.8)."""
    call("setns", fd, flags, show=show or f"{fd}, {flags.name}")


def pidfd_open(pid: int) -> int:
    return call("pidfd_open", pid, 0, show=str(pid))


def pidfd_send_signal(pidfd: int, number: int) -> None:
    call("pidfd_send_signal", pidfd, number, None, 0, show=f"{pidfd}, {number}")


def kill(pid: int, number: int) -> None:
    recorded("kill", f"{pid}, {number}", os.kill, pid, number)


def end_with(life: Callable[[], object]) -> NoReturn:
    """The rest of a forked child: `life`, and _exit(2). Nothing of who forked it may unwind here."""
    try:
        life()
        os._exit(0)
    except SystemExit:
        os._exit(0)
    except BaseException:
        import traceback  # late: few need it

        traceback.print_exc()
    finally:
        os._exit(1)


def pidfd_getfd(pidfd: int, fd: int) -> int:
    """A duplicate of another process's descriptor, close-on-exec (as ptrace(2) would let this process see it)."""
    return call("pidfd_getfd", pidfd, fd, 0, show=f"{pidfd}, {fd}")


def prctl(option: Prctl, argument: int = 0, third: int = 0, *, show: str = "", traced: bool = True) -> int:
    words = f"{option.name}, {show or argument}" if traced else ""  # said 27 times for each container
    return call("prctl", option, argument, third, 0, 0, show=words, traced=traced)


def join_session_keyring(*, traced: bool = True) -> None:
    """A new, empty one: keys that were inherited are nobody's here (session-keyring(7))."""
    call("keyctl", KEYCTL_JOIN_SESSION_KEYRING, None, 0, 0, 0, show="KEYCTL_JOIN_SESSION_KEYRING", traced=traced)


def set_name(name: str) -> None:
    """What `ps` and `top` call this process; at most 15 bytes count."""
    text = ctypes.create_string_buffer(name.encode()[:15])
    call("prctl", Prctl.PR_SET_NAME, text, 0, 0, 0, show=f"PR_SET_NAME, {name}")


def capset(effective: int, permitted: int, inheritable: int, *, show: str = "") -> None:
    """Bit masks, bit n = capability n of linux/capability.h."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _LINUX_CAPABILITY_VERSION_3, 0))
    low, high = 0xFFFFFFFF, 32
    words = (
        effective & low, permitted & low, inheritable & low,
        effective >> high, permitted >> high, inheritable >> high,
    )  # fmt: skip
    data = ctypes.create_string_buffer(struct.pack("=6I", *words))
    call("capset", header, data, show=show or f"effective={effective:#x} permitted={permitted:#x}")


def seccomp(program: bytes) -> None:
    """Installs a filter: `program` is sock_filter[] as libseccomp exports it. EACCES without CAP_SYS_ADMIN and
    without no_new_privs, seccomp(2)."""
    instructions = len(program) // 8
    filters = ctypes.create_string_buffer(program, len(program))
    sock_fprog = ctypes.create_string_buffer(struct.pack("@HP", instructions, ctypes.addressof(filters)))
    arguments = f"SECCOMP_SET_MODE_FILTER, {instructions} instructions"
    call("seccomp", SECCOMP_SET_MODE_FILTER, 0, sock_fprog, show=arguments)


def setgroups(groups: Sequence[int]) -> None:
    recorded("setgroups", " ".join(map(str, groups)) or "none", os.setgroups, list(groups))


def setresgid(gid: int) -> None:
    call("setresgid", gid, gid, gid, show=str(gid))


def setresuid(uid: int) -> None:
    call("setresuid", uid, uid, uid, show=str(uid))


def setfsgid(gid: int) -> None:
    """Whose group new files are; every other access goes on with the group that the process has."""
    call("setfsgid", gid, show=str(gid))


def setfsuid(uid: int) -> None:
    """The same for the user. Whoever is not 0 loses the capabilities about files, capabilities(7)."""
    call("setfsuid", uid, show=str(uid))


def setsid() -> None:
    recorded("setsid", "", os.setsid)


def sethostname(name: str) -> None:
    data = name.encode()
    call("sethostname", data, len(data), show=name)


def setdomainname(name: str) -> None:
    data = name.encode()
    call("setdomainname", data, len(data), show=name)


def setrlimit(name: str, soft: int, hard: int) -> None:
    """`name` as in `RLIMIT_NAME`, upper case; -1 = RLIM_INFINITY. ValueError for an unknown one, or soft > hard."""
    number = int(getattr(resource, f"RLIMIT_{name}"))
    recorded("setrlimit", f"RLIMIT_{name}, {soft}:{hard}", resource.setrlimit, number, (soft, hard))


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    show = f"{first}, {last}{', CLOSE_RANGE_CLOEXEC' if flags & CLOSE_RANGE_CLOEXEC else ''}"
    call("close_range", first, last, flags, show=show, traced=bool(flags))


def execve(
    path: str, args: Sequence[str], environment: Mapping[str, str], *, last: Callable[[], None] | None = None
) -> None:
    """Recorded before the call, after which nobody is left to record; then `last` is called, and then the kernel.

    Returns only by raising OSError.
    """
    announce("execve", f"{path} {list(args)}")
    if last is not None:
        last()
    os.execve(path, list(args), dict(environment))


class Execution(NamedTuple):
    """An execve(2) that is announced, and nothing else is left to be done."""

    path: str
    args: Sequence[str]
    environment: Mapping[str, str]
    refused: Callable[[int], None]  #: hears the errno where the kernel does not do it

    def now(self) -> NoReturn:
        try:
            os.execve(self.path, list(self.args), dict(self.environment))
        except OSError as error:
            self.refused(error.errno or 0)
        os._exit(1)


def about_to_execve(
    path: str,
    args: Sequence[str],
    environment: Mapping[str, str],
    *,
    last: Callable[[], None],
    refused: Callable[[int], None],
) -> Execution:
    """Recorded as `execve`; then `last` is called. The call itself is the caller's to make."""
    announce("execve", f"{path} {list(args)}")
    last()
    return Execution(path, args, environment, refused)
