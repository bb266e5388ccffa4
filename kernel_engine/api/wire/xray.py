"""A container from both sides, as GET /kernel-engine/containers/{id}/kernel says it. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kernel_engine.containers.xray import Way, Xray
from kernel_engine.runtime.observation import Observation, Range, Security
from kernel_engine.storage.origins import Origin


def xray_json(found: Xray) -> dict[str, Any]:
    return {
        "Id": found.container_id,
        "Name": found.name,
        **_observation_json(found.observed),
        "Layers": [str(path) for path in found.layers],
        "DiffIds": list(found.diff_ids),
        "Ways": [_way_json(way) for way in found.ways],
    }


def origin_json(found: Origin) -> dict[str, Any]:
    """`Layer` counts in `Layers` of the container: 0 is its own."""
    return _titled(asdict(found))


def _observation_json(seen: Observation) -> dict[str, Any]:
    return {
        "Pid": seen.pid,
        "Processes": [_titled(asdict(process)) for process in seen.processes],
        "Namespaces": [{**_titled(asdict(space)), "Shared": space.shared} for space in seen.namespaces],
        "UidMap": _ranges(seen.uid_map),
        "GidMap": _ranges(seen.gid_map),
        "Mounts": [_titled(asdict(mount)) for mount in seen.mounts],
        "Cgroup": [_titled(asdict(value)) for value in seen.cgroup],
        "Security": _security_json(seen.security),
    }


def _security_json(security: Security) -> dict[str, Any]:
    kept = set(security.bounding)
    return {
        "Kept": list(security.bounding),
        "Effective": list(security.effective),
        "Dropped": [name for name in security.host_bounding if name not in kept],
        "Seccomp": security.seccomp,
        "Filters": security.filters,
        "NoNewPrivileges": security.no_new_privileges,
        "Source": security.source,
    }


def _way_json(way: Way) -> dict[str, Any]:
    return _titled(asdict(way))


def _ranges(found: tuple[Range, ...]) -> list[dict[str, Any]]:
    return [_titled(asdict(item)) for item in found]


def _titled(fields: dict[str, Any]) -> dict[str, Any]:
    """`host_inode` → `HostInode`: these additions of ours have no Docker names to keep."""
    return {"".join(word.capitalize() for word in name.split("_")): value for name, value in fields.items()}
