"""Are the caller's options possible? Docker's checks and texts, before anything is made.

Pure but for what this machine has: its processors and memory nodes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from kernel_engine.containers.health import check_possible
from kernel_engine.containers.identity import extra_host
from kernel_engine.containers.options import ContainerOptions, HostOptions, RestartPolicy
from kernel_engine.containers.publishing import wishes
from kernel_engine.containers.sharing import check_modes
from kernel_engine.errors import Forbidden, InvalidRequest
from kernel_engine.runtime.cgroups import Limits

MINIMUM_MEMORY = 6 * 1024 * 1024
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def check_options(options: ContainerOptions) -> None:
    """Raises InvalidRequest or NotSupported with one sentence; returns None where all is well."""
    host = options.host
    _check_memory(host)
    _check_cpus(host)
    _check_restart(host.restart, host.auto_remove)
    if options.healthcheck is not None:
        check_possible(options.healthcheck)
    if options.hostname and not _HOSTNAME.fullmatch(options.hostname):
        raise InvalidRequest(f"invalid hostname format: {options.hostname}")
    if options.working_dir and not options.working_dir.startswith("/"):
        raise InvalidRequest(
            f"the working directory '{options.working_dir}' is invalid, it needs to be an absolute path"
        )
    if options.hostname and host.uts_mode == "host":
        raise InvalidRequest("conflicting options: hostname and the UTS mode")
    check_modes(options)
    if host.userns_mode not in ("", "host"):
        raise InvalidRequest(f"invalid USER mode: {host.userns_mode}")
    for word in host.extra_hosts:
        extra_host(word)
    wishes(options)
    if host.log.driver not in ("", "json-file", "none"):
        raise InvalidRequest(f"logger: no log driver named '{host.log.driver}' is registered")


def check_share(limits: Limits, host: HostOptions) -> None:
    """A container's processors against those of the whole instance. InvalidRequest with Docker's text."""
    wanted = host.nano_cpus or host.cpu_quota * 1_000_000_000 // (host.cpu_period or 100_000)
    if limits.nano_cpus and wanted > limits.nano_cpus:
        most = f"{limits.nano_cpus / 1_000_000_000:.2f}"
        raise InvalidRequest(f"range of CPUs is from 0.01 to {most}, as there are only {most} CPUs available")


def check_room(limits: Limits, there: int) -> None:
    """Before one more container than `there` are. Forbidden."""
    if limits.containers and there >= limits.containers:
        raise Forbidden(f"this engine may have {limits.containers} containers: remove one that is not needed")


def check_remapped(host: HostOptions, *, own_network: bool = False) -> None:
    """What cannot be had in a user namespace. InvalidRequest. `own_network`: see Restriction."""
    if host.privileged:
        raise InvalidRequest(
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace "
            "when running privileged mode"
        )
    if host.network_mode == "host" and not own_network:
        raise InvalidRequest("cannot share the host's network namespace when user namespaces are enabled")
    if host.pid_mode == "host":
        raise InvalidRequest("cannot share the host PID namespace when user namespaces are enabled")


def check_memory(host: HostOptions) -> None:
    if 0 < host.memory < MINIMUM_MEMORY:
        raise InvalidRequest("Minimum memory limit allowed is 6MB")


def _check_memory(host: HostOptions) -> None:
    check_memory(host)
    if host.memory_swap > 0 and host.memory_swap < host.memory:
        raise InvalidRequest("Minimum memoryswap limit should be larger than memory limit, see usage")
    if host.memory_swap > 0 and not host.memory:
        raise InvalidRequest("You should always set the Memory limit when using Memoryswap limit, see usage")
    if host.memory and host.memory_reservation > host.memory:
        raise InvalidRequest("Minimum memory limit can not be less than memory reservation limit, see usage")


def _check_cpus(host: HostOptions) -> None:
    count = (os.cpu_count() or 1) if host.nano_cpus else 1  # a file of /sys, read each time
    if host.nano_cpus < 0 or host.nano_cpus > count * 1_000_000_000:
        raise InvalidRequest(f"range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available")
    if host.nano_cpus and host.cpu_quota:
        raise InvalidRequest("conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if host.nano_cpus and host.cpu_period:
        raise InvalidRequest("conflicting options: Nano CPUs and CPU Period cannot both be set")
    if host.cpu_period and not 1000 <= host.cpu_period <= 1_000_000:
        raise InvalidRequest("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    _check_set("cpus", "CPUs", host.cpuset_cpus, Path("/sys/devices/system/cpu/online"))
    _check_set("mems", "memory nodes", host.cpuset_mems, Path("/sys/devices/system/node/online"))
    if 0 < host.cpu_quota < 1000:
        raise InvalidRequest("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _check_set(kind: str, name: str, wanted: str, there: Path) -> None:
    """--cpuset-cpus and --cpuset-mems."""
    if not wanted:
        return
    numbers = _set_of(wanted)
    if numbers is None:
        raise InvalidRequest(f"invalid value {wanted} for cpuset {kind}: invalid format: {wanted}")
    available = there.read_text().strip() if there.exists() else "0"
    if not numbers <= (_set_of(available) or frozenset()):
        raise InvalidRequest(f"requested {name} are not available - requested {wanted}, available: {available}")


def _set_of(text: str) -> frozenset[int] | None:
    """`0-2,5` as numbers; None where it is no such list (cpuset(7), "List format")."""
    found: set[int] = set()
    for part in text.split(","):
        pair = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part, re.ASCII)
        if pair is None or int(pair[2] or pair[1]) < int(pair[1]):
            return None
        found.update(range(int(pair[1]), int(pair[2] or pair[1]) + 1))
    return frozenset(found)


def _check_restart(policy: RestartPolicy, auto_remove: bool) -> None:
    if policy.name not in ("", "no", "always", "unless-stopped", "on-failure"):
        raise InvalidRequest(f"invalid restart policy '{policy.name}'")
    if policy.name in ("", "no"):
        if policy.maximum_retry_count:
            raise InvalidRequest("invalid restart policy: maximum retry count can only be used with 'on-failure'")
        return
    if auto_remove:
        raise InvalidRequest("can't create 'AutoRemove' container with restart policy")
    if policy.maximum_retry_count < 0:
        raise InvalidRequest("maximum retry count cannot be negative")
    if policy.maximum_retry_count and policy.name != "on-failure":
        raise InvalidRequest(f"maximum retry count cannot be used with restart policy '{policy.name}'")
