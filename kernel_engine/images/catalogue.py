"""Which images there are, what they are called, and which layers and blobs they are made of.

SQLite for durability, dictionaries for speed: `get` is on the way of every `docker run`. A change is on the disk
before it can be seen. The rules of removing are `removal.py`'s, the files themselves `blobs.py`'s and the layer
store's.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kernel_engine.errors import EngineError, NoSpace, NotFound
from kernel_engine.formats import reference as references
from kernel_engine.formats.reference import Reference
from kernel_engine.images.digest import Digest, chain_ids, hex_of
from kernel_engine.images.image import Image, read_config
from kernel_engine.images.manifest import Descriptor
from kernel_engine.records import Records

Result = TypeVar("Result")

SCHEMA = """
CREATE TABLE IF NOT EXISTS images (
    id TEXT PRIMARY KEY,
    config BLOB NOT NULL,
    parent TEXT NOT NULL DEFAULT '',
    manifest BLOB,
    manifest_type TEXT NOT NULL DEFAULT '',
    last_tagged REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS image_references (
    name TEXT PRIMARY KEY,
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS image_steps (
    image_id TEXT PRIMARY KEY REFERENCES images (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS image_layers (
    chain_id TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS image_blobs (
    digest TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS image_blob_sources (
    digest TEXT NOT NULL REFERENCES image_blobs (digest) ON DELETE CASCADE,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, repository)
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBlob:
    """A compressed layer that is kept, and what it unpacks to."""

    descriptor: Descriptor
    diff_id: Digest
    sources: tuple[str, ...] = ()  #: repositories (`localhost:5000/app`) that are known to hold it


class Catalogue:
    """`load` first. The writing methods are called by one task at a time (Images sees to it)."""

    def __init__(self, records: Records, layer_size: Callable[[str], int]) -> None:
        self._records = records
        self._layer_size = layer_size
        self._images: dict[str, Image] = {}
        self._manifests: dict[str, tuple[str, bytes]] = {}
        self._names: dict[Reference, str] = {}
        self._children: dict[str, set[str]] = {}
        self._found: dict[str, str] = {}  # what `get` was asked → image id; emptied by every change
        self.layers: dict[str, Digest] = {}  #: chain id → diff id of every layer that this room has put into the store
        self.blobs: dict[str, LayerBlob] = {}  #: by digest
        self.steps: set[str] = set()  #: ids of images that are only steps of a build

    async def load(self) -> None:
        tables = ("images", "image_references", "image_steps", "image_layers", "image_blobs", "image_blob_sources")

        def work(connection: sqlite3.Connection) -> dict[str, list[sqlite3.Row]]:
            return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}

        rows = await self._transact(work)
        self.layers = {row["chain_id"]: Digest(row["diff_id"]) for row in rows["image_layers"]}
        self.blobs = _blobs(rows["image_blobs"], rows["image_blob_sources"])
        self.steps = {row["image_id"] for row in rows["image_steps"]}
        for row in rows["image_references"]:
            self._names[references.parse(row["name"])] = row["image_id"]
        for row in rows["images"]:
            if row["manifest"] is not None:
                self._manifests[row["id"]] = (row["manifest_type"], row["manifest"])
            self._keep(self.make(row["id"], row["config"], row["parent"], row["last_tagged"]))

    # reading ----------------------------------------------------------------------------------------------------
    def get(self, text: str) -> Image:
        """By name, digest, id or the unambiguous beginning of an id. NotFound("No such image: x:latest")."""
        image_id = self._found.get(text)
        if image_id is None:
            image_id = self._look_up(text)
            if len(self._found) > 4096:
                self._found.clear()
            self._found[text] = image_id
        return self._images[image_id]

    def find(self, name: Reference) -> Image | None:
        """What a whole reference names here."""
        image_id = self._names.get(name)
        return None if image_id is None else self._images[image_id]

    def by_id(self, image_id: str) -> Image | None:
        return self._images.get(image_id)

    def all(self) -> tuple[Image, ...]:
        return tuple(self._images.values())

    def children(self, image_id: str) -> frozenset[str]:
        return frozenset(self._children.get(image_id, ()))

    def names(self, image_id: str) -> tuple[Reference, ...]:
        """Tags and digests of an image, in Docker's order (by their text)."""
        return tuple(sorted((name for name, owner in self._names.items() if owner == image_id), key=str))

    def tags(self, repository: Reference) -> tuple[Reference, ...]:
        """The tagged names of a repository, in Docker's order (by their text)."""
        return tuple(sorted((name for name in self._names if name.name == repository.name and name.tag), key=str))

    def manifest(self, image_id: str) -> tuple[str, bytes] | None:
        """(media type, bytes) of the manifest that the image came with."""
        return self._manifests.get(image_id)

    def blob_of(self, diff_id: str) -> LayerBlob | None:
        return next((blob for blob in self.blobs.values() if blob.diff_id == diff_id), None)

    def needed_layers(self) -> frozenset[str]:
        """The chain ids that images stand on."""
        return frozenset(chain for image in self._images.values() for chain in chain_ids(image.diff_ids))

    def make(self, image_id: str, raw: bytes, parent: str, last_tagged: float = 0.0) -> Image:
        """An image value from its configuration. CorruptData."""
        config, diff_ids = read_config(raw)
        chain = chain_ids(diff_ids)
        return Image(
            id=image_id,
            raw=raw,
            config=config,
            tags=(),
            digests=(),
            size=sum(map(self._size_of, chain)),
            diff_ids=diff_ids,
            chain_id=chain[-1] if chain else None,
            parent=parent,
            last_tagged=last_tagged,
        )

    # writing ----------------------------------------------------------------------------------------------------
    async def add(
        self,
        image: Image,
        *,
        names: Iterable[Reference] = (),
        manifest: tuple[str, bytes] | None = None,
        blobs: Iterable[LayerBlob] = (),
        layers: Mapping[str, Digest] | None = None,
        step: bool = False,
    ) -> Image:
        """An image, its names and its blobs, in one transaction. Names move here from wherever they were.

        step: a new image that is nobody's result yet; a name makes it one.
        """
        names, blobs, layers = tuple(names), tuple(blobs), dict(layers or {})
        known = self._images.get(image.id)
        now = time.time()
        tagged = now if any(name.tag for name in names) else image.last_tagged
        parent = (known.parent if known is not None else "") or image.parent
        image = replace(known or image, last_tagged=tagged, parent=parent, size=image.size)
        step = step and known is None and not names

        def work(connection: sqlite3.Connection) -> None:
            kind, data = manifest or ("", None)
            connection.execute(
                "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "parent = excluded.parent, last_tagged = excluded.last_tagged, "
                "manifest = coalesce(manifest, excluded.manifest), "
                "manifest_type = iif(manifest_type = '', excluded.manifest_type, manifest_type)",
                (image.id, image.raw, image.parent, data, kind, image.last_tagged),
            )
            _insert_layers(connection, layers)
            for blob in blobs:
                _insert_blob(connection, blob)
            for name in names:
                connection.execute("INSERT OR REPLACE INTO image_references VALUES (?, ?)", (str(name), image.id))
            if step:
                connection.execute("INSERT OR IGNORE INTO image_steps VALUES (?)", (image.id,))
            elif names:
                connection.execute("DELETE FROM image_steps WHERE image_id = ?", (image.id,))

        await self._transact(work)
        if step:
            self.steps.add(image.id)
        elif names:
            self.steps.discard(image.id)
        self.layers |= layers
        for blob in blobs:
            self._keep_blob(blob)
        if manifest is not None:
            self._manifests.setdefault(image.id, manifest)
        losers = {self._names[name] for name in names if name in self._names} - {image.id}
        self._names |= dict.fromkeys(names, image.id)
        self._keep(image)
        self._refresh(losers)
        return self._images[image.id]

    async def publish(self, image_id: str) -> None:
        """An image that was only a step is a result now."""
        if image_id in self.steps:
            statement = "DELETE FROM image_steps WHERE image_id = ?"
            await self._transact(lambda connection: connection.execute(statement, (image_id,)))
            self.steps.discard(image_id)

    async def add_blob(self, blob: LayerBlob) -> None:
        await self._transact(lambda connection: _insert_blob(connection, blob))
        self._keep_blob(blob)

    async def expect_layer(self, chain_id: str, diff_id: Digest) -> None:
        """Before a layer goes into the store: what a crash leaves there without an image is found again by this."""
        if chain_id not in self.layers:
            await self._transact(lambda connection: _insert_layers(connection, {chain_id: diff_id}))
            self.layers[chain_id] = diff_id

    async def remove(self, names: Iterable[Reference], image_ids: Iterable[str]) -> None:
        """Takes names and images away, in one transaction. Their layers and blobs are still there then."""
        names, image_ids = tuple(names), tuple(image_ids)

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM image_references WHERE name = ?", [(str(name),) for name in names])
            connection.executemany("DELETE FROM images WHERE id = ?", [(item,) for item in image_ids])

        await self._transact(work)
        losers = {self._names.pop(name, "") for name in names}
        for image_id in image_ids:
            image = self._images.pop(image_id)
            self._manifests.pop(image_id, None)
            self.steps.discard(image_id)
            self._children.get(image.parent, set()).discard(image_id)
        self._refresh(losers)

    async def forget_layers(self, chains: Iterable[str]) -> tuple[str, ...]:
        """Rows of layers that are gone, and of the blobs that nothing else unpacks to. The digests of those blobs."""
        chains = tuple(chains)
        left = {diff_id for chain, diff_id in self.layers.items() if chain not in chains}
        digests = tuple(digest for digest, blob in self.blobs.items() if blob.diff_id not in left)

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM image_layers WHERE chain_id = ?", [(item,) for item in chains])
            connection.executemany("DELETE FROM image_blobs WHERE digest = ?", [(item,) for item in digests])

        await self._transact(work)
        for chain in chains:
            self.layers.pop(chain, None)
        for digest in digests:
            del self.blobs[digest]
        return digests

    async def add_sources(self, digests: Iterable[str], repository: str) -> None:
        """These blobs are known to be in `repository` now."""
        known = [self.blobs[digest] for digest in digests if digest in self.blobs]
        changed = [
            replace(blob, sources=(*blob.sources, repository)) for blob in known if repository not in blob.sources
        ]

        def work(connection: sqlite3.Connection) -> None:
            for blob in changed:
                _insert_blob(connection, blob)

        if changed:
            await self._transact(work)
            for blob in changed:
                self._keep_blob(blob)

    # ------------------------------------------------------------------------------------------------------------
    async def _transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return await self._records.transact(work)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
                raise NoSpace("write the image catalogue: no space left on device") from error
            raise EngineError(f"write the image catalogue: {error}") from error

    def _size_of(self, chain: str) -> int:
        """A layer that somebody took from the disk must not keep the engine from starting; a pull brings it back."""
        try:
            return self._layer_size(chain)
        except NotFound:
            return 0

    def _look_up(self, text: str) -> str:
        wanted = references.parse_any(text)
        if isinstance(wanted, str):
            if wanted in self._images:
                return wanted
            raise NotFound(f"No such image: {wanted}")
        name = replace(wanted, tag="") if wanted.digest else wanted.tagged()
        found = self._names.get(name) or self._by_prefix(text)
        if found is None:
            raise NotFound(f"No such image: {wanted.tagged().familiar}")
        return found

    def _by_prefix(self, text: str) -> str | None:
        """The one image whose id begins so; two are as good as none."""
        prefix = text.removeprefix("sha256:")
        if not prefix:
            return None
        found = [image_id for image_id in self._images if hex_of(image_id).startswith(prefix)]
        return found[0] if len(found) == 1 else None

    def _keep(self, image: Image) -> None:
        self._images[image.id] = image
        if image.parent:
            self._children.setdefault(image.parent, set()).add(image.id)
        self._refresh((image.id,))

    def _refresh(self, image_ids: Iterable[str]) -> None:
        """The names that the image values carry."""
        self._found.clear()
        for image_id in image_ids:
            if image_id in self._images:
                names = self.names(image_id)
                self._images[image_id] = replace(
                    self._images[image_id],
                    tags=tuple(name.familiar for name in names if name.tag),
                    digests=tuple(name.familiar for name in names if name.digest),
                )

    def _keep_blob(self, blob: LayerBlob) -> None:
        known = self.blobs.get(blob.descriptor.digest)
        sources = dict.fromkeys((*(known.sources if known else ()), *blob.sources))
        self.blobs[blob.descriptor.digest] = replace(known or blob, sources=tuple(sources))


def _insert_layers(connection: sqlite3.Connection, layers: Mapping[str, str]) -> None:
    connection.executemany("INSERT OR IGNORE INTO image_layers VALUES (?, ?)", list(layers.items()))


def _insert_blob(connection: sqlite3.Connection, blob: LayerBlob) -> None:
    descriptor = blob.descriptor
    connection.execute(
        "INSERT OR IGNORE INTO image_blobs VALUES (?, ?, ?, ?)",
        (descriptor.digest, blob.diff_id, descriptor.size, descriptor.media_type),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO image_blob_sources VALUES (?, ?)", [(descriptor.digest, item) for item in blob.sources]
    )


def _blobs(rows: Iterable[sqlite3.Row], sources: Iterable[Any]) -> dict[str, LayerBlob]:
    held: dict[str, list[str]] = {}
    for row in sources:
        held.setdefault(row["digest"], []).append(row["repository"])
    return {
        row["digest"]: LayerBlob(
            descriptor=Descriptor(media_type=row["media_type"], digest=Digest(row["digest"]), size=row["size"]),
            diff_id=Digest(row["diff_id"]),
            sources=tuple(held.get(row["digest"], ())),
        )
        for row in rows
    }
