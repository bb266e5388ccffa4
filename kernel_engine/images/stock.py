"""What images are made of, together: catalogue, blobs and layers, and who may take what away.

A layer goes into the store only after the catalogue expects it, and comes out only when no image and no work under way
needs it. So whatever a crash leaves behind is found at the next start.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kernel_engine.errors import Conflict, CorruptData, NoSpace, NotFound
from kernel_engine.images import layers as work
from kernel_engine.images.arrival import Arrival
from kernel_engine.images.blobs import Blobs
from kernel_engine.images.catalogue import Catalogue
from kernel_engine.images.digest import Digest
from kernel_engine.images.layers import LayerStore
from kernel_engine.workers.pool import Workers

#: workers that unpack at the same time for one source: one more than it has downloads, each of which may keep one busy
UNPACKING = 4


class Stock:
    """The three stores of one instance."""

    def __init__(self, catalogue: Catalogue, blobs: Blobs, layers: LayerStore, workers: Workers) -> None:
        self.catalogue = catalogue
        self.workers = workers
        self.blobs = blobs
        self.layers = layers
        #: held by whoever changes names or images
        self.changing = asyncio.Lock()
        self._held: Counter[str] = Counter()  # chain ids, and digests of blobs
        self._unpacking = asyncio.Semaphore(UNPACKING)

    async def load(self) -> None:
        await self.catalogue.load()
        await self.collect()
        await asyncio.to_thread(self.blobs.sweep, self._needs_blob)

    @contextmanager
    def hold(self, names: Sequence[str]) -> Iterator[None]:
        """These layers (chain ids) and blobs (digests) stay, or may come, although no image needs them yet."""
        self._held.update(names)
        try:
            yield
        finally:
            self._held.subtract(names)
            self._held += Counter()  # drops the zeros

    async def add_layer(
        self,
        blob: Path | Arrival,
        *,
        digest: Digest,
        hashed: bool = False,
        diff_id: Digest,
        chain_id: str,
        parent: str | None,
        before_commit: Callable[[], Awaitable[None]] | None = None,
        turns: asyncio.Semaphore | None = None,
        on_progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Unpacks a blob and makes it a layer. `before_commit` puts the parent in place.

        turns: of the source that the blob comes from; None = of what is here already.
        hashed: whoever writes the blob answers for that digest, so its bytes are not hashed again. CorruptData where
        blob or content is not what digest and diff id promise; nothing is left then, unless an image has the blob, or
        it still grows: then it is its writer's to `refuse`.
        """
        staged = self.layers.stage()
        try:
            async with turns or self._unpacking:
                unpacked = await work.unpack(
                    self.workers,
                    blob,
                    staged,
                    digest=digest if hashed else None,
                    on_progress=on_progress,
                )
            if unpacked.digest != digest:
                raise CorruptData(f"filesystem layer verification failed for digest {digest}")
            if unpacked.diff_id != diff_id:
                raise CorruptData("layers from manifest don't match image configuration")
            if before_commit is not None:
                await before_commit()
            await self.catalogue.expect_layer(chain_id, diff_id)
            await self.layers.commit(
                staged,
                chain_id=chain_id,
                parent=parent,
                diff_id=diff_id,
                size=unpacked.size,
                implied=unpacked.implied,
            )
        except BaseException as error:
            self.layers.discard(staged)
            if isinstance(blob, Path) and isinstance(error, CorruptData | NoSpace):
                await self.refuse(digest)
            raise

    async def refuse(self, digest: Digest) -> None:
        """A blob that cannot be unpacked goes, unless an image has it."""
        if digest not in self.catalogue.blobs:
            await asyncio.to_thread(self.blobs.remove, digest)

    async def collect(self, first: Iterable[str] = ()) -> tuple[tuple[str, int], ...]:
        """Removes every layer that nobody needs, `first` ones first, and their blobs. (chain id, size) of each.

        Layers that a container stands on stay until a later call.
        """
        gone: list[tuple[str, int]] = []
        waiting = self._orphans(first)
        moved = True
        while waiting and moved:  # a layer goes after the layers that stand on it
            moved = False
            for chain in waiting:
                size = await self._remove_layer(chain)
                if size is not None:
                    gone.append((chain, size))
                    moved = True
            done = {chain for chain, _ in gone}
            waiting = [chain for chain in waiting if chain not in done]
        if gone:
            digests = await self.catalogue.forget_layers(chain for chain, _ in gone)
            await asyncio.to_thread(self.blobs.remove, *digests)
        return tuple(gone)

    async def drop_blobs(self) -> int:
        """Removes blobs that neither an image nor work under way needs: what interrupted pulls left. Bytes."""
        return await asyncio.to_thread(self.blobs.drop_unneeded, self._needs_blob)

    async def drop_old_blobs(self) -> None:
        """Those of them that nobody came back for within a day."""
        await asyncio.to_thread(self.blobs.drop_old, self._needs_blob)

    def _needs_blob(self, digest: str) -> bool:
        return digest in self.catalogue.blobs or digest in self._held

    def _orphans(self, first: Iterable[str]) -> list[str]:
        needed = self.catalogue.needed_layers()
        known = self.catalogue.layers
        ordered = dict.fromkeys((*(chain for chain in first if chain in known), *known))
        return [chain for chain in ordered if chain not in needed]

    async def _remove_layer(self, chain: str) -> int | None:
        """Its size; None where it must stay for now."""
        if self._held[chain]:
            return None
        try:
            size = self.layers.size(chain)
            await self.layers.remove(chain)
        except Conflict:
            return None
        except NotFound:
            return 0
        return size
