"""A container's life and what containers use, as text and as pictures; when a card is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.notebook.learning import gauges, life_picture, onlookers
from labs.notebook.learning.facts import Life
from labs.notebook.learning.onlookers import Onlookers
from labs.notebook.learning.usage import REMEMBERED, Board, Use
from tests.unit.notebook.test_pages import container, read

LIFE = Life(
    containers=(
        container(name="made", state="created"),
        container(name="web"),
        container(name="again", state="restarting"),
        container(name="held", state="paused"),
        container(name="done", state="exited", exit_code=0),
        container(name="broken", state="dead", exit_code=137),
    ),
    gone=(container(name="past", state="exited", exit_code=0),),
    removed=3,
)
NOBODY = Life(containers=(), gone=(), removed=0)


def use(**changes: object) -> Use:
    facts: dict[str, object] = {
        "id": "c" * 64,
        "name": "web",
        "state": "running",
        "cpu": 12.34,
        "memory": 3 * 2**20,
        "limit": 0,
        "processes": 2,
        "received": 1000,
        "sent": 20,
        "past": (0.0, 50.0, 12.34),
    }
    return Use(**{**facts, **changes})  # type: ignore[arg-type]


def drawings(life: Life) -> list[str]:
    """The broad one and the narrow one."""
    found = re.findall(
        r"<svg class=\"dl-(?:broad|narrow)\".*?(?=<svg class=\"dl-narrow\"|</div>)", life_picture.as_html(life)
    )
    assert len(found) == 2
    return found


# a life --------------------------------------------------------------------------------------------------------------
def test_a_life_as_text() -> None:
    assert life_picture.as_text(LIFE).splitlines() == [
        "컨테이너의 한살이",
        "  만들어짐(created): made",
        "  실행 중(running): web, again (다시 시작하는 중)",
        "  일시 정지(paused): held",
        "  종료(exited): done (0), broken (137)",
        "  파기(removed): 3개",
    ]
    assert life_picture.as_text(NOBODY).count("없음") == 5


@pytest.mark.parametrize("at", [0, 1])
def test_everybody_stands_where_the_text_says(at: int) -> None:
    drawn = drawings(LIFE)[at]
    boxes = dict(re.findall(r'<g class="dl-place dl-(\w+)">(.*?)(?=<g class="dl-place|</svg>$|$)', drawn))
    names = {place: re.findall(r'<text class="dl-command" x="8" y="18">([^<]*)', box) for place, box in boxes.items()}
    assert names == {
        "origin": [],
        "created": ["made"],
        "running": ["again", "web"],
        "paused": ["held"],
        "exited": ["broken", "done"],
        "removed": ["past"],
    }
    assert "그 밖에 2개" in boxes["removed"]
    for command in ("create", "start", "run", "pause", "unpause", "rm", "rm -f"):
        assert f">docker {command}" in drawn, command


def test_the_text_alternative_says_the_same_facts() -> None:
    for drawn in drawings(LIFE):
        assert 'aria-label="컨테이너의 한살이. 만들어짐(created): made. 실행 중(running): web, again' in drawn


def test_many_are_few_and_the_newest_are_shown() -> None:
    many = tuple(container(name=f"c{at}", id=f"{at:064x}", state="created") for at in range(9))
    drawn = drawings(Life(containers=many, gone=(), removed=0))[0]
    assert re.findall(r">(c\d)</text>", drawn) == ["c8", "c7", "c6", "c5", "c4"]
    assert "그 밖에 4개" in drawn


def test_nothing_is_drawn_outside() -> None:
    """Whatever their number; a letter of the commands is seven pixels wide and a bit."""
    for count in (0, 1, 9):
        containers = tuple(
            container(name="n" * 30, id=f"{at:064x}", state=state, exit_code=137 if state == "exited" else None)
            for state in ("created", "running", "paused", "exited")
            for at in range(count)
        )
        for drawn in drawings(Life(containers=containers, gone=containers[:count], removed=count)):
            sizes = re.search(r'width="(\d+)" height="(\d+)"', drawn)
            assert sizes is not None
            width, height = map(int, sizes.groups())
            for points in re.findall(r'points="([^"]*)"', drawn):
                for point in points.split():
                    x, y = map(int, point.split(","))
                    assert 0 <= x <= width and 0 <= y <= height
            for x, y, anchor, text in re.findall(
                r'<text class="dl-command" x="(\d+)" y="(\d+)" text-anchor="(\w+)">([^<]*)', drawn
            ):
                reach = {"start": 1.0, "middle": 0.5, "end": 0.0}[anchor] * len(text) * 7.3
                assert int(x) + reach <= width and int(y) <= height, text


@given(st.text(), st.text())
def test_names_from_outside_stay_text(name: str, state: str) -> None:
    html = life_picture.as_html(Life(containers=(container(name=name, state=state),), gone=(), removed=0))
    tags = {tag for tag, _ in read(html.replace("<polyline", "<line").replace("<polygon", "<line")).seen}
    assert tags <= {"h4", "div", "svg", "g", "rect", "circle", "path", "line", "text", "title", "p"}


@pytest.mark.parametrize(("name", "short"), [("web", "web"), ("a" * 10, "a" * 10), ("abcdefghijk", "abcde…hijk")])
def test_a_long_name_is_shortened_in_the_middle(name: str, short: str) -> None:
    assert life_picture.shortened(name, 10) == short


# what is used --------------------------------------------------------------------------------------------------------
def test_the_fixed_text_holds_nothing_that_changes() -> None:
    board = Board(uses=(use(), use(name="app", state="paused", limit=64 * 2**20)), machine=8 * 2**30, more=1)
    assert gauges.as_text(board).splitlines() == [
        "컨테이너 계기판",
        "  app · 일시 정지 · 메모리 제한 64MiB",
        "  web · 실행 중 · 메모리 제한 없음",
        "  그 밖에 1개",
    ]
    other = Board(
        uses=tuple(
            use(name=each.name, state=each.state, limit=each.limit, cpu=99.0, memory=5, past=()) for each in board.uses
        ),
        machine=9,
        more=1,
    )
    assert gauges.as_text(other) == gauges.as_text(board)
    assert gauges.as_html(other, numbers=False) == gauges.as_html(board, numbers=False)
    assert gauges.NOTHING in gauges.as_text(Board(uses=(), machine=1, more=0))


def test_rows_are_in_the_order_that_was_chosen() -> None:
    uses = (use(name="a", cpu=None, memory=3), use(name="b", cpu=5.0, memory=1), use(name="c", cpu=1.0, memory=2))
    found = {order: "".join(each.name for each in gauges.ordered(uses, order)) for order in gauges.ORDERS}
    assert found == {"이름": "abc", "CPU": "bca", "메모리": "acb"}


def test_a_row_says_what_is_measured() -> None:
    html = gauges.as_html(Board(uses=(use(limit=6 * 2**20),), machine=8 * 2**30, more=0), "지금")
    read(html.replace("<polyline", "<line"))
    for words in ("12.3%", "3MiB <small>/ 6MiB 제한</small>", "1kB / 20B", '<rect class="dl-limit" width="48"'):
        assert words in html
    assert "제한 없음" in gauges.as_html(Board(uses=(use(),), machine=8 * 2**30, more=0))


@pytest.mark.parametrize("past", [(), (0.0,), (100.0,) * REMEMBERED, (0.0, 400.0, 0.0)])
def test_the_line_stays_inside(past: tuple[float, ...]) -> None:
    html = gauges.as_html(Board(uses=(use(past=past),), machine=1, more=0))
    points = [tuple(map(float, point.split(","))) for point in re.findall(r"[\d.]+,[\d.]+", html)]
    assert len(points) == len(past)
    assert all(0 <= x <= gauges.WIDE and 0 <= y <= gauges.HIGH for x, y in points)


# who looks -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The clock, to be set."""
    clock = [1000.0]
    monkeypatch.setattr(onlookers.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(onlookers, "_cell", onlookers._Cell())
    yield clock


def test_a_page_that_says_nothing_for_long_is_not_there(now: list[float]) -> None:
    who = Onlookers()
    assert who.are_there()  # on its way
    who.sees("page")
    now[0] += onlookers.AWAY_SECONDS - 1
    assert who.are_there()
    now[0] += 2
    assert not who.are_there()
    assert not who.came.is_set()
    who.sees("page")
    assert who.are_there() and who.came.is_set()


def test_who_leaves_is_gone_at_once(now: list[float]) -> None:
    who = Onlookers()
    who.sees("one")
    who.sees("other")
    who.leaves("one")
    assert who.are_there()
    who.leaves("other")
    assert not who.are_there()


def test_while_a_cell_runs_nobody_can_be_heard(now: list[float]) -> None:
    who = Onlookers()
    who.sees("page")
    onlookers._cell.begin()
    now[0] += 3600
    assert who.are_there()
    onlookers._cell.end()
    assert who.are_there()
    now[0] += onlookers.AWAY_SECONDS + 1
    assert not who.are_there()
