"""Live terminals beneath cells, in real Chromium: typed into, resized, left and found again."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.classroom import DONE, PATIENCE, Notebook, Server, learner, nbformat
from tests.conftest import remove_containers
from tests.daemon import Daemon

NAME = "terminal.ipynb"
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def pulled(engine: Daemon) -> None:
    engine.docker("pull", "busybox")


@pytest.fixture(scope="module")
def notebook(page: Page, server: Server) -> Notebook:
    """A saved notebook with one empty cell: it can be opened again."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=f"http://127.0.0.1:{server.port}")
    spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("")], metadata={"kernelspec": spec})
    nbformat.write(empty, server.workspace / NAME)
    os.chown(server.workspace / NAME, learner().uid, learner().gid)
    return Notebook.opened(page, server, NAME)


@pytest.fixture(autouse=True)
def nothing_left(notebook: Notebook, engine: Daemon) -> Iterator[None]:
    yield
    notebook.page.locator(".lm-MenuBar-item", has_text="편집").click()
    notebook.page.locator(".lm-Menu-item[data-command='editmenu:clear-all']").click()
    until(lambda: not terminals(notebook.server))
    remove_containers(engine)


def opened(notebook: Notebook, source: str) -> Locator:
    """The cell with its terminal, which has the focus. The cell has ended."""
    cell = notebook.start(source)
    notebook.ended(cell)
    expect(cell.locator(".dl-screen .xterm-screen")).to_be_visible()
    expect(cell.locator(".xterm-helper-textarea")).to_be_focused()
    return cell


def screen(cell: Locator) -> str:
    """What the terminal shows, by selecting and copying it."""
    box = cell.locator(".xterm-screen").bounding_box()
    assert box is not None
    mouse = cell.page.mouse
    cell.page.evaluate("navigator.clipboard.writeText('')")
    mouse.move(box["x"] + 1, box["y"] + 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 3, steps=3)
    mouse.up()
    cell.page.keyboard.press("Control+c")
    return str(cell.page.evaluate("navigator.clipboard.readText()"))


def shows(cell: Locator, words: str) -> None:
    until(lambda: re.search(words, screen(cell), re.MULTILINE) is not None)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def line(notebook: Notebook, text: str) -> None:
    notebook.page.keyboard.type(text)
    notebook.page.keyboard.press("Enter")


def terminals(server: Server) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/terminals?token={server.token}") as answer:
        return [item["name"] for item in json.load(answer)]


def inside(engine: Daemon, container: str, path: str) -> str:
    return engine.docker("exec", container, "cat", path, check=False).stdout.strip()


def test_typed_into_and_ended(notebook: Notebook, engine: Daemon) -> None:
    cell = opened(notebook, "docker run -it --name typed busybox sh")
    shows(cell, "^/ #")
    line(notebook, "echo $((6 * 7))")
    shows(cell, "^42$")
    notebook.page.keyboard.insert_text("echo 안녕하세요 도커 > /said; cat /said")
    notebook.page.keyboard.press("Enter")
    shows(cell, "^안녕하세요 도커$")
    assert inside(engine, "typed", "/said") == "안녕하세요 도커"
    line(notebook, "exit 3")
    expect(cell.locator(".dl-terminal pre")).to_contain_text("안녕하세요 도커")
    expect(cell).to_contain_text("종료 코드(exit code): 3")
    assert engine.inspect("typed")["State"]["ExitCode"] == 3
    assert terminals(notebook.server) == []
    kept = notebook.saved(NAME).cells
    outputs = [output for found in kept if "--name typed" in found.source for output in found.outputs]
    assert list(outputs[0].data) == ["text/html", "text/plain"]
    assert "안녕하세요 도커" in outputs[0].data["text/plain"]


def test_korean_is_composed(notebook: Notebook, engine: Daemon) -> None:
    """As an input method does it: syllables grow before they are given out."""
    cell = opened(notebook, "docker run -it --name composed busybox sh")
    shows(cell, "^/ #")
    line(notebook, "cat > /said")
    session = notebook.page.context.new_cdp_session(notebook.page)
    for syllables in (("ㅎ", "하", "한"), ("ㄱ", "그", "글")):
        for grown in syllables:
            session.send("Input.imeSetComposition", {"text": grown, "selectionStart": 1, "selectionEnd": 1})
        session.send("Input.insertText", {"text": syllables[-1]})
    shows(cell, "^한글")
    notebook.page.keyboard.press("Enter")
    until(lambda: inside(engine, "composed", "/said") == "한글")


def test_keys_that_the_browser_shares(notebook: Notebook, engine: Daemon) -> None:
    """Ctrl-C is the program's, Ctrl-V pastes, Ctrl-S saves; letters are no commands of the notebook."""
    cell = opened(notebook, "docker run -it --name keys busybox sh")
    shows(cell, "^/ #")
    before = notebook.cells.count()
    line(notebook, "sleep 1000")
    shows(cell, "sleep 1000\n$")
    notebook.page.keyboard.press("Control+c")
    line(notebook, "echo code=$?")
    shows(cell, "^code=130$")
    notebook.page.evaluate("navigator.clipboard.writeText('echo 붙인 글 > /pasted')")
    notebook.page.keyboard.press("Control+v")
    shows(cell, "pasted")
    notebook.page.keyboard.press("Enter")
    until(lambda: inside(engine, "keys", "/pasted") == "붙인 글")
    notebook.page.keyboard.press("Control+s")
    line(notebook, "echo abdd")
    shows(cell, "^abdd$")
    assert notebook.cells.count() == before


def test_two_at_once_and_a_page_that_comes_back(notebook: Notebook, engine: Daemon, page: Page) -> None:
    first = opened(notebook, "docker run -it --name both busybox sh")
    line(notebook, "echo first; echo $((1000 + 1)) lines")
    shows(first, "^1001 lines$")
    busy = notebook.start("import time; time.sleep(6)")
    first.locator(".xterm-screen").click()
    line(notebook, "echo while another cell runs > /busy")
    until(lambda: inside(engine, "both", "/busy") != "")
    expect(busy.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\*\]:?$"))
    notebook.ended(busy)
    at = notebook.cells.count() - 1
    second = opened(notebook, "docker exec -it both sh")
    line(notebook, "echo second")
    shows(second, "^second$")
    assert len(terminals(notebook.server)) == 2
    notebook.saved(NAME)
    Notebook.opened(page, notebook.server, NAME)
    first, second = notebook.cells.nth(at - 2), notebook.cells.nth(at)
    expect(first.locator(".xterm-screen")).to_be_visible()
    shows(first, "^first\n1001 lines$")
    shows(second, "^second$")
    first.locator(".xterm-screen").click()
    line(notebook, "echo still here > /said")
    until(lambda: inside(engine, "both", "/said") == "still here")
    assert "[" not in screen(first).split("1001 lines")[1]  # no answers to old questions
    assert len(terminals(notebook.server)) == 2


def test_one_that_ended_while_nobody_looked(notebook: Notebook, engine: Daemon, page: Page) -> None:
    cell = opened(notebook, "docker run -it --name alone busybox sh")
    shows(cell, "^/ #")
    line(notebook, "echo last words")
    shows(cell, "^last words$")
    notebook.saved(NAME)
    at = notebook.cells.count() - 2
    page.goto("about:blank")
    engine.docker("kill", "alone")
    until(lambda: not terminals(notebook.server))
    Notebook.opened(page, notebook.server, NAME)
    cell = notebook.cells.nth(at)
    expect(cell).to_contain_text("last words")
    expect(cell).to_contain_text("종료 코드(exit code): 137")


def test_the_size_follows_the_page(notebook: Notebook, engine: Daemon, page: Page) -> None:
    cell = opened(notebook, "docker run -it --name sized busybox sh")
    shows(cell, "^/ #")

    def size() -> tuple[int, int]:
        line(notebook, "stty size > /size; date +%N > /asked")
        until(lambda: inside(engine, "sized", "/size") != "")
        rows, columns = inside(engine, "sized", "/size").split()
        return int(rows), int(columns)

    rows, columns = size()
    assert rows == 20
    before = page.viewport_size
    assert before is not None
    page.set_viewport_size({"width": 1000, "height": 900})
    try:
        until(lambda: size()[1] < columns - 20)
    finally:
        page.set_viewport_size(before)


def test_left_by_the_detach_keys(notebook: Notebook, engine: Daemon) -> None:
    cell = opened(notebook, "docker run -it --name left busybox sh")
    shows(cell, "^/ #")
    notebook.page.keyboard.press("Control+p")
    notebook.page.keyboard.press("Control+q")
    expect(cell).to_contain_text("컨테이너는 계속 돌고 있어요")
    assert engine.inspect("left")["State"]["Running"]
    again = opened(notebook, "docker attach left")
    line(notebook, "echo back")
    shows(again, "^back$")
    again.get_by_role("button", name="나가기").click()
    expect(again).to_contain_text("컨테이너는 계속 돌고 있어요")
    assert engine.inspect("left")["State"]["Running"]


def test_an_output_that_goes_hangs_up(notebook: Notebook, engine: Daemon, page: Page) -> None:
    cell = opened(notebook, "docker run -it --name gone busybox sh")
    shows(cell, "^/ #")
    cell.locator(".jp-InputPrompt").click()
    page.locator(".lm-MenuBar-item", has_text="편집").click()
    page.locator(".lm-Menu-item[data-command='editmenu:clear-current']").click()
    until(lambda: not terminals(notebook.server))
    assert engine.inspect("gone")["State"]["Running"]  # as when the window of a terminal is closed


def test_a_kernel_that_goes_hangs_up(notebook: Notebook) -> None:
    cell = opened(notebook, "docker run -it --name restarted busybox sh")
    shows(cell, "^/ #")
    notebook.page.locator(".lm-MenuBar-item", has_text="커널").click()
    notebook.page.locator(".lm-Menu-item[data-command='kernelmenu:restart']").click()
    notebook.page.locator(".jp-Dialog .jp-mod-accept").click()
    until(lambda: not terminals(notebook.server))
    expect(cell.locator(".xterm-screen")).to_have_count(0)
    expect(cell).to_contain_text("터미널은 닫혔어요")
    expect(notebook.page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"\| (대기|Idle)"))


def test_a_service_of_compose(notebook: Notebook) -> None:
    file = notebook.server.workspace / "compose.yaml"
    file.write_text("services: {web: {image: busybox, command: sleep 1000}}")
    os.chown(file, learner().uid, learner().gid)
    notebook.run("docker compose up -d")
    cell = opened(notebook, "docker compose exec web sh")
    shows(cell, "^/ #")
    line(notebook, "cat /proc/1/cmdline | tr '\\0' ' '; exit 4")
    expect(cell).to_contain_text("종료 코드(exit code): 4")
    expect(cell).to_contain_text("sleep 1000")
    assert notebook.run("docker compose exec -T web echo plain").strip() == "plain"


def test_a_command_that_is_over_in_a_moment(notebook: Notebook) -> None:
    cell = notebook.start("docker run --rm -it busybox echo quick")
    expect(cell.locator(".jp-InputPrompt")).to_have_text(DONE)
    said = re.compile(r"^\s*quick\s+명령이 끝났어요\.\s+종료 코드\(exit code\): 0\s*$")
    expect(cell.locator(".jp-OutputArea-output")).to_have_text(said, use_inner_text=True)
    assert notebook.run("print(_exit_code)").strip() == "0"


def test_without_our_extension_it_asks_line_by_line(notebook: Notebook, engine: Daemon, page: Page) -> None:
    def refuse(route: Route) -> None:
        route.abort()

    page.route("**/docker-labs/terminals/**", refuse)
    try:
        cell = notebook.start("docker run -it --name asked busybox sh")
        for text in ("echo 받은 글: $((6 * 7))", "exit 5"):
            box = cell.locator(".jp-Stdin-input").last
            expect(box).to_have_value("")
            expect(box).to_be_focused()
            box.press_sequentially(text)
            box.press("Enter")
        shown = notebook.ended(cell)
    finally:
        page.unroute("**/docker-labs/terminals/**", refuse)
    assert "한 줄씩 물어볼게요" in shown
    assert "받은 글: 42" in shown
    assert engine.inspect("asked")["State"]["ExitCode"] == 5


def test_nobody_without_the_token_opens_one(notebook: Notebook) -> None:
    address = f"http://127.0.0.1:{notebook.server.port}/docker-labs/terminals/{'0' * 32}"
    for headers, code in (({}, 403), ({"Authorization": f"token {notebook.server.token}"}, 404)):
        request = urllib.request.Request(address, method="POST", headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=20)
        with refusal.value:
            assert refusal.value.code == code
