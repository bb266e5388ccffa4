"""What tests of the whole engine share."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

from labs.hub.maker import making
from labs.hub.registry import DEFAULT_DATA, PROGRAM, serving
from tests.busybox_registry import registry
from tests.daemon import Daemon, running_daemon

# a shell that runs the tests in the background ignores SIGINT, and what it starts inherits that (signal(7))
signal.signal(signal.SIGINT, signal.default_int_handler)
# and one under nohup(1) ignores SIGHUP: a shell cannot trap what was ignored before it
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# `timeout`, or whoever else ends the tests politely: fixtures still take their engines away
signal.signal(signal.SIGTERM, signal.default_int_handler)

HUB = Path(os.environ.get("DOCKER_LABS_HUB") or DEFAULT_DATA)

#: modules whose engines publish the labs' fixed ports: one after another, or one worker would wait for the other's
FIXED_PORTS = (
    "tests/labs/test_exercises.py",
    "tests/labs/test_notebooks.py",
    "tests/labs/test_orchestration.py",
    "tests/browser/test_labs.py",
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: real namespaces, mounts and cgroups")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A module's tests together, on one worker; those of FIXED_PORTS too."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "fixed ports" if module in FIXED_PORTS else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Named by pytest-xdist; `./lab test` asks for `--dist loadscope`."""
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def busybox_mirror() -> Iterator[str]:
    """The address of a registry that answers every name with a small busybox image."""
    with registry() as address:
        yield address


@pytest.fixture(scope="session")
def hub() -> Iterator[str]:
    """The address of a hub on the images that `./lab up` or `./lab test` made."""
    if not shutil.which(PROGRAM):
        pytest.skip(f"needs {PROGRAM}")
    if not (HUB / "registry").is_dir():
        pytest.skip(f"needs the offline hub's images in {HUB}: python -m labs.hub fill")
    with tempfile.TemporaryDirectory(prefix="hub-test-") as run, serving(HUB, Path(run)) as address:
        yield address


@pytest.fixture(scope="session")
def hub_maker(hub: str) -> Iterator[str]:
    """The address of what makes, on first need, the images that the hub of `hub` lacks."""
    with making(HUB, hub) as address:
        yield address


@pytest.fixture(scope="module")
def daemon(busybox_mirror: str) -> Iterator[Daemon]:
    """An engine of the module's own, with busybox pulled."""
    if os.geteuid() != 0:
        pytest.skip("needs root: real namespaces, mounts and cgroups")
    with (
        tempfile.TemporaryDirectory(prefix="ke-test-") as directory,
        running_daemon(Path(directory), (busybox_mirror,)) as running,
    ):
        running.docker("pull", "busybox")
        yield running


@pytest.fixture
def clean(daemon: Daemon) -> Iterator[Daemon]:
    """The module's engine without any container, before and after."""
    remove_containers(daemon)
    yield daemon
    remove_containers(daemon)


def remove_containers(daemon: Daemon) -> None:
    for container in daemon.api.get("/containers/json", query={"all": "1"}).json():
        daemon.api.delete(f"/containers/{container['Id']}", query={"force": "1", "v": "1"})
