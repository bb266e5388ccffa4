"""A new, empty notebook as a person uses it: what is typed, what is shown, and the keyboard alone."""

from __future__ import annotations

import re
import socket

import pytest
from playwright.sync_api import expect

from kernel_engine.walls import stage
from kernel_engine.walls.walls import PREFIX
from labs.catalogue import labs
from labs.without.table import CLEAN
from tests import remapping
from tests.browser.classroom import Notebook
from tests.conftest import remove_containers
from tests.daemon import Daemon

HANGUL = re.compile("[가-힣]")
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def pulled(engine: Daemon) -> None:
    engine.docker("pull", "busybox")


@pytest.fixture(autouse=True)
def no_containers(engine: Daemon) -> None:
    remove_containers(engine)


def test_the_interface_is_korean(empty: Notebook) -> None:
    expect(empty.page.locator(".lm-MenuBar-item").first).to_have_text("파일")


def test_a_command_in_an_empty_notebook(empty: Notebook) -> None:
    assert empty.run("docker run --rm busybox echo 안녕").strip() == "안녕"


@pytest.mark.parametrize(
    ("source", "word", "spoken"),
    [
        ("%%dockerfile -t web\nFROM busybox", "FROM", True),
        ("# 목록\ndocker ps && echo 끝", "echo", True),
        ("echo = 1\nprint(echo)", "echo", False),
        ("docker = 1\necho = docker", "echo", False),
    ],
)
def test_a_cell_is_coloured_as_what_it_is(empty: Notebook, source: str, word: str, spoken: bool) -> None:
    """A word of the shell or of a Dockerfile has a colour of its own there, and none in Python."""
    cell = empty.cells.last
    cell.locator(".cm-content").click()
    empty.page.keyboard.type(source)
    coloured = cell.locator(".cm-line span", has_text=re.compile(f"^{word}$"))
    plain = cell.locator(".cm-line").first.evaluate("line => getComputedStyle(line).color")
    try:
        if spoken:
            expect(coloured).not_to_have_css("color", plain)
        else:
            expect(cell.locator(".cm-content")).to_contain_text(word)
            colours = coloured.evaluate_all("spans => spans.map((span) => getComputedStyle(span).color)")
            assert set(colours) <= {plain}
    finally:
        empty.page.keyboard.press("Control+a")
        empty.page.keyboard.press("Delete")


def test_rows_of_a_table_stay_whole_and_sentences_wrap(empty: Notebook) -> None:
    """In a narrow window a table scrolls sideways by itself."""
    lines_of = "pre => Math.round(pre.scrollHeight / parseFloat(getComputedStyle(pre).lineHeight))"
    overflow = "pre => pre.scrollWidth - pre.clientWidth"
    empty.run("docker run -d --name a-rather-long-name-for-a-container busybox sleep 1000")
    table = empty.start("docker ps -a")
    empty.ended(table)
    error = empty.start("docker rm a-rather-long-name-for-a-container")
    empty.ended(error)
    before = empty.page.viewport_size
    empty.page.set_viewport_size({"width": 800, "height": 900})
    try:
        empty.page.wait_for_function("document.querySelector('.jp-LabShell').clientWidth === 800")
        assert table.locator("pre").evaluate(lines_of) == 2
        assert table.locator("pre").evaluate(overflow) > 0
        assert error.locator("pre").evaluate(lines_of) > 2
        assert error.locator("pre").evaluate(overflow) == 0
    finally:
        assert before is not None
        empty.page.set_viewport_size(before)


def test_a_session_with_a_body(empty: Notebook, engine: Daemon) -> None:
    shown = empty.run("%%docker run -it --name typed busybox sh\necho $((40 + 2))\nexit 3")
    lines = [line.strip() for line in shown.strip().splitlines()]
    assert lines[-3:] == ["/ # echo $((40 + 2))", "42", "/ # exit 3"]
    assert engine.inspect("typed")["State"]["ExitCode"] == 3


def test_an_error_is_dockers_text_and_a_korean_line(empty: Notebook) -> None:
    cell = empty.start("docker start nosuch")
    lines = empty.ended(cell).strip().splitlines()
    assert lines[0] == "Error response from daemon: No such container: nosuch"
    assert HANGUL.search(lines[-1])
    expect(cell.locator("[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
    expect(cell.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)


def test_explain_draws_a_timeline_whose_lines_open_their_source(empty: Notebook) -> None:
    cell = empty.start("%explain docker run --rm busybox echo made of calls")
    drawn = cell.locator(".dl-timeline").first
    for wall in ("이미지", "파일 시스템", "네임스페이스", "자원 제한", "네트워크", "보안", "실행"):
        expect(drawn.locator(".dl-phase summary").filter(has_text=wall).first).to_be_visible()
    expect(cell).to_contain_text("made of calls")
    assert drawn.locator("svg circle").count() > 40
    last = drawn.locator(".dl-phase", has_text="드디어 여러분의 명령이 돼요")
    last.locator("summary").click()
    last.locator(".dl-step", has_text="execve").locator(".dl-source").click()
    opened = empty.page.locator(".jp-FileEditor")
    expect(opened.locator(".cm-content")).to_contain_text("execve(path, process.args")
    assert "execve(path, process.args" in empty.page.evaluate("window.getSelection().toString()")
    empty.page.locator(".lm-TabBar-tab.lm-mod-current .lm-TabBar-tabCloseIcon").click()  # the next page begins without


def test_an_xray_follows_its_container(empty: Notebook) -> None:
    empty.run("docker run -d --name seen -m 64m busybox sh -c 'sleep 1000; true'")
    cell = empty.start("%xray seen")
    page = cell.locator(".dl-xray").first
    expect(page).to_contain_text("sleep 1000")
    expect(page.locator(".dl-apart")).to_have_count(6)
    empty.run("docker exec seen sh -c 'echo more > /written; rm /bin/dd'")
    expect(page.locator("li", has_text="written")).to_contain_text("쓰기 레이어(upper)")
    page.get_by_role("button", name="bin/", exact=True).click()
    expect(cell.locator(".dl-raw")).to_contain_text("whiteout   dd")
    empty.run("docker rm -f seen")
    expect(page).to_contain_text("컨테이너가 끝나기 직전의 모습")


def test_without_its_wall_the_host_name_leaks_beside_the_whole_container(empty: Notebook, engine: Daemon) -> None:
    if reason := remapping.lacking(engine.instance.root):
        pytest.skip(reason)
    cell = empty.start("%without uts docker run --rm busybox hostname")
    empty.ended(cell)
    found = cell.locator(".dl-without").last
    expect(found).to_contain_text(CLEAN)
    expect(found.locator(".dl-open pre")).to_have_text(socket.gethostname())
    expect(found.locator(".dl-walled pre")).to_have_text(re.compile("^[0-9a-f]{12}$"))
    name = found.locator("tr", has_text="uname(2)")
    expect(name.locator("td")).to_have_text([socket.gethostname(), re.compile("^[0-9a-f]{12}$"), socket.gethostname()])
    expect(name.locator(".dl-leaked")).to_have_text(socket.gethostname())
    expect(found.locator(".dl-calls mark")).to_have_text("CLONE_NEWUTS")
    expect(found.locator(".dl-source").first).to_contain_text("kernel_engine/runtime/init.py:")
    assert stage.left(engine.instance.cgroup, PREFIX) == ()
    assert engine.api.get("/containers/json", query={"all": "1"}).json() == []


def test_a_wall_that_cannot_be_left_out_is_a_sentence(empty: Notebook) -> None:
    assert "그런 벽은 없어요" in empty.run("%without roof docker run busybox true")
    assert "-i와 -t는 쓸 수 없어요" in empty.run("%without pid docker run -it busybox sh")
    said = empty.run("%without pid docker run --privileged busybox true")
    assert said.splitlines() == [
        "a container that is to be seen without a wall cannot have --privileged",
        "벽 하나를 뺀 컨테이너는 컴퓨터의 다른 것과 이어질 수 없어서 --privileged 없이 써야 해요.",
    ]


def test_a_live_card_follows_what_other_cells_do(empty: Notebook) -> None:
    card = empty.start("%live containers images")
    picture = card.locator(".dl-live")
    expect(picture.locator(".dl-image")).to_contain_text("busybox:latest")
    empty.run("docker run -d --name shown busybox sleep 1000")
    shown = picture.locator(".dl-running")
    expect(shown).to_contain_text("shown")
    expect(shown).to_contain_text("실행 중")
    empty.run("docker rm -f shown")
    expect(shown).to_have_count(0)


def test_a_thing_of_the_card_shows_its_raw_form_by_keyboard(empty: Notebook) -> None:
    empty.run("docker run --name raw busybox true")
    card = empty.start("%live containers")
    thing = card.locator(".dl-exited", has_text="raw")
    thing.focus()
    thing.press("Enter")
    expect(card.locator(".dl-raw")).to_contain_text('"Name": "/raw"')


def test_an_older_card_goes_back_to_its_own_moment(empty: Notebook) -> None:
    empty.run("docker run --name before busybox true")
    first = empty.start("%live containers")
    empty.run("docker run --name later busybox true")
    expect(first).to_contain_text("later")
    second = empty.start("%live containers")
    expect(second).to_contain_text("later")
    expect(first).to_contain_text("이 셀을 실행했을 때")
    expect(first).to_contain_text("before")
    expect(first).not_to_contain_text("later")
    empty.run("docker run --name after busybox true")
    expect(second).to_contain_text("after")
    expect(first).not_to_contain_text("after")


def test_a_prediction_by_keyboard(empty: Notebook) -> None:
    cell = empty.start("%predict 00-1")
    box = cell.locator(".dl-predict")
    reveal = box.get_by_role("button", name="풀이 보기")
    expect(reveal).to_be_disabled()
    box.get_by_role("radio").first.focus()
    press(empty, "Space", "ArrowDown")
    expect(box.get_by_role("radio").nth(1)).to_be_checked()
    press(empty, "Tab", "Enter")
    expect(box.get_by_role("status")).to_contain_text("맞아요.")


def test_a_quiz_by_keyboard(empty: Notebook) -> None:
    cell = empty.start("%quiz 00")
    box = cell.locator(".dl-quiz")
    questions = box.get_by_role("group")
    expect(questions).to_have_count(3)
    questions.nth(0).get_by_role("radio").first.focus()
    for at in range(3):
        press(empty, "Space")
        expect(questions.nth(at).get_by_role("radio").first).to_be_checked()
        expect(questions.nth(at).get_by_role("status")).to_contain_text(re.compile("맞아요|아니에요"))
        press(empty, "Tab")
    expect(box).to_contain_text(re.compile("3문제 가운데 [0-3]문제를 맞혔어요"))


def test_a_check_says_what_is_missing_and_then_passes(empty: Notebook) -> None:
    cell = empty.start("%check 00-2")
    expect(cell.locator(".dl-notyet")).to_contain_text("기대한 것")
    hint = cell.get_by_role("button", name="힌트 1: 방향")
    hint.focus()
    hint.press("Enter")
    expect(cell.get_by_role("status").filter(has_text="힌트 1: 방향")).to_be_visible()
    expect(cell.get_by_role("button", name="힌트 2: 방법")).to_be_focused()
    assert "힌트 2: 방법" in asked(empty), "%hint goes on where the button was"
    later = empty.start("%check 00-2")
    expect(later.locator(".dl-hint")).to_have_count(2)
    later.get_by_role("button", name="힌트 3: 거의 답").press("Enter")
    expect(later.locator(".dl-notyet")).to_contain_text("%solve 00-2")
    expect(later.locator(".jp-Cell-outputArea").get_by_role("button")).to_have_count(0)
    empty.run("docker run -dit --name stay busybox sh\ndocker run --name leave busybox sh")
    again = empty.start("%check 00-2")
    expect(again.locator(".dl-passed")).to_contain_text("00-2 통과")


def asked(notebook: Notebook) -> str:
    """What `%hint 00-2` shows."""
    cell = notebook.start("%hint 00-2")
    notebook.ended(cell)
    return cell.locator(".dl-notyet").inner_text()


def test_progress_shows_the_course_and_leads_to_a_lab(empty: Notebook) -> None:
    empty.run("%reset 00")
    cell = empty.start("%progress")
    page = cell.locator(".dl-progress")
    expect(page.locator("ol > li")).to_have_count(len(labs()))
    expect(page.locator("li li", has_text=re.compile(r"^\W*00-2"))).to_contain_text("통과")
    expect(page.locator("li li", has_text=re.compile(r"^\W*00-1"))).to_contain_text("아직")
    before = empty.page.viewport_size
    assert before is not None
    try:
        for width in (480, 1600):
            empty.page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("box => box.scrollWidth - box.clientWidth") <= 0
    finally:
        empty.page.set_viewport_size(before)
    page.get_by_role("link", name=labs()[0].title).click()
    opened = empty.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    expect(opened.locator(".dl-map").first).to_be_visible()
    empty.page.locator(".lm-TabBar-tab.lm-mod-current .lm-TabBar-tabCloseIcon").click()


def press(notebook: Notebook, *keys: str) -> None:
    for key in keys:
        notebook.page.keyboard.press(key)
