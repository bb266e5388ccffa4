"""A project as docker compose prints it: its canonical form, in plain values. Pure.

Attributes that have their default are left out; the order is docker compose's (that of its Go structs: attributes of a
service by name, with few exceptions). Reading the printed form again gives the same project; a test holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kernel_engine.compose.model import (
    Attachment,
    BlockIO,
    Build,
    DeviceRequest,
    FileObject,
    Grant,
    Healthcheck,
    Hook,
    Mount,
    Network,
    Port,
    Project,
    Resources,
    Rollout,
    Service,
    Ulimit,
    Volume,
)
from kernel_engine.formats.times import go_duration

Values = dict[str, Any]


def printed(project: Project) -> Values:
    """The whole project. Strings hold `$` as they are; a file wants them doubled."""
    sections = {
        "networks": {key: _network(item) for key, item in sorted(project.networks.items())},
        "volumes": {key: _volume(item) for key, item in sorted(project.volumes.items())},
        "secrets": {key: _file_object(item, secret=True) for key, item in sorted(project.secrets.items())},
        "configs": {key: _file_object(item) for key, item in sorted(project.configs.items())},
    }
    services = {name: printed_service(item) for name, item in sorted(project.services.items())}
    return {
        "name": project.name,
        "services": services,
        **_said(sections),
        **_by_key(project.extensions),
    }


def printed_service(service: Service) -> Values:
    """One service; `command` and `entrypoint` are there also when they are empty, which is not the same as not said."""
    deploy = _deploy(service)
    values: Values = {
        "profiles": list(service.profiles),
        "annotations": _sorted(service.annotations),
        "attach": None if service.attach else False,
        "build": service.build and _build(service.build),
        "blkio_config": service.blkio and _block_io(service.blkio),
        "cap_add": list(service.cap_add),
        "cap_drop": list(service.cap_drop),
        "cgroup_parent": service.cgroup_parent,
        "cgroup": service.cgroup,
        "cpu_count": service.cpu_count,
        "cpu_percent": _number(service.cpu_percent),
        "cpu_period": service.cpu_period,
        "cpu_quota": service.cpu_quota,
        "cpu_rt_period": service.cpu_rt_period,
        "cpu_rt_runtime": service.cpu_rt_runtime,
        "cpus": _processors(service.nano_cpus),
        "cpuset": service.cpuset,
        "cpu_shares": service.cpu_shares,
        "command": _Kept(service.command),
        "configs": [_grant(grant, f"/{grant.source}") for grant in service.configs],
        "container_name": service.container_name,
        "depends_on": {
            name: _said({"condition": item.condition, "restart": item.restart}) | {"required": item.required}
            for name, item in sorted(service.depends_on.items())
        },
        "deploy": deploy,
        "device_cgroup_rules": list(service.device_cgroup_rules),
        "devices": [
            {"source": item.source, "target": item.target, "permissions": item.permissions} for item in service.devices
        ],
        "dns": list(service.dns),
        "dns_opt": list(service.dns_opt),
        "dns_search": list(service.dns_search),
        "domainname": service.domainname,
        "entrypoint": _Kept(service.entrypoint),
        "environment": _sorted(service.environment),
        "expose": list(service.expose),
        "external_links": list(service.external_links),
        "extra_hosts": sorted(service.extra_hosts),
        "group_add": list(service.group_add),
        "gpus": [_device_request(item) for item in service.gpus],
        "hostname": service.hostname,
        "healthcheck": service.healthcheck and _healthcheck(service.healthcheck),
        "image": service.image,
        "init": None if service.init is None else _Kept(service.init),
        "ipc": service.ipc,
        "isolation": service.isolation,
        "labels": _sorted(service.labels),
        "links": list(service.links),
        "logging": service.logging
        and _said({"driver": service.logging.driver, "options": _sorted(service.logging.options)}),
        "mem_limit": _size(service.mem_limit),
        "mem_reservation": _size(service.mem_reservation),
        "memswap_limit": _size(service.memswap_limit),
        "mem_swappiness": None if service.mem_swappiness is None else str(service.mem_swappiness),
        "mac_address": service.mac_address,
        "network_mode": service.network_mode,
        "networks": {name: _attachment(item) or None for name, item in sorted(service.networks.items())},
        "oom_kill_disable": service.oom_kill_disable,
        "oom_score_adj": service.oom_score_adj,
        "pid": service.pid,
        "pids_limit": service.pids_limit,
        "platform": service.platform,
        "ports": [_port(port) for port in service.ports],
        "privileged": service.privileged,
        "pull_policy": service.pull_policy,
        "read_only": service.read_only,
        "restart": service.restart,
        "runtime": service.runtime,
        "scale": _scale(service),
        "secrets": [_grant(grant) for grant in service.secrets],
        "security_opt": list(service.security_opt),
        "shm_size": _size(service.shm_size),
        "stdin_open": service.stdin_open,
        "stop_grace_period": _duration(service.stop_grace_period),
        "stop_signal": service.stop_signal,
        "storage_opt": _sorted(service.storage_opt),
        "sysctls": _sorted(service.sysctls),
        "tmpfs": list(service.tmpfs),
        "tty": service.tty,
        "ulimits": _ulimits(service.ulimits),
        "user": service.user,
        "userns_mode": service.userns_mode,
        "uts": service.uts,
        "volumes": [_mount(mount) for mount in service.volumes],
        "volumes_from": list(service.volumes_from),
        "working_dir": service.working_dir,
        "post_start": [_hook(hook) for hook in service.post_start],
        "pre_stop": [_hook(hook) for hook in service.pre_stop],
        **_by_key(service.extensions),
    }
    return _said(values)


class _Kept:
    """A value that is said though it looks like nothing: an empty command, `init: false`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _said(values: Mapping[str, Any]) -> Values:
    """Without what says nothing."""
    result: Values = {}
    for key, value in values.items():
        if isinstance(value, _Kept):
            if value.value is not None:
                result[key] = list(value.value) if isinstance(value.value, tuple) else value.value
        elif value not in (None, "", 0, {}, [], False) or (value is False and key == "attach"):
            result[key] = value
    return result


def _sorted(mapping: Mapping[str, Any]) -> Values:
    return dict(sorted(mapping.items()))


def _by_key(value: Any) -> Any:
    """What is the user's own, all the way down."""
    if isinstance(value, Mapping):
        return {key: _by_key(item) for key, item in sorted(value.items())}
    return [_by_key(item) for item in value] if isinstance(value, list) else value


def _size(value: int) -> str:
    return str(value) if value else ""


def _duration(value: int | None) -> str | None:
    return None if value is None else go_duration(value)


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _processors(nano: int) -> float | int:
    return _number(nano / 1e9)


def _mode(value: int | None) -> str | None:
    return None if value is None else f"0{value:o}"


def _scale(service: Service) -> Any:
    """Said once, where the file said it; a scale of 1 that nobody said is not printed."""
    return None if service.deploy.replicas is not None or service.scale == 1 else _Kept(service.scale)


def _build(build: Build) -> Values:
    return _said(
        {
            "context": build.context,
            "dockerfile": build.dockerfile,
            "dockerfile_inline": build.dockerfile_inline,
            "entitlements": list(build.entitlements),
            "args": _sorted(build.args),
            "ssh": dict(item.partition("=")[::2] for item in build.ssh),
            "labels": _sorted(build.labels),
            "cache_from": list(build.cache_from),
            "cache_to": list(build.cache_to),
            "no_cache": build.no_cache,
            "additional_contexts": _sorted(build.additional_contexts),
            "pull": build.pull,
            "extra_hosts": sorted(build.extra_hosts),
            "isolation": build.isolation,
            "network": build.network,
            "target": build.target,
            "secrets": [
                _said(
                    {
                        "source": item.source,
                        "target": item.id if item.id != item.source else "",
                        "uid": item.uid,
                        "gid": item.gid,
                        "mode": _mode(item.mode),
                    }
                )
                for item in build.secrets
            ],
            "shm_size": _size(build.shm_size),
            "tags": list(build.tags),
            "ulimits": _ulimits(build.ulimits),
            "platforms": list(build.platforms),
            "privileged": build.privileged,
        }
    )


def _ulimits(ulimits: Mapping[str, Ulimit]) -> Values:
    return {
        name: item.soft if item.soft == item.hard else {"soft": item.soft, "hard": item.hard}
        for name, item in sorted(ulimits.items())
    }


def _port(port: Port) -> Values:
    return _said(
        {
            "name": port.name,
            "mode": port.mode,
            "host_ip": port.host_ip,
            "target": port.target,
            "published": port.published,
            "protocol": port.protocol,
            "app_protocol": port.app_protocol,
        }
    )


def _mount(mount: Mount) -> Values:
    values = _said(
        {
            "type": mount.type,
            "source": mount.source,
            "target": mount.target,
            "read_only": mount.read_only,
            "consistency": mount.consistency,
        }
    )
    if mount.type == "bind":
        values["bind"] = _said(
            {
                "selinux": mount.selinux,
                "propagation": mount.propagation,
                "create_host_path": None if mount.create_host_path else _Kept(False),
                "recursive": mount.recursive,
            }
        )
    elif mount.type == "volume":
        values["volume"] = _said({"labels": _sorted(mount.labels), "nocopy": mount.no_copy, "subpath": mount.subpath})
    elif mount.type == "tmpfs" and (mount.size or mount.mode is not None):
        values["tmpfs"] = _said({"size": _size(mount.size), "mode": mount.mode})
    elif mount.type == "image" and mount.subpath:
        values["image"] = {"subpath": mount.subpath}
    return values


def _grant(grant: Grant, unsaid: str = "") -> Values:
    return _said(
        {
            "source": grant.source,
            "target": grant.target if grant.target != unsaid else "",
            "uid": grant.uid,
            "gid": grant.gid,
            "mode": _mode(grant.mode),
        }
    )


def _attachment(item: Attachment) -> Values:
    return _said(
        {
            "aliases": list(item.aliases),
            "driver_opts": _sorted(item.driver_opts),
            "gw_priority": item.gw_priority,
            "interface_name": item.interface_name,
            "ipv4_address": item.ipv4_address,
            "ipv6_address": item.ipv6_address,
            "link_local_ips": list(item.link_local_ips),
            "mac_address": item.mac_address,
            "priority": item.priority,
        }
    )


def _healthcheck(item: Healthcheck) -> Values:
    return _said(
        {
            "test": list(item.test),
            "timeout": _duration(item.timeout),
            "interval": _duration(item.interval),
            "retries": None if item.retries is None else _Kept(item.retries),
            "start_period": _duration(item.start_period),
            "start_interval": _duration(item.start_interval),
            "disable": item.disable,
        }
    )


def _deploy(service: Service) -> Values:
    item = service.deploy
    restart = item.restart_policy
    replicas = None if item.replicas is None else _Kept(service.scale)
    return _said(
        {
            "mode": item.mode,
            "replicas": replicas,
            "labels": _sorted(item.labels),
            "update_config": item.update_config and _rollout(item.update_config),
            "rollback_config": item.rollback_config and _rollout(item.rollback_config),
            "resources": _said({"limits": _resources(item.limits), "reservations": _resources(item.reservations)}),
            "restart_policy": restart
            and _said(
                {
                    "condition": restart.condition if restart.condition != "any" else "",
                    "delay": _duration(restart.delay or None),
                    "max_attempts": restart.max_attempts,
                    "window": _duration(restart.window or None),
                }
            ),
            "placement": _said(
                {
                    "constraints": list(item.constraints),
                    "preferences": [{"spread": spread} for spread in item.spread],
                    "max_replicas_per_node": item.max_replicas_per_node,
                }
            ),
            "endpoint_mode": item.endpoint_mode,
        }
    )


def _rollout(item: Rollout) -> Values:
    return _said(
        {
            "parallelism": None if item.parallelism is None else _Kept(item.parallelism),
            "delay": _duration(item.delay or None),
            "failure_action": item.failure_action,
            "monitor": _duration(item.monitor or None),
            "max_failure_ratio": _number(item.max_failure_ratio),
            "order": item.order,
        }
    )


def _resources(item: Resources) -> Values:
    return _said(
        {
            # a number, as docker compose prints it; the schema takes words and numbers
            "cpus": _processors(item.nano_cpus),
            "memory": _size(item.memory),
            "pids": item.pids,
            "devices": [_device_request(request) for request in item.devices],
            "generic_resources": [
                {"discrete_resource_spec": {"kind": kind, "value": value}} for kind, value in item.generic.items()
            ],
        }
    )


def _device_request(item: DeviceRequest) -> Values:
    return _said(
        {
            "capabilities": list(item.capabilities),
            "driver": item.driver,
            "count": item.count,
            "device_ids": list(item.device_ids),
            "options": _sorted(item.options),
        }
    )


def _hook(hook: Hook) -> Values:
    return _said(
        {
            "command": list(hook.command),
            "user": hook.user,
            "privileged": hook.privileged,
            "working_dir": hook.working_dir,
            "environment": _sorted(hook.environment),
        }
    )


def _block_io(item: BlockIO) -> Values:
    def limits(given: Iterable[Any], key: str = "rate") -> list[Values]:
        return [{"path": limit.path, key: limit.value if key == "weight" else str(limit.value)} for limit in given]

    return _said(
        {
            "weight": item.weight,
            "weight_device": limits(item.weight_device, "weight"),
            "device_read_bps": limits(item.device_read_bps),
            "device_read_iops": limits(item.device_read_iops),
            "device_write_bps": limits(item.device_write_bps),
            "device_write_iops": limits(item.device_write_iops),
        }
    )


def _network(network: Network) -> Values:
    pools = [
        _said(
            {
                "subnet": pool.subnet,
                "gateway": pool.gateway,
                "ip_range": pool.ip_range,
                "aux_addresses": _sorted(pool.aux_addresses),
            }
        )
        for pool in network.pools
    ]
    return _said(
        {
            "name": network.name,
            "driver": network.driver,
            "driver_opts": _sorted(network.driver_opts),
            "ipam": _said({"driver": network.ipam_driver, "config": pools, "options": _sorted(network.ipam_options)}),
            "external": network.external,
            "internal": network.internal,
            "attachable": network.attachable,
            "labels": _sorted(network.labels),
            "enable_ipv4": None if network.enable_ipv4 is None else _Kept(network.enable_ipv4),
            "enable_ipv6": None if network.enable_ipv6 is None else _Kept(network.enable_ipv6),
            **_by_key(network.extensions),
        }
    )


def _volume(volume: Volume) -> Values:
    return _said(
        {
            "name": volume.name,
            "driver": volume.driver,
            "driver_opts": _sorted(volume.driver_opts),
            "external": volume.external,
            "labels": _sorted(volume.labels),
            **_by_key(volume.extensions),
        }
    )


def _file_object(item: FileObject, *, secret: bool = False) -> Values:
    """A secret's value is never printed, nor a config's that came from the environment."""
    return _said(
        {
            "name": item.name,
            "file": item.file,
            "environment": item.environment,
            "content": None if secret or item.environment or item.content is None else _Kept(item.content),
            "external": item.external,
            "labels": _sorted(item.labels),
            **_by_key(item.extensions),
        }
    )
