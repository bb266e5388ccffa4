"""FROM: the image that a stage stands on, pulled where it is not here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kernel_engine.build.output import Voice
from kernel_engine.build.site import Site
from kernel_engine.errors import NotFound
from kernel_engine.formats import reference as references
from kernel_engine.images import platforms

if TYPE_CHECKING:
    from kernel_engine.images.image import Auth, Image, Progress

HUB_AUTH = "https://index.docker.io/v1/"


async def find(site: Site, name: str, platform: str, voice: Voice) -> tuple[Image, bool]:
    """The image, and whether it was here already. Raises what a pull raises.

    With --pull, one that this build has asked for before is not asked for again.
    """
    platform = platform or site.options.platform
    known = site.bases.get((name, platform))
    if known is not None:
        return known, True
    if not site.options.pull:
        try:
            image = site.house.images.get(name)
        except NotFound:
            pass
        else:
            if _fits(image, platform):
                return site.hold(image), True
    pulled = site.hold(await _pull(site, name, platform, voice))
    site.bases[name, platform] = pulled
    return pulled, False


async def _pull(site: Site, name: str, platform: str, voice: Voice) -> Image:
    """Tells how far it is; a newer word on the same layer replaces one that has not been said yet."""
    waiting: dict[tuple[str, str], Progress] = {}
    news = asyncio.Event()

    def report(progress: Progress) -> None:
        waiting[progress.id, progress.status] = progress
        news.set()

    pull = asyncio.ensure_future(
        site.house.images.pull(name, platform=platform, auth=_auth(site, name), progress=report)
    )
    pull.add_done_callback(lambda _: news.set())
    try:
        while not pull.done() or waiting:
            await news.wait()
            news.clear()
            said, waiting = waiting, {}
            for progress in said.values():
                await voice.say(progress_line(progress))
        return await pull
    finally:
        if not pull.done():
            pull.cancel()
            await asyncio.wait((pull,))


def _fits(image: Image, platform: str) -> bool:
    """An image for another machine than the one that is asked for is as good as none."""
    if not platform:
        return True
    wanted = platforms.parse(platform)
    return (image.os or wanted.os, image.architecture or wanted.architecture) == (wanted.os, wanted.architecture)


def progress_line(progress: Progress) -> dict[str, Any]:
    """A line of a pull; clients draw their bar from the numbers."""
    line: dict[str, Any] = {"status": progress.status}
    if progress.total > 0:
        line["progressDetail"] = {"current": progress.current, "total": progress.total}
    if progress.id:
        line["id"] = progress.id
    return line


def _auth(site: Site, name: str) -> Auth | None:
    domain = references.parse(name).domain
    known = site.options.auth
    return known.get(HUB_AUTH if domain == references.DEFAULT_DOMAIN else domain) or known.get(domain)
