"""The images of one engine instance: what the rooms above call. Everything is done by the files beside this one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from kernel_engine.errors import Conflict, InvalidRequest, NotFound
from kernel_engine.formats import reference as references
from kernel_engine.formats.filters import read_prune
from kernel_engine.formats.reference import DEFAULT_DOMAIN, Reference
from kernel_engine.images import catalogue, child, listing, login, made, platforms, removal
from kernel_engine.images import load as loading
from kernel_engine.images import save as saving
from kernel_engine.images import search as searching
from kernel_engine.images.blobs import Blobs, disk_errors
from kernel_engine.images.catalogue import Catalogue
from kernel_engine.images.certificates import DIRECTORY
from kernel_engine.images.digest import Digest, chain_ids, of
from kernel_engine.images.distribution import Distribution, look_up
from kernel_engine.images.endpoints import HUB, Endpoint, endpoints
from kernel_engine.images.image import (
    Auth,
    DiskUsage,
    HistoryRow,
    Image,
    Listener,
    Progress,
    PruneReport,
    PushResult,
    Removed,
)
from kernel_engine.images.layers import Changed, LayerStore
from kernel_engine.images.listing import Filters
from kernel_engine.images.load import Loaded
from kernel_engine.images.pull import Pulls
from kernel_engine.images.push import Pushes
from kernel_engine.images.registry import Timeouts
from kernel_engine.images.removal import InUse, Removal
from kernel_engine.images.search import INDEX, Offer
from kernel_engine.images.stock import Stock
from kernel_engine.paths import Instance
from kernel_engine.records import Records
from kernel_engine.workers.pool import Workers

SCHEMA = catalogue.SCHEMA


def _quiet(progress: Progress) -> None:
    """For callers that do not watch."""


class Images:
    """`open` first. Every method either finishes or leaves things as they were."""

    SCHEMA = SCHEMA

    def __init__(
        self,
        instance: Instance,
        records: Records,
        layers: LayerStore,
        workers: Workers,
        *,
        mirrors: tuple[str, ...] = (),
        insecure: Collection[str] = (),
        certificates: Path = DIRECTORY,
        timeouts: Timeouts | None = None,
        hub: str = HUB,
    ) -> None:
        """mirrors: addresses that serve docker.io's images, asked in order before Docker Hub itself.

        insecure: registries that may be spoken to without TLS; loopback always may. certificates: see there.
        """
        self.mirrors = mirrors
        self._insecure = tuple(insecure)
        self._plain: tuple[str, ...] = ()
        self._certificates = certificates
        self._hub = hub
        self._index = INDEX if hub == HUB else hub
        self._catalogue = Catalogue(records, layers.size)
        self._layers = layers
        self._stock = Stock(self._catalogue, Blobs(instance.blobs), layers, workers)
        self._timeouts = timeouts = timeouts or Timeouts()
        self._pulls = Pulls(self._stock, timeouts)
        self._pushes = Pushes(self._stock, timeouts)
        endpoints(DEFAULT_DOMAIN, mirrors=mirrors)  # a bad address is told at the start

    @property
    def insecure(self) -> tuple[str, ...]:
        """Registries that may be spoken to without TLS."""
        return (*self._insecure, *self._plain)

    def allow_plain(self, ranges: tuple[str, ...]) -> None:
        """From now on also these, and no longer those of the last call: networks that come and go."""
        self._plain = ranges

    async def open(self) -> None:
        """Reads the catalogue and sweeps what a crash has left."""
        await self._stock.load()

    # reading ----------------------------------------------------------------------------------------------------
    def get(self, reference_or_id: str) -> Image:
        """NotFound("No such image: x:latest"), InvalidRequest for a name that cannot be one."""
        return self._catalogue.get(reference_or_id)

    def list(self, *, all: bool = False, filters: Filters | None = None) -> tuple[Image, ...]:
        """Newest first. Filters: dangling, label, reference, before, since, until."""
        return listing.choose(
            self._catalogue.all(),
            all=all,
            filters=filters or {},
            get=self._catalogue.get,
            is_step=lambda image_id: image_id in self._catalogue.steps or bool(self._catalogue.children(image_id)),
        )

    def history(self, reference_or_id: str) -> tuple[HistoryRow, ...]:
        image = self.get(reference_or_id)
        return listing.history(image, layer_size=self._layers.size, get=self._catalogue.by_id)

    def directories(self, image: Image) -> tuple[str, ...]:
        """Where its layers lie unpacked, topmost first."""
        chain = reversed(chain_ids(image.diff_ids))
        return tuple(str(self._layers.path(chain_id)) for chain_id in chain if self._layers.has(chain_id))

    async def layer_changes(self, reference_or_id: str, diff_id: str) -> Sequence[Changed]:
        """What one layer of an image adds, changes and deletes. NotFound where the image has no such layer."""
        image = self.get(reference_or_id)
        chains = dict(zip(image.diff_ids, chain_ids(image.diff_ids), strict=True))
        if (chain_id := chains.get(Digest(diff_id))) is None:
            raise NotFound(f"No such layer in {reference_or_id}: {diff_id}")
        return await asyncio.to_thread(self._layers.changes, chain_id)

    # registries -------------------------------------------------------------------------------------------------
    async def pull(
        self,
        reference: str,
        *,
        platform: str = "",
        auth: Auth | None = None,
        progress: Callable[[Progress], None] = _quiet,
    ) -> Image:
        """Fetches what is missing. A cancelled or failed pull keeps what it has fetched for the next one, unseen."""
        name = references.parse(reference).tagged()
        return (await self._pull(name, platform, auth, progress))[0]

    async def pull_all(
        self,
        repository: str,
        *,
        platform: str = "",
        auth: Auth | None = None,
        progress: Callable[[Progress], None] = _quiet,
    ) -> tuple[Image, ...]:
        """Every tag that the repository has at its registry."""
        return await self._pull(references.parse(repository), platform, auth, progress)

    async def _pull(
        self, name: Reference, platform: str, auth: Auth | None, progress: Callable[[Progress], None]
    ) -> tuple[Image, ...]:
        wanted = platforms.parse(platform) if platform else None
        places = self._endpoints(name.domain, self.mirrors)
        try:
            with disk_errors("pull"):
                return await self._pulls.pull(name, places, platform=wanted, auth=auth, progress=progress)
        except BaseException:
            async with self._stock.changing:
                await self._stock.collect()
            raise

    async def push(
        self, reference: str, *, auth: Auth | None = None, progress: Callable[[Progress], None] = _quiet
    ) -> PushResult:
        """The image under this tag (`latest` where none is given). NotFound where there is no such tag here."""
        name = references.parse(reference)
        if name.digest:
            raise InvalidRequest("cannot push a digest reference")
        name = name.tagged()
        progress(Progress(status=f"The push refers to repository [{name.name}]"))
        image = self._catalogue.find(name)
        if image is None:
            known = self._catalogue.tags(name)
            raise NotFound(f"tag does not exist: {name.familiar}" if known else _no_image(name))
        pushed: list[PushResult] = []
        await self._push([(name, image)], auth, progress, pushed.append)
        return pushed[0]

    async def push_all(
        self,
        repository: str,
        *,
        auth: Auth | None = None,
        progress: Callable[[Progress], None] = _quiet,
        pushed: Callable[[PushResult], None],
    ) -> None:
        """Every tag of a repository, in their order. NotFound where there is none. `pushed` hears of each."""
        name = references.parse(repository)
        progress(Progress(status=f"The push refers to repository [{name.name}]"))
        choice = [(tagged, found) for tagged in self._catalogue.tags(name) if (found := self._catalogue.find(tagged))]
        if not choice:
            raise NotFound(_no_image(name))
        await self._push(choice, auth, progress, pushed)

    async def _push(
        self,
        choice: Sequence[tuple[Reference, Image]],
        auth: Auth | None,
        progress: Callable[[Progress], None],
        pushed: Callable[[PushResult], None],
    ) -> None:
        with disk_errors("push"):
            places = self._endpoints(choice[0][0].domain)
            await self._pushes.push(choice, places, auth=auth, progress=progress, pushed=pushed)

    async def log_in(self, address: str, auth: Auth) -> None:
        """Returns when the registry at `address` takes this name and password (or token). Nothing is kept."""
        await login.log_in(self._endpoints(login.domain_of(address)), auth, self._timeouts)

    async def search(self, term: str, *, limit: int = 25, auth: Auth | None = None) -> tuple[Offer, ...]:
        """What the mirrors have and Docker Hub finds; for `host/word` what that registry has."""
        name = references.parse(term.lower().strip("/") or "-")
        places = self._endpoints(name.domain, self.mirrors)
        return await searching.search(
            term, places, domain=name.domain, limit=limit, auth=auth, timeouts=self._timeouts, index=self._index
        )

    async def distribution(self, reference: str, *, auth: Auth | None = None) -> Distribution:
        """What a registry says of a name, without fetching any of it."""
        name = references.parse(reference).tagged()
        return await look_up(name, self._endpoints(name.domain, self.mirrors), auth=auth, timeouts=self._timeouts)

    def _endpoints(self, domain: str, mirrors: tuple[str, ...] = ()) -> tuple[Endpoint, ...]:
        return endpoints(
            domain, mirrors=mirrors, insecure=self.insecure, hub=self._hub, certificates=self._certificates
        )

    # names ------------------------------------------------------------------------------------------------------
    async def tag(self, source: str, target: str) -> None:
        """Gives an image one more name; another image may lose it."""
        name = _new_name(target)
        async with self._stock.changing:
            await self._catalogue.add(self.get(source), names=[name])

    async def remove(
        self, reference: str, *, force: bool = False, prune: bool = True, in_use: InUse
    ) -> tuple[Removed, ...]:
        """docker rmi. Conflict with Docker's texts. Layers that a container stands on go with a later `collect`."""
        async with self._stock.changing:
            decided = removal.plan(self._catalogue, reference, force=force, prune=prune, in_use=in_use)
            removed, _ = await self._carry_out(decided)
            return removed

    async def prune(self, *, all: bool = False, filters: Filters | None = None, in_use: InUse) -> PruneReport:
        """docker image prune: images without a name (all: also those with one) that no container stands on."""
        wanted = read_prune({key: tuple(words) for key, words in (filters or {}).items()})
        async with self._stock.changing:
            choice = self.list(all=True, filters={} if all else {"dangling": ("true",)})
            removed: list[Removed] = []
            reclaimed = 0
            for image in choice:
                if in_use(image.id) or not wanted.takes(created=image.created_at, labels=image.labels):
                    continue
                done, size = await self._prune_one(image, in_use)
                removed.extend(done)
                reclaimed += size
            await self._stock.collect()
            reclaimed += await self._stock.drop_blobs()
        return PruneReport(removed=tuple(removed), reclaimed=reclaimed)

    def disk_usage(self) -> DiskUsage:
        """What `docker system df` counts of images."""
        chains = {image.id: chain_ids(image.diff_ids) for image in self._catalogue.all()}
        users = Counter(chain for mine in chains.values() for chain in set(mine))
        sizes = {chain: self._layers.size(chain) for chain in users if self._layers.has(chain)}
        shared = {
            image_id: sum(sizes.get(chain, 0) for chain in mine if users[chain] > 1)
            for image_id, mine in chains.items()
        }
        return DiskUsage(layers=sum(sizes.values()), shared=shared)

    async def collect(self) -> None:
        """Removes layers that no image needs and that no container stands on any more."""
        async with self._stock.changing:
            await self._stock.collect()

    # new images -------------------------------------------------------------------------------------------------
    async def add(
        self,
        *,
        parent: Image | None,
        config: Mapping[str, Any],
        upper: Path | None = None,
        take: bool = False,
        latest: int | None = None,
        created_by: str = "",
        author: str = "",
        comment: str = "",
        container: str = "",
        container_config: Mapping[str, Any] | None = None,
        created: str = "",
        names: Sequence[str] = (),
        step: bool = False,
    ) -> Image:
        """One more image on top of `parent`: with a layer (upper: an overlay upper directory), or only settings.

        take, latest: see `made.add_layer`. step: one on the way to another image; `publish` makes it a result.
        """
        new_names = [_new_name(name) for name in names]
        beneath = parent.diff_ids if parent is not None else ()
        with ExitStack() as held, disk_errors("commit"):
            held.enter_context(self._stock.hold(chain_ids(beneath)))
            diff_id = None
            if upper is not None:
                diff_id = await made.add_layer(self._stock, beneath, upper, held, take=take, latest=latest)
            raw = child.configuration(
                parent,
                diff_id=diff_id,
                config=config,
                created_by=created_by,
                created=created or child.now(),
                author=author,
                comment=comment,
                container=container,
                container_config=container_config,
            )
            image = self._catalogue.make(of(raw), raw, parent.id if parent is not None else "")
            async with self._stock.changing:
                return await self._catalogue.add(image, names=new_names, step=step)

    async def publish(self, image_id: str) -> Image:
        """A step that is somebody's result: `docker images` shows it from now on."""
        async with self._stock.changing:
            await self._catalogue.publish(image_id)
            return self._catalogue.get(image_id)

    def is_step(self, image_id: str) -> bool:
        """Whether it is only one on the way to another image, nobody's result."""
        return image_id in self._catalogue.steps

    def hold(self, image: Image) -> AbstractContextManager[None]:
        """The image's layers stay, also where the image is removed meanwhile."""
        return self._stock.hold(chain_ids(image.diff_ids))

    # archives ---------------------------------------------------------------------------------------------------
    def save(self, words: Sequence[str]) -> AsyncIterator[bytes]:
        """A tar of these images, compressed or not as their layers are. NotFound before the first byte."""
        return saving.save(self._stock, saving.choose(self._stock, words))

    async def load(self, source: AsyncIterator[bytes], *, progress: Listener = _quiet) -> AsyncIterator[Loaded]:
        """The images of an archive, one after the other. CorruptData, InvalidRequest, NoSpace."""
        with disk_errors("load"):
            async for loaded in loading.load(self._stock, source, progress):
                yield loaded

    async def import_(
        self,
        source: AsyncIterator[bytes],
        *,
        config: Mapping[str, Any],
        comment: str = "",
        platform: str = "",
        name: str = "",
    ) -> Image:
        """A tar of a root file system as an image of one layer."""
        wanted = platforms.parse(platform) if platform else platforms.host()
        described = {"architecture": wanted.architecture, "os": wanted.os}
        if wanted.variant:
            described["variant"] = wanted.variant
        names = [_new_name(name)] if name else []
        with disk_errors("import"):
            return await loading.import_(
                self._stock, source, config=config, comment=comment, platform=described, names=names
            )

    # removing ---------------------------------------------------------------------------------------------------
    async def _carry_out(self, decided: Removal) -> tuple[tuple[Removed, ...], int]:
        """What was done, in Docker's order, and the bytes of the layers that went."""
        names = [*decided.untag, *(name for _, more in decided.delete for name in more)]
        await self._catalogue.remove(names, [image.id for image, _ in decided.delete])
        done = [Removed(untagged=name.familiar) for name in decided.untag]
        order = [chain for image, _ in decided.delete for chain in reversed(chain_ids(image.diff_ids))]
        gone = dict(await self._stock.collect(order)) if decided.delete else {}
        left = dict(gone)
        for image, more in decided.delete:
            done.extend(Removed(untagged=name.familiar) for name in more)
            done.append(Removed(deleted=image.id))
            mine = [chain for chain in reversed(chain_ids(image.diff_ids)) if left.pop(chain, None) is not None]
            done.extend(Removed(deleted=chain) for chain in mine)
        return tuple(done), sum(gone.values())

    async def _prune_one(self, image: Image, in_use: InUse) -> tuple[tuple[Removed, ...], int]:
        """By each of its names, or by its id; one that may not go stays."""
        words = [*image.tags, *image.digests] if image.tags else [image.id]
        done: list[Removed] = []
        reclaimed = 0
        for word in words:
            if self._catalogue.by_id(image.id) is None:
                break
            try:
                decided = removal.plan(self._catalogue, word, force=False, prune=True, in_use=in_use)
            except (Conflict, NotFound):
                continue
            removed, size = await self._carry_out(decided)
            done.extend(removed)
            reclaimed += size
        return tuple(done), reclaimed


def _no_image(name: Reference) -> str:
    return f"An image does not exist locally with the tag: {name.familiar_name}"


def _new_name(target: str) -> Reference:
    name = references.parse(target)
    if name.digest:
        raise InvalidRequest("refusing to create a tag with a digest reference")
    name = name.tagged()
    if name.familiar_name == "sha256":
        raise InvalidRequest("refusing to create an ambiguous tag using digest algorithm as name")
    return name
