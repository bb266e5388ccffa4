"""The labs from top to bottom, as `Run All Cells` runs them, and the wiki of lab 03 in its frame and in a tab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labs import catalogue
from labs.build import fixed_ports
from labs.catalogue import Lab
from tests.browser.classroom import Notebook, Server
from tests.daemon import Daemon

WIDTHS = (480, 1000, 1600)
HEIGHT = 900
#: the notebook does not scroll sideways (its editors and tables do, each by itself)
FITS = """() => {
  const panel = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer');
  return panel.scrollWidth <= panel.clientWidth + 1;
}"""
#: what of our pages sticks out of the box that holds it, and which buttons and boxes lie on one another
STRAYS = """() => {
  const found = [];
  for (const page of document.querySelectorAll('.jp-OutputArea-output .dl')) {
    const edge = page.closest('.jp-OutputArea-output').getBoundingClientRect();
    for (const thing of page.querySelectorAll('*')) {
      const box = thing.getBoundingClientRect();
      if (!box.width || thing.closest('.dl-raw')) continue;
      const words = thing.className + ': ' + thing.textContent.slice(0, 40);
      if (box.right > edge.right + 1 || box.left < edge.left - 1) found.push('outside ' + words);
    }
    const things = [...page.querySelectorAll('button, label, summary')];
    const boxes = things.map((thing) => thing.getBoundingClientRect());
    boxes.forEach((one, at) => boxes.slice(at + 1).forEach((other, after) => {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      const words = [things[at], things[at + 1 + after]].map((thing) => thing.outerHTML.slice(0, 80));
      if (across > 1 && down > 1) found.push('overlap ' + [page.className, ...words].join(' | '));
    }));
  }
  return found;
}"""
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True)
class Run:
    """A lab whose cells have all been run, and its code cells as they were saved."""

    lab: Lab
    notebook: Notebook
    cells: list[Any]


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    with fixed_ports():
        yield


#: run whole in every run; the others with --full, for nbval replays each lab in every run
ALWAYS = ("00", "02")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(lab, marks=[] if lab.number in ALWAYS else [pytest.mark.full], id=lab.number)
        for lab in catalogue.labs()
    ],
)
def ran(request: pytest.FixtureRequest, page: Page, server: Server, has_hub: bool) -> Run:
    if not has_hub:
        pytest.skip("needs the offline hub's images: python -m labs.hub fill")
    lab: Lab = request.param
    notebook = Notebook.opened(page, server, path_of(lab))
    page.keyboard.press("Control+b")  # who has little room hides the file browser
    expect(page.locator("#jp-left-stack")).to_be_hidden()
    return Run(lab, notebook, notebook.run_all(path_of(lab)))


def path_of(lab: Lab) -> str:
    return f"{lab.place}/{lab.notebook.name}"


@pytest.mark.parametrize("lab", catalogue.labs(), ids=lambda lab: lab.number)
def test_it_is_dressed_before_it_runs(lab: Lab, page: Page, server: Server) -> None:
    """The notebook is trusted, so that its pages keep their style; JupyterLab has the course's own; all of it fits."""
    notebook = Notebook.opened(page, server, path_of(lab))
    expect(notebook.cells.first.locator(".dl-map nav ol")).to_have_css("display", "flex")
    expect(notebook.cells.locator(".jp-RenderedMarkdown").first).to_have_css("word-break", "keep-all")
    page.wait_for_function(FITS)
    assert page.evaluate(STRAYS) == []


def test_every_cell_ends_without_an_error(ran: Run) -> None:
    assert [cell.execution_count for cell in ran.cells] == list(range(1, len(ran.cells) + 1))
    outputs = [output for cell in ran.cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    expect(ran.notebook.page.locator(".jp-Dialog")).to_have_count(0)


def test_every_widget_is_alive(ran: Run) -> None:
    page = ran.notebook.page
    predictions = len(list(ran.lab.directives("predict")))
    expect(page.locator(".dl-predict input[type='radio']").first).to_be_visible()
    expect(page.get_by_role("button", name="풀이 보기")).to_have_count(predictions)
    expect(page.locator(".dl-quiz fieldset")).to_have_count(3)
    expect(page.locator(".dl-live").last).to_contain_text("지금")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_and_nothing_overlaps(ran: Run, width: int) -> None:
    page = ran.notebook.page
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(reduced_motion="reduce")  # where things stand, not where they come from
    try:
        page.wait_for_function("width => document.querySelector('.jp-LabShell').clientWidth === width", arg=width)
        page.wait_for_function(FITS)
        assert page.evaluate(STRAYS) == []
    finally:
        page.emulate_media(reduced_motion="no-preference")
        if before is not None:
            page.set_viewport_size(before)


@pytest.mark.full  # always: a wiki in its frame (test_ports.py)
@pytest.mark.parametrize("ran", [catalogue.lab("03")], indirect=True, ids=["03"])
def test_the_wiki_opens_beneath_its_cell_and_in_a_tab(ran: Run, engine: Daemon) -> None:
    """The image is there; its container has been removed at the end of the lab."""
    page = ran.notebook.page
    cell = ran.notebook.cells.filter(has_text="docker run -d --name wiki -p 9999:80 wiki").first
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    frame = cell.frame_locator(".dl-port iframe")
    expect(frame.locator("h1.logo")).to_have_text("도커 실습 위키")
    expect(frame.locator("#dokuwiki__content")).to_contain_text("컨테이너 안의 아파치와 PHP")
    expect(frame.locator("#dokuwiki__sitetools h3.a11y")).to_have_css("position", "absolute")  # its style has come
    frame.locator("a.action.index, .action.index a").first.click()
    expect(frame.locator("h1.sectionedit1, #dokuwiki__content h1").first).to_have_text("사이트맵")
    tab = page.context.new_page()
    tab.goto("http://127.0.0.1:9999/")
    expect(tab).to_have_title("start [도커 실습 위키]")
    tab.close()
    engine.docker("rm", "-f", "wiki")
