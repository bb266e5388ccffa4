"""`kernel-engine cleanup`: removes what an instance has in the kernel and in its run directory, dead or alive.

Decides first, from what it finds on the machine and not from the records (they may be broken); then carries it out.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kernel_engine.daemon import disk
from kernel_engine.daemon.lock import daemon_lock, holder
from kernel_engine.errors import Conflict, EngineError, Forbidden
from kernel_engine.network import networks, site
from kernel_engine.paths import Instance
from kernel_engine.runtime import cgroups, companion
from kernel_engine.servers import machine as servers
from kernel_engine.storage.trash import remove_tree
from kernel_engine.syscalls.mounts import UmountFlag, umount2
from kernel_engine.syscalls.netlink import Netlink

_PATIENCE = 20.0
_LAUNCHER, _LOG_WRITER = "kernel_engine.runtime.launcher", "kernel_engine.runtime.log_writer"
_ZYGOTE = "kernel_engine.runtime.zygote"
_MODULES = (_LAUNCHER, _ZYGOTE, _LOG_WRITER, "kernel_engine.gate.process")
#: what it calls itself → it, and its log in the run directory
_FORKED = {
    "ke-launcher": (_LAUNCHER, "launcher.log"),
    "ke-zygote": (_ZYGOTE, "launcher.log"),
    "ke-log-writer": (_LOG_WRITER, "log-writer.log"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to remove: what it is called, and how."""

    name: str
    remove: Callable[[], None]


def cleanup(instance: Instance, *, everything: bool, dry_run: bool) -> int:
    """Containers end with it. `everything`: images, stopped containers and records, too. Raises EngineError."""
    if os.geteuid() != 0:
        raise Forbidden("cleanup must run as root", hint="run it with sudo")
    if dry_run:
        for step in plan(instance, everything=everything):
            print(step.name)
        return 0
    if pid := holder(instance):
        _stop_daemon(instance, pid)
    if not instance.run.exists():
        _carry_out(plan(instance, everything=everything))
        return 0
    with daemon_lock(instance):  # no daemon starts meanwhile
        for path in (instance.launcher_socket, instance.log_writer_socket, instance.gate_socket):
            companion.settled(path, _PATIENCE)  # a daemon that was killed may have left one half started
        _carry_out(plan(instance, everything=everything))
    return 0


def _carry_out(steps: Iterator[Step]) -> None:
    failed: list[str] = []
    for step in steps:
        try:
            step.remove()
        except (EngineError, OSError) as error:
            failed.append(f"{step.name}: {error}")
        else:
            print(f"removed {step.name}")
    if failed:
        raise EngineError("; ".join(failed))


def plan(instance: Instance, *, everything: bool) -> Iterator[Step]:
    """In the order in which it must be done: other servers, processes, mounts, groups, network, files. Looks when it
    is asked, so that a later step sees what an earlier one has left."""
    for name in servers.left(instance, everything=everything):
        yield Step(name=f"server {name}", remove=partial(servers.end, instance, name, everything=everything))
    if site.stands(instance):
        yield Step(name=f"bridge {instance.servers_bridge}", remove=partial(site.take_away, instance))
    for pid, module in helper_processes(instance):
        yield Step(name=f"process {pid} ({module})", remove=partial(_end, pid))
    groups = [path for path in cgroups.directories(instance.cgroup, "") if os.path.isdir(path)]
    if groups:
        yield Step(name=f"cgroup {instance.cgroup}", remove=partial(cgroups.remove_instance, instance.cgroup))
    for target in mounts_beneath(Path("/proc/self/mountinfo").read_text(), (instance.root, instance.run)):
        yield Step(name=f"mount {target}", remove=partial(umount2, target, UmountFlag.MNT_DETACH))
    if not instance.rootless and _has_network(instance):  # a rootless engine's go with its last process
        yield Step(name=f"bridge {instance.bridge}", remove=partial(networks.destroy, instance))
    if disk.file_of(instance.root).exists():
        remove = partial(disk.take_away, instance.root, everything=everything)
        yield Step(
            name=f"disk {disk.file_of(instance.root)}" if everything else f"mount {instance.root}", remove=remove
        )
    # the run directory last: the lock lies in it
    places = (instance.root, instance.run) if everything else (instance.run,)
    for place in places:
        if place.exists():
            yield Step(name=f"directory {place}", remove=partial(_remove_directory, place))


def _remove_directory(place: Path) -> None:
    """With all that is in it, of any depth; a mount point itself stays."""
    for path in place.iterdir():
        remove_tree(str(path), str(place))
    if not place.is_mount():
        place.rmdir()


def helper_processes(instance: Instance) -> tuple[tuple[int, str], ...]:
    """Launcher, log writer and gate of this instance: `python -I -m MODULE --run DIR …`, or forked (`preforked`, and
    zygotes), then by what they are called and where they log. The launcher first: with it its containers end, and the
    log writer can still read their last words."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has ended meanwhile
        if "forkserver" in words[:6]:
            module = _forked(entry, instance)
        else:
            module = _executed(entry, words, instance)
        if module:
            found.append((int(entry), module))
    return tuple(sorted(found, key=lambda item: _MODULES.index(item[1])))


def _executed(entry: str, words: list[str], instance: Instance) -> str:
    """A zygote has the launcher's words, of which it is a fork."""
    module = next((module for module in _MODULES if module in words[:5]), "")
    of_it = "--run" in words and words[words.index("--run") + 1 :][:1] == [str(instance.run)]
    return module and (_forked(entry, instance) or module) if of_it else ""


def _forked(entry: str, instance: Instance) -> str:
    """Of a process that has a forkserver's words: it was there before the process became what it is."""
    try:
        name, log = Path(f"/proc/{entry}/comm").read_text().strip(), os.readlink(f"/proc/{entry}/fd/1")
    except OSError:
        return ""
    module, file = _FORKED.get(name, ("", ""))
    return module if module and log.removesuffix(" (deleted)") == str(instance.run / file) else ""


def mounts_beneath(mountinfo: str, places: tuple[Path, ...]) -> tuple[str, ...]:
    """Mount points in these directories, innermost first (proc(5), mountinfo: the fifth field, octal escapes). Not the
    directories themselves: a root on a disk of its own stays mounted."""
    points = [
        line.split()[4].encode().decode("unicode_escape").encode("latin-1").decode(errors="surrogateescape")
        for line in mountinfo.splitlines()
    ]
    inside = [point for point in points if any(place in Path(point).parents for place in places)]
    return tuple(reversed(inside))


def _has_network(instance: Instance) -> bool:
    with Netlink() as netlink:
        names = {link.name for link in netlink.links()}
    links = instance.bridge in names or any(name.startswith(instance.veth_prefix) for name in names)
    return links or _has_table(instance.nft_table)


def _has_table(table: str) -> bool:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        done = subprocess.run(
            ("nft", "list", "table", "ip", table), capture_output=True, check=False, env=environment, timeout=30
        )
    except FileNotFoundError:
        return False  # without nft nothing can have made one
    return done.returncode == 0


def _stop_daemon(instance: Instance, pid: int) -> None:
    """Politely, and to its very end: it gives back the lock before that. A supervisor may start it again at once; it
    then finds the lock taken."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not _ended(descriptor, _PATIENCE):
            raise Conflict(f"the daemon (process {pid}) does not end", hint=f"kill -9 {pid}, then run cleanup again")
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _end(pid: int) -> None:
    """SIGTERM, and SIGKILL for one that does not listen. A pidfd: the number may belong to somebody else by then."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            signal.pidfd_send_signal(descriptor, number)
            if _ended(descriptor, patience):
                return
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
    raise EngineError(f"process {pid} does not end")


def _ended(descriptor: int, patience: float) -> bool:
    """A pidfd becomes readable when its process has ended, pidfd_open(2)."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(int(patience * 1000)))
