"""Images → `docker images`, `docker image inspect` and `docker history`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kernel_engine.api.versions import Version
from kernel_engine.api.wire.container import STORAGE_DRIVER
from kernel_engine.api.wire.moments import rfc3339

if TYPE_CHECKING:
    from kernel_engine.images.distribution import Distribution
    from kernel_engine.images.image import HistoryRow, Image, Removed
    from kernel_engine.images.search import Offer


def summary_json(image: Image, version: Version, *, containers: int, shared_size: int) -> dict[str, Any]:
    """One row of GET /images/json. -1 = not counted."""
    tags, digests = list(image.tags), list(image.digests)
    if version < (1, 43) and not tags:
        # until API 1.43 an untagged image had these words for its name
        tags, digests = ["<none>:<none>"], digests or ["<none>@<none>"]
    answer: dict[str, Any] = {
        "Id": image.id,
        "ParentId": image.parent,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Created": int(image.created_at),
        "Size": image.size,
        "SharedSize": shared_size,
        "Labels": image.settings.get("Labels"),
        "Containers": containers,
    }
    if version < (1, 44):
        answer["VirtualSize"] = image.size
    return answer


def _directories_json(directories: tuple[str, ...]) -> dict[str, str] | None:
    """An image is mounted nowhere, so that it has neither MergedDir nor WorkDir here."""
    if not directories:
        return None
    top, *lower = directories
    return {"UpperDir": top} | ({"LowerDir": ":".join(lower)} if lower else {})


def inspect_json(image: Image, version: Version, *, directories: tuple[str, ...] = ()) -> dict[str, Any]:
    """GET /images/{name}/json. directories: of its layers, topmost first."""
    document = image.config
    answer: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": list(image.digests),
        "Parent": image.parent,
        "Comment": image.comment,
        "Created": image.created,
        "DockerVersion": document.get("docker_version") or "",
        "Author": image.author,
        "Config": _config_json(image.settings),
        "Architecture": image.architecture,
    }
    if image.variant:
        answer["Variant"] = image.variant
    if version < (1, 45):
        answer["Container"] = document.get("container") or ""
        answer["ContainerConfig"] = _config_json(document.get("container_config") or {})
    answer |= {"Os": image.os, "Size": image.size}
    if version < (1, 44):
        answer["VirtualSize"] = image.size
    return answer | {
        "GraphDriver": {"Data": _directories_json(directories), "Name": STORAGE_DRIVER},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "Metadata": {"LastTagTime": rfc3339(image.last_tagged)},
    }


def _config_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that Docker always shows, then those that the image has."""
    shown: dict[str, Any] = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": None,
        "Cmd": None,
        "Image": "",
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": None,
    }
    return {**shown, **config}


def history_json(row: HistoryRow) -> dict[str, Any]:
    """One row of GET /images/{name}/history."""
    return {
        "Id": row.id,
        "Created": row.created,
        "CreatedBy": row.created_by,
        "Tags": list(row.tags) or None,
        "Size": row.size,
        "Comment": row.comment,
    }


def layer_row_json(row: HistoryRow) -> dict[str, Any]:
    """The same, with what Docker does not tell: which layer the step made, "" for one that only changed settings."""
    return {**history_json(row), "DiffId": row.diff_id}


def removed_json(item: Removed) -> dict[str, str]:
    """One line of `docker rmi`: an untagged name or a deleted image."""
    return {"Untagged": item.untagged} if item.untagged else {"Deleted": item.deleted}


def offer_json(offer: Offer) -> dict[str, Any]:
    """One result of GET /images/search."""
    return {
        "name": offer.name,
        "description": offer.description,
        "star_count": offer.stars,
        "is_official": offer.official,
        "is_automated": offer.automated,
    }


def distribution_json(found: Distribution) -> dict[str, Any]:
    """GET /distribution/{name}/json."""
    return {
        "Descriptor": found.descriptor.json(),
        "Platforms": [
            {
                "architecture": item.architecture,
                "os": item.os,
                **({"variant": item.variant} if item.variant else {}),
            }
            for item in found.platforms
        ],
    }
