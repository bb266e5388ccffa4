"""One service as docker compose prints it. Pure."""

from __future__ import annotations

from typing import Any

from kernel_engine.compose.model import Service
from kernel_engine.compose.printing_parts import (
    Kept,
    Values,
    by_key,
    by_name,
    printed_attachment,
    printed_block_io,
    printed_build,
    printed_deploy,
    printed_device_request,
    printed_duration,
    printed_grant,
    printed_healthcheck,
    printed_hook,
    printed_mount,
    printed_number,
    printed_port,
    printed_processors,
    printed_size,
    printed_ulimits,
    said,
)


def printed_service(service: Service) -> Values:
    """One service; `command` and `entrypoint` are there also when they are empty, which is not the same as not said."""
    values: Values = {
        "profiles": list(service.profiles),
        "annotations": by_name(service.annotations),
        "attach": None if service.attach else Kept(False),
        "build": service.build and printed_build(service.build),
        "develop": service.others.get("develop"),
        "blkio_config": service.blkio and printed_block_io(service.blkio),
        "cap_add": list(service.cap_add),
        "cap_drop": list(service.cap_drop),
        "cgroup_parent": service.cgroup_parent,
        "cgroup": service.cgroup,
        "cpu_count": service.cpu_count,
        "cpu_percent": printed_number(service.cpu_percent),
        "cpu_period": service.cpu_period,
        "cpu_quota": service.cpu_quota,
        "cpu_rt_period": service.cpu_rt_period,
        "cpu_rt_runtime": service.cpu_rt_runtime,
        "cpus": printed_processors(service.nano_cpus),
        "cpuset": service.cpuset,
        "cpu_shares": service.cpu_shares,
        "command": Kept(service.command),
        "configs": [printed_grant(grant, f"/{grant.source}") for grant in service.configs],
        "container_name": service.container_name,
        "credential_spec": service.others.get("credential_spec"),
        "depends_on": {
            name: said({"condition": item.condition, "restart": item.restart}) | {"required": item.required}
            for name, item in sorted(service.depends_on.items())
        },
        "deploy": printed_deploy(service),
        "device_cgroup_rules": list(service.device_cgroup_rules),
        "devices": [
            {"source": item.source, "target": item.target, "permissions": item.permissions} for item in service.devices
        ],
        "dns": list(service.dns),
        "dns_opt": list(service.dns_opt),
        "dns_search": list(service.dns_search),
        "domainname": service.domainname,
        "entrypoint": Kept(service.entrypoint),
        "provider": service.others.get("provider"),
        "environment": by_name(service.environment),
        "expose": list(service.expose),
        "external_links": list(service.external_links),
        "extra_hosts": sorted(service.extra_hosts),
        "group_add": list(service.group_add),
        "gpus": [printed_device_request(item) for item in service.gpus],
        "hostname": service.hostname,
        "healthcheck": service.healthcheck and printed_healthcheck(service.healthcheck),
        "image": service.image,
        "init": None if service.init is None else Kept(service.init),
        "ipc": service.ipc,
        "isolation": service.isolation,
        "labels": by_name(service.labels),
        "links": list(service.links),
        "logging": service.logging
        and said({"driver": service.logging.driver, "options": by_name(service.logging.options)}),
        "mem_limit": printed_size(service.mem_limit),
        "mem_reservation": printed_size(service.mem_reservation),
        "memswap_limit": printed_size(service.memswap_limit),
        "mem_swappiness": None if service.mem_swappiness is None else str(service.mem_swappiness),
        "mac_address": service.mac_address,
        "models": service.others.get("models"),
        "network_mode": service.network_mode,
        "networks": {name: printed_attachment(item) or None for name, item in sorted(service.networks.items())},
        "oom_kill_disable": service.oom_kill_disable,
        "oom_score_adj": service.oom_score_adj,
        "pid": service.pid,
        "pids_limit": service.pids_limit,
        "platform": service.platform,
        "ports": [printed_port(port) for port in service.ports],
        "privileged": service.privileged,
        "pull_policy": service.pull_policy,
        "read_only": service.read_only,
        "restart": service.restart,
        "runtime": service.runtime,
        "scale": _scale(service),
        "secrets": [printed_grant(grant) for grant in service.secrets],
        "security_opt": list(service.security_opt),
        "shm_size": printed_size(service.shm_size),
        "stdin_open": service.stdin_open,
        "stop_grace_period": printed_duration(service.stop_grace_period),
        "stop_signal": service.stop_signal,
        "storage_opt": by_name(service.storage_opt),
        "sysctls": by_name(service.sysctls),
        "tmpfs": list(service.tmpfs),
        "tty": service.tty,
        "ulimits": printed_ulimits(service.ulimits),
        "use_api_socket": service.others.get("use_api_socket"),
        "user": service.user,
        "userns_mode": service.userns_mode,
        "uts": service.uts,
        "volumes": [printed_mount(mount) for mount in service.volumes],
        "volumes_from": list(service.volumes_from),
        "working_dir": service.working_dir,
        "pre_start": service.others.get("pre_start"),
        "post_start": [printed_hook(hook) for hook in service.post_start],
        "pre_stop": [printed_hook(hook) for hook in service.pre_stop],
        **by_key(service.extensions),
    }
    return said(values)


def _scale(service: Service) -> Any:
    """Said once, where the file said it; a scale of 1 that nobody said is not printed."""
    return None if service.deploy.replicas is not None or service.scale == 1 else Kept(service.scale)
