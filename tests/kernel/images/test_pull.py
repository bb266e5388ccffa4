"""docker pull against registries that behave, and that do not."""

from __future__ import annotations

import asyncio
import os
import tarfile
import time
from pathlib import Path

import pytest
import zstandard

from kernel_engine.errors import CorruptData, NotFound, Unauthorized, Unavailable
from kernel_engine.images.digest import short
from kernel_engine.images.image import Auth
from kernel_engine.images.registry import Timeouts
from tests.kernel.images.conftest import NOWHERE, Shop, opened
from tests.kernel.images.double import Double, running
from tests.kernel.images.making import MACHINE, Made, Words, digest, directory, file, image, index, link, tar

OTHER = "arm64" if MACHINE != "arm64" else "amd64"
NOISE = os.urandom(3 << 20)


def two_layers() -> Made:
    below = tar(directory("etc", mode=0o700), file("etc/name", b"lower"), file("big", NOISE))
    above = tar(file("etc/other", b"upper"))
    return image(below, above, config={"Cmd": ["sh"], "Labels": {"a": "b"}})


def lowest(shop: Shop, reference: str, name: str) -> bytes:
    """A file of an image's lowest layer."""
    return (Path(shop.layers.paths(shop.images.get(reference).chain_id)[-1]) / name).read_bytes()


def empty(found: dict[str, list[str]]) -> bool:
    return not any(found.values())


async def test_a_pull_in_dockers_words(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    words = Words()
    pulled = await shop.images.pull("demo", progress=words)
    low, high = (short(layer) for layer in made.layers)
    assert words.heard[:3] == [
        ("latest", "Pulling from library/demo"),
        (low, "Pulling fs layer"),
        (high, "Pulling fs layer"),
    ]
    order = [
        "Pulling fs layer",
        "Downloading",
        "Verifying Checksum",
        "Download complete",
        "Extracting",
        "Pull complete",
    ]
    assert list(dict.fromkeys(words.statuses(low))) == order
    assert list(dict.fromkeys(words.statuses(high))) == order
    assert words.heard.index((low, "Pull complete")) < words.heard.index((high, "Pull complete"))
    assert words.heard[-2:] == [
        ("", f"Digest: {digest(made.manifest)}"),
        ("", "Status: Downloaded newer image for demo:latest"),
    ]
    assert (pulled.id, pulled.tags) == (made.id, ("demo:latest",))
    assert pulled.digests == (f"demo@{digest(made.manifest)}",)
    assert pulled.size == len(NOISE) + 10
    assert pulled.labels == {"a": "b"}
    top = shop.path("demo")
    assert (top / "etc/other").read_text() == "upper"
    assert (top / "etc").stat().st_mode & 0o7777 == 0o700  # not told by its own layer: as beneath


async def test_a_second_pull_is_up_to_date(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:1", two_layers())
    await shop.images.pull("demo:1")
    words = Words()
    await shop.images.pull("demo:1", progress=words)
    assert words.heard == [
        ("1", "Pulling from library/demo"),
        ("", f"Digest: {digest(made.manifest)}"),
        ("", "Status: Image is up to date for demo:1"),
    ]
    assert all(len(double.fetched(layer)) == 1 for layer in made.layers)


async def test_shared_layers_exist_already(shop: Shop, double: Double) -> None:
    base, more = tar(file("base", NOISE)), tar(file("more", b"1"))
    double.serve("library/one:latest", image(base))
    made = double.serve("library/two:latest", image(base, more))
    await shop.images.pull("one")
    words = Words()
    await shop.images.pull("two", progress=words)
    assert words.statuses(short(made.layers[0])) == ["Already exists"]
    assert len(double.fetched(made.layers[0])) == 1
    assert shop.images.get("two").diff_ids[:1] == shop.images.get("one").diff_ids


async def test_an_index_leads_to_this_machines_image(shop: Shop, double: Double) -> None:
    mine = double.serve("library/demo:mine", two_layers())
    other = double.serve("library/demo:other", image(tar(file("x")), architecture=OTHER))
    data, _ = index(**{OTHER: other, MACHINE: mine})
    double.tags["library/demo:latest"] = (data, "application/vnd.oci.image.index.v1+json")
    pulled = await shop.images.pull("demo")
    assert pulled.id == mine.id
    assert pulled.digests == (f"demo@{digest(data)}",)
    assert (await shop.images.pull("demo", platform=f"linux/{OTHER}")).id == other.id
    assert shop.images.get("demo").id == other.id
    with pytest.raises(NotFound, match=r"no matching manifest for linux/riscv64 in the manifest list entries"):
        await shop.images.pull("demo", platform="linux/riscv64")


async def test_by_digest(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    words = Words()
    pulled = await shop.images.pull(f"demo@{digest(made.manifest)}", progress=words)
    assert words.heard[0] == (digest(made.manifest), "Pulling from library/demo")
    assert (pulled.tags, pulled.digests) == ((), (f"demo@{digest(made.manifest)}",))
    double.tags[f"library/demo@{digest(b'')}"] = (made.manifest, made.media_type)
    with pytest.raises(CorruptData, match="manifest verification failed"):
        await shop.images.pull(f"demo@{digest(b'')}")


@pytest.mark.parametrize("level", [1, 19])
async def test_zstd_layers(shop: Shop, double: Double, level: int) -> None:
    data = tar(file("a", NOISE))
    packed = zstandard.ZstdCompressor(level=level if level < 5 else 5).compress(data)
    double.serve(
        "library/z:latest", image(data, packed=[packed], layer_type="application/vnd.oci.image.layer.v1.tar+zstd")
    )
    await shop.images.pull("z")
    assert (shop.path("z") / "a").read_bytes() == NOISE


async def test_plain_layers_and_no_layers(shop: Shop, double: Double) -> None:
    data = tar(file("a", b"x"))
    double.serve(
        "library/plain:latest", image(data, packed=[data], layer_type="application/vnd.oci.image.layer.v1.tar")
    )
    double.serve("library/none:latest", image())
    await shop.images.pull("plain")
    assert (shop.path("plain") / "a").read_bytes() == b"x"
    none = await shop.images.pull("none")
    assert (none.chain_id, none.size) == (None, 0)


# interruptions ----------------------------------------------------------------------------------------------------
async def test_an_interrupted_layer_goes_on_where_it_stopped(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.truncate[made.layers[0]] = 1
    words = Words()
    await shop.images.pull("demo", progress=words)
    first, second = double.fetched(made.layers[0])
    assert "Range" not in first
    assert int(second["Range"].removeprefix("bytes=").removesuffix("-")) > 1 << 20
    assert "Retrying in 1 second" in words.statuses(short(made.layers[0]))
    assert lowest(shop, "demo", "big") == NOISE


async def test_a_later_pull_resumes_after_a_restart(tmp_path: Path, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.truncate[made.layers[0]] = 99
    async with opened(tmp_path / "root", mirrors=(double.address,)) as shop:
        with pytest.raises(Unavailable, match="unexpected EOF"):
            await shop.images.pull("demo")
        assert shop.images.list(all=True) == ()
        assert (await shop.settled())["layers"] == []
    double.truncate.clear()
    double.requests.clear()
    async with opened(tmp_path / "root", mirrors=(double.address,)) as shop:
        await shop.images.pull("demo")
        (again,) = double.fetched(made.layers[0])
        assert "Range" in again
        assert (await shop.settled())["blobs/partial"] == []


async def test_a_registry_without_ranges_starts_over(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.truncate[made.layers[0]] = 1
    double.ranges = False
    await shop.images.pull("demo")
    assert len(double.fetched(made.layers[0])) == 2
    assert lowest(shop, "demo", "big") == NOISE


async def test_a_layer_is_unpacked_while_it_comes(tmp_path: Path, double: Double) -> None:
    made = double.serve("library/demo:latest", image(tar(file("first", b"1"), file("big", NOISE))))
    double.stall.add(made.layers[0])
    async with opened(tmp_path / "root", mirrors=(double.address,), timeouts=Timeouts(idle=60)) as shop:
        pulling = asyncio.create_task(shop.images.pull("demo"))
        async with asyncio.timeout(30):
            while not list(shop.root.glob("staging/*/first")):
                await asyncio.sleep(0.01)
        assert (await shop.settled())["layers"] == []
        pulling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pulling
        found = await shop.settled()
        assert (found["layers"], found["staging"]) == ([], [])


async def test_a_layer_is_nobodys_before_its_blob_is_right(shop: Shop, double: Double) -> None:
    """What is wrong is no part of the archive (a frame that zstd skips), so that unpacking does not see it."""
    data = tar(file("a", NOISE))
    skipped = b"\x50\x2a\x4d\x18" + (9).to_bytes(4, "little") + b"x" * 9
    packed = zstandard.ZstdCompressor().compress(data) + skipped
    kind = "application/vnd.oci.image.layer.v1.tar+zstd"
    made = double.serve("library/demo:latest", image(data, packed=[packed], layer_type=kind))
    double.corrupt.add(made.layers[0])
    with pytest.raises(CorruptData, match="filesystem layer verification failed"):
        await shop.images.pull("demo")
    found = await shop.settled()
    assert (found["layers"], found["staging"]) == ([], [])
    double.corrupt.clear()
    await shop.images.pull("demo")


async def test_a_registry_that_stops_answering_is_one_error_in_bounded_time(tmp_path: Path) -> None:
    async with (
        running(Double(silent=True)) as silent,
        opened(tmp_path / "root", mirrors=(), hub=silent.address) as shop,
    ):
        before = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            await shop.images.pull("demo")
        assert time.monotonic() - before < 3
        assert caught.value.message == (
            f'Get "{silent.address}/v2/": net/http: request canceled (Client.Timeout exceeded while awaiting headers)'
        )
        assert empty(await shop.settled())


async def test_a_layer_that_stalls_half_way(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.stall.add(made.layers[0])
    before = time.monotonic()
    with pytest.raises(Unavailable, match=r"Client\.Timeout"):
        await shop.images.pull("demo")
    assert time.monotonic() - before < 6
    assert shop.images.list(all=True) == ()
    found = await shop.settled()
    assert (found["layers"], found["staging"]) == ([], [])


@pytest.mark.parametrize("word", ["/manifests/", "/token", "/blobs/"])
async def test_an_answer_that_stalls_half_way(tmp_path: Path, double: Double, word: str) -> None:
    """The manifest, the token, the configuration."""
    double.serve("library/demo:latest", two_layers())
    double.token = "secret"
    double.halting = word
    async with opened(tmp_path / "root", hub=double.address) as shop:
        async with asyncio.timeout(60):
            with pytest.raises(Unavailable, match=r"Client\.Timeout"):
                await shop.images.pull("demo")
        assert empty(await shop.settled())
        double.halting = ""
        await shop.images.pull("demo")


async def test_a_registry_that_shakes_no_hands(tmp_path: Path) -> None:
    """It accepts, and the handshake of TLS is not answered."""
    ends: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, end: ends.append(end), "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(tmp_path / "root", hub=f"https://127.0.0.1:{port}") as shop, asyncio.timeout(60):
            with pytest.raises(Unavailable, match=r"Client\.Timeout"):
                await shop.images.pull("demo")
            assert empty(await shop.settled())
        for end in ends:
            end.close()


async def test_a_registry_that_stalls_keeps_no_other_waiting(tmp_path: Path, double: Double) -> None:
    slow = [image(tar(file(str(number), NOISE[number:]))) for number in range(4)]
    for number, made in enumerate(slow):
        double.serve(f"slow:{number}", made)
        double.stall.add(made.layers[0])
    async with running() as other, opened(tmp_path / "root", timeouts=Timeouts(idle=60)) as shop:
        other.serve("quick:latest", two_layers())
        address = double.address.removeprefix("http://")
        stalled = [asyncio.create_task(shop.images.pull(f"{address}/slow:{number}")) for number in range(4)]
        async with asyncio.timeout(60):
            while len(list(shop.root.glob("staging/*/*"))) < 3:  # as many as it may have
                await asyncio.sleep(0.02)
            await shop.images.pull(f"{other.address.removeprefix('http://')}/quick")
        assert not any(pulling.done() for pulling in stalled)
        for pulling in stalled:
            pulling.cancel()
        await asyncio.gather(*stalled, return_exceptions=True)
        assert [found.tags for found in shop.images.list()] == [
            (f"{other.address.removeprefix('http://')}/quick:latest",)
        ]


async def test_a_cancelled_pull_leaves_nothing_to_be_seen(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.stall.add(made.layers[0])
    pulling = asyncio.create_task(shop.images.pull("demo"))
    await asyncio.sleep(0.3)
    pulling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pulling
    assert shop.images.list(all=True) == ()
    found = await shop.settled()
    assert (found["layers"], found["staging"]) == ([], [])


# bad content ------------------------------------------------------------------------------------------------------
async def test_a_corrupt_layer_is_refused_and_forgotten(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.corrupt.add(made.layers[0])
    with pytest.raises(CorruptData) as caught:
        await shop.images.pull("demo")
    assert caught.value.message == f"filesystem layer verification failed for digest {made.layers[0]}"
    assert shop.images.list(all=True) == ()
    found = await shop.settled()
    assert (found["layers"], found["staging"]) == ([], [])
    assert made.layers[0].removeprefix("sha256:") not in found["blobs/sha256"] + found["blobs/partial"]
    double.corrupt.clear()
    await shop.images.pull("demo")


async def test_a_blob_damaged_on_the_disk_is_noticed(shop: Shop, double: Double, tmp_path: Path) -> None:
    made = double.serve("library/demo:latest", two_layers())
    path = tmp_path / "root/blobs/sha256" / made.layers[0].removeprefix("sha256:")
    path.write_bytes(double.blobs[made.layers[0]][:-5])
    with pytest.raises(CorruptData):
        await shop.images.pull("demo")
    assert not path.exists()
    await shop.images.pull("demo")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([file("../evil", b"x")], 'failed to register layer: "../evil" is outside of the layer\'s root directory'),
        ([file("a/../../evil", b"x")], "outside"),
        ([link("up", "../../../../tmp"), file("up/evil", b"x")], "outside"),
        ([link("abs", "/tmp/nowhere"), file("abs/evil", b"x")], "no such file or directory"),
        ([link("hard", "../../../etc/passwd", hard=True)], "outside"),
        ([link("hard", "/etc/passwd", hard=True)], "no such file or directory"),
        ([file("plain"), file("plain/evil")], "not a directory"),
        ([link("loop", "loop"), file("loop/evil")], "too many levels"),
        ([file(".wh...", b"")], "invalid whiteout"),
    ],
)
async def test_hostile_layers(
    shop: Shop, double: Double, entries: list[tuple[tarfile.TarInfo, bytes]], message: str
) -> None:
    double.serve("library/evil:latest", image(tar(*entries)))
    with pytest.raises(CorruptData, match=message.replace("(", r"\(")):
        await shop.images.pull("evil")
    assert shop.images.list(all=True) == ()
    found = await shop.settled()
    assert (found["layers"], found["staging"]) == ([], [])
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize("damage", ["truncated", "garbage", "not gzip"])
async def test_damaged_archives(shop: Shop, double: Double, damage: str) -> None:
    whole = image(tar(file("a", NOISE)))
    data = whole.blobs[whole.layers[0]]
    broken = {"truncated": data[: len(data) // 2], "garbage": data[:99] + bytes(999) + data[1098:], "not gzip": NOISE}
    made = image(packed=[broken[damage]], diff_ids=[digest(b"whatever")])
    double.serve("library/broken:latest", made)
    with pytest.raises(CorruptData, match="failed to register layer"):
        await shop.images.pull("broken")
    found = await shop.settled()
    assert (found["layers"], found["staging"]) == ([], [])


async def test_content_that_is_not_what_the_configuration_says(shop: Shop, double: Double) -> None:
    data = tar(file("a"))
    double.serve("library/lie:latest", image(data, diff_ids=[digest(b"other")]))
    with pytest.raises(CorruptData, match="layers from manifest don't match image configuration"):
        await shop.images.pull("lie")
    double.serve("library/lie:more", image(data, diff_ids=[digest(data), digest(data)]))
    with pytest.raises(CorruptData, match="layers from manifest don't match image configuration"):
        await shop.images.pull("lie:more")
    found = await shop.settled()
    assert (found["layers"], found["staging"]) == ([], [])


async def test_a_layer_larger_than_told(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.blobs[made.layers[1]] += bytes(2 << 20)
    with pytest.raises(CorruptData, match="larger than its manifest says"):
        await shop.images.pull("demo")


# who is asked -----------------------------------------------------------------------------------------------------
async def test_the_origin_is_asked_where_the_mirror_lacks_the_image(tmp_path: Path, double: Double) -> None:
    async with running() as hub:
        hub.serve("library/demo:latest", two_layers())
        async with opened(tmp_path / "root", mirrors=(double.address,), hub=hub.address) as shop:
            await shop.images.pull("demo")
        assert any(path.endswith("/manifests/latest") for _, path, _ in double.requests)


async def test_offline_the_origin_is_what_cannot_be_reached(shop: Shop) -> None:
    with pytest.raises(Unavailable) as caught:
        await shop.images.pull("centos")
    assert caught.value.message == f'Get "{NOWHERE}/v2/": dial tcp: lookup registry.invalid: no such host'


async def test_a_corrupt_mirror_is_left_for_the_origin(tmp_path: Path, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.corrupt.add(made.layers[0])
    async with running() as hub:
        hub.serve("library/demo:latest", made)
        async with opened(tmp_path / "root", mirrors=(double.address,), hub=hub.address) as shop:
            assert (await shop.images.pull("demo")).id == made.id


async def test_a_mirror_that_makes_the_image_first_is_waited_for(tmp_path: Path, double: Double) -> None:
    double.serve("library/x:latest", two_layers())
    double.making = ["1/2", "1/2", "2/2"]
    words = Words()
    async with opened(tmp_path / "store", mirrors=(double.address,)) as shop:
        await shop.images.pull("x", progress=words)
        assert shop.images.get("x:latest")
    assert words.heard[:3] == [("latest", "1/2"), ("latest", "2/2"), ("latest", "Pulling from library/x")]


async def test_another_registry_is_not_waited_for(shop: Shop, double: Double) -> None:
    double.serve("me/x:latest", two_layers())
    double.making = ["1/2"]
    with pytest.raises(Unavailable, match=r"^unavailable: 1/2$"):
        await shop.images.pull(f"{double.address.removeprefix('http://')}/me/x")


async def test_why_a_mirror_could_not_make_it_is_told_where_nobody_else_answers(tmp_path: Path, double: Double) -> None:
    double.error = (502, {"errors": [{"code": "UNAVAILABLE", "message": "no packages"}]})
    async with opened(tmp_path / "store", mirrors=(double.address,)) as shop:
        with pytest.raises(Unavailable, match=r"^unavailable: no packages$"):
            await shop.images.pull("x")
        assert not shop.images.list(all=True)


async def test_mirrors_are_for_docker_hub_only(shop: Shop, double: Double) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1: connect: connection refused"):
        await shop.images.pull("127.0.0.1:1/demo")
    assert double.requests == []


@pytest.mark.parametrize(
    ("status", "code", "said", "kind", "message"),
    [
        (
            404,
            "MANIFEST_UNKNOWN",
            "manifest unknown",
            NotFound,
            "manifest for {name}:v1 not found: manifest unknown: manifest unknown",
        ),
        (
            404,
            "NAME_UNKNOWN",
            "repository name not known to registry",
            NotFound,
            "repository {name} not found: name unknown: repository name not known to registry",
        ),
        (
            403,
            "DENIED",
            "requested access to the resource is denied",
            NotFound,
            "pull access denied for {name}, repository does not exist or may require 'docker login': "
            "denied: requested access to the resource is denied",
        ),
        (429, "TOOMANYREQUESTS", "slow down", Unavailable, "toomanyrequests: slow down"),
    ],
)
async def test_refusals_in_dockers_words(
    shop: Shop, double: Double, status: int, code: str, said: str, kind: type[Exception], message: str
) -> None:
    double.error = (status, {"errors": [{"code": code, "message": said}]})
    name = f"{double.address.removeprefix('http://')}/user/app"
    with pytest.raises(kind) as caught:
        await shop.images.pull(f"{name}:v1")
    assert str(caught.value) == message.format(name=name)


async def test_an_answer_that_is_no_registrys(shop: Shop, double: Double) -> None:
    double.error = (500, {})
    with pytest.raises(Unavailable, match="received unexpected HTTP status: 500 Internal Server Error"):
        await shop.images.pull(f"{double.address.removeprefix('http://')}/app")


# who asks ---------------------------------------------------------------------------------------------------------
async def test_tokens_are_fetched_and_sent(shop: Shop, double: Double) -> None:
    double.serve("app:latest", two_layers())
    double.token, double.users = "secret-token", {"kim": "pw"}
    name = f"{double.address.removeprefix('http://')}/app"
    await shop.images.pull(name, auth=Auth(username="kim", password="pw"))
    asked = [headers for _, path, headers in double.requests if path == "/token"]
    assert asked and asked[0]["Authorization"].startswith("Basic ")
    with pytest.raises(Unauthorized, match="unauthorized: incorrect username or password"):
        await shop.images.pull(name, auth=Auth(username="kim", password="wrong"))
    await shop.images.pull(name)  # anonymous


async def test_a_token_that_expires_on_the_way_is_fetched_anew(shop: Shop, double: Double, tmp_path: Path) -> None:
    double.serve("app:latest", two_layers())
    # more than run side by side: what waits for the new one must not find it used up by the others
    double.token, double.lives, double.users = "token", 5, {"kim": "pw"}
    address = double.address.removeprefix("http://")
    kim = Auth(username="kim", password="pw")
    pulled = await shop.images.pull(f"{address}/app", auth=kim)
    await shop.images.tag(pulled.id, f"{address}/kim/app")
    double.blobs.clear()
    await shop.images.push(f"{address}/kim/app", auth=kim)
    assert "kim/app:latest" in double.tags
    assert len([path for _, path, _ in double.requests if path == "/token"]) > 2


async def test_an_identity_that_expired(shop: Shop, double: Double) -> None:
    double.serve("app:latest", two_layers())
    double.token, double.users = "token", {"kim": "pw"}
    name = f"{double.address.removeprefix('http://')}/app"
    with pytest.raises(Unauthorized, match="unauthorized: incorrect username or password"):
        await shop.images.pull(name, auth=Auth(identity_token="of last year"))
    assert shop.images.list() == ()
    with pytest.raises(Unauthorized, match="unauthorized: authentication required"):
        await shop.images.pull(name, auth=Auth(registry_token="of last year"))


async def test_basic_names(shop: Shop, double: Double) -> None:
    double.serve("app:latest", two_layers())
    double.basic, double.users = True, {"kim": "pw"}
    name = f"{double.address.removeprefix('http://')}/app"
    await shop.images.pull(name, auth=Auth(username="kim", password="pw"))
    with pytest.raises(Unauthorized, match="no basic auth credentials"):
        await shop.images.pull(name)
    with pytest.raises(Unauthorized, match="unauthorized: authentication required"):
        await shop.images.pull(name, auth=Auth(username="kim", password="no"))


async def test_another_host_does_not_learn_who_we_are(shop: Shop, double: Double) -> None:
    made = double.serve("app:latest", two_layers())
    double.token = "secret-token"
    async with running(Double(blobs=double.blobs)) as storage:
        double.redirect = storage.address
        await shop.images.pull(f"{double.address.removeprefix('http://')}/app")
        (headers,) = storage.fetched(made.layers[0])
        assert "Authorization" not in headers


async def test_a_redirect_without_end(shop: Shop, double: Double) -> None:
    double.serve("app:latest", two_layers())
    double.redirect = double.address
    with pytest.raises(Unavailable, match="stopped after 10 redirects"):
        await shop.images.pull(f"{double.address.removeprefix('http://')}/app")


# together ---------------------------------------------------------------------------------------------------------
async def test_two_pulls_share_the_work(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.gate = asyncio.Event()
    one, two = Words(), Words()
    first = asyncio.create_task(shop.images.pull("demo", progress=one))
    second = asyncio.create_task(shop.images.pull("demo", progress=two))
    await asyncio.sleep(0.2)
    double.gate.set()
    assert (await first).id == (await second).id
    assert [len(double.fetched(layer)) for layer in made.layers] == [1, 1]
    for words in (one, two):
        assert "Pull complete" in words.statuses(short(made.layers[0]))


async def test_who_leaves_does_not_take_the_work_along(shop: Shop, double: Double) -> None:
    made = double.serve("library/demo:latest", two_layers())
    double.gate = asyncio.Event()
    first = asyncio.create_task(shop.images.pull("demo"))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(shop.images.pull("demo"))
    await asyncio.sleep(0.1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    double.gate.set()
    assert (await second).id == made.id
    assert len(double.fetched(made.layers[0])) == 1


async def test_three_layers_at_a_time(shop: Shop, double: Double) -> None:
    made = double.serve("library/many:latest", image(*(tar(file(f"f{n}", os.urandom(4000))) for n in range(6))))
    double.gate = asyncio.Event()
    words = Words()
    pulling = asyncio.create_task(shop.images.pull("many", progress=words))
    await asyncio.sleep(0.5)
    assert sum(len(double.fetched(layer)) for layer in made.layers) == 3
    assert sum("Waiting" in words.statuses(short(layer)) for layer in made.layers) == 3
    double.gate.set()
    await pulling


async def test_the_loop_is_never_held_up(tmp_path: Path, double: Double, distribution: str) -> None:
    """Neither by the bytes that come nor by what is done with them; the registry is a process of its own."""
    name = f"{distribution}/kim/big"
    small = [file(f"f{number}", b"x") for number in range(2000)]
    made = double.serve("library/big:latest", image(tar(file("a", NOISE * 4), *small), tar(*small)))
    worst = 0.0  # of the loop's own processor time between two turns: the machine is shared

    async def watch() -> None:
        nonlocal worst
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            worst = max(worst, time.thread_time() - before)

    async with opened(tmp_path / "first", mirrors=(double.address,), timeouts=Timeouts()) as shop:
        await shop.images.pull("big")
        await shop.images.tag(made.id, name)
        await shop.images.push(name)
    async with opened(tmp_path / "second", timeouts=Timeouts()) as shop:
        watching = asyncio.create_task(watch())
        await shop.images.pull(name)
        watching.cancel()
    assert worst < 0.02
