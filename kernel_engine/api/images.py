"""/images and /commit: decode, call, encode."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from kernel_engine.api import archives
from kernel_engine.api.call import Call, answer, empty
from kernel_engine.api.streaming import Report, stream_progress
from kernel_engine.api.versions import BEFORE_CONTAINER_CONFIG_WENT, FILTER_BECAME_FILTERS, Version
from kernel_engine.api.wire import image as wire
from kernel_engine.api.wire.fields import Fields
from kernel_engine.containers.options import CommitOptions
from kernel_engine.errors import InvalidRequest
from kernel_engine.formats import filters as filtering
from kernel_engine.formats import reference as references
from kernel_engine.images.image import Auth, Removed, Use

if TYPE_CHECKING:
    from kernel_engine.images.image import Image, PushResult

_FILTERS = frozenset({"dangling", "label", "before", "since", "until", "reference"})
_SEARCH_FILTERS = frozenset({"is-official", "is-automated", "stars"})
_LIMIT = 25  #: results of a search, as Docker's
PRUNE_FILTERS = frozenset({"dangling", "label", "label!", "until"})


async def create(call: Call) -> web.StreamResponse:
    """`docker pull`: POST /images/create?fromImage=…&tag=…"""
    if call.text("fromSrc"):
        return await archives.import_(call)
    reference = with_tag(call.text("fromImage").removesuffix(":"), call.text("tag"))
    auth = read_auth(call.request.headers.get("X-Registry-Auth", ""))

    async def pull(report: Report) -> list[dict[str, Any]]:
        pulled = call.engine.images.pull if _is_one(reference) else call.engine.images.pull_all
        found = await pulled(reference, platform=call.text("platform"), auth=auth, progress=report)
        labels = {} if isinstance(found, tuple) else found.labels
        name = references.parse(reference)
        announce(call, "pull", name.familiar, name.familiar_name, labels)
        return []

    return await stream_progress(call, pull)


async def push(call: Call) -> web.StreamResponse:
    """Every tag of the repository where none is given."""
    reference = with_tag(call.name, call.text("tag"))
    auth = read_auth(call.request.headers.get("X-Registry-Auth", ""))

    async def work(report: Report) -> list[dict[str, Any]]:
        def pushed(result: PushResult) -> None:
            aux = {"Tag": result.tag, "Digest": result.digest, "Size": result.size}
            report({"progressDetail": {}, "aux": aux})

        if _is_one(reference):
            pushed(await call.engine.images.push(reference, auth=auth, progress=report))
        else:
            await call.engine.images.push_all(reference, auth=auth, progress=report, pushed=pushed)
        name = references.parse(reference)
        announce(call, "push", name.familiar, name.familiar_name, {})
        return []

    return await stream_progress(call, work)


def _is_one(reference: str) -> bool:
    """Whether a name means one image, not all of its repository's."""
    return bool(references.parse(reference).tag_or_digest)


def with_tag(name: str, tag: str) -> str:
    """`tag` may be a digest, as the API allows."""
    if not tag:
        return name
    return f"{name}@{tag}" if ":" in tag else f"{name}:{tag}"


def read_auth(word: str) -> Auth | None:
    """X-Registry-Auth: URL-safe base64 of a JSON object; Docker takes anything unreadable for no credentials."""
    return auth_of(read_header(word))


def read_header(word: str) -> Any:
    """What a header with URL-safe base64 of JSON holds; None for anything unreadable."""
    try:
        padded = word + "=" * (-len(word) % 4)
        return json.loads(base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True) or b"{}")
    except (binascii.Error, ValueError, RecursionError):
        return None


def auth_of(data: Any) -> Auth | None:
    """Credentials from their JSON object; None where there are none."""
    if not isinstance(data, dict):
        return None
    fields = Fields(data)
    auth = Auth(
        username=fields.text("username"),
        password=fields.text("password"),
        identity_token=fields.text("identitytoken"),
        registry_token=fields.text("registrytoken"),
    )
    return auth if auth != Auth() else None


async def search(call: Call) -> web.StreamResponse:
    filters = call.filters()
    filtering.refuse_unknown(filters, _SEARCH_FILTERS)
    official, stars = filtering.flag(filters, "is-official"), _stars(filters)
    if not call.text("term"):
        raise InvalidRequest("term is required")
    found = await call.engine.images.search(
        call.text("term"),
        limit=_LIMIT if (limit := call.number("limit")) is None else limit,
        auth=read_auth(call.request.headers.get("X-Registry-Auth", "")),
    )
    chosen = [item for item in found if item.stars >= stars and official in (None, item.official)]
    return answer([wire.offer_json(item) for item in chosen])


def _stars(filters: Mapping[str, tuple[str, ...]]) -> int:
    words = filters.get("stars", ())
    if not all(word.isascii() and word.isdigit() for word in words):
        raise InvalidRequest(f"invalid filter 'stars={words[0]}'")
    return max((int(word) for word in words), default=0)


async def distribution(call: Call) -> web.StreamResponse:
    auth = read_auth(call.request.headers.get("X-Registry-Auth", ""))
    return answer(wire.distribution_json(await call.engine.images.distribution(call.name, auth=auth)))


async def list_(call: Call) -> web.StreamResponse:
    filters = call.filters()
    filtering.refuse_unknown(filters, _FILTERS)
    if call.version < FILTER_BECAME_FILTERS and "reference" not in filters and (name := call.text("filter")):
        filters = {**filters, "reference": (name,)}
    found = call.engine.images.list(all=call.flag("all"), filters=filters)
    return answer(rows(call, found, counted=call.flag("shared-size")))


def rows(call: Call, items: tuple[Image, ...], *, counted: bool) -> list[dict[str, Any]]:
    """As `docker images` shows them; `counted` tells how many containers stand on each, and what others share."""
    shared = call.engine.images.disk_usage().shared if counted else {}
    return [
        wire.summary_json(
            item,
            call.version,
            containers=len(call.engine.containers.using_image(item.id)) if counted else -1,
            shared_size=shared[item.id] if counted else -1,
        )
        for item in items
    ]


async def inspect(call: Call) -> web.StreamResponse:
    image = call.engine.images.get(call.name)
    return answer(wire.inspect_json(image, _version_for(call), directories=call.engine.images.directories(image)))


def _version_for(call: Call) -> Version:
    """docker-compose 1.29 asks in the newest version for what the versions before 1.45 had, and ends with a traceback
    where it has gone (docs/decisions/0018)."""
    old = call.request.headers.get("User-Agent", "").startswith("docker-compose/1.")
    return min(call.version, BEFORE_CONTAINER_CONFIG_WENT) if old else call.version


async def history(call: Call) -> web.StreamResponse:
    return answer([wire.history_json(row) for row in call.engine.images.history(call.name)])


async def tag(call: Call) -> web.StreamResponse:
    if not call.text("repo"):
        raise InvalidRequest("invalid reference format")
    target = with_tag(call.text("repo"), call.text("tag"))
    await call.engine.images.tag(call.name, target)
    announce(call, "tag", call.engine.images.get(call.name).id, references.parse(target).tagged().familiar, {})
    return empty(201)


async def remove(call: Call) -> web.StreamResponse:
    image, before = call.engine.images.get(call.name), _ids(call)
    removed = await call.engine.images.remove(
        call.name,
        force=call.flag("force"),
        prune=not call.flag("noprune"),
        in_use=lambda image_id: _uses(call, image_id),
    )
    _announce_removed(call, before, image.id, removed)
    return answer([wire.removed_json(item) for item in removed])


def announce(call: Call, action: str, subject: str, name: str, labels: Mapping[str, str]) -> None:
    """Images have no events of their own: nobody but these routes changes them, except commit, which tells itself."""
    call.engine.events.publish("image", action, subject, {**labels, "name": name})


def _ids(call: Call) -> frozenset[str]:
    return frozenset(item.id for item in call.engine.images.list(all=True))


def _announce_removed(call: Call, before: frozenset[str], image_id: str, removed: tuple[Removed, ...]) -> None:
    """`before`: the images that there were: what is deleted may also be a layer. `image_id`: who loses its names."""
    for item in removed:
        if item.untagged:
            announce(call, "untag", image_id, image_id, {})
        elif item.deleted in before:
            announce(call, "delete", item.deleted, item.deleted, {})


def _uses(call: Call, image_id: str) -> tuple[Use, ...]:
    found = call.engine.containers.using_image(image_id)
    return tuple(Use(container=item.id, running=item.state.running) for item in found)


async def prune(call: Call) -> web.StreamResponse:
    """Images without a name; with dangling=false every one that no container stands on."""
    filters = call.filters()
    filtering.refuse_unknown(filters, PRUNE_FILTERS)
    before = _ids(call)
    report = await call.engine.images.prune(
        all=filtering.flag(filters, "dangling") is False,
        filters={key: words for key, words in filters.items() if key != "dangling"},
        in_use=lambda image_id: _uses(call, image_id),
    )
    _announce_removed(call, before, "", report.removed)
    call.engine.events.publish("image", "prune", "", {"reclaimed": str(report.reclaimed)})
    return answer(
        {
            "ImagesDeleted": [wire.removed_json(item) for item in report.removed] or None,
            "SpaceReclaimed": report.reclaimed,
        }
    )


async def commit(call: Call) -> web.StreamResponse:
    config = await call.json(optional=True)
    image = await call.engine.containers.commit(
        CommitOptions(
            container=call.text("container"),
            repository=call.text("repo"),
            tag=call.text("tag"),
            author=call.text("author"),
            comment=call.text("comment"),
            pause=call.flag("pause", default=True),
            changes=tuple(line for text in call.texts("changes") for line in text.split("\n") if line.strip()),
            config=config or None,
        )
    )
    return answer({"Id": image.id}, 201)
