"""FROM: the image that a stage stands on, pulled where it is not here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kernel_engine.build.output import Voice
from kernel_engine.build.site import Site
from kernel_engine.errors import NotFound
from kernel_engine.formats import reference as references

if TYPE_CHECKING:
    from kernel_engine.images.image import Auth, Image, Progress

HUB_AUTH = "https://index.docker.io/v1/"


async def find(site: Site, name: str, platform: str, voice: Voice) -> tuple[Image, bool]:
    """The image, and whether it was here already. Raises what a pull raises."""
    images = site.house.images
    if not site.options.pull:
        try:
            return site.hold(images.get(name)), True
        except NotFound:
            pass
    lines: list[Mapping[str, Any]] = []

    def report(progress: Progress) -> None:
        lines.append(progress_line(progress))

    pulled = await images.pull(
        name, platform=platform or site.options.platform, auth=_auth(site, name), progress=report
    )
    for line in lines:
        await voice.say(line)
    return site.hold(pulled), False


def progress_line(progress: Progress) -> dict[str, Any]:
    """A line of a pull, as a build shows it: without the bars that grow."""
    line: dict[str, Any] = {"status": progress.status}
    if progress.id:
        line["id"] = progress.id
    return line


def _auth(site: Site, name: str) -> Auth | None:
    domain = references.parse(name).domain
    known = site.options.auth
    return known.get(HUB_AUTH if domain == references.DEFAULT_DOMAIN else domain) or known.get(domain)
