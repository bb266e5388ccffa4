"""The JSON of an image: configuration, manifest and index, as the OCI image specification writes them. Pure."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labs.hub.layers import Layer
from labs.hub.recipes import PATH, Recipe

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
#: the annotation of an index that names the recipe it was built from
RECIPE_KEY = "kr.docker-labs.recipe"

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}


def architecture(machine: str = "") -> str:
    """Go's name of the processor, which registries use: `amd64` for `x86_64`."""
    machine = machine or platform.machine()
    return ARCHITECTURES.get(machine, machine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A JSON document of the registry and its digest."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self, **more: Any) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data), **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The three documents of an image that has one platform."""

    config: Blob
    manifest: Blob
    index: Blob


def _blob(media_type: str, document: dict[str, Any]) -> Blob:
    return Blob(media_type=media_type, data=json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def documents(recipe: Recipe, layer: Layer, *, epoch: int, made_by: Sequence[str], arch: str = "") -> Documents:
    """What is pushed beside the layer. `epoch`: time of creation, in seconds; `made_by`: the history row's command."""
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    arch = arch or architecture()
    config = _blob(
        CONFIG,
        {
            "architecture": arch,
            "os": "linux",
            "created": created,
            "config": {"Env": [PATH], "Cmd": list(recipe.command)},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            "history": [{"created": created, "created_by": " ".join(made_by)}],
        },
    )
    descriptor = {"mediaType": LAYER, "digest": layer.digest, "size": layer.size}
    return described(config, (descriptor,), arch=arch, key=recipe.key)


def described(config: Blob, layers: Sequence[Mapping[str, Any]], *, key: str, arch: str = "") -> Documents:
    """Manifest and index over a configuration and the descriptors of its layers, lowest first."""
    arch = arch or architecture()
    manifest = _blob(
        MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": list(layers),
        },
    )
    index = _blob(
        INDEX,
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [manifest.descriptor(platform={"architecture": arch, "os": "linux"})],
            "annotations": {RECIPE_KEY: key},
        },
    )
    return Documents(config=config, manifest=manifest, index=index)
