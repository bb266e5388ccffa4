"""`docker volume …`: make, list, look at and remove volumes."""

from __future__ import annotations

from kernel_engine.cli.lifecycle import each
from kernel_engine.cli.table import Listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernel_engine.cli.grammar import Call

VOLUMES = Listing(
    "*formatter.volumeContext",
    {
        "Driver": "DRIVER",
        "Name": "VOLUME NAME",
        "Scope": "SCOPE",
        "Mountpoint": "MOUNTPOINT",
        "Labels": "LABELS",
        "Links": "LINKS",
        "Size": "SIZE",
        "Availability": "AVAILABILITY",
        "Group": "GROUP",
        "Status": "STATUS",
    },
)
ANONYMOUS = "WARNING! This will remove anonymous local volumes not used by at least one container."
EVERY = "WARNING! This will remove all local volumes not used by at least one container."


def create(call: Call) -> int:
    from kernel_engine.cli.body import key_values, labels
    from kernel_engine.cli.failures import Failed

    words = call.words
    if call.arguments and words["name"]:
        raise Failed("conflicting options: either specify --name or provide positional arg, not both")
    body = {
        "Name": call.arguments[0] if call.arguments else words["name"],
        "Driver": words["driver"],
        "DriverOpts": key_values(words["opt"]),
        "Labels": labels(words["label"], []),
    }
    print(call.client.post("/volumes/create", body=body).json()["Name"])
    return 0


def list_(call: Call) -> int:
    from kernel_engine.cli.listing import filters_json

    words = call.words
    found = call.client.get("/volumes", query={"filters": filters_json(words["filter"])}).json()["Volumes"] or []
    found.sort(key=lambda item: item["Name"])
    if words["quiet"] and not words["format"]:
        for item in found:
            print(item["Name"])
        return 0
    print(VOLUMES.text(words["format"], ("Driver", "Name"), [row(item) for item in found]), end="")
    return 0


def row(item: dict[str, Any]) -> dict[str, Any]:
    labels = item.get("Labels") or {}
    unknown = dict.fromkeys(("Links", "Size", "Availability", "Group", "Status"), "N/A")
    return {
        **unknown,
        "Driver": item["Driver"],
        "Name": item["Name"],
        "Scope": item["Scope"],
        "Mountpoint": item["Mountpoint"],
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "Label": lambda name: labels.get(name, ""),
    }


def remove(call: Call) -> int:
    def do(name: str) -> None:
        call.client.delete(f"/volumes/{name}", query={"force": call.words["force"] or None}).read()

    return each(call, do)


def prune(call: Call) -> int:
    from kernel_engine.cli.prune import deleted_volumes, sure, total

    everything = call.words["all"]
    if sure(call, EVERY if everything else ANONYMOUS):
        total(deleted_volumes(call, everything=everything))
    return 0
