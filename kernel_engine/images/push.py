"""docker push: an image of the catalogue to a registry. Words and order are Docker's (`distribution/push_v2.go`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_engine.errors import EngineError
from kernel_engine.formats.reference import Reference
from kernel_engine.images import made
from kernel_engine.images import manifest as manifests
from kernel_engine.images.digest import Digest, chain_ids, of, short
from kernel_engine.images.endpoints import Endpoint
from kernel_engine.images.failures import RegistryAnswer, Unreachable, push_failed
from kernel_engine.images.image import Auth, Image, Listener, Progress, PushResult
from kernel_engine.images.manifest import Descriptor, Manifest
from kernel_engine.images.pull import retry_pause
from kernel_engine.images.registry import Remote, Session, Timeouts
from kernel_engine.images.stock import Stock
from kernel_engine.images.upload import Content, Upload

#: Docker's max-concurrent-uploads
_UPLOADS = 5
_READ = 1 << 18
_EVERY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """The manifest to push."""

    media_type: str
    data: bytes
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Pushes:
    """The pushes of one instance."""

    def __init__(self, stock: Stock, timeouts: Timeouts) -> None:
        self._stock = stock
        self._timeouts = timeouts
        self._uploading = asyncio.Semaphore(_UPLOADS)

    async def push(
        self,
        choice: Sequence[tuple[Reference, Image]],
        endpoints: tuple[Endpoint, ...],
        *,
        auth: Auth | None,
        progress: Listener,
        pushed: Callable[[PushResult], None],
    ) -> None:
        """Tags of one repository, one after the other. Endpoints (never mirrors) are tried until one answers."""
        failure: Exception | None = None
        for endpoint in endpoints:
            path = choice[0][0].path
            remote = Remote(endpoint, path, auth=auth, timeouts=self._timeouts, push=True)
            try:
                async with remote.session() as session:
                    await session.ping()
                    for reference, image in choice:
                        document = await self._document(image)
                        pushed(await self._to(session, image, document, reference, progress))
                    return
            except Unreachable as error:
                failure = error
            except (RegistryAnswer, EngineError) as error:
                raise push_failed(error) from error
        assert failure is not None
        raise push_failed(failure) from failure

    async def _to(
        self, session: Session, image: Image, document: _Document, reference: Reference, progress: Listener
    ) -> PushResult:
        blobs = list(dict.fromkeys(document.layers[::-1]))
        diff_ids = dict(zip(document.layers, image.diff_ids, strict=True))
        for blob in blobs:
            progress(Progress(status="Preparing", id=short(diff_ids[blob])))
        if len(blobs) > _UPLOADS:
            for blob in blobs[_UPLOADS:]:
                progress(Progress(status="Waiting", id=short(diff_ids[blob])))
        try:
            async with asyncio.TaskGroup() as group:
                for blob in blobs:
                    group.create_task(self._layer(session, blob, reference, short(diff_ids[blob]), progress))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        await self._configuration(session, image, document.config)
        await session.put_manifest(reference.tag, document.media_type, document.data)
        digest = of(document.data)
        await self._remember(image, document, reference, digest)
        progress(Progress(status=f"{reference.tag}: digest: {digest} size: {len(document.data)}"))
        return PushResult(tag=reference.tag, digest=digest, size=len(document.data))

    async def _remember(self, image: Image, document: _Document, reference: Reference, digest: Digest) -> None:
        async with self._stock.changing:
            if self._stock.catalogue.by_id(image.id) is None:  # removed meanwhile: nothing to remember it by
                return
            await self._stock.catalogue.add(
                image, names=[reference.with_digest(digest)], manifest=(document.media_type, document.data)
            )
            await self._stock.catalogue.add_sources([item.digest for item in document.layers], reference.name)

    # layers -----------------------------------------------------------------------------------------------------
    async def _layer(
        self, session: Session, blob: Descriptor, reference: Reference, name: str, progress: Listener
    ) -> None:
        path = self._stock.blobs.path(blob.digest)
        upload = Upload(session, blob, _reading(path, blob.size, name, progress))
        async with self._uploading:
            attempt = 1
            while True:
                try:
                    await self._upload(session, upload, blob.digest, reference, name, progress)
                    return
                except Unreachable:
                    if attempt >= self._timeouts.attempts:
                        raise
                    await retry_pause(self._timeouts, attempt, name, progress)
                    attempt += 1

    async def _upload(
        self, session: Session, upload: Upload, digest: str, reference: Reference, name: str, progress: Listener
    ) -> None:
        if not upload.begun or await upload.resume() is None:
            if await session.has_blob(digest):
                progress(Progress(status="Layer already exists", id=name))
                return
            source = self._mountable(digest, reference)
            if not await upload.begin(mount_from=source):
                progress(Progress(status=f"Mounted from {source}", id=name))
                return
        await upload.send()
        progress(Progress(status="Pushed", id=name))

    async def _configuration(self, session: Session, image: Image, config: Descriptor) -> None:
        if await session.has_blob(config.digest):
            return
        upload = Upload(session, config, lambda start: _once(image.raw[start:]))
        await upload.begin()
        await upload.send()

    def _mountable(self, digest: str, reference: Reference) -> str:
        """Another repository of the same registry that holds the blob; "" for none."""
        blob = self._stock.catalogue.blobs.get(digest)
        own = f"{reference.domain}/"
        names = (source.removeprefix(own) for source in (blob.sources if blob else ()) if source.startswith(own))
        return next((name for name in names if name != reference.path), "")

    # the manifest -----------------------------------------------------------------------------------------------
    async def _document(self, image: Image) -> _Document:
        """The manifest that the image came with, if every layer it names is here; else a new one."""
        kept = self._stock.catalogue.manifest(image.id)
        if kept is not None:
            media_type, data = kept
            read = manifests.read(data, media_type)
            if isinstance(read, Manifest) and all(self._stock.blobs.has(item.digest) for item in read.layers):
                return _Document(media_type=media_type, data=data, config=read.config, layers=read.layers)
        chain = chain_ids(image.diff_ids)
        blobs = [await made.compressed(self._stock, *ids) for ids in zip(image.diff_ids, chain, strict=True)]
        config = Descriptor(media_type=manifests.DOCKER_CONFIG, digest=Digest(image.id), size=len(image.raw))
        media_type, data = manifests.write(config, [blob.descriptor for blob in blobs])
        read = manifests.read(data, media_type)
        assert isinstance(read, Manifest)
        return _Document(media_type=media_type, data=data, config=read.config, layers=read.layers)


def _reading(path: Path, total: int, name: str, progress: Listener) -> Content:
    """The file's bytes, told as they go."""

    async def read(start: int) -> AsyncIterator[bytes]:
        due = 0.0
        current = start
        with path.open("rb") as file:
            file.seek(start)
            while data := await asyncio.to_thread(file.read, _READ):
                yield data
                current += len(data)
                now = time.monotonic()
                if now >= due or current == total:
                    due = now + _EVERY
                    progress(Progress(status="Pushing", id=name, current=current, total=total))

    return read


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
