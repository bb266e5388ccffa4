"""Committing, and pushing to Debian's docker-registry."""

from __future__ import annotations

import json
import os
import stat
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from kernel_engine.errors import InvalidRequest, NotFound, Unauthorized, Unavailable
from kernel_engine.images.digest import short
from kernel_engine.images.image import Image
from tests.kernel.images.conftest import NOWHERE, Shop, opened
from tests.kernel.images.double import Double
from tests.kernel.images.making import Words, digest, file, image, tar


async def base(shop: Shop, double: Double) -> Image:
    double.serve("library/base:latest", image(tar(file("base", os.urandom(5000)), file("old"))))
    return await shop.images.pull("base")


async def committed(shop: Shop, parent: Image | None, upper: Path, **more: Any) -> Image:
    upper.mkdir(exist_ok=True)
    (upper / "new").write_bytes(b"new")
    os.mknod(upper / "old", stat.S_IFCHR, 0)
    config = {"Cmd": ["sh"], "Env": ["A=b"]}
    return await shop.images.add(parent=parent, upper=upper, config=config, created_by="sh -c x", **more)


def manifest(address: str, name: str) -> tuple[dict[str, Any], str]:
    request = urllib.request.Request(f"http://{address}/v2/{name}")
    request.add_header("Accept", "application/vnd.docker.distribution.manifest.v2+json")
    with urllib.request.urlopen(request) as reply:
        data = reply.read()
    return json.loads(data), digest(data)


async def test_commit_adds_a_layer_and_a_history_row(shop: Shop, double: Double, tmp_path: Path) -> None:
    parent = await base(shop, double)
    made = await committed(shop, parent, tmp_path / "upper", author="Kim", comment="why", container="c" * 64)
    assert made.diff_ids[:-1] == parent.diff_ids
    assert (made.parent, made.author, made.comment) == (parent.id, "Kim", "why")
    assert made.id == digest(made.raw)
    assert made.size == parent.size + 3
    assert made.settings == {"Cmd": ["sh"], "Env": ["A=b"]}
    top, below = shop.images.history(made.id)
    assert (top.id, top.created_by, top.comment, top.size) == (made.id, "sh -c x", "why", 3)
    assert (below.id, below.tags) == (parent.id, ("base:latest",))
    layer = shop.layers.path(str(made.chain_id))
    assert (layer / "new").read_bytes() == b"new"
    assert stat.S_ISCHR((layer / "old").lstat().st_mode)


async def test_commit_of_nothing_adds_no_layer(shop: Shop, double: Double, tmp_path: Path) -> None:
    parent = await base(shop, double)
    (tmp_path / "upper").mkdir()
    made = await shop.images.add(parent=parent, upper=tmp_path / "upper", config={"Cmd": ["x"]}, created_by="c")
    assert made.diff_ids == parent.diff_ids
    assert made.config["history"][-1]["empty_layer"] is True
    assert made.id != parent.id
    only_settings = await shop.images.add(parent=None, config={"Cmd": ["y"]}, names=["scratchy"])
    assert (only_settings.chain_id, only_settings.tags) == (None, ("scratchy:latest",))


async def test_push_in_dockers_words_and_back(shop: Shop, double: Double, tmp_path: Path, distribution: str) -> None:
    made = await committed(shop, await base(shop, double), tmp_path / "upper")
    name = f"{distribution}/kim/app"
    await shop.images.tag(made.id, f"{name}:v1")
    words = Words()
    result = await shop.images.push(f"{name}:v1", progress=words)
    document, found = manifest(distribution, "kim/app/manifests/v1")
    assert (result.tag, result.digest) == ("v1", found)
    assert words.heard[0] == ("", f"The push refers to repository [{name}]")
    assert words.heard[-1] == ("", f"v1: digest: {result.digest} size: {result.size}")
    low, high = (short(item) for item in made.diff_ids)
    assert words.heard[1:3] == [(high, "Preparing"), (low, "Preparing")]
    assert words.statuses(low)[-2:] == ["Pushing", "Pushed"]
    assert document["config"]["digest"] == made.id
    assert shop.images.get(made.id).digests == (f"{name}@{found}",)
    async with opened(tmp_path / "second") as second:
        pulled = await second.images.pull(f"{name}:v1")
        assert (pulled.id, pulled.digests) == (made.id, (f"{name}@{found}",))
        assert (second.path(f"{name}:v1") / "new").read_bytes() == b"new"
        again = await second.images.push(f"{name}:v1")
        assert again == result


async def test_layers_that_are_there_already(shop: Shop, double: Double, tmp_path: Path, distribution: str) -> None:
    made = await committed(shop, await base(shop, double), tmp_path / "upper")
    name = f"{distribution}/kim/twice"
    await shop.images.tag(made.id, name)
    await shop.images.push(name)
    words = Words()
    await shop.images.push(name, progress=words)
    assert [words.statuses(short(item))[-1] for item in made.diff_ids] == ["Layer already exists"] * 2
    await shop.images.tag(made.id, f"{distribution}/lee/mounted")
    words = Words()
    await shop.images.push(f"{distribution}/lee/mounted", progress=words)
    assert [words.statuses(short(item))[-1] for item in made.diff_ids] == ["Mounted from kim/twice"] * 2


async def test_what_was_pulled_keeps_its_digest(shop: Shop, double: Double, distribution: str) -> None:
    pulled = await base(shop, double)
    await shop.images.tag("base", f"{distribution}/same")
    result = await shop.images.push(f"{distribution}/same")
    assert pulled.digests == (f"base@{result.digest}",)


async def test_pushes_that_cannot_be(shop: Shop, double: Double) -> None:
    await base(shop, double)
    with pytest.raises(NotFound, match="An image does not exist locally with the tag: nothing"):
        await shop.images.push("nothing")
    with pytest.raises(NotFound, match="tag does not exist: base:other"):
        await shop.images.push("base:other")
    with pytest.raises(NotFound, match="An image does not exist locally with the tag: nothing"):
        await shop.images.push_all("nothing", pushed=print)
    with pytest.raises(InvalidRequest, match="cannot push a digest reference"):
        await shop.images.push(f"base@{digest(b'')}")
    with pytest.raises(Unavailable, match=f'Get "{NOWHERE}/v2/": dial tcp: lookup registry.invalid: no such host'):
        await shop.images.push("base")
    await shop.images.tag("base", "127.0.0.1:1/app")
    with pytest.raises(Unavailable, match="connection refused"):
        await shop.images.push("127.0.0.1:1/app")


async def test_an_upload_goes_on_where_its_connection_broke(shop: Shop, double: Double, tmp_path: Path) -> None:
    made = await committed(shop, await base(shop, double), tmp_path / "upper")
    name = f"{double.address.removeprefix('http://')}/kim/app:v1"
    await shop.images.tag(made.id, name)
    held = set(double.blobs)
    double.cut = [60]
    words = Words()
    result = await shop.images.push(name, progress=words)
    # the base layer is there; the new one breaks after 60 bytes, and only the rest is sent again
    broken, rest = double.sent[:2]
    assert broken == ("", 60)
    whole = next(len(data) for blob, data in double.blobs.items() if blob not in held and len(data) == 60 + rest[1])
    assert rest[0] == f"60-{whole - 1}"
    assert any("Retrying in 1 second" in status for _, status in words.heard)
    assert double.tags["kim/app:v1"] == double.tags[f"kim/app@{result.digest}"]


async def test_an_upload_that_the_registry_forgot_begins_anew(shop: Shop, double: Double, tmp_path: Path) -> None:
    made = await committed(shop, None, tmp_path / "upper")
    name = f"{double.address.removeprefix('http://')}/kim/app:v1"
    await shop.images.tag(made.id, name)
    double.cut, double.forgets = [60], True
    result = await shop.images.push(name)
    assert [said for said, _ in double.sent] == ["", "", ""]  # the layer twice, and the configuration
    assert f"kim/app@{result.digest}" in double.tags


async def test_a_registry_that_goes_away_half_way_through_a_push(shop: Shop, double: Double, tmp_path: Path) -> None:
    made = await committed(shop, None, tmp_path / "upper")
    address = double.address.removeprefix("http://")
    await shop.images.tag(made.id, f"{address}/kim/app:v1")
    double.cut = [60] * 9
    with pytest.raises(Unavailable, match=f'Patch "http://{address}/v2/kim/app/blobs/uploads/'):
        await shop.images.push(f"{address}/kim/app:v1")
    assert len(double.sent) == 2  # as often as it is tried
    assert "kim/app:v1" not in double.tags
    assert shop.images.get(made.id).digests == ()


async def test_who_may_only_read_does_not_push(shop: Shop, double: Double, tmp_path: Path) -> None:
    made = await committed(shop, None, tmp_path / "upper")
    name = f"{double.address.removeprefix('http://')}/lee/app:v1"
    await shop.images.tag(made.id, name)
    double.readers = True
    with pytest.raises(Unauthorized, match=r"^denied: requested access to the resource is denied$"):
        await shop.images.push(name)
    assert (double.tags, double.blobs, shop.images.get(made.id).digests) == ({}, {}, ())


async def test_every_tag_of_a_repository(shop: Shop, double: Double, tmp_path: Path) -> None:
    first = await committed(shop, None, tmp_path / "upper")
    second = await shop.images.add(parent=first, config={"Cmd": ["x"]}, created_by="c")
    repository = f"{double.address.removeprefix('http://')}/kim/app"
    for tag, made in (("v2", second), ("v1", first), ("v3", second)):
        await shop.images.tag(made.id, f"{repository}:{tag}")
    await shop.images.tag(second.id, f"{repository}-more:v1")
    words, pushed = Words(), []
    await shop.images.push_all(repository, progress=words, pushed=pushed.append)
    assert [result.tag for result in pushed] == ["v1", "v2", "v3"]
    assert pushed[1].digest == pushed[2].digest != pushed[0].digest
    assert {key for key in double.tags if ":v" in key} == {"kim/app:v1", "kim/app:v2", "kim/app:v3"}
    assert [status for _, status in words.heard].count(f"The push refers to repository [{repository}]") == 1
    double.page = 2
    async with opened(tmp_path / "other") as other:
        words = Words()
        found = await other.images.pull_all(repository, progress=words)
        assert [image.id for image in found] == [first.id, second.id, second.id]
        assert other.images.get(second.id).tags == (f"{repository}:v2", f"{repository}:v3")
        assert [line for line in words.heard if line[1].startswith("Pulling from ")] == [
            (tag, "Pulling from kim/app") for tag in ("v1", "v2", "v3")
        ]
        assert words.heard[-1] == ("", f"Status: Downloaded newer image for {repository}")
        words = Words()
        await other.images.pull_all(repository, progress=words)
        assert words.heard[-1] == ("", f"Status: Image is up to date for {repository}")
        with pytest.raises(NotFound, match=f"repository {repository}s not found: name unknown"):
            await other.images.pull_all(f"{repository}s")
