"""Layers that are made here: an upper directory becomes one, and gets its compressed form when somebody asks for it.

A layer that nobody pushes or saves is never compressed (docs/decisions/0007): its diff id is all that an image needs,
and packing the unchanged directory again gives the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from kernel_engine.errors import CorruptData, InvalidRequest
from kernel_engine.images import layers as work
from kernel_engine.images.catalogue import LayerBlob
from kernel_engine.images.digest import EMPTY_LAYER, Digest, chain_ids
from kernel_engine.images.manifest import DOCKER_LAYER, Descriptor
from kernel_engine.images.stock import Stock

#: Docker's limit; mount(2) takes the names of all layers on one page
_DEEPEST = 125


async def add_layer(
    stock: Stock, beneath: Sequence[Digest], upper: Path, held: ExitStack, *, take: bool, latest: int | None = None
) -> Digest | None:
    """A layer on top of `beneath` (diff ids) of what `upper` holds; held in the stock as long as `held` is.

    None for a directory without changes: no layer is made of it. take: `upper` itself becomes the layer and is gone
    afterwards; else it is only read. latest: no file is younger than this (seconds).
    """
    staged = stock.layers.take(upper) if take else stock.layers.stage()
    try:
        if take:
            settled = await work.settle(stock.workers, staged, latest=latest)
        else:
            settled = await work.copy(stock.workers, upper, staged)
        if settled.diff_id == EMPTY_LAYER:
            return None
        chain = chain_ids((*beneath, settled.diff_id))
        if len(chain) > _DEEPEST:
            raise InvalidRequest("max depth exceeded")
        held.enter_context(stock.hold(chain))
        if not stock.layers.has(chain[-1]):
            await stock.catalogue.expect_layer(chain[-1], settled.diff_id)
            await stock.layers.commit(
                staged,
                chain_id=chain[-1],
                parent=chain[-2] if len(chain) > 1 else None,
                diff_id=settled.diff_id,
                size=settled.size,
                implied=(),
            )
        return settled.diff_id
    finally:
        stock.layers.discard(staged)  # it is in its place, or of no use


async def compressed(stock: Stock, diff_id: Digest, chain_id: Digest) -> LayerBlob:
    """The blob of a layer, made now where there is none yet.

    CorruptData where the layer's directory is not any more what its diff id says.
    """
    known = stock.catalogue.blob_of(diff_id)
    if known is not None and stock.blobs.has(known.descriptor.digest):
        return known
    temporary = stock.blobs.temporary()
    try:
        packed = await work.pack(stock.workers, stock.layers.path(chain_id), temporary)
        if packed.diff_id != diff_id:
            raise CorruptData(f"the files of layer {diff_id} have changed in the store")
        with stock.hold([packed.digest]):
            await asyncio.to_thread(stock.blobs.adopt, temporary, packed.digest)
            descriptor = Descriptor(media_type=f"{DOCKER_LAYER}.gzip", digest=packed.digest, size=packed.compressed)
            blob = LayerBlob(descriptor=descriptor, diff_id=diff_id)
            async with stock.changing:
                await stock.catalogue.add_blob(blob)
    finally:
        temporary.unlink(missing_ok=True)
    return blob
