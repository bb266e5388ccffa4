"""What the store keeps, gives up, and finds again: rmi, prune, full disks and sudden deaths."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from kernel_engine.errors import Conflict, InvalidRequest, NoSpace, NotFound
from kernel_engine.images.blobs import KEPT_SECONDS
from kernel_engine.images.image import Image, Removed, Use
from kernel_engine.syscalls.mounts import MountFlag, UmountFlag, mount, umount2
from tests.kernel.images.conftest import Shop, opened
from tests.kernel.images.double import Double, running
from tests.kernel.images.making import digest, file, image, tar


def nobody(image_id: str) -> tuple[Use, ...]:
    return ()


async def demo(shop: Shop, double: Double, name: str = "demo:latest", content: bytes = b"x") -> Image:
    double.serve(f"library/{name}", image(tar(file("base", b"base")), tar(file("top", content))))
    return await shop.images.pull(name)


def gone(image: Image) -> list[Removed]:
    from kernel_engine.images.digest import chain_ids

    return [Removed(deleted=image.id), *(Removed(deleted=chain) for chain in reversed(chain_ids(image.diff_ids)))]


async def test_rmi_takes_names_image_layers_and_blobs(shop: Shop, double: Double) -> None:
    pulled = await demo(shop, double)
    removed = await shop.images.remove("demo", in_use=nobody)
    assert list(removed) == [Removed(untagged="demo:latest"), Removed(untagged=pulled.digests[0]), *gone(pulled)]
    assert not any((await shop.settled()).values())
    with pytest.raises(NotFound, match="No such image: demo:latest"):
        shop.images.get("demo")


async def test_layers_of_another_image_stay(shop: Shop, double: Double) -> None:
    one, two = await demo(shop, double), await demo(shop, double, "two:latest", b"other")
    removed = await shop.images.remove("demo", in_use=nobody)
    assert [item.deleted for item in removed if item.deleted] == [one.id, str(one.chain_id)]
    assert (shop.path("two") / "top").read_bytes() == b"other"
    assert shop.layers.has(two.diff_ids[0])


async def test_layers_that_a_container_stands_on_go_with_it(shop: Shop, double: Double) -> None:
    pulled = await demo(shop, double)
    shop.layers.hold(pulled.chain_id)
    use = (Use(container="c" * 64, running=False),)
    with pytest.raises(Conflict, match=r"\(must force\) - container cccccccccccc is using its referenced image"):
        await shop.images.remove("demo", in_use=lambda image_id: use)
    removed = await shop.images.remove("demo", force=True, in_use=lambda image_id: use)
    assert removed[-1] == Removed(deleted=pulled.id)
    assert shop.layers.has(str(pulled.chain_id))
    shop.layers.let_go(pulled.chain_id)
    await shop.images.collect()
    assert not any((await shop.settled()).values())


async def test_tags_move(shop: Shop, double: Double) -> None:
    one, two = await demo(shop, double), await demo(shop, double, "two:latest", b"other")
    await shop.images.tag("demo", "mine")
    await shop.images.tag("two", "mine:latest")
    assert shop.images.get("mine").id == two.id
    assert shop.images.get(one.id).tags == ("demo:latest",)
    assert shop.images.get(two.id).tags == ("mine:latest", "two:latest")
    with pytest.raises(InvalidRequest, match="refusing to create a tag with a digest reference"):
        await shop.images.tag("demo", f"x@{digest(b'')}")
    with pytest.raises(InvalidRequest, match="refusing to create an ambiguous tag"):
        await shop.images.tag("demo", "sha256:abc")
    with pytest.raises(NotFound):
        await shop.images.tag("nothing", "x")


async def test_get_by_everything_that_names_an_image(shop: Shop, double: Double) -> None:
    pulled = await demo(shop, double)
    bare = pulled.id.removeprefix("sha256:")
    names = ["demo", "demo:latest", "library/demo", "docker.io/library/demo:latest", pulled.digests[0]]
    for text in (*names, pulled.id, bare, bare[:12], bare[:3], f"sha256:{bare[:12]}"):
        assert shop.images.get(text).id == pulled.id, text
    for text, message in (
        ("nothing", "No such image: nothing:latest"),
        ("demo:2", "No such image: demo:2"),
        ("f" * 64, f"No such image: sha256:{'f' * 64}"),
        ("localhost:5000/demo", "No such image: localhost:5000/demo:latest"),
    ):
        with pytest.raises(NotFound) as caught:
            shop.images.get(text)
        assert caught.value.message == message
    with pytest.raises(InvalidRequest, match="must be lowercase"):
        shop.images.get("Demo")


async def test_get_is_quick(shop: Shop, double: Double) -> None:
    await demo(shop, double)
    shop.images.get("demo")
    before = time.perf_counter()
    for _ in range(1000):
        shop.images.get("demo")
    assert (time.perf_counter() - before) / 1000 < 0.0001


async def test_everything_is_there_after_a_restart(tmp_path: Path, double: Double) -> None:
    async with opened(tmp_path / "root", mirrors=(double.address,)) as shop:
        await demo(shop, double)
        child = await shop.images.add(parent=shop.images.get("demo"), config={"Cmd": ["x"]}, names=["child"])
        before = shop.images.list(all=True)
    async with opened(tmp_path / "root") as shop:
        assert shop.images.list(all=True) == before
        with pytest.raises(Conflict, match=r"\(cannot be forced\) - image has dependent child images"):
            await shop.images.remove(before[-1].id, force=True, in_use=nobody)
        removed = await shop.images.remove("child", in_use=nobody)
        assert removed[-1] == Removed(deleted=child.id)
        await shop.images.remove("demo", in_use=nobody)
        assert not any((await shop.settled()).values())


async def test_prune(shop: Shop, double: Double) -> None:
    old = await demo(shop, double)
    new = await demo(shop, double, "demo:latest", b"changed")  # the name moved: the old one dangles
    assert [item.id for item in shop.images.list(filters={"dangling": ("true",)})] == [old.id]
    report = await shop.images.prune(in_use=nobody)
    assert Removed(deleted=old.id) in report.removed and report.reclaimed == 1
    in_use = (Use(container="c" * 64, running=True),)
    assert (await shop.images.prune(all=True, in_use=lambda image_id: in_use)).removed == ()
    report = await shop.images.prune(all=True, in_use=nobody)
    assert Removed(deleted=new.id) in report.removed and report.reclaimed == 4 + len(b"changed")
    assert not any((await shop.settled()).values())


async def test_prune_drops_what_interrupted_pulls_left(shop: Shop, double: Double) -> None:
    made = double.serve("library/big:latest", image(tar(file("big", os.urandom(1 << 20)))))
    double.truncate[made.layers[0]] = 99
    with pytest.raises(Exception, match="unexpected EOF"):
        await shop.images.pull("big")
    assert (await shop.settled())["blobs/partial"]
    assert (await shop.images.prune(in_use=nobody)).reclaimed > 1 << 18
    assert not any((await shop.settled()).values())


async def test_a_pull_drops_what_others_left_a_day_ago(shop: Shop, double: Double) -> None:
    left = {}
    for name in ("old", "young"):
        made = double.serve(f"library/{name}:latest", image(tar(file(name, os.urandom(1 << 18)))))
        double.truncate[made.layers[0]] = 99
        with pytest.raises(Exception, match="unexpected EOF"):
            await shop.images.pull(name)
        left[name] = made.layers[0].removeprefix("sha256:")
    double.serve("library/needed:latest", image(tar(file("needed", b"needed"))))
    await shop.images.pull("needed")
    (kept,) = os.listdir(shop.root / "blobs/sha256")
    yesterday = time.time() - KEPT_SECONDS - 60
    for path in (f"partial/{left['old']}", f"sha256/{kept}"):
        os.utime(shop.root / "blobs" / path, (yesterday, yesterday))
    await demo(shop, double)
    found = await shop.settled()
    assert found["blobs/partial"] == [left["young"]]
    assert kept in found["blobs/sha256"]


# a full disk ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("content", [os.urandom(1 << 20) * 5, bytes(40 << 20)], ids=["the blob", "what is in it"])
async def test_a_full_disk_is_one_error_and_leaves_the_store_as_it_was(
    tmp_path: Path, double: Double, content: bytes
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount("tmpfs", str(small), "tmpfs", MountFlag(0), "size=4m,mode=700")
    try:
        async with opened(small / "root", mirrors=(double.address,)) as shop:
            kept = await demo(shop, double)
            before = await shop.settled()
            double.serve("library/big:latest", image(tar(file("big", content))))
            with pytest.raises(NoSpace):
                await shop.images.pull("big")
            assert [item.id for item in shop.images.list(all=True)] == [kept.id]
            assert await shop.settled() == before
            await demo(shop, double, "small:latest", b"fits")
    finally:
        umount2(str(small), UmountFlag.MNT_DETACH)


# sudden death -----------------------------------------------------------------------------------------------------
PULLER = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from tests.kernel.images.conftest import opened

    async def main():
        async with opened(Path(sys.argv[1]), mirrors=(sys.argv[2],)) as shop:
            print("ready", flush=True)
            await shop.images.pull("demo", progress=lambda progress: print(progress.status, flush=True))

    asyncio.run(main())
    """
)


@pytest.mark.parametrize(
    "after", ["Pulling fs layer", "Downloading", "Download complete", "Extracting", "Pull complete"]
)
async def test_kill_9_leaves_no_half_image(tmp_path: Path, after: str) -> None:
    root = tmp_path / "root"
    async with running(Double()) as double:
        layers = [tar(*[file(f"{letter}{n}", os.urandom(3000)) for n in range(300)]) for letter in "ab"]
        double.serve("library/demo:latest", image(*layers))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PULLER, str(root), double.address, stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert process.stdout is not None
        async for line in process.stdout:
            if line.decode().strip() == after:
                break
        process.send_signal(signal.SIGKILL)
        await process.wait()
        async with opened(root, mirrors=(double.address,)) as shop:
            for found in shop.images.list(all=True):  # whole, or not there
                assert all(shop.layers.has(item) for item in (found.diff_ids[0], str(found.chain_id)))
            state = await shop.settled()
            assert state["staging"] == []
            assert shop.images.list(all=True) or state["layers"] == []
            await shop.images.pull("demo")
            assert len(os.listdir(shop.path("demo"))) == 300
            await shop.images.remove("demo", in_use=nobody)
            assert (await shop.settled())["layers"] == []
