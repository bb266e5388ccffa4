"""One engine, one JupyterLab and one Chromium for a module of browser tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from labs.hub.maker import making
from labs.hub.registry import PROGRAM, serving
from tests.browser import classroom
from tests.browser.classroom import PATIENCE, Notebook, Server
from tests.busybox_registry import registry
from tests.conftest import HUB
from tests.daemon import Daemon, running_daemon


@pytest.fixture(scope="session")
def chromium() -> str:
    if not (found := classroom.chromium()):
        pytest.skip("needs chromium")
    return found


@pytest.fixture(scope="session")
def has_hub() -> bool:
    return bool(shutil.which(PROGRAM)) and (HUB / "registry").is_dir()


@pytest.fixture(scope="module")
def engine(chromium: str, has_hub: bool) -> Iterator[Daemon]:
    """Pulls from the offline hub, or, where that has not been filled, from a registry of busybox alone."""
    if os.geteuid() != 0:
        pytest.skip("needs root: real namespaces, mounts and cgroups")
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ke-test-")))
        place.chmod(0o711)  # the learner goes through to the socket
        mirrors = [stack.enter_context(serving(HUB, place) if has_hub else registry())]
        if has_hub:
            mirrors.append(stack.enter_context(making(HUB, mirrors[0])))
        yield stack.enter_context(running_daemon(place, tuple(mirrors), "--group", classroom.learner().group))


@pytest.fixture(scope="module")
def server(engine: Daemon) -> Iterator[Server]:
    with (
        tempfile.TemporaryDirectory(prefix="jupyter-test-") as place,
        classroom.jupyterlab(Path(place), classroom.learner(), engine.host) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def browser(server: Server, chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    with classroom.browser(chromium) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="ko-KR")
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def empty(page: Page, server: Server) -> Notebook:
    """A new notebook, opened once for the module."""
    return Notebook.new(page, server)
