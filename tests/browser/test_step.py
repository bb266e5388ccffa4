"""`%step`: buttons that let a container's start go on one step at a time, and what is left when it is given up."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.classroom import PATIENCE, Notebook
from tests.conftest import remove_containers
from tests.daemon import Daemon

pytestmark = pytest.mark.timeout(600)
#: where pictures of the pictures go, for those who want to look at them
SHOTS = os.environ.get("DOCKER_LABS_SHOTS", "")
COMMAND = "%step docker run --name stepped -m 64m -p 127.0.0.1::80 busybox echo 안녕하세요"


@pytest.fixture(scope="module", autouse=True)
def pulled(engine: Daemon) -> None:
    engine.docker("pull", "busybox")


@pytest.fixture(autouse=True)
def no_containers(engine: Daemon) -> Iterator[None]:
    remove_containers(engine)
    yield
    remove_containers(engine)


def shot(picture: Locator, name: str) -> None:
    if SHOTS:
        for width in (1280, 800):  # where there is no room for a side bar, the page is 480 pixels wide
            picture.page.set_viewport_size({"width": width, "height": 2400})
            picture.screenshot(path=str(Path(SHOTS, f"{name}-{width}.png")))
        picture.page.set_viewport_size({"width": 1280, "height": 900})


def press(picture: Locator, label: str) -> None:
    picture.get_by_role("button", name=label, exact=True).click()


def stands_at(picture: Locator, number: int) -> None:
    expect(picture.locator(".dl-here")).to_have_text(str(number))


def row(picture: Locator, name: str) -> Locator:
    return picture.locator("tbody tr").filter(has=picture.page.get_by_role("rowheader", name=name, exact=True))


def all_gone(engine: Daemon) -> None:
    until = time.monotonic() + PATIENCE
    while engine.out("ps", "-aq") and time.monotonic() < until:
        time.sleep(0.1)
    assert engine.out("ps", "-aq") == ""
    assert not list(Path("/sys/class/net").glob(f"{engine.instance.veth_prefix}*"))


def test_a_start_goes_on_step_by_step_to_its_end(empty: Notebook, engine: Daemon, page: Page) -> None:
    picture = empty.start(COMMAND).locator(".dl-stepping")
    stands_at(picture, 1)
    expect(picture).to_contain_text("새 PID 네임스페이스")
    press(picture, "다음")
    stands_at(picture, 2)
    expect(row(picture, "마운트(mnt)")).to_contain_text("같이 써요")
    pid = row(picture, "프로세스").locator("td").first.inner_text().removeprefix("pid ")
    assert Path(f"/proc/{pid}").exists()
    press(picture, "다음")
    stands_at(picture, 3)
    press(picture, "다음")
    stands_at(picture, 4)
    expect(row(picture, "cgroup")).to_contain_text("방금 바뀌었어요")
    shot(picture, "step-4")
    press(picture, "다음")
    stands_at(picture, 5)
    expect(row(picture, "네트워크(net)")).to_contain_text("따로예요")
    inode = str(os.stat(f"/proc/{pid}/ns/net").st_ino)
    expect(row(picture, "네트워크(net)")).to_contain_text(inode)
    picture.locator("summary").first.click()
    expect(picture.locator("details[open] li")).not_to_have_count(0)
    shot(picture, "step-5")
    # another container starts meanwhile, from another cell
    assert "other" in empty.run("docker run --rm busybox echo other")
    press(picture, "끝까지")
    expect(picture.locator(".dl-done")).to_have_text("끝까지 왔어요. 컨테이너가 실행됐어요.")
    expect(picture.locator("pre").first).to_have_text(re.compile("안녕하세요"))
    expect(picture.locator(".dl-timeline")).to_contain_text("커널 타임라인")
    shot(picture, "step-end")
    assert engine.inspect("stepped")["State"]["ExitCode"] == 0


def test_giving_up_leaves_nothing(empty: Notebook, engine: Daemon) -> None:
    picture = empty.start(COMMAND).locator(".dl-stepping")
    stands_at(picture, 1)
    for number in range(2, 8):
        press(picture, "다음")
        stands_at(picture, number)
    press(picture, "그만두기")
    expect(picture.locator(".dl-gone")).to_contain_text("모두 치웠어요")
    shot(picture, "step-gone")
    all_gone(engine)


def test_a_kernel_that_ends_takes_its_start_along(empty: Notebook, engine: Daemon) -> None:
    picture = empty.start(COMMAND).locator(".dl-stepping")
    stands_at(picture, 1)
    press(picture, "다음")
    stands_at(picture, 2)
    empty.start("import os; os.kill(os.getpid(), 9)")
    all_gone(engine)
