"""A container's record → the objects of `docker inspect` and `docker ps`."""

from __future__ import annotations

import stat
import time
from typing import Any

from kernel_engine.api.versions import Version
from kernel_engine.api.wire.host import host_json
from kernel_engine.api.wire.moments import rfc3339
from kernel_engine.api.wire.status import status_text
from kernel_engine.containers.archive import PathStat
from kernel_engine.containers.health import to_config
from kernel_engine.containers.options import ContainerOptions
from kernel_engine.containers.publishing import opened
from kernel_engine.containers.record import Container, Health, MountPoint, State

#: what the engine calls its way of stacking layers
STORAGE_DRIVER = "overlay2"


def inspect_json(
    item: Container,
    version: Version,
    *,
    exec_ids: tuple[str, ...],
    networks: dict[str, Any],
    links: tuple[str, ...] = (),
    directories: dict[str, str] | None = None,
    sizes: tuple[int, int] | None,
) -> dict[str, Any]:
    """GET /containers/{id}/json. `networks` comes from `wire.network.endpoints_json`."""
    answer: dict[str, Any] = {
        "Id": item.id,
        "Created": rfc3339(item.created),
        "Path": item.path,
        "Args": list(item.args),
        "State": state_json(item.state),
        "Image": item.image_id,
        "ResolvConfPath": f"{item.identity}/resolv.conf",
        "HostnamePath": f"{item.identity}/hostname",
        "HostsPath": f"{item.identity}/hosts",
        "LogPath": item.log_path if item.config.host.log.driver == "json-file" else "",
        "Name": f"/{item.name}",
        "RestartCount": item.restart_count,
        "Driver": STORAGE_DRIVER,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(exec_ids) or None,
        "HostConfig": {**host_json(item), "Links": list(links) or None},
        "GraphDriver": {"Data": directories, "Name": STORAGE_DRIVER},
    }
    if sizes is not None:
        answer |= {"SizeRw": sizes[0], "SizeRootFs": sizes[1]}
    return answer | {
        "Mounts": mounts_json(item),
        "Config": config_json(item.config),
        "NetworkSettings": _network_settings(item, version, networks),
    }


def state_json(state: State) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Status": state.status,
        "Running": state.running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started_at),
        "FinishedAt": rfc3339(state.finished_at),
    }
    if state.health is not None:
        answer["Health"] = _health_json(state.health)
    return answer


def _health_json(health: Health) -> dict[str, Any]:
    log = [
        {"Start": rfc3339(item.start), "End": rfc3339(item.end), "ExitCode": item.exit_code, "Output": item.output}
        for item in health.log
    ]
    return {"Status": health.status, "FailingStreak": health.failing_streak, "Log": log}


def config_json(config: ContainerOptions) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Hostname": config.hostname,
        "Domainname": config.domainname,
        "User": config.user,
        "AttachStdin": config.attach_stdin,
        "AttachStdout": config.attach_stdout,
        "AttachStderr": config.attach_stderr,
        "Tty": config.tty,
        "OpenStdin": config.open_stdin,
        "StdinOnce": config.stdin_once,
        "Env": list(config.environment),
        "Cmd": None if config.command is None else list(config.command),
        "Image": config.image,
        "Volumes": {path: {} for path in config.volumes} or None,
        "WorkingDir": config.working_dir,
        "Entrypoint": None if config.entrypoint is None else list(config.entrypoint),
        "OnBuild": None,
        "Labels": dict(config.labels),
    }
    optional = {
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "NetworkDisabled": config.network_disabled,
        "MacAddress": config.mac_address,
        "StopSignal": config.stop_signal,
        "Healthcheck": to_config(config.healthcheck) if config.healthcheck else None,
        "Shell": list(config.shell),
    }
    answer |= {key: value for key, value in optional.items() if value}
    if config.stop_timeout is not None:
        answer["StopTimeout"] = config.stop_timeout
    return answer


def mounts_json(item: Container) -> list[dict[str, Any]]:
    """What is mounted into the container; --tmpfs is not listed here by Docker either."""
    return [_mount_json(point) for point in item.mounts]


def _mount_json(point: MountPoint) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Type": point.type,
        "Source": point.source,
        "Destination": point.destination,
        "Mode": point.mode,
        "RW": not point.read_only,
        "Propagation": (point.propagation or "rprivate") if point.type == "bind" else point.propagation,
    }
    return answer | ({"Name": point.name, "Driver": point.driver} if point.type == "volume" else {})


def _network_settings(item: Container, version: Version, networks: dict[str, Any]) -> dict[str, Any]:
    first = networks.get("bridge") if item.endpoint is not None else None  # Docker's old fields know only this one
    return {
        "Bridge": "",
        "SandboxID": item.endpoint.endpoint_id if item.endpoint else "",
        "SandboxKey": f"/proc/{item.state.pid}/ns/net" if item.state.pid else "",
        "Ports": _port_map(item),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": first["EndpointID"] if first else "",
        "Gateway": first["Gateway"] if first else "",
        "GlobalIPv6Address": first["GlobalIPv6Address"] if first else "",
        "GlobalIPv6PrefixLen": first["GlobalIPv6PrefixLen"] if first else 0,
        "IPAddress": first["IPAddress"] if first else "",
        "IPPrefixLen": first["IPPrefixLen"] if first else 0,
        "IPv6Gateway": first["IPv6Gateway"] if first else "",
        "MacAddress": first["MacAddress"] if first else "",
        "Networks": networks,
    }


def summary_json(
    item: Container,
    *,
    image: str,
    networks: dict[str, Any],
    other_names: tuple[str, ...] = (),
    sizes: tuple[int, int] | None,
) -> dict[str, Any]:
    """One row of GET /containers/json. `image` is the name as long as it still means the container's image.

    other_names: "web/database", what containers that are linked to it call it.
    """
    answer: dict[str, Any] = {
        "Id": item.id,
        "Names": [f"/{name}" for name in (item.name, *other_names)],
        "Image": image,
        "ImageID": item.image_id,
        "Command": command_text(item),
        "Created": int(item.created),
        "Ports": _ports_json(item),
    }
    if sizes is not None:
        answer |= {"SizeRw": sizes[0], "SizeRootFs": sizes[1]}
    mode = item.config.host.network_mode
    return answer | {
        "Labels": dict(item.config.labels),
        "State": item.state.status,
        "Status": status_text(item.state, time.time()),
        "HostConfig": {"NetworkMode": "default" if mode == "" else mode},
        "NetworkSettings": {"Networks": networks},
        "Mounts": mounts_json(item),
    }


def command_text(item: Container) -> str:
    """The command as `docker ps` has it: words with a blank in quotes."""
    words = [f"'{word}'" if " " in word else word for word in item.args]
    return " ".join([item.path, *words]).strip()


def _port_map(item: Container) -> dict[str, list[dict[str, str]] | None]:
    """NetworkSettings.Ports: None for a port that is only exposed. Empty where the container has no address."""
    return {
        key: [{"HostIp": place.host_address, "HostPort": str(place.host_port)} for place in places] or None
        for key, places in opened(item).items()
    }


def _ports_json(item: Container) -> list[dict[str, Any]]:
    """The same as the list of `docker ps`."""
    found: list[dict[str, Any]] = []
    for key, places in _port_map(item).items():
        number, _, protocol = key.partition("/")
        if not number.isdigit():
            continue
        port = {"PrivatePort": int(number), "Type": protocol or "tcp"}
        found += [{"IP": place["HostIp"], "PublicPort": int(place["HostPort"]), **port} for place in places or ()] or [
            port
        ]
    return found


#: the bits of Go's fs.FileMode that say what a file is; the others are the permissions of stat(2)
_GO_MODES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
}
_GO_SPECIAL = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))


def go_mode(mode: int) -> int:
    """st_mode as Go's fs.FileMode."""
    kind = _GO_MODES.get(stat.S_IFMT(mode), 0)
    return kind | mode & 0o777 | sum(bit for mask, bit in _GO_SPECIAL if mode & mask)


def path_stat_json(found: PathStat) -> dict[str, Any]:
    """The content of X-Docker-Container-Path-Stat."""
    return {
        "name": found.name,
        "size": found.size,
        "mode": go_mode(found.mode),
        "mtime": rfc3339(found.mtime / 1e9),
        "linkTarget": found.target,
    }
