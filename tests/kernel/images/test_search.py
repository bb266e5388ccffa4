"""docker search: the mirror's catalogue, Docker Hub's own search, and both together."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel_engine.errors import Unavailable
from kernel_engine.images.search import Offer
from tests.kernel.images.conftest import NOWHERE, Shop, opened
from tests.kernel.images.double import Double, running
from tests.kernel.images.making import file, image, tar


def stocked(double: Double, *names: str) -> None:
    made = image(tar(file("x", b"x")))
    for name in names:
        double.serve(f"{name}:latest", made)


async def test_offline_the_mirror_says_what_it_has(shop: Shop, double: Double) -> None:
    stocked(double, "kim/debian-tools", "library/debian", "library/busybox")
    found = await shop.images.search("debian")
    assert found == (Offer(name="debian", official=True), Offer(name="kim/debian-tools"))
    assert await shop.images.search("debian", limit=1) == found[:1]
    assert await shop.images.search("no-such") == ()


async def test_docker_hub_is_asked_too(tmp_path: Path, double: Double) -> None:
    stocked(double, "library/debian")
    async with running() as hub:
        hub.results = [
            {"name": "kim/debian", "description": "Kim's", "star_count": 7, "is_official": False},
            {"name": "lee/debian", "star_count": "many", "is_automated": True},
            {"name": "debian", "description": "Debian", "star_count": 5000, "is_official": True},
            "nonsense",
        ]
        async with opened(tmp_path / "root", mirrors=(double.address,), hub=hub.address) as shop:
            found = await shop.images.search("Debian", limit=9)
        assert [(item.name, item.stars, item.official) for item in found] == [
            ("debian", 5000, True),
            ("kim/debian", 7, False),
            ("lee/debian", 0, False),
        ]
        async with opened(tmp_path / "root", hub=hub.address) as shop:
            assert (await shop.images.search("debian"))[0] == Offer(
                name="debian", description="Debian", stars=5000, official=True
            )


async def test_nobody_answers(tmp_path: Path) -> None:
    async with opened(tmp_path / "root") as shop:
        with pytest.raises(Unavailable, match=f'Get "{NOWHERE}/v1/search'):
            await shop.images.search("debian")
