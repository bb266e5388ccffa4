"""docker pull: from a name to an image in the catalogue.

Mirrors come first, then the origin. Layers are fetched three at a time and unpacked while they come, each into a
directory of its own; a layer is committed after its parent. What is fetched or unpacked already by another pull is
shared with it. Words and order of the progress are Docker's (`distribution/pull_v2.go`, `xfer/download.go`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from kernel_engine.errors import CorruptData, EngineError, NoSpace, NotSupported
from kernel_engine.formats.reference import Reference
from kernel_engine.images import manifest as manifests
from kernel_engine.images import platforms
from kernel_engine.images.arrival import Arrival, Early
from kernel_engine.images.catalogue import LayerBlob
from kernel_engine.images.digest import Digest, chain_ids, short
from kernel_engine.images.endpoints import Endpoint
from kernel_engine.images.failures import RegistryAnswer, Unreachable, pull_failed
from kernel_engine.images.image import Auth, Image, Listener, Progress, read_config
from kernel_engine.images.manifest import Descriptor, Index, Manifest
from kernel_engine.images.platforms import Platform
from kernel_engine.images.registry import Fetched, Remote, Session, Timeouts
from kernel_engine.images.sharing import Shared
from kernel_engine.images.stock import UNPACKING, Stock

#: Docker's max-concurrent-downloads, here of one registry
_DOWNLOADS = 3
#: seconds between two lines about the same layer
_EVERY = 0.1
#: seconds between two questions to a mirror that makes an image, and for how long it is asked
_SHORTEST_WAIT, _LONGEST_WAIT, _LONGEST_MAKING = 0.2, 10.0, 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolved:
    """What an endpoint says the name means."""

    digest: Digest  #: of what the name points at: an index, or the manifest
    manifest: Manifest
    document: Fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    blob: Descriptor
    diff_id: Digest
    chain_id: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The layers of one image, the lowest first, for one pull."""

    layers: tuple[_Layer, ...]
    #: what could not be had, by number: a layer above does not begin it anew when it asks for its parent
    failed: dict[int, Exception] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Lane:
    """What one registry may have under way: one that stalls keeps no other one's pulls waiting."""

    downloads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_DOWNLOADS))
    unpacking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UNPACKING))


class _Failed(Exception):
    """One endpoint did not work out. `serious`: it knows the image, so its error says more than silence elsewhere."""

    def __init__(self, cause: Exception, *, serious: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.serious = serious


@contextmanager
def _asked() -> Iterator[None]:
    """An endpoint is asked for what it knows: that it does not is no reason not to ask the next one."""
    try:
        yield
    except (RegistryAnswer, Unreachable, EngineError) as error:
        raise _Failed(error, serious=isinstance(error, EngineError) or _is_trouble(error)) from error


class Pulls:
    """The pulls of one instance, which share downloads and layers."""

    def __init__(self, stock: Stock, timeouts: Timeouts) -> None:
        self._stock = stock
        self._timeouts = timeouts
        self._lanes: dict[str, _Lane] = {}
        self._downloads: Shared[None] = Shared()
        self._layers: Shared[None] = Shared()

    async def pull(
        self,
        reference: Reference,
        endpoints: tuple[Endpoint, ...],
        *,
        platform: Platform | None,
        auth: Auth | None,
        progress: Listener,
    ) -> tuple[Image, ...]:
        """One image; every tag that the repository has where `reference` has neither tag nor digest."""
        await self._stock.drop_old_blobs()
        failure: _Failed | None = None
        for endpoint in endpoints:
            remote = Remote(endpoint, reference.path, auth=auth, timeouts=self._timeouts)
            try:
                return await self._from(remote, reference, platform, progress)
            except _Failed as failed:
                unheard = isinstance(failed.cause, Unreachable)
                if failure is None or failed.serious or not (failure.serious and unheard):
                    failure = failed
        assert failure is not None
        raise pull_failed(failure.cause, reference) from failure.cause

    async def _from(
        self, remote: Remote, reference: Reference, platform: Platform | None, progress: Listener
    ) -> tuple[Image, ...]:
        async with remote.session() as session:
            with _asked():
                await session.ping()
                named = bool(reference.tag_or_digest)
                names = [reference] if named else [reference.with_tag(tag) for tag in await session.tags()]
            before = [self._stock.catalogue.find(name) for name in names]
            images = [await self._image(session, remote, name, platform, progress) for name in names]
        same = [old.id if old else "" for old in before] == [image.id for image in images]
        news = "Image is up to date" if same else "Downloaded newer image"
        progress(Progress(status=f"Status: {news} for {reference.familiar}"))
        return tuple(images)

    async def _image(
        self, session: Session, remote: Remote, reference: Reference, platform: Platform | None, progress: Listener
    ) -> Image:
        with _asked():
            patience = _Patience(remote.endpoint, reference.tag_or_digest, progress)
            resolved = await patience.until_made(lambda: _resolve(session, reference, platform or platforms.host()))
            progress(Progress(status=f"Pulling from {reference.path}", id=reference.tag_or_digest))
            raw = await self._configuration(session, resolved.manifest.config)
        layers = _layers(resolved.manifest, raw, platform, progress)
        with self._stock.hold([name for layer in layers for name in (layer.chain_id, layer.blob.digest)]):
            try:
                await self._fetch(remote, resolved.manifest.config.digest, layers, progress)
            except (RegistryAnswer, Unreachable, CorruptData) as error:
                raise _Failed(error, serious=True) from error
            image = await self._register(reference, resolved, raw, layers)
        progress(Progress(status=f"Digest: {resolved.digest}"))
        return image

    async def _configuration(self, session: Session, descriptor: Descriptor) -> bytes:
        known = self._stock.catalogue.by_id(descriptor.digest)
        return known.raw if known is not None else await session.small_blob(descriptor)

    async def _register(
        self, reference: Reference, resolved: _Resolved, raw: bytes, layers: tuple[_Layer, ...]
    ) -> Image:
        stock = self._stock
        blobs = [
            LayerBlob(descriptor=layer.blob, diff_id=layer.diff_id, sources=(reference.name,))
            for layer in layers
            if stock.blobs.has(layer.blob.digest)
        ]
        names = [reference.with_digest(resolved.digest)]
        if reference.tag and not reference.digest:
            names.append(reference)
        async with stock.changing:
            return await stock.catalogue.add(
                stock.catalogue.make(resolved.manifest.config.digest, raw, ""),
                names=names,
                manifest=(resolved.manifest.media_type, resolved.document.data),
                blobs=blobs,
                layers={layer.chain_id: layer.diff_id for layer in layers},
            )

    # layers -----------------------------------------------------------------------------------------------------
    async def _fetch(self, remote: Remote, image_id: str, layers: tuple[_Layer, ...], progress: Listener) -> None:
        """Every layer into the layer store. The first error ends the others' work."""
        whole = all(self._stock.layers.has(layer.chain_id) for layer in layers)
        if whole and self._stock.catalogue.by_id(image_id) is not None:
            return  # as Docker: what is here whole is not spoken of
        missing: list[int] = []
        for number, layer in enumerate(layers):
            if self._stock.layers.has(layer.chain_id):
                progress(Progress(status="Already exists", id=short(layer.blob.digest)))
            else:
                progress(Progress(status="Pulling fs layer", id=short(layer.blob.digest)))
                missing.append(number)
        wanted = _Wanted(layers=layers)
        try:
            async with asyncio.TaskGroup() as group:
                for number in missing:
                    group.create_task(self._ensure(remote, wanted, number, progress))
        except ExceptionGroup as errors:
            raise _first(errors) from None

    async def _ensure(self, remote: Remote, wanted: _Wanted, number: int, progress: Listener) -> None:
        """Layer `number` in the store, with everything beneath it."""
        layers = wanted.layers
        if number < 0 or self._stock.layers.has(layers[number].chain_id):
            return
        if number in wanted.failed:
            raise wanted.failed[number]

        async def make(report: Listener) -> None:
            mine = [name for layer in layers[: number + 1] for name in (layer.chain_id, layer.blob.digest)]
            with self._stock.hold(mine):
                await self._make(remote, wanted, number, report)

        try:
            await self._layers.run(layers[number].chain_id, make, progress)
        except Exception as error:
            wanted.failed[number] = error
            raise

    async def _make(self, remote: Remote, wanted: _Wanted, number: int, report: Listener) -> None:
        blob, stock = wanted.layers[number].blob, self._stock
        if stock.blobs.has(blob.digest):
            report(Progress(status="Download complete", id=short(blob.digest)))
            await self._unpack(remote, wanted, number, report)
            return
        early = Early(lambda arrival: self._unpack(remote, wanted, number, report, arrival))
        try:
            await self._downloads.run(blob.digest, lambda heard: self._download(remote, blob, early, heard), report)
        except BaseException:
            await early.stop()
            raise
        try:
            unpacked = await early.finish()
        except (CorruptData, NoSpace):
            await stock.refuse(blob.digest)
            raise
        if not unpacked:
            await self._unpack(remote, wanted, number, report)

    async def _unpack(
        self,
        remote: Remote,
        wanted: _Wanted,
        number: int,
        report: Listener,
        arrival: Arrival | None = None,
    ) -> None:
        layers, stock = wanted.layers, self._stock
        layer = layers[number]
        name, total = short(layer.blob.digest), max(layer.blob.size, 1)

        def extracting(count: int) -> None:
            if arrival is None or arrival.whole:  # until then the download is told of
                report(Progress(status="Extracting", id=name, current=count, total=total))

        await stock.add_layer(
            arrival or stock.blobs.path(layer.blob.digest),
            digest=layer.blob.digest,
            hashed=arrival is not None,
            diff_id=layer.diff_id,
            chain_id=layer.chain_id,
            parent=layers[number - 1].chain_id if number else None,
            before_commit=lambda: self._ensure(remote, wanted, number - 1, _nobody),
            turns=self._lane(remote).unpacking,
            on_progress=extracting,
        )
        extracting(total)
        report(Progress(status="Pull complete", id=name))

    async def _download(self, remote: Remote, blob: Descriptor, early: Early, report: Listener) -> None:
        name = short(blob.digest)
        downloads = self._lane(remote).downloads
        if downloads.locked():
            report(Progress(status="Waiting", id=name))
        async with downloads:
            attempt = 1
            while True:
                try:
                    await self._attempt(remote, blob, early, report)
                    return
                except Unreachable:
                    if attempt >= self._timeouts.attempts:
                        raise
                    await retry_pause(self._timeouts, attempt, name, report)
                    attempt += 1

    def _lane(self, remote: Remote) -> _Lane:
        return self._lanes.setdefault(remote.endpoint.url, _Lane())

    async def _attempt(self, remote: Remote, blob: Descriptor, early: Early, report: Listener) -> None:
        name = short(blob.digest)
        async with self._stock.blobs.resume(blob.digest, early) as incoming, remote.session() as session:
            await session.download(blob, incoming, _throttled(name, blob.size, report))
            report(Progress(status="Verifying Checksum", id=name))
            await incoming.finish()
        report(Progress(status="Download complete", id=name))


class _Patience:
    """With a mirror that has to make the image first: it says "not yet", how far it is, and when to ask again."""

    def __init__(self, endpoint: Endpoint, tag: str, progress: Listener) -> None:
        self._mirror, self._tag, self._progress = endpoint.mirror, tag, progress
        self._until = time.monotonic() + _LONGEST_MAKING
        self._told = ""

    async def until_made(self, ask: Callable[[], Awaitable[_Resolved]]) -> _Resolved:
        """What it says in the end. Raises as `ask` does where there is nothing to wait for."""
        while True:
            try:
                return await ask()
            except RegistryAnswer as answer:
                if not self._is_worth_waiting(answer):
                    raise
                await asyncio.sleep(min(max(answer.retry_after or 0, _SHORTEST_WAIT), _LONGEST_WAIT))

    def _is_worth_waiting(self, answer: RegistryAnswer) -> bool:
        unready = answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.retry_after is not None
        if not (self._mirror and unready and answer.code) or time.monotonic() > self._until:
            return False
        if answer.message != self._told:
            self._told = answer.message
            self._progress(Progress(status=answer.message, id=self._tag))
        return True


def _is_trouble(error: Exception) -> bool:
    """Whether a registry that has the image says in its own words why it cannot give it now."""
    return isinstance(error, RegistryAnswer) and error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and bool(error.code)


async def _resolve(session: Session, reference: Reference, platform: Platform) -> _Resolved:
    document = await session.manifest(reference.tag_or_digest)
    digest = document.digest
    read = manifests.read(document.data, document.content_type)
    if isinstance(read, Index):
        document = await session.manifest(manifests.choose(read, platform).digest)
        read = manifests.read(document.data, document.content_type)
    if isinstance(read, Index):
        raise NotSupported("an index of indexes is not supported")
    return _Resolved(digest=digest, manifest=read, document=document)


def _layers(manifest: Manifest, raw: bytes, platform: Platform | None, progress: Listener) -> tuple[_Layer, ...]:
    """What manifest and configuration say together. CorruptData where they do not fit."""
    config, diff_ids = read_config(raw)
    if len(diff_ids) != len(manifest.layers):
        raise CorruptData("layers from manifest don't match image configuration")
    actual = platforms.from_json(config)
    if actual.os and actual.os != "linux":
        raise NotSupported(f'image operating system "{actual.os}" cannot be used on this platform')
    if platform is not None and actual.os and platform.rank(actual) < 0:
        progress(
            Progress(
                status="WARNING: image was found but does not match the specified platform: "
                f"wanted {platform}, actual: {actual}"
            )
        )
    triples = zip(manifest.layers, diff_ids, chain_ids(diff_ids), strict=True)
    return tuple(_Layer(blob=blob, diff_id=diff_id, chain_id=chain_id) for blob, diff_id, chain_id in triples)


def _throttled(name: str, total: int, report: Listener) -> Callable[[int], None]:
    due = 0.0

    def on_bytes(current: int) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due or current == total:
            due = now + _EVERY
            report(Progress(status="Downloading", id=name, current=current, total=total))

    return on_bytes


async def retry_pause(timeouts: Timeouts, attempt: int, name: str, report: Listener) -> None:
    """Waits before the next attempt, telling how long, as Docker does."""
    left = timeouts.pause * 2 ** (attempt - 1)
    while left > 0:
        whole = max(1, round(left))
        report(Progress(status=f"Retrying in {whole} second{'s' if whole > 1 else ''}", id=name))
        await asyncio.sleep(min(left, 1.0))
        left -= 1.0


def _nobody(progress: Progress) -> None:
    """The pull that this layer belongs to listens itself."""


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    """The error that says most: one of the engine's before one of the network's."""
    found: list[Exception] = []
    for error in errors.exceptions:
        found.append(_first(error) if isinstance(error, ExceptionGroup) else error)
    return next((error for error in found if isinstance(error, EngineError)), found[0])
