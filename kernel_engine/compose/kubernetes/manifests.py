"""A project → the objects that `kubectl apply` makes of it, and notes on what they cannot say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kernel_engine.compose.kubernetes.notes import Notes
from kernel_engine.compose.kubernetes.pods import pod_spec
from kernel_engine.compose.kubernetes.services import services
from kernel_engine.compose.kubernetes.storage import claims, held
from kernel_engine.compose.kubernetes.words import labels, object_name, seconds, selector
from kernel_engine.compose.model import Project, Rollout, Service

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    objects: tuple[Object, ...]
    notes: tuple[str, ...]  #: one sentence for each thing that is not in the objects


def manifests(project: Project, contents: Mapping[str, bytes]) -> Manifests:
    """`contents`: "secrets.KEY" and "configs.KEY" → bytes, of those that are the project's own."""
    notes = Notes()
    objects = [*held(project, contents), *claims(project, notes)]
    waited = {
        name
        for service in project.services.values()
        for name, needed in service.depends_on.items()
        if needed.condition == "service_completed_successfully"
    }
    for service in project.services.values():
        objects += _of_service(service, project, notes, once=service.name in waited)
        notes.unsaid(service)
    _note_networks(project, notes)
    return Manifests(objects=tuple(objects), notes=tuple(notes.texts()))


def _of_service(service: Service, project: Project, notes: Notes, *, once: bool) -> Iterable[Object]:
    if object_name(service.name) != service.name:
        notes.add(f"services.{service.name}: Kubernetes knows it as {object_name(service.name)}")
    for name, needed in service.depends_on.items():
        notes.missing(
            f"services.{service.name}.depends_on.{name} ({needed.condition})",
            "all pods start at once, and have to try again until what they need answers",
        )
    policy, _, attempts = service.restart.partition(":")
    if once or policy in ("no", "on-failure"):
        if service.ports:
            notes.missing(f"services.{service.name}.ports of a Job", "a service that is to end is not reached")
        yield _job(service, project, notes, policy, int(attempts) if attempts.isdigit() else None)
        return
    if not service.restart:
        notes.add(f"services.{service.name}: a container that ends is started again, which compose does not do unasked")
    yield _workload(service, project, notes)
    yield from services(service, project, notes)


def _workload(service: Service, project: Project, notes: Notes) -> Object:
    everywhere = service.deploy.mode == "global"
    spec: Object = {} if everywhere else {"replicas": service.scale}
    spec["selector"] = {"matchLabels": selector(service, project)}
    rollout = service.deploy.update_config
    if rollout is not None:
        spec |= _strategy(rollout, service, notes, everywhere=everywhere)
    if service.deploy.rollback_config is not None:
        notes.missing(f"services.{service.name}.deploy.rollback_config", "kubectl rollout undo goes back")
    if service.deploy.restart_policy is not None:
        notes.missing(f"services.{service.name}.deploy.restart_policy", "a pod of a Deployment is always restarted")
    spec["template"] = _template(service, project, notes, "Always")
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet" if everywhere else "Deployment",
        "metadata": _metadata(service, project),
        "spec": spec,
    }


def _job(service: Service, project: Project, notes: Notes, policy: str, attempts: int | None) -> Object:
    """A service that is to end."""
    restart = "OnFailure" if policy == "on-failure" else "Never"
    spec: Object = {"template": _template(service, project, notes, restart)}
    if restart == "Never":
        spec["backoffLimit"] = 0
    elif attempts is not None:
        spec["backoffLimit"] = attempts
    if service.scale != 1:
        spec |= {"completions": service.scale, "parallelism": service.scale}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(service, project), "spec": spec}


def _metadata(service: Service, project: Project) -> Object:
    metadata: Object = {"name": object_name(service.name), "labels": labels(service.name, project)}
    if service.deploy.labels:
        metadata["annotations"] = dict(service.deploy.labels)
    return metadata


def _template(service: Service, project: Project, notes: Notes, restart: str) -> Object:
    """Labels of containers are free texts: in Kubernetes those are annotations."""
    metadata: Object = {"labels": labels(service.name, project)}
    annotations = {**service.labels, **service.annotations}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": pod_spec(service, project, notes, restart=restart)}


def _strategy(rollout: Rollout, service: Service, notes: Notes, *, everywhere: bool) -> Object:
    place = f"services.{service.name}.deploy.update_config"
    count: int | str = "100%" if rollout.parallelism == 0 else rollout.parallelism or 1
    first = rollout.order == "start-first"
    if rollout.failure_action in ("rollback", "continue"):
        notes.missing(f"{place}.failure_action ({rollout.failure_action})", "a rollout that fails stops and waits")
    if rollout.monitor or rollout.max_failure_ratio:
        notes.missing(f"{place}.monitor and max_failure_ratio")
    rolling = {"maxSurge": count, "maxUnavailable": 0} if first else {"maxSurge": 0, "maxUnavailable": count}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    wait = {"minReadySeconds": seconds(rollout.delay)} if rollout.delay else {}
    return {"updateStrategy" if everywhere else "strategy": strategy, **wait}


def _note_networks(project: Project, notes: Notes) -> None:
    for key, network in project.networks.items():
        place = f"networks.{key}"
        if key != "default" or network.internal:
            notes.missing(place, "every pod reaches every other one; a NetworkPolicy keeps them apart")
        if network.pools or network.driver_opts:
            notes.missing(f"{place}.ipam and driver_opts", "the cluster gives addresses")
    for service in project.services.values():
        for key, attachment in service.networks.items():
            if attachment.ipv4_address or attachment.ipv6_address or attachment.mac_address:
                notes.missing(f"services.{service.name}.networks.{key} fixed addresses", "use names")
