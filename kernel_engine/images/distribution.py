"""What a registry says of a name, without fetching the image: GET /distribution/{name}/json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernel_engine.errors import EngineError
from kernel_engine.formats.reference import Reference
from kernel_engine.images import manifest as manifests
from kernel_engine.images import platforms
from kernel_engine.images.endpoints import Endpoint
from kernel_engine.images.failures import RegistryAnswer, Unreachable, pull_failed
from kernel_engine.images.image import Auth, read_config
from kernel_engine.images.manifest import Descriptor, Index
from kernel_engine.images.platforms import Platform
from kernel_engine.images.registry import Fetched, Remote, Session, Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    descriptor: Descriptor  #: of the manifest, or of the index
    platforms: tuple[Platform, ...]


async def look_up(
    reference: Reference, places: Sequence[Endpoint], *, auth: Auth | None, timeouts: Timeouts
) -> Distribution:
    """The first endpoint that knows it. NotFound, Unauthorized, Unavailable as for a pull."""
    failure: Exception | None = None
    for endpoint in places:
        remote = Remote(endpoint, reference.path, auth=auth, timeouts=timeouts)
        try:
            async with remote.session() as session:
                document = await session.manifest(reference.tag_or_digest)
                return await _described(session, document)
        except (RegistryAnswer, Unreachable, EngineError) as error:
            if failure is None or isinstance(failure, Unreachable):
                failure = error
    assert failure is not None
    raise pull_failed(failure, reference) from failure


async def _described(session: Session, document: Fetched) -> Distribution:
    read = manifests.read(document.data, document.content_type)
    descriptor = Descriptor(media_type=read.media_type, digest=document.digest, size=len(document.data))
    if isinstance(read, Index):
        return Distribution(descriptor=descriptor, platforms=tuple(entry.platform for entry in read.entries))
    config, _ = read_config(await session.small_blob(read.config))
    return Distribution(descriptor=descriptor, platforms=(platforms.from_json(config),))
