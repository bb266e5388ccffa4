"""%without in JupyterLab, every wall's page: it shows its leak, fits and is dressed. One of them is always tried, in
test_notebook."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from kernel_engine.walls import stage
from kernel_engine.walls.walls import PREFIX
from labs.notebook.kernel.without import STOPPED
from labs.without.table import CLEAN, WALLS
from tests.browser.classroom import PATIENCE, Notebook
from tests.browser.test_living import STRAYS, dress
from tests.daemon import Daemon

#: a folder for pictures of what the tests see
SHOTS = os.environ.get("DOCKER_LABS_SHOTS", "")
pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def shot(picture: Locator, name: str) -> None:
    if SHOTS:
        picture.screenshot(path=str(Path(SHOTS, f"without-{name}.png")))


@pytest.mark.parametrize("wall", WALLS)
def test_every_wall_has_its_page(empty: Notebook, wall: str) -> None:
    cell = empty.start(WALLS[wall].example)
    empty.ended(cell)
    found = cell.locator(".dl-without").last
    expect(found).to_contain_text(CLEAN)
    expect(found.locator(".dl-seen")).to_contain_text(WALLS[wall].leak)
    assert found.locator(".dl-leaked").count() > 0
    for width, theme in ((480, "Dark"), (480, "Light"), (1000, "Light"), (1000, "Dark")):
        with dressed(empty, width, theme):
            assert found.evaluate(STRAYS) == []
            shot(found, f"{wall}-{theme.lower()}-{width}")


def test_an_interrupted_cell_ends_both(empty: Notebook, engine: Daemon) -> None:
    def stands() -> bool:
        return bool(stage.left(engine.instance.cgroup, PREFIX))

    cell = empty.start("%without pid docker run --rm busybox sleep 1000")
    until(stands)
    empty.page.locator("[data-command='notebook:interrupt-kernel']").first.click()
    assert STOPPED in empty.ended(cell)
    until(lambda: not stands())


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def dressed(notebook: Notebook, width: int, theme: str) -> Iterator[None]:
    page = notebook.page
    before = page.viewport_size
    assert before is not None
    page.set_viewport_size(before)
    dress(page, theme)
    if page.locator("#jp-left-stack").is_visible():  # who has little room hides the file browser
        page.keyboard.press("Control+b")
    page.set_viewport_size({"width": width, "height": 2000})
    try:
        page.wait_for_function("width => document.querySelector('.jp-LabShell').clientWidth === width", arg=width)
        yield
    finally:
        page.set_viewport_size(before)
