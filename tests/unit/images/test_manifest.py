"""Manifests, indexes and platforms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel_engine.errors import CorruptData, InvalidRequest, NotFound, NotSupported
from kernel_engine.images import manifest, platforms
from kernel_engine.images.digest import Digest, chain_ids, of
from kernel_engine.images.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor, Index, Manifest
from kernel_engine.images.platforms import Platform

A, B = of(b"a"), of(b"b")


def blob(digest: str = A, **more: Any) -> dict[str, Any]:
    return {"mediaType": "x", "size": 3, "digest": digest, **more}


def document(**words: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, **words}).encode()


def test_a_manifest_by_its_own_word_its_header_or_its_keys() -> None:
    words = {"config": blob(), "layers": [blob(B)]}
    for data, header in (
        (document(mediaType=OCI_MANIFEST, **words), "application/json"),
        (document(**words), f"{OCI_MANIFEST}; charset=utf-8"),
        (document(**words), ""),
    ):
        found = manifest.read(data, header)
        assert isinstance(found, Manifest)
        assert (found.media_type, found.config.digest, found.layers[0].digest) == (OCI_MANIFEST, A, B)


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"[" * 100_000, ""),
        (document(config=blob()), OCI_MANIFEST),
        (document(config=blob("sha256:short"), layers=[]), OCI_MANIFEST),
        (document(config=blob("sha512:" + "0" * 128), layers=[]), OCI_MANIFEST),
        (document(config=blob(size=-1), layers=[]), OCI_MANIFEST),
        (document(config=blob(size="3"), layers=[]), OCI_MANIFEST),
        (document(config=blob(), layers=7), OCI_MANIFEST),
        (document(config=blob(), layers=[], manifests=[]), OCI_MANIFEST),
        (document(mediaType=OCI_INDEX, manifests=[]), DOCKER_MANIFEST),
        (document(manifests=[{"platform": 3, **blob()}]), OCI_INDEX),
    ],
)
def test_broken_documents(data: bytes, header: str) -> None:
    with pytest.raises(CorruptData):
        manifest.read(data, header)


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (document(schemaVersion=1, fsLayers=[]), "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        (document(mediaType="application/vnd.cncf.helm+json"), ""),
    ],
)
def test_documents_that_are_no_image(data: bytes, header: str) -> None:
    with pytest.raises(NotSupported):
        manifest.read(data, header)


def index(*words: str) -> Index:
    entries = []
    for number, word in enumerate(words):
        system, architecture, *variant = word.split("/")
        platform = {"os": system, "architecture": architecture, "variant": "".join(variant)}
        entries.append(blob(of(bytes([number])), platform=platform))
    found = manifest.read(document(mediaType=OCI_INDEX, manifests=entries), "")
    assert isinstance(found, Index)
    return found


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ["windows/amd64", "linux/arm64/v8", "linux/amd64", "unknown/unknown"], 2),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], 1),
        ("linux/arm64/v8", ["linux/arm64"], 0),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm64"], 1),
        ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], 1),
        ("linux/amd64", ["linux/amd64", "linux/amd64"], 0),
        # what containerd's Only takes where nothing is for the processor itself: its 32-bit forerunners
        ("linux/arm64", ["linux/arm/v6", "linux/arm/v7", "linux/386"], 1),
        ("linux/arm64", ["linux/arm/v5"], 0),
        ("linux/amd64", ["linux/arm/v7", "linux/386"], 1),
        ("linux/amd64", ["linux/386", "linux/amd64"], 1),
    ],
)
def test_the_entry_that_runs_best(wanted: str, offered: list[str], chosen: int) -> None:
    assert manifest.choose(index(*offered), platforms.parse(wanted)).digest == of(bytes([chosen]))


def test_a_32_bit_processor_runs_nothing_of_64_bits() -> None:
    for wanted, offered in (("linux/386", "linux/amd64"), ("linux/arm/v8", "linux/arm64"), ("linux/386", "linux/arm")):
        with pytest.raises(NotFound):
            manifest.choose(index(offered), platforms.parse(wanted))


def test_no_entry_runs() -> None:
    with pytest.raises(NotFound, match=r"^no matching manifest for linux/arm/v6 in the manifest list entries$"):
        manifest.choose(index("linux/arm/v7", "linux/amd64"), platforms.parse("linux/arm/v6"))


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/x86_64", Platform(os="linux", architecture="amd64")),
        ("aarch64", Platform(os="linux", architecture="arm64")),
        ("linux/armhf", Platform(os="linux", architecture="arm", variant="v7")),
    ],
)
def test_names_of_platforms(text: str, platform: Platform) -> None:
    assert platforms.parse(text) == platform


@pytest.mark.parametrize("text", ["a/b/c/d", "", "li nux/amd64", "//"])
def test_no_platforms(text: str) -> None:
    with pytest.raises(InvalidRequest):
        platforms.parse(text)


def layer(kind: str) -> Descriptor:
    return Descriptor(media_type=kind, digest=A, size=3)


def test_written_as_docker_writes_it() -> None:
    config = Descriptor(media_type="x", digest=B, size=2)
    kinds = ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"]
    media_type, data = manifest.write(config, [layer(kind) for kind in kinds])
    assert media_type == DOCKER_MANIFEST
    assert data.startswith(
        b'{\n   "schemaVersion": 2,\n   "mediaType": "' + DOCKER_MANIFEST.encode() + b'",\n   "config": {\n'
    )
    assert {item["mediaType"] for item in json.loads(data)["layers"]} == {kinds[1]}


def test_zstd_layers_make_an_oci_manifest() -> None:
    kinds = ["application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar.gzip"]
    media_type, data = manifest.write(layer("x"), [layer(kind) for kind in kinds])
    assert media_type == OCI_MANIFEST
    assert [item["mediaType"] for item in json.loads(data)["layers"]] == [
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ]


def test_chain_ids() -> None:
    one, two = chain_ids((A, B))
    assert (one, two) == (A, of(f"{A} {B}".encode()))
    assert chain_ids(()) == ()
    assert Digest(two) != Digest(B)
