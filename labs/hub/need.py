"""Asks the maker for images, as `labs hub fill` does before a class without internet.

Needs no root: the maker has it.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable

from labs.hub.dockerfiles import Built
from labs.hub.oci import INDEX
from labs.hub.registry import DEFAULT_ADDRESS, DEFAULT_PORT, MAKER_PORT

#: the hub's two halves, for an engine on this machine
HUB = f"http://{DEFAULT_ADDRESS}:{DEFAULT_PORT}"
MAKER = f"http://{DEFAULT_ADDRESS}:{MAKER_PORT}"


class HubFailed(Exception):
    """The hub does not answer, or an image could not be made."""


def addresses() -> tuple[str, str]:
    """Registry and maker: this machine's, or what DOCKER_LABS_HUB_ADDRESSES names (two, by a comma)."""
    named = os.environ.get("DOCKER_LABS_HUB_ADDRESSES", f"{HUB},{MAKER}")
    hub, _, maker = named.partition(",")
    return hub, maker


def holds(image: Built, hub: str) -> bool:
    """Whether the registry has it already."""
    return _ask(f"{hub}/v2/{image.repository}/manifests/{image.tags[0]}")[0] == 200


def need(image: Built, hub: str, maker: str, say: Callable[[str], None]) -> None:
    """Returns when the hub holds it. Raises HubFailed. `say` hears how far it is."""
    told = ""
    while not holds(image, hub):
        status, message = _ask(f"{maker}/v2/{image.repository}/manifests/{image.tags[0]}")
        if status == 503 and message != told:
            told = message
            say(message)
        elif status not in (200, 503):
            raise HubFailed(message or f"{image.title}: {status}")


def need_all(images: Iterable[Built], say: Callable[[str], None]) -> None:
    hub, maker = addresses()
    for image in images:
        need(image, hub, maker, say)
        say(f"{image.title} 준비됐어요")


def _ask(url: str) -> tuple[int, str]:
    """Status and the error's message."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": INDEX}), timeout=60) as reply:
            return reply.status, ""
    except urllib.error.HTTPError as error:
        try:
            return error.code, str(json.loads(error.read())["errors"][0]["message"])
        except (ValueError, LookupError, TypeError):
            return error.code, ""
    except OSError as error:
        raise HubFailed(f"{url.partition('/v2/')[0]}: {error}") from None
