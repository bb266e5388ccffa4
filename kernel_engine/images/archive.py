"""What an archive of images says of itself, read from its documents. Pure: the files are spooled and handed over.

Two forms: a docker archive (`manifest.json`; docker/docker `image/spec/v1.2.md`) and an OCI layout (`index.json`;
image-spec `image-layout.md`). Where both are there, they say the same, and the docker archive counts.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kernel_engine.errors import CorruptData, InvalidRequest
from kernel_engine.formats import reference as references
from kernel_engine.formats.reference import Reference
from kernel_engine.images import manifest as manifests
from kernel_engine.images import platforms
from kernel_engine.images.digest import Digest, hex_of
from kernel_engine.images.manifest import Descriptor, Index

#: containerd's annotation: the whole name; OCI's own holds the tag, or the name as skopeo writes it
NAME, REF = "io.containerd.image.name", "org.opencontainers.image.ref.name"
_LINKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """One file of an archive, waiting under a number."""

    number: int
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """One image of the archive: which files it is made of, and its names."""

    config: Spooled
    layers: tuple[Spooled, ...]
    names: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All files of an archive by their normal path, and its links (path → path)."""

    files: Mapping[str, Spooled]
    links: Mapping[str, str]

    def find(self, name: str) -> Spooled | None:
        """By a path from one of the documents; symbolic links inside the archive are followed (old Docker's layers)."""
        path = normal(name)
        for _ in range(_LINKS):
            if (found := self.files.get(path)) is not None:
                return found
            if path not in self.links:
                return None
            path = normal(posixpath.join(posixpath.dirname(path), self.links[path]))
        return None

    def need(self, name: str) -> Spooled:
        found = self.find(name)
        if found is None:
            raise CorruptData(f"invalid archive: {name} is missing")
        return found


def normal(name: str) -> str:
    """A member's path as it is looked up: relative, without `.` and `..`. Never a path of this machine."""
    return posixpath.normpath("/" + name).lstrip("/")


def images(contents: Contents, read: Callable[[Spooled], bytes]) -> tuple[Archived, ...]:
    """`read` gives a small file's bytes. InvalidRequest where it is no archive of images, CorruptData for a bad one."""
    if (listing := contents.find("manifest.json")) is not None:
        return tuple(_docker(contents, _json(read(listing), "manifest.json")))
    if (index := contents.find("index.json")) is not None:
        return tuple(_layout(contents, read, read(index), None))
    raise InvalidRequest("invalid archive: it holds neither manifest.json (docker save) nor index.json (OCI layout)")


def _docker(contents: Contents, rows: object) -> Iterator[Archived]:
    if not isinstance(rows, list):
        raise CorruptData("invalid archive: manifest.json is not a list")
    for row in rows:
        try:
            config, layers, tags = row["Config"], row["Layers"] or [], row.get("RepoTags") or []
            names = tuple(references.parse(str(tag)).tagged() for tag in tags)
            files = tuple(contents.need(str(layer)) for layer in layers)
            yield Archived(config=contents.need(str(config)), layers=files, names=names)
        except (KeyError, TypeError, AttributeError) as error:
            raise CorruptData(f"invalid archive: manifest.json: {error!r}") from None


def _layout(
    contents: Contents, read: Callable[[Spooled], bytes], data: bytes, inherited: Mapping[str, Any] | None
) -> Iterator[Archived]:
    """Every image of an index; of a nested one only what fits this machine, under the name of the outer entry."""
    document = _json(data, "index.json")
    entries = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise CorruptData("invalid archive: index.json lists no manifests")
    named: dict[str, list[Reference]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
            raise CorruptData("invalid archive: index.json names a manifest without a digest")
        annotations = inherited or entry.get("annotations")
        named.setdefault(entry["digest"], []).extend(_names(annotations if isinstance(annotations, dict) else {}))
    for digest, names in named.items():
        yield _image(contents, read, Digest(digest), tuple(dict.fromkeys(names)))


def _image(
    contents: Contents, read: Callable[[Spooled], bytes], digest: Digest, names: tuple[Reference, ...]
) -> Archived:
    found = _blob(contents, digest)
    document = manifests.read(read(found), "")
    if isinstance(document, Index):
        return _image(contents, read, manifests.choose(document, platforms.host()).digest, names)
    layers = tuple(_promised(contents, layer) for layer in document.layers)
    return Archived(config=_promised(contents, document.config), layers=layers, names=names)


def _promised(contents: Contents, descriptor: Descriptor) -> Spooled:
    found = _blob(contents, descriptor.digest)
    if found.size != descriptor.size:
        raise CorruptData(f"invalid archive: {descriptor.digest} has {found.size} bytes instead of {descriptor.size}")
    return found


def _blob(contents: Contents, digest: Digest) -> Spooled:
    found = contents.need(f"blobs/sha256/{hex_of(digest)}")
    if found.digest != digest:
        raise CorruptData(f"invalid archive: blob {digest} has other content than its name says")
    return found


def _names(annotations: Mapping[str, Any]) -> list[Reference]:
    """The image's name, where the annotations hold a whole one."""
    for word in (annotations.get(NAME), annotations.get(REF)):
        if isinstance(word, str) and (":" in word or "/" in word):
            try:
                return [references.parse(word).tagged()]
            except InvalidRequest:
                continue
    return []


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"invalid archive: {name}: {error}") from None
