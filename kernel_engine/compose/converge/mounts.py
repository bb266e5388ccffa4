"""A service's volumes, secrets and configs as the API's binds and mounts, and what is copied in instead. Pure.

A bind (`Binds`) makes a missing directory of the host and fills a new volume; the longer form (`Mounts`) is taken for
what a bind cannot say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kernel_engine.cli.failures import Failed
from kernel_engine.compose.converge.observed import Container
from kernel_engine.compose.model import FileObject, Grant, Mount, Project, Service

DEFAULT_MODE = 0o444


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A file that is copied into the container before its start."""

    target: str  #: absolute
    content: bytes
    mode: int
    uid: int
    gid: int


def binds_and_mounts(
    project: Project, service: Service, inherits: Container | None, image_volumes: frozenset[str]
) -> tuple[list[str], list[dict[str, Any]]]:
    """`inherits`: the container whose anonymous volumes go on; `image_volumes`: the image's VOLUME paths."""
    binds: list[str] = []
    mounts: list[dict[str, Any]] = []
    taken = _inherited(service, inherits, image_volumes)
    for mount in service.volumes:
        if mount.target in taken and not mount.source:
            continue
        taken.pop(mount.target, None)
        if mount.type == "bind" and not mount.propagation and not mount.recursive and mount.create_host_path:
            binds.append(_bind(mount.source, mount))
        elif mount.type == "volume" and mount.source and not mount.labels and not mount.subpath:
            binds.append(_bind(_volume_name(project, mount.source), mount))
        else:
            mounts.append(_mount(project, mount))
    mounts += taken.values()
    targets = {mount.target for mount in service.volumes}
    for _, grant, granted in granted_files(project, service):
        if is_bound(grant, granted) and grant.target not in targets:
            mounts.append({"Type": "bind", "Source": granted.file, "Target": grant.target, "ReadOnly": True})
    return binds, mounts


def _inherited(
    service: Service, inherits: Container | None, image_volumes: frozenset[str]
) -> dict[str, dict[str, Any]]:
    """The anonymous volumes of the container before, where this one has one at the same place."""
    if inherits is None:
        return {}
    anonymous = {mount.target for mount in service.volumes if not mount.source and mount.type == "volume"}
    return {
        mount.target: {
            "Type": "volume",
            "Source": mount.name,
            "Target": mount.target,
            "ReadOnly": mount.read_only,
        }
        for mount in inherits.mounts
        if mount.type == "volume" and mount.target in anonymous | image_volumes
    }


def _volume_name(project: Project, key: str) -> str:
    return project.volumes[key].name if key in project.volumes else key


def _bind(source: str, mount: Mount) -> str:
    options = ["ro" if mount.read_only else "rw", mount.selinux, "nocopy" if mount.no_copy else ""]
    return f"{source}:{mount.target}:{','.join(filter(None, options))}"


def _mount(project: Project, mount: Mount) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Type": mount.type,
        "Source": _volume_name(project, mount.source) if mount.type == "volume" else mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }
    if mount.consistency:
        found["Consistency"] = mount.consistency
    if mount.type == "bind":
        found["BindOptions"] = {"Propagation": mount.propagation, "CreateMountpoint": mount.create_host_path}
        found["BindOptions"] |= {
            "disabled": {"NonRecursive": True},
            "writable": {"ReadOnlyNonRecursive": True},
            "readonly": {"ReadOnlyForceRecursive": True},
        }.get(mount.recursive, {})
    if mount.type == "volume" and (mount.no_copy or mount.labels or mount.subpath):
        found["VolumeOptions"] = {"NoCopy": mount.no_copy, "Labels": dict(mount.labels), "Subpath": mount.subpath}
    if mount.type == "tmpfs" and (mount.size or mount.mode is not None):
        found["TmpfsOptions"] = {"SizeBytes": mount.size, "Mode": mount.mode or 0}
    if mount.type == "image" and mount.subpath:
        found["ImageOptions"] = {"Subpath": mount.subpath}
    return found


def granted_files(project: Project, service: Service) -> Iterator[tuple[str, Grant, FileObject]]:
    """("secret" | "config", who may read it and where, what it holds). Failed for one that only a swarm could give."""
    for what, grants, known in (
        ("secret", service.secrets, project.secrets),
        ("config", service.configs, project.configs),
    ):
        for grant in grants:
            granted = known[grant.source]
            if granted.external:
                raise Failed(f"unsupported external {what} {granted.name}")
            yield what, grant, granted


def is_bound(grant: Grant, granted: FileObject) -> bool:
    """Whether the host's file itself is mounted: an owner or mode of its own takes a copy."""
    return bool(granted.file) and not (grant.uid or grant.gid or grant.mode is not None)


def injected(project: Project, service: Service, files: Mapping[str, bytes]) -> list[Injected]:
    """What is copied in. `files`: content of the host's files by path, for those that `copied_paths` names."""
    found = []
    for what, grant, granted in granted_files(project, service):
        if is_bound(grant, granted):
            continue
        if service.read_only:
            raise Failed(
                f'cannot create {what} "{granted.name}" in read-only service {service.name}: '
                "`file` is the sole supported option"
            )
        content = files[granted.file] if granted.file else (granted.content or "").encode()
        mode = DEFAULT_MODE if grant.mode is None else grant.mode
        found.append(
            Injected(target=grant.target, content=content, mode=mode, uid=_number(grant.uid), gid=_number(grant.gid))
        )
    return found


def copied_paths(project: Project, service: Service) -> list[str]:
    """Files of the host that are copied in and not mounted."""
    found = granted_files(project, service)
    return [granted.file for _, grant, granted in found if granted.file and not is_bound(grant, granted)]


def _number(text: str) -> int:
    if text and not text.isdigit():
        raise Failed(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text or 0)
