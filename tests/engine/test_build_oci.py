"""What a build makes is an OCI image: index, manifest, configuration and layers are as the image-spec (v1.1) says.

The schemas below are written from the specification's text (manifest.md, config.md, image-index.md, descriptor.md).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.daemon import Daemon
from tests.engine.building import build

DIGEST = {"type": "string", "pattern": "^sha256:[a-f0-9]{64}$"}
SIZE = {"type": "integer", "minimum": 0}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
WORDS = {"type": "array", "items": {"type": "string"}}
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
#: a set in Go's clothes
NAMES = {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}}


def descriptor(*media_types: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["mediaType", "digest", "size"],
        "properties": {
            "mediaType": {"enum": list(media_types)},
            "digest": DIGEST,
            "size": SIZE,
            "annotations": STRINGS,
            "urls": WORDS,
        },
    }


INDEX = {
    "type": "object",
    "required": ["schemaVersion", "manifests"],
    "properties": {
        "schemaVersion": {"const": 2},
        "mediaType": {"const": "application/vnd.oci.image.index.v1+json"},
        "manifests": {"type": "array", "items": descriptor("application/vnd.oci.image.manifest.v1+json")},
    },
}
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = {
    "type": "object",
    "required": ["schemaVersion", "config", "layers"],
    "properties": {
        "schemaVersion": {"const": 2},
        "mediaType": {"const": "application/vnd.oci.image.manifest.v1+json"},
        "config": descriptor("application/vnd.oci.image.config.v1+json"),
        "layers": {"type": "array", "minItems": 1, "items": descriptor(LAYER, f"{LAYER}+gzip", f"{LAYER}+zstd")},
        "annotations": STRINGS,
    },
    "additionalProperties": False,
}
CONFIG = {
    "type": "object",
    "required": ["architecture", "os", "rootfs"],
    "properties": {
        "created": MOMENT,
        "author": {"type": "string"},
        "architecture": {"type": "string", "minLength": 1},
        "variant": {"type": "string"},
        "os": {"const": "linux"},
        "config": {
            "type": "object",
            "properties": {
                "User": {"type": "string"},
                "ExposedPorts": {**NAMES, "propertyNames": {"pattern": r"^\d+(/(tcp|udp|sctp))?$"}},
                "Env": {"type": "array", "items": {"type": "string", "pattern": "^[^=]+=.*$"}},
                "Entrypoint": WORDS,
                "Cmd": WORDS,
                "Volumes": NAMES,
                "WorkingDir": {"type": "string"},
                "Labels": STRINGS,
                "StopSignal": {"type": "string", "pattern": "^(SIG[A-Z0-9+-]+|[0-9]+)$"},
                # reserved by the specification for Docker's own
                "Healthcheck": {"type": "object"},
                "OnBuild": WORDS,
                "Shell": WORDS,
            },
            "additionalProperties": False,
        },
        "rootfs": {
            "type": "object",
            "required": ["type", "diff_ids"],
            "properties": {"type": {"const": "layers"}, "diff_ids": {"type": "array", "items": DIGEST, "minItems": 1}},
            "additionalProperties": False,
        },
        "history": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "created": MOMENT,
                    "author": {"type": "string"},
                    "created_by": {"type": "string"},
                    "comment": {"type": "string"},
                    "empty_layer": {"type": "boolean"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}

EVERYTHING = """\
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
ARG V=1
ENV A=$V B="two words"
LABEL org.example.name="x y" bare=
COPY --from=tools /tool /usr/local/tool
COPY --chown=7:8 --chmod=640 dir /data/
ADD https-is-no-url.txt /
WORKDIR /srv/app
RUN rm /data/gone && ln /data/kept /data/linked && mkfifo /pipe
EXPOSE 80 53/udp
VOLUME /data /more
USER 1000:1000
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s CMD true
ONBUILD RUN true
STOPSIGNAL SIGUSR1
MAINTAINER somebody
ENTRYPOINT ["sh"]
CMD ["-c", "id"]
"""
FILES = {"dir/kept": "kept", "dir/gone": "gone", "https-is-no-url.txt": "x"}


@pytest.mark.parametrize(
    "text",
    [EVERYTHING, "FROM scratch\nCOPY dir/kept /\n", "FROM busybox\n", "FROM busybox\nENV A=1\n"],
    ids=("everything", "scratch", "alone", "settings"),
)
def test_a_built_image_is_what_the_specification_says(daemon: Daemon, tmp_path: Path, text: str) -> None:
    image = build(daemon, text, FILES, t="oci").image
    daemon.docker("save", "-o", str(tmp_path / "oci.tar"), "oci")
    with tarfile.open(tmp_path / "oci.tar") as archive:
        index = read(archive, "index.json")
        jsonschema.validate(index, INDEX)
        manifest = json.loads(blob(archive, index["manifests"][0]))
        jsonschema.validate(manifest, MANIFEST)
        data = blob(archive, manifest["config"])
        config = json.loads(data)
        jsonschema.validate(config, CONFIG)
        assert image == manifest["config"]["digest"]
        layers = [plain(blob(archive, item)) for item in manifest["layers"]]
    assert [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers] == config["rootfs"]["diff_ids"]
    made = [row for row in config["history"] if not row.get("empty_layer")]
    assert len(made) == len(layers)
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
            names = [item.name for item in opened]
        assert len(set(names)) == len(names)
        assert all(name and not name.startswith(("/", "../")) and "/../" not in name for name in names)


def read(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)


def blob(archive: tarfile.TarFile, item: dict[str, Any]) -> bytes:
    """What a descriptor names, as long and as digested as it says."""
    file = archive.extractfile(f"blobs/{item['digest'].replace(':', '/')}")
    assert file is not None
    data = file.read()
    assert len(data) == item["size"]
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == item["digest"]
    return data


def plain(layer: bytes) -> bytes:
    return gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer
