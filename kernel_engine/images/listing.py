"""docker images and docker history: choosing and arranging. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from kernel_engine.formats import reference as references
from kernel_engine.formats.filters import all_labels, flag, moment
from kernel_engine.images.digest import chain_ids
from kernel_engine.images.image import HistoryRow, Image, epoch

Filters = Mapping[str, Iterable[str]]


def choose(
    images: Iterable[Image],
    *,
    all: bool,
    filters: Filters,
    get: Callable[[str], Image],
    is_step: Callable[[str], bool],
) -> tuple[Image, ...]:
    """Newest first. Filters: dangling, label, reference, before, since, until. InvalidRequest for a bad value.

    With a `reference` filter an image carries only the names that fit. is_step: an image on the way to another one,
    which only `all` shows where it has no name.
    """
    dangling = flag(filters, "dangling")
    before = min((get(text).created_at for text in filters.get("before", ())), default=None)
    since = max((get(text).created_at for text in filters.get("since", ())), default=None)
    until = min((moment(text, time.time()) for text in filters.get("until", ())), default=None)
    labels, patterns = tuple(filters.get("label", ())), tuple(filters.get("reference", ()))
    found: list[Image] = []
    for whole in images:
        image = _matching(whole, patterns) if patterns else whole
        named = bool(image.tags or image.digests)
        wanted = (
            (before is None or image.created_at < before)
            and (since is None or image.created_at > since)
            and (until is None or image.created_at <= until)
            and all_labels(image.labels, labels)
            and (named or (not patterns and (all or not is_step(image.id))))
            and (dangling is None or dangling == (not image.tags))
            and not (dangling and is_step(image.id))
        )
        if wanted:
            found.append(image)
    return tuple(sorted(found, key=lambda image: (-image.created_at, image.id)))


def _matching(image: Image, patterns: Iterable[str]) -> Image:
    def fits(name: str) -> bool:
        return any(references.familiar_match(pattern, references.parse(name)) for pattern in patterns)

    return replace(
        image,
        tags=tuple(name for name in image.tags if fits(name)),
        digests=tuple(name for name in image.digests if fits(name)),
    )


def history(
    image: Image, *, layer_size: Callable[[str], int], get: Callable[[str], Image | None]
) -> tuple[HistoryRow, ...]:
    """Newest first; ids only as far as parents are images of this engine (moby's ImageHistory)."""
    layers = list(zip(image.diff_ids, chain_ids(image.diff_ids), strict=True))
    rows: list[HistoryRow] = []
    for words in image.config.get("history") or ():
        empty = bool(words.get("empty_layer")) or not layers
        diff_id, chain_id = ("", "") if empty else layers.pop(0)
        rows.append(
            HistoryRow(
                id="<missing>",
                created=int(epoch(str(words.get("created") or ""))),
                created_by=str(words.get("created_by") or ""),
                comment=str(words.get("comment") or ""),
                size=0 if empty else layer_size(chain_id),
                tags=(),
                diff_id=diff_id,
            )
        )
    rows.reverse()
    owner: Image | None = image
    for number, row in enumerate(rows):
        if owner is None:
            break
        rows[number] = replace(row, id=owner.id, tags=owner.tags)
        owner = get(owner.parent) if owner.parent else None
    return tuple(rows)
