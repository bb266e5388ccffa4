"""What a printed project is made of: what is said, what is left out, and the parts of a service. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kernel_engine.compose.model import (
    Attachment,
    BlockIO,
    Build,
    DeviceRequest,
    Grant,
    Healthcheck,
    Hook,
    Mount,
    Port,
    Resources,
    Rollout,
    Service,
    Ulimit,
)
from kernel_engine.formats.times import go_duration

Values = dict[str, Any]


class Kept:
    """A value that is said though it looks like nothing: an empty command, `init: false`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def said(values: Mapping[str, Any]) -> Values:
    """Without what says nothing."""
    result: Values = {}
    for key, value in values.items():
        if isinstance(value, Kept):
            if value.value is not None:
                result[key] = list(value.value) if isinstance(value.value, tuple) else value.value
        elif value not in (None, "", 0, {}, [], False):
            result[key] = value
    return result


def by_name(mapping: Mapping[str, Any]) -> Values:
    return dict(sorted(mapping.items()))


def by_key(value: Any) -> Any:
    """What is the user's own, all the way down."""
    if isinstance(value, Mapping):
        return {key: by_key(item) for key, item in sorted(value.items())}
    return [by_key(item) for item in value] if isinstance(value, list) else value


def printed_size(value: int) -> str:
    return str(value) if value else ""


def printed_duration(value: int | None) -> str | None:
    return None if value is None else go_duration(value)


def printed_number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def printed_processors(nano: int) -> float | int:
    return printed_number(nano / 1e9)


def _mode(value: int | None) -> str | None:
    return None if value is None else f"0{value:o}"


def printed_build(build: Build) -> Values:
    return said(
        {
            "context": build.context,
            "dockerfile": build.dockerfile,
            "dockerfile_inline": build.dockerfile_inline,
            "entitlements": list(build.entitlements),
            "args": by_name(build.args),
            "ssh": dict(item.partition("=")[::2] for item in build.ssh),
            "labels": by_name(build.labels),
            "cache_from": list(build.cache_from),
            "cache_to": list(build.cache_to),
            "no_cache": build.no_cache,
            "additional_contexts": by_name(build.additional_contexts),
            "pull": build.pull,
            "extra_hosts": sorted(build.extra_hosts),
            "isolation": build.isolation,
            "network": build.network,
            "target": build.target,
            "secrets": [
                said(
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
            "shm_size": printed_size(build.shm_size),
            "tags": list(build.tags),
            "ulimits": printed_ulimits(build.ulimits),
            "platforms": list(build.platforms),
            "privileged": build.privileged,
        }
    )


def printed_ulimits(ulimits: Mapping[str, Ulimit]) -> Values:
    return {
        name: item.soft if item.soft == item.hard else {"soft": item.soft, "hard": item.hard}
        for name, item in sorted(ulimits.items())
    }


def printed_port(port: Port) -> Values:
    return said(
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


def printed_mount(mount: Mount) -> Values:
    values = said(
        {
            "type": mount.type,
            "source": mount.source,
            "target": mount.target,
            "read_only": mount.read_only,
            "consistency": mount.consistency,
        }
    )
    if mount.type == "bind":
        values["bind"] = said(
            {
                "selinux": mount.selinux,
                "propagation": mount.propagation,
                "create_host_path": None if mount.create_host_path else Kept(False),
                "recursive": mount.recursive,
            }
        )
    elif mount.type == "volume":
        values["volume"] = said({"labels": by_name(mount.labels), "nocopy": mount.no_copy, "subpath": mount.subpath})
    elif mount.type == "tmpfs" and (mount.size or mount.mode is not None):
        values["tmpfs"] = said({"size": printed_size(mount.size), "mode": mount.mode})
    elif mount.type == "image" and mount.subpath:
        values["image"] = {"subpath": mount.subpath}
    return values


def printed_grant(grant: Grant, unsaid: str = "") -> Values:
    return said(
        {
            "source": grant.source,
            "target": grant.target if grant.target != unsaid else "",
            "uid": grant.uid,
            "gid": grant.gid,
            "mode": _mode(grant.mode),
        }
    )


def printed_attachment(item: Attachment) -> Values:
    return said(
        {
            "aliases": list(item.aliases),
            "driver_opts": by_name(item.driver_opts),
            "gw_priority": item.gw_priority,
            "interface_name": item.interface_name,
            "ipv4_address": item.ipv4_address,
            "ipv6_address": item.ipv6_address,
            "link_local_ips": list(item.link_local_ips),
            "mac_address": item.mac_address,
            "priority": item.priority,
        }
    )


def printed_healthcheck(item: Healthcheck) -> Values:
    return said(
        {
            "test": list(item.test),
            "timeout": printed_duration(item.timeout),
            "interval": printed_duration(item.interval),
            "retries": None if item.retries is None else Kept(item.retries),
            "start_period": printed_duration(item.start_period),
            "start_interval": printed_duration(item.start_interval),
            "disable": item.disable,
        }
    )


def printed_deploy(service: Service) -> Values:
    item = service.deploy
    restart = item.restart_policy
    replicas = None if item.replicas is None else Kept(service.scale)
    return said(
        {
            "mode": item.mode,
            "replicas": replicas,
            "labels": by_name(item.labels),
            "update_config": item.update_config and _rollout(item.update_config),
            "rollback_config": item.rollback_config and _rollout(item.rollback_config),
            "resources": said({"limits": _resources(item.limits), "reservations": _resources(item.reservations)}),
            "restart_policy": restart
            and said(
                {
                    "condition": restart.condition if restart.condition != "any" else "",
                    "delay": printed_duration(restart.delay or None),
                    "max_attempts": restart.max_attempts,
                    "window": printed_duration(restart.window or None),
                }
            ),
            "placement": said(
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
    return said(
        {
            "parallelism": None if item.parallelism is None else Kept(item.parallelism),
            "delay": printed_duration(item.delay or None),
            "failure_action": item.failure_action,
            "monitor": printed_duration(item.monitor or None),
            "max_failure_ratio": printed_number(item.max_failure_ratio),
            "order": item.order,
        }
    )


def _resources(item: Resources) -> Values:
    return said(
        {
            # a number, as docker compose prints it; the schema takes words and numbers
            "cpus": printed_processors(item.nano_cpus),
            "memory": printed_size(item.memory),
            "pids": item.pids,
            "devices": [printed_device_request(request) for request in item.devices],
            "generic_resources": [
                {"discrete_resource_spec": {"kind": kind, "value": value}} for kind, value in item.generic.items()
            ],
        }
    )


def printed_device_request(item: DeviceRequest) -> Values:
    return said(
        {
            "capabilities": list(item.capabilities),
            "driver": item.driver,
            "count": item.count,
            "device_ids": list(item.device_ids),
            "options": by_name(item.options),
        }
    )


def printed_hook(hook: Hook) -> Values:
    return said(
        {
            "command": list(hook.command),
            "user": hook.user,
            "privileged": hook.privileged,
            "working_dir": hook.working_dir,
            "environment": by_name(hook.environment),
        }
    )


def printed_block_io(item: BlockIO) -> Values:
    def limits(given: Iterable[Any], key: str = "rate") -> list[Values]:
        return [{"path": limit.path, key: limit.value if key == "weight" else str(limit.value)} for limit in given]

    return said(
        {
            "weight": item.weight,
            "weight_device": limits(item.weight_device, "weight"),
            "device_read_bps": limits(item.device_read_bps),
            "device_read_iops": limits(item.device_read_iops),
            "device_write_bps": limits(item.device_write_bps),
            "device_write_iops": limits(item.device_write_iops),
        }
    )
