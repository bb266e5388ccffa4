"""One service as a pod: its container, how it is watched, what it may do. Pure."""

from __future__ import annotations

import re
from typing import Any

from kernel_engine.compose.converge.body import image_name
from kernel_engine.compose.kubernetes.notes import Notes
from kernel_engine.compose.kubernetes.storage import mounted
from kernel_engine.compose.kubernetes.words import literal, object_name, processors, seconds, size
from kernel_engine.compose.model import Healthcheck, Project, Resources, Service

Object = dict[str, Any]

PULL = {"always": "Always", "never": "Never", "missing": "IfNotPresent", "if_not_present": "IfNotPresent"}
#: what a healthcheck that says nothing means to the engine: nanoseconds and a count
INTERVAL = TIMEOUT = 30 * 10**9
RETRIES = 3
#: compose's default; Kubernetes' is 30 seconds
GRACE = 10 * 10**9
_ADDRESS = re.compile(r"[0-9a-fA-F.:]+")


def pod_spec(service: Service, project: Project, notes: Notes, *, restart: str = "Always") -> Object:
    """`restart`: a Deployment's pods have to restart always; a Job's never do."""
    storage = mounted(service, project, notes)
    container = {**_container(service, project, notes), "volumeMounts": storage.mounts}
    spec: Object = {
        "containers": [_said(container)],
        "volumes": storage.volumes,
        # variables for every Service of the namespace would appear beside the file's own
        "enableServiceLinks": False,
        "restartPolicy": None if restart == "Always" else restart,
        "hostname": object_name(service.hostname) if service.hostname and service.scale <= 1 else None,
        "hostAliases": _host_aliases(service, notes),
        "dnsConfig": _said(
            {
                "nameservers": list(service.dns),
                "searches": list(service.dns_search),
                "options": [
                    _said({"name": name, "value": value or None})
                    for name, _, value in (option.partition(":") for option in service.dns_opt)
                ],
            }
        ),
        "nodeSelector": _node_selector(service, notes),
        "securityContext": _pod_security(service, notes),
        "terminationGracePeriodSeconds": _grace(service),
        "runtimeClassName": service.runtime or None,
        **_namespaces(service, notes),
    }
    return _said(spec)


def _said(values: Object) -> Object:
    return {key: value for key, value in values.items() if value not in (None, [], {}, "")}


def _grace(service: Service) -> int:
    period = GRACE if service.stop_grace_period is None else service.stop_grace_period
    return seconds(period) if period else 0


def _container(service: Service, project: Project, notes: Notes) -> Object:
    if service.build is not None:
        notes.add(
            f"services.{service.name}.build: Kubernetes builds nothing; push {image_name(project, service)} "
            "to a registry that the cluster reaches"
        )
    if service.pull_policy and service.pull_policy not in PULL:
        notes.missing(f"services.{service.name}.pull_policy ({service.pull_policy})")
    return {
        "name": object_name(service.name),
        "image": image_name(project, service),
        "imagePullPolicy": PULL.get(service.pull_policy),
        "command": None if service.entrypoint is None else [literal(word) for word in service.entrypoint],
        "args": None if service.command is None else [literal(word) for word in service.command],
        "workingDir": service.working_dir,
        "env": _variables(service, notes),
        "ports": _ports(service),
        "tty": service.tty or None,
        "stdin": service.stdin_open or None,
        "resources": _resources(service, notes),
        "readinessProbe": service.healthcheck and _probe(service.healthcheck, service, notes),
        "lifecycle": _hooks(service, notes),
        "securityContext": _security(service, notes),
    }


def _variables(service: Service, notes: Notes) -> list[Object]:
    for name, value in service.environment.items():
        if value is None:
            notes.missing(f"services.{service.name}.environment.{name} without a value")
    return [{"name": name, "value": literal(value)} for name, value in service.environment.items() if value is not None]


def _ports(service: Service) -> list[Object]:
    return [{"containerPort": number, "protocol": protocol.upper()} for number, protocol in container_ports(service)]


def container_ports(service: Service) -> list[tuple[int, str]]:
    """Ports that are published or exposed, each once, sorted."""
    found = {(port.target, port.protocol) for port in service.ports}
    for word in service.expose:
        numbers, _, protocol = word.partition("/")
        first, _, last = numbers.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found |= {(number, protocol or "tcp") for number in range(int(first), int(last or first) + 1)}
    return sorted(found)


def _resources(service: Service, notes: Notes) -> Object:
    limits, reserved = service.deploy.limits, service.deploy.reservations
    gpus = [*reserved.devices, *service.gpus]
    for request in gpus:
        if request.driver not in ("", "nvidia") or request.device_ids or request.count == -1 or request.options:
            notes.missing(f"services.{service.name} devices beyond a number of GPUs", "a device plugin names them")
    if limits.pids:
        notes.missing(f"services.{service.name}.deploy.resources.limits.pids")
    if reserved.generic:
        notes.missing(f"services.{service.name}.deploy.resources.reservations.generic_resources")
    result = {
        "limits": _amounts(limits, service.nano_cpus, service.mem_limit),
        "requests": _amounts(reserved, 0, service.mem_reservation),
    }
    count = sum(request.count or 0 for request in gpus if (request.count or 0) > 0)
    if count:
        result["limits"]["nvidia.com/gpu"] = str(count)
    return _said(result)


def _amounts(given: Resources, nano_cpus: int, memory: int) -> Object:
    nano, count = given.nano_cpus or nano_cpus, given.memory or memory
    return _said({"cpu": processors(nano) if nano else None, "memory": size(count) if count > 0 else None})


def _probe(check: Healthcheck, service: Service, notes: Notes) -> Object | None:
    """Readiness: an unhealthy container gets no requests, and is not restarted, as with compose."""
    if check.disable or check.test[:1] == ("NONE",):
        return None
    if not check.test:
        notes.missing(f"services.{service.name}.healthcheck of the image", "write its test into the compose file")
        return None
    if check.start_period or check.start_interval:
        notes.add(
            f"services.{service.name}.healthcheck.start_period: a readiness probe needs none; "
            "until it succeeds the pod gets no requests"
        )
    command = ["/bin/sh", "-c", *check.test[1:]] if check.test[0] == "CMD-SHELL" else list(check.test[1:])
    return {
        "exec": {"command": command},
        "periodSeconds": seconds(check.interval or INTERVAL),
        "timeoutSeconds": seconds(check.timeout or TIMEOUT),
        "failureThreshold": check.retries or RETRIES,
    }


def _hooks(service: Service, notes: Notes) -> Object:
    result = {}
    for key, name, hooks in (
        ("postStart", "post_start", service.post_start),
        ("preStop", "pre_stop", service.pre_stop),
    ):
        if hooks:
            result[key] = {"exec": {"command": list(hooks[0].command)}}
        if len(hooks) > 1:
            notes.missing(f"services.{service.name}.{name} beyond the first command", "join them in one shell line")
        if any(hook.user or hook.privileged or hook.working_dir or hook.environment for hook in hooks):
            notes.missing(f"services.{service.name}.{name} user, privileged, working_dir and environment")
    return result


def _security(service: Service, notes: Notes) -> Object:
    user, _, group = service.user.partition(":")
    place = f"services.{service.name}"
    if (user and not user.isdigit()) or (group and not group.isdigit()):
        notes.missing(f"{place}.user ({service.user})", "Kubernetes wants numbers, or USER in the image")
    capabilities = {"add": _capabilities(service.cap_add), "drop": _capabilities(service.cap_drop)}
    return _said(
        {
            "privileged": service.privileged or None,
            "readOnlyRootFilesystem": service.read_only or None,
            "runAsUser": int(user) if user.isdigit() else None,
            "runAsGroup": int(group) if group.isdigit() else None,
            "capabilities": _said(capabilities),
            **_security_options(service, notes),
        }
    )


def _capabilities(names: tuple[str, ...]) -> list[str]:
    return [name.upper().removeprefix("CAP_") for name in names]


def _security_options(service: Service, notes: Notes) -> Object:
    result: Object = {}
    for option in service.security_opt:
        key, _, value = option.replace(":", "=", 1).partition("=")
        if key == "no-new-privileges" and value in ("", "true"):
            result["allowPrivilegeEscalation"] = False
        elif key in ("seccomp", "apparmor") and value == "unconfined":
            result["seccompProfile" if key == "seccomp" else "appArmorProfile"] = {"type": "Unconfined"}
        else:
            notes.missing(f"services.{service.name}.security_opt ({option})")
    return result


def _pod_security(service: Service, notes: Notes) -> Object:
    named = [group for group in service.group_add if not group.isdigit()]
    if named:
        notes.missing(f"services.{service.name}.group_add ({', '.join(named)})", "Kubernetes wants numbers")
    return _said(
        {
            "supplementalGroups": [int(group) for group in service.group_add if group.isdigit()],
            "sysctls": [{"name": name, "value": value} for name, value in service.sysctls.items()],
        }
    )


def _host_aliases(service: Service, notes: Notes) -> list[Object]:
    names: dict[str, list[str]] = {}
    for word in service.extra_hosts:
        name, _, address = word.partition("=")
        if _ADDRESS.fullmatch(address):
            names.setdefault(address, []).append(name)
        else:
            notes.missing(f"services.{service.name}.extra_hosts ({word})")
    return [{"ip": address, "hostnames": hosts} for address, hosts in names.items()]


def _node_selector(service: Service, notes: Notes) -> Object:
    result: Object = {}
    if service.platform:
        system, _, machine = service.platform.partition("/")
        result["kubernetes.io/os"] = system
        if machine:
            result["kubernetes.io/arch"] = machine.partition("/")[0]
    for constraint in service.deploy.constraints:
        found = re.fullmatch(r"node\.(hostname|labels\.(\S+?))\s*==\s*(\S+)", constraint)
        if found:
            result[found[2] or "kubernetes.io/hostname"] = found[3]
        else:
            notes.missing(f"services.{service.name}.deploy.placement.constraints ({constraint})", "use node affinity")
    if service.deploy.spread or service.deploy.max_replicas_per_node:
        notes.missing(f"services.{service.name}.deploy.placement preferences", "use topologySpreadConstraints")
    return result


def _namespaces(service: Service, notes: Notes) -> Object:
    result: Object = {}
    for key, name, value in (
        ("hostNetwork", "network_mode", service.network_mode),
        ("hostPID", "pid", service.pid),
        ("hostIPC", "ipc", service.ipc),
    ):
        if value == "host":
            result[key] = True
        elif value.startswith(("service:", "container:")):
            place = f"services.{service.name}.{name} ({value})"
            notes.missing(place, "containers that share a namespace are containers of one pod")
        elif value not in ("", "bridge", "shareable", "private"):
            notes.missing(f"services.{service.name}.{name} ({value})")
    return result
