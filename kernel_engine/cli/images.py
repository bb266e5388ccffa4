"""`docker images`, `history`, `tag` and `rmi`."""

from __future__ import annotations

import sys
import time

from kernel_engine.cli.failures import Failed
from kernel_engine.cli.listing import filters_json
from kernel_engine.cli.table import Listing, short_id, shortened
from kernel_engine.client import APIError
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats.sizes import human_size
from kernel_engine.formats.times import human_duration, local_stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kernel_engine.cli.grammar import Call
    from kernel_engine.formats.reference import Reference

NONE = "<none>"
IMAGES = Listing(
    "*formatter.imageContext",
    {
        "Containers": "CONTAINERS",
        "CreatedAt": "CREATED AT",
        "CreatedSince": "CREATED",
        "Digest": "DIGEST",
        "ID": "IMAGE ID",
        "Repository": "REPOSITORY",
        "SharedSize": "SHARED SIZE",
        "Size": "SIZE",
        "Tag": "TAG",
        "UniqueSize": "UNIQUE SIZE",
        "VirtualSize": "SIZE",
    },
)
HISTORY = Listing(
    "*image.historyContext",
    {
        "Comment": "COMMENT",
        "CreatedAt": "CREATED AT",
        "CreatedBy": "CREATED BY",
        "CreatedSince": "CREATED",
        "ID": "IMAGE",
        "Size": "SIZE",
    },
)


def images(call: Call) -> int:
    words = call.words
    filters = list(words["filter"])
    if call.arguments:
        filters.append(("reference", call.arguments[0]))
    found = call.client.get(
        "/images/json", query={"all": words["all"] or None, "filters": filters_json(filters)}
    ).json()
    digests = words["digests"] or ".Digest" in words["format"]
    now = time.time()
    rows = [row for item in found for row in image_rows(item, whole=words["no-trunc"], digests=digests, now=now)]
    if words["quiet"] and not words["format"]:
        for row in rows:
            print(row["ID"])
        return 0
    default = ("Repository", "Tag", *(("Digest",) if words["digests"] else ()), "ID", "CreatedSince", "Size")
    print(IMAGES.text(words["format"], default, rows), end="")
    return 0


def image_rows(item: dict[str, Any], *, whole: bool, digests: bool, now: float) -> Iterator[dict[str, Any]]:
    """A row for each name of the image; an image without one is `<none>`."""
    created = item.get("Created") or 0
    common = {
        "Containers": "N/A" if item.get("Containers", -1) == -1 else str(item["Containers"]),
        "CreatedAt": local_stamp(created),
        "CreatedSince": f"{human_duration(now - created)} ago" if created > 0 else "N/A",
        "ID": short_id(item["Id"], whole=whole),
        "SharedSize": "N/A" if item.get("SharedSize", -1) == -1 else human_size(item["SharedSize"], 3),
        "Size": human_size(item.get("Size", 0), 3),
        "UniqueSize": "N/A"
        if -1 in (item.get("SharedSize", -1), item.get("Size", -1))
        else human_size(item["Size"] - item["SharedSize"], 3),
        "VirtualSize": human_size(item.get("VirtualSize") or item.get("Size", 0)),
    }
    for repository, tag, digest in image_names(item, digests=digests):
        yield {**common, "Repository": repository, "Tag": tag, "Digest": digest}


def image_names(item: dict[str, Any], *, digests: bool) -> list[tuple[str, str, str]]:
    """(repository, tag, digest) of each row, `<none>` for what there is not."""
    tags = [name.rpartition(":") for name in item.get("RepoTags") or () if name != "<none>:<none>"]
    by_repository: dict[str, list[str]] = {}
    for name in item.get("RepoDigests") or ():
        repository, _, digest = name.partition("@")
        if digest != NONE:
            by_repository.setdefault(repository, []).append(digest)
    tagged = {repository for repository, _, _ in tags}
    result = [
        (repository, tag, digest)
        for repository, _, tag in tags
        for digest in ((by_repository.get(repository) or [NONE]) if digests else [NONE])
    ]
    result += [
        (repository, NONE, digest)
        for repository, values in by_repository.items()
        if repository not in tagged
        for digest in values
    ]
    return result or [(NONE, NONE, NONE)]


def history(call: Call) -> int:
    words = call.words
    found = call.client.get(
        f"/images/{call.arguments[0]}/history", query={"platform": words["platform"] or None}
    ).json()
    rows = [history_row(item, whole=words["no-trunc"], human=words["human"], now=time.time()) for item in found]
    if words["quiet"] and not words["format"]:
        for row in rows:
            print(row["ID"])
        return 0
    when = "CreatedSince" if words["human"] else "CreatedAt"
    print(HISTORY.text(words["format"], ("ID", when, "CreatedBy", "Size", "Comment"), rows), end="")
    return 0


def history_row(item: dict[str, Any], *, whole: bool, human: bool, now: float) -> dict[str, Any]:
    created = item.get("Created") or 0
    by = " ".join(str(item.get("CreatedBy", "")).replace("\t", " ").split("\n"))
    known = created > 0
    return {
        "Comment": item.get("Comment", ""),
        "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created)) if known else "N/A",
        "CreatedBy": by if whole else shortened(by, 45),
        "CreatedSince": f"{human_duration(now - created)} ago" if known else "N/A",
        "ID": short_id(item["Id"], whole=whole),
        "Size": human_size(item["Size"], 3) if human else str(item["Size"]),
    }


def tag(call: Call) -> int:
    source, target = call.arguments
    _reference(source)
    name = _reference(target)
    if name.digest:
        raise Failed("refusing to create a tag with a digest reference")
    call.client.post(f"/images/{source}/tag", query={"repo": name.name, "tag": name.tagged().tag_or_digest}).read()
    return 0


def _reference(text: str) -> Reference:
    from kernel_engine.formats.reference import parse, parse_any

    try:
        found = parse_any(text)
        return parse("image") if isinstance(found, str) else found
    except InvalidRequest as error:
        raise Failed(
            f'Error parsing reference: "{text}" is not a valid repository/tag: {error.message}', about=error.message
        ) from error


def rmi(call: Call) -> int:
    words = call.words
    query = {"force": words["force"] or None, "noprune": words["no-prune"] or None}
    errors: list[APIError] = []
    for name in call.arguments:
        try:
            for item in call.client.delete(f"/images/{name}", query=query).json():
                print(f"Deleted: {item['Deleted']}" if "Deleted" in item else f"Untagged: {item['Untagged']}")
        except APIError as error:
            errors.append(error)
    if not errors:
        return 0
    message = "\n".join(f"Error response from daemon: {error.message}" for error in errors)
    if words["force"] and all(error.status == 404 for error in errors):
        sys.stdout.flush()
        print(message, file=sys.stderr)
        return 0
    raise Failed(message, about=errors[0].message)
