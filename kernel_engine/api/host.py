"""What /version and /info say of the machine. Read from where any program reads it; nothing here changes anything."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kernel_engine.runtime import cgroups

#: what `uname -m` says → what Docker and OCI say
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    name: str
    kernel: str
    operating_system: str
    os_version: str
    machine: str  #: "x86_64"
    architecture: str  #: "amd64"
    processors: int
    memory: int  #: bytes
    cgroup_version: str  #: "1" | "2"
    limits: bool  #: whether there are control groups for containers
    controllers: frozenset[str]  #: and for what
    swap_limit: bool
    open_files: int


def facts() -> Host:
    machine = platform.machine()
    release = _os_release()
    version = "2" if cgroups.is_unified() else "1"
    return Host(
        name=socket.gethostname(),
        kernel=platform.release(),
        operating_system=release.get("PRETTY_NAME", "Linux"),
        os_version=release.get("VERSION_ID", ""),
        machine=machine,
        architecture=_ARCHITECTURES.get(machine, machine),
        processors=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        cgroup_version=version,
        limits=cgroups.mode() != "none",
        controllers=cgroups.controllers(),
        swap_limit="memory" in cgroups.controllers() and _swap_limit(version),
        open_files=len(os.listdir("/proc/self/fd")),
    )


@cache
def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


@cache
def _swap_limit(version: str) -> bool:
    """cgroup v1 has swap accounting only where the kernel was started with it."""
    return version == "2" or Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists()
