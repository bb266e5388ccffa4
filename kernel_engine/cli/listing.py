"""`docker ps`: the containers as rows."""

from __future__ import annotations

import json
import time

from kernel_engine.cli.ports import as_words
from kernel_engine.cli.table import Listing, short_id, shortened
from kernel_engine.formats.sizes import human_size
from kernel_engine.formats.times import human_duration, local_stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from kernel_engine.cli.grammar import Call

CONTAINERS = Listing(
    "*formatter.ContainerContext",
    {
        "Command": "COMMAND",
        "CreatedAt": "CREATED AT",
        "ID": "CONTAINER ID",
        "Image": "IMAGE",
        "Labels": "LABELS",
        "LocalVolumes": "LOCAL VOLUMES",
        "Mounts": "MOUNTS",
        "Names": "NAMES",
        "Networks": "NETWORKS",
        "Platform": "PLATFORM",
        "Ports": "PORTS",
        "RunningFor": "CREATED",
        "Size": "SIZE",
        "State": "STATE",
        "Status": "STATUS",
    },
)
DEFAULT = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def ps(call: Call) -> int:
    words = call.words
    form = words["format"]
    if form not in ("", "table", "json"):
        CONTAINERS.try_out(form)
    size = words["size"] or ".Size" in form or (form == "json" and words["size"])
    limit = 1 if words["latest"] and words["last"] == -1 else words["last"]
    found = call.client.get(
        "/containers/json",
        query={
            "all": words["all"] or None,
            "limit": limit if limit > 0 else None,
            "size": size or None,
            "filters": filters_json(words["filter"]),
        },
    ).json()
    if words["quiet"] and not form:
        for item in found:
            print(short_id(item["Id"], whole=words["no-trunc"]))
        return 0
    rows = [row(item, whole=words["no-trunc"], now=time.time()) for item in found]
    default = (*DEFAULT, "Size") if words["size"] else DEFAULT
    print(CONTAINERS.text(form, default, rows), end="")
    return 0


def filters_json(pairs: list[tuple[str, str]]) -> str | None:
    """`--filter name=x` words as the API takes them: {"name": {"x": true}}."""
    if not pairs:
        return None
    filters: dict[str, dict[str, bool]] = {}
    for name, value in pairs:
        filters.setdefault(name, {})[value] = True
    return json.dumps(filters)


def row(item: dict[str, Any], *, whole: bool, now: float) -> dict[str, Any]:
    """One container of GET /containers/json as a table's fields."""
    command = item["Command"] if whole else shortened(item["Command"], 20)
    mounts = [mount.get("Name") or mount.get("Source", "") for mount in item.get("Mounts") or ()]
    labels = item.get("Labels") or {}
    return {
        "Command": json.dumps(command, ensure_ascii=False),
        "CreatedAt": local_stamp(item["Created"]),
        "ID": short_id(item["Id"], whole=whole),
        "Image": image_name(item, whole=whole),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "Label": lambda name: labels.get(name, ""),
        "LocalVolumes": str(sum(mount.get("Driver") == "local" for mount in item.get("Mounts") or ())),
        "Mounts": ",".join(name if whole else shortened(name, 15) for name in mounts),
        "Names": ",".join(names(item.get("Names") or (), whole=whole)),
        "Networks": ",".join((item.get("NetworkSettings") or {}).get("Networks") or ()),
        "Platform": None,
        "Ports": as_words(item.get("Ports") or ()),
        "RunningFor": f"{human_duration(now - item['Created'])} ago",
        "Size": sizes(item),
        "State": item.get("State", ""),
        "Status": item.get("Status", ""),
    }


def image_name(item: dict[str, Any], *, whole: bool) -> str:
    image = str(item.get("Image") or "<no image>")
    if whole:
        return image
    if short_id(item.get("ImageID", "")) == short_id(image):
        return short_id(image)
    name, _, digest = image.partition("@")
    return name if digest and ":" in name.rpartition("/")[2] else image


def names(given: Iterable[str], *, whole: bool) -> list[str]:
    """Without the slash, and without the names that links give."""
    stripped = [name.removeprefix("/") for name in given]
    return stripped if whole else [name for name in stripped if "/" not in name]


def sizes(item: dict[str, Any]) -> str:
    own = human_size(item.get("SizeRw") or 0, 3)
    root = item.get("SizeRootFs") or 0
    return f"{own} (virtual {human_size(root, 3)})" if root else own
