"""Images that the hub makes on first need: who makes one, once, with its progress; and what becomes of a failure."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http import HTTPStatus
from pathlib import Path

import pytest

from kernel_engine.cli.korean import line
from labs.cli import main as labs
from labs.hub import workshop
from labs.hub.dockerfiles import BUILT, Built, find, named
from labs.hub.fill import fill
from labs.hub.maker import Maker, MakingFailed, Say, filling_process, making, seen_by, serving_maker
from labs.hub.oci import INDEX
from labs.hub.registry import filling, serving
from tests.conftest import HUB, needs_root
from tests.daemon import Daemon, running_daemon

JQ = named("labs/jq")
assert JQ is not None
PLACE = "/v2/labs/jq/manifests/latest"
needs_hub = pytest.mark.skipif(
    not (HUB / "registry").is_dir() or not shutil.which("docker-registry"), reason="the hub is filled by ./lab test"
)


# the list -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", BUILT, ids=lambda image: image.title)
def test_every_image_stands_on_the_base_that_its_dockerfile_names(image: Built) -> None:
    lines = (image.folder / "Dockerfile").read_text().splitlines()
    assert f"FROM {image.base.repository.removeprefix('library/')}:{image.base.tags[0]}" in lines


def test_no_name_is_given_twice_and_each_is_found() -> None:
    names = [(image.repository, tag) for image in BUILT for tag in image.tags]
    assert len(names) == len(set(names))
    assert all((found := find(*name)) is not None and name[1] in found.tags for name in names)
    assert find("library/redis", "5") is None
    assert named("php:apache") is find("library/php", "apache")


def test_a_changed_file_or_base_is_another_image(tmp_path: Path) -> None:
    shutil.copytree(JQ.folder, tmp_path / "jq")
    copy = dataclasses.replace(JQ, folder=tmp_path / "jq")
    assert copy.key == JQ.key
    assert dataclasses.replace(copy, base=dataclasses.replace(JQ.base, packages=("tar",))).key != JQ.key
    (tmp_path / "jq/Dockerfile").write_text("FROM debian:bookworm\n")
    assert copy.key != JQ.key


def test_the_machines_proxies_go_along() -> None:
    apt = 'Acquire::http::Proxy "http://apt:3142";\nAcquire::https::Proxy "";\n'
    assert workshop.proxies({}, apt) == {"http_proxy": "http://apt:3142"}
    assert workshop.proxies({"http_proxy": "http://p", "no_proxy": ""}, apt) == {"http_proxy": "http://p"}


# the maker ------------------------------------------------------------------------------------------------------------


class Work:
    """Makes nothing: waits until it is told how it went."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.tell: Say = print
        self.going = threading.Event()
        self.over = threading.Event()
        self.failure = ""

    def __call__(self, image: Built, say: Say) -> None:
        self.begun.append(image.title)
        self.tell = say
        self.going.set()
        assert self.over.wait(20)
        if self.failure:
            raise MakingFailed(self.failure)


def states(maker: Maker, count: int) -> list[tuple[int, str]]:
    with ThreadPoolExecutor(count) as pool:
        answers = pool.map(maker.answer, [PLACE] * count)
        return [(answer.status.value, answer.message) for answer in answers]


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("127.0.0.1:5556", "http://127.0.0.1:5555/v2/x"),
        ("172.18.0.1:5556", "http://172.18.0.1:5555/v2/x"),
        ("172.18.0.1", "http://172.18.0.1:5555/v2/x"),
        ("evil.example:5556", "http://127.0.0.1:5555/v2/x"),
        ("", "http://127.0.0.1:5555/v2/x"),
    ],
)
def test_another_server_is_sent_on_to_the_address_under_which_it_asked(asked: str, place: str) -> None:
    assert seen_by(asked, "http://127.0.0.1:5555/v2/x") == place
    assert seen_by(asked, "http://hub/v2/x") == "http://hub/v2/x"


def test_who_asks_meanwhile_hears_of_the_same_work() -> None:
    work = Work()
    maker = Maker("http://hub", work)
    assert "만들어요" in maker.answer(PLACE).message
    assert work.going.wait(5)
    threading.Timer(0.1, work.tell, ["2/3"]).start()
    assert states(maker, 3) == [(503, "2/3")] * 3
    threading.Timer(0.1, work.over.set).start()
    answers = [maker.answer(PLACE) for _ in range(2)]
    assert [(answer.status, answer.place) for answer in answers] == [
        (HTTPStatus.TEMPORARY_REDIRECT, f"http://hub{PLACE}")
    ] * 2
    assert work.begun == ["labs/jq:latest"]


def test_a_failure_is_told_to_all_who_waited_and_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labs.hub.maker.REMEMBERED", 0.2)
    work = Work()
    work.failure = "no network"
    maker = Maker("http://hub", work)
    maker.answer(PLACE)
    work.over.set()
    told = (502, "could not make labs/jq:latest from Debian's packages: no network")
    assert states(maker, 2) == [told, told]
    time.sleep(0.3)
    maker.answer(PLACE)
    assert len(work.begun) == 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/", 200),
        ("/v2/library/centos/manifests/latest", 404),
        ("/v2/library/redis/manifests/5", 404),
        ("/v2/library/redis/../../../etc/passwd", 404),
        ("/v2/library/redis/blobs/sha256:0", 307),
        ("/v2/library/redis/tags/list", 200),
        ("/etc/passwd", 404),
        ("", 404),
    ],
)
def test_what_else_it_is_asked(path: str, status: int) -> None:
    work = Work()
    assert Maker("http://hub", work).answer(path).status == status
    assert not work.begun


def test_search_finds_what_could_be_made() -> None:
    document = Maker("http://hub", Work()).answer("/v2/_catalog?n=1000").document
    assert {"library/redis", "labs/jq"} < set(document["repositories"])  # type: ignore[call-overload]


# with a real registry and a real engine -------------------------------------------------------------------------------


@pytest.fixture
def hub_data() -> Iterator[Path]:
    """A hub of the test's own with the bases of the machine's: the same files, and none is written to in place."""
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place:
        data = Path(place) / "hub"
        data.mkdir()
        repositories = "registry/docker/registry/v2/repositories"
        ignored = shutil.ignore_patterns(*(image.repository.rpartition("/")[2] for image in BUILT))
        shutil.copytree(HUB / repositories, data / repositories, copy_function=os.link, ignore=ignored)
        blobs = repositories.replace("repositories", "blobs")
        shutil.copytree(HUB / blobs, data / blobs, copy_function=os.link)
        yield data


@pytest.fixture
def engine_of(hub_data: Path) -> Iterator[Callable[[Callable[[Built, Say], None]], Daemon]]:
    """An engine whose mirrors are that hub and a maker with the given work."""
    with ExitStack() as stack:

        def start(work: Callable[[Built, Say], None]) -> Daemon:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ke-test-")))
            hub = stack.enter_context(serving(hub_data, place))
            maker = stack.enter_context(serving_maker(Maker(hub, work)))
            return stack.enter_context(running_daemon(place, (hub, maker)))

        yield start


@needs_root
@needs_hub
@pytest.mark.timeout(300)
def test_an_image_is_made_when_it_is_pulled_first_and_only_then(
    hub_data: Path, engine_of: Callable[[Callable[[Built, Say], None]], Daemon]
) -> None:
    made: list[str] = []

    def work(image: Built, say: Say) -> None:
        made.append(image.title)
        filling_process(hub_data, image, say)

    engine = engine_of(work)
    with ThreadPoolExecutor(2) as pool:
        pulls = list(pool.map(lambda _: engine.docker("pull", "labs/jq", timeout=240), range(2)))
    assert made == ["labs/jq:latest"]
    lines = [line for pull in pulls for line in pull.stdout.splitlines()]
    assert any("허브에 아직 없어서 데비안 패키지로 만들어요" in line for line in lines), lines
    assert any("단계: 패키지를 " in line for line in lines), lines
    assert engine.out("run", "--rm", "labs/jq", "-n", "1+1") == "2"
    # nothing is left of the builder, and what it made stays
    assert sorted(path.name for path in hub_data.iterdir()) == ["lock", "registry"]
    engine.docker("rmi", "labs/jq")
    assert "만들어요" not in engine.docker("pull", "labs/jq").stdout
    assert made == ["labs/jq:latest"]
    # the base is the hub's own, not a second copy
    with filling(hub_data) as registry:
        base, own = (registry.parts(*name) for name in (("library/debian", "bookworm"), ("labs/jq", "latest")))
        assert base is not None and own is not None
        assert own.layers[: len(base.layers)] == base.layers
        assert own.key == JQ.key
    assert fill(hub_data, (), (JQ,), say=lambda text: None) == 0


@needs_root
@needs_hub
@pytest.mark.timeout(300)
def test_without_the_mirror_the_pull_says_so_and_nothing_is_half_done(
    hub_data: Path,
    engine_of: Callable[[Callable[[Built, Say], None]], Daemon],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    engine = engine_of(lambda image, say: filling_process(hub_data, image, say))
    failed = engine.docker("pull", "labs/jq", check=False, timeout=240)
    assert failed.returncode == 1
    said = failed.stderr.splitlines()[0]
    assert said.startswith("unavailable: could not make labs/jq:latest from Debian's packages: E: Failed to fetch "), (
        said
    )
    assert "허브에 labs/jq:latest 이미지가 아직 없고" in line(said)
    assert engine.docker("images", "-a", "-q").stdout == ""
    assert sorted(path.name for path in hub_data.iterdir()) == ["lock", "registry"]
    with filling(hub_data) as registry:
        assert registry.recipe_key("labs/jq", "latest") == ""


@needs_root
@needs_hub
@pytest.mark.timeout(300)
def test_ended_in_the_middle_it_takes_its_builder_along(hub_data: Path) -> None:
    words = [sys.executable, "-m", "labs.hub", "--data", str(hub_data), "fill", "labs/jq"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "패키지를 내려받고" in line:
                process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert_nothing_is_left(hub_data)


@needs_root
@needs_hub
@pytest.mark.timeout(300)
def test_a_maker_that_is_ended_takes_its_work_along(hub_data: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-I", "-m", "labs.hub", "--data", str(hub_data), "make", "--port", str(port)]
    with subprocess.Popen(words) as process:
        place = f"http://127.0.0.1:{port}{PLACE}"
        deadline = time.monotonic() + 60
        while "단계" not in (said := told(place)):
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
    while any(str(hub_data) in line for line in commands()):
        assert time.monotonic() < deadline + 60
        time.sleep(0.1)
    assert_nothing_is_left(hub_data)


def assert_nothing_is_left(hub_data: Path) -> None:
    assert not [line for line in commands() if str(hub_data) in line]
    assert sorted(path.name for path in hub_data.iterdir()) == ["lock", "registry"]
    assert str(hub_data) not in Path("/proc/self/mountinfo").read_text()


def commands() -> Iterator[str]:
    """The command line of each process."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            yield path.read_text(errors="replace")


def told(place: str) -> str:
    """What the maker says to a question; "" where it does not listen yet."""
    try:
        return get(place)[2].decode()
    except urllib.error.URLError:
        return ""


def get(url: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": INDEX}), timeout=60) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


@needs_root
@needs_hub
def test_the_labs_command_has_images_made_before_a_class(
    hub_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Work()
    work.failure = "no network"
    work.over.set()
    with serving(hub_data, hub_data.parent) as hub, serving_maker(Maker(hub, work)) as maker:
        monkeypatch.setenv("DOCKER_LABS_HUB_ADDRESSES", f"{hub},{maker}")
        assert labs(["hub", "list", "labs/jq"]) == 0
        assert capsys.readouterr().out.split(maxsplit=1) == ["labs/jq:latest", "처음 찾을 때 만들어요\n"]
        assert labs(["hub", "fill", "labs/jq"]) == 1
        assert "no network" in capsys.readouterr().err
        assert labs(["hub", "fill", "mysql"]) == 2
        assert "mysql" in capsys.readouterr().err


@needs_root
@needs_hub
@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("image", BUILT, ids=lambda image: image.title)
def test_every_image_can_be_made(hub_data: Path, image: Built) -> None:
    with serving(hub_data, hub_data.parent) as hub, making(hub_data, hub) as maker:
        place = f"{maker}/v2/{image.repository}/manifests/{image.tags[-1]}"
        while (answer := get(place))[0] == 503:
            assert answer[1]["Retry-After"] == "0"
        assert answer[0] == 200, answer
        assert json.loads(answer[2])["manifests"]
