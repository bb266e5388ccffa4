"""HostConfig as `docker inspect` shows it: every field with its default, then what the engine made of the request."""

from __future__ import annotations

from typing import Any

from kernel_engine.containers.options import HostOptions
from kernel_engine.containers.record import Container
from kernel_engine.runtime.defaults import MASKED_PATHS, READONLY_PATHS

#: the fields that this engine does not read, with the values that Docker shows where nothing was asked
_DEFAULTS: dict[str, Any] = {
    "ContainerIDFile": "",
    "VolumeDriver": "",
    "Cgroup": "",
    "Links": None,
    "Isolation": "",
    "CgroupParent": "",
    "BlkioWeight": 0,
    "BlkioWeightDevice": [],
    "BlkioDeviceReadBps": [],
    "BlkioDeviceWriteBps": [],
    "BlkioDeviceReadIOps": [],
    "BlkioDeviceWriteIOps": [],
    "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0,
    "Devices": [],
    "DeviceCgroupRules": None,
    "DeviceRequests": None,
    "MemorySwappiness": None,
    "CpuCount": 0,
    "CpuPercent": 0,
    "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
    "Runtime": "kernel-engine",
}


def host_json(item: Container) -> dict[str, Any]:
    host = item.config.host
    answer = {**_DEFAULTS, **host.raw}
    answer |= _placement(host) | _limits(host)
    open_paths = host.privileged or any(
        word.replace(":", "=") == "systempaths=unconfined" for word in host.security_opt
    )
    answer["MaskedPaths"] = None if open_paths else list(MASKED_PATHS)
    answer["ReadonlyPaths"] = None if open_paths else list(READONLY_PATHS)
    if not answer["Runtime"]:
        answer["Runtime"] = _DEFAULTS["Runtime"]
    if answer["MemorySwappiness"] == -1:  # what old clients send for "not said"
        answer["MemorySwappiness"] = None
    return answer


def _placement(host: HostOptions) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Binds": list(host.binds) or None,
        "VolumesFrom": list(host.volumes_from) or None,
        "LogConfig": {"Type": host.log.driver, "Config": dict(host.log.options)},
        "NetworkMode": host.network_mode,
        "PortBindings": {
            port: [{"HostIp": ip, "HostPort": number} for ip, number in places]
            for port, places in host.port_bindings.items()
        },
        "RestartPolicy": {"Name": host.restart.name, "MaximumRetryCount": host.restart.maximum_retry_count},
        "AutoRemove": host.auto_remove,
        "ConsoleSize": list(host.console_size),
        "CapAdd": list(host.cap_add) or None,
        "CapDrop": list(host.cap_drop) or None,
        "CgroupnsMode": host.cgroupns_mode or ("host" if host.privileged else "private"),
        "Dns": list(host.dns),
        "DnsOptions": list(host.dns_options),
        "DnsSearch": list(host.dns_search),
        "ExtraHosts": list(host.extra_hosts) or None,
        "GroupAdd": list(host.group_add) or None,
        "IpcMode": host.ipc_mode or "private",
        "OomScoreAdj": host.oom_score_adj,
        "PidMode": host.pid_mode,
        "Privileged": host.privileged,
        "PublishAllPorts": host.publish_all,
        "ReadonlyRootfs": host.read_only,
        "SecurityOpt": list(host.security_opt) or None,
        "UTSMode": host.uts_mode,
        "UsernsMode": host.userns_mode,
        "ShmSize": host.shm_size or 64 * 1024 * 1024,
        "Ulimits": [{"Name": name, "Soft": soft, "Hard": hard} for name, soft, hard in host.ulimits] or None,
    }
    if host.tmpfs:
        answer["Tmpfs"] = dict(host.tmpfs)
    if host.sysctls:
        answer["Sysctls"] = dict(host.sysctls)
    if host.init is not None:
        answer["Init"] = host.init
    return answer


def _limits(host: HostOptions) -> dict[str, Any]:
    return {
        "CpuShares": host.cpu_shares,
        "Memory": host.memory,
        "NanoCpus": host.nano_cpus,
        "CpuPeriod": host.cpu_period,
        "CpuQuota": host.cpu_quota,
        "CpusetCpus": host.cpuset_cpus,
        "CpusetMems": host.cpuset_mems,
        "MemoryReservation": host.memory_reservation,
        "MemorySwap": host.memory_swap or host.memory * 2,
        "OomKillDisable": host.oom_kill_disable,
        "PidsLimit": host.pids_limit or None,
    }
