"""What is left of a build that was cut off: by a kill of the daemon, by a full disk, by the kernel."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kernel_engine.client import APIError
from tests.daemon import Daemon, running_daemon
from tests.engine.building import Member, Result, build, build_tar, containers, context, images

#: something in every kind of step
STEPS = """\
FROM busybox AS one
RUN head -c 300000 /dev/urandom > /random && rm /bin/vi
COPY many /many
FROM busybox
WORKDIR /w/x
COPY --from=one /random /many /from/
RUN ls /from > list
ENV A=b
"""
FILES: dict[str, Member] = {f"many/{number}": str(number) for number in range(200)}


@pytest.fixture
def own(busybox_mirror: str) -> Iterator[Daemon]:
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        running_daemon(Path(directory), (busybox_mirror,)) as running,
    ):
        running.docker("pull", "busybox")
        yield running


def settled(daemon: Daemon) -> dict[str, list[str]]:
    """The engine's directories once what was thrown away is gone."""
    deadline = time.monotonic() + 15
    root = daemon.instance.root
    while time.monotonic() < deadline:
        if not os.listdir(root / "staging") and not containers(daemon):
            break
        time.sleep(0.05)
    found = {name: sorted(os.listdir(root / name)) for name in ("staging", "snapshots", "containers", "layers")}
    return {name: [item for item in items if not item.endswith(".init")] for name, items in found.items()}


def check_store(daemon: Daemon) -> None:
    """Every layer belongs to an image, every image runs, nothing else is there, nothing is mounted or running."""
    left = settled(daemon)
    assert left["staging"] == left["snapshots"] == left["containers"] == []
    chains = set()
    for image_id in images(daemon, all=True):
        layers = daemon.api.get(f"/images/{image_id}/json").json()["RootFS"]["Layers"]
        chains |= {tuple(layers[: count + 1]) for count in range(len(layers))}
    assert len(left["layers"]) == len(chains)
    assert str(daemon.instance.root) not in Path("/proc/self/mountinfo").read_text()
    group = subprocess.run(
        ["find", "/sys/fs/cgroup", "-type", "d", "-path", f"*{daemon.instance.cgroup}/*"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line for line in group.stdout.splitlines() if len(Path(line).name) == 64] == []


def quietly(daemon: Daemon, **query: object) -> None:
    with suppress(Exception):  # the daemon is killed under it
        build(daemon, STEPS, FILES, **query)


@pytest.mark.parametrize("seed", range(2))
def test_a_kill_of_the_daemon_at_any_moment(own: Daemon, seed: int) -> None:
    """Finished steps are whole, the others are gone, and the next build goes on from there."""
    chance = random.Random(seed)
    for _ in range(3):
        thread = threading.Thread(target=quietly, args=(own,), kwargs={"nocache": 1, "t": "killed"})
        thread.start()
        time.sleep(chance.uniform(0.02, 0.6))
        own.kill()
        thread.join(20)
        own.start()
        check_store(own)
    result = build(own, STEPS, FILES, t="after")
    assert not result.error
    assert own.out("run", "--rm", "after", "sh", "-c", "wc -l < /w/x/list; ls /from | wc -l").split() == ["201", "201"]


def test_a_daemon_that_is_stopped_takes_its_builds_along(own: Daemon) -> None:
    thread = threading.Thread(target=quietly, args=(own,), kwargs={"nocache": 1, "t": "stopped"})
    thread.start()
    time.sleep(0.3)
    own.stop()
    thread.join(20)
    own.start()
    check_store(own)


def test_a_run_whose_launcher_dies(own: Daemon) -> None:
    answers: list[Result] = []
    text = "FROM busybox\nRUN sleep 30\n"
    thread = threading.Thread(target=lambda: answers.append(build(own, text)))
    thread.start()
    deadline = time.monotonic() + 10
    while not own.api.get("/containers/json").json():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run = str(own.instance.run)
    pids = subprocess.run(["pgrep", "-f", f"runtime.launcher.*{run}"], capture_output=True, text=True, check=True)
    os.kill(int(pids.stdout.split()[0]), 9)
    thread.join(20)
    assert answers[0].error == "The command '/bin/sh -c sleep 30' returned a non-zero code: 137"
    check_store(own)


def test_a_run_that_uses_too_much_memory(daemon: Daemon) -> None:
    text = "FROM busybox\nRUN head -c 200m /dev/zero | tail\n"
    result = build(daemon, text, memory=32 << 20, memswap=32 << 20)
    assert result.error.startswith("The command '/bin/sh -c head -c 200m /dev/zero | tail' returned a non-zero code: ")
    assert result.steps[-1]["detail"] == "out of memory"
    assert containers(daemon) == []


def test_a_run_that_is_killed(daemon: Daemon) -> None:
    result = build(daemon, "FROM busybox\nRUN kill -9 $$; sleep 1\n", nocache=1)
    # the first process of a PID namespace cannot kill itself: as with dockerd, this goes on (pid_namespaces(7))
    assert result.image


def test_a_base_image_that_nobody_has(own: Daemon) -> None:
    before = images(own, all=True)
    own.stop()
    own.mirrors = ()
    own.extra = ("--registry-mirror", "http://127.0.0.1:1")
    own.start()
    result = build(own, "FROM nosuch-image\nRUN true\n")
    assert result.error and result.detail["line"] == 1
    assert images(own, all=True) == before


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own for an engine's root; ext4 in a file, or a tmpfs that overlayfs takes."""
    place = directory / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def cramped(busybox_mirror: str) -> Iterator[Daemon]:
    """An engine with a disk of 200 MB."""
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        small_disk(Path(directory), 200) as disk,
        running_daemon(disk, (busybox_mirror,)) as running,
    ):
        running.docker("pull", "busybox")
        yield running


def test_a_full_disk(cramped: Daemon) -> None:
    before = settled(cramped)["layers"]
    filled = build(cramped, "FROM busybox\nRUN head -c 400m /dev/zero > /big\n")
    assert "non-zero code" in filled.error
    assert settled(cramped) == {"staging": [], "snapshots": [], "containers": [], "layers": before}
    data = os.urandom(150 << 20)
    copied = build(cramped, "FROM busybox\nCOPY big /a\nCOPY big /b\n", {"big": data[: 25 << 20]})
    if copied.error:
        assert "no space left on device" in copied.error
    with pytest.raises(APIError, match="no space left on device"):
        build_tar(cramped, context({"Dockerfile": "FROM busybox\n", "big": data}))
    assert settled(cramped)["staging"] == []
    assert build(cramped, "FROM busybox\nENV STILL=alive\n").image


def test_the_daemons_loop_is_not_held_up(daemon: Daemon) -> None:
    """While a context of many files comes, is hashed and copied, other requests are answered."""
    files: dict[str, Member] = {f"d{number % 50}/f{number}": "x" * 2000 for number in range(6000)}
    data = context({"Dockerfile": "FROM busybox\nCOPY . /x\n", **files})
    done = threading.Event()
    slowest = 0.0

    def work() -> None:
        build_tar(daemon, data, nocache=1)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        started = time.monotonic()
        daemon.api.get("/_ping").read()
        slowest = max(slowest, time.monotonic() - started)
        time.sleep(0.005)
    thread.join()
    assert slowest < 1.0  # of this test's own process mostly, which shares the processors
