"""What images are made of, together: catalogue, blobs and layers, and who may take what away.

A layer goes into the store only after the catalogue expects it, and comes out only when no image and no work under way
needs it. So whatever a crash leaves behind is found at the next start.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kernel_engine.errors import Conflict, CorruptData, NotFound
from kernel_engine.images import layers as work
from kernel_engine.images.blobs import Blobs
from kernel_engine.images.catalogue import Catalogue
from kernel_engine.images.digest import Digest
from kernel_engine.images.layers import LayerStore

#: workers that unpack at the same time
_UNPACKING = 2


class Stock:
    """The three stores of one instance."""

    def __init__(self, catalogue: Catalogue, blobs: Blobs, layers: LayerStore) -> None:
        self.catalogue = catalogue
        self.blobs = blobs
        self.layers = layers
        #: held by whoever changes names or images
        self.changing = asyncio.Lock()
        self._held: Counter[str] = Counter()
        self._unpacking = asyncio.Semaphore(_UNPACKING)

    async def load(self) -> None:
        await self.catalogue.load()
        await self.collect()
        await asyncio.to_thread(self.blobs.sweep, tuple(self.catalogue.blobs))

    @contextmanager
    def hold(self, chains: Sequence[str]) -> Iterator[None]:
        """These layers stay, or may come, although no image needs them yet."""
        self._held.update(chains)
        try:
            yield
        finally:
            self._held.subtract(chains)
            self._held += Counter()  # drops the zeros

    async def add_layer(
        self,
        blob: Path,
        *,
        digest: Digest,
        diff_id: Digest,
        chain_id: str,
        parent: str | None,
        before_commit: Callable[[], object],
        on_progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Unpacks a blob and makes it a layer. `before_commit` may be awaited: it puts the parent in place.

        CorruptData where blob or content is not what digest and diff id promise; nothing is left then.
        """
        staged = self.layers.stage()
        try:
            async with self._unpacking:
                unpacked = await work.unpack(blob, staged, on_progress=on_progress)
            if unpacked.digest != digest:
                await asyncio.to_thread(self.blobs.remove, digest)
                raise CorruptData(f"filesystem layer verification failed for digest {digest}")
            if unpacked.diff_id != diff_id:
                raise CorruptData("layers from manifest don't match image configuration")
            waiting = before_commit()
            if asyncio.iscoroutine(waiting):
                await waiting
            await self.catalogue.expect_layer(chain_id, diff_id)
            await self.layers.commit(
                staged,
                chain_id=chain_id,
                parent=parent,
                diff_id=diff_id,
                size=unpacked.size,
                implied=unpacked.implied,
            )
        except BaseException:
            self.layers.discard(staged)
            raise

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
