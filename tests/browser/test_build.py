"""`%%dockerfile` and `%layers` as a person sees them: what runs is seen while it runs, nothing is cut at any width."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.classroom import Notebook
from tests.browser.test_labs import FITS, HEIGHT, STRAYS
from tests.daemon import Daemon

SLOW = "%%dockerfile -t slow:1\nFROM busybox\nRUN for n in 1 2 3 4 5 6 7 8; do echo line $n; sleep 0.5; done\nCMD sh"
WIDTHS = (480, 1280)
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def pulled(engine: Daemon) -> None:
    engine.docker("pull", "busybox")


@pytest.fixture(scope="module")
def built(empty: Notebook) -> Locator:
    """The cell of a build that has ended; what was seen while it ran is checked on the way."""
    empty.page.keyboard.press("Control+b")  # who has little room hides the file browser
    expect(empty.page.locator("#jp-left-stack")).to_be_hidden()
    cell = empty.start(SLOW)
    build = cell.locator(".dl-build")
    running = build.locator(".dl-running")
    expect(running).to_contain_text("RUN for n in")
    expect(running).to_contain_text("실행 중")
    expect(running.locator(".dl-output")).to_contain_text("line 2")
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\*\]:?$"))
    expect(build.locator(".dl-waiting")).to_contain_text("CMD sh")
    clock = running.locator("[data-ticking]")
    before = clock.inner_text()
    expect(clock).not_to_have_text(before)
    empty.ended(cell)
    return cell


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, page: Page) -> Iterator[int]:
    before = page.viewport_size
    page.set_viewport_size({"width": request.param, "height": HEIGHT})
    yield request.param
    if before is not None:
        page.set_viewport_size(before)


def test_the_image_stands_apart_from_the_steps(built: Locator, empty: Notebook) -> None:
    """Also when another output has brought the style of all once more."""
    expect(empty.start("%predict 00-1").locator(".dl-predict")).to_be_visible()
    gap = "build => build.querySelector('.dl-image').getBoundingClientRect().top"
    gap += " - [...build.querySelectorAll('ol')].pop().getBoundingClientRect().bottom"
    assert built.locator(".dl-build").evaluate(gap) >= 8


def test_a_build_is_seen_while_it_runs(built: Locator) -> None:
    build = built.locator(".dl-build")
    expect(build.locator(".dl-done, .dl-cached")).to_have_count(3)
    expect(build.locator(".dl-running")).to_have_count(0)
    expect(build.locator(".dl-image")).to_contain_text("slow:1")
    expect(build.locator("details")).not_to_have_attribute("open", "")


def test_what_a_step_printed_unfolds_by_keyboard(built: Locator) -> None:
    fold = built.locator("summary")
    fold.focus()
    fold.press("Enter")
    expect(built.locator(".dl-output")).to_be_visible()
    expect(built.locator(".dl-output")).to_contain_text("line 8")


def test_what_the_reader_has_folded_stays_folded_while_more_comes(empty: Notebook) -> None:
    cell = empty.start(SLOW.replace("-t slow:1", "--no-cache -t slow:2"))
    fold = cell.locator(".dl-running details")
    fold.locator("summary").click()
    seen = cell.locator(".dl-running summary").inner_text()
    expect(cell.locator(".dl-running summary")).not_to_have_text(seen)  # drawn again since
    expect(fold).not_to_have_attribute("open", "")
    empty.ended(cell)


def test_the_saved_page_has_the_end_of_the_build(built: Locator, empty: Notebook) -> None:
    empty.page.keyboard.press("Control+s")
    empty.page.locator(".jp-Dialog .jp-mod-accept").click()  # the first time it asks for a name
    expect(empty.page.locator(".lm-TabBar-tab.lm-mod-current.jp-mod-dirty")).to_have_count(0)
    [cell] = [cell for cell in empty.server.read("Untitled.ipynb").cells if "-t slow:1" in cell.source]
    [output] = cell.outputs
    assert "이미지를 만들었어요: slow:1" in output.data["text/plain"]
    assert "실행 중" not in output.data["text/html"]


def test_a_failure_is_shown_where_it_is(empty: Notebook) -> None:
    cell = empty.start("%%dockerfile -t broken\nFROM busybox\nRUN echo before; nosuch\nCMD sh")
    empty.ended(cell)
    expect(cell.locator(".dl-failed .dl-output")).to_contain_text("nosuch: not found")
    failure = cell.locator(".dl-failure")
    expect(failure).to_contain_text("broken/Dockerfile의 2번째 줄 (이 셀의 3번째 줄)")
    expect(failure).to_contain_text("returned a non-zero code: 127")


def test_a_layer_shows_what_it_changes(built: Locator, empty: Notebook) -> None:
    empty.run("%%dockerfile -t files:1\nFROM busybox\nRUN echo x > /new && rm /bin/vi\nENV A=b")
    cell = empty.start("%layers files:1 busybox")
    sheets = cell.locator(".dl-layers .dl-sheet")
    expect(sheets).to_have_count(2)  # the base is one sheet for both
    expect(sheets.last).to_contain_text("함께 쓰는 이미지: busybox:latest, files:1")
    expect(cell.locator(".dl-setting", has_text="ENV A=b")).to_be_visible()
    sheets.first.focus()
    sheets.first.press("Enter")
    raw = cell.locator(".dl-raw")
    expect(raw).to_contain_text("A /new")
    expect(raw).to_contain_text("D /bin/vi")
    expect(raw).to_contain_text('"DiffId": "sha256:')


def test_tab_offers_instructions(built: Locator, empty: Notebook) -> None:
    cell = empty.cells.last
    cell.locator(".cm-content").click()
    empty.page.keyboard.type("%%dockerfile\nFROM busybox\nEN")
    empty.page.keyboard.press("Tab")
    expect(empty.page.locator(".jp-Completer-item", has_text="ENTRYPOINT")).to_be_visible()
    empty.page.keyboard.press("ArrowDown")
    empty.page.keyboard.press("Enter")
    expect(cell.locator(".cm-line").last).to_have_text(re.compile("^ENV"))
    empty.page.keyboard.press("Control+a")
    empty.page.keyboard.press("Delete")


def test_nothing_is_cut_at_any_width(built: Locator, empty: Notebook, width: int) -> None:
    page = empty.page
    page.wait_for_function("width => document.querySelector('.jp-LabShell').clientWidth === width", arg=width)
    page.wait_for_function(FITS)
    assert page.evaluate(STRAYS) == []


COMPOSE = "services: {web: {image: busybox, command: sleep 60, healthcheck: {test: sleep 2, interval: 1s}}}"


def test_a_command_cell_has_bars_while_it_works(empty: Notebook) -> None:
    """Of a build and of services; they are gone when the cell has ended, and so is their place."""
    cell = empty.start(
        "docker build -q -t slow:3 - <<'END'\nFROM busybox\nRUN for n in 1 2 3 4 5 6; do sleep 1; done\nEND"
    )
    bars = cell.locator(".dl-bars")
    expect(bars.locator(".dl-working")).to_contain_text("RUN for n in")
    expect(bars.locator(".dl-count")).to_have_text("1/2")
    assert empty.page.evaluate(FITS)
    assert empty.page.evaluate(STRAYS) == []
    empty.ended(cell)
    expect(bars).to_have_count(0)
    cell = empty.start(
        f"docker compose -p bars -f - up -d --wait <<'END'\n{COMPOSE}\nEND\ndocker compose -p bars down -t 0"
    )
    expect(cell.locator(".dl-bars .dl-working")).to_contain_text("bars-web-1")
    empty.ended(cell)
    expect(cell.locator(".dl-bars")).to_have_count(0)
    expect(cell).to_contain_text("Container bars-web-1  Healthy")
