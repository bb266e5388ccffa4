"""docker load and docker import: archives from outside become images, each whole or not at all.

An archive is spooled by a worker into files that are named by numbers, so that no name of it ever is a path here. What
the files are, `archive.py` says.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from kernel_engine.errors import CorruptData
from kernel_engine.formats.reference import Reference
from kernel_engine.images import archive, child
from kernel_engine.images import layers as work
from kernel_engine.images.archive import Archived, Spooled
from kernel_engine.images.catalogue import LayerBlob
from kernel_engine.images.digest import Digest, chain_ids, of, short
from kernel_engine.images.image import Image, Listener, Progress, read_config
from kernel_engine.images.manifest import DOCKER_LAYER, SIZE_LIMIT, Descriptor
from kernel_engine.images.stock import Stock

Result = TypeVar("Result")
#: first bytes of what registries take as a layer → the end of its media type
_COMPRESSIONS = ((b"\x1f\x8b", ".gzip"), (b"\x28\xb5\x2f\xfd", ".zstd"))
#: compressions that no registry takes
_FOREIGN = (b"BZh", b"\xfd7zXZ\x00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    image: Image
    names: tuple[Reference, ...]
    losers: tuple[tuple[Reference, str], ...] = ()  #: names that belonged to another image (its id) before


async def load(stock: Stock, source: AsyncIterator[bytes], progress: Listener) -> AsyncIterator[Loaded]:
    """One image after the other. InvalidRequest, CorruptData, NoSpace: the images before it are there then."""
    with _room(stock) as folder:
        contents = await work.spool(stock.workers, source, folder)
        for found in archive.images(contents, lambda file: _small(folder, file)):
            yield await _undone(stock, _load(stock, folder, found, progress))


async def import_(
    stock: Stock,
    source: AsyncIterator[bytes],
    *,
    config: Mapping[str, Any],
    comment: str,
    platform: Mapping[str, str],
    names: Sequence[Reference],
) -> Image:
    """A root file system (tar, compressed or not) as an image of one layer."""
    with _room(stock) as folder:
        file = await work.receive(stock.workers, source, folder)
        return await _undone(stock, _import(stock, folder, file, config, comment, platform, names))


async def _undone(stock: Stock, doing: Awaitable[Result]) -> Result:
    """What was added before a failure goes again."""
    try:
        return await doing
    except BaseException:
        async with stock.changing:
            await stock.collect()
        raise


async def _load(stock: Stock, folder: Path, found: Archived, progress: Listener) -> Loaded:
    raw = _small(folder, found.config)
    _, diff_ids = read_config(raw)
    if len(diff_ids) != len(found.layers):
        raise CorruptData(
            f"invalid manifest, layers length mismatch: expected {len(diff_ids)}, got {len(found.layers)}"
        )
    chain = chain_ids(diff_ids)
    with ExitStack() as held:
        held.enter_context(stock.hold([*chain, *(layer.digest for layer in found.layers)]))
        missing = [number for number in range(len(chain)) if not stock.layers.has(chain[number])]
        files = {number: await _common(stock, folder, found.layers[number]) for number in missing}
        held.enter_context(stock.hold([file.digest for file in files.values()]))
        await _unpack(stock, folder, files, diff_ids, progress)
        blobs = [
            await _kept(stock, folder / str(file.number), file, diff_ids[number]) for number, file in files.items()
        ]
        async with stock.changing:
            image = stock.catalogue.make(of(raw), raw, "")
            owners = ((name, stock.catalogue.find(name)) for name in found.names)
            losers = tuple((name, owner.id) for name, owner in owners if owner is not None and owner.id != image.id)
            layers: dict[str, Digest] = dict(zip(chain, diff_ids, strict=True))
            image = await stock.catalogue.add(image, names=found.names, blobs=blobs, layers=layers)
    return Loaded(image=image, names=found.names, losers=losers)


async def _unpack(
    stock: Stock, folder: Path, files: Mapping[int, Spooled], diff_ids: Sequence[Digest], progress: Listener
) -> None:
    """The layers with these numbers into the store, side by side, each after what is beneath it."""
    chain = chain_ids(diff_ids)

    async def layer(number: int, file: Spooled, beneath: asyncio.Task[None] | None) -> None:
        name, total = short(diff_ids[number]), max(file.size, 1)

        def tell(count: int) -> None:
            progress(Progress(status="Loading layer", id=name, current=count, total=total))

        async def settled() -> None:
            if beneath is not None:
                await asyncio.wait((beneath,))  # where it fails, the group ends this one too

        await stock.add_layer(
            folder / str(file.number),
            digest=file.digest,
            hashed=True,
            diff_id=diff_ids[number],
            chain_id=chain[number],
            parent=chain[number - 1] if number else None,
            before_commit=settled,
            on_progress=tell,
        )
        tell(total)

    try:
        async with asyncio.TaskGroup() as group:
            beneath = None
            for number, file in files.items():
                beneath = group.create_task(layer(number, file, beneath))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _kept(stock: Stock, path: Path, file: Spooled, diff_id: Digest) -> LayerBlob:
    known = stock.catalogue.blob_of(diff_id)
    if known is not None and stock.blobs.has(known.descriptor.digest):
        return known
    kind = DOCKER_LAYER + next((end for magic, end in _COMPRESSIONS if _begins(path, magic)), "")
    await asyncio.to_thread(_adopt, stock, path, file.digest)
    return LayerBlob(descriptor=Descriptor(media_type=kind, digest=file.digest, size=file.size), diff_id=diff_id)


def _adopt(stock: Stock, path: Path, digest: Digest) -> None:
    """A second name for the file, which other images of the archive may need too."""
    linked = path.with_suffix(".kept")
    os.link(path, linked)
    descriptor = os.open(linked, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    stock.blobs.adopt(linked, digest)


async def _common(stock: Stock, folder: Path, file: Spooled) -> Spooled:
    """A layer in bzip2 or xz unpacked once: no registry takes it, and pushing it later must be possible."""
    if not any(_begins(folder / str(file.number), magic) for magic in _FOREIGN):
        return file
    plain = await work.inflate(stock.workers, folder / str(file.number), folder / f"{file.number}.plain")
    os.replace(folder / f"{file.number}.plain", folder / str(file.number))
    return replace(file, size=plain.size, digest=plain.digest)


async def _import(
    stock: Stock,
    folder: Path,
    file: Spooled,
    config: Mapping[str, Any],
    comment: str,
    platform: Mapping[str, str],
    names: Sequence[Reference],
) -> Image:
    file = await _common(stock, folder, file)
    path = folder / str(file.number)
    with ExitStack() as held:
        held.enter_context(stock.hold([file.digest]))
        staged = stock.layers.stage()
        try:
            unpacked = await work.unpack(stock.workers, path, staged, digest=file.digest)
            held.enter_context(stock.hold([unpacked.diff_id]))
            if not stock.layers.has(unpacked.diff_id):  # the chain id of a lowest layer is its diff id
                await stock.catalogue.expect_layer(unpacked.diff_id, unpacked.diff_id)
                await stock.layers.commit(
                    staged,
                    chain_id=unpacked.diff_id,
                    parent=None,
                    diff_id=unpacked.diff_id,
                    size=unpacked.size,
                    implied=unpacked.implied,
                )
        finally:
            stock.layers.discard(staged)
        blob = await _kept(stock, path, file, unpacked.diff_id)
        raw = child.configuration(
            None,
            diff_id=unpacked.diff_id,
            config=config,
            created_by="",
            created=child.now(),
            comment=comment,
            platform=platform,
        )
        async with stock.changing:
            image = stock.catalogue.make(of(raw), raw, "")
            layers: dict[str, Digest] = {unpacked.diff_id: unpacked.diff_id}
            return await stock.catalogue.add(image, names=names, blobs=(blob,), layers=layers)


@contextmanager
def _room(stock: Stock) -> Iterator[Path]:
    """A folder beside the blobs, gone at the end."""
    folder = stock.blobs.folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _small(folder: Path, file: Spooled) -> bytes:
    if file.size > SIZE_LIMIT:
        raise CorruptData(f"invalid archive: a document of {file.size} bytes is too large")
    return (folder / str(file.number)).read_bytes()


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
