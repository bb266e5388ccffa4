"""Volumes, secrets and configs: claims, objects that hold contents, and what a pod mounts of them. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kernel_engine.compose.kubernetes.notes import Notes
from kernel_engine.compose.kubernetes.words import labels, object_name, size
from kernel_engine.compose.model import FileObject, Grant, Mount, Project, Service

Object = dict[str, Any]

#: what a claim asks for, because compose says no size
CLAIMED = "1Gi"
SECRETS = "/run/secrets/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """What a pod mounts: its `volumes` and its container's `volumeMounts`."""

    volumes: list[Object]
    mounts: list[Object]


def claims(project: Project, notes: Notes) -> Iterable[Object]:
    """A PersistentVolumeClaim for each named volume that is the project's own."""
    for key, volume in project.volumes.items():
        users = [
            service
            for service in project.services.values()
            if any(mount.type == "volume" and mount.source == key for mount in service.volumes)
        ]
        if volume.external:
            continue
        shared = len(users) > 1 or any(service.scale > 1 for service in users)
        if volume.driver not in ("", "local") or volume.driver_opts:
            notes.missing(f"volumes.{key}.driver", "choose a storageClassName of the cluster")
        notes.add(
            f"volumes.{key}: compose says no size, the claim asks for {CLAIMED}; "
            "a new claim is empty, what the image has there is not copied into it"
        )
        if shared:
            notes.add(
                f"volumes.{key}: several pods write to it, so that the cluster needs a storage class for ReadWriteMany"
            )
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": object_name(volume.name), "labels": labels(key, project)},
            "spec": {
                "accessModes": ["ReadWriteMany" if shared else "ReadWriteOnce"],
                "resources": {"requests": {"storage": CLAIMED}},
            },
        }


def held(project: Project, contents: Mapping[str, bytes]) -> Iterable[Object]:
    """Secrets and ConfigMaps. `contents`: "secrets.KEY" and "configs.KEY" → what the file or variable holds."""
    for key, secret in project.secrets.items():
        if not secret.external:
            yield {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": object_name(secret.name), "labels": labels(key, project)},
                "type": "Opaque",
                "data": {key: base64.b64encode(contents[f"secrets.{key}"]).decode()},
            }
    for key, config in project.configs.items():
        if not config.external:
            yield {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": object_name(config.name), "labels": labels(key, project)},
                **_data(key, contents[f"configs.{key}"]),
            }


def _data(key: str, content: bytes) -> Object:
    try:
        return {"data": {key: content.decode()}}
    except UnicodeDecodeError:
        return {"binaryData": {key: base64.b64encode(content).decode()}}


def mounted(service: Service, project: Project, notes: Notes) -> Mounted:
    volumes: dict[str, Object] = {}
    mounts: list[Object] = []

    def add(name: str, source: Object, mount: Object) -> None:
        volumes.setdefault(name, {"name": name, **source})
        mounts.append({"name": name, **mount})

    for at, mount in enumerate(service.volumes):
        place = f"services.{service.name}.volumes[{at}]"
        found = _source(mount, at, project, notes, place)
        if found is not None:
            name, source = found
            rest = {"mountPath": mount.target, "readOnly": mount.read_only or None, "subPath": mount.subpath or None}
            add(name, source, {key: value for key, value in rest.items() if value is not None})
    for at, word in enumerate(service.tmpfs):
        target, _, options = word.partition(":")
        if options:
            notes.missing(f"services.{service.name}.tmpfs[{at}] options ({options})")
        add(f"tmpfs-{at}", {"emptyDir": {"medium": "Memory"}}, {"mountPath": target})
    if service.shm_size:
        source = {"emptyDir": {"medium": "Memory", "sizeLimit": size(service.shm_size)}}
        add("shm", source, {"mountPath": "/dev/shm"})
    for kind, grants, objects in (
        ("secret", service.secrets, project.secrets),
        ("config", service.configs, project.configs),
    ):
        for grant in grants:
            name, source = _granted(kind, grant, objects[grant.source], notes, service)
            add(name, source, {"mountPath": grant.target, "subPath": grant.source, "readOnly": True})
    return Mounted(volumes=list(volumes.values()), mounts=mounts)


def _source(mount: Mount, at: int, project: Project, notes: Notes, place: str) -> tuple[str, Object] | None:
    """The pod's volume and its name; None when there is no equivalent."""
    if mount.type == "volume" and mount.source:
        claim = object_name(project.volumes[mount.source].name)
        return f"volume-{object_name(mount.source)}", {"persistentVolumeClaim": {"claimName": claim}}
    if mount.type == "volume":
        return f"anonymous-{at}", {"emptyDir": {}}
    if mount.type == "tmpfs":
        limit = {"sizeLimit": size(mount.size)} if mount.size else {}
        return f"tmpfs-{at}-mount", {"emptyDir": {"medium": "Memory", **limit}}
    if mount.type == "image":
        return f"image-{at}", {"image": {"reference": mount.source}}
    instead = "the cluster's nodes do not have this machine's files: COPY them into the image, or make them a config"
    notes.missing(f"{place} ({mount.type} of {mount.source} at {mount.target})", instead)
    return None


def _granted(kind: str, grant: Grant, item: FileObject, notes: Notes, service: Service) -> tuple[str, Object]:
    if grant.uid or grant.gid:
        notes.missing(f"services.{service.name}.{kind}s.{grant.source} uid and gid", "fsGroup sets the group for all")
    name = f"{kind}-{object_name(grant.source)}"
    mode = {} if grant.mode is None else {"defaultMode": grant.mode}
    if kind == "secret":
        return name, {"secret": {"secretName": object_name(item.name), **mode}}
    return name, {"configMap": {"name": object_name(item.name), **mode}}
