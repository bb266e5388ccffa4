"""An engine of an ordinary user: its places, its ids, and the way into its namespaces (decision 0035).

`go_inside` is the first thing that such a process does: it makes, or finds, a user namespace in which the user is root,
a mount namespace, and a network namespace that is bound to a file; then it executes this program again inside. The
network namespace is for the networks alone: the daemon stays on the machine's network. There is no process that only
holds them: any of the engine's own is in them, and the next daemon finds the way in by one of these.
"""

from __future__ import annotations

import errno
import logging
import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from kernel_engine.daemon.cleanup import helper_processes
from kernel_engine.daemon.remapping import SUBGID, SUBUID, ranges
from kernel_engine.errors import EngineError, InvalidRequest, NotSupported
from kernel_engine.network.inside import pin
from kernel_engine.paths import Instance
from kernel_engine.runtime import cgroups, delegation
from kernel_engine.storage.overlay import PLAIN
from kernel_engine.syscalls import ids, mounts
from kernel_engine.syscalls.mounts import UmountFlag, umount2
from kernel_engine.syscalls.process import CloneFlag, setns, unshare
from kernel_engine.syscalls.procfs import write

log = logging.getLogger("kernel_engine")

_NAME = "kernel-engine"
_GROUPS = "cgroup"  #: in the run directory: the group that the user was given when the namespaces were made
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: why the kernel does not give an ordinary user a user namespace, and what to do
_REFUSALS = {
    errno.ENOSPC: ("user namespaces are switched off on this machine", "sudo sysctl user.max_user_namespaces=15000"),
    errno.EPERM: (
        "this machine does not let ordinary users make user namespaces",
        "sudo sysctl kernel.unprivileged_userns_clone=1, and where AppArmor is: "
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """Words of newuidmap(1) and newgidmap(1): inside, outside, count of each range. `lacking`: why there is only one
    id, "" where there are more."""

    users: tuple[int, ...]
    groups: tuple[int, ...]
    lacking: str = ""


def instance(root: Path | None, run: Path | None) -> Instance:
    """The user's own, where nothing else is named (XDG Base Directory Specification). InvalidRequest."""
    if not os.geteuid():
        raise InvalidRequest("--rootless is for an ordinary user, and this is root", hint="leave sudo out")
    data = os.environ.get("XDG_DATA_HOME") or f"{os.path.expanduser('~')}/.local/share"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if run is None and not runtime:
        raise InvalidRequest("XDG_RUNTIME_DIR is not set", hint="log in as this user, or name a directory with --run")
    return Instance.at(root or Path(data) / _NAME, run or Path(runtime) / _NAME, rootless=True)


def go_inside(instance: Instance, words: Sequence[str]) -> NoReturn:
    """Goes on as `kernel-engine WORDS` inside. EngineError, with what the user can do."""
    try:
        instance.run.mkdir(mode=0o711, parents=True, exist_ok=True)
        (instance.run / "network.lock").touch(mode=0o600)
    except OSError as error:
        raise EngineError(f"cannot use {instance.run}: {error.strerror}", hint="name a directory with --run") from None
    pid = standing(instance)
    if pid:
        _join(pid)
    else:
        if words[0] != "cleanup":  # whose groups are those that are noted
            _note_groups(instance)
        _make(maps())
    pin(instance.network_namespace)
    places = ("--root", str(instance.root), "--run", str(instance.run), "--inside")
    os.execv(sys.executable, [sys.executable, "-I", "-m", "kernel_engine.daemon", *words, *places])


def with_groups(instance: Instance) -> Instance:
    """For a process inside: the engine's groups are where they were when its namespaces were made."""
    try:
        parent = (instance.run / _GROUPS).read_text()
    except FileNotFoundError:
        return instance
    cgroups.stand_below(parent)
    return replace(instance, cgroup_parent=parent)


def _note_groups(instance: Instance) -> None:
    """Those of cgroup v2 that this user was given."""
    parent = delegation.delegated()
    try:
        if parent:
            delegation.make_room(parent)
    except OSError as error:
        log.warning("no control groups, so no limits: %s: %s", error.filename or parent, error.strerror)
        parent = ""
    note = instance.run / _GROUPS
    before = note.read_text() if note.exists() else ""
    if before not in ("", parent):
        _leave(replace(instance, cgroup_parent=before))
    note.write_text(parent)


def _leave(instance: Instance) -> None:
    """Its launcher has died, and its containers with it: the groups that they had are nobody's any more."""
    try:
        cgroups.remove_instance(instance.cgroup)
    except (EngineError, OSError) as error:
        log.warning("the groups of a former engine stay: %s: %s", instance.cgroup, error)


def standing(instance: Instance) -> int:
    """A process of the engine's, in its namespaces; 0 where none lives."""
    own = os.stat("/proc/self/ns/user")
    for pid, _ in helper_processes(instance):
        try:
            if not os.path.samestat(own, os.stat(f"/proc/{pid}/ns/user")):
                return pid
        except (FileNotFoundError, PermissionError):  # it has ended, or somebody else's only looks like one of ours
            continue
    return 0


def maps() -> Maps:
    """The user is root, and the ids of /etc/subuid and /etc/subgid are the others."""
    account = pwd.getpwuid(os.getuid())
    own = (0, os.getuid(), 1), (0, os.getgid(), 1)
    try:
        # both files name the user: subgid(5) has no lines for groups
        more = tuple(ranges(path, account.pw_name, account.pw_uid) for path in (SUBUID, SUBGID))
    except InvalidRequest as error:
        return Maps(users=own[0], groups=own[1], lacking=f"{error.message}; {error.hint}")
    if not all(_find(name) for name in ("newuidmap", "newgidmap")):
        return Maps(users=own[0], groups=own[1], lacking="there is no newuidmap here: sudo apt install uidmap")
    users, groups = (
        (*first, *(number for item in found for number in (item.inside + 1, item.outside, item.count)))
        for first, found in zip(own, more, strict=True)
    )
    return Maps(users=users, groups=groups)


def check(instance: Instance) -> None:
    """Before the daemon serves. NotSupported where the file system of its root takes no overlay of an ordinary user."""
    if sum(count for _, _, count in ids.uid_map()) == 1:
        log.warning("%s", ONLY_ONE)
    place = instance.root / "probe"
    try:
        for name in ("lower", "upper", "work", "merged"):
            (place / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        data = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work,{PLAIN}"
        mounts.mount("overlay", str(place / "merged"), "overlay", data=data)
    except OSError as error:
        raise NotSupported(
            f"an ordinary user cannot mount overlayfs on {instance.root}: {error.strerror}",
            hint="it needs Linux 5.11 or newer, and a file system with user attributes: ext4, xfs or btrfs",
        ) from None
    else:
        umount2(str(place / "merged"), UmountFlag.MNT_DETACH)
    finally:
        subprocess.run(("rm", "-rf", str(place)), check=False, env={"PATH": _PATH})


ONLY_ONE = (
    "there is one user and one group only: images whose files belong to others than root cannot be pulled or built, "
    "and no process can be another user than root (add ranges to /etc/subuid and /etc/subgid, and install uidmap)"
)


# the namespaces -------------------------------------------------------------------------------------------------------
def _join(pid: int) -> None:
    """Those of a process that lives. The owner of a user namespace has all rights in it (user_namespaces(7))."""
    try:
        found = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("user", "mnt")]
        setns(found[0], CloneFlag.CLONE_NEWUSER, show=f"of process {pid}, CLONE_NEWUSER")
        setns(found[1], CloneFlag.CLONE_NEWNS, show=f"of process {pid}, CLONE_NEWNS")
    except OSError as error:
        raise EngineError(f"cannot enter the namespaces of process {pid}: {error.strerror}") from None
    os.chdir("/")


def _make(maps: Maps) -> None:
    """New ones. Its maps are written by somebody outside, for whom this process waits."""
    go, say_go = os.pipe2(os.O_CLOEXEC)
    told, tell = os.pipe2(os.O_CLOEXEC)
    helper = os.fork() if not maps.lacking else 0
    if not maps.lacking and helper == 0:
        os.close(say_go)
        _write_maps(os.getppid(), maps, go, tell)
    os.close(tell)
    try:
        unshare(CloneFlag.CLONE_NEWUSER)
        if maps.lacking:
            _write_own(maps)
        else:
            os.write(say_go, b".")
            complaint = os.read(told, 4096).decode(errors="replace")
            if complaint:
                raise EngineError(complaint, hint="look at this user's lines in /etc/subuid and /etc/subgid")
        unshare(CloneFlag.CLONE_NEWNS)
    except OSError as error:
        # AppArmor gives a user namespace without rights: then it is the next step that is refused
        text, hint = _REFUSALS.get(errno.EPERM if error.errno == errno.EACCES else error.errno or 0, ("", ""))
        raise NotSupported(text or f"cannot make a user namespace: {error.strerror}", hint=hint) from None
    finally:
        os.close(say_go)
        if helper:
            os.waitpid(helper, 0)
        os.close(go)
        os.close(told)


def _write_maps(pid: int, maps: Maps, go: int, tell: int) -> NoReturn:
    """In a process outside: these two programs are set-uid, and look at who asks."""
    try:
        if os.read(go, 1):
            for program, words in (("newuidmap", maps.users), ("newgidmap", maps.groups)):
                command = (_find(program), str(pid), *map(str, words))
                done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": _PATH})
                if done.returncode:
                    os.write(tell, f"{program}: {done.stderr.strip() or done.returncode}".encode()[:4096])
                    break
    finally:
        os._exit(0)


def _write_own(maps: Maps) -> None:
    """A user may name himself alone, and gives up setgroups(2) for it."""
    log.debug("%s", maps.lacking)
    for name, words in (("setgroups", "deny"), ("uid_map", _line(maps.users)), ("gid_map", _line(maps.groups))):
        write(f"/proc/self/{name}", words)


def _line(words: tuple[int, ...]) -> str:
    return " ".join(map(str, words))


def _find(program: str) -> str:
    return next((path for place in _PATH.split(":") if os.access(path := f"{place}/{program}", os.X_OK)), "")
