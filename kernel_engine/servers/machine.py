"""A server in the kernel and on disk: its namespace, its processes, and the end of both. All of it blocks.

Decides nothing about when: `servers` does. What is there already stays, what is gone is no error, so that each of these
may follow a death at any moment.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from ipaddress import IPv4Interface
from pathlib import Path

from kernel_engine.errors import EngineError, Unavailable
from kernel_engine.network import site
from kernel_engine.network.inside import pin
from kernel_engine.paths import Instance
from kernel_engine.servers.server import Server, Settings, command, local_ports
from kernel_engine.syscalls.mounts import UmountFlag, umount2

_DAEMON = "kernel_engine.daemon"
_ENTER = (sys.executable, "-I", "-m", "kernel_engine.servers.enter")
#: how long the removal of a server with many containers may take
_REMOVAL_SECONDS = 120
_TAIL = 2000


def lay(instance: Instance, recorded: str, settings: Settings) -> str:
    """The servers' network: this machine's address in it, "172.18.0.1/16"."""
    wanted = IPv4Interface(recorded) if recorded else None
    return str(site.lay(instance, wanted, local_ports(settings.mirrors)))


def begin(instance: Instance, server: Server, settings: Settings) -> int:
    """Its namespace with a cable, then its daemon: the pid. Unavailable, KernelRefused."""
    place = instance.server(server.name)
    place.root.mkdir(mode=0o711, parents=True, exist_ok=True)
    place.run.mkdir(mode=0o711, parents=True, exist_ok=True)
    namespace = instance.server_namespace(server.name)
    pin(namespace)
    gateway = IPv4Interface(server.gateway)
    site.join(instance, gateway, str(namespace), _cable(instance, server))
    log = _log(instance, server.name)
    words = ("--behind", str(log), str(namespace), server.name, _DAEMON, "serve", *_places(place))
    done = subprocess.run(
        (*_ENTER, *words, *command(server, settings, str(gateway.network))),
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd="/", env=_environment(),
    )  # fmt: skip
    if done.returncode or not done.stdout.strip().isdigit():
        raise Unavailable(f"server {server.name} did not start: {done.stderr.strip()[-_TAIL:]}")
    return int(done.stdout)


def last_words(instance: Instance, name: str) -> str:
    """The end of what its daemon wrote."""
    try:
        return _log(instance, name).read_text(errors="replace")[-_TAIL:].strip()
    except OSError:
        return ""


def serving(place: Instance) -> int:
    """The pid of the daemon that listens on the socket (SO_PEERCRED, unix(7)); 0 where nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(place.socket))
            pid, _uid, _gid = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return 0
    return int(pid)


def end(instance: Instance, name: str, *, everything: bool = True) -> None:
    """Ends its processes and containers, then takes its mounts, groups, network and files away. EngineError.

    everything: its images and records, too; else what would be there after a reboot stays.
    """
    place, namespace = instance.server(name), instance.server_namespace(name)
    words = ("cleanup", *_places(place), *(("--all",) if everything else ()))
    into = (*_ENTER, str(namespace), name, _DAEMON) if _is_pinned(namespace) else (sys.executable, "-I", "-m", _DAEMON)
    if place.run.is_dir() or place.root.is_dir():
        try:
            done = subprocess.run(
                (*into, *words), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd="/",
                timeout=_REMOVAL_SECONDS, env=_environment(),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise EngineError(f"server {name} is not gone after {_REMOVAL_SECONDS} seconds") from None
        if done.returncode:
            raise EngineError(f"server {name} is not gone: {done.stderr.strip()[-_TAIL:]}")
    if _is_pinned(namespace):
        umount2(str(namespace), UmountFlag.MNT_DETACH)
    namespace.unlink(missing_ok=True)
    _log(instance, name).unlink(missing_ok=True)
    for folder in (place.root, place.run) if everything else (place.run,):
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.unlink()  # no directory at all: something was in its way


def unplug(instance: Instance, server: Server) -> None:
    site.leave(_cable(instance, server))


def left(instance: Instance, *, everything: bool) -> tuple[str, ...]:
    """The servers that have left something: read off the disk, not the records. `everything`: also of those of which
    only what survives a reboot is there."""
    root, run = instance.servers
    found: set[str] = set()
    for folder in (root, run) if everything else (run,):
        with suppress(OSError):
            found |= {path.name.removesuffix(".net").removesuffix(".log") for path in folder.iterdir()}
    return tuple(sorted(found))


def _cable(instance: Instance, server: Server) -> site.Cable:
    return site.cable(instance, IPv4Interface(server.interface))


def _places(place: Instance) -> tuple[str, ...]:
    return ("--root", str(place.root), "--run", str(place.run))


def _log(instance: Instance, name: str) -> Path:
    return instance.run / "servers" / f"{name}.log"


def _environment() -> dict[str, str]:
    """Not the service manager's: the server is none of its units."""
    return {name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "JOURNAL_STREAM")}


# the namespace -------------------------------------------------------------------------------------------------------
def _is_pinned(namespace: Path) -> bool:
    return os.path.ismount(namespace)
