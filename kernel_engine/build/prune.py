"""docker builder prune: steps that were built on the way, and that no image stands on any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel_engine.build.cache import Cache
from kernel_engine.containers.house import House
from kernel_engine.errors import Conflict, NotFound
from kernel_engine.formats.filters import Prune, read_prune, refuse_unknown

if TYPE_CHECKING:
    from kernel_engine.images.image import Image, Use

_FILTERS = frozenset({"until", "unused-for", "label", "label!"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    removed: tuple[str, ...] = ()  #: image ids
    reclaimed: int = 0  #: bytes


async def prune(
    house: House,
    cache: Cache,
    *,
    all: bool,
    filters: Mapping[str, tuple[str, ...]],
    keep: int = 0,
    busy: Collection[str] = (),
) -> Pruned:
    """Removes steps that lead to no image. all: also forgets how the others were made, so that all is built anew.

    `keep`: bytes of steps that may stay, the newest ones. `busy`: images of builds under way.
    """
    refuse_unknown(filters, _FILTERS)
    wanted = read_prune({**filters, "until": (*filters.get("until", ()), *filters.get("unused-for", ()))})
    removed: list[str] = []
    kept: set[str] = set()
    reclaimed = 0
    room = sum(size for _, size in spare(house)) - keep if keep else None
    while found := _leaves(house, wanted, {*busy, *kept}):
        for image, size in found:
            if room is not None and reclaimed >= room:
                return Pruned(removed=tuple(removed), reclaimed=reclaimed)
            if await _remove(house, image):
                removed.append(image.id)
                reclaimed += size
            else:
                kept.add(image.id)
    if all and not filters:
        await cache.clear()
    return Pruned(removed=tuple(removed), reclaimed=reclaimed)


def spare(house: House) -> tuple[tuple[Image, int], ...]:
    """Steps that lead to no image, each with the bytes that are its own."""
    images = {image.id: image for image in house.images.list(all=True)}
    needed: set[str] = set()
    for image in images.values():
        if not house.images.is_step(image.id):
            at: Image | None = image
            while at is not None and at.id not in needed:
                needed.add(at.id)
                at = images.get(at.parent)
    return tuple((image, _own_size(image, images)) for image in images.values() if image.id not in needed)


def _leaves(house: House, wanted: Prune, spared: set[str]) -> list[tuple[Image, int]]:
    """Steps that nothing stands on, the oldest first, each with the bytes that are its own."""
    images = {image.id: image for image in house.images.list(all=True)}
    parents = {image.parent for image in images.values()}
    used = {live.record.image_id for live in house.roster.all()}
    found = [
        (image, _own_size(image, images))
        for image in images.values()
        if image.id not in parents | used | spared
        and image.parent not in spared  # a step that a build has just made
        and house.images.is_step(image.id)
        and wanted.takes(created=image.created_at, labels=image.labels)
    ]
    return sorted(found, key=lambda item: item[0].created_at)


def _own_size(image: Image, images: Mapping[str, Image]) -> int:
    parent = images.get(image.parent)
    return image.size - (parent.size if parent is not None else 0)


async def _remove(house: House, image: Image) -> bool:
    def in_use(_: str) -> tuple[Use, ...]:
        return ()

    try:
        await house.images.remove(image.id, prune=False, in_use=in_use)
    except (Conflict, NotFound):
        return False  # somebody has taken it, or has been faster
    return True
