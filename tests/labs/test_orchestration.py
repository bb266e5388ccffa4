"""The exercises of lab 10, which stand on one Swarm of four machines: as `test_exercises` asks of all the others.

Always: nothing done is not yet, and one solution. With --full all solutions and all wrong ones.
"""

from __future__ import annotations

import http.client
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labs import catalogue, checks, practice
from labs.build import fixed_ports
from labs.checks import EngineView, Exercise, Ground, NotYet, Passed
from labs.notebook import command_cell
from labs.progress import FOLDER, Progress
from labs.swarm_view import Swarm
from labs.workspace import WITHHELD
from tests import remapping
from tests.conftest import needs_root
from tests.daemon import Daemon, running_daemon

LAB = catalogue.lab("10")
ALL = checks.exercises(LAB)
ON_GROUND = {name: exercise for name, exercise in ALL.items() if exercise.ground is not None}
WRONG = [(name, title) for name, exercise in ON_GROUND.items() for title in exercise.wrong]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def ground() -> Ground:
    [found] = {exercise.ground for exercise in ON_GROUND.values() if exercise.ground is not None}
    return found


@pytest.fixture(scope="module")
def swarm(shared_engine: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineView]:
    """Where the four machines are made; `%reset 10` takes all of them and their volumes away."""
    view = EngineView(shared_engine.host, workspace=materials(tmp_path_factory.mktemp("lab")))
    kept = Progress(folder=view.workspace / FOLDER, say=print)
    with fixed_ports():
        yield view
        practice.reset(LAB.number, view.host, kept)
    assert view.containers() == []
    assert view.volumes() == []
    assert shared_engine.out("network", "ls", "-q", "--filter", "type=custom") == ""


def materials(folder: Path) -> Path:
    ignored = shutil.ignore_patterns(*WITHHELD, catalogue.NOTEBOOK)
    return Path(shutil.copytree(LAB.folder, folder, ignore=ignored, dirs_exist_ok=True))


def only_the_ground(view: EngineView, ground: Ground) -> bool:
    names = {name.lstrip("/") for row in view.containers() for name in row["Names"]}
    found = view.swarm("manager")
    left = (found.services, [node for node in found.nodes if node.availability != "active"]) if found else ((), [])
    return names <= set(ground.containers) and left == ((), [])


@needs_root
def test_an_engine_of_a_class_says_that_this_lab_needs_another_one(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ke-test-") as place:
        remapping.needed(Path(place))
        words = ("--restrict", "--userns-remap", remapping.USER)
        with running_daemon(Path(place), (), *words, program=remapping.program(Path(place, "etc"))) as engine:
            view = EngineView(engine.host, workspace=materials(tmp_path))
            result = ALL["10-1"].check(view)
            assert isinstance(result, NotYet)
            assert "제한된 엔진" in result.found and "./lab up" in result.hints[1]
            code, said = view.shell("bash ready.sh")
            assert code == 1
            assert "제한된 엔진" in said and len(said.splitlines()) == 1


def test_nothing_done_is_not_yet(swarm: EngineView) -> None:
    assert swarm.can_be_privileged()
    next(iter(ON_GROUND.values())).begin(swarm)  # they begin alike
    for name, exercise in ON_GROUND.items():
        assert not exercise.setup
        assert isinstance(exercise.check(swarm), NotYet), name
    found = swarm.swarm("manager")
    assert found is not None
    assert [(node.name, node.role, node.state) for node in found.nodes] == [
        ("manager", "manager", "ready"),
        *((f"worker0{number}", "worker", "ready") for number in (1, 2, 3)),
    ]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "10-2" else [pytest.mark.full]) for name in ON_GROUND]
)
def test_the_solution_passes(
    name: str, swarm: EngineView, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `%solve` runs it: in a folder of its own, on the machines that are there."""
    monkeypatch.setenv("DOCKER_LABS_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    try:
        result = practice.solve(name, swarm.host, Progress(folder=tmp_path / FOLDER, say=told.append), told.append)
    finally:
        ALL[name].end(swarm)
    assert isinstance(result, Passed), "\n".join([str(result), *told])
    assert only_the_ground(swarm, ground)


@pytest.fixture
def exercise(request: pytest.FixtureRequest, swarm: EngineView) -> Iterator[Exercise]:
    found = ALL[request.param]
    found.begin(swarm)
    yield found
    found.end(swarm)


@pytest.mark.full
@pytest.mark.parametrize(("exercise", "title"), WRONG, indirect=["exercise"])
def test_a_wrong_solution_does_not_pass(exercise: Exercise, title: str, swarm: EngineView) -> None:
    checks.work(exercise.wrong[title], swarm)
    result = exercise.check(swarm)
    assert isinstance(result, NotYet), result
    assert result.expected and result.found and result.read_from


# machines that are lost ---------------------------------------------------------------------------------------------
M = "docker container exec manager docker"
MI = "docker container exec -i manager docker"
SHOP = f"""
set -e
mode=dnsrr publish=host
if docker container exec manager sh -c 'modprobe ip_vs; test -e /proc/net/ip_vs'; then mode=vip publish=ingress; fi
docker pull -q haproxy
docker tag haproxy localhost:5000/haproxy
docker push -q localhost:5000/haproxy
{M} network create --driver=overlay --attachable shop
{MI} config create haproxy.cfg - < lb/haproxy.cfg
docker container exec -i -e MODE=$mode manager docker stack deploy -c - echo < echo.yml
docker container exec -i -e PUBLISH=$publish manager docker stack deploy -c - lb < lb/stack.yml
"""
CLOSED = f"""
{M} stack rm lb echo
for i in $(seq 120); do {M} network rm shop >/dev/null 2>&1 && break; sleep 0.5; done
{M} config rm haproxy.cfg
docker rmi localhost:5000/haproxy haproxy
"""


@contextmanager
def customers(count: int = 3) -> Iterator[Counter[str]]:
    """Ask the lab's page again and again while the block runs: what they get, by status or by the error's name."""
    got: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
            try:
                connection.request("GET", "/")
                got[str(connection.getresponse().status)] += 1
            except (OSError, http.client.HTTPException) as error:
                got[type(error).__name__] += 1
            finally:
                connection.close()
            over.wait(0.05)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        over.set()
        for thread in threads:
            thread.join()


def until(view: EngineView, met: Callable[[Swarm], bool], what: str, seconds: float = 180) -> Swarm:
    deadline = time.monotonic() + seconds
    while True:
        found = view.swarm("manager")
        if found is not None and met(found):
            return found
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} seconds; {found}"
        time.sleep(0.5)


def images(swarm: Swarm, name: str) -> list[str]:
    """Of the tasks that run."""
    service = swarm.service(name)
    assert service is not None
    return [task.image.rpartition(":")[2] for task in service.running]


def is_whole(swarm: Swarm) -> bool:
    return all(len(service.running) == service.wanted for service in swarm.services)


@pytest.mark.full
def test_a_worker_is_killed_during_a_rolling_update_and_no_customer_notices(swarm: EngineView, ground: Ground) -> None:
    checks.work(ground.setup, swarm)
    swarm.must(SHOP)
    until(swarm, lambda found: len(found.services) == 3 and is_whole(found), "the shop")
    deadline = time.monotonic() + 90
    while (page := swarm.published_page(8000)) is None or page.status != 200:
        assert time.monotonic() < deadline, page
    with customers() as got:
        swarm.must(f"{M} service update -d --update-delay 1s --image registry:5000/example/api:v2 echo_api")
        until(swarm, lambda found: "v2" in images(found, "echo_api"), "the first of the new version")
        swarm.must("docker kill worker02")
        until(swarm, lambda found: (node := found.node("worker02")) is not None and node.state == "down", "the loss")
        until(swarm, is_whole, "as many as before")
        time.sleep(3)
    assert set(got) == {"200"}, got
    assert got["200"] > 30
    swarm.must("docker start worker02")
    until(swarm, lambda found: (node := found.node("worker02")) is not None and node.state == "ready", "the return")
    swarm.must(f"{M} service update -d --force --image registry:5000/example/api:v2 echo_api")
    until(
        swarm,
        lambda found: is_whole(found) and images(found, "echo_api") == ["v2"] * 3 and _updated(found) == "completed",
        "the new version everywhere",
    )
    swarm.must(CLOSED)


def _updated(swarm: Swarm) -> str:
    service = swarm.service("echo_api")
    return service.update if service else ""


@pytest.mark.full
def test_what_a_swarm_without_its_manager_says_is_explained(
    swarm: EngineView, ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other refusals are in the lab itself, whose replay compares them."""
    checks.work(ground.setup, swarm)
    monkeypatch.setenv("DOCKER_LABS_HOST", swarm.host)
    token = swarm.must(f"{M} swarm join-token -q worker").strip()

    def said(command: str) -> list[str]:
        command_cell.run(command)
        lines = capsys.readouterr().out.strip().splitlines()
        assert len(lines) >= 2, lines
        return lines

    worker = "docker container exec worker03 docker"
    answer, korean = said(f"{worker} node ls")
    assert answer.startswith("Error response from daemon: This node is not a swarm manager.")
    assert "매니저에서 실행해" in korean
    swarm.must(f"{worker} swarm leave")
    *_, answer, korean = said(f"{worker} swarm join --token {token} manager:2399")
    assert "connection refused" in answer and "매니저가 대답하지 않아요" in korean
    swarm.must("docker kill manager")
    answer, korean = said(f"{M} node ls")
    assert "is not running" in answer and "실행 중이 아니에요" in korean
    *_, answer, korean = said(f"{worker} swarm join --token {token} manager:2377")
    # "no such host", or "server misbehaving" on a machine without a resolver of its own
    assert "lookup manager on" in answer and "manager 이름을 찾지 못했어요" in korean
    swarm.must("docker start manager")
    until(swarm, lambda found: len(found.nodes) == 4, "the manager's return")
    swarm.must(f"{worker} swarm join --token {token} manager:2377")
    until(swarm, lambda found: sum(node.state == "ready" for node in found.nodes) == 4, "the worker's return")
    [gone] = [node.id for node in until(swarm, _has_lost, "the old worker03").nodes if node.state == "down"]
    swarm.must(f"{M} node rm {gone}")


def _has_lost(swarm: Swarm) -> bool:
    return any(node.state == "down" for node in swarm.nodes)
