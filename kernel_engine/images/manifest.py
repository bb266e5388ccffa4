"""Manifests and indexes, OCI's and Docker's schema 2: read, chosen from, written. Pure.

OCI image-spec `manifest.md` and `image-index.md`; distribution's "Image Manifest V 2, Schema 2".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kernel_engine.errors import CorruptData, NotFound, NotSupported
from kernel_engine.images import digest as digests
from kernel_engine.images import platforms
from kernel_engine.images.digest import Digest
from kernel_engine.images.platforms import Platform

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
#: what a GET of a manifest accepts
ACCEPT = ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST))
#: distribution's own limit for a manifest
SIZE_LIMIT = 4 << 20
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One thing that a manifest points at. `size` is what it promises, in bytes."""

    media_type: str
    digest: Digest
    size: int

    def json(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "size": self.size, "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image for one platform."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    descriptor: Descriptor
    platform: Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Several manifests, one for each platform."""

    media_type: str
    entries: tuple[IndexEntry, ...]


def read(data: bytes, content_type: str) -> Manifest | Index:
    """What a registry sent. CorruptData for a broken document, NotSupported for a kind that is no image."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"invalid manifest: {error}") from None
    if not isinstance(document, dict):
        raise CorruptData("invalid manifest: not an object")
    kind = _media_type(document, content_type)
    try:
        if kind in (OCI_INDEX, DOCKER_LIST):
            return _index(document, kind)
        if kind in (OCI_MANIFEST, DOCKER_MANIFEST):
            return _manifest(document, kind)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptData(f"invalid manifest: {error!r}") from None
    raise NotSupported(f"unsupported manifest media type and no default available: {kind}")


def choose(index: Index, wanted: Platform) -> Descriptor:
    """The entry that runs best on `wanted`. NotFound with Docker's text."""
    ranked = [(wanted.rank(entry.platform), number) for number, entry in enumerate(index.entries)]
    fitting = [item for item in ranked if item[0] >= 0]
    if not fitting:
        unnamed = [entry for entry in index.entries if not entry.platform.os and not entry.platform.architecture]
        if len(unnamed) == 1:  # the platform may be left out: its configuration tells
            return unnamed[0].descriptor
        raise NotFound(f"no matching manifest for {wanted} in the manifest list entries")
    return index.entries[min(fitting)[1]].descriptor


def write(config: Descriptor, layers: Sequence[Descriptor]) -> tuple[str, bytes]:
    """(media type, bytes) of a manifest: Docker's schema 2 as Docker itself writes it, OCI where a layer is zstd."""
    zstd = any(layer.media_type.endswith("zstd") for layer in layers)
    media_type = OCI_MANIFEST if zstd else DOCKER_MANIFEST
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _written(config, OCI_CONFIG if zstd else DOCKER_CONFIG).json(),
        "layers": [_written(layer, _layer_type(layer.media_type, zstd)).json() for layer in layers],
    }
    return media_type, json.dumps(document, indent=3, ensure_ascii=False).encode()


def write_oci(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """The bytes of an OCI manifest, whatever the layers' compression."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _written(config, OCI_CONFIG).json(),
        "layers": [_written(layer, _layer_type(layer.media_type, True)).json() for layer in layers],
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _written(descriptor: Descriptor, media_type: str) -> Descriptor:
    return Descriptor(media_type=media_type, digest=descriptor.digest, size=descriptor.size)


def _layer_type(media_type: str, oci: bool) -> str:
    compression = next((word for word in ("gzip", "zstd") if media_type.endswith(word)), "")
    if oci:
        return f"{OCI_LAYER}+{compression}" if compression else OCI_LAYER
    return f"{DOCKER_LAYER}.{compression}" if compression else DOCKER_LAYER


def _media_type(document: Mapping[str, Any], content_type: str) -> str:
    """The document's own word, then the header's, then what its keys say. They must not contradict each other."""
    header = content_type.partition(";")[0].strip().lower()
    told = document.get("mediaType")
    if isinstance(told, str) and told:
        if header in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST) and header != told:
            raise CorruptData(f"invalid manifest: media type is {told}, but the registry calls it {header}")
        kind = told
    elif header in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST) or header.startswith(_SCHEMA_1):
        kind = header
    else:
        kind = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    if document.get("schemaVersion") == 1 or kind.startswith(_SCHEMA_1):
        raise NotSupported("docker image format v1 and manifest version 2, schema 1 are not supported")
    if "layers" in document and "manifests" in document:  # CVE-2021-41190: one document, two meanings
        raise CorruptData("invalid manifest: it is a manifest and an index at the same time")
    return kind


def _manifest(document: Mapping[str, Any], kind: str) -> Manifest:
    return Manifest(
        media_type=kind,
        config=_descriptor(document["config"]),
        layers=tuple(_descriptor(item) for item in document["layers"]),
    )


def _index(document: Mapping[str, Any], kind: str) -> Index:
    entries = (
        IndexEntry(descriptor=_descriptor(item), platform=platforms.from_json(item.get("platform") or {}))
        for item in document["manifests"]
    )
    return Index(media_type=kind, entries=tuple(entries))


def _descriptor(data: Mapping[str, Any]) -> Descriptor:
    size = data["size"]
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 50:
        raise CorruptData("invalid manifest: impossible size")
    return Descriptor(media_type=str(data.get("mediaType") or ""), digest=digests.parse(data["digest"]), size=size)
