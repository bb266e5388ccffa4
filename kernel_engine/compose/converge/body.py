"""A service as the JSON body of POST /containers/create. Pure.

Docker's field names: docker-api-v1.47.yaml, ContainerCreateRequest. Mounts are in `mounts.py`, networks in
`endpoints.py`. What a service shares with another one is named by that one's containers, which are there by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.converge.endpoints import networking
from kernel_engine.compose.converge.mounts import binds_and_mounts
from kernel_engine.compose.converge.observed import Container
from kernel_engine.compose.model import DeviceLimit, DeviceRequest, Healthcheck, Port, Project, Service

#: service → its containers, the lowest number first
Peers = Mapping[str, Sequence[Container]]
SHARED = "service:"
CONDITIONS = {"none": "no", "any": "always", "on-failure": "on-failure"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What a container is beside its service. `number` 0: a one-off, which has none."""

    name: str
    number: int
    labels: Mapping[str, str]
    peers: Peers
    inherits: Container | None = None  #: whose anonymous volumes it takes over
    image_volumes: frozenset[str] = frozenset()  #: what the image says of VOLUME
    aliases: bool = True  #: answers to the service's name
    stdin: bool = False
    auto_remove: bool = False


def image_name(project: Project, service: Service) -> str:
    return service.image or f"{project.name}-{service.name}"


def container_name(project: Project, service: Service, number: int) -> str:
    return service.container_name or f"{project.name}-{service.name}-{number}"


def resolved(service: Service, peers: Peers) -> Service:
    """With `service:NAME` and `volumes_from` as the containers that they mean. Failed where there is none."""
    return replace(
        service,
        network_mode=_shared(service.network_mode, peers, "network namespace"),
        ipc=_shared(service.ipc, peers, "IPC namespace"),
        pid=_shared(service.pid, peers, "PID namespace"),
        volumes_from=tuple(_volumes_from(item, peers) for item in service.volumes_from),
    )


def shares_with(service: Service) -> tuple[str, ...]:
    """The services whose containers it refers to: it is stale when one of them is made anew."""
    modes = [mode.removeprefix(SHARED) for mode in (service.network_mode, service.ipc, service.pid)
             if mode.startswith(SHARED)]  # fmt: skip
    volumes = [item.partition(":")[0] for item in service.volumes_from if not item.startswith("container:")]
    return tuple(dict.fromkeys(modes + volumes))


def _shared(mode: str, peers: Peers, what: str) -> str:
    if not mode.startswith(SHARED):
        return mode
    name = mode.removeprefix(SHARED)
    if not peers.get(name):
        raise Failed(f"cannot share {what} with service {name}: container missing")
    return f"container:{peers[name][0].id}"


def _volumes_from(item: str, peers: Peers) -> str:
    if item.startswith("container:"):
        return item.removeprefix("container:")
    name, colon, rights = item.partition(":")
    if not peers.get(name):
        raise Failed(f"cannot share volume with service {name}: container missing")
    return f"{peers[name][0].id}{colon}{rights}"


def create_body(project: Project, service: Service, making: Making, *, several_networks: bool) -> dict[str, Any]:
    """`service` is resolved. `several_networks`: the engine takes more than one at create (API 1.44)."""
    binds, mounts = binds_and_mounts(project, service, making.inherits, making.image_volumes)
    mode, endpoints, links = networking(project, service, making.name, making.peers, aliases=making.aliases)
    if not several_networks:
        endpoints = {mode: endpoints[mode]} if mode in endpoints else {}
    body: dict[str, Any] = {
        "Hostname": service.hostname,
        "Domainname": service.domainname,
        "User": service.user,
        "AttachStdin": making.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": service.tty,
        "OpenStdin": service.stdin_open,
        "StdinOnce": making.stdin and service.stdin_open,
        "Env": [name if value is None else f"{name}={value}" for name, value in service.environment.items()],
        "Cmd": None if service.command is None else list(service.command),
        "Entrypoint": None if service.entrypoint is None else list(service.entrypoint),
        "Image": image_name(project, service),
        "WorkingDir": service.working_dir,
        "Labels": dict(making.labels),
        "ExposedPorts": {port: {} for port in exposed(service)},
        "HostConfig": {
            **host_config(service),
            "AutoRemove": making.auto_remove,
            "NetworkMode": mode,
            "Links": links or None,
            "Binds": binds or None,
            "Mounts": mounts or None,
        },
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }
    if service.mac_address:
        body["MacAddress"] = service.mac_address
    if service.stop_signal:
        body["StopSignal"] = service.stop_signal
    if service.stop_grace_period is not None:
        body["StopTimeout"] = round(service.stop_grace_period / 1e9)
    if service.healthcheck is not None:
        body["Healthcheck"] = healthcheck(service.healthcheck)
    return body


def host_config(service: Service) -> dict[str, Any]:
    host: dict[str, Any] = {
        **resources(service),
        "Annotations": dict(service.annotations) or None,
        "CapAdd": list(service.cap_add) or None,
        "CapDrop": list(service.cap_drop) or None,
        "CgroupnsMode": service.cgroup,
        "Dns": list(service.dns) or None,
        "DnsOptions": list(service.dns_opt) or None,
        "DnsSearch": list(service.dns_search) or None,
        "ExtraHosts": [item.replace("=", ":", 1) for item in service.extra_hosts] or None,
        "GroupAdd": list(service.group_add) or None,
        "IpcMode": service.ipc,
        "LogConfig": {
            "Type": service.logging.driver if service.logging else "",
            "Config": dict(service.logging.options) if service.logging else {},
        },
        "OomScoreAdj": service.oom_score_adj,
        "PidMode": service.pid,
        "PortBindings": bindings(service.ports),
        "Privileged": service.privileged,
        "ReadonlyRootfs": service.read_only,
        "RestartPolicy": restart_policy(service),
        "Runtime": service.runtime,
        "SecurityOpt": [_option(item) for item in service.security_opt] or None,
        "ShmSize": service.shm_size,
        "StorageOpt": dict(service.storage_opt) or None,
        "Sysctls": dict(service.sysctls) or None,
        "Tmpfs": {place: options for place, _, options in (item.partition(":") for item in service.tmpfs)} or None,
        "UTSMode": service.uts,
        "UsernsMode": service.userns_mode,
        "VolumesFrom": list(service.volumes_from) or None,
    }
    if service.init is not None:
        host["Init"] = service.init
    return host


def resources(service: Service) -> dict[str, Any]:
    """Limits; what `deploy.resources` says comes before the older attributes."""
    limits, reserved = service.deploy.limits, service.deploy.reservations
    found: dict[str, Any] = {
        "CgroupParent": service.cgroup_parent,
        "CpuCount": service.cpu_count,
        "CpuPercent": round(service.cpu_percent * 100),
        "CpuPeriod": service.cpu_period,
        "CpuQuota": service.cpu_quota,
        "CpuRealtimePeriod": service.cpu_rt_period,
        "CpuRealtimeRuntime": service.cpu_rt_runtime,
        "CpuShares": service.cpu_shares,
        "CpusetCpus": service.cpuset,
        "NanoCpus": limits.nano_cpus or service.nano_cpus,
        "Memory": limits.memory or service.mem_limit,
        "MemoryReservation": reserved.memory or service.mem_reservation,
        "MemorySwap": service.memswap_limit,
        "OomKillDisable": service.oom_kill_disable,
        "PidsLimit": limits.pids or service.pids_limit or None,
        "DeviceCgroupRules": list(service.device_cgroup_rules) or None,
        "Devices": [
            {"PathOnHost": item.source, "PathInContainer": item.target, "CgroupPermissions": item.permissions}
            for item in service.devices
        ],
        "DeviceRequests": [_device_request(item) for item in (*service.gpus, *reserved.devices)] or None,
        "Ulimits": [{"Name": name, "Soft": item.soft, "Hard": item.hard} for name, item in service.ulimits.items()],
    }
    if service.mem_swappiness is not None:
        found["MemorySwappiness"] = service.mem_swappiness
    if service.blkio is not None:
        found |= {
            "BlkioWeight": service.blkio.weight,
            "BlkioWeightDevice": _devices(service.blkio.weight_device, "Weight"),
            "BlkioDeviceReadBps": _devices(service.blkio.device_read_bps),
            "BlkioDeviceReadIOps": _devices(service.blkio.device_read_iops),
            "BlkioDeviceWriteBps": _devices(service.blkio.device_write_bps),
            "BlkioDeviceWriteIOps": _devices(service.blkio.device_write_iops),
        }
    return found


def _devices(limits: Sequence[DeviceLimit], what: str = "Rate") -> list[dict[str, Any]]:
    return [{"Path": item.path, what: item.value} for item in limits]


def _device_request(request: DeviceRequest) -> dict[str, Any]:
    return {
        "Driver": request.driver,
        "Count": request.count or 0,
        "DeviceIDs": list(request.device_ids) or None,
        "Capabilities": [list(request.capabilities)],
        "Options": dict(request.options),
    }


def _option(text: str) -> str:
    """`seccomp:unconfined`, as older files have it."""
    name, equals, _ = text.partition("=")
    return text if equals or ":" not in name else text.replace(":", "=", 1)


def exposed(service: Service) -> list[str]:
    """`80/tcp` for every port that the service exposes or publishes, each once."""
    ports = []
    for item in service.expose:
        numbers, _, protocol = item.partition("/")
        first, _, last = numbers.partition("-")
        ports += [f"{number}/{protocol or 'tcp'}" for number in range(int(first), int(last or first) + 1)]
    ports += [f"{port.target}/{port.protocol}" for port in service.ports]
    return list(dict.fromkeys(ports))


def bindings(ports: Sequence[Port]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        place = {"HostIp": port.host_ip, "HostPort": port.published}
        found.setdefault(f"{port.target}/{port.protocol}", []).append(place)
    return found


def restart_policy(service: Service) -> dict[str, Any]:
    if service.deploy.restart_policy is not None:
        policy = service.deploy.restart_policy
        return {"Name": CONDITIONS.get(policy.condition, policy.condition), "MaximumRetryCount": policy.max_attempts}
    name, _, count = service.restart.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count) if count.isdigit() else 0}


def healthcheck(check: Healthcheck) -> dict[str, Any]:
    if check.disable:
        return {"Test": ["NONE"]}
    found: dict[str, Any] = {"Test": list(check.test)} if check.test else {}
    for name, value in (
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
        ("Retries", check.retries),
    ):
        if value is not None:
            found[name] = value
    return found
