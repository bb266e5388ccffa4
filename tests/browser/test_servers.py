"""Another server in real Chromium: the page that its container serves, in the frame beneath the cell."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from labs import catalogue
from tests.browser.classroom import Notebook, Server
from tests.browser.test_labs import Run, ran
from tests.daemon import Daemon

__all__ = ["ran"]
pytestmark = pytest.mark.timeout(900)
PAGE = '<!doctype html><meta charset="utf-8"><title>대문</title><h1>둘째 서버</h1><a href="/next.html">다음</a>'
DEPLOYING = (
    "%server create second",
    "docker run -d -p 5000:5000 --name registry registry:2",
    "docker tag wiki:1.0 $FIRST:5000/team/wiki:1.0",
    "docker push $FIRST:5000/team/wiki:1.0",
    "docker --host $SECOND_HOST run -d -q --name wiki-prod",
)


def test_a_page_of_another_server_opens_beneath_its_cell(
    empty: Notebook, server: Server, engine: Daemon, tmp_path: Path
) -> None:
    engine.docker("pull", "-q", "busybox")
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "next.html").write_text(PAGE.replace("둘째 서버", "다음 쪽"), encoding="utf-8")
    cell = empty.start("%server create second")
    empty.ended(cell)
    expect(cell.get_by_role("table")).to_contain_text("$SECOND_HOST")
    try:
        empty.run("docker --host $SECOND_HOST pull -q busybox")
        run = f"docker --host $SECOND_HOST run -d --name web -p 9999:80 -v {tmp_path}:/site busybox httpd -f -h /site"
        cell = empty.start(run)
        empty.ended(cell)
        expect(cell.locator(".dl-port")).to_contain_text("서버 second의 9999번 포트→web 80번 포트")
        frame = cell.frame_locator(".dl-port iframe")
        expect(frame.locator("h1")).to_have_text("둘째 서버")
        frame.locator("a").click()
        expect(frame.locator("h1")).to_have_text("다음 쪽")
        cell = empty.start("%open second:9999/next.html")
        empty.ended(cell)
        expect(cell.frame_locator(".dl-port iframe").locator("h1")).to_have_text("다음 쪽")
        cell = empty.start("%servers")
        empty.ended(cell)
        there = cell.get_by_label("서버 second")
        expect(there).to_contain_text("web 실행 중")
        there.get_by_role("button", name="web").click()  # its raw form comes from its own engine
        expect(cell.locator(".dl-raw")).to_contain_text("GET /containers/")
        assert "없어요" in empty.run("%open third:9999")
    finally:
        empty.run("%server rm second")


def test_only_servers_that_the_engine_made_are_led_to(server: Server) -> None:
    """No other name, and no address: nobody gets from JupyterLab into the network behind it."""
    for place in ("nobody/80/", "127.0.0.1/80/", "absolute/127.0.0.1:80/"):
        address = server.address().replace("/lab", f"/proxy/{place}", 1)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(address, timeout=20)
        refusal.value.close()
        assert refusal.value.code == 404


@pytest.mark.full  # always: the lab by nbval, and another server's page
@pytest.mark.parametrize("ran", [catalogue.lab("04")], indirect=True, ids=["04"])
def test_the_wiki_of_lab_04_is_deployed_to_the_second_server(ran: Run) -> None:
    """Its images are there; its servers were taken away at the end of the lab."""
    page = ran.notebook.page
    for words in DEPLOYING:
        cell = ran.notebook.cells.filter(has=page.locator(".cm-content", has_text=words)).first
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        ran.notebook.ended(cell)
    expect(cell.locator(".dl-port")).to_contain_text("서버 second의 9999번 포트→wiki-prod 80번 포트")
    frame = cell.frame_locator(".dl-port iframe")
    expect(frame.locator("h1.logo")).to_have_text("도커 실습 위키")
    expect(frame.locator("#dokuwiki__content")).to_contain_text("컨테이너 안의 아파치와 PHP")
    expect(frame.locator("#dokuwiki__sitetools h3.a11y")).to_have_css("position", "absolute")  # its style has come
    frame.locator("a.action.index, .action.index a").first.click()
    expect(frame.locator("h1.sectionedit1, #dokuwiki__content h1").first).to_have_text("사이트맵")
