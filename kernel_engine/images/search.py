"""docker search: which images registries offer for a word.

A mirror of Docker Hub says what it has (`/v2/_catalog` of the distribution-spec); Docker Hub itself has a search of its
own (`/v1/search`), which counts where it can be reached. Another registry is asked for its catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from kernel_engine.errors import EngineError, InvalidRequest, Unavailable
from kernel_engine.formats.reference import DEFAULT_DOMAIN
from kernel_engine.images.endpoints import Endpoint
from kernel_engine.images.failures import RegistryAnswer, Unreachable
from kernel_engine.images.image import Auth
from kernel_engine.images.registry import Remote, Timeouts

INDEX = "https://index.docker.io"
_OFFICIAL = "library/"
_CATALOGUE = 1000
_LONGEST = 100
#: a machine without internet must not wait long for what its mirror has answered already
_HUB_PATIENCE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One image that can be pulled by `name`."""

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False
    automated: bool = False


async def search(
    term: str,
    places: Sequence[Endpoint],
    *,
    domain: str,
    limit: int,
    auth: Auth | None,
    timeouts: Timeouts,
    index: str = INDEX,
) -> tuple[Offer, ...]:
    """Official images first, then by stars. Unavailable where nobody answers. `places`: those of `domain`."""
    if not 1 <= limit <= _LONGEST:
        raise InvalidRequest(f"limit {limit} is outside the range of [1, {_LONGEST}]")
    found: dict[str, Offer] = {}
    failure: Exception | None = None
    answered = False
    for endpoint in places:
        if domain == DEFAULT_DOMAIN and not endpoint.mirror:
            continue  # Docker Hub has no catalogue
        try:
            names = await _catalogue(Remote(endpoint, "", auth=auth, timeouts=timeouts))
        except (RegistryAnswer, Unreachable, EngineError) as error:
            failure = failure or error
            continue
        answered = True
        found |= {offer.name: offer for offer in offers(names, term, domain)}
        if domain != DEFAULT_DOMAIN:
            break  # the same registry over plain HTTP has nothing more to say
    if domain == DEFAULT_DOMAIN:
        patience = replace(timeouts, connect=min(timeouts.connect, _HUB_PATIENCE)) if answered else timeouts
        try:
            remote = Remote(Endpoint(url=index), "", auth=auth, timeouts=patience)
            # of what the mirror has, too, Docker Hub knows more
            found |= {offer.name: offer for offer in await _hub(remote, term, limit)}
            answered = True
        except (RegistryAnswer, Unreachable, EngineError) as error:
            failure = failure or error
    if not answered:
        raise Unavailable(str(failure))
    return tuple(sorted(found.values(), key=lambda offer: (not offer.official, -offer.stars, offer.name))[:limit])


def offers(names: Iterable[str], term: str, domain: str) -> tuple[Offer, ...]:
    """Those of a catalogue whose name holds the word. Pure."""
    wanted = term.removeprefix(f"{domain}/").removeprefix(_OFFICIAL).lower()
    return tuple(
        Offer(
            name=name.removeprefix(_OFFICIAL) if domain == DEFAULT_DOMAIN else f"{domain}/{name}",
            official=domain == DEFAULT_DOMAIN and name.startswith(_OFFICIAL),
        )
        for name in names
        if wanted in name.removeprefix(_OFFICIAL)
    )


async def _catalogue(remote: Remote) -> tuple[str, ...]:
    document = await _document(remote, f"{remote.endpoint.url}/v2/_catalog?{urlencode({'n': _CATALOGUE})}")
    names = document.get("repositories")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


async def _hub(remote: Remote, term: str, limit: int) -> tuple[Offer, ...]:
    query = urlencode({"q": term, "n": limit})
    document = await _document(remote, f"{remote.endpoint.url}/v1/search?{query}")
    results = document.get("results")
    return tuple(_offer(item) for item in results if isinstance(item, dict)) if isinstance(results, list) else ()


def _offer(item: dict[str, Any]) -> Offer:
    stars = item.get("star_count")
    return Offer(
        name=str(item.get("name") or ""),
        description=str(item.get("description") or ""),
        stars=stars if isinstance(stars, int) else 0,
        official=item.get("is_official") is True,
        automated=item.get("is_automated") is True,
    )


async def _document(remote: Remote, url: str) -> dict[str, Any]:
    remote.scope = "registry:catalog:*"
    async with remote.session() as session:
        data = await session.document(url)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreachable(f'Get "{url}": {error}') from None
    return document if isinstance(document, dict) else {}
