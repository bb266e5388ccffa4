"""`docker … prune`: giving back what nobody uses. How much that would be, `system df` says (`disk_usage.py`)."""

from __future__ import annotations

import sys

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.listing import filters_json
from kernel_engine.formats.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from kernel_engine.cli.grammar import Call

SURE = "Are you sure you want to continue? [y/N] "
CONTAINERS = "WARNING! This will remove all stopped containers."
DANGLING = "WARNING! This will remove all dangling images."
DANGLING_CACHE = "WARNING! This will remove all dangling build cache. "
BUILD_CACHE = "WARNING! This will remove all build cache. "
UNUSED = "WARNING! This will remove all images without at least one container associated to them."


def containers(call: Call) -> int:
    if not sure(call, CONTAINERS):
        return 0
    freed = _containers(call)
    total(freed)
    return 0


def images(call: Call) -> int:
    everything = call.words["all"]
    if not sure(call, UNUSED if everything else DANGLING):
        return 0
    freed = _images(call, everything=everything)
    total(freed)
    return 0


def builder(call: Call) -> int:
    everything = call.words["all"]
    if not sure(call, BUILD_CACHE if everything else DANGLING_CACHE):
        return 0
    total(_cache(call, everything=everything, keep=call.words["keep-storage"]))
    return 0


def system(call: Call) -> int:
    """Everything that the prunes of containers, networks, images and the build cache take."""
    everything = call.words["all"]
    what = ["all stopped containers", "all networks not used by at least one container"]
    if call.words["volumes"]:
        if any(name == "until" for name, _ in call.words["filter"]):
            raise Failed('ERROR: The "until" filter is not supported with "--volumes"')
        what.append("all anonymous volumes not used by at least one container")
    what.append("all images without at least one container associated to them" if everything else "all dangling images")
    what.append("all build cache" if everything else "unused build cache")
    notes = [f"  - {line}\n" for line in what]
    if call.words["filter"]:
        shown = "".join(f"  - {name}={value}\n" for name, value in call.words["filter"])
        notes.append(f"\n  Items to be pruned will be filtered with:\n{shown}")
    if not sure(call, "WARNING! This will remove:\n" + "".join(notes)):
        return 0
    freed = _containers(call)
    deleted_networks(call)
    if call.words["volumes"]:
        freed += deleted_volumes(call, everything=False)
    freed += _images(call, everything=everything) + _cache(call, everything=everything)
    total(freed)
    return 0


def sure(call: Call, warning: str) -> bool:
    """Asks, unless -f says so already. Without anybody to answer it is a no."""
    if call.words["force"]:
        return True
    mark = "" if warning.endswith(" ") else "\n"
    print(f"{warning}{mark}{SURE}", end="", flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print()
    return answer.strip().lower() in ("y", "yes")


def _containers(call: Call) -> int:
    report = _post(call, "/containers/prune", call.words["filter"])
    _deleted("Containers", report["ContainersDeleted"] or ())
    return int(report["SpaceReclaimed"])


def deleted_volumes(call: Call, *, everything: bool) -> int:
    filters = [*call.words["filter"], *([("all", "true")] if everything else [])]
    report = _post(call, "/volumes/prune", filters)
    _deleted("Volumes", report["VolumesDeleted"] or ())
    return int(report["SpaceReclaimed"])


def deleted_networks(call: Call) -> None:
    _deleted("Networks", _post(call, "/networks/prune", call.words["filter"])["NetworksDeleted"] or ())


def _images(call: Call, *, everything: bool) -> int:
    report = _post(call, "/images/prune", [*call.words["filter"], ("dangling", "false" if everything else "true")])
    lines = [
        f"untagged: {item['Untagged']}" if item.get("Untagged") else f"deleted: {item['Deleted']}"
        for item in report["ImagesDeleted"] or ()
    ]
    _deleted("Images", lines)
    return int(report["SpaceReclaimed"])


def _cache(call: Call, *, everything: bool, keep: int | None = None) -> int:
    query = {"all": everything or None, "filters": filters_json(call.words["filter"]), "keep-storage": keep}
    report = call.client.post("/build/prune", query=query).json()
    _deleted("build cache objects", report["CachesDeleted"] or ())
    return int(report["SpaceReclaimed"])


def _post(call: Call, path: str, filters: Sequence[tuple[str, str]]) -> Any:
    return call.client.post(path, query={"filters": filters_json(list(filters))}).json()


def _deleted(kind: str, lines: Sequence[str]) -> None:
    if lines:
        print(f"Deleted {kind}:", *lines, "", sep="\n")


def total(size: int) -> None:
    print(f"Total reclaimed space: {human_size(size)}")
