"""GET /version and /info. Pure over the facts given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kernel_engine import __version__
from kernel_engine.api.versions import NEWEST, OLDEST, Version
from kernel_engine.api.wire.container import STORAGE_DRIVER

if TYPE_CHECKING:
    from kernel_engine.api.host import Host

_RUNTIME = "kernel-engine"
_OFFICIAL = "docker.io"


def version_json(host: Host) -> dict[str, Any]:
    numbers = {"ApiVersion": str(NEWEST), "MinAPIVersion": str(OLDEST)}
    build = {
        "Os": "linux",
        "Arch": host.architecture,
        "KernelVersion": host.kernel,
        "GitCommit": "",
        "GoVersion": "",
        "BuildTime": "",
    }
    details = {**numbers, **build, "Experimental": "false"}
    return {
        "Platform": {"Name": "kernel-engine (Docker Labs)"},
        "Components": [{"Name": "Engine", "Version": __version__, "Details": details}],
        "Version": __version__,
        **numbers,
        **build,
        "Experimental": False,
    }


def info_json(
    host: Host,
    version: Version,
    *,
    instance_id: str,
    root: str,
    states: Mapping[str, int],
    images: int,
    mirrors: tuple[str, ...],
    insecure: tuple[str, ...],
    pool: str,
    remapped: bool,
    rootless: bool = False,
    no_way_out: str = "",
) -> dict[str, Any]:
    """`states`: how many containers are in which state. no_way_out: why they do not reach the internet, "" = nothing
    is known against it."""
    answer: dict[str, Any] = {
        "ID": instance_id,
        **_counts(states),
        "Images": images,
        "Driver": STORAGE_DRIVER,
        "DriverStatus": [],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file", "none"],
        },
        **_features(host),
        "Debug": False,
        "NFd": host.open_files,
        "NGoroutines": 1,
        "SystemTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "LoggingDriver": "json-file",
        "NEventsListener": 0,
        **_machine(host),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": _registries(mirrors, insecure),
        "DockerRootDir": root,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": __version__,
        "Runtimes": {_RUNTIME: {"path": _RUNTIME}},
        "DefaultRuntime": _RUNTIME,
        "Swarm": _no_swarm(),
        "LiveRestoreEnabled": True,
        "InitBinary": "tini",
        **_nothing(),
        "SecurityOptions": [
            "name=seccomp,profile=builtin",
            *(("name=userns",) if remapped else ()),
            *(("name=rootless",) if rootless else ()),
            "name=cgroupns",
        ],
        "DefaultAddressPools": [{"Base": pool, "Size": int(pool.partition("/")[2] or 16)}],
        "Warnings": list(_warnings(host, no_way_out)) or None,
    }
    if version < (1, 44):
        answer |= {"KernelMemory": False, "BridgeNfIptables": False, "BridgeNfIp6tables": False}
    return answer


def _counts(states: Mapping[str, int]) -> dict[str, int]:
    total, running, paused = sum(states.values()), states.get("running", 0), states.get("paused", 0)
    return {
        "Containers": total,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": total - running - paused,
    }


def _machine(host: Host) -> dict[str, Any]:
    return {
        "CgroupDriver": "cgroupfs" if host.limits else "none",
        "CgroupVersion": host.cgroup_version,
        "KernelVersion": host.kernel,
        "OperatingSystem": host.operating_system,
        "OSVersion": host.os_version,
        "OSType": "linux",
        "Architecture": host.machine,
        "NCPU": host.processors,
        "MemTotal": host.memory,
        "Name": host.name,
    }


def _nothing() -> dict[str, Any]:
    """What Docker tells of itself and this engine has not."""
    commits = {name: {"ID": "", "Expected": ""} for name in ("ContainerdCommit", "RuncCommit", "InitCommit")}
    proxies = {"HttpProxy": "", "HttpsProxy": "", "NoProxy": ""}
    return {"GenericResources": None, **proxies, "Isolation": "", **commits, "CDISpecDirs": None}


def _warnings(host: Host, no_way_out: str) -> Iterator[str]:
    """Docker's, and one of our own."""
    if not host.limits:
        way = "Systemd is required to enable cgroups in rootless-mode."
        if host.cgroup_version == "1":
            way = "To enable cgroups in rootless-mode, you need to boot the system in cgroup v2 mode."
        yield f"WARNING: Running in rootless-mode without cgroups. {way}"
    else:
        for there, what in (
            ("memory" in host.controllers, "memory limit"),
            (host.swap_limit, "swap limit"),
            ("cpu" in host.controllers, "cpu cfs quota"),
            ("cpu" in host.controllers, "cpu cfs period"),
            ("cpu" in host.controllers, "cpu shares"),
            ("cpuset" in host.controllers, "cpuset"),
        ):
            if not there:
                yield f"WARNING: No {what} support"
    if no_way_out:
        yield f"WARNING: Containers do not reach the internet: {no_way_out}"


def _features(host: Host) -> dict[str, bool]:
    first, found = host.cgroup_version == "1", host.controllers
    return {
        "MemoryLimit": "memory" in found,
        "SwapLimit": host.swap_limit,
        "KernelMemoryTCP": False,
        "CpuCfsPeriod": "cpu" in found,
        "CpuCfsQuota": "cpu" in found,
        "CPUShares": "cpu" in found,
        "CPUSet": "cpuset" in found,
        "PidsLimit": "pids" in found,
        "OomKillDisable": first and "memory" in found,
        "IPv4Forwarding": True,
        "BridgeNfIptables": True,
        "BridgeNfIp6tables": True,
    }


def _registries(mirrors: tuple[str, ...], insecure: tuple[str, ...]) -> dict[str, Any]:
    """`insecure`: address ranges, and hosts by name."""
    named = {
        host: {"Name": host, "Mirrors": [], "Secure": False, "Official": False} for host in insecure if "/" not in host
    }
    hub = {_OFFICIAL: {"Name": _OFFICIAL, "Mirrors": list(mirrors), "Secure": True, "Official": True}}
    return {
        "AllowNondistributableArtifactsCIDRs": None,
        "AllowNondistributableArtifactsHostnames": None,
        "InsecureRegistryCIDRs": [*(host for host in insecure if "/" in host), "127.0.0.0/8"],
        "IndexConfigs": {**named, **hub},
        "Mirrors": list(mirrors),
    }


def _no_swarm() -> dict[str, Any]:
    return {
        "NodeID": "",
        "NodeAddr": "",
        "LocalNodeState": "inactive",
        "ControlAvailable": False,
        "Error": "",
        "RemoteManagers": None,
    }
