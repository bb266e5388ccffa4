"""`docker system df`: how much room images, containers, volumes and the build cache take."""

from __future__ import annotations

import time

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.images import IMAGES, image_rows
from kernel_engine.cli.listing import CONTAINERS, row
from kernel_engine.cli.table import Listing, short_id
from kernel_engine.formats.sizes import human_size
from kernel_engine.formats.times import human_duration, parse_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kernel_engine.cli.grammar import Call

USAGE = Listing(
    "*formatter.diskUsageContext",
    {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"},
)
COLUMNS = ("Type", "TotalCount", "Active", "Size", "Reclaimable")
IMAGE_COLUMNS = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
CONTAINER_COLUMNS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
VOLUMES = Listing("*formatter.volumeContext", {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"})
CACHE = Listing(
    "*formatter.buildCacheContext",
    {
        "ID": "CACHE ID",
        "CacheType": "CACHE TYPE",
        "Size": "SIZE",
        "CreatedSince": "CREATED",
        "LastUsedSince": "LAST USED",
        "UsageCount": "USAGE",
        "Shared": "SHARED",
    },
)


def disk_usage(call: Call) -> int:
    facts = call.client.get("/system/df").json()
    if call.words["verbose"] and call.words["format"] not in ("", "table"):
        print(_templated(facts, call.words["format"]))
        return 0
    if call.words["verbose"]:
        print(verbose(facts, time.time()), end="")
        return 0
    print(USAGE.text(call.words["format"], COLUMNS, usage_rows(facts)), end="")
    return 0


def usage_rows(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """The four lines of `docker system df`."""
    return [_image_row(facts), _container_row(facts), _volume_row(facts), _cache_row(facts)]


def _image_row(facts: Mapping[str, Any]) -> dict[str, str]:
    images = facts["Images"] or ()
    active = [item for item in images if item["Containers"] > 0]
    used = sum(item["Size"] - item["SharedSize"] for item in active)
    total = facts["LayersSize"]
    return _row("Images", len(images), len(active), total, total - used)


def _container_row(facts: Mapping[str, Any]) -> dict[str, str]:
    containers = facts["Containers"] or ()
    active = [item for item in containers if item["State"] in ("running", "paused", "restarting")]
    total = sum(item.get("SizeRw", 0) for item in containers)
    used = sum(item.get("SizeRw", 0) for item in active)
    return _row("Containers", len(containers), len(active), total, total - used)


def _volume_row(facts: Mapping[str, Any]) -> dict[str, str]:
    volumes = [item["UsageData"] for item in facts["Volumes"] or ()]
    total = sum(max(item["Size"], 0) for item in volumes)
    active = [item for item in volumes if item["RefCount"] > 0]
    used = sum(max(item["Size"], 0) for item in active)
    return _row("Local Volumes", len(volumes), len(active), total, total - used)


def _cache_row(facts: Mapping[str, Any]) -> dict[str, str]:
    records = facts["BuildCache"] or ()
    active = [item for item in records if item["InUse"]]
    total = sum(item["Size"] for item in records if not item["Shared"])
    used = sum(item["Size"] for item in active if not item["Shared"])
    return {**_row("Build Cache", len(records), len(active), total, 0), "Reclaimable": human_size(total - used)}


def _row(kind: str, count: int, active: int, size: int, reclaimable: int) -> dict[str, str]:
    share = f" ({reclaimable * 100 // size}%)" if size > 0 else ""
    return {
        "Type": kind,
        "TotalCount": str(count),
        "Active": str(active),
        "Size": human_size(size),
        "Reclaimable": f"{human_size(reclaimable)}{share}",
    }


def verbose(facts: Mapping[str, Any], now: float) -> str:
    """`docker system df -v`: every single thing."""
    every = everything(facts, now, whole=False)
    return "\n".join(
        (
            "Images space usage:\n",
            IMAGES.text("", IMAGE_COLUMNS, every["Images"]),
            "Containers space usage:\n",
            CONTAINERS.text("", CONTAINER_COLUMNS, every["Containers"]),
            "Local Volumes space usage:\n",
            VOLUMES.text("", ("Name", "Links", "Size"), every["Volumes"]),
            f"Build cache usage: {human_size(sum(item['Size'] for item in facts['BuildCache'] or ()))}\n",
            CACHE.text("", tuple(CACHE.headings), every["BuildCache"]),
        )
    )


def everything(facts: Mapping[str, Any], now: float, *, whole: bool) -> dict[str, list[dict[str, Any]]]:
    """What a template of `docker system df -v` sees: a row for each thing. whole: ids are not shortened."""
    return {
        "Images": [
            line for item in facts["Images"] or () for line in image_rows(item, whole=whole, digests=False, now=now)
        ],
        "Containers": [
            {**row(item, whole=whole, now=now), "Size": human_size(item.get("SizeRw", 0), 3)}
            for item in facts["Containers"] or ()
        ],
        "Volumes": [
            {
                "Name": item["Name"],
                "Driver": item["Driver"],
                "Mountpoint": item["Mountpoint"],
                "Links": str(item["UsageData"]["RefCount"]),
                "Size": human_size(item["UsageData"]["Size"], 3),
            }
            for item in facts["Volumes"] or ()
        ],
        "BuildCache": [_cache_record(item, now) for item in facts["BuildCache"] or ()],
    }


def _templated(facts: Mapping[str, Any], form: str) -> str:
    from kernel_engine.formats.templates import Fields, TemplateError, compile_template

    try:
        template = compile_template("{{json .}}" if form == "json" else form)
        every = {
            name: [Fields(line, "*formatter.diskUsageContext") for line in lines]
            for name, lines in everything(facts, time.time(), whole=True).items()
        }
        return template.execute(Fields(every, "*formatter.DiskUsageContext", every))
    except TemplateError as error:
        raise Failed(f"template parsing error: {error}") from error


def _cache_record(item: Mapping[str, Any], now: float) -> dict[str, str]:
    def since(moment: str | None) -> str:
        return f"{human_duration(now - parse_time(moment))} ago" if moment else ""

    return {
        "ID": short_id(item["ID"]),
        "CacheType": item["Type"],
        "Size": human_size(item["Size"], 3),
        "CreatedSince": since(item["CreatedAt"]),
        "LastUsedSince": since(item.get("LastUsedAt")),
        "UsageCount": str(item["UsageCount"]),
        "Shared": str(item["Shared"]).lower(),
    }
