"""Layers that are unpacked side by side, of an archive mostly. Archives of all kinds: tests/engine/test_archives.py."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernel_engine.errors import CorruptData
from kernel_engine.images.load import Loaded
from tests.kernel.images.conftest import Shop
from tests.kernel.images.double import Double
from tests.kernel.images.making import Made, Words, file, image, tar

NOISE = os.urandom(4 << 20)


def archived(made: Made, name: str) -> bytes:
    """As `docker save` of old writes it; a layer that the image has twice lies in it once."""
    files = {f"{blob.partition(':')[2]}.tar": made.blobs[blob] for blob in dict.fromkeys(made.layers)}
    listing = {"Config": "config.json", "RepoTags": [name], "Layers": [f"{blob[7:]}.tar" for blob in made.layers]}
    files |= {"config.json": made.config, "manifest.json": json.dumps([listing]).encode()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


async def loaded(shop: Shop, archive: bytes, words: Words | None = None) -> list[Loaded]:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(archive), 1 << 16):
            yield archive[at : at + (1 << 16)]

    return [item async for item in shop.images.load(pieces(), progress=words or Words())]


@pytest.mark.parametrize("plain", [False, True], ids=["gzip", "plain"])
async def test_layers_side_by_side(shop: Shop, plain: bool) -> None:
    """The lowest takes longest; one lies twice in the image, from the same file of the archive."""
    twice = tar(file("again", b"a"))
    tars = (tar(file("low", NOISE)), twice, tar(file("middle", b"m")), twice)
    made = image(*tars, packed=tars if plain else None)
    (item,) = await loaded(shop, archived(made, "demo:latest"))
    assert item.image.id == made.id
    top_first = [Path(path) for path in shop.layers.paths(item.image.chain_id)]
    assert [sorted(os.listdir(path)) for path in top_first] == [["again"], ["middle"], ["again"], ["low"]]
    assert (top_first[-1] / "low").read_bytes() == NOISE
    assert len((await shop.settled())["blobs/sha256"]) == 3
    assert [item.image.id for item in await loaded(shop, archived(made, "demo:latest"))] == [made.id]


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_bad_layer_among_good_ones_leaves_nothing(shop: Shop, at: int) -> None:
    tars = [tar(file(f"f{number}", NOISE)) for number in range(3)]
    tars[at] = tar(file("f", NOISE), file("../evil", b"x"))
    made = image(*tars)
    with pytest.raises(CorruptData, match="outside of the layer's root directory"):
        await loaded(shop, archived(made, "demo:latest"))
    assert shop.images.list(all=True) == ()
    assert not any((await shop.settled()).values())


async def test_a_layer_that_an_image_has_twice_is_pulled_once(shop: Shop, double: Double) -> None:
    twice = tar(file("big", NOISE))
    made = double.serve("library/demo:latest", image(twice, tar(file("other", b"o")), twice))
    pulled = await shop.images.pull("demo")
    assert len(double.fetched(made.layers[0])) == 1
    found = [sorted(os.listdir(path)) for path in shop.layers.paths(pulled.chain_id)]
    assert found == [["big"], ["other"], ["big"]]
