"""Pictures that stay true: the life of containers and what they use, while cells run, and when nobody looks on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tests.browser.classroom import Notebook
from tests.conftest import remove_containers
from tests.daemon import Daemon

pytestmark = pytest.mark.timeout(600)
#: where pictures of the pictures go, for those who want to look at them
SHOTS = os.environ.get("DOCKER_LABS_SHOTS", "")

#: what is set in motion leaves its text in window.moved
NOTE_MOVES = """() => {
  window.moved = [];
  const own = Element.prototype.animate;
  Element.prototype.animate = function (...words) {
    window.moved.push(this.textContent);
    return own.apply(this, words);
  };
}"""
STRAYS = """box => {
  const edge = box.closest('.jp-OutputArea-output').getBoundingClientRect().right + 1;
  return [...box.querySelectorAll('*')].filter((thing) => thing.getBoundingClientRect().right > edge)
    .map((thing) => thing.outerHTML);
}"""
BUSY = "busybox sh -c 'while :; do :; done'"
THREADS = """import threading
print(sorted(thread.name for thread in threading.enumerate() if thread.name.endswith("-card")))"""


@pytest.fixture(scope="module", autouse=True)
def pulled(engine: Daemon) -> None:
    engine.docker("pull", "busybox")


@pytest.fixture(autouse=True)
def no_containers(engine: Daemon) -> Iterator[None]:
    remove_containers(engine)
    yield
    remove_containers(engine)


@pytest.fixture(scope="module", autouse=True)
def console(page: Page) -> list[str]:
    """What went wrong in the page; read by the last test."""
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # other tests make and remove network interfaces, which breaks requests of Chromium; the page asks again
        if message.type == "error" and "net::ERR_NETWORK_CHANGED" not in message.text:
            said.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def here(picture: Locator, place: str) -> Locator:
    """The containers that are drawn in a state, in the drawing that fits."""
    return picture.locator(f".dl-life > svg:visible .dl-{place} .dl-chip")


def shot(picture: Locator, name: str) -> None:
    if SHOTS:
        picture.screenshot(path=str(Path(SHOTS, f"{name}.png")))


def test_a_container_goes_through_its_life(empty: Notebook) -> None:
    picture = empty.start("%lifecycle").locator(".dl-lifecycle")
    expect(picture).to_contain_text("지금")
    steps = {
        "docker create --name live busybox sleep 1000": "created",
        "docker start live": "running",
        "docker pause live": "paused",
        "docker unpause live": "running",
        "docker kill live": "exited",
        "docker rm live": "removed",
    }
    for command, place in steps.items():
        empty.run(command)
        expect(here(picture, place)).to_have_text([re.compile("^live · .*live")])
        for other in {"created", "running", "paused", "exited", "removed"} - {place}:
            expect(here(picture, other)).to_have_count(0)
        if place == "exited":
            expect(here(picture, place)).to_contain_text("(137)")


def test_what_changes_its_state_is_seen_to_move(empty: Notebook) -> None:
    """And does not where the reader wants no motion."""
    picture = empty.start("%lifecycle").locator(".dl-lifecycle")
    empty.run("docker create --name moves busybox sleep 1000\ndocker create --name stays busybox true")
    expect(here(picture, "created")).to_have_count(2)
    empty.page.evaluate(NOTE_MOVES)
    empty.run("docker start moves")
    expect(here(picture, "running")).to_have_count(1)
    moved = empty.page.evaluate("() => window.moved")
    assert [text.split(" ")[0] for text in moved] == ["moves"]
    empty.page.emulate_media(reduced_motion="reduce")
    empty.run("docker kill moves")
    expect(here(picture, "exited")).to_have_count(1)
    assert empty.page.evaluate("() => window.moved.length") == 1
    empty.page.emulate_media(reduced_motion="no-preference")


def test_a_container_shows_its_raw_form_by_keyboard(empty: Notebook) -> None:
    empty.run("docker create --name raw-life busybox true")
    cell = empty.start("%lifecycle")
    chip = here(cell.locator(".dl-lifecycle"), "created")
    chip.focus()
    chip.press("Enter")
    expect(cell.locator(".dl-raw")).to_contain_text('"Name": "/raw-life"')


def test_the_board_is_measured_while_a_cell_runs(empty: Notebook, engine: Daemon) -> None:
    empty.run(f"docker run -d --name busy -m 64m {BUSY}\ndocker run -d --name idle busybox sleep 1000")
    cell = empty.start("%dashboard")
    rows = cell.locator(".dl-use")
    expect(rows).to_have_count(2)
    busy = rows.filter(has_text="busy")
    expect(busy).to_contain_text("64MiB 제한")
    expect(rows.filter(has_text="idle")).to_contain_text("제한 없음")
    working = empty.start("docker run --rm --name long busybox sleep 100")
    expect(rows).to_have_count(3)  # it is on the board while its cell still runs
    expect(busy.locator(".dl-gauge").first).to_contain_text(re.compile(r"[1-9]\d*\.\d%"))
    points = busy.locator(".dl-past polyline")
    before = len(str(points.get_attribute("points")).split())
    empty.page.wait_for_function(
        "([line, before]) => line.isConnected ? line.getAttribute('points').split(' ').length > before : true",
        arg=[points.element_handle(), before],
    )
    expect(working.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\*"))
    engine.docker("kill", "long")
    empty.ended(working)
    expect(rows).to_have_count(2)
    busy.locator("button").click()
    expect(cell.locator(".dl-raw")).to_contain_text('"Name": "/busy"')


def test_the_board_is_put_in_order_and_rests(empty: Notebook) -> None:
    empty.run(f"docker run -d --name a-idle busybox sleep 1000\ndocker run -d --name b-busy {BUSY}")
    cell = empty.start("%dashboard")
    names = cell.locator(".dl-who b")
    expect(names).to_have_text(["a-idle", "b-busy"])
    cell.get_by_role("button", name="CPU", exact=True).click()
    expect(names).to_have_text(["b-busy", "a-idle"])
    cell.get_by_role("button", name="멈추기").click()
    expect(cell.get_by_role("button", name="계속")).to_be_visible()
    empty.run("docker kill b-busy")
    empty.run("import time; time.sleep(2)")
    expect(names).to_have_text(["b-busy", "a-idle"])
    cell.get_by_role("button", name="계속").click()
    expect(names).to_have_text(["a-idle"])


def test_nothing_is_read_where_nobody_looks_on(empty: Notebook) -> None:
    """The output was cleared: the thread only waits. Run again, the new one looks, and the old one ends."""
    before = empty.run(THREADS)
    cell = empty.start("%dashboard")
    expect(cell.locator(".dl-dashboard")).to_be_visible()
    looks = (
        "from labs.notebook.learning import living, usage\n"
        "looks, own = [], usage.Meter.__call__\n"
        "usage.Meter.__call__ = lambda self: looks.append(1) or own(self)"
    )
    empty.run(looks)
    empty.run("import time; time.sleep(2.5)")
    assert int(empty.run("print(len(looks))")) >= 1
    cell.click()
    empty.page.keyboard.press("Escape")
    empty.page.evaluate("() => 0")
    cell.locator(".jp-InputPrompt").click()
    empty.page.locator(".lm-MenuBar-item", has_text=re.compile("^(편집|Edit)$")).click()
    empty.page.locator(".lm-Menu-item[data-command='editmenu:clear-current']").click()
    expect(cell.locator(".dl-dashboard")).to_have_count(0)
    empty.run("time.sleep(1.5); looks.clear(); time.sleep(2.5)")
    assert int(empty.run("print(len(looks))")) == 0
    cell.locator(".cm-content").click()
    empty.page.keyboard.press("Control+Enter")
    expect(cell.locator(".dl-dashboard")).to_be_visible()
    empty.run("time.sleep(2)")
    assert int(empty.run("print(len(looks))")) >= 1
    assert empty.run(THREADS) in (before, before.replace("[", "['dashboard-card', ").replace(", ]", "]"))


def dress(page: Page, theme: str) -> None:
    """설정 → 테마: "Light" or "Dark"."""
    if page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']").count():
        return
    page.locator(".lm-MenuBar-item", has_text=re.compile("^(설정|Settings)$")).click()
    page.locator(".lm-Menu-item[data-type='submenu']", has_text=re.compile("^(테마|Theme)$")).hover()
    page.locator(".lm-Menu-item[data-command='apputils:change-theme']", has_text=f"JupyterLab {theme}").first.click()
    expect(page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")).to_have_count(1)


#: each width, and each theme; what is dark is no wider than what is light, so the other two are for `--full`
SIGHTS = [
    *((width, "Light") for width in (480, 1000, 1600)),
    (480, "Dark"),
    *(pytest.param(width, "Dark", marks=pytest.mark.full) for width in (1000, 1600)),
]


@pytest.mark.parametrize(("width", "theme"), SIGHTS)
def test_it_fits_and_is_dressed(empty: Notebook, engine: Daemon, width: int, theme: str) -> None:
    page = empty.page
    dress(page, theme)
    before = page.viewport_size
    empty.run(
        "docker run --name ended-with-a-very-long-name busybox sh -c 'exit 3'\n"
        f"docker run -d --name busy -m 64m {BUSY}\n"
        "docker run -d --name with-a-name-that-is-long busybox sleep 1000\n"
        "docker run -d --name held busybox sleep 1000\n"
        "docker pause held; for n in 1 2 3 4 5 6 7; do docker create --name made-$n busybox true; done"
    )
    life = empty.start("%lifecycle").locator(".dl-lifecycle")
    board = empty.start("%dashboard").locator(".dl-dashboard")
    empty.run("docker rm made-7")
    if page.locator("#jp-left-stack").is_visible():  # who has little room hides the file browser
        page.keyboard.press("Control+b")
    page.set_viewport_size({"width": width, "height": 900})
    try:
        page.wait_for_function("width => document.querySelector('.jp-LabShell').clientWidth === width", arg=width)
        expect(life.locator(".dl-life > svg:visible")).to_have_count(1)
        expect(here(life, "created")).to_have_count(5)
        expect(board.locator(".dl-use")).to_have_count(3)
        expect(here(life, "removed")).to_be_visible()
        life.evaluate("box => Promise.all(box.getAnimations({subtree: true}).map((moves) => moves.finished))")
        for picture in (life, board):
            assert picture.evaluate(STRAYS) == []
        shot(life, f"life-{theme.lower()}-{width}")
        shot(board, f"board-{theme.lower()}-{width}")
    finally:
        assert before is not None
        page.set_viewport_size(before)


VOLUMES = """docker volume create alone
docker run -d --name writes -v keep:/data busybox sleep 1000
docker run -d --name reads-under-a-long-name -v keep:/data/with/a/long/path:ro -v "$PWD:/here" busybox sleep 1000
docker run --name ended -v /var/lib/thing --tmpfs /secret busybox true"""


@pytest.mark.parametrize(("width", "theme"), SIGHTS)
def test_the_volumes_follow_the_commands_and_fit(empty: Notebook, engine: Daemon, width: int, theme: str) -> None:
    page = empty.page
    dress(page, theme)
    before = page.viewport_size
    picture = empty.start("%volumes").locator(".dl-volumes")
    empty.run(VOLUMES)
    holdings = picture.locator(".dl-holding")
    expect(holdings).to_have_count(5)
    keep = holdings.filter(has=page.locator("b", has_text=re.compile("^keep$")))
    expect(keep.locator(".dl-rw .dl-thing")).to_contain_text("writes")
    expect(keep.locator(".dl-ro .dl-thing")).to_contain_text("reads-under-a-long-name")
    if page.locator("#jp-left-stack").is_visible():
        page.keyboard.press("Control+b")
    page.set_viewport_size({"width": width, "height": 900})
    try:
        page.wait_for_function("width => document.querySelector('.jp-LabShell').clientWidth === width", arg=width)
        picture.evaluate("box => Promise.all(box.getAnimations({subtree: true}).map((moves) => moves.finished))")
        assert picture.evaluate(STRAYS) == []
        shot(picture, f"volumes-{theme.lower()}-{width}")
        keep.locator("button.dl-holder").click()
        expect(picture.locator(".dl-raw")).to_contain_text("GET /volumes/keep")
        remove_containers(engine)
        expect(keep).to_contain_text("쓰는 컨테이너가 없어요")
    finally:
        assert before is not None
        page.set_viewport_size(before)
        remove_containers(engine)
        engine.docker("volume", "prune", "-af")


def test_a_restarted_kernel_leaves_the_pictures_as_they_are(empty: Notebook, console: list[str]) -> None:
    cell = empty.start("%lifecycle")
    expect(cell.locator(".dl-lifecycle")).to_contain_text("지금")
    empty.page.locator(".lm-MenuBar-item", has_text=re.compile("^(커널|Kernel)$")).click()
    empty.page.locator(".lm-Menu-item[data-command='kernelmenu:restart']").click()
    empty.page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(empty.page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"\| (대기|Idle)"))
    again = empty.start("%lifecycle")
    expect(again.locator(".dl-lifecycle")).to_contain_text("지금")
    assert console == []
