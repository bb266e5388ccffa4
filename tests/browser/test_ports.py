"""The page of a published port in the frame under a cell, in real Chromium: a wiki that busybox serves."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Locator, expect

from tests.browser.classroom import Notebook, Server
from tests.conftest import remove_containers
from tests.daemon import Daemon

pytestmark = pytest.mark.timeout(600)

FRONT = """<!doctype html><html><head><meta charset="utf-8">
<title>대문</title><link rel="stylesheet" href="/style.css"></head><body>
<h1>우리 위키</h1><p id="script">스크립트 없음</p>
<script>document.getElementById("script").textContent = "스크립트가 돌았다";
fetch("/api/terminals", {method: "POST"}).then((r) => { document.title = "TERMINAL " + r.status; });</script>
<a id="absolute" href="/wiki/Page.html">절대 주소</a> <a id="relative" href="wiki/Page.html">상대 주소</a>
<form action="/cgi-bin/save" method="post"><input name="text" value="안녕"><button>저장</button></form></body></html>"""
PAGE = '<!doctype html><meta charset="utf-8"><h1>둘째 쪽</h1><a href="http://127.0.0.1:PORT/">대문으로</a>'
SAVE = """#!/bin/sh
printf 'Content-Type: text/html; charset=utf-8\\r\\nSet-Cookie: user=me; Path=/\\r\\n\\r\\n'
echo "<p id=said>$(cat)</p><p id=cookie>[$HTTP_COOKIE]</p><p id=host>$HTTP_HOST</p>"
echo "<a id=again href=/cgi-bin/save>다시</a>"
"""


@pytest.fixture(scope="module", autouse=True)
def pulled(engine: Daemon) -> None:
    engine.docker("pull", "busybox")


@pytest.fixture(autouse=True)
def no_containers(engine: Daemon) -> None:
    remove_containers(engine)


@pytest.fixture
def free() -> int:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def wiki(tmp_path: Path, free: int) -> Path:
    site = tmp_path / "site"
    (site / "wiki").mkdir(parents=True)
    (site / "cgi-bin").mkdir()
    (site / "index.html").write_text(FRONT, encoding="utf-8")
    (site / "style.css").write_text("h1 { color: rgb(1, 2, 3); }", encoding="utf-8")
    (site / "wiki" / "Page.html").write_text(PAGE.replace("PORT", str(free)), encoding="utf-8")
    (site / "cgi-bin" / "save").write_text(SAVE, encoding="utf-8")
    (site / "cgi-bin" / "save").chmod(0o755)
    return site


def opened(notebook: Notebook, source: str) -> tuple[Locator, FrameLocator]:
    cell = notebook.start(source)
    notebook.ended(cell)
    return cell, cell.frame_locator(".dl-port iframe")


def test_a_wiki_in_its_frame(empty: Notebook, engine: Daemon, wiki: Path, free: int) -> None:
    run = f"docker run -d --name wiki -p {free}:80 -v {wiki}:/site busybox httpd -f -h /site"
    cell, frame = opened(empty, run)
    expect(frame.locator("h1")).to_have_text("우리 위키")
    expect(frame.locator("h1")).to_have_css("color", "rgb(1, 2, 3)")
    expect(cell.locator(".dl-port")).to_contain_text(f"호스트 {free}번 포트→wiki 80번 포트")
    expect(cell.locator(".dl-port a")).to_have_attribute("href", f"http://127.0.0.1:{free}/")
    frame.locator("#absolute").click()
    expect(frame.locator("h1")).to_have_text("둘째 쪽")
    frame.locator("a").click()
    expect(frame.locator("h1")).to_have_text("우리 위키")
    frame.locator("#relative").click()
    expect(frame.locator("h1")).to_have_text("둘째 쪽")
    cell.locator(".dl-port button", has_text="처음 페이지로").click()
    expect(frame.locator("h1")).to_have_text("우리 위키")


def test_a_page_cannot_act_for_the_learner(empty: Notebook, engine: Daemon, wiki: Path, free: int) -> None:
    """Its scripts do not run at JupyterLab's address, and JupyterLab's cookies do not reach it; a form works."""
    _, frame = opened(empty, f"docker run -d --name wiki -p {free}:80 -v {wiki}:/site busybox httpd -f -h /site")
    expect(frame.locator("#script")).to_have_text("스크립트 없음")
    frame.locator("button").click()
    expect(frame.locator("#said")).to_have_text(re.compile("^text="))
    expect(frame.locator("#cookie")).to_have_text("[]")
    expect(frame.locator("#host")).to_have_text(f"127.0.0.1:{free}")
    frame.locator("#again").click()
    expect(frame.locator("#cookie")).to_have_text("[user=me]")
    tab = empty.page.context.new_page()
    tab.goto(f"http://127.0.0.1:{empty.server.port}/proxy/{free}/")
    expect(tab.locator("#script")).to_have_text("스크립트 없음")
    own = {cookie["name"]: cookie["path"] for cookie in empty.page.context.cookies()}
    assert own["user"] == f"/proxy/{free}/"
    tab.goto(f"http://127.0.0.1:{free}/")
    expect(tab.locator("#script")).to_have_text("스크립트가 돌았다")
    tab.close()


@pytest.mark.parametrize("path", ["/proxy/{port}/", "/proxy/absolute/{port}/", "/proxy/127.0.0.1:{port}/"])
def test_nobody_without_the_token_sees_a_page(
    empty: Notebook, server: Server, engine: Daemon, wiki: Path, free: int, path: str
) -> None:
    engine.docker("run", "-d", "-p", f"{free}:80", "-v", f"{wiki}:/site", "busybox", "httpd", "-f", "-h", "/site")
    address = f"http://127.0.0.1:{server.port}{path.format(port=free)}"
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert "/login" in answer.url
            assert "위키" not in answer.read().decode()
    except urllib.error.HTTPError as error:
        assert error.code in (403, 404)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sleep 99", "아직 아무도 80번 포트를 기다리지"),
        ("httpd -f -p 127.0.0.1:80", "127.0.0.1에서만 기다려요"),
        ("httpd -f -p 8080", "8080번 포트를 기다리고 있어요"),
        ("sh -c 'exit 3'", "종료 코드(exit code)는 3"),
    ],
)
def test_why_there_is_no_page(empty: Notebook, free: int, command: str, words: str) -> None:
    cell, _ = opened(empty, f"docker run -d -p {free}:80 busybox {command}")
    expect(cell.locator(".dl-port .dl-why")).to_contain_text(words)
    expect(cell.locator("iframe")).to_have_count(0)


def test_open(empty: Notebook, engine: Daemon, wiki: Path, free: int) -> None:
    words = ("run", "-d", "--name", "wiki", "-p", f"{free}:80", "-v", f"{wiki}:/site", "busybox", "httpd", "-f", "-h")
    engine.docker(*words, "/site")
    _, frame = opened(empty, "%open wiki")
    expect(frame.locator("h1")).to_have_text("우리 위키")
    _, frame = opened(empty, f"%open {free}/wiki/Page.html")
    expect(frame.locator("h1")).to_have_text("둘째 쪽")
    assert "1번 포트를 연 컨테이너가 없어요" in empty.run("%open 1")
    assert "nobody 컨테이너가 없어요" in empty.run("%open nobody")
    engine.docker("run", "-d", "--name", "closed", "busybox", "sleep", "99")
    assert "호스트에 연 TCP 포트가 없어요" in empty.run("%open closed")
    assert "%open 다음에" in empty.run("%open")


def test_a_command_that_publishes_nothing_shows_nothing(empty: Notebook) -> None:
    cell, _ = opened(empty, "docker run -d busybox sleep 99")
    expect(cell.locator(".dl-port")).to_have_count(0)
