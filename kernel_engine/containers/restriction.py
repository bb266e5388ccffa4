"""A restricted engine (`kernel-engine serve --restrict`): what whoever may use its socket may not ask for.

Every option that leads out of a container is refused before anything is made, with one sentence (Forbidden). Together
with the user namespace that each container of such an engine has, membership of its socket's group is not root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kernel_engine.containers.options import ContainerOptions, ExecOptions, HostOptions
from kernel_engine.containers.record import Container
from kernel_engine.errors import Forbidden
from kernel_engine.runtime import capabilities
from kernel_engine.runtime.beneath import Root
from kernel_engine.syscalls.process import setfsgid, setfsuid

#: those that belong to a namespace of the container's own (namespaces(7)), by dots only: a slash could climb
_SYSCTL = re.compile(r"(net(\.[\w-]+)+|kernel\.(shm|msg|sem)\w*|fs\.mqueue\.\w+)", re.ASCII)
#: more of these is a right over other people's processes
_ULIMITS = frozenset({"rtprio", "nice", "rttime"})
_DEVICES = {"Devices": "--device", "DeviceRequests": "--gpus", "DeviceCgroupRules": "--device-cgroup-rule"}
_SECURITY = ("no-new-privileges", "no-new-privileges=true", "no-new-privileges:true", "seccomp=default")
_NO_SSH = ("ssh://", "git@")
HOST_NETWORK = "--network host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A directory of this machine that may be mounted, with what is in it."""

    path: str  #: absolute, without links
    owner: tuple[int, int]  #: user and group of this machine
    shifted: bool = False  #: in a container they are root

    def inner(self, path: str) -> str | None:
        """The rest of a path that, by its words, lies in it ("" = the folder itself); None for any other."""
        whole = os.path.normpath(path)
        if whole == self.path:
            return ""
        return whole[len(self.path) + 1 :] if whole.startswith(f"{self.path.rstrip('/')}/") else None

    def has(self, inner: str) -> bool:
        """Whether something is there. A link that leads out of the folder leads to nothing."""
        try:
            root = Root.beneath(self.path)
        except OSError:
            return False
        try:
            os.close(root.open(inner or "/"))
        except OSError:
            return False
        finally:
            root.close()
        return True

    def make(self, inner: str) -> None:
        """The directory, its parents too, as its owner would make it. OSError. In a thread, whose ids these are."""
        root = Root.beneath(self.path)
        try:
            setfsgid(self.owner[1])
            setfsuid(self.owner[0])
            os.close(root.directory(inner))
        finally:
            setfsuid(0)
            setfsgid(0)
            root.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """`own_network`: the engine stands in a network namespace that is its users' own, so that "host" leads no further.
    No capability comes with it: that namespace belongs to no user namespace of a container."""

    folders: tuple[Folder, ...] = ()
    own_network: bool = False

    def check(self, options: ContainerOptions) -> None:
        self.check_host(options.host)
        for source, words in _sources(options.host):
            self.folder(source)
            if any("shared" in word or "slave" in word for word in words):
                raise refused("bind propagation other than private")

    def check_host(self, host: HostOptions) -> None:
        """Of a container, or of the containers of a build."""
        for asked, what in _flags(host):
            if asked and not (self.own_network and what == HOST_NETWORK):
                raise refused(what)
        added = [name for name in capabilities.normalize(host.cap_add, "CapAdd") if name not in capabilities.DEFAULT]
        if added:
            raise refused(f"--cap-add {added[0].removeprefix('CAP_')}")
        for word in host.security_opt:
            if word not in _SECURITY:
                raise refused(f"--security-opt {word.partition('=')[0].partition(':')[0]}")
        for name in host.sysctls:
            if not _SYSCTL.fullmatch(name):
                raise refused(f"--sysctl {name}")
        for name, _, _ in host.ulimits:
            if name in _ULIMITS:
                raise refused(f"--ulimit {name}")
        for item in host.mounts:
            if item.driver_options:
                raise refused("a volume with driver options")

    def check_record(self, record: Container) -> None:
        """Before a start: it may have been made before the engine was restricted, or share another one's volumes."""
        self.check(record.config)
        for point in record.mounts:
            if point.type == "bind":
                self.folder(point.source)
            elif point.foreign:
                raise refused("a volume with driver options")

    def check_exec(self, options: ExecOptions) -> None:
        if options.privileged:
            raise refused("--privileged")

    def check_volume(self, options: Mapping[str, str]) -> None:
        if options:
            raise refused("a volume with driver options")

    def check_network(self, options: Mapping[str, str]) -> None:
        for name in options:
            if name.endswith("bridge.name"):
                raise refused(f"the network option {name}")

    def check_remote(self, url: str) -> None:
        """A build's context: this machine's root has keys of its own."""
        if url.startswith(_NO_SSH):
            raise refused("a build context over ssh")

    def folder(self, source: str) -> Folder:
        """The one that a bind's source lies in. Forbidden."""
        for folder in self.folders:
            if folder.inner(source) is not None:
                return folder
        allowed = f"only what lies in {' or '.join(item.path for item in self.folders)}" if self.folders else "nothing"
        raise Forbidden(f"this engine is restricted: {source} cannot be mounted, {allowed} of this machine can")

    def has(self, source: str) -> bool:
        """Whether the source of a bind is there."""
        folder = self.folder(source)
        return folder.has(folder.inner(source) or "")


def refused(what: str) -> Forbidden:
    return Forbidden(f"this engine is restricted: {what} is not allowed")


def _flags(host: HostOptions) -> Iterable[tuple[object, str]]:
    yield host.privileged, "--privileged"
    modes = {
        "--network": host.network_mode,
        "--pid": host.pid_mode,
        "--ipc": host.ipc_mode,
        "--uts": host.uts_mode,
        "--userns": host.userns_mode,
        "--cgroupns": host.cgroupns_mode,
    }
    for option, mode in modes.items():
        yield mode == "host", f"{option} host"  # HOST_NETWORK is one of them
    for key, option in _DEVICES.items():
        yield host.raw.get(key), option
    yield host.raw.get("CgroupParent"), "--cgroup-parent"
    yield host.oom_score_adj < 0, "--oom-score-adj below 0"
    yield host.oom_kill_disable, "--oom-kill-disable"


def _sources(host: HostOptions) -> Iterable[tuple[str, tuple[str, ...]]]:
    """The host's paths that are to be mounted, each with the words that say how its mounts are passed on."""
    for word in host.binds:
        source, _, rest = word.partition(":")
        if source.startswith("/"):
            yield source, tuple(rest.partition(":")[2].split(","))
    for item in host.mounts:
        if item.type == "bind":
            yield item.source, (item.propagation,)
